"""Gymnasium's environments as arenas of one seat."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from arenas import make
from arenas.one_seat import OneSeat
from marl.errors import SpecError
from marl.rng import reseed
from marl.testing import check_arena


@pytest.mark.parametrize(
    "options",
    [
        {"id": "Pendulum-v1"},
        {"id": "MountainCar-v0", "arguments": {"goal_velocity": 0.01}},
        {"id": "Taxi-v4"},
    ],
)
def test_environments_keep_the_contract(options: dict[str, Any]) -> None:
    """Box and Discrete, observations and actions, time limits: all pass the suite."""
    check_arena("arenas.one_seat:OneSeat", options)


def test_a_match_is_the_environments_episode() -> None:
    """The same start and actions give the same rewards, and the same end, as Gymnasium itself."""
    own, original = OneSeat(id="CartPole-v1"), gymnasium.make("CartPole-v1")
    seen, _ = own.reset(seed=3)
    rng = np.random.default_rng()
    reseed(rng, 3)
    expected, _ = original.reset(seed=int(rng.integers(2**31)))
    ended = False
    while not ended:
        np.testing.assert_array_equal(seen["player"], expected)
        action = int(expected[2] > 0)
        seen, reward, terminated, truncated, _ = own.step({"player": action})
        expected, paid, ended, cut, _ = original.step(action)
        assert (reward["player"], terminated["player"], truncated["player"]) == (paid, ended, cut)


@pytest.mark.parametrize(
    "options", [{"id": "NoSuchThing-v0"}, {"id": "CartPole-v1", "arguments": {"wheels": 4}}]
)
def test_what_gymnasium_cannot_make_is_one_clear_error(options: dict[str, Any]) -> None:
    """An unknown id, and an argument that the environment does not take, are named."""
    with pytest.raises(SpecError, match=options["id"]):
        make("gymnasium", **options)
