"""Replays: the actions of matches, enough with seed and options to step a match again and compare.

A file holds the matches of one task: safetensors, one tensor (steps, seats, numbers) a match and role, named "match/role".
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from league.block import BlockPlan, BlockResult, MatchResult, plan_matches
from league.matches import Variants
from marl.errors import LedgerError
from marl.frame import Frame
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import ArenaPool


def write_replays(
    folder: Path,
    arena: Mapping[str, Any],
    blocks: Sequence[BlockPlan],
    actions: Mapping[int, Mapping[str, NDArray[Any]]],
) -> str:
    """Write the actions of a task's matches below `folder`; returns the file's name, which is its content hash."""
    tensors = {
        f"{match}/{role}": _small(array) for match, by_role in sorted(actions.items()) for role, array in by_role.items()
    }
    about = {"arena": json.dumps(dict(arena), sort_keys=True), "blocks": json.dumps([block.id for block in blocks])}
    data = save(tensors, about)
    name = f"{hashlib.sha256(data).hexdigest()[:24]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".half-{os.getpid()}-{name}"
    temporary.write_bytes(data)
    temporary.replace(folder / name)
    return name


def read_replay(folder: Path, name: str, match: int) -> dict[str, NDArray[Any]]:
    """The actions of one match by role, (steps, seats, numbers); LedgerError where the file or the match is missing."""
    path = folder / name
    if not path.is_file():
        raise LedgerError(f"replay {path}", got="no such file", expected="the replays of the task")
    with safe_open(path, "numpy") as file:
        found = {key.partition("/")[2]: file.get_tensor(key) for key in file.keys() if key.startswith(f"{match}/")}  # noqa: SIM118  # not a dict
    if not found:
        raise LedgerError(f"replay {path}", got=f"no match {match}", expected="one of its matches")
    return found


def step_again(
    ref: ArenaRef, block: BlockPlan, result: MatchResult, actions: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[Frame, dict[str, Any]]]:
    """Step a match again from its recorded actions: the frame after each step, and what a spectator may see.

    The last frame has `over_B` set where the match ended as it did.
    """
    plan = plan_matches(block)[result.index]
    pool = make_pool(ref, hosts=0, copies=1, groups=1)
    try:
        variant = Variants(pool).number(plan.options)
        frame = _send(pool, Ticket(plan.match, plan.seed, variant))
        yield frame, pool.view(0, 0)
        for step in range(result.steps):
            for role, action in actions.items():
                pool.orders[0].action[role][0] = action[step]
            frame = _send(pool, None)
            yield frame, {} if frame.over_B[0] else pool.view(0, 0)
    finally:
        pool.close()


def verify(ref: ArenaRef, block: BlockPlan, result: MatchResult, actions: Mapping[str, NDArray[Any]]) -> list[str]:
    """Step a match again and compare; returns what differs from the recorded result, nothing where all agrees."""
    frame: Frame | None = None
    for frame, _ in step_again(ref, block, result, actions):
        if frame.over_B[0]:
            break
    if frame is None or not frame.over_B[0]:
        return [f"the match is not over after {result.steps} steps"]
    found = []
    if int(frame.steps_B[0]) != result.steps:
        found.append(f"it ends after {int(frame.steps_B[0])} steps, recorded are {result.steps}")
    scores = _scores(ref, frame)
    found += [
        f"seat {seat.seat} scores {scores[seat.seat]!r}, recorded is {seat.score!r}"
        for seat in result.seats
        if seat.score != scores[seat.seat]
    ]
    return found


def _scores(ref: ArenaRef, frame: Frame) -> dict[str, float]:
    from marl.loading import build  # noqa: PLC0415

    spec = build(ref).spec
    return {
        seat: float(frame.roles[role.name].score_BN[0, i]) for role in spec.roles for i, seat in enumerate(role.seats)
    }


def _send(pool: ArenaPool, ticket: Ticket | None) -> Frame:
    pool.orders[0].follow(0, ticket)
    if ticket is None:
        pool.orders[0].next_B[0] = PARKED
    pool.send(0)
    return pool.receive(0)


def find_match(blocks: Sequence[BlockResult], match: int) -> tuple[BlockPlan, MatchResult]:
    """A match of the ledger by its number; LedgerError where there is none."""
    for block in blocks:
        for result in block.matches:
            if result.match == match:
                return block.plan, result
    raise LedgerError(f"match {match}", got="no such match in the ledger", expected="a number that `marl replay list` prints")


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers that fit take two bytes."""
    if np.issubdtype(array.dtype, np.integer) and array.size and np.abs(array).max() < 2**15:
        return np.ascontiguousarray(array.astype(np.int16))
    return np.ascontiguousarray(array)
