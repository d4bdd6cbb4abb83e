"""What stands behind a peer: a host process that this pool started, or a slot of `marl host` somewhere."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marl.errors import HostError
from marl.hosting.log import LOG
from marl.hosting.wire import check_endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_THREAD = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Work is spread over hosts, one thread each."""

_LINES_KEPT = 60
_FOLDER = "marl-host-"
_LEFTOVER_S = 300.0
"""A socket's folder lives for seconds; an older one, of a process that is gone, was left by a killed run."""


class Program:
    """A started program of ours; its output is kept (the last lines) and logged at level DEBUG."""

    def __init__(self, module: str, order: dict[str, Any], fds: Sequence[int] = ()) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=tuple(fds),
            env=_environment(),
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"host-{self.pid}-output", daemon=True)
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

    def code(self) -> int | None:
        """The exit code; None while it runs, negative where a signal ended it."""
        return self._process.poll()

    def last_words(self) -> str:
        """How it ended and the end of its output."""
        code = self._process.returncode
        if code is None:
            how = "no exit"
        else:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        tail = "".join(self._lines).strip()
        return f"{how}; its output ends: {tail}" if tail else f"{how}, no output"

    def condition(self) -> str:
        """What the system says the process is doing: "stopped", "running", "asleep"; empty where unknown."""
        try:
            letter = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""
        return {"T": "stopped", "t": "stopped", "R": "running", "S": "asleep", "D": "asleep"}.get(letter, "")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                text = line.decode(errors="replace")
                self._lines.append(text)
                LOG.debug("host %d: %s", self.pid, text.rstrip())


class HostProcess(Program):
    """A host on this machine, started for one pool; `fd` is the shared memory that it inherits (-1: none)."""

    advice = "Run with --hosts 0 to see the arena's own error."
    """What to do where it does not start."""

    def __init__(self, incarnation: int, fd: int) -> None:
        # The host makes the folder, for this user only, and removes it as soon as it hears from us.
        name = f"{_FOLDER}{os.getpid()}-{secrets.token_hex(4)}"
        self.folder = str(Path(tempfile.gettempdir(), name))
        self.endpoint = f"ipc://{self.folder}/s"
        check_endpoint(self.endpoint)
        order = {"endpoint": self.endpoint, "incarnation": incarnation, "owner": os.getpid(), "memory": fd}
        super().__init__("marl.hosting.host", order, () if fd < 0 else (fd,))

    def kill(self) -> None:
        """End the process, and remove the folder that it may not have come to remove."""
        super().kill()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)


class RemoteHost:
    """A slot of `marl host`, by its address; whoever runs it there starts and ends the process behind it."""

    advice = (
        "Look into the log of `marl host` there. Where it says nothing: does it run, and at this port? "
        "Does something else listen there, or a firewall stop it? Have both keys of one set, or neither?"
    )
    """What to do where it does not start."""

    def __init__(self, address: str) -> None:
        self.endpoint = resolved(address)

    def ended(self) -> bool:
        """Never known from here: a lost connection may come back, a new process says that it is new."""
        return False

    def wait(self, seconds: float) -> bool:
        """Nothing to wait for: the slot's keeper ends the process."""
        del seconds
        return True

    def kill(self) -> None:
        """Nothing: its keeper ends the process when its owner leaves, or at the step's deadline."""

    def last_words(self) -> str:
        """Where to read on."""
        return f"the log of `marl host` at {self.endpoint} says why"

    def condition(self) -> str:
        """Unknown from here."""
        return ""


def resolved(address: str) -> str:
    """The address with its host as a number, as connections report it; HostError where it can't be found."""
    scheme, _, rest = address.partition("://")
    name, _, port = rest.rpartition(":")
    if scheme != "tcp" or not name or not port.isdigit():
        raise HostError(f"hosting: {address}", got="no address of a host", expected="tcp://NAME:PORT")
    try:
        family, *_, place = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise HostError(
            f"hosting: {address}", got=f"no address for {name!r} ({error})", expected="a name that resolves"
        ) from error
    number = f"[{place[0]}]" if family == socket.AF_INET6 else place[0]
    return f"tcp://{number}:{port}"


def sweep(prefix: str = _FOLDER) -> None:
    """Remove what killed runs of this user left in the temporary folder: `PREFIXPID-*`, minutes old."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*-*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        try:
            status = folder.lstat()
            if not pid.isdigit() or status.st_uid != os.getuid() or _runs(int(pid)):
                continue
            if time.time() - status.st_mtime > _LEFTOVER_S:
                shutil.rmtree(folder)
        except FileNotFoundError:
            continue


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _environment() -> dict[str, str]:
    """This process's environment and module path; numerical libraries with one thread."""
    path = os.pathsep.join(str(Path(entry or ".").absolute()) for entry in sys.path)
    return {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
