"""One host as its owner sees it: the process, which copies are its own, what it still owes."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from marl.hosting.log import LOG
from marl.hosting.wire import check_endpoint

if TYPE_CHECKING:
    from marl.hosting import plane

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Work is spread over hosts, one thread each."""

_LINES_KEPT = 60


class HostProcess:
    """A started host program; its output is kept (the last lines) and logged at level DEBUG."""

    def __init__(self, index: int, incarnation: int, fd: int) -> None:
        # The host makes the folder, for this user only, and removes it as soon as it hears from us.
        self.folder = str(Path(tempfile.gettempdir(), f"marl-host-{os.getpid()}-{secrets.token_hex(4)}"))
        self.endpoint = f"ipc://{self.folder}/s"
        check_endpoint(self.endpoint)
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        order = {"endpoint": self.endpoint, "incarnation": incarnation, "owner": os.getpid(), "memory": fd}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "marl.hosting.host", json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if fd < 0 else (fd,),
            env=_environment(),
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"host-{index}-output", daemon=True)
        self._reader.start()

    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> bool:
        """Wait for the process to end by itself; says whether it did."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the process and what it started, wherever it is; safe to call twice."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        # A process of a group of its own, left by the arena, may hold the output open; the thread closes it.
        self._reader.join(timeout=1)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def last_words(self) -> str:
        """How it ended and the end of its output."""
        code = self._process.returncode
        if code is None:
            how = "no exit"
        else:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        tail = "".join(self._lines).strip()
        return f"{how}; its output ends: {tail}" if tail else f"{how}, no output"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                text = line.decode(errors="replace")
                self._lines.append(text)
                LOG.debug("host %d: %s", self.pid, text.rstrip())


def _environment() -> dict[str, str]:
    """This process's environment and module path; numerical libraries with one thread."""
    path = os.pathsep.join(str(Path(entry or ".").absolute()) for entry in sys.path)
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@dataclass(eq=False)
class Peer:
    """A host's place in a pool: it keeps its copies and its counters when its process is replaced.

    `memory`: it maps the shared block; else `own` says, by group, what travels. `owes`: groups whose next
    step tells that the copies are lost. `failures`: deaths since the last completed step. `asked`: requests
    without an answer.
    """

    index: int
    start: int
    stop: int
    process: HostProcess | None = None
    incarnation: int = 0
    name: bytes = b""
    ready: bool = False
    memory: bool = False
    own: list[plane.Slices] = field(default_factory=list)
    owes: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    failures: int = 0
    restarts: int = 0
    steps: int = 0
    busy_s: float = 0.0
    reported_busy_s: float = 0.0
    heard_s: float = 0.0

    def done(self, busy_s: float) -> None:
        """Count a completed step; `busy_s` is what this incarnation spent in steps so far."""
        self.failures = 0
        self.steps += 1
        self.busy_s += busy_s - self.reported_busy_s
        self.reported_busy_s = busy_s

    def __str__(self) -> str:
        return f"host {self.index}"
