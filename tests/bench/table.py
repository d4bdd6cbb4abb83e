"""What every benchmark shares: rows, medians of runs taken in turns, and how a table is printed.

A row is {work, peer, theirs, ours, unit, ratio, bar, ok}: `ratio` is ours by theirs, `bar` the least ratio
that is asked for (None: none is), `ok` whether it is reached.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """A line of a table; `theirs` is None where there is no peer, or none installs (`peer` says so)."""

    work: str
    peer: str
    theirs: float | None
    ours: float | None
    unit: str
    bar: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours / theirs."""
        return None if not self.theirs or self.ours is None else self.ours / self.theirs

    @property
    def ok(self) -> bool | None:
        """Whether the bar is reached; None where there is none."""
        return None if self.bar is None or self.ratio is None else self.ratio >= self.bar

    def to_json(self) -> dict[str, object]:
        """The row as it is printed with --json."""
        return {**asdict(self), "ratio": self.ratio, "ok": self.ok}


def options(about: str) -> argparse.Namespace:
    """The options of every benchmark: --quick and --json."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    return parser.parse_args()


def in_turns(runs: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure, taken A B C A B C ... so that all see the same weather."""
    found: list[list[float]] = [[] for _ in measures]
    for _ in range(runs):
        for values, measure in zip(found, measures, strict=True):
            values.append(measure())
    return [statistics.median(values) for values in found]


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows."""
    if as_json:
        print(json.dumps([row.to_json() for row in rows], indent=1))
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    heads = ("work", "peer", "theirs", "ours", "unit", "ratio", "bar", "ok")
    cells = [[_cell(row.to_json()[head]) for head in heads] for row in rows]
    widths = [max(len(line[i]) for line in [list(heads), *cells]) for i in range(len(heads))]
    for line in [list(heads), *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return str(value)
