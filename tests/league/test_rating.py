"""Ratings agree with published fits, do not depend on order or names, and their intervals cover the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from league.block import BlockResult
from league.bradley_terry import Fit
from league.comparisons import compare
from league.live import comparisons_of
from league.rating import ELO, Standings, rate
from league.totals import Totals
from marl.errors import LedgerError, UnknownNameError

Make = Callable[..., BlockResult]

# American League East 1987, a row for each home team: games won and lost against each other team in turn.
# Agresti 2002, tables 10.10 and 10.11.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
HOME_WINS = {
    "Milwaukee": "43 42 43 61 42 60",
    "Detroit": "33 42 43 60 61 43",
    "Toronto": "25 43 24 43 42 60",
    "New York": "33 51 25 43 42 61",
    "Boston": "51 25 33 42 52 60",
    "Cleveland": "25 33 34 43 42 24",
    "Baltimore": "25 15 16 24 16 34",
}


def _baseball(duel: Make) -> list[BlockResult]:
    """One block a game: seat s_0 plays at home."""
    results = [
        (home, away, won)
        for home, row in HOME_WINS.items()
        for away, games in zip([team for team in TEAMS if team != home], row.split(), strict=True)
        for won in [1] * int(games[0]) + [0] * int(games[1])
    ]
    assert len(results) == 273
    return [duel(home, away, won, position=i) for i, (home, away, won) in enumerate(results)]


def _by_name(standings: Standings) -> dict[str, float]:
    return {row.player: row.rating for row in standings.rows}


def _wins(duel: Make, table: Sequence[Sequence[int]], draws: int = 0) -> list[BlockResult]:
    """Blocks of one match: table[i][j] wins of player i over j, and draws between the first two."""
    names = "abc"
    results = [
        (names[i], names[j], 1.0)
        for i, row in enumerate(table)
        for j, count in enumerate(row)
        for _ in range(count)
    ] + [("a", "b", 0.5)] * draws
    # Every result once in each pair of seats: no seat effect is left.
    blocks = []
    for i, (a, b, won) in enumerate(results):
        blocks += [duel(a, b, won, position=2 * i), duel(b, a, 1 - won, position=2 * i + 1)]
    return blocks


def _log_likelihood(duel: Make, rating: dict[str, float], seat: dict[str, float]) -> float:
    total = 0.0
    for block in _baseball(duel):
        home, away = block.matches[0].seats
        gap = rating[home.player] + seat["s_0"] - rating[away.player] - seat["s_1"]
        total -= math.log1p(math.exp(-gap / ELO if home.rank == 1 else gap / ELO))
    return total


# Citations among four journals of statistics (Stigler 1994), a row for each cited one; who is cited has won.
JOURNALS = ("Biometrika", "Comm. Statist.", "JASA", "JRSS-B")
CITED = ((714, 730, 498, 221), (33, 425, 68, 17), (320, 813, 1072, 142), (284, 276, 325, 188))


def test_citations_as_stigler_counts_them() -> None:
    """Vector V4: log-odds against Biometrika and their standard errors, as R's BradleyTerry2 fits them."""
    pairs = {}
    for i, one in enumerate(JOURNALS):
        for j, two in enumerate(JOURNALS):
            if one < two:
                pairs[one, two, "s", "s", 2] = (CITED[i][j] + CITED[j][i], CITED[i][j], 0)
    fit = Fit(comparisons_of(Totals(pairs=pairs)), {"Biometrika": 0.0}, 0.5)
    assert fit.pairs == []
    theta_Q = fit.solve(np.ones((1, 1)), None)[0]
    assert theta_Q[:4] == pytest.approx([0, -2.94907, -0.47957, 0.26895], abs=1e-5)
    _, inverse_FF = fit._curvature()
    assert np.sqrt(np.diag(inverse_FF))[:3] == pytest.approx([0.10255, 0.06059, 0.07083], abs=1e-5)


@pytest.mark.parametrize(("one", "two", "draws", "expected"), [(2, 1, 0, 119.549873), (2, 1, 1, 88.27871)])
def test_elo_with_openspiels_smoothing(one: int, two: int, draws: int, expected: float) -> None:
    """Vector V5: OpenSpiel's default adds a hundredth of a win each way."""
    counts = (one + two + draws + 0.02, one + 0.01, draws)
    kept = Totals(pairs={("a", "b", "s", "s", 2): counts})  # type: ignore[dict-item]  # parts of games
    fit = Fit(comparisons_of(kept), {"b": 0.0}, 0.5)
    assert ELO * fit.solve(np.ones((1, 1)), None)[0][0] == pytest.approx(expected, abs=1e-4)


def test_baseball_as_agresti_fits_it(duel: Make) -> None:
    """Vector V4, with the home effect: gamma .302, abilities by their sum .044 .088 .137 .157 ..."""
    standings = rate(_baseball(duel), np.random.default_rng(0), anchors={"Baltimore": 0.0}, resamples=0)
    assert (standings.seat_effects["s_0"] - standings.seat_effects["s_1"]) / ELO == pytest.approx(
        0.302, abs=5e-4
    )
    rating = _by_name(standings)
    strength = {name: math.exp(elo / ELO) for name, elo in rating.items()}
    shares = [strength[name] / sum(strength.values()) for name in reversed(TEAMS)]
    assert shares == pytest.approx([0.044, 0.088, 0.137, 0.157, 0.164, 0.190, 0.220], abs=6e-4)
    assert [row.player for row in standings.rows] == list(TEAMS)
    assert standings.linked
    home = {"s_0": standings.seat_effects["s_0"], "s_1": standings.seat_effects["s_1"]}
    assert _log_likelihood(duel, rating, home) == pytest.approx(-169.5429, abs=5e-4)


def test_baseball_without_home_effect(duel: Make) -> None:
    """Vector V4, without: each game entered in both pairs of seats, nobody is at home."""
    games = _baseball(duel)
    away = [
        duel(
            *reversed(list(block.matches[0].lineup.values())),
            block.matches[0].seats[1].score,
            position=1000 + i,
        )
        for i, block in enumerate(games)
    ]
    rating = _by_name(rate(games + away, np.random.default_rng(0), anchors={"Baltimore": 0.0}, resamples=0))
    expected = [1.58136, 1.43641, 1.29449, 1.24762, 1.10770, 0.68385, 0.0]
    assert [rating[name] / ELO for name in TEAMS] == pytest.approx(expected, abs=1e-5)
    assert _log_likelihood(duel, rating, {"s_0": 0.0, "s_1": 0.0}) == pytest.approx(-172.2482, abs=5e-4)


def test_bootstrap_agrees_with_the_model(duel: Make) -> None:
    """For independent games the bootstrap's spread is that of the model: standard errors near .34 to .33."""
    standings = rate(_baseball(duel), np.random.default_rng(0), anchors={"Baltimore": 0.0}, resamples=600)
    model = {"Milwaukee": 0.343, "Detroit": 0.340, "Toronto": 0.337, "New York": 0.336, "Boston": 0.334}
    for row in standings.rows:
        if row.player in model:
            assert row.low is not None
            assert row.high is not None
            error = (row.high - row.low) / 2 / 1.96 / ELO
            assert error == pytest.approx(model[row.player], rel=0.15), row.player
    pinned = standings.rows[-1]
    assert (pinned.rating, pinned.low, pinned.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("table", "draws", "expected"),
    [
        ([[0, 2], [1, 0]], 0, [120.411998, 0]),
        ([[0, 2], [1, 0]], 1, [88.7395, 0]),
        ([[0, 4, 2], [1, 0, 2], [3, 3, 0]], 0, [147.190714, 0, 147.190714]),
        ([[0, 5, 2], [0, 0, 2], [3, 3, 0]], 0, [268.537649, 0, 215.535624]),
    ],
)
def test_elo_of_published_tables(
    duel: Make, table: list[list[int]], draws: int, expected: list[float]
) -> None:
    """Vector V5: OpenSpiel's Bradley-Terry examples, shifted so that the weakest has 0."""
    found = rate(_wins(duel, table, draws), np.random.default_rng(0), resamples=0)
    rating = [elo for _, elo in sorted(_by_name(found).items())]
    assert [elo - min(rating) for elo in rating] == pytest.approx(expected, abs=1e-3)


def test_the_fit_is_the_likelihoods_maximum(block_of: Make) -> None:
    """Matches of three seats with draws: the same optimum as a general optimiser finds."""
    rng = np.random.default_rng(5)
    blocks = []
    for i in range(40):
        names = rng.permutation(["a", "b", "c", "d"])[:3]
        lineup = {f"s_{k}": name for k, name in enumerate(names)}
        blocks.append(block_of([lineup], [{seat: int(rng.integers(0, 3)) for seat in lineup}], position=i))
    players, seats = ["a", "b", "c", "d"], ["s_0", "s_1", "s_2"]

    def loss(theta: np.ndarray) -> float:
        total = 0.5e-3 * float(theta[4:] @ theta[4:]) + 10 * float(theta[:4].sum() ** 2)
        for block in blocks:
            results = block.matches[0].seats
            for one, two in ((0, 1), (0, 2), (1, 2)):
                x, y = results[one], results[two]
                odds = (
                    theta[players.index(x.player)]
                    - theta[players.index(y.player)]
                    + theta[4 + seats.index(x.seat)]
                    - theta[4 + seats.index(y.seat)]
                )
                won = 1.0 if x.rank < y.rank else 0.5 if x.rank == y.rank else 0.0
                total -= 2 / 3 * (won * -np.log1p(np.exp(-odds)) + (1 - won) * -np.log1p(np.exp(odds)))
        return total

    best = minimize(loss, np.zeros(7), tol=1e-12).x
    found = _by_name(rate(blocks, np.random.default_rng(0), resamples=0))
    assert [found[name] / ELO for name in players] == pytest.approx(best[:4], abs=1e-4)


def test_a_match_counts_as_its_seats_less_one(block_of: Make) -> None:
    """A match of four weighs as much as three duels, however many pairs it holds."""
    four = block_of(
        [{f"s_{i}": name for i, name in enumerate("abcd")}], [{"s_0": 4, "s_1": 3, "s_2": 3, "s_3": 3}]
    )
    duels = [
        block_of([{"s_0": "a", "s_1": name}], [{"s_0": 0, "s_1": 1}], position=i)
        for i, name in enumerate("bcd", 1)
    ]
    data = compare([four, *duels])
    assert data.games_BD.sum(axis=1) == pytest.approx([3, 1, 1, 1])
    assert data.wins_PP[0].tolist() == [0, 0.5, 0.5, 0.5]


def _league(
    duel: Make, rng: np.random.Generator, strengths: Sequence[float], blocks: int
) -> list[BlockResult]:
    found: list[BlockResult] = []
    for i in range(len(strengths)):
        for j in range(i):
            chance = 1 / (1 + math.exp(strengths[j] - strengths[i]))
            for _ in range(blocks):
                results = (rng.random(2) < chance).astype(float)
                found.append(duel(f"p{i}", f"p{j}", *results, position=len(found)))
    return found


def test_finish_order_changes_no_bit(duel: Make) -> None:
    """Vector V18c: blocks in any order give the same standings, intervals included, bit for bit."""
    blocks = _league(duel, np.random.default_rng(2), [0, 0.5, 1.0], 8)
    shuffled = [blocks[i] for i in np.random.default_rng(3).permutation(len(blocks))]
    one = rate(blocks, np.random.default_rng(9), resamples=200)
    assert one == rate(shuffled, np.random.default_rng(9), resamples=200)
    assert one != rate(blocks[:-1], np.random.default_rng(9), resamples=200)


def test_names_of_seats_change_nothing(block_of: Make) -> None:
    """Vector V18f: relabelling the seats of a game of many leaves all ratings where they were."""
    rng = np.random.default_rng(4)
    swap = {"s_0": "s_2", "s_1": "s_0", "s_2": "s_1"}
    plain, relabelled = [], []
    for i in range(30):
        lineup = {f"s_{k}": str(name) for k, name in enumerate(rng.permutation(["a", "b", "c", "d"])[:3])}
        scores = {seat: int(rng.integers(0, 4)) for seat in lineup}
        plain.append(block_of([lineup], [scores], position=i))
        other = sorted((swap[seat], seat) for seat in lineup)
        relabelled.append(
            block_of(
                [{new: lineup[old] for new, old in other}],
                [{new: scores[old] for new, old in other}],
                position=i,
            )
        )
    one = _by_name(rate(plain, np.random.default_rng(0), resamples=0))
    assert _by_name(rate(relabelled, np.random.default_rng(0), resamples=0)) == pytest.approx(one, abs=1e-6)


def test_roles_have_effects_of_their_own(duel: Make) -> None:
    """Where players change roles, what the role is worth is told apart from them: 0.8 of log-odds here."""
    rng = np.random.default_rng(3)
    roles = {"s_0": "hunter", "s_1": "evader"}
    chance = 1 / (1 + math.exp(-0.8))
    pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("c", "b"), ("a", "c")]
    blocks = [duel(*pairs[i % 6], float(rng.random() < chance), position=i, roles=roles) for i in range(3000)]
    standings = rate(blocks, rng, resamples=0)
    swing = (standings.role_effects["hunter"] - standings.role_effects["evader"]) / ELO
    assert swing == pytest.approx(0.8, abs=0.1)
    assert standings.seat_effects == {"s_0": 0.0, "s_1": 0.0}
    assert all(abs(row.rating) < 30 for row in standings.rows)
    assert rate(_league(duel, rng, [0, 1], 5), rng, resamples=0).role_effects == {}


def test_clones_do_not_move_others(duel: Make) -> None:
    """Vector V18g: a player under two names leaves the differences of the others within a few Elo."""
    blocks = _league(duel, np.random.default_rng(2), [0, 0.5, 1.0], 30)
    clones = [
        duel(
            "clone" if a == "p0" else a,
            b,
            *(s.score for s in [m.seats[0] for m in block.matches]),
            position=500 + i,
        )
        for i, block in enumerate(blocks)
        if "p0" in block.players
        for a, b in [sorted(block.players)]
    ]
    before, after = (
        _by_name(rate(b, np.random.default_rng(0), resamples=0)) for b in (blocks, blocks + clones)
    )
    assert after["p2"] - after["p1"] == pytest.approx(before["p2"] - before["p1"], abs=25)


def test_an_anchor_stays_where_it_is_pinned(duel: Make) -> None:
    """Pinned players keep their Elo; the others move with them; several pins are kept at once."""
    blocks = _league(duel, np.random.default_rng(2), [0, 0.5, 1.0], 10)
    free = _by_name(rate(blocks, np.random.default_rng(0), resamples=0))
    assert sum(free.values()) == pytest.approx(0, abs=1e-6)
    pinned = _by_name(rate(blocks, np.random.default_rng(0), anchors={"p1": 1000.0}, resamples=0))
    assert pinned["p1"] == 1000
    assert pinned["p2"] - pinned["p0"] == pytest.approx(free["p2"] - free["p0"], abs=1e-6)
    both = rate(blocks, np.random.default_rng(0), anchors={"p0": 0.0, "p2": 50.0}, resamples=50)
    assert [_by_name(both)[name] for name in ("p0", "p2")] == pytest.approx([0, 50])
    with pytest.raises(UnknownNameError, match="p1"):
        rate(blocks, np.random.default_rng(0), anchors={"p11": 0.0})


def test_the_unbeaten_have_a_finite_rating_and_an_open_interval(duel: Make) -> None:
    """Who won everything is rated by pseudo-wins, with an interval that reaches far up; the table says so."""
    standings = rate([duel("a", "b", 1, 1, position=i) for i in range(20)], np.random.default_rng(0))
    first, second = standings.rows
    assert not standings.linked
    assert (first.player, first.rank, first.rank_low, first.rank_high) == ("a", 1, 1, 1)
    assert first.rating - second.rating == pytest.approx(ELO * math.log(40.5 / 0.5), abs=1e-6)
    assert first.low is not None
    assert first.high is not None
    assert first.high - first.rating > 2 * (first.rating - first.low) > 0


def test_groups_that_never_met_are_linked_by_pseudo_wins_only(duel: Make) -> None:
    """Two pairs that never met are rated, marked as not linked, and their ranks stay open."""
    blocks = [duel("a", "b", 1, 0, position=i) for i in range(10)] + [
        duel("c", "d", 1, 0, position=10 + i) for i in range(10)
    ]
    standings = rate(blocks, np.random.default_rng(0))
    assert not standings.linked
    assert {(row.rank_low, row.rank_high) for row in standings.rows} == {(1, 4)}


def test_rows_count_what_was_played(block_of: Make, duel: Make) -> None:
    """Matches, blocks, win rate and mean score of each row; self-play and void blocks are left out."""
    alone = duel("a", "a", 1, 0, position=5)
    dead = duel("a", "b", 1, 0, position=6)
    first = dead.matches[0]
    void = replace(first, seats=tuple(replace(seat, score=None, outcome="void") for seat in first.seats))
    given = [
        duel("a", "b", 1, 0.5),
        duel("a", "b", 0, 1, position=1),
        alone,
        BlockResult(dead.plan, (void, dead.matches[1])),
    ]
    standings = rate(given, np.random.default_rng(0), resamples=10)
    row = standings.rows[0]
    assert (row.player, row.matches, row.blocks) == ("a", 4, 2)
    assert (row.win_rate, row.mean_score) == (0.625, 0.625)
    assert (standings.blocks, standings.void_blocks) == (3, 1)


def test_what_can_not_be_rated_is_an_error(duel: Make) -> None:
    """No blocks, self-play only, or two arenas at once: one clear LedgerError each."""
    for blocks in ([], [duel("a", "a", 1)], [duel("a", "b", 1), duel("a", "b", 1, arena="other")]):
        with pytest.raises(LedgerError, match="standings"):
            rate(blocks, np.random.default_rng(0))


def test_intervals_cover_true_ratings(duel: Make) -> None:
    """In simulated leagues 95 % intervals hold the true rating differences in 90 to 99 % of cases."""
    rng = np.random.default_rng(11)
    strengths = [-0.6, -0.1, 0.2, 0.5]
    hits, cases = 0, 0
    for _ in range(60):
        standings = rate(_league(duel, rng, strengths, 12), rng, resamples=200)
        for row in standings.rows:
            true = ELO * strengths[int(row.player[1:])]
            assert row.low is not None
            assert row.high is not None
            hits += row.low <= true <= row.high
            cases += 1
    assert 0.90 <= hits / cases <= 0.99


def test_rank_intervals_say_what_is_open(duel: Make) -> None:
    """Equal players share all ranks; a much stronger one is alone on the first."""
    standings = rate(_league(duel, np.random.default_rng(1), [0, 0, 4.0], 25), np.random.default_rng(0))
    assert [(row.rank_low, row.rank_high) for row in standings.rows] == [(1, 1), (2, 3), (2, 3)]
