"""A batch is so many lone markets; variants, capacities, tickets and views keep the contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from arenas.trading import TradingBatch
from marl.errors import ConfigError, SpecError, UnknownNameError
from marl.frame import over_memory
from marl.spec import PARKED, Spec, Ticket
from tests.arenas.trading.market import ALONE, Market

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

OPTIONS: dict[str, Any] = {
    "seats": 3,
    "horizon": 40,
    "taker_fee": 0.1,
    "capital": 3000,
    "maintenance_margin": 0.3,
}


def tape(market: Market) -> list[NDArray[Any]]:
    """All that a market's play leaves in its frame, step by step."""
    arrays = []
    for _ in market.play():
        role, frame = market.role, market.frame
        over = frame.over_B.copy()
        last = [np.where(over[:, None, None], a, 0) for a in (role.last_observation[0], role.last_mask_BNA)]
        now = [
            role.observation[0],
            role.mask_BNA,
            role.reward_BN,
            role.terminated_BN,
            role.truncated_BN,
            role.alive_BN,
        ]
        arrays.append([a.copy() for a in (*now, role.score_BN * over[:, None], *last, frame.state_BS, over)])
    return [np.stack(parts) for parts in zip(*arrays, strict=True)]


def test_each_copy_of_a_batch_equals_a_lone_copy_bit_for_bit() -> None:
    """64 copies with different seeds leave exactly the frames that 64 lone copies leave."""
    seeds = [7 * k + 1 for k in range(64)]
    batch = tape(Market(OPTIONS, seeds))
    for copy, seed in enumerate(seeds):
        for whole, lone in zip(batch, tape(Market(OPTIONS, [seed])), strict=True):
            np.testing.assert_array_equal(whole[: len(lone), copy], lone[:, 0])


def test_same_seed_same_tape_and_another_seed_another() -> None:
    """A match follows from its seed and the actions; another seed gives another match."""
    first, again, other = (tape(Market(OPTIONS, [seed])) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_a_match_does_not_depend_on_what_its_copy_played_before() -> None:
    """The second match of a copy equals the same ticket in a fresh arena."""
    fresh = Market(OPTIONS, [9])
    market = Market(OPTIONS, [1])
    market.orders.follow(0, Ticket(1, 9))
    while not market.frame.over_B[0]:
        market.choose(5)
        market.arena.step()
    assert (market.frame.ticket_B[0], market.frame.ended_B[0]) == (1, 0)
    np.testing.assert_array_equal(market.role.observation[0], fresh.role.observation[0])
    market.seeds[:] = 9
    market.orders.follow(0, None)
    for a, b in zip(tape(market), tape(fresh), strict=True):
        np.testing.assert_array_equal(a, b)


def test_compiled_kernel_equals_the_same_code_in_plain_python(root: Path) -> None:
    """Without numba's compiler the same source, run by Python, leaves the same frames."""
    code = (
        "import numpy as np\n"
        "from tests.arenas.trading.test_batch import digest; np.seterr(over='ignore'); print(digest())"
    )
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest()


def digest() -> str:
    """Frames of a short match, as text."""
    market = Market({**OPTIONS, "horizon": 12}, [3, 4])
    return " ".join(repr(float(np.float64(a).sum())) for a in tape(market))


def test_absent_seats_are_dead_from_the_start() -> None:
    """Within the capacities a variant may have fewer seats: the others are dead and see zeros."""
    market = Market({"seats": 2, "horizon": 10}, capacity={"seats": 5, "horizon": 20})
    role = market.role
    assert role.alive_BN[0].tolist() == role.acting_BN[0].tolist() == [True, True, False, False, False]
    for _ in market.play():
        assert not role.reward_BN[0, 2:].any()
        assert (role.mask_BNA[0, 2:, 0] == 1).all()
        assert not role.observation[0][0, 2:].any()
        assert not role.terminated_BN[0, 2:].any()
        assert not role.truncated_BN[0, 2:].any()
    assert market.frame.steps_B[0] == 10
    assert market.arena.spec.max_steps == 20


def test_variants_play_by_their_own_options() -> None:
    """Each ticket is played by its variant's options: seats, horizon and all."""
    market = Market({"seats": 2}, capacity={"seats": 4}, variants=[{"seats": 4, "horizon": 9}], variant=1)
    assert market.role.alive_BN[0].all()
    assert sum(1 for _ in market.play()) == 9


@pytest.mark.parametrize(
    "options", [{"seats": 5}, {"seats": 4, "horizon": 200}, {"depth": 6}, {"history": 8}]
)
def test_what_exceeds_the_capacities_is_refused(options: dict[str, Any]) -> None:
    """More seats or steps, or another observation, raise a SpecError that names the option."""
    arena = TradingBatch({"seats": 2}, {"seats": 4})
    with pytest.raises(SpecError, match=next(reversed(options))):
        arena.add_variant(options)


def test_unknown_option_lists_the_nearest() -> None:
    """A misspelt option is an error that suggests the right one; a value out of range names the option."""
    with pytest.raises(UnknownNameError, match="'taker_fee'"):
        TradingBatch({"taker_fees": 0.1})
    with pytest.raises(ConfigError, match="seats: got 65"):
        TradingBatch({"seats": 65})
    with pytest.raises(ConfigError, match="hundredths"):
        TradingBatch({"taker_fee": 0.123})
    with pytest.raises(ConfigError, match="pay out more"):
        TradingBatch({"maker_fee": -0.2})


def test_unknown_variant_is_refused() -> None:
    """A ticket whose variant nobody added is an error, not a crash of the kernel."""
    arena = TradingBatch({})
    frame, orders = over_memory(arena.spec, 1)
    arena.attach(frame, orders)
    orders.follow(0, Ticket(0, 0, variant=3))
    with pytest.raises(SpecError, match=r"variants .*3"):
        arena.step()


def test_tickets_park_start_and_restart() -> None:
    """A copy without a ticket is parked; a restart drops the match in play for the next ticket."""
    arena = TradingBatch({"seats": 2, "horizon": 3})
    frame, orders = over_memory(arena.spec, 2)
    arena.attach(frame, orders)
    orders.follow(1, Ticket(5, 1))
    arena.step()
    assert frame.ticket_B.tolist() == [PARKED, 5]
    assert frame.roles["trader"].alive_BN.any(1).tolist() == [False, True]
    orders.restart_B[1] = True
    orders.follow(1, Ticket(6, 1))
    arena.step()
    assert frame.ticket_B.tolist() == [PARKED, 6]
    assert not frame.over_B.any()
    orders.restart_B[1] = False
    orders.follow(1, None)
    for step in range(1, 4):
        arena.step()
        assert frame.steps_B[1] == step
    assert frame.over_B.tolist() == [False, True]
    assert frame.ended_B.tolist() == [PARKED, 6]
    assert frame.ticket_B.tolist() == [PARKED, PARKED]


def test_state_is_filled_only_where_wanted_and_holds_the_value() -> None:
    """The state for central critics holds value less mid, and is left alone where nobody asks."""
    market = Market({"seats": 2})
    market.choose(0)
    market.arena.step()
    depth = 5
    gap = market.frame.state_BS[0, 4 * depth + 12] * 10
    assert gap == pytest.approx(float(market.world["value"]) - market.world["mid2"] / 2, abs=1e-4)
    market.orders.want_state.fill(False)
    before = market.frame.state_BS.copy()
    market.arena.step()
    np.testing.assert_array_equal(market.frame.state_BS, before)


def test_spec_and_views_are_plain_json() -> None:
    """The spec survives JSON, and a spectator's view is small JSON that agrees with the accounts."""
    market = Market({"seats": 2})
    spec = market.arena.spec
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))).hash == spec.hash
    for _ in zip(market.play(), range(20), strict=False):
        view = market.arena.view(0)
        assert len(json.dumps(view)) < 3000
        assert view["bids"][0][0] == market.world["bid"] < market.world["ask"] == view["asks"][0][0]
        assert [seat["inventory"] for seat in view["seats"]] == market.world["accounts"][1:3, 1].tolist()


def test_observations_are_relative() -> None:
    """Where the value starts does not show: without background, observations hold no absolute price."""
    market = Market({**ALONE, "seats": 2, "horizon": 30})
    for _ in market.play():
        assert abs(market.role.observation[0]).max() < 20
