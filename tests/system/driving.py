"""The command line as a user runs it: in this process, or in one of its own where it is killed."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from marl.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Said:
    """What a command left behind: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    def one_error(self, *parts: str) -> str:
        """The only line on standard error, which is no traceback and holds these parts."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("marl: ")
        for part in parts:
            assert part in lines[0], lines[0]
        return lines[0]


def said(words: Sequence[object], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    """Run `marl WORDS` in this process."""
    monkeypatch.setattr(sys, "argv", ["marl", *map(str, words)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    capfd.readouterr()
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    captured = capfd.readouterr()
    return Said(code, captured.out, captured.err)


@contextmanager
def running(
    words: Sequence[object], folder: Path, path: Sequence[Path] = ()
) -> Iterator[subprocess.Popen[str]]:
    """`marl WORDS` in a process and session of its own; killed at the end where it still runs."""
    places = [str(place) for place in (*path, ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "marl.cli", *map(str, words)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ran(words: Sequence[object], folder: Path, path: Sequence[Path] = (), timeout_s: float = 50) -> Said:
    """Run `marl WORDS` in a process of its own to its end."""
    with running(words, folder, path) as process:
        out, err = process.communicate(timeout=timeout_s)
        return Said(process.returncode, out, err)


def line_of(process: subprocess.Popen[str], pattern: str, timeout_s: float = 40) -> re.Match[str]:
    """The first line of standard output that fits; fails where the process ends or is silent for too long."""
    assert process.stdout is not None
    end_s = time.monotonic() + timeout_s
    while select.select([process.stdout], [], [], max(0.0, end_s - time.monotonic()))[0]:
        line = process.stdout.readline()
        if not line:
            break
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"no line like {pattern!r}")


def until(claim: Callable[[], bool], timeout_s: float = 40) -> None:
    """Wait until a claim holds."""
    end_s = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < end_s, "it did not come to hold"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run, and theirs."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found += [int(place.parent.name), *children(int(place.parent.name))]
    return found


def gone(pids: Sequence[int]) -> bool:
    """Whether none of these processes runs any more."""
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            return False
    return True
