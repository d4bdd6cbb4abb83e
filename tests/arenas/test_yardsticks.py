"""Yardsticks are true: random play scores what they say, and they hold only for the options they are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arenas import full_spec
from arenas.yardsticks import yardstick
from marl.batch import LocalPool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.rng import seed_of
from marl.spec import Ticket

SEEN: list[tuple[str, dict[str, Any], int]] = [
    ("identity", {"symbols": 5, "steps": 8}, 400),
    ("climbing", {"steps": 3}, 400),
    ("gymnasium", {"id": "CartPole-v1"}, 300),
    ("spread", {}, 1000),
    ("mpe2.simple_spread_v3", {"max_cycles": 25}, 100),
    ("mpe2.simple_speaker_listener_v4", {}, 150),
]


@pytest.mark.parametrize(("arena", "options", "matches"), SEEN, ids=[arena for arena, _, _ in SEEN])
def test_random_play_is_at_zero(arena: str, options: dict[str, Any], matches: int) -> None:
    """Within four standard errors of many matches."""
    if arena.startswith("mpe2"):
        pytest.importorskip("mpe2", reason="somebody else's arenas")
    ref = ArenaRef(full_spec(arena), options)
    with LocalPool([build(ref)], 25) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "random")
        plan = [Match(Ticket(i, seed_of(3, i)), lineup) for i in range(matches)]
        outcomes = Play(pool, in_order(plan, pool.copies), {"random": Player(RandomLegal())}).run()
        found = yardstick(pool.spec.arena, options)
    assert found is not None
    scores = [float(np.mean(list(outcome.score.values()))) for outcome in outcomes]
    error = float(np.std(scores)) / np.sqrt(matches)
    assert abs(float(np.mean(scores)) - found.random) < 4 * error
    assert (found.share(found.random), found.share(found.best)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arena", "options"),
    [
        ("spread", {"agents": 4}),
        ("mpe2.simple_spread_v3", {"terminate_on_success": True}),
        ("mpe2.simple_spread_v3", {"max_cycles": 50}),
        ("gymnasium", {"id": "Acrobot-v1"}),
        ("biased_rps", {}),
    ],
    ids=str,
)
def test_other_options_have_none(arena: str, options: dict[str, Any]) -> None:
    """A number that was measured for something else is worse than none."""
    assert yardstick(full_spec(arena), options) is None
