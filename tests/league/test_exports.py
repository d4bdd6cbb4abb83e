"""Other systems' ratings are those that their authors publish; ties are treated as ties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from openskill.models import BradleyTerryFull, PlackettLuce

from league.block import BlockResult
from league.exports import elo_of_match, exported, glicko2_update, glicko_update
from league.online import OnlineRatings
from league.rating import rate
from league.stability import contests, leave_one_out
from league.trueskill import quality, trueskill
from marl.errors import UnknownNameError

Make = Callable[..., BlockResult]
NEW = (25.0, 25 / 3)


def test_glicko2_example() -> None:
    """Vector V6: Glickman's example; the paper's hand-rounded figures, and double precision's."""
    games = [(1400.0, 30.0, 1.0), (1550.0, 100.0, 0.0), (1700.0, 300.0, 0.0)]
    rating, deviation, volatility = glicko2_update((1500, 200, 0.06), games, tau=0.5)
    assert rating == pytest.approx(1464.0507, abs=1e-4)
    assert deviation == pytest.approx(151.5165, abs=1e-4)
    assert volatility == pytest.approx(0.0599960, abs=1e-7)
    assert (rating, deviation) == pytest.approx((1464.06, 151.52), abs=0.01)
    assert glicko2_update((1500, 200, 0.06), []) == pytest.approx((1500, 200.2714, 0.06), abs=1e-3)


def test_glicko_example() -> None:
    """Vector V6, Glickman 1999: the worked example, as his page prints it."""
    games = [(1400.0, 30.0, 1.0), (1550.0, 100.0, 0.0), (1700.0, 300.0, 0.0)]
    rating, deviation = glicko_update((1500, 200), games)
    assert rating == pytest.approx(1464.106, abs=1e-3)
    assert deviation == pytest.approx(151.399, abs=1e-3)
    # g and E of each opponent, from what one game against it alone moves
    for (other, spread, _), g, expected in zip(
        games, (0.9955, 0.9531, 0.7242), (0.639, 0.432, 0.303), strict=True
    ):
        won, after = glicko_update((1500, 200), [(other, spread, 1.0)])
        lost, _ = glicko_update((1500, 200), [(other, spread, 0.0)])
        q = np.log(10) / 400
        assert (won - lost) / (q * after**2) == pytest.approx(g, abs=5e-5)
        assert (1500 - lost) / (won - lost) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(
    ("teams", "ranks", "expected"),
    [
        ([1, 1], [0, 1], [(29.396, 7.171), (20.604, 7.171)]),
        ([1, 1], [0, 0], [(25, 6.458), (25, 6.458)]),
        ([2, 2], [0, 1], [(28.108, 7.774)] * 2 + [(21.892, 7.774)] * 2),
        ([1, 2], [0, 1], [(33.730, 7.317)] + [(16.270, 7.317)] * 2),
        ([1, 1, 1], [0, 1, 2], [(31.675, 6.656), (25.000, 6.208), (18.325, 6.656)]),
        (
            [1] * 8,
            list(range(8)),
            [
                (36.771, 5.749),
                (32.242, 5.133),
                (29.074, 4.943),
                (26.322, 4.874),
                (23.678, 4.874),
                (20.926, 4.943),
                (17.758, 5.133),
                (13.229, 5.749),
            ],
        ),
    ],
)
def test_trueskill_vectors(teams: list[int], ranks: list[int], expected: list[tuple[float, float]]) -> None:
    """Vector V7: the trueskill package's tests, taken from Microsoft's page and the Skills library."""
    names = [[f"{t}.{i}" for i in range(size)] for t, size in enumerate(teams)]
    found = trueskill({name: NEW for team in names for name in team}, names, ranks)
    flat = [found[name] for team in names for name in team]
    assert np.array(flat) == pytest.approx(np.array(expected), abs=2e-3)


def test_trueskill_quality() -> None:
    """Vector V7: how even a match of newcomers is, and that unequal ones are less so."""
    new = dict.fromkeys("abcd", NEW)
    assert quality(new, ["a", "b"]) == pytest.approx(0.447, abs=5e-4)
    assert quality(new, ["a", "b", "c"]) == pytest.approx(0.200, abs=5e-4)
    assert quality(new, ["ab", "cd"]) == pytest.approx(0.447, abs=5e-4)
    assert quality({"a": (30.0, 3.0), "b": (20.0, 3.0)}, ["a", "b"]) < quality(new, ["a", "b"])
    assert trueskill(new, ["ab", "cd"], [0, 1])["a"] == trueskill(new, ["ab", "cd"], [0, 1])["b"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1200, 1000], [1207.68809835, 992.31190165]),
        ([1200, 800], [1202.90909091, 797.09090909]),
        ([1200, 900, 1000], [1208.34629612, 910.43382278, 981.21988111]),
        ([1200, 1000, 1100, 900], [1212.01868209, 1012.15595083, 1087.84404917, 887.98131791]),
    ],
)
def test_elo_of_n_players(before: list[float], after: list[float]) -> None:
    """Vector V8: multielo's tests, places in the order given; the sum is kept, with ties, too."""
    assert elo_of_match(before, list(range(1, len(before) + 1))) == pytest.approx(after)
    assert elo_of_match([1000, 1200], [1, 2]) == pytest.approx([1024.31190165, 1175.68809835])
    assert sum(elo_of_match(before, [1.5, 1.5, *range(3, len(before) + 1)])) == pytest.approx(sum(before))


def test_openskill_is_the_version_that_was_examined() -> None:
    """Vector V9: the manual's example, the regression of ties (#166), and the model that we never use."""
    model = PlackettLuce()
    (one, _), (two, _) = model.rate([[model.rating(), model.rating()], [model.rating(), model.rating()]])
    assert (one.mu, two.mu) == pytest.approx((26.964294621803063, 23.035705378196937))
    assert one.sigma == pytest.approx(8.177962604389991)
    tied = [team[0].mu for team in model.rate([[model.rating()] for _ in range(5)], scores=[10, 5, 5, 5, 1])]
    assert tied == pytest.approx([27.666827, 24.611088, 24.611088, 24.611088, 23.499910], abs=1e-5)
    ranks: list[float] = [1, 2, 3, 2, 4]
    trap = [team[0].ordinal() for team in model.rate([[model.rating()] for _ in ranks], ranks=ranks)]
    assert trap[2] > trap[1]  # third place above a tied second
    full = BradleyTerryFull()
    sound = [team[0].mu for team in full.rate([[full.rating()] for _ in ranks], ranks=ranks)]
    assert sound == pytest.approx([35.542, 27.635, 19.729, 27.635, 14.458], abs=2e-3)


def test_openskill_predicts_its_manuals_example(duel: Make) -> None:
    """Vector V9: .2021226 to .7978774; and what matchmaking asks of the ratings that it keeps."""
    model = BradleyTerryFull()
    strong = model.rating(mu=33.564, sigma=1.123)
    assert model.predict_win([[model.rating()], [strong]]) == pytest.approx([0.2021226, 0.7978774], abs=1e-7)
    ratings = OnlineRatings()
    assert ratings.chance("a", "b") == pytest.approx(0.5)
    ratings.take([duel("a", "b", 1, 1, position=i) for i in range(10)])
    assert ratings.chance("a", "b") > 0.8
    assert ratings.chance("a", "nobody") > 0.5 > ratings.chance("b", "nobody")
    assert ratings.chance("a", "b") + ratings.chance("b", "a") == pytest.approx(1)


@pytest.mark.parametrize("system", ["elo", "glicko", "glicko2", "openskill", "trueskill"])
def test_every_export_orders_by_strength(system: str, duel: Make, block_of: Make) -> None:
    """A beats b beats c, in duels and at a table of three.

    Every system says so, whatever the order of blocks.
    """
    pairs = [("a", "b"), ("b", "c"), ("a", "c")]
    blocks = [duel(*pairs[i % 3], 1, 1, position=i) for i in range(12)]
    found = exported(blocks, system)
    first = {player: next(iter(figures.values())) for player, figures in found.items()}
    assert first["a"] > first["b"] > first["c"]
    assert exported(blocks[::-1], system) == found
    table: Any = block_of([{"s_0": "a", "s_1": "b", "s_2": "c"}], [{"s_0": 3, "s_1": 2, "s_2": 2}])
    level = exported([table], system)
    assert next(iter(level["b"].values())) == pytest.approx(
        next(iter(level["c"].values())), abs=0.01 if system == "trueskill" else 1e-9
    )  # TrueSkill compares neighbours only
    with pytest.raises(UnknownNameError, match="glicko2"):
        exported(blocks, "glico2")


def test_team_mates_share_what_their_team_gets(block_of: Make) -> None:
    """Two against two: both winners rise alike."""
    lineup = {"s_0": "a", "s_1": "b", "s_2": "c", "s_3": "d"}
    teams = {"s_0": "red", "s_1": "red", "s_2": "blue", "s_3": "blue"}
    block = block_of([lineup], [{"s_0": 2.0, "s_1": 2.0, "s_2": 0.0, "s_3": 0.0}], teams=teams)
    for system in ("elo", "openskill", "trueskill"):
        found = {
            player: next(iter(figures.values())) for player, figures in exported([block], system).items()
        }
        assert found["a"] == found["b"] > found["c"] == found["d"], system


def test_leaving_a_player_out(duel: Make) -> None:
    """Who owes its place to one opponent falls without it; a table that hangs on nobody stays."""
    blocks = [duel("a", "b", 1, 0, position=i) for i in range(8)]
    blocks += [duel("a", "victim", 1, 1, 1, 0.5, position=20 + i) for i in range(8)]
    blocks += [duel("b", "victim", 1, 0, position=40 + i) for i in range(8)]
    found = {entry.player: entry for entry in leave_one_out(blocks)}
    assert set(found) == {"a", "b", "victim"}
    assert abs(found["victim"].shift) > 50
    even = [duel(*pair, 1, 0, position=i) for i, pair in enumerate([("a", "b"), ("b", "c"), ("a", "c")] * 4)]
    assert all(abs(entry.shift) < 1 and not entry.swaps for entry in leave_one_out(even))
    assert "a" not in {entry.player for entry in leave_one_out(blocks, {"a": 0.0})}


def test_what_would_part_neighbours(duel: Make) -> None:
    """Overlapping neighbours are listed with blocks that would do; parted ones are not."""
    rng = np.random.default_rng(0)
    blocks = [duel("a", "b", *(rng.random(2) < 0.55).astype(float), position=i) for i in range(30)]
    blocks += [duel("a", "c", 1, 1, 0.5, position=50 + i) for i in range(30)]
    blocks += [duel("b", "c", 1, 1, 0.5, position=100 + i) for i in range(30)]
    found = contests(rate(blocks, rng))
    assert [{entry.upper, entry.lower} for entry in found] == [{"a", "b"}]
    assert found[0].blocks > 0
