"""Sufficient statistics of ratings.

Kept beside the blocks as they are committed, and equal to a fold over them.

Ratings need of all matches only how often each pair of players met in which seats, at tables of what size,
and who was ahead: whole numbers, so that sums do not depend on their order. Of each player they need what a
row of the standings shows besides. With these a ledger of any length has its point estimates at once.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from league import schema
from league.block import BlockResult, SeatResult
from league.meetings import Tally, tally_of

Scope = tuple[str, str, str, str]
"""Run, purpose, stage, arena."""
Pair = tuple[str, str, str, str, int]
"""Two players, first by name, their seats, and the seats of the match."""
_MANY = 200


@dataclass
class Totals:
    """(games, wins of the first, draws) of every pair, the tally of every player, the role of every seat."""

    pairs: dict[Pair, tuple[int, int, int]] = field(default_factory=dict)
    players: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    roles: dict[str, str] = field(default_factory=dict)
    blocks: int = 0
    void_blocks: int = 0


def fold(blocks: Iterable[BlockResult]) -> dict[Scope, Totals]:
    """The totals of every scope, from blocks in any order."""
    of_scope: dict[Scope, list[BlockResult]] = defaultdict(list)
    for block in blocks:
        plan = block.plan
        of_scope[plan.run, plan.purpose, plan.stage, plan.arena].append(block)
    return {scope: _fold(entries) for scope, entries in of_scope.items()}


def _fold(blocks: Sequence[BlockResult]) -> Totals:
    whole = [block for block in blocks if not block.void]
    found = Totals(blocks=len(whole), void_blocks=len(blocks) - len(whole))
    pairs: dict[Pair, list[int]] = defaultdict(lambda: [0, 0, 0])
    # the same players sit in the same seats often: who meets whom takes longer to find than to count
    met: dict[tuple[tuple[str, str], ...], list[tuple[int, int, list[int]]]] = {}
    for block in whole:
        found.roles.update(block.plan.roles)
        teams = tuple(block.plan.teams.items())
        for match in block.matches:
            key = (*teams, *[(seat.seat, seat.player) for seat in match.seats])
            if key not in met:
                met[key] = [(i, j, pairs[pair]) for i, j, pair in _pairs_of(match.seats, block.plan.teams)]
            ranks = [seat.rank for seat in match.seats]
            for i, j, counts in met[key]:
                counts[0] += 1
                counts[1] += ranks[i] < ranks[j]
                counts[2] += ranks[i] == ranks[j]
    found.pairs = {pair: (games, wins, draws) for pair, (games, wins, draws) in pairs.items()}
    found.players.update(tally_of(whole))
    return found


def _pairs_of(seats: Sequence[SeatResult], teams: Mapping[str, str]) -> Iterator[tuple[int, int, Pair]]:
    """The pairs of rivals at a table: the places of the first by name and of the second, and the pair."""
    for i, j in itertools.combinations(range(len(seats)), 2):
        one, two = seats[i], seats[j]
        if one.player == two.player or teams.get(one.seat, one.seat) == teams.get(two.seat, two.seat):
            continue
        first, second = (i, j) if one.player < two.player else (j, i)
        a, b = seats[first], seats[second]
        yield first, second, (a.player, b.player, a.seat, b.seat, len(seats))


def add(connection: sa.Connection, blocks: Sequence[BlockResult]) -> None:
    """Add new blocks to the totals, within the transaction that records them."""
    pair_rows, player_rows, scope_rows = [], [], []
    for scope, totals in fold(blocks).items():
        named = dict(zip(("run", "purpose", "stage", "arena"), scope, strict=True))
        scope_rows.append(named | {"blocks": totals.blocks, "void_blocks": totals.void_blocks})
        for pair, counts in sorted(totals.pairs.items()):
            roles = {"first_role": totals.roles[pair[2]], "second_role": totals.roles[pair[3]]}
            pair_rows.append(named | _pair_row(pair, counts) | roles)
        player_rows += [
            named | {"player": player, **vars(tally)} for player, tally in sorted(totals.players.items())
        ]
    for table, rows in (
        (schema.pair_totals, pair_rows),
        (schema.player_totals, player_rows),
        (schema.scope_totals, scope_rows),
    ):
        _add_up(connection, table, rows)


def _pair_row(pair: Pair, counts: tuple[int, int, int]) -> dict[str, object]:
    names = ("first", "second", "first_seat", "second_seat", "size")
    return dict(zip(names, pair, strict=True)) | dict(zip(("games", "wins", "draws"), counts, strict=True))


def _add_up(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, or add their figures to those that are there."""
    if not rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column for column in table.c if column.primary_key]
    statement = insert(table)
    figures = {
        column.name: column + statement.excluded[column.name]
        for column in table.c
        if not column.primary_key and not isinstance(column.type, sa.String)
    }
    upsert = statement.on_conflict_do_update(index_elements=keys, set_=figures)
    for start in range(0, len(rows), _MANY):
        connection.execute(upsert, [dict(row) for row in rows[start : start + _MANY]])


def read(connection: sa.Connection, run: str, purpose: str, stage: str | None, arena: str | None) -> Totals:
    """The totals of a run and purpose, over all stages and arenas or of one."""
    found = Totals()
    wanted = {"run": run, "purpose": purpose, "stage": stage, "arena": arena}

    def chosen(table: sa.Table) -> sa.CursorResult[sa.Row]:  # type: ignore[type-arg]  # of any columns
        query = sa.select(table)
        for name, value in wanted.items():
            query = query if value is None else query.where(table.c[name] == value)
        return connection.execute(query)

    for row in chosen(schema.pair_totals):
        pair = (row.first, row.second, row.first_seat, row.second_seat, row.size)
        games, wins, draws = found.pairs.get(pair, (0, 0, 0))
        found.pairs[pair] = (games + row.games, wins + row.wins, draws + row.draws)
        found.roles |= {row.first_seat: row.first_role, row.second_seat: row.second_role}
    for row in chosen(schema.player_totals):
        tally = found.players[row.player]
        for name in vars(tally):
            setattr(tally, name, getattr(tally, name) + getattr(row, name))
    for row in chosen(schema.scope_totals):
        found.blocks += row.blocks
        found.void_blocks += row.void_blocks
    return found


def differences(kept: Totals, folded: Totals) -> list[str]:
    """Where kept totals differ from a fold: counts exactly, sums of scores and points to rounding."""
    found: list[str] = []
    if (kept.blocks, kept.void_blocks) != (folded.blocks, folded.void_blocks):
        found.append(f"{kept.blocks} whole and {kept.void_blocks} void blocks, the fold has {folded.blocks}")
    found += [
        f"{pair}: {kept.pairs.get(pair)}, the fold has {folded.pairs.get(pair)}"
        for pair in sorted(kept.pairs.keys() | folded.pairs.keys())
        if kept.pairs.get(pair) != folded.pairs.get(pair)
    ]
    for player in sorted(kept.players.keys() | folded.players.keys()):
        one, two = (vars(totals.players.get(player, Tally())) for totals in (kept, folded))
        if any(abs(one[name] - two[name]) > 1e-9 * max(1, abs(two[name])) for name in one):
            found.append(f"{player}: {one}, the fold has {two}")  # two names a player
    return found
