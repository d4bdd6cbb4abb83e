"""How far a run is: a bar with the rate, the time left and who leads on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import Task, TaskID

    from league.league import Progress


@contextmanager
def telling(*, as_json: bool) -> Iterator[Callable[[Progress], None]]:
    """What a run tells its progress to: on standard error where standard output is for JSON."""
    stream = sys.stderr if as_json else sys.stdout
    if not stream.isatty():
        yield _lines(stream.write, stream.flush)
        return
    from rich.console import Console

    with _bar(Console(file=stream)) as bar:
        yield _on(bar)


def _lines(write: Callable[[str], int], flush: Callable[[], None]) -> Callable[[Progress], None]:
    began_s = time.monotonic()

    def tell(progress: Progress) -> None:
        rest = ""
        if progress.matches:
            rest = f"; {progress.matches:,} of {progress.expected:,}"
            rest += f", first: {_leaders(progress)}" if progress.leaders else ""
        write(f"[{time.monotonic() - began_s:5.0f} s] {progress.line}{rest}\n")
        flush()

    return tell


def _bar(console: Console) -> Bar:
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    class Rate(ProgressColumn):
        """Matches a second, over the last minute or so."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f} matches/s")

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        Rate(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(),
        # who leads is what gives way where the terminal is narrow
        TextColumn("{task.fields[leaders]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        expand=True,
    )


def _on(bar: Bar) -> Callable[[Progress], None]:
    """Matches move the bar; what is no match is a line above it."""
    task: TaskID | None = None

    def tell(progress: Progress) -> None:
        nonlocal task
        if not progress.matches:
            bar.console.print(progress.line, highlight=False, markup=False)
            return
        if task is None:
            task = bar.add_task("tournament", total=progress.expected, leaders="")
        bar.update(task, completed=progress.matches, total=progress.expected, leaders=_leaders(progress))

    return tell


def _leaders(progress: Progress) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in progress.leaders)
