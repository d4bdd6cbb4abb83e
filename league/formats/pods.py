"""Pods: tables of several players of like points who met as little as possible, seats in turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from league.formats.standing import Standing

_SWEEPS = 20


def pods(order: Sequence[str], standing: Mapping[str, Standing], size: int) -> list[tuple[str, ...]]:
    """Deal players (best first) to tables of at most `size`, as even as can be; best table first.

    From tables of neighbours, players are exchanged while that lowers the cost: repeated meetings first, then
    spread of points within tables.
    """
    tables = _neighbours(order, math.ceil(len(order) / size))
    for _ in range(_SWEEPS):
        if not _improve(tables, standing):
            break
    place = {player: i for i, player in enumerate(order)}
    return [
        tuple(sorted(table, key=lambda player: (_meetings(player, standing), place[player])))
        for table in tables
    ]


def _meetings(player: str, standing: Mapping[str, Standing]) -> int:
    return sum(standing[player].met.values()) % 2


def _neighbours(order: Sequence[str], count: int) -> list[list[str]]:
    small, more = divmod(len(order), count)
    tables, start = [], 0
    for number in range(count):
        stop = start + small + (number < more)
        tables.append(list(order[start:stop]))
        start = stop
    return tables


def _improve(tables: list[list[str]], standing: Mapping[str, Standing]) -> bool:
    """Make the exchanges of one sweep; whether there were any."""
    changed = False
    for one, two in combinations(tables, 2):
        for i in range(len(one)):
            for j in range(len(two)):
                before = _cost(one, standing) + _cost(two, standing)
                one[i], two[j] = two[j], one[i]
                if _cost(one, standing) + _cost(two, standing) < before - 1e-9:
                    changed = True
                else:
                    one[i], two[j] = two[j], one[i]
    return changed


def _cost(table: Sequence[str], standing: Mapping[str, Standing]) -> float:
    repeats = sum(standing[a].met[b] for a, b in combinations(table, 2))
    points = [standing[player].points for player in table]
    mean = sum(points) / len(points)
    return 2.0 * repeats + sum((value - mean) ** 2 for value in points)
