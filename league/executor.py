"""Executors: where tasks are done. `inline` does them here, one by one; `process` in worker processes side by side.

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
from league.workshop import Workshop
from marl.errors import RunError

if TYPE_CHECKING:
    from league.tasks import Task

ATTEMPTS = 3
"""How often a task is tried whose worker dies before it is reported."""


class Executor(Protocol):
    """Takes tasks and gives their results back in any order that they are asked for."""

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
    """Does a task in this process when its result is asked for: for debugging, and to prove what others do."""

    def __init__(self, folder: Path) -> None:
        self._workshop = Workshop(folder)
        self._tasks: dict[int, Task] = {}
        self._count = 0

    def submit(self, task: Task) -> int:
        self._count += 1
        self._tasks[self._count] = task
        return self._count

    def result(self, number: int) -> dict[str, Any]:
        # through JSON, as it would come from a worker
        result: dict[str, Any] = json.loads(json.dumps(self._workshop.do(self._tasks.pop(number))))
        return result

    def close(self) -> None:
        self._workshop.close()


class _Worker:
    """A worker process: a line of JSON in, a line of JSON out; it ends when its standard input does."""

    def __init__(self, folder: Path) -> None:
        root = str(Path(marl.__file__).parent.parent)
        paths = os.pathsep.join(dict.fromkeys([root, os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])]))  # noqa: PTH109  # as a string
        threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        self.process = subprocess.Popen(  # noqa: S603  # our own module, no shell
            [sys.executable, "-m", "league.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths, **threads},
        )
        self.busy_with: int | None = None
        self._half = b""

    def start(self, number: int, task: Task) -> bool:
        """Hand a task over; False where the worker is gone."""
        assert self.process.stdin is not None  # noqa: S101  # a pipe was asked for
        try:
            self.process.stdin.write(json.dumps(task.to_json()).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        self.busy_with = number
        return True

    def read(self) -> bytes | None:
        """A whole line where one has come; empty where the worker is gone, None where the line is not whole yet."""
        chunk = os.read(self.fileno(), 1 << 20)
        if not chunk:
            return b""
        self._half += chunk
        if not self._half.endswith(b"\n"):
            return None
        line, self._half = self._half, b""
        return line

    def fileno(self) -> int:
        """For `select`."""
        assert self.process.stdout is not None  # noqa: S101  # a pipe was asked for
        return self.process.stdout.fileno()

    def end(self) -> None:
        """Close its input, which ends it and its hosts; kill it where that takes too long."""
        assert self.process.stdin is not None  # noqa: S101  # pipes were asked for
        assert self.process.stdout is not None  # noqa: S101
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it is gone already, which is what was wanted
        if self.busy_with is not None:
            self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class ProcessExecutor:
    """Worker processes. A task whose worker dies is given to another one; an error in a task is raised here."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._size = workers
        self._workers: list[_Worker] = []
        self._queue: deque[int] = deque()
        self._tasks: dict[int, Task] = {}
        self._tries: dict[int, int] = {}
        self._results: dict[int, dict[str, Any]] = {}
        self._count = 0

    def submit(self, task: Task) -> int:
        self._count += 1
        self._tasks[self._count] = task
        self._tries[self._count] = 0
        self._queue.append(self._count)
        self._dispatch()
        return self._count

    def result(self, number: int) -> dict[str, Any]:
        while number not in self._results:
            self._dispatch()
            ready, _, _ = select.select(self._workers, [], [])
            for worker in ready:
                self._hear(worker)
        found = self._results.pop(number)
        del self._tasks[number]
        if "error" in found:
            raise RunError(
                f"task {number}", got=found["error"], expected="a result", remedy=found.get("traceback", "")
            )
        result: dict[str, Any] = found["result"]
        return result

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()
        self._queue.clear()

    def pids(self) -> list[int]:
        """The worker processes."""
        return [worker.process.pid for worker in self._workers]

    def _dispatch(self) -> None:
        while self._queue:
            free = next((worker for worker in self._workers if worker.busy_with is None), None)
            if free is None and len(self._workers) < self._size:
                free = _Worker(self._folder)
                self._workers.append(free)
            if free is None:
                return
            number = self._queue.popleft()
            if not free.start(number, self._tasks[number]):
                self._queue.appendleft(number)
                self._drop(free)

    def _hear(self, worker: _Worker) -> None:
        line = worker.read()
        if line is None:
            return
        number = worker.busy_with
        if line:
            worker.busy_with = None
            if number is not None:
                self._results[number] = json.loads(line)
            return
        self._drop(worker)
        if number is None:
            return
        self._tries[number] += 1
        if self._tries[number] >= ATTEMPTS:
            code = worker.process.returncode
            self._results[number] = {"error": f"{ATTEMPTS} workers that died of it, the last with exit code {code}"}
        else:
            self._queue.appendleft(number)

    def _drop(self, worker: _Worker) -> None:
        worker.end()
        self._workers.remove(worker)
