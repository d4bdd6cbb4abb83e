"""Executors, where tasks are done: `inline` here, one by one; `process` in worker processes, side by side.

A task's result follows from the task alone, so executors differ in time only.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import marl
from league.faults import raised, told
from league.workshop import Workshop
from marl.errors import RunError

if TYPE_CHECKING:
    from league.tasks import Task

ATTEMPTS = 3
"""How often a task is tried whose worker dies before it is reported."""

_END_S = 10.0
_ROOM = 1 << 16
"""Bytes that a pipe takes at once."""


class Executor(Protocol):
    """Takes tasks and gives their results back in any order that they are asked for."""

    @property
    def aside(self) -> bool:
        """Whether tasks are done in other processes, while this one does something else."""
        ...

    def submit(self, task: Task) -> int:
        """Take a task; returns a number to ask for its result with."""
        ...

    def result(self, number: int) -> dict[str, Any]:
        """Wait for a task's result; raises what the task raised."""
        ...

    def close(self) -> None:
        """End what is left; safe to call twice."""
        ...


class InlineExecutor:
    """Does a task here when its result is asked for: for debugging, and to prove what others do."""

    aside = False

    def __init__(self, folder: Path) -> None:
        self._workshop = Workshop(folder)
        self._tasks: dict[int, Task] = {}
        self._count = 0

    def submit(self, task: Task) -> int:
        """Keep the task until its result is asked for."""
        self._count += 1
        self._tasks[self._count] = task
        return self._count

    def result(self, number: int) -> dict[str, Any]:
        """Do the task now; the result goes through JSON, as it would come from a worker."""
        result: dict[str, Any] = json.loads(json.dumps(self._workshop.do(self._tasks.pop(number))))
        return result

    def close(self) -> None:
        """End the pools."""
        self._workshop.close()


class ProcessExecutor:
    """Worker processes. A task whose worker dies is given to another; what a task raises is raised here."""

    aside = True

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._size = workers
        self._workers: list[_Worker] = []
        self._queue: deque[int] = deque()
        self._tasks: dict[int, Task] = {}
        self._tries: dict[int, int] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._count = 0

    def submit(self, task: Task) -> int:
        """Give the task to a free worker, or keep it for the next that is free."""
        self._count += 1
        self._tasks[self._count] = task
        self._tries[self._count] = 0
        self._queue.append(self._count)
        self._dispatch()
        return self._count

    def result(self, number: int) -> dict[str, Any]:
        """Wait for a task's result; RunError where its workers died of it ATTEMPTS times."""
        while number not in self._answers:
            self._dispatch()
            unsent = {worker.inbox: worker for worker in self._workers if worker.unsent}
            ready, open_again, _ = select.select(self._workers, list(unsent), [])
            for worker in ready:
                self._hear(worker)
            for inbox in open_again:
                self._send(unsent[inbox])
        # whoever is free goes on while this process deals with the result
        self._dispatch()
        answer = self._answers.pop(number)
        kind = self._tasks.pop(number).kind
        del self._tries[number]
        if "error" in answer:
            raise raised(answer["error"], f"a {kind} task")
        result: dict[str, Any] = answer["result"]
        return result

    def close(self) -> None:
        """End the workers, and with them what they are still at."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._queue.clear()

    def pids(self) -> list[int]:
        """The worker processes that there are now."""
        return [worker.process.pid for worker in self._workers]

    def _dispatch(self) -> None:
        while self._queue and (worker := self._free(self._queue[0])) is not None:
            number = self._queue.popleft()
            worker.give(number, self._tasks[number])
            self._send(worker)

    def _free(self, number: int) -> _Worker | None:
        """Who gets a task: whoever is idle, else a new worker, else whoever has but one and may have two.

        Matches wait behind matches, so that nobody idles until this process has read a result; nothing waits
        behind training, which is long.
        """
        idle = next((worker for worker in self._workers if not worker.given), None)
        if idle is None and len(self._workers) < self._size:
            idle = _Worker(self._folder)
            self._workers.append(idle)
        if idle is not None or self._tasks[number].kind != "play":
            return idle
        short = (w for w in self._workers if len(w.given) == 1 and self._tasks[w.given[0]].kind == "play")
        return next(short, None)

    def _send(self, worker: _Worker) -> None:
        if not worker.send():
            self._lost(worker)

    def _hear(self, worker: _Worker) -> None:
        if worker not in self._workers:  # lost while others were heard
            return
        lines = worker.read()
        if lines is None:
            self._lost(worker)
            return
        for line in lines:
            self._answers[worker.given.popleft()] = json.loads(line)

    def _lost(self, worker: _Worker) -> None:
        """A worker is gone: what it was at, and what waited there, is done by others before all else."""
        worker.end()
        self._workers.remove(worker)
        if not worker.given:
            return
        number, *waited = worker.given
        self._queue.extendleft(reversed(waited))
        self._tries[number] += 1
        if self._tries[number] < ATTEMPTS:
            self._queue.appendleft(number)
            return
        error = RunError(
            f"a {self._tasks[number].kind} task",
            got=f"{ATTEMPTS} workers that died of it, the last with exit code {worker.process.returncode}",
            expected="a result",
            remedy="Killed by the system for memory? Fewer copies or workers need less. Then resume the run.",
        )
        self._answers[number] = {"error": told(error)}


class _Worker:
    """A worker process: a line of JSON in, a line of JSON out; it ends when its standard input does.

    `given` are the tasks it was given and has not answered, the first of which it is at; `unsent` is what its
    inbox had no room for.
    """

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "league.worker", str(folder)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        assert self.process.stdin is not None  # pipes were asked for
        self.inbox = self.process.stdin.fileno()
        # neither waits for the other to read: with both writing, that would be for ever
        os.set_blocking(self.inbox, False)
        self.given: deque[int] = deque()
        self.unsent = bytearray()
        self._half = bytearray()

    def give(self, number: int, task: Task) -> None:
        """Put a task behind those that it has."""
        self.given.append(number)
        self.unsent += json.dumps(task.to_json()).encode() + b"\n"

    def send(self) -> bool:
        """Send as much as there is room for; False where the worker is gone."""
        while self.unsent:
            try:
                sent = os.write(self.inbox, self.unsent[:_ROOM])
            except BlockingIOError:
                return True
            except BrokenPipeError:
                return False
            del self.unsent[:sent]
        return True

    def read(self) -> list[bytes] | None:
        """The lines that are whole now; None where the worker is gone."""
        chunk = os.read(self.fileno(), 1 << 20)
        if not chunk:
            return None
        self._half += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = bytes(self._half).split(b"\n")
        self._half = bytearray(rest)
        return lines

    def fileno(self) -> int:
        """For `select`."""
        assert self.process.stdout is not None  # a pipe was asked for
        return self.process.stdout.fileno()

    def end(self) -> None:
        """Close its input, which ends it and its hosts; kill it where it is busy or takes too long."""
        assert self.process.stdin is not None  # pipes were asked for
        assert self.process.stdout is not None
        self.process.stdin.close()
        if self.given:
            self.process.kill()
        try:
            self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def _environment() -> dict[str, str]:
    """This process's own, with its packages found, and one thread a process."""
    root, here = str(Path(marl.__file__).parent.parent), str(Path.cwd())
    paths = dict.fromkeys([root, here, *filter(None, [os.environ.get("PYTHONPATH")])])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **threads}
