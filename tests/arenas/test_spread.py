"""`spread` is mpe2's simple_spread, for whole batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arenas import make
from arenas.spread import SpreadBatch
from marl.batch import LocalPool
from marl.errors import SpecError, UnknownNameError
from marl.spec import Ticket

spread = pytest.importorskip(
    "mpe2.simple_spread_v3", reason="mpe2 is the original that spread is held against"
)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("agents", [2, 3, 5])
def test_a_match_equals_that_of_mpe2(agents: int, continuous: bool) -> None:
    """Same seed, same actions: observations, rewards and state equal mpe2's to 1e-6, step by step."""
    own = make("spread", agents=agents, continuous=continuous, local_ratio=0.3)
    original = spread.parallel_env(N=agents, continuous_actions=continuous, local_ratio=0.3)
    rng = np.random.default_rng(agents)
    touched = 0
    for seed in range(20):
        seen, _ = own.reset(seed=seed)
        expected, _ = original.reset(seed=seed)
        while original.agents:
            _same(seen, expected)
            np.testing.assert_allclose(own.state(), original.state(), atol=1e-6)
            actions = {
                seat: rng.random(5).astype(np.float32) if continuous else int(rng.integers(5))
                for seat in original.agents
            }
            seen, reward, _, truncated, _ = own.step(actions)
            expected, paid, _, cut, _ = original.step(actions)
            _same(reward, paid)
            touched += len({round(value, 9) for value in paid.values()}) > 1
            assert truncated == cut
        _same(seen, expected)
        assert not own.agents
    assert touched or agents == 2  # two agents share every collision


def test_random_play_is_worth_what_mpe2_pays_for_it() -> None:
    """Uniformly random agents get -80.9 on average over a team's matches, as measured on mpe2 1.1.1."""
    copies, rng = 400, np.random.default_rng(0)
    pool = LocalPool([SpreadBatch({})], copies)
    for copy in range(copies):
        pool.orders[0].follow(copy, Ticket(copy, 1000 + copy))
    pool.send()
    frame = pool.receive()
    total = 0.0
    for _ in range(25):
        pool.orders[0].action["agent"][:] = rng.integers(5, size=(copies, 3, 1))
        pool.send()
        frame = pool.receive()
        total += float(frame.roles["agent"].reward_BN.sum())
    assert frame.over_B.all()
    assert frame.roles["agent"].score_BN.sum() == pytest.approx(total)
    assert total / copies == pytest.approx(-80.9, abs=4.0)  # standard error 1.2, and 1.4 of the original


def test_copies_may_differ_in_what_does_not_change_spaces() -> None:
    """Variants set the weight of collisions and the length of matches of their own copies alone."""
    pool = LocalPool([SpreadBatch({"cycles": 3})], 2)
    other = pool.add_variant({"cycles": 2, "local_ratio": 0.0})
    pool.orders[0].follow(0, Ticket(7, 5, 0))
    pool.orders[0].follow(1, Ticket(8, 5, other))
    ends: list[Any] = []
    for _ in range(4):
        pool.send()
        ends.append(pool.receive().over_B.tolist())
    assert ends == [[False, False], [False, False], [False, True], [True, False]]


@pytest.mark.parametrize("options", [{"agents": 4}, {"cycles": 26}, {"continuous": True}])
def test_options_beyond_the_capacities_are_refused(options: dict[str, Any]) -> None:
    """What would change spaces, or needs more steps than were declared, is one clear error."""
    with pytest.raises(SpecError, match=next(iter(options))):
        SpreadBatch({}).add_variant(options)
    with pytest.raises(UnknownNameError, match="agent"):
        SpreadBatch({"agent": 3})


def _same(got: dict[str, Any], expected: dict[str, Any]) -> None:
    assert got.keys() == expected.keys()
    for seat, value in expected.items():
        np.testing.assert_allclose(got[seat], value, atol=1e-6)
