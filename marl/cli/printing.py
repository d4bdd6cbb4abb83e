"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import typer

from marl.cli.options import FAILED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from league.findings import Findings
    from league.team_findings import TeamFindings


def print_json(data: Any) -> None:  # noqa: ANN401  # any JSON
    """Print JSON on standard output."""
    sys.stdout.write(json.dumps(data, indent=1) + "\n")


def print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of one shape as comma-separated values; what is nested becomes `outer.inner`."""
    flat = [
        {
            f"{key}.{inner}" if inner else key: part
            for key, value in row.items()
            for inner, part in (value.items() if isinstance(value, dict) else [("", value)])
        }
        for row in rows
    ]
    writer = csv.DictWriter(sys.stdout, list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)


def console() -> Console:
    """Where tables go: as wide as the terminal; wide enough for them where there is none."""
    from rich.console import Console as RichConsole

    return RichConsole(width=None if sys.stdout.isatty() else 140)


def show(findings: Findings | TeamFindings, folder: Path | None, *, as_json: bool) -> None:
    """Tables, the verdict and where the report lies; fails where somebody was not beaten who had to be."""
    if as_json:
        print_json(findings.to_json() | ({} if folder is None else {"run": str(folder)}))
    else:
        _show_tables(findings, folder)
    if not findings.ok:
        raise typer.Exit(FAILED)


def _show_tables(findings: Findings | TeamFindings, folder: Path | None) -> None:
    to = console()
    for table in findings.tables():
        to.print(table)
    for entry in findings.beaten:
        mark = "[green]beats[/]" if entry.ok else "[red]does NOT beat[/]"
        to.print(
            f"the main player {mark} {entry.player}: {entry.mean:+.3f} [{entry.low:+.3f}, {entry.high:+.3f}] "
            f"over {entry.blocks} blocks",
            highlight=False,
        )
    for note in findings.report.notes:
        to.print(note, highlight=False, markup=False)
    to.print(f"[bold]{findings.report.headline}[/]", highlight=False)
    if folder is not None:
        to.print(f"report: {folder / 'report.html'}", highlight=False, soft_wrap=True)
