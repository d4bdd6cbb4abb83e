"""Replays: the actions of matches, enough with seed and options to step a match again and compare.

A file holds the matches of one task and is named by its content: safetensors, one tensor
(steps, seats, numbers) a match and role, named "match/role".
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from league.block import BlockPlan, MatchResult, plan_matches
from league.durable import write_whole
from league.matches import Variants
from marl.errors import LedgerError, MarlError
from marl.hosting import make_pool
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from marl.frame import Frame
    from marl.loading import ArenaRef


def write_replays(
    folder: Path,
    arena: Mapping[str, Any],
    blocks: Sequence[BlockPlan],
    actions: Mapping[int, Mapping[str, NDArray[Any]]],
) -> str:
    """Write the actions of a task's matches below `folder`; returns the file's name."""
    tensors = {
        f"{match}/{role}": _small(array)
        for match, by_role in sorted(actions.items())
        for role, array in by_role.items()
    }
    # one entry: safetensors writes several in an order of its own, and the name is the content's
    about = {"arena": dict(arena), "blocks": [block.id for block in blocks]}
    data = save(tensors, {"about": json.dumps(about, sort_keys=True)})
    name = _name_of(data)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, data)
    return name


class Replays:
    """The recorded actions of a task's matches; LedgerError where the file is missing or was altered."""

    def __init__(self, path: Path) -> None:
        self._where = f"replay {path}"
        if not path.is_file():
            raise LedgerError(self._where, got="no such file", expected="the replays of a task")
        data = path.read_bytes()
        try:
            self._tensors = load(data) if _name_of(data) == path.name else None
        except SafetensorError:
            self._tensors = None
        if self._tensors is None:
            raise LedgerError(
                self._where,
                got=f"content of hash {_name_of(data).partition('.')[0]}",
                expected="that of its name",
                remedy="It was altered or cut short; copy it again from where it came from.",
            )

    def actions(self, match: int) -> dict[str, NDArray[Any]]:
        """The actions of a match by role: (steps, seats, numbers)."""
        assert self._tensors is not None  # the constructor looked
        found = {
            key.partition("/")[2]: array
            for key, array in self._tensors.items()
            if key.startswith(f"{match}/")
        }
        if not found:
            raise LedgerError(self._where, got=f"no match {match}", expected="one of its matches")
        return found


class Stepper:
    """Steps recorded matches of an arena again, one after the other, in this process."""

    def __init__(self, ref: ArenaRef) -> None:
        self._pool = make_pool(ref, hosts=0, copies=1, groups=1)
        self._variants = Variants(self._pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def frames(
        self, block: BlockPlan, result: MatchResult, actions: Mapping[str, NDArray[Any]]
    ) -> Iterator[tuple[Frame, dict[str, Any]]]:
        """The frame at the match's start and after each step, and what a spectator may see of it.

        The last frame has `over_B` set where the match ends as it did; there is no view of what is over.
        """
        plan = plan_matches(block)[result.index]
        frame = self._send(Ticket(plan.match, plan.seed, self._variants.number(plan.options)), restart=True)
        yield frame, self._pool.view(0, 0)
        for step in range(result.steps):
            for role, action in actions.items():
                self._pool.orders[0].action[role][0] = action[step]
            frame = self._send(None, restart=False)
            over = bool(frame.over_B[0])
            yield frame, {} if over else self._pool.view(0, 0)
            if over:
                return

    def verify(self, block: BlockPlan, result: MatchResult, actions: Mapping[str, NDArray[Any]]) -> list[str]:
        """What differs from the recorded result where the match is stepped again; nothing where it agrees."""
        recorded = min((len(action) for action in actions.values()), default=0)
        if recorded != result.steps:
            return [f"{recorded} actions are recorded for {result.steps} steps"]
        try:
            for frame, _ in self.frames(block, result, actions):
                last = frame
        except MarlError as error:
            return [f"it can not be stepped: {error}"]
        if not last.over_B[0]:
            return [f"it is not over after {result.steps} steps"]
        found = []
        if int(last.steps_B[0]) != result.steps:
            found.append(f"it ends after {int(last.steps_B[0])} steps, recorded are {result.steps}")
        return found + self._differing(last, result)

    def _differing(self, frame: Frame, result: MatchResult) -> list[str]:
        spec, found = self._pool.spec, []
        for seat in result.seats:
            role = spec.role_of(seat.seat)
            score = float(frame.roles[role.name].score_BN[0, role.seats.index(seat.seat)])
            if seat.outcome != "ok":
                score = min(score, spec.forfeit_score)
            if seat.score != score:
                found.append(f"seat {seat.seat} scores {score!r}, recorded is {seat.score!r}")
        return found

    def _send(self, ticket: Ticket | None, *, restart: bool) -> Frame:
        orders = self._pool.orders[0]
        orders.restart_B[0] = restart and self._pool.frames[0].ticket_B[0] != PARKED
        orders.follow(0, ticket)
        self._pool.send(0)
        return self._pool.receive(0)


def _name_of(data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:24]}.safetensors"


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers that fit take two bytes."""
    if np.issubdtype(array.dtype, np.integer) and array.size and np.abs(array).max() < 2**15:
        return np.ascontiguousarray(array.astype(np.int16))
    return np.ascontiguousarray(array)
