"""A thread commits what is finished: nothing is told of before it is on the disk, nothing lost or doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from league.block import BlockResult
from league.ledger import Ledger
from league.player import Player
from league.recorder import Recorder
from league.records import Finished, TaskRecord
from marl.errors import LedgerError

Make = Callable[..., BlockResult]


class Gated(Ledger):
    """A ledger whose disk waits for a permit before each transaction, and which counts them."""

    permits: threading.Semaphore
    groups: list[int]

    def commit_tasks(self, group: Sequence[Finished]) -> int:
        self.permits.acquire()
        self.groups.append(len(group))
        return super().commit_tasks(group)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Gated]:
    """An empty ledger of two players, whose disk stands still."""
    with Gated.open(tmp_path / "ledger.db") as opened:
        opened.permits, opened.groups = threading.Semaphore(0), []
        opened.add_players([Player(name, "scripted", name) for name in "ab"])
        yield opened


def _finished(duel: Make, task: int, other: str = "b") -> Finished:
    return Finished(TaskRecord("test", task, "play", f"h{task}", {}), [duel("a", other, 1, 0, task=task)])


def test_what_waits_is_one_group(ledger: Gated, duel: Make) -> None:
    """Tasks that end while the disk is busy are committed together, in order, and told of only afterwards."""
    with Recorder[int](ledger) as recorder:
        for task in range(5):
            recorder.put(task, _finished(duel, task))
        assert recorder.written() == []
        assert ledger.tasks("test") == []
        ledger.permits.release(5)
        assert recorder.flush() == [0, 1, 2, 3, 4]
        assert recorder.flush() == []
    assert sum(ledger.groups) == 5
    assert len(ledger.groups) <= 5
    assert [task.index for task in ledger.tasks("test")] == [0, 1, 2, 3, 4]
    assert [block.plan.task for block in ledger.blocks()] == [0, 1, 2, 3, 4]


def _recorded(ledger: Gated, finished: Sequence[Finished], then: Callable[[], object]) -> None:
    with Recorder[int](ledger) as recorder:
        for entry in finished:
            recorder.put(entry.task.index, entry)
        then()
        ledger.permits.release(20)
        recorder.flush()


def test_whoever_leaves_early_leaves_nothing_behind(ledger: Gated, duel: Make) -> None:
    """An error elsewhere ends the context only after what was handed over is recorded."""

    def fail() -> None:
        ledger.permits.release(9)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _recorded(ledger, [_finished(duel, task) for task in range(3)], fail)
    assert [task.index for task in ledger.tasks("test")] == [0, 1, 2]


def test_what_is_refused_is_raised_and_the_rest_is_kept(ledger: Gated, duel: Make) -> None:
    """A block of an unknown player in a group: what came before it is recorded, the caller hears of it."""
    group = [_finished(duel, task, other) for task, other in enumerate(["b", "b", "nobody", "b"])]
    with pytest.raises(LedgerError):
        _recorded(ledger, group, lambda: None)
    assert [task.index for task in ledger.tasks("test")] == [0, 1]


def test_a_slow_disk_holds_the_tournament_back(ledger: Gated, duel: Make) -> None:
    """No more than a few dozen tasks wait in memory: the next one waits for the disk."""
    through = threading.Event()
    recorder = Recorder[int](ledger)

    def hand_over() -> None:
        for task in range(200):
            recorder.put(task, _finished(duel, task))
        through.set()

    thread = threading.Thread(target=hand_over)
    thread.start()
    with recorder._changed:
        assert recorder._changed.wait_for(lambda: len(recorder._waiting) == 64, timeout=30)
    assert not through.is_set()
    ledger.permits.release(400)
    thread.join()
    assert recorder.flush() == list(range(200))
    recorder.__exit__(None, None, None)
    assert max(ledger.groups) <= 64
    assert len(ledger.tasks("test")) == 200
