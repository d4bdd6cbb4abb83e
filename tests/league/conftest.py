"""What the league's tests share: blocks made from a table of results, and data bases to keep them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL data base: MARL_TEST_POSTGRES, or a server of our own on a Unix socket."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'marl-league[postgres]'")
    if url := os.environ.get("MARL_TEST_POSTGRES"):
        yield url
        return
    if not shutil.which("initdb") or not shutil.which("pg_ctl"):
        pytest.skip("no PostgreSQL: MARL_TEST_POSTGRES is not set and there is no initdb")
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

        run("initdb", "-D", data, "-U", "marl", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://marl@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
