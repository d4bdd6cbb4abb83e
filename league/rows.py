"""Between the league's frozen data and rows of the ledger's tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from league import schema
from league.block import BlockPlan, BlockResult, MatchResult, SeatResult
from marl.spec import content_hash

if TYPE_CHECKING:
    from league.records import Finished

_MANY = 500
"""Keys in one IN clause: data bases limit them."""


def options_hash(plan: BlockPlan) -> str:
    """The name under which a block's options are kept."""
    return content_hash(dict(plan.options))


def block_row(block: BlockResult, now: float) -> dict[str, Any]:
    """The row of a block; `now` is for people."""
    row = block.plan.to_json()
    named = {
        "id": block.plan.id,
        "digest": block.digest,
        "options": options_hash(block.plan),
        "committed_at": now,
    }
    return {**row, **named}


def match_rows(block: BlockResult) -> Iterator[dict[str, Any]]:
    """The rows of a block's matches."""
    name = block.plan.id
    for match in block.matches:
        yield {
            "block": name,
            "index": match.index,
            "match": match.match,
            "seed": match.seed,
            "steps": match.steps,
            "replay": match.replay,
            "wall_s": match.wall_s,
        }


def seat_rows(block: BlockResult) -> Iterator[dict[str, Any]]:
    """The rows of a block's seats; `place` keeps the order of seats."""
    name = block.plan.id
    for match in block.matches:
        for place, seat in enumerate(match.seats):
            yield {"block": name, "index": match.index, "place": place, **vars(seat)}


def training_rows(entry: Finished) -> Iterator[dict[str, Any]]:
    """The rows of what a task trained on; `place` keeps their order."""
    for place, row in enumerate(entry.training):
        named = {"run": entry.task.run, "task": entry.task.index, "place": place}
        yield named | vars(row) | {"lineup": [list(pair) for pair in row.lineup.items()]}


def read_blocks(connection: sa.Connection, query: sa.Select[Any]) -> list[BlockResult]:
    """The blocks that a query over `blocks` joined with `options` finds, in the order of their plans."""
    rows = [dict(row) for row in connection.execute(query).mappings()]
    names = [row["id"] for row in rows]
    seats: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for row in select_in(connection, tuple(schema.seats.c), schema.seats.c.block, names):
        seats[row["block"], row["index"]].append(row)
    matches: dict[str, list[MatchResult]] = defaultdict(list)
    for row in select_in(connection, tuple(schema.matches.c), schema.matches.c.block, names):
        matches[row["block"]].append(_match(row, seats[row["block"], row["index"]]))
    found = [
        BlockResult(_plan(row), tuple(sorted(matches[row["id"]], key=lambda match: match.index)))
        for row in rows
    ]
    return sorted(found, key=lambda block: block.plan.order)


def _match(row: Mapping[str, Any], seats: Sequence[Mapping[str, Any]]) -> MatchResult:
    names = ("seat", "role", "player", "score", "rank", "outcome")
    ordered = sorted(seats, key=lambda seat: seat["place"])
    results = tuple(SeatResult(**{name: seat[name] for name in names}) for seat in ordered)
    rest = {name: row[name] for name in ("match", "index", "seed", "steps", "replay", "wall_s")}
    return MatchResult(seats=results, **rest)


def _plan(row: Mapping[str, Any]) -> BlockPlan:
    names = (
        "run",
        "task",
        "position",
        "arena",
        "version",
        "stage",
        "purpose",
        "seed",
        "roles",
        "lineups",
        "teams",
    )
    return BlockPlan.from_json({**{name: row[name] for name in names}, "options": row["value"]})


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, if there are any.

    Rows without JSON go to the driver as they are: SQLAlchemy's own way with each value costs as much as
    SQLite's.
    """
    if not rows:
        return
    if any(isinstance(column.type, sa.JSON) for column in table.c):
        connection.execute(table.insert(), list(rows))
        return
    compiled = table.insert().compile(dialect=connection.dialect)
    names = compiled.positiontup
    values = rows if names is None else list(map(itemgetter(*names), rows))
    connection.exec_driver_sql(str(compiled), values)


def select_in(
    connection: sa.Connection, columns: Sequence[Any], key: sa.Column[Any], names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The columns of the rows whose key is among the names, some hundred names a query."""
    for start in range(0, len(names), _MANY):
        found = connection.execute(sa.select(*columns).where(key.in_(names[start : start + _MANY])))
        yield from (dict(row) for row in found.mappings())


def find(connection: sa.Connection, column: sa.Column[Any], **keys: str | int) -> Any:  # noqa: ANN401  # of the column
    """The value of a column in the row that the keys name, or None."""
    table = column.table
    return connection.execute(sa.select(column).where(*(table.c[k] == v for k, v in keys.items()))).scalar()
