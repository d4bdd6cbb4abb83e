"""The ledger: the append-only record from which ratings, payoffs, schedules and stages are computed.

One process writes, any number read. Blocks are committed whole, in groups, one transaction a group: a block
is in the ledger with all its matches and seats, or it is not there at all, whenever the writer dies. Writing
the same again is nothing new; writing something else under a name that is taken is an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from league import migrations, rows, schema, totals
from league.block import BlockResult
from league.player import Player
from league.records import Finished, TaskRecord, TrainingRow
from marl.errors import LedgerError

if TYPE_CHECKING:
    from league.rating import Standings


class Ledger:
    """An open ledger. Made by `Ledger.open`; usable as a context manager."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._where = f"ledger {schema.shown(engine.url)}"
        self._shared: sa.Connection | None = None

    @classmethod
    def open(cls, where: str | Path, *, create: bool = True) -> Self:
        """Open the ledger at a path (SQLite) or URL, and make it where there is none and `create` is true.

        Raises LedgerError: no such ledger, not a ledger, not reachable, not writable, or of a newer schema.
        """
        url = schema.address(where)
        if url.get_backend_name() == "sqlite" and not create and not Path(url.database or "").is_file():
            raise LedgerError(
                f"ledger {url.database}",
                got="no such file",
                expected="a ledger",
                remedy="Name the folder of a run.",
            )
        ledger = cls(schema.connect(where))
        try:
            with ledger._transaction(writes=create) as connection:
                migrations.prepare(connection, ledger._where, create=create)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def close(self) -> None:
        """Give the connections back; safe to call twice."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Writing.

    def add_players(self, players: Sequence[Player]) -> None:
        """Enter players into the roster; parents before their children."""
        with self._transaction(writes=True) as connection:
            self._insert_players(connection, players)

    def commit(self, blocks: Sequence[BlockResult]) -> int:
        """Record whole blocks in one transaction; returns how many were new. Then they are on the disk."""
        with self._transaction(writes=True) as connection:
            return self._insert_blocks(connection, blocks)

    def commit_task(
        self,
        task: TaskRecord,
        blocks: Sequence[BlockResult] = (),
        training: Sequence[TrainingRow] = (),
        players: Sequence[Player] = (),
    ) -> bool:
        """Record a finished task with all that it found, in one transaction; returns whether it was new."""
        return bool(self.commit_tasks([Finished(task, blocks, training, players)]))

    def commit_tasks(self, group: Sequence[Finished]) -> int:
        """Record finished tasks in one transaction; returns how many were new. Then they are on the disk."""
        with self._transaction(writes=True) as connection:
            new: list[Finished] = []
            for entry in group:
                task = entry.task
                known = rows.find(connection, schema.tasks.c.digest, run=task.run, index=task.index)
                if known is None:
                    new.append(entry)
                else:
                    self._same(f"task {task.index} of run {task.run}", known, entry.digest)
            self._insert_players(connection, [player for entry in group for player in entry.players])
            self._insert_blocks(connection, [block for entry in group for block in entry.blocks])
            now = time.time()
            found = [{**asdict(entry.task), "digest": entry.digest, "committed_at": now} for entry in new]
            rows.insert(connection, schema.tasks, found)
            rows.insert(
                connection, schema.training, [row for entry in new for row in rows.training_rows(entry)]
            )
            return len(new)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written within is recorded in one transaction: nothing, where any of it is refused.

        For one thread, and not within itself.
        """
        with self._transaction(writes=True) as connection:
            self._shared = connection
            try:
                yield
            finally:
                self._shared = None

    def note(self, run: str, event: str, detail: Mapping[str, Any]) -> None:
        """Add a line to the audit trail: what a person may ask about later, and nothing is computed from."""
        row = {"run": run, "event": event, "detail": dict(detail), "noted_at": time.time()}
        with self._transaction(writes=True) as connection:
            connection.execute(schema.audit.insert(), row)

    # Reading.

    def players(self) -> dict[str, Player]:
        """The roster by id, in the order of ids."""
        table = schema.players
        fields = ("id", "kind", "name", "spec", "roles", "parent", "anchor")
        with self._transaction() as connection:
            entries = connection.execute(sa.select(*(table.c[name] for name in fields))).mappings().all()
        found = [Player.from_json(dict(entry)) for entry in entries]
        return {player.id: player for player in sorted(found, key=lambda player: player.id)}

    def blocks(
        self,
        *,
        run: str | None = None,
        purpose: str | None = None,
        stage: str | None = None,
        arena: str | None = None,
        tasks: Sequence[int] | None = None,
    ) -> list[BlockResult]:
        """The blocks that fit what is asked for, in the order of their plans, whenever they were written."""
        wanted = {"run": run, "purpose": purpose, "stage": stage, "arena": arena}
        table = schema.blocks
        query = sa.select(table, schema.options.c.value).join(schema.options)
        for name, value in wanted.items():
            query = query if value is None else query.where(table.c[name] == value)
        query = query if tasks is None else query.where(table.c.task.in_(tasks))
        with self._transaction() as connection:
            return rows.read_blocks(connection, query)

    def has_block(self, block: str) -> bool:
        """Whether the block of that id is recorded: then it need not be played again."""
        with self._transaction() as connection:
            return rows.find(connection, schema.blocks.c.id, id=block) is not None

    def task(self, run: str, index: int) -> TaskRecord | None:
        """A finished task, or None."""
        return next((task for task in self.tasks(run) if task.index == index), None)

    def tasks(self, run: str) -> list[TaskRecord]:
        """The finished tasks of a run, by index."""
        table = schema.tasks
        query = sa.select(*(table.c[name] for name in ("run", "index", "kind", "hash", "result")))
        with self._transaction() as connection:
            found = connection.execute(query.where(table.c.run == run).order_by(table.c.index)).mappings()
            return [TaskRecord(**row) for row in found]

    def training(self, run: str) -> list[tuple[int, TrainingRow]]:
        """What the training tasks of a run saw: (task, row), in the order of the plan."""
        table = schema.training
        query = sa.select(table).where(table.c.run == run).order_by(table.c.task, table.c.place)
        with self._transaction() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        for row in found:
            del row["run"], row["place"]
            row["lineup"] = dict(row["lineup"])
        return [(row.pop("task"), TrainingRow(**row)) for row in found]

    def audit(self, run: str) -> list[tuple[str, dict[str, Any]]]:
        """The audit trail of a run: (event, detail), oldest first."""
        table = schema.audit
        query = sa.select(table.c.event, table.c.detail).where(table.c.run == run).order_by(table.c.id)
        with self._transaction() as connection:
            return [(row.event, row.detail) for row in connection.execute(query)]

    def totals(
        self, run: str, purpose: str, *, stage: str | None = None, arena: str | None = None
    ) -> totals.Totals:
        """What is kept beside the blocks of a run and purpose.

        Enough for point estimates, whatever its length.
        """
        with self._transaction() as connection:
            return totals.read(connection, run, purpose, stage, arena)

    def keep_fit(self, run: str, purpose: str, standings: Standings) -> None:
        """Keep a table with its intervals, for those who can't wait for a fit."""
        row: dict[str, str | int] = {"run": run, "purpose": purpose, "blocks": standings.blocks}
        with self._transaction(writes=True) as connection:
            if rows.find(connection, schema.fits.c.blocks, **row) is None:
                fitted = {"standings": standings.to_json(), "fitted_at": time.time()}
                connection.execute(schema.fits.insert(), row | fitted)

    def last_fit(self, run: str, purpose: str) -> Standings | None:
        """The table of the most blocks that was kept."""
        table = schema.fits
        query = sa.select(table.c.standings).where(table.c.run == run, table.c.purpose == purpose)
        with self._transaction() as connection:
            found = connection.execute(query.order_by(table.c.blocks.desc()).limit(1)).scalar()
        from league.rating import Standings  # brings scipy in, which a writer can do without

        return None if found is None else Standings.from_json(found)

    def runs(self) -> dict[str, list[int]]:
        """The runs that blocks or tasks are recorded of, each with the numbers of its tasks."""
        found: dict[str, set[int]] = {}
        with self._transaction() as connection:
            for table, number in (
                (schema.blocks, schema.blocks.c.task),
                (schema.tasks, schema.tasks.c.index),
            ):
                for run, task in connection.execute(sa.select(table.c.run, number).distinct()):
                    found.setdefault(run, set()).add(task)
        return {run: sorted(found[run]) for run in sorted(found)}

    def contents(self) -> list[tuple[str, str, str, int]]:
        """What lies here: run, purpose, arena, and how many blocks, in the order of names."""
        columns = [schema.blocks.c[name] for name in ("run", "purpose", "arena")]
        query = sa.select(*columns, sa.func.count()).group_by(*columns).order_by(*columns)
        with self._transaction() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]

    def digests(self, run: str, task: int) -> dict[str, str]:
        """The content hash under which each block of a task was recorded."""
        table = schema.blocks
        query = sa.select(table.c.id, table.c.digest).where(table.c.run == run, table.c.task == task)
        with self._transaction() as connection:
            return {row.id: row.digest for row in connection.execute(query)}

    # Within a transaction.

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        if self._shared is not None:
            yield self._shared
            return
        try:
            with self._engine.connect().execution_options(writes=writes) as connection, connection.begin():
                yield connection
        except sa.exc.DBAPIError as error:
            raise LedgerError(
                self._where,
                got=f"{type(error.orig).__name__}: {str(error.orig).splitlines()[0]}",
                expected="a data base that can be read and written",
                remedy="Check path, rights, disk space and that it is a ledger.",
            ) from error

    def _insert_players(self, connection: sa.Connection, players: Sequence[Player]) -> None:
        for player in players:
            known = rows.find(connection, schema.players.c.digest, id=player.id)
            if known is None:
                row = {**player.to_json(), "digest": player.digest, "created_at": time.time()}
                connection.execute(schema.players.insert(), row)
            else:
                self._same(f"player {player.id}", known, player.digest)

    def _insert_blocks(self, connection: sa.Connection, blocks: Sequence[BlockResult]) -> int:
        columns = (schema.blocks.c.id, schema.blocks.c.digest)
        found = rows.select_in(connection, columns, schema.blocks.c.id, [block.plan.id for block in blocks])
        known = {row["id"]: row["digest"] for row in found}
        new: list[BlockResult] = []
        for block in blocks:
            name, digest = block.plan.id, block.digest
            if name in known:
                self._same(f"block {name}", known[name], digest)
            else:
                known[name] = digest
                new.append(block)
        self._insert_options(connection, new)
        now = time.time()
        rows.insert(connection, schema.blocks, [rows.block_row(block, now) for block in new])
        rows.insert(connection, schema.matches, [row for block in new for row in rows.match_rows(block)])
        rows.insert(connection, schema.seats, [row for block in new for row in rows.seat_rows(block)])
        totals.add(connection, new)
        return len(new)

    def _insert_options(self, connection: sa.Connection, blocks: Sequence[BlockResult]) -> None:
        options = {rows.options_hash(block.plan): dict(block.plan.options) for block in blocks}
        column = schema.options.c.hash
        known = {row["hash"] for row in rows.select_in(connection, (column,), column, list(options))}
        new = [{"hash": name, "value": value} for name, value in options.items() if name not in known]
        rows.insert(connection, schema.options, new)

    def _same(self, what: str, known: str, digest: str) -> None:
        if known != digest:
            raise LedgerError(
                f"{self._where}, {what}",
                got=f"content {digest}",
                expected=f"content {known}, which is recorded",
                remedy="What is written is never changed. Runs are told apart by name (--set name=NAME).",
            )
