"""Round robin and gauntlet: everybody meets everybody, or some meet everybody."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Literal

from pydantic import Field

from league.formats.meeting import Meeting, Round, played_blocks
from marl.errors import ConfigError
from marl.settings import Settings

_MOST_TABLES = 100_000


class RoundRobin(Settings):
    """Every set of `tables` players meets, for the same number of blocks.

    Pairs in the order of Berger's tables.
    """

    kind: Literal["round_robin"] = "round_robin"
    tables: tuple[int, ...] = Field(
        (2,), description="players at a table; several sizes: each of them in turn"
    )
    blocks: int = Field(8, ge=1, description="blocks of each set of players")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """All meetings that were not yet: whoever enters later meets everybody, too."""
        here = [player for player in entrants if player not in gone]
        return _unplayed(
            (table for size in self.tables for table in _tables(here, size)), self.blocks, rounds
        )


class Gauntlet(Settings):
    """Challengers meet everybody else, who do not meet each other."""

    kind: Literal["gauntlet"] = "gauntlet"
    challengers: tuple[str, ...] = Field((), description="who runs the gauntlet; none: the first entrant")
    blocks: int = Field(8, ge=1, description="blocks of each pair")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """All meetings of a challenger with another that were not yet."""
        unknown = [name for name in self.challengers if name not in entrants]
        if unknown:
            raise ConfigError(
                "gauntlet.challengers", got=", ".join(unknown), expected=f"some of {', '.join(entrants)}"
            )
        chosen = self.challengers or tuple(entrants[:1])
        here = [player for player in entrants if player not in gone]
        pairs = ((one, two) for one in chosen if one in here for two in here if two not in chosen)
        return _unplayed(pairs, self.blocks, rounds)


def berger(size: int) -> list[list[tuple[int, int]]]:
    """Berger's tables (FIDE Handbook C.05 annex 1) for players 0, 1, ....

    Pairs of each round, first seat first.

    With an odd number of players somebody rests in each round.
    """
    even = size + size % 2
    tables = []
    for number in range(1, even):
        pairs = []
        for i in range(1, even):
            j = (number + 1 - i - 1) % (even - 1) + 1
            if i == j:
                pairs.append((i, even) if i <= even // 2 else (even, i))
            elif i < j:
                pairs.append((i, j) if (i + j) % 2 else (j, i))
        tables.append([(a - 1, b - 1) for a, b in pairs if max(a, b) <= size])
    return tables


def _tables(players: Sequence[str], size: int) -> Iterable[tuple[str, ...]]:
    if size == 2:
        return ((players[a], players[b]) for pairs in berger(len(players)) for a, b in pairs)
    if not 2 <= size <= len(players) or math.comb(len(players), size) > _MOST_TABLES:
        raise ConfigError(
            "round_robin.tables",
            got=f"{size} at a table of {len(players)} players",
            expected=f"2 to {len(players)} with at most {_MOST_TABLES:,} tables",
            remedy="Swiss pods (format swiss, table above 2) seat large fields.",
        )
    return combinations(players, size)


def _unplayed(tables: Iterable[tuple[str, ...]], blocks: int, rounds: Sequence[Round]) -> tuple[Meeting, ...]:
    done = played_blocks(rounds)
    return tuple(
        Meeting(table, blocks - done.get(frozenset(table), 0))
        for table in tables
        if done.get(frozenset(table), 0) < blocks
    )
