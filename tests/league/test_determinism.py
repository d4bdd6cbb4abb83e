"""The same seed gives the same league: on each executor, with any number of workers and hosts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from league.ledger import Ledger
from league.player import Player
from league.schedule import Done, drive
from league.tasks import PlayTask, PoolPlan, Task
from marl.hosting.keys import make_keys
from tests.hosting.driving import kept
from tests.league.driving import assert_whole, carried_out, toy, trace


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the small league finds, inline and uninterrupted."""
    folder = carried_out(toy(), tmp_path_factory.mktemp("reference"))
    assert_whole(folder)
    return trace(folder)


def test_the_small_league_does_everything(reference: dict[str, Any]) -> None:
    """It trains in two stages, examines against scripted and past players, and plays a tournament."""
    assert {kind for _, kind, _, _ in reference["tasks"]} == {"train", "play"}
    stages = {row.stage for _, row in reference["training"]}
    assert stages == {"one", "two"}
    assert len(reference["files"]["snapshots"]) >= 3
    assert len(reference["standings"]["standings"]["rows"]) == 4


def test_another_seed_gives_another_league(reference: dict[str, Any], tmp_path: Path) -> None:
    """The comparison below can tell two leagues apart."""
    other = trace(carried_out(toy("seed=4"), tmp_path))
    for part in ("blocks", "tasks", "standings", "files"):
        assert other[part] != reference[part]


@pytest.mark.parametrize(
    ("workers", "hosts"), [(1, 0), (2, 0), (2, 1)], ids=["1 worker", "2 workers", "2 workers, a host each"]
)
@pytest.mark.timeout(120)
def test_processes_change_nothing(
    reference: dict[str, Any], tmp_path: Path, workers: int, hosts: int
) -> None:
    """Worker and host processes give the league that this process gives, bit for bit."""
    folder = carried_out(toy(f"workers={workers}", f"pool.hosts={hosts}"), tmp_path, "process")
    assert_whole(folder)
    assert trace(folder) == reference
    # Where processes are at work, the run's metrics say how they fare.
    figures = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
    assert ("host_0/wait_share" in figures) == (hosts > 0)


def test_other_machines_change_nothing(reference: dict[str, Any], tmp_path: Path) -> None:
    """A worker whose environments are stepped at addresses, with keys, gives the same league."""
    host_half, owner_half = make_keys(tmp_path / "team")
    with kept(2, host_half) as addresses:
        where = (f"pool.hosts={json.dumps(addresses)}", f'pool.keys="{owner_half}"')
        assert trace(carried_out(toy("workers=1", *where), tmp_path / "run", "process")) == reference


class _Watched:
    """A plan of `count` tasks that notes how much it had taken when each was planned."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self.seen: list[int] = []

    def next(self, index: int) -> Task | None:
        if index == self.count:
            return None
        self.seen.append(self.taken)
        return PlayTask(PoolPlan({"arena": f"toy {index}"}, 1, 1, 0), (), (), greedy=False)

    def take(self, done: Done) -> Sequence[Player]:
        assert done.index == self.taken
        self.taken += 1
        return []


class _Hasty:
    """An executor that has every result at once."""

    aside = False

    def submit(self, task: Task) -> int:
        return int(str(task.pool.arena["arena"]).split()[1])

    def result(self, number: int) -> dict[str, Any]:
        return {"number": number}

    def close(self) -> None:
        """Nothing to end."""


@pytest.mark.parametrize("window", [1, 2, 5])
def test_the_window_is_kept(tmp_path: Path, window: int) -> None:
    """Task k is planned with exactly the results up to k - window, however early others are there."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        plan = _Watched(9)
        last = drive(plan, _Hasty(), ledger, "toy", first=0, window=window, told=lambda _: None)
        again = _Watched(9)
        drive(again, _Hasty(), ledger, "toy", first=0, window=window, told=lambda _: None)
    assert last == 9
    assert plan.seen == [max(0, k - window + 1) for k in range(9)]
    assert again.seen == plan.seen
