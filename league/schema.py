"""The tables of a ledger, for SQLite and PostgreSQL alike, and how a data base is opened.

Every table but the totals, which follow from the others, is append-only. Where a row is named by content, the
content's digest lies beside it, so that the same thing written twice is nothing new and a contradiction is
noticed. Columns `*_at` and `wall_s` hold the clock, for people: nothing is ordered or computed by them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from marl.errors import LedgerError, MissingExtraError

VERSION = 2
"""Raised with every change of the tables, with a step in `migrations`; a newer version is refused."""

metadata = sa.MetaData()
_HASH = sa.String(32)
_NAME = sa.String(255)

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", _NAME, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

players = sa.Table(
    "players",
    metadata,
    sa.Column("id", _NAME, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", _NAME, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("parent", _NAME, sa.ForeignKey("players.id")),
    sa.Column("anchor", sa.Boolean, nullable=False),
    sa.Column("digest", _HASH, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

options = sa.Table(
    "options",
    metadata,
    sa.Column("hash", _HASH, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("id", _HASH, primary_key=True),
    sa.Column("run", _NAME, nullable=False),
    sa.Column("task", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("arena", _NAME, nullable=False),
    sa.Column("version", _NAME, nullable=False),
    sa.Column("options", _HASH, sa.ForeignKey("options.hash"), nullable=False),
    sa.Column("stage", _NAME, nullable=False),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("teams", sa.JSON, nullable=False),
    sa.Column("lineups", sa.JSON, nullable=False),
    sa.Column("digest", _HASH, nullable=False),
    sa.Column("committed_at", sa.Double, nullable=False),
    sa.Index("blocks_by_plan", "run", "purpose", "stage", "task", "position"),
)

matches = sa.Table(
    "matches",
    metadata,
    sa.Column("block", _HASH, sa.ForeignKey("blocks.id"), primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("match", sa.BigInteger, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("steps", sa.Integer, nullable=False),
    sa.Column("replay", sa.Text),
    sa.Column("wall_s", sa.Double, nullable=False),
)

seats = sa.Table(
    "seats",
    metadata,
    sa.Column("block", _HASH, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("seat", _NAME, nullable=False),
    sa.Column("role", _NAME, nullable=False),
    sa.Column("player", _NAME, sa.ForeignKey("players.id"), nullable=False),
    sa.Column("score", sa.Double),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.ForeignKeyConstraint(["block", "index"], ["matches.block", "matches.index"]),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("run", _NAME, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("hash", _HASH, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("digest", _HASH, nullable=False),
    sa.Column("committed_at", sa.Double, nullable=False),
)

training = sa.Table(
    "training",
    metadata,
    sa.Column("run", _NAME, primary_key=True),
    sa.Column("task", sa.Integer, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("player", _NAME, nullable=False),
    sa.Column("lineup", sa.JSON, nullable=False),
    sa.Column("stage", _NAME, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("mean", sa.Double, nullable=False),
    sa.Column("m2", sa.Double, nullable=False),
    sa.Column("wins", sa.Integer, nullable=False),
    sa.Column("draws", sa.Integer, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["run", "task"], ["tasks.run", "tasks.index"]),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", _NAME, nullable=False),
    sa.Column("event", _NAME, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("noted_at", sa.Double, nullable=False),
)


_SCOPE = ("run", "purpose", "stage", "arena")


def _scope() -> list[sa.Column[str]]:
    return [sa.Column(name, _NAME, primary_key=True) for name in _SCOPE]


pair_totals = sa.Table(
    "pair_totals",
    metadata,
    *_scope(),
    sa.Column("first", _NAME, primary_key=True),
    sa.Column("second", _NAME, primary_key=True),
    sa.Column("first_seat", _NAME, primary_key=True),
    sa.Column("second_seat", _NAME, primary_key=True),
    sa.Column("size", sa.Integer, primary_key=True),
    sa.Column("first_role", _NAME, nullable=False),
    sa.Column("second_role", _NAME, nullable=False),
    sa.Column("games", sa.BigInteger, nullable=False),
    sa.Column("wins", sa.BigInteger, nullable=False),
    sa.Column("draws", sa.BigInteger, nullable=False),
)

player_totals = sa.Table(
    "player_totals",
    metadata,
    *_scope(),
    sa.Column("player", _NAME, primary_key=True),
    sa.Column("matches", sa.BigInteger, nullable=False),
    sa.Column("blocks", sa.BigInteger, nullable=False),
    sa.Column("games", sa.BigInteger, nullable=False),
    sa.Column("points", sa.Double, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
)

scope_totals = sa.Table(
    "scope_totals",
    metadata,
    *_scope(),
    sa.Column("blocks", sa.BigInteger, nullable=False),
    sa.Column("void_blocks", sa.BigInteger, nullable=False),
)

fits = sa.Table(
    "fits",
    metadata,
    sa.Column("run", _NAME, primary_key=True),
    sa.Column("purpose", sa.String(16), primary_key=True),
    sa.Column("blocks", sa.BigInteger, primary_key=True),
    sa.Column("standings", sa.JSON, nullable=False),
    sa.Column("fitted_at", sa.Double, nullable=False),
)


def connect(where: str | Path) -> sa.Engine:
    """An engine for a SQLite file or a URL (`sqlite:///...`, `postgresql://...`); nothing is read yet.

    SQLite runs in WAL mode with `synchronous=FULL`: a commit is acknowledged when it is on the disk. NORMAL
    would lose the last commits to a power cut; blocks are committed in groups, which keeps the cost of the
    sync small.
    """
    url = address(where)
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise LedgerError(
            str(url), got=f"a {url.get_backend_name()} data base", expected="SQLite or PostgreSQL"
        )
    try:
        engine = sa.create_engine(url)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"ledger {shown(url)}", str(error.name), "postgres") from error
    if url.get_backend_name() == "sqlite":
        _tune_sqlite(engine)
    return engine


def address(where: str | Path) -> sa.URL:
    """The URL of a ledger; a plain path is a SQLite file."""
    text = str(where)
    try:
        url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise LedgerError(
            text, got="no valid URL", expected="a path, sqlite:///FILE or postgresql://HOST/NAME"
        ) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgresql", "postgres"} else url


def shown(url: sa.URL) -> str:
    """A URL as it may be printed: without its password; a file as its path."""
    return (
        url.database or ":memory:"
        if url.get_backend_name() == "sqlite"
        else url.render_as_string(hide_password=True)
    )


def _tune_sqlite(engine: sa.Engine) -> None:
    """Make SQLite keep foreign keys and wait for locks; SQLAlchemy alone says when a transaction begins."""

    @sa.event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401  # whichever driver it is
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
