"""Opponents are drawn as the mix declares, with the published PFSP weights."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from league.matchmaking import (
    OpponentMix,
    Pool,
    Weighting,
    draw_lineup,
    draw_opponent,
    pfsp,
    remove_monotonic_suffix,
)
from marl.errors import ConfigError, UnknownNameError

POOL = Pool("now", ("old", "older"), (0.5, 0.9), ("hold", "random"))


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("variance", (0.105882, 0.247059, 0.294118, 0.247059, 0.105882)),
        ("linear", (0.36, 0.28, 0.20, 0.12, 0.04)),
        ("linear_capped", (0.263158, 0.263158, 0.263158, 0.157895, 0.052632)),
        ("squared", (0.490909, 0.296970, 0.151515, 0.054545, 0.006061)),
        ("uniform", (0.2, 0.2, 0.2, 0.2, 0.2)),
        ("rating", (0.105882, 0.247059, 0.294118, 0.247059, 0.105882)),
    ],
)
def test_pfsp_weights(weighting: Weighting, expected: tuple[float, ...]) -> None:
    """Vector V17 (Vinyals et al. 2019): the weights for win rates of .1, .3, .5, .7 and .9."""
    assert pfsp([0.1, 0.3, 0.5, 0.7, 0.9], weighting) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("weighting", ["variance", "linear", "linear_capped", "squared", "uniform"])
def test_vanishing_weights_are_uniform(weighting: Weighting) -> None:
    """A learner that beats everybody still gets opponents, all alike."""
    assert pfsp([1, 1, 1], weighting) == pytest.approx([1 / 3] * 3)
    assert pfsp([0, 0, 0], weighting) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    ("rates", "left"),
    [
        ([0.9, 0.8, 0.7, 0.6], []),
        ([0.5, 0.9, 0.8, 0.6], [0.5, 0.9]),
        ([0.9, 0.4, 0.6, 0.5], [0.9, 0.4, 0.6]),
    ],
)
def test_monotonic_suffixes(rates: list[float], left: list[float]) -> None:
    """Vector V17, of AlphaStar's pseudocode."""
    players = [f"p{i}" for i in range(len(rates))]
    assert remove_monotonic_suffix(rates, players) == (left, players[: len(left)])


def test_bad_weights_are_errors() -> None:
    """An unknown weighting lists the known ones; a win rate above 1 is refused."""
    with pytest.raises(UnknownNameError, match="squared"):
        pfsp([0.5], "squares")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigError, match=r"\[0, 1\]"):
        pfsp([1.5], "linear")


def test_shares_are_kept() -> None:
    """Over many draws each kind of opponent has its share, and the past is weighted by PFSP."""
    mix = OpponentMix(latest=0.35, past=0.5, scripted=0.15, players=("hold", "random"), weighting="linear")
    rng = np.random.default_rng(0)
    counts = Counter(draw_opponent(mix, POOL, rng) for _ in range(20_000))
    share = {name: count / 20_000 for name, count in counts.items()}
    expected = {"now": 0.35, "old": 0.5 * 5 / 6, "older": 0.5 / 6, "hold": 0.075, "random": 0.075}
    assert share == pytest.approx(expected, abs=0.012)


def test_without_past_its_share_goes_to_the_latest() -> None:
    """The first task of a league plays itself; the generator is used the same way as later."""
    mix = OpponentMix(latest=0.2, past=0.8)
    one, two = np.random.default_rng(0), np.random.default_rng(0)
    assert {draw_opponent(mix, Pool("now"), one) for _ in range(50)} == {"now"}
    assert "older" in {draw_opponent(mix, POOL, two) for _ in range(50)}
    assert one.random() == two.random()


@pytest.mark.parametrize(
    "bad",
    [
        {"latest": 0.5, "past": 0.4},
        {"latest": 0.5, "past": 0.3, "scripted": 0.2},
        {"latest": -0.5, "past": 1.5},
        {"lates": 1.0},
        {"weighting": "cubed"},
    ],
)
def test_a_mix_that_does_not_add_up_is_refused(bad: dict[str, Any]) -> None:
    """Shares that do not sum to 1, scripted ones without players, and unknown keys."""
    with pytest.raises(ValidationError):
        OpponentMix(**bad)


def test_scripted_players_must_be_in_the_league() -> None:
    """A scripted share without scripted players in the pool is an error that names them."""
    mix = OpponentMix(latest=0, past=0, scripted=1, players=("hold",))
    with pytest.raises(ConfigError, match="hold"):
        draw_opponent(mix, Pool("now"), np.random.default_rng(0))


def test_seats_are_filled_by_group() -> None:
    """The learner has its own seats; others are drawn once a seat, once a team, or once for all."""
    seats = tuple(f"s_{i}" for i in range(5))
    teams = {"s_0": "red", "s_1": "red", "s_2": "blue", "s_3": "blue", "s_4": "green"}
    mix = OpponentMix(latest=0.4, past=0.6, weighting="uniform")
    one = mix.model_copy(update={"fill": "one"})
    rng = np.random.default_rng(1)
    single, by_team, all_alike = (
        [
            draw_lineup(which, POOL, rng, seats=seats, own=["s_0"], learner="me", teams=sides)
            for _ in range(200)
        ]
        for which, sides in ((mix, None), (mix, teams), (one, teams))
    )
    for lineup in (*single, *by_team, *all_alike):
        assert tuple(lineup) == seats
        assert lineup["s_0"] == "me"
    assert any(lineup["s_2"] != lineup["s_3"] for lineup in single)
    assert all(lineup["s_2"] == lineup["s_3"] for lineup in by_team)
    assert any(lineup["s_3"] != lineup["s_4"] for lineup in by_team)
    assert all(len(set(lineup.values())) == 2 for lineup in all_alike)
