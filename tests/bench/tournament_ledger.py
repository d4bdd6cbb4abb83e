"""What the ledger costs a tournament, and how soon a long one has its standings."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from league.config import LeagueSettings
from league.contest import Contest
from league.executor import ProcessExecutor
from league.league import settings_of_tournament
from league.ledger import Ledger
from league.records import TaskRecord
from league.review import review
from league.schedule import Done, drive
from league.selfplay import scripted_player
from tests.bench.table import Row, in_turns
from tests.league.many_rows import run_of

if TYPE_CHECKING:
    from marl.spec import Spec


def ledger_rows(runs: int, blocks: int) -> list[Row]:
    """What the ledger costs, with one worker and with two: on two cores the second leaves none for it."""
    settings, spec = tournament_of(blocks)
    return [ledger_row(settings, spec, workers, runs) for workers in (1, 2)]


def ledger_row(settings: LeagueSettings, spec: Spec, workers: int, runs: int) -> Row:
    """The same tournament with and without a ledger, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        executor = ProcessExecutor(Path(folder), workers)
        tournament(settings, spec, executor, _Forgetful())
        free, kept = in_turns(
            runs,
            lambda: tournament(settings, spec, executor, _Forgetful()),
            lambda: with_ledger(settings, spec, executor, Path(folder)),
        )
        executor.close()
    work = f"market tournament, ledger on disk, {workers} worker{'s'[: workers - 1]}"
    return Row(work, "the same without a ledger", free, kept, "matches/s", 0.97)


def tournament_of(blocks: int) -> tuple[LeagueSettings, Spec]:
    """A round robin of five scripted traders in the market of 100 steps."""
    players = ["hold", "maker", "momentum", "random", "zi_c"]
    values = settings_of_tournament("trading", players, blocks=blocks, options={"seats": 8, "horizon": 100})
    settings = LeagueSettings.read("bench", values)
    return settings, review(settings)


def tournament(
    settings: LeagueSettings, spec: Spec, executor: ProcessExecutor, ledger: Ledger | _Forgetful
) -> float:
    """Matches per second of a tournament whose results go to a ledger, a worker playing on meanwhile."""
    taken = _Count()
    plan = _contest(settings, spec)
    began_s = time.perf_counter()
    drive(plan, executor, cast("Ledger", ledger), "bench", first=0, window=4, told=taken.add)
    return taken.matches / (time.perf_counter() - began_s)


def with_ledger(settings: LeagueSettings, spec: Spec, executor: ProcessExecutor, folder: Path) -> float:
    """Every task recorded, and on the disk before it is told of."""
    with Ledger.open(folder / f"{time.monotonic_ns()}.db") as ledger:
        return tournament(settings, spec, executor, ledger)


class _Forgetful:
    """A ledger that keeps nothing."""

    def tasks(self, run: str) -> list[TaskRecord]:
        """None."""
        del run
        return []

    def commit_tasks(self, *found: object) -> bool:
        """Forget it."""
        return bool(found)


class _Count:
    """Counts matches."""

    matches = 0

    def add(self, done: Done) -> None:
        self.matches += sum(len(block.matches) for block in done.blocks)


def _contest(settings: LeagueSettings, spec: Spec) -> Contest:
    assert settings.tournament is not None
    players = [scripted_player(name, {}) for name in settings.tournament.players]
    return Contest(settings, spec, settings.tournament.form(spec), players)


_STANDINGS = """
import sys, time
from pathlib import Path
from league.live import quick_of
from league.runs import Run
began = time.perf_counter()
with Run.open(Path(sys.argv[1])) as run:
    table = quick_of(run, "tournament")
print(time.perf_counter() - began)
"""


def standings_rows(runs: int, seats: int) -> list[Row]:
    """Standings of a long run: what a process needs that is there, and the whole command of a user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        run_of(folder, seats)

        def warm() -> float:
            return 1 / float(_output("-c", _STANDINGS, str(folder)))

        def whole() -> float:
            began_s = time.perf_counter()
            _output("-m", "marl.cli", "standings", str(folder), "--quick", "--json")
            return 1 / (time.perf_counter() - began_s)

        there, command = in_turns(runs, warm, whole)
    work = f"standings of {seats:,} seat rows, 100 players"
    return [
        Row(work, "1 s allowed", 1.0, there, "tables/s", 1.0),
        Row(f"{work}: `marl standings --quick`, Python's start included", "1 s", 1.0, command, "tables/s"),
    ]


def _output(*words: str) -> str:
    return subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True).stdout
