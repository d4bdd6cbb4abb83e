"""`marl ledger`: list, check, audit, upgrade, write out, read in and join the record of matches."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marl.cli.options import FAILED, AsJson
from marl.cli.printing import console, print_json
from marl.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from league.ledger import Ledger

app = typer.Typer(
    help="Ledgers: check, export, import and merge the record of matches.", no_args_is_help=True
)

Where = Annotated[str, typer.Argument(help="A run's folder, a SQLite file, or postgresql://HOST/NAME.")]


def _opened(where: str, *, create: bool = False) -> Ledger:
    from league.ledger import Ledger as Opened

    return Opened.open(_named(where), create=create)


def _named(where: str) -> str:
    """A ledger's file or URL; a run's folder names the one in it."""
    from league.runs import LEDGER

    folder = Path(where)
    return str(folder / LEDGER) if "://" not in where and folder.is_dir() else where


def _missing(where: str) -> Path | None:
    """The SQLite file that opening with `create` would make; None where there is one, or for a server's."""
    from league.schema import address

    url = address(_named(where))
    file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    return None if file is None or file.exists() else file


@contextmanager
def _filling(where: str) -> Iterator[Ledger]:
    """A ledger to write into, made where there is none; where writing fails no new file is left behind."""
    new = _missing(where)
    try:
        with _opened(where, create=True) as ledger:
            yield ledger
    except BaseException:
        if new is not None:
            new.unlink(missing_ok=True)
        raise


@app.command()
def check(where: Where, *, as_json: AsJson = False) -> None:
    """Hash everything anew, and compare totals with a fold over all blocks."""
    from league.transfer import check as look

    with _opened(where) as ledger:
        problems = look(ledger)
        runs = {run: len(tasks) for run, tasks in ledger.runs().items()}
    if as_json:
        print_json({"problems": problems, "tasks": runs})
    else:
        to = console()
        for run, tasks in runs.items():
            to.print(f"{run}: {tasks} tasks", highlight=False)
        for problem in problems:
            to.print(problem, style="red", highlight=False, markup=False)
        to.print("The ledger is whole." if not problems else f"{len(problems)} problems.")
    if problems:
        raise typer.Exit(FAILED)


@app.command("list")
def list_all(where: Where, *, as_json: AsJson = False) -> None:
    """What lies in a ledger: runs, what their blocks are for, arenas, and how many blocks."""
    with _opened(where) as ledger:
        rows = [
            {"run": run, "purpose": purpose, "arena": arena, "blocks": blocks}
            for run, purpose, arena, blocks in ledger.contents()
        ]
        tasks = {run: len(numbers) for run, numbers in ledger.runs().items()}
    if as_json:
        print_json({"blocks": rows, "tasks": tasks})
        return
    from rich.table import Table

    table = Table("run", "purpose", "arena")
    table.add_column("blocks", justify="right")
    for row in rows:
        table.add_row(str(row["run"]), str(row["purpose"]), str(row["arena"]), f"{row['blocks']:,}")
    to = console()
    to.print(table)
    for run in sorted(tasks.keys() - {str(row["run"]) for row in rows}):
        to.print(f"{run}: {tasks[run]} tasks, no blocks", highlight=False, markup=False)


@app.command()
def audit(where: Where, *, as_json: AsJson = False) -> None:
    """What happened beside the matches: who entered, left, was put on probation or out, and void blocks."""
    with _opened(where) as ledger:
        found = [
            {"run": run, "event": event, **detail}
            for run in ledger.runs()
            for event, detail in ledger.audit(run)
        ]
    if as_json:
        print_json(found)
        return
    for entry in found:
        rest = ", ".join(f"{key} {value}" for key, value in entry.items() if key not in {"run", "event"})
        console().print(f"{entry['run']}: {entry['event']}, {rest}", highlight=False, markup=False)
    if not found:
        console().print("Nothing but matches.")


@app.command()
def upgrade(where: Where) -> None:
    """Bring a ledger of an older schema up to this package's."""
    from league.schema import VERSION

    if (file := _missing(where)) is not None:
        raise LedgerError(f"ledger {file}", got="no such file", expected="a ledger of an older schema")
    with _opened(where, create=True):
        console().print(f"{where}: schema {VERSION}", highlight=False, markup=False)


@app.command()
def export(
    where: Where,
    *,
    out: Annotated[Path | None, typer.Option("--out", help="A file; none: standard output.")] = None,
) -> None:
    """Write a ledger out as lines of JSON."""
    from league.durable import write_whole
    from league.transfer import export as lines_of

    with _opened(where) as ledger:
        if out is None:
            for line in lines_of(ledger):
                sys.stdout.write(line + "\n")
        else:
            write_whole(out, "".join(line + "\n" for line in lines_of(ledger)))


@app.command("import")
def read(
    where: Where, source: Annotated[Path, typer.Argument(help="A file that `marl ledger export` wrote.")]
) -> None:
    """Read an export into a ledger, which is made where there is none; what is there already stays."""
    from league.transfer import read_in

    if not source.is_file():
        raise LedgerError(str(source), got="no such file", expected="an export")
    with source.open(encoding="utf-8") as lines, _filling(where) as ledger:
        console().print(f"{read_in(ledger, lines, str(source))} new blocks", highlight=False)


@app.command()
def merge(
    into: Where, source: Annotated[str, typer.Argument(help="Another run's folder, file or URL.")]
) -> None:
    """Read another ledger in, into one that is made where there is none; contradictions are refused."""
    from league.transfer import merge as join

    with _opened(source) as other, _filling(into) as ledger:
        console().print(f"{join(ledger, other)} new blocks", highlight=False)
