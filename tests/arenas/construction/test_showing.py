"""What is shown is kept from round to round, and is what would be written afresh."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arenas.construction.options import preset
from tests.arenas.construction.driving import attached, random_choice

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout

COPIES, ROUNDS = 8, 250
ROUGH = {"defect_rate": 0.5, "breakdown_rate": 0.1, "hazard_scale": 100.0, "crew_credit": 5.0}


@pytest.mark.parametrize(
    "options",
    [
        preset("rcpsp", activities=14, activities_low=3),
        preset("rcpsp", activities=40, crews=2, slots=3, forecast=True, consent=True),
        preset("site", activities=10),
        preset("subcontractors", activities=20, max_days=60, **ROUGH),
    ],
    ids=["pure", "few slots", "site", "much goes wrong"],
)
def test_observations_equal_those_written_afresh(options: dict[str, Any]) -> None:
    """After each of many random rounds, with matches that end and restart, nothing that is shown is stale."""
    arena, frame, orders = attached(options, COPIES)
    fresh, afresh, same_orders = attached(options, COPIES)
    held, written = frame.roles["foreman"], afresh.roles["foreman"]
    rng, ended = np.random.default_rng(7), 0
    orders.next_B[:], orders.seed_B[:] = np.arange(COPIES), np.arange(COPIES)
    arena.step()
    for _ in range(ROUNDS):
        choice_BN = random_choice(rng, held.mask_BNA)
        choice_BN[rng.random(choice_BN.shape) < rng.choice([0.0, 0.5, 1.0])] = 0
        orders.action["foreman"][:, :, 0] = choice_BN
        orders.next_B += COPIES
        orders.seed_B += np.uint64(COPIES)
        orders.restart_B[:] = rng.random(COPIES) < 0.01
        for target, source in ((same_orders, orders), (afresh, frame)):
            for name in ("next_B", "seed_B", "restart_B", "ticket_B", "steps_B"):
                if hasattr(source, name):
                    getattr(target, name)[:] = getattr(source, name)
        same_orders.action["foreman"][:] = orders.action["foreman"]
        fresh._variant_B[:], worlds_B = arena._variant_B, fresh._worlds_B
        worlds_B[:] = arena._worlds_B
        worlds_B["moved"] = worlds_B["stale"] = 1
        worlds_B["shown"] = options.get("slots", 8)  # whatever stands in any row is to be cleared
        worlds_B["table"] = np.nan
        worlds_B["table"][:, :, 0] = 0.0
        written.observation[0][:], written.mask_BNA[:] = np.nan, 1
        arena.step()
        fresh.step()
        alive_BN = held.alive_BN
        np.testing.assert_array_equal(held.observation[0][alive_BN], written.observation[0][alive_BN])
        np.testing.assert_array_equal(held.mask_BNA[alive_BN], written.mask_BNA[alive_BN])
        np.testing.assert_array_equal(held.acting_BN, written.acting_BN)
        over_B = frame.over_B
        ended += int(over_B.sum())
        stayed_BN = (held.terminated_BN | held.truncated_BN) & over_B[:, None]
        np.testing.assert_array_equal(
            held.last_observation[0][stayed_BN], written.last_observation[0][stayed_BN]
        )
        np.testing.assert_array_equal(held.last_mask_BNA[stayed_BN], written.last_mask_BNA[stayed_BN])
    assert ended > 2
