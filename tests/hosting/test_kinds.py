"""Whatever kind of environment it is: hosts play the same matches of it as this process, over both planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium import spaces

from marl.arena import Arena, Step
from marl.batch import LocalPool
from marl.fragment import Fragment
from marl.hosting import HostPool
from marl.loading import ArenaRef, build
from marl.match import Match, Player
from marl.play import Play
from marl.policy import RandomLegal
from marl.spec import Ticket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.batch import ArenaPool

TOYS = "tests.contract.toys:"
COPIES, GROUPS, STEPS = 4, 2, 30


class AllSpaces(Arena):
    """Every kind of space on both sides; what a seat did is what it sees next, and what it is paid for."""

    seats = ("all_0", "all_1")
    observation = spaces.Dict(
        {
            "past": spaces.Tuple(
                (spaces.Discrete(3, start=-1), spaces.MultiDiscrete([2, 4]), spaces.MultiBinary(3))
            ),
            "image": spaces.Box(0, 255, (2, 2), np.uint8),
            "wide": spaces.Box(-np.inf, np.inf, (2,), np.float64),
        }
    )
    action = spaces.Dict(
        {
            "turn": spaces.Discrete(3, start=-1),
            "pair": spaces.MultiDiscrete([2, 4]),
            "more": spaces.Tuple((spaces.MultiBinary(3), spaces.Box(-1, 1, (2,), np.float32))),
        }
    )
    max_steps = 4

    def setup(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.did: Mapping[str, Any] = {}

    def observe(self, seat: str) -> dict[str, Any]:
        did = self.did.get(seat)
        if did is None:
            past, wide = (0, np.zeros(2, np.int64), np.zeros(3, np.int8)), np.zeros(2)
        else:
            past, wide = (did["turn"], did["pair"], did["more"][0]), did["more"][1].astype(np.float64)
        return {"past": past, "image": self.rng.integers(0, 256, (2, 2), np.uint8), "wide": wide}

    def advance(self, actions: Mapping[str, Any]) -> Step:
        for seat, action in actions.items():
            assert self.action_space(seat).contains(action)
        self.did = actions
        return Step(reward={seat: float(action["more"][1].sum()) for seat, action in actions.items()})


KINDS = {
    "every space": ArenaRef(f"{__name__}:AllSpaces"),
    "roles of their own": ArenaRef(f"{TOYS}TwoRoles"),
    "seats that leave": ArenaRef(f"{TOYS}Leavers"),
    "masks": ArenaRef(f"{TOYS}Doors"),
    "turns": ArenaRef("pettingzoo.classic.tictactoe_v3"),
    "turns, three players": ArenaRef(f"{TOYS}Nim", {"players": 3}),
    "parallel": ArenaRef("mpe2.simple_speaker_listener_v4", {"max_cycles": 6}),
    "wrapped": ArenaRef(
        "mpe2.simple_spread_v3", {"max_cycles": 6}, wrap=("frame_stack_v1:4", "dtype_v0:float16")
    ),
    "wrapped turns": ArenaRef("pettingzoo.classic.tictactoe_v3", wrap=("dtype_v0:float32", "flatten_v0")),
}


@pytest.mark.parametrize(
    ("kind", "plane"), [*((kind, "memory") for kind in KINDS), ("every space", "frames"), ("turns", "frames")]
)
def test_hosts_play_the_same(kind: str, plane: str) -> None:
    """What a learner receives is bit for bit the same, masks, ends and successors included."""
    ref = KINDS[kind]
    if ref.wrap:
        pytest.importorskip("supersuit", reason="wrappers are SuperSuit's")
    local = LocalPool([build(ref) for _ in range(GROUPS)], COPIES // GROUPS)
    with local, HostPool(ref, hosts=2, copies=COPIES, groups=GROUPS, plane=plane) as pool:
        assert pool.spec == local.spec
        expected = received(local)
        assert any(part.decisions for part in expected)
        for ours, theirs in zip(received(pool), expected, strict=True):
            assert told(ours) == told(theirs)


def received(pool: ArenaPool) -> list[Fragment]:
    """The fragments of a player who holds all seats."""
    lineup = dict.fromkeys(pool.spec.seats, "it")

    def schedule(copy: int, episode: int) -> Match:
        number = 1000 * copy + episode
        return Match(Ticket(number, 7 * number + 1), lineup)

    play = Play(pool, schedule, {"it": Player(RandomLegal(), record=True)}, want_state=True)
    return play.collect(STEPS)


def told(part: Any) -> dict[str, Any]:  # noqa: ANN401  # a fragment, or its cuts
    """All arrays of it, as bytes."""
    found: dict[str, Any] = {"cuts": told(part.cuts)} if isinstance(part, Fragment) else {}
    for name, value in vars(part).items():
        arrays = value if isinstance(value, tuple) else (value,)
        found |= {f"{name}.{i}": a.tobytes() for i, a in enumerate(arrays) if isinstance(a, np.ndarray)}
    return found
