"""How a ledger of an older schema becomes one of this: numbered steps, each in the transaction that opens it.

Step n leads from version n to n + 1. A step is never changed once it was released; it names tables as they
were then where they have changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from league import rows, schema, totals
from marl.errors import LedgerError

_TASKS_AT_ONCE = 200


def _totals(connection: sa.Connection) -> None:
    """1 to 2: totals and cached fits; totals are folded from the blocks that are there."""
    tables = [schema.pair_totals, schema.player_totals, schema.scope_totals, schema.fits]
    schema.metadata.create_all(connection, tables=tables)
    rebuild(connection)


STEPS: Mapping[int, Callable[[sa.Connection], None]] = {1: _totals}
"""From version to what leads to the next."""


def prepare(connection: sa.Connection, where: str, *, create: bool) -> None:
    """See to it that a data base is a ledger of this schema.

    With `create` an empty one gets its tables, and an older one is upgraded. LedgerError for anything else.
    """
    names = set(sa.inspect(connection).get_table_names())
    if not names and create:
        schema.metadata.create_all(connection)
        connection.execute(schema.meta.insert(), {"key": "schema", "value": str(schema.VERSION)})
        return
    found = rows.find(connection, schema.meta.c.value, key="schema") if "meta" in names else None
    if found is None:
        raise LedgerError(
            where,
            got=f"tables {', '.join(sorted(names)) or '(none)'}",
            expected="a ledger",
            remedy="Give it an empty data base or file of its own.",
        )
    version = int(found)
    if create and version < schema.VERSION:
        version = upgrade(connection, version)
    if version != schema.VERSION:
        remedy = (
            "Upgrade this package." if version > schema.VERSION else "Upgrade it with `marl ledger upgrade`."
        )
        raise LedgerError(where, got=f"schema {version}", expected=f"schema {schema.VERSION}", remedy=remedy)


def upgrade(connection: sa.Connection, version: int) -> int:
    """Take all steps from a version to this package's; returns the version reached."""
    while version < schema.VERSION:
        if version not in STEPS:
            raise LedgerError(
                "ledger", got=f"schema {version}", expected=f"schema {min(STEPS)} to {schema.VERSION}"
            )
        STEPS[version](connection)
        version += 1
        stamp = sa.update(schema.meta).where(schema.meta.c.key == "schema")
        connection.execute(stamp.values(value=str(version)))
    return version


def rebuild(connection: sa.Connection) -> None:
    """Fold all totals anew from the blocks, some hundred tasks at once."""
    for table in (schema.pair_totals, schema.player_totals, schema.scope_totals):
        connection.execute(sa.delete(table))
    table = schema.blocks
    places = sorted(tuple(row) for row in connection.execute(sa.select(table.c.run, table.c.task).distinct()))
    for start in range(0, len(places), _TASKS_AT_ONCE):
        for run in dict.fromkeys(run for run, _ in places[start : start + _TASKS_AT_ONCE]):
            tasks = [task for other, task in places[start : start + _TASKS_AT_ONCE] if other == run]
            query = sa.select(table, schema.options.c.value).join(schema.options)
            query = query.where(table.c.run == run, table.c.task.in_(tasks))
            totals.add(connection, rows.read_blocks(connection, query))
