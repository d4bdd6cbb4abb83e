"""The whole site equals its slow twin, day by day and draw by draw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from arenas.construction.options import Options, preset
from arenas.construction.site_oracle import SiteOracle
from marl.spec import PARKED
from tests.arenas.construction.driving import attached, begin, random_choice

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout

ROUGH = {"defect_rate": 0.5, "breakdown_rate": 0.1, "hazard_scale": 100.0, "spoilage": 0.05}
"""Much goes wrong, so that little is left out."""


def follow(options: dict[str, Any], seed: int, rounds: int) -> SiteOracle:
    """Play both with the same choices; all that can be seen of both is the same after each round."""
    arena, frame, orders = attached(options, 1)
    begin(arena, orders, [seed])
    world, held = arena._worlds_B[0], frame.roles["foreman"]
    twin = SiteOracle(world, Options.read("test", options))
    rng, scale = np.random.default_rng(seed), Options.read("test", options).reward_scale
    for _ in range(rounds):
        mask_NA = held.mask_BNA[0]
        alive = set(np.flatnonzero(held.alive_BN[0]).tolist())
        assert alive == twin.alive
        for seat in alive:
            assert set((np.flatnonzero(mask_NA[seat, 1:]) + 1).tolist()) == twin.legal(seat), twin.day
        choice = random_choice(rng, held.mask_BNA)[0]
        choice[rng.random(len(choice)) < rng.choice([0.0, 0.5, 1.0])] = 0
        orders.action["foreman"][0, :, 0] = choice
        points = twin.step({seat: int(choice[seat]) for seat in range(len(choice))})
        arena.step()
        reward = held.reward_BN[0][sorted(alive)] * scale
        np.testing.assert_allclose(reward, points, atol=1e-6)
        jobs = int(world["project"]["jobs"])
        assert world["day"] == twin.day
        assert {j: int(world["start"][j]) for j in range(jobs) if world["start"][j] >= 0} == twin.start
        assert {j: int(world["finish"][j]) for j in range(jobs) if world["finish"][j] >= 0} == twin.done
        assert int(world["rng"][0]) == twin.draws.state
        seen = (world["incidents"], world["reworks"], *world["sky"], *world["forecast"])
        assert [int(x) for x in seen] == [twin.incidents, twin.reworks, *twin.sky, *twin.seen]
        values = (world["cash"], world["cost"], world["earned"], *world["stock"], *world["price"])
        mine = (twin.cash, twin.cost, twin.earned, *twin.stock, *twin.price)
        np.testing.assert_allclose(values, mine, atol=1e-6)
        if frame.ticket_B[0] == PARKED:
            assert twin.over
            break
    return twin


@given(seed=st.integers(0, 2**31))
@hypothesis_settings(max_examples=12)
def test_site_equals_its_twin(seed: int) -> None:
    """Masks, rewards, days, schedules, money, stocks, weather and draws are those of the plain twin."""
    follow(preset("site", activities=10, activities_low=4, **ROUGH), seed, 150)


@pytest.mark.parametrize("name", ["site", "stage_weather", "stage_supply", "stage_hazard"])
def test_presets_equal_their_twin(name: str) -> None:
    """The same in presets as they are, over hundreds of rounds."""
    assert follow(preset(name, activities=12), 7, 300).day > 10
