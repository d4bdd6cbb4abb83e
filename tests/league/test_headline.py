"""The last sentence claims a winner only where the intervals leave no other."""

from __future__ import annotations

import pytest

from league.findings import headline_of
from league.rating import Standings, StandingsRow


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
