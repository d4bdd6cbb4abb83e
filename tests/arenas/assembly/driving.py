"""What the tests of the assembly arena share: cells, matches by scripted players, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agents import make_policy
from arenas.assembly import Assembly
from marl.describe import spec_of
from marl.loading import ArenaRef
from marl.policy import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from marl.policy import Policy
    from marl.spec import Spec

    Actions = dict[str, NDArray[np.float32]]

ARENA = "arenas.assembly:Assembly"


@dataclass(frozen=True)
class Outcome:
    """What came of a match."""

    success: bool
    steps: int
    reason: str


def described(arena: Assembly, options: Mapping[str, Any]) -> Spec:
    """The arena's spec."""
    return spec_of(ArenaRef(ARENA, options), arena)


def actions(
    spec: Spec, policy: Policy, seen: Mapping[str, NDArray[np.float32]], seed: int, step: int
) -> Actions:
    """What a policy does in all seats."""
    role, seats = spec.roles[0], list(seen)
    count = len(seats)
    rows = Rows(
        np.full(count, seed, np.int64),
        np.full(count, seed, np.uint64),
        np.array([spec.seats.index(seat) for seat in seats], np.int32),
        np.full(count, step, np.int32),
    )
    made = policy.act(
        role,
        [np.stack([seen[seat] for seat in seats])],
        np.zeros((count, 0), np.uint8),
        np.zeros((count, 0), np.float32),
        rows,
        greedy=True,
    )
    return {seat: row.astype(np.float32) for seat, row in zip(seats, made.action_RK, strict=True)}


def matches(
    player: str,
    options: Mapping[str, Any],
    seeds: Sequence[int],
    watch: Callable[[Assembly], None] | None = None,
    **making: Any,
) -> Iterator[Outcome]:
    """Play matches with one player in all seats; `watch` is called after the start and after each step."""
    arena = Assembly(**options, **making)
    spec = described(arena, options)
    policy = make_policy(player, spec)
    try:
        for seed in seeds:
            seen, _ = arena.reset(seed=seed)
            steps, last = 0, {}
            if watch is not None:
                watch(arena)
            while arena.agents:
                live = {seat: seen[seat] for seat in arena.agents}
                seen, _, _, _, info = arena.step(actions(spec, policy, live, seed, steps))
                steps += 1
                last = next(iter(info.values()))
                if watch is not None:
                    watch(arena)
            yield Outcome(bool(last["success"]), steps, str(last["reason"]))
    finally:
        arena.close()


def trace(arena: Assembly, seed: int, moves: Sequence[Actions]) -> bytes:
    """All observations of a match from its seed under given actions, to the bit."""
    seen, _ = arena.reset(seed=seed)
    found = [row.tobytes() for row in seen.values()]
    for move in moves:
        if not arena.agents:
            break
        seen = arena.step({seat: move[seat] for seat in arena.agents})[0]
        found += [row.tobytes() for row in seen.values()]
    return b"".join(found)


def demonstrated(options: Mapping[str, Any], seed: int, most: int = 10_000) -> list[Actions]:
    """The actions of a scripted match: parts are grasped and held in it."""
    arena = Assembly(**options)
    spec = described(arena, options)
    policy = make_policy("scripted", spec)
    seen, _ = arena.reset(seed=seed)
    moves: list[Actions] = []
    while arena.agents and len(moves) < most:
        moves.append(actions(spec, policy, {seat: seen[seat] for seat in arena.agents}, seed, len(moves)))
        seen = arena.step(moves[-1])[0]
    arena.close()
    return moves


def random_moves(arena: Assembly, steps: int, seed: int) -> list[Actions]:
    """Uniform actions for all seats with an arm."""
    rng = np.random.default_rng(seed)
    size = arena.action_size
    return [
        {seat: rng.uniform(-1, 1, size).astype(np.float32) for seat in arena.present()} for _ in range(steps)
    ]
