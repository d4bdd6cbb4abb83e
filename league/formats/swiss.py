"""Swiss: players of like points meet, nobody twice.

Pairs by maximum-weight matching, larger tables in pods.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from league.formats.meeting import Meeting, Round
from league.formats.pods import pods
from league.formats.standing import Standing, standings
from marl.settings import Settings

_REST = ""
"""The partner of who rests in an odd field."""
_FIXED = 64
"""Points are compared in whole numbers of this part, so that the order of criteria is exact."""


class Swiss(Settings):
    """A number of rounds in each of which players of like points meet. A rest counts as a win.

    Pairs (`table` 2): nobody meets anybody twice while that is possible; differences of points are as small
    as can be; seats as even as can be (never more than two ahead, never three times running the same, while
    that is possible); the upper half of a group meets the lower. The lowest player that did not rest yet
    rests. Pods (`table` above 2): like points, as few repeated meetings as exchanges find.
    """

    kind: Literal["swiss"] = "swiss"
    rounds: int | None = Field(None, ge=1, description="rounds; none: log2 of the players, rounded up")
    table: int = Field(2, ge=2, description="players at a table")
    blocks: int = Field(4, ge=1, description="blocks of each meeting")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The next round's tables, from the points so far."""
        here = [player for player in entrants if player not in gone]
        wanted = self.rounds or max(1, math.ceil(math.log2(max(2, len(entrants)))))
        if len(rounds) >= wanted or len(here) < 2:
            return ()
        standing = standings(entrants, rounds)
        order = sorted(here, key=lambda player: (-standing[player].points, entrants.index(player)))
        tables = pods(order, standing, self.table) if self.table > 2 else _pairs(order, standing)
        return tuple(Meeting(table, self.blocks, f"round {len(rounds) + 1}") for table in tables)


def _pairs(order: Sequence[str], standing: dict[str, Standing]) -> list[tuple[str, ...]]:
    """The pairs of the next round, best board first; in an odd field somebody rests at the last."""
    import networkx as nx  # half as long to import as all else that reads a ledger

    place = {player: i for i, player in enumerate(order)}
    group = Counter(standing[player].points for player in order)
    top = {points: min(place[p] for p in order if standing[p].points == points) for points in group}
    graph = nx.Graph()
    for i, one in enumerate(order):
        a = standing[one]
        for two in order[i + 1 :]:
            b = standing[two]
            gap = round(_FIXED * (a.points - b.points)) ** 2
            clash = int(a.must * b.must > 0)
            lean = int(a.lead * b.lead > 0) * min(abs(a.lead), abs(b.lead))
            same = a.points == b.points
            fold = abs(place[two] - i - group[a.points] // 2) if same else i - top[a.points] + place[two]
            cost = _cost(a.met[two], clash, gap, lean, fold)
            graph.add_edge(one, two, weight=_cost(2**10, 0, 0, 0, 0) - cost)
        if len(order) % 2:
            # resting costs like meeting somebody of no points
            gap = round(_FIXED * a.points) ** 2
            cost = _cost(a.rests, 0, 2 * gap, 0, len(order) - i)
            graph.add_edge(one, _REST, weight=_cost(2**10, 0, 0, 0, 0) - cost)
    matched = nx.max_weight_matching(graph, maxcardinality=True)
    found = [sorted(pair, key=lambda player: place.get(player, len(order))) for pair in matched]
    found.sort(key=lambda pair: (pair[1] == _REST, place[pair[0]]))
    return [
        (pair[0],) if pair[1] == _REST else seated(pair[0], pair[1], standing, number)
        for number, pair in enumerate(found)
    ]


def _cost(rematches: int, clash: int, gap: int, lean: int, fold: int) -> int:
    """One whole number in which an earlier criterion outweighs all later ones together."""
    cost = 0
    for amount, most in ((rematches, 2**12), (clash, 2**12), (gap, 2**32), (lean, 2**16), (fold, 2**24)):
        cost = cost * most + amount
    return cost


def seated(one: str, two: str, standing: dict[str, Standing], number: int) -> tuple[str, str]:
    """The pair with the first seat for whom it is due to.

    Where it is to neither, in turn from board to board.
    """
    a, b = standing[one], standing[two]
    for first, second in ((a.must, b.must), (-a.lead, -b.lead), (-a.run, -b.run)):
        if first != second:
            return (one, two) if first > second else (two, one)
    return (one, two) if number % 2 == 0 else (two, one)
