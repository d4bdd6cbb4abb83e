"""Peers whose packages' pins do not agree with ours: a program in a Python of its own, asked over pipes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Piped:
    """`tests/bench/peers/SCRIPT` in `.venv-peers/NAME`, which `make peers` installs.

    A measure is `amount` of its work: the program says "ready", then reads amounts and answers with work per
    second, line by line. `measure` is None where its Python is not there, or it does not start.
    """

    def __init__(self, name: str, script: str, amount: int, arguments: Sequence[str] = ()) -> None:
        root = Path(__file__).parents[2]
        python = root / ".venv-peers" / name / "bin" / "python"
        self._amount = amount
        self._process: subprocess.Popen[str] | None = None
        self.measure: Callable[[], float] | None = None
        if python.is_file():
            self._process = subprocess.Popen(
                [python, root / "tests" / "bench" / "peers" / script, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            if self._answer() == "ready":
                self.measure = self._measure

    @property
    def process(self) -> int:
        """The number of its process."""
        assert self._process is not None  # it is installed
        return self._process.pid

    def _measure(self) -> float:
        assert self._process is not None  # it is installed
        assert self._process.stdin is not None  # a pipe was asked for
        self._process.stdin.write(f"{self._amount}\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process is not None  # it is installed
        assert self._process.stdout is not None  # a pipe was asked for
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()
