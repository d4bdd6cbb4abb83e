"""The payoff table is a pure fold over blocks, for any number of seats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from league.block import BlockResult
from league.payoff import ALPHASTAR_DECAY, block_values, head_to_head, payoff

Make = Callable[..., BlockResult]


def test_counts_and_win_rates(duel: Make) -> None:
    """W, D, L and the mean difference of scores, both ways round; a pair that never met is at one half."""
    table = payoff([duel("a", "b", 1, 0.5, 0, 1), duel("b", "c", 1, 1, position=1)])
    assert table.players == ("a", "b", "c")
    assert (table.wins_PP[0, 1], table.draws_PP[0, 1], table.losses_PP[0, 1]) == (2, 1, 1)
    assert (table.wins_PP[1, 0], table.draws_PP[1, 0], table.losses_PP[1, 0]) == (1, 1, 2)
    assert table.games_PP[0, 1] == table.games_PP[1, 0] == 4
    assert table.difference_PP[0, 1] == -table.difference_PP[1, 0] == pytest.approx(0.25)
    assert table.win_rates("a", ["b", "c", "nobody"]) == pytest.approx([0.625, 0.5, 0.5])
    assert table.win_rates("nobody", ["a"]) == pytest.approx([0.5])
    assert payoff([]).players == ()


def test_decay_forgets_as_published(duel: Make) -> None:
    """Vector V17, decay .99: W, W, L, D gives .62186570 with G 3.940399; 100 wins, 100 losses .26795."""
    table = payoff([duel("a", "b", 1, 1, 0, 0.5)], decay=ALPHASTAR_DECAY)
    assert table.win_rate_PP[0, 1] == pytest.approx(0.62186570, abs=1e-8)
    assert table.games_PP[0, 1] == pytest.approx(3.940399, abs=1e-6)
    table = payoff([duel("a", "b", *[1] * 100, *[0] * 100)], decay=ALPHASTAR_DECAY)
    assert table.win_rate_PP[0, 1] == pytest.approx(0.26795, abs=1e-5)
    assert table.win_rate_PP[1, 0] == pytest.approx(1 - 0.26795, abs=1e-5)


def test_the_fold_follows_the_plan(duel: Make) -> None:
    """Blocks in any order give the same table, bit for bit, decay included."""
    blocks = [duel("a", "b", i % 2, 1, position=i) for i in range(20)]
    table = payoff(blocks, decay=0.9)
    shuffled = payoff([blocks[i] for i in np.random.default_rng(0).permutation(20)], decay=0.9)
    assert np.array_equal(table.win_rate_PP, shuffled.win_rate_PP)
    assert not np.array_equal(table.win_rate_PP, payoff(blocks[1:], decay=0.9).win_rate_PP)


def test_many_seats_are_compared_pair_by_pair(block_of: Make) -> None:
    """In a match of four, players are compared by the means of their seats' ranks and scores, once a pair."""
    lineup = {"s_0": "a", "s_1": "b", "s_2": "a", "s_3": "c"}
    table = payoff([block_of([lineup], [{"s_0": 10, "s_1": 6, "s_2": 0, "s_3": 5}])])
    assert table.games_PP.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    # Mean ranks: a 2.5, b 2, c 3.
    assert table.win_rates("a", ["b", "c"]) == pytest.approx([0.0, 1.0])
    assert table.difference_PP[0].tolist() == [0, -1, 0]


def test_team_mates_and_void_blocks_do_not_meet(block_of: Make, duel: Make) -> None:
    """Who is on one team has not played against the other; a block with a void match does not count."""
    lineup = {"s_0": "a", "s_1": "b", "s_2": "c", "s_3": "c"}
    teams = {"s_0": "red", "s_1": "red", "s_2": "blue", "s_3": "blue"}
    table = payoff([block_of([lineup], [dict.fromkeys(lineup, 1)], teams=teams)])
    assert table.games_PP.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    block = duel("a", "b", 1, 0)
    first = block.matches[0]
    void = replace(first, seats=tuple(replace(seat, score=None, outcome="void") for seat in first.seats))
    assert payoff([BlockResult(block.plan, (void, block.matches[1]))]).players == ()


def test_head_to_head_intervals_come_from_blocks(duel: Make) -> None:
    """Equal matches within a block are one observation: doubling them does not narrow the interval."""
    results = np.random.default_rng(0).integers(0, 2, 60)
    single = [duel("a", "b", r, r, position=i) for i, r in enumerate(results)]
    double = [duel("a", "b", r, r, r, r, position=i) for i, r in enumerate(results)]
    one = head_to_head(single, np.random.default_rng(1), measure="win")
    two = head_to_head(double, np.random.default_rng(1), measure="win")
    assert one.mean_PP[0, 1] == pytest.approx(results.mean())
    assert one.low_PP[0, 1] == two.low_PP[0, 1]
    half = 1.96 * np.sqrt(results.var(ddof=1) / 60)
    assert (one.high_PP[0, 1] - one.low_PP[0, 1]) / 2 == pytest.approx(half, rel=0.15)
    assert one.high_PP[1, 0] == 1 - one.low_PP[0, 1]
    assert one.blocks_PP[0, 1] == one.blocks_PP[1, 0] == 60
    assert np.isnan(one.mean_PP[0, 0])


def test_head_to_head_covers_the_truth(duel: Make) -> None:
    """95 % intervals of the mean difference of ten blocks hold the true one in 90 to 98 % of cases."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(300):
        gains = rng.normal(0.3, 1.0, 10)
        blocks = [duel("a", "b", (1 + gain) / 2, position=i) for i, gain in enumerate(gains)]
        found = head_to_head(blocks, rng, resamples=300)
        hits += found.low_PP[0, 1] <= 0.3 <= found.high_PP[0, 1]
    assert 0.90 <= hits / 300 <= 0.98


def test_one_block_has_no_interval(duel: Make) -> None:
    """A single block gives a mean and no interval that pretends to know more; no block gives no table."""
    found = head_to_head([duel("a", "b", 1, 0)], np.random.default_rng(0))
    assert found.mean_PP[0, 1] == 0
    assert np.isnan(found.low_PP[0, 1])
    assert head_to_head([], np.random.default_rng(0)).players == ()


def test_block_values_are_one_number_a_block(duel: Make) -> None:
    """What a gate reads: a number for each block, in the order of the plans, from either side."""
    blocks = [
        duel("b", "a", 1, 0.5, position=1),
        duel("b", "a", 0, 0, position=0),
        duel("b", "c", 1, position=2),
    ]
    assert block_values(blocks, "b", "a", "win") == [0.0, 0.75]
    assert block_values(blocks, "a", "b", "win") == [1.0, 0.25]
    assert block_values(blocks, "a", "b", "difference") == [1.0, -0.5]
