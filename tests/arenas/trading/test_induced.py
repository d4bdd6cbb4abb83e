"""The laboratory market: accounts that add up, rules of the institution, what the classic traders do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arenas.trading.book import ASK, BID, RESTING
from arenas.trading.induced.options import Options
from arenas.trading.presets import CONVEX, SHAPES
from marl.errors import ConfigError, SpecError
from tests.arenas.trading.laboratory import Laboratory

if TYPE_CHECKING:
    from collections.abc import Mapping

UNITS = st.lists(st.integers(1, 60), min_size=1, max_size=4).map(tuple)
SIDES = st.lists(UNITS, min_size=1, max_size=4).map(tuple)


@settings(max_examples=40, deadline=None)
@given(
    SIDES,
    SIDES,
    st.booleans(),
    st.booleans(),
    st.sampled_from(["one", "all", "shout"]),
    st.integers(0, 2**32),
)
def test_surplus_adds_up_and_units_go_in_order(
    values: tuple[tuple[int, ...], ...],
    costs: tuple[tuple[int, ...], ...],
    clear: bool,
    improve: bool,
    arrival: str,
    seed: int,
) -> None:
    """In each step the seats' surplus is value less cost of the units traded, in order, whatever was paid."""
    options = {"values": values, "costs": costs, "price_max": 60, "periods": 2, "period_steps": 40}
    lab = Laboratory({**options, "clear": clear, "improve": improve, "arrival": arrival}, [seed])
    limits, buyers = [*values, *costs], len(values)
    done, period, deals, total = [0] * len(limits), 0, 0, 0.0
    for _ in lab.play("random"):
        world = lab.arena.worlds_B[0]
        total += float(lab.role.reward_BN.sum()) * 100.0
        if lab.frame.over_B[0]:
            break
        assert world["top"][BID] < world["top"][ASK]
        if clear and world["deal"] > deals and arrival == "one":
            assert world["top"][RESTING] == 0
        for row in world["deals"][deals : world["deal"]]:
            if row[0] != period:
                done, period = [0] * len(limits), int(row[0])
            buyer, seller = int(row[2]), int(row[3])
            assert buyer < buyers <= seller
            total -= limits[buyer][done[buyer]] - limits[seller][done[seller]]
            done[buyer] += 1
            done[seller] += 1
        deals = int(world["deal"])
        assert abs(total) < 1e-6


def test_unconstrained_zero_intelligence_trades_every_unit() -> None:
    """Given time, ZI-U's efficiency is exactly (sum of values - sum of costs) / maximal surplus."""
    for schedule in ("1", "3"):
        options = Options.read("induced", {**CONVEX[schedule], "periods": 1, "period_steps": 3000})
        lab = Laboratory(options.model_dump(), range(8))
        lab.run("zi_u")
        whole = sum(map(sum, options.values)) - sum(map(sum, options.costs))
        assert lab.efficiency_B.tolist() == [whole / options.equilibrium[2]] * 8


def test_constrained_zero_intelligence_is_efficient() -> None:
    """ZI-C realises at least 97 % of the surplus on convex schedules of several units (Gode, Sunder 1993)."""
    for name, schedule in CONVEX.items():
        lab = Laboratory({**schedule, "periods": 3, "period_steps": 1000}, range(16))
        lab.run("zi_c")
        assert lab.efficiency_B.mean() >= 0.97, name


@pytest.mark.parametrize("shape", SHAPES)
def test_zip_comes_to_the_equilibrium_where_zero_intelligence_does_not(shape: str) -> None:
    """By shouts ZIP's Smith's alpha falls below 5 % and its price comes back (Cliff, Bruten 1997)."""
    alpha, price = {}, {}
    for trader in ("zi_c", "zip"):
        options = {**SHAPES[shape], "arrival": "shout", "periods": 8, "period_steps": 400}
        lab = Laboratory(options, range(8))
        lab.run(trader)
        alpha[trader], price[trader] = lab.alpha_T[4:].mean(), lab.mean_T[4:].mean()
    assert alpha["zip"] < 5.0
    assert alpha["zi_c"] > 15.0
    assert price["zip"] == pytest.approx(lab.options.equilibrium[0], rel=0.04)
    assert lab.efficiency_B.mean() > 0.98


@pytest.mark.parametrize("schedule", CONVEX)
def test_zip_is_closer_with_several_units_too(schedule: str) -> None:
    """Where limits change with each unit, too, ZIP's alpha by shouts is below ZI-C's."""
    alpha = {}
    for trader in ("zi_c", "zip"):
        lab = Laboratory({**CONVEX[schedule], "arrival": "shout", "periods": 8}, range(16))
        lab.run(trader)
        alpha[trader] = lab.alpha_T[3:].mean()
    assert alpha["zip"] < alpha["zi_c"]


def test_shouts_are_dealt_among_the_willing_and_rest_nowhere() -> None:
    """A buyer's shout meets a seller whose price is no higher, at the shout; nothing stays in the book."""
    lab = Laboratory({"values": [[90], [30]], "costs": [[20], [50]], "arrival": "shout"}, range(40))
    actions = lab.orders.action["trader"]
    actions[:, :, 0] = [60, 25, 40, 61]
    lab.arena.step()
    prices = set()
    for world in lab.arena.worlds_B:
        assert world["top"][RESTING] == 0
        if world["deal"]:
            assert world["deals"][0, 2:].tolist() == [0, 2]
            prices.add(int(world["deals"][0, 1]))
    assert prices == {60, 40}
    assert 5 < sum(int(world["deal"]) for world in lab.arena.worlds_B) < 35


def test_masks_of_constrained_markets_hold_back_losses() -> None:
    """With `constrained`, random legal play never loses: ZI-C by rule."""
    lab = Laboratory({"constrained": True, "period_steps": 300}, range(4))
    for _ in lab.play("random"):
        assert (lab.role.reward_BN >= 0).all()
    assert (lab.role.score_BN.sum(1) > 0).all()


def test_dealt_limits_move_between_seats() -> None:
    """With `deal` a seat buys in some matches and sells in others; without, never."""
    for deal in (False, True):
        lab = Laboratory({"deal": deal}, range(32))
        sides_B = lab.role.observation[0][:, 0, 0]
        assert (len(set(sides_B.tolist())) == 2) == deal


def test_batch_equals_lone_copies() -> None:
    """A copy of a batch leaves what a lone copy with its seed leaves."""
    options = {"periods": 2, "period_steps": 50}
    whole = Laboratory(options, range(6))
    whole.run("zip")
    for seed in range(6):
        lone = Laboratory(options, [seed])
        lone.run("zip")
        np.testing.assert_array_equal(whole.role.score_BN[seed], lone.role.score_BN[0])
        np.testing.assert_array_equal(whole.role.last_observation[0][seed], lone.role.last_observation[0][0])


def test_equilibrium_of_a_schedule() -> None:
    """Price, units and surplus where the curves cross, by hand."""
    options = Options.read("induced", {"values": [[10, 6], [8]], "costs": [[3, 7], [5]]})
    assert options.equilibrium == (6.5, 2, 10)
    for name, price in zip("12345", (69, 69, 106, 170, 131), strict=True):
        assert Options.read("induced", CONVEX[name]).equilibrium[0] == pytest.approx(price, abs=1), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": [[300]]}, "between 1 and price_max"),
        ({"values": [[]]}, "0 units"),
        ({"values": [[5]] * 40, "costs": [[5]] * 40}, "at most 64"),
        ({"values": [[5] * 16] * 9, "costs": [[5] * 16] * 9, "periods": 9}, "more than 1024"),
    ],
)
def test_schedules_that_cannot_be_are_refused(options: Mapping[str, Any], message: str) -> None:
    """Limits off the price range, traders without units and too many traders or trades have clear errors."""
    with pytest.raises(ConfigError, match=message):
        Laboratory(options, [0])


def test_capacities_hold() -> None:
    """A variant may have fewer traders, never more, and never another price range."""
    lab = Laboratory({}, [0])
    lab.arena.add_variant({"values": [[9]], "costs": [[3]]})
    with pytest.raises(SpecError, match="price_max"):
        lab.arena.add_variant({"price_max": 300})
    with pytest.raises(SpecError, match="seats"):
        lab.arena.add_variant({"values": [[9]] * 30})
