"""What is told below a table claims no more than the intervals leave, and shows no zero with a sign."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from league.block import BlockResult
from league.findings import headline_of, what_would_change
from league.rating import Standings, StandingsRow
from league.tables import standings_table

Make = Callable[..., BlockResult]


def _row(place: int, low: int, high: int) -> StandingsRow:
    return StandingsRow(f"p{place}", -place, 0, 0, place, low, high, 2, 2, 0.5, 0.0)


@pytest.mark.parametrize(
    ("ranks", "sentence"),
    [
        ([(1, 1), (2, 2)], "P1 comes first."),
        ([(1, 2), (1, 2), (3, 3)], "It is open who comes first: P1 or p2."),
        ([(1, 6)] * 6, "It is open who comes first: P1 or p2 or p3 or p4 or 2 others."),
    ],
)
def test_who_comes_first_is_open_where_ranks_are(ranks: list[tuple[int, int]], sentence: str) -> None:
    """Players that can't be told from the first are named with it, by what people call them."""
    rows = tuple(_row(place, *span) for place, span in enumerate(ranks, 1))
    table = Standings(rows, {}, {}, linked=True, blocks=2, void_blocks=0, resamples=100)
    assert headline_of("main", (), table, {"p1": "P1"}) == (sentence, None)


@pytest.mark.parametrize(
    ("gap", "told"),
    [
        (0.0, "they are even as far as these blocks tell."),
        (10.0, "about 6 blocks more of each would do it, if nothing else changes."),
        (16.4, "about 1 block more of each would do it, if nothing else changes."),
    ],
)
def test_blocks_that_would_part_two(gap: float, told: str, duel: Make) -> None:
    """Intervals of 10 Elo a side narrow with the root of the blocks; who is level is never parted."""
    rows = tuple(
        StandingsRow(player, rating, rating - 10, rating + 10, 1, 1, 2, 2, 2, 0.5, 0.0)
        for player, rating in (("a", gap), ("b", 0.0))
    )
    table = Standings(rows, {}, {}, linked=True, blocks=2, void_blocks=0, resamples=100)
    assert what_would_change(table, [duel("a", "b", 1, 0)], {}) == [f"a and b are not parted: {told}"]


def test_zero_has_no_sign() -> None:
    """A rating or bound that rounds to zero from below is told as 0."""
    row = StandingsRow("p1", -0.3, -0.4, 5.0, 1, 1, 1, 2, 2, 0.5, -0.001)
    table = standings_table(Standings((row,), {}, {}, linked=True, blocks=2, void_blocks=0, resamples=100))
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[2:4] == ["0", "0 to 5"]
    assert cells[6] == "0.00"
