"""The loop of every league and tournament: a plan issues tasks, results are taken in order, all is recorded.

Task k is planned when exactly the results up to k - window have been taken, or all before k where the plan
waits for them, however many workers there are and whichever is faster: so the same seed gives the same run
everywhere. A run that was killed plans the same tasks again, and takes those results that its ledger has.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from league.block import BlockResult
from league.recorder import Recorder
from league.records import Finished, TaskRecord, TrainingRow
from league.tasks import Task, task_hash
from marl.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from league.executor import Executor
    from league.ledger import Ledger
    from league.player import Player


@dataclass(frozen=True)
class Done:
    """A task with its result: blocks and training aggregates apart from the rest.

    `recalled`: it was recorded before this process began.
    """

    index: int
    task: Task
    result: Mapping[str, Any]
    blocks: Sequence[BlockResult] = ()
    training: Sequence[TrainingRow] = ()
    recalled: bool = False


class Plan(Protocol):
    """What a league or tournament does next, as a pure function of what it has taken."""

    def next(self, index: int) -> Task | None:
        """The task of that number, or None where the plan waits for results, or is at its end."""
        ...

    def take(self, done: Done) -> Sequence[Player]:
        """Take the oldest open task's result; returns the players that it brought into the roster."""
        ...


@dataclass
class _Open:
    index: int
    task: Task
    number: int | None
    record: TaskRecord | None


def drive(
    plan: Plan,
    executor: Executor,
    ledger: Ledger,
    run: str,
    *,
    first: int,
    window: int,
    told: Callable[[Done], None],
) -> int:
    """Carry a plan out from task number `first`; returns the number after its last task.

    Results are recorded in a thread of its own, in groups; `told` hears of each once it is on the disk.
    RunError where another task is recorded than is planned.
    """
    records = {record.index: record for record in ledger.tasks(run)}
    training: dict[int, list[TrainingRow]] = {}
    for number, row in ledger.training(run) if records else ():
        training.setdefault(number, []).append(row)
    pending: deque[_Open] = deque()
    index = first
    with _settled(), Recorder[Done](ledger) as recorder:
        while True:
            while len(pending) < window and (task := plan.next(index)) is not None:
                record = records.get(index)
                if record is not None and record.hash != task_hash(task):
                    raise _contradicts(run, index, task, record)
                pending.append(_Open(index, task, executor.submit(task) if record is None else None, record))
                index += 1
            if not pending:
                _tell(recorder.flush(), told)
                return index
            oldest = pending.popleft()
            if oldest.record is not None:
                blocks = ledger.blocks(run=run, tasks=[oldest.index])
                rows = training.get(oldest.index, [])
                done = Done(oldest.index, oldest.task, oldest.record.result, blocks, rows, recalled=True)
                plan.take(done)
                told(done)
                continue
            assert oldest.number is not None  # it was submitted
            done = _done(oldest, executor.result(oldest.number))
            players = plan.take(done)
            found = TaskRecord(run, oldest.index, oldest.task.kind, task_hash(oldest.task), done.result)
            recorder.put(done, Finished(found, done.blocks, done.training, players))
            # who plays in this process could do nothing else meanwhile
            _tell(recorder.written() if executor.aside else recorder.flush(), told)


@contextmanager
def _settled() -> Iterator[None]:
    """Spare the garbage collector what is there when a run begins, and lives to its end.

    Looking it all through again and again took as long as writing the ledger.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _tell(found: Sequence[Done], told: Callable[[Done], None]) -> None:
    for done in found:
        told(done)


def _contradicts(run: str, index: int, task: Task, record: TaskRecord) -> RunError:
    return RunError(
        f"run {run}, task {index}",
        got=f"a recorded task of hash {record.hash}",
        expected=f"{task_hash(task)}, as these settings plan it",
        remedy="Resume a run with the settings it was begun with, or start another one.",
    )


def _done(entry: _Open, result: dict[str, Any]) -> Done:
    """What an executor gave back: blocks and training aggregates have tables of their own."""
    blocks = [BlockResult.from_json(block) for block in result.pop("blocks", [])]
    training = [TrainingRow(**row) for row in result.pop("training", [])]
    return Done(entry.index, entry.task, result, blocks, training)
