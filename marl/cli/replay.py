"""`marl replay`: the recorded matches of a run, over or still going."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marl.cli.options import FAILED, AsJson
from marl.cli.printing import console, print_json

if TYPE_CHECKING:
    from league.runs import Run

app = typer.Typer(help="Replays: list, verify and show recorded matches.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The folder of a run.")]
Purpose = Annotated[str, typer.Option(help="Which blocks: tournament, gate or eval.")]


@app.command("list")
def list_all(folder: Folder, *, purpose: Purpose = "tournament", as_json: AsJson = False) -> None:
    """The recorded matches of a run."""
    from league.standings import matches_of

    with _opened(folder) as run:
        rows = matches_of(run, purpose)
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("match", "seats", "scores", "steps", "outcomes")
    for row in rows:
        scores = " ".join("-" if score is None else f"{score:.3f}" for score in row["scores"])
        seats = " - ".join(row["players"])
        table.add_row(str(row["match"]), seats, scores, str(row["steps"]), ", ".join(row["outcomes"]))
    console().print(table)


@app.command()
def verify(
    folder: Folder,
    match: Annotated[
        int | None, typer.Argument(help="One match; without it, all of the tournament's.")
    ] = None,
    *,
    most: Annotated[
        int, typer.Option(min=0, help="How many matches at the most, evenly spread; 0: all.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Step recorded matches again from settings, seed and actions, and compare with the ledger."""
    from league.standings import verified

    with _opened(folder) as run:
        found = verified(run, match, most)
    wrong = {number: problems for number, problems in found.items() if problems}
    if as_json:
        print_json({"verified": len(found) - len(wrong), "differ": {str(k): v for k, v in wrong.items()}})
    else:
        from rich.markup import escape

        to = console()
        to.print(f"{len(found) - len(wrong)} of {len(found)} matches step again to the same end.")
        for number, problems in wrong.items():
            to.print(f"[red]{number}[/]: {escape('; '.join(problems))}", highlight=False)
    if wrong:
        raise typer.Exit(FAILED)


@app.command()
def show(
    folder: Folder,
    match: Annotated[int, typer.Argument(help="Its number, as `marl replay list` prints it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """What a spectator saw of a match, step by step; where views hold a `chart`, the last one in full."""
    from league.standings import views

    chart = None
    with _opened(folder) as run:
        for step, view in enumerate(views(run, match)):
            if as_json:
                sys.stdout.write(json.dumps({"step": step, "view": view}) + "\n")
                continue
            chart = view.pop("chart", None)
            told = {k: v for k, v in view.items() if chart is None or isinstance(v, int | float | str)}
            text = "  ".join(f"{key}: {value}" for key, value in told.items())
            sys.stdout.write(f"{step:5d}  {text}\n")
    if chart is not None:
        sys.stdout.write(f"{chart}\n")


def _opened(folder: Path) -> Run:
    from league.runs import Run

    return Run.open(folder)
