"""All commands together, and what becomes of an error: one sentence and an exit code."""

from __future__ import annotations

import signal
import sys
from importlib import metadata
from pathlib import Path
from threading import Timer, main_thread
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from marl.cli import arena, export, hosts, league, ledger, play, replay, standings
from marl.cli.options import FAILED, USAGE, AsJson
from marl.cli.printing import console, print_json
from marl.errors import ConfigError, MarlError, SpecError, UnknownNameError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs as Lost

app = typer.Typer(
    help="Multi-agent leagues: define arenas, train by self-play, hold tournaments, let outsiders join.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        console().print(f"marl-league {metadata.version('marl-league')}", highlight=False)
        raise typer.Exit


@app.callback()
def _front(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    del version  # it was heard before


@app.command()
def doctor(
    folder: Annotated[Path, typer.Option("--out", help="A run folder to try.")] = Path("runs"),
    *,
    as_json: AsJson = False,
) -> None:
    """Check this machine: packages, extras, shared memory, sockets, encryption, folders."""
    from rich.markup import escape

    from marl.doctor import examine

    checks = examine(folder)
    if as_json:
        print_json([vars(check) for check in checks])
    else:
        for check in checks:
            mark = "[green]ok  [/]" if check.ok else "[red]FAIL[/]" if check.required else "[yellow]--  [/]"
            told = escape(f"{check.name}: {check.detail} {'' if check.ok else check.remedy}".rstrip())
            console().print(f"{mark} {told}", highlight=False, soft_wrap=True)
    if any(check.required and not check.ok for check in checks):
        raise typer.Exit(FAILED)


app.add_typer(arena.app, name="arenas")
app.command()(league.train)
app.command("eval")(play.evaluate)
app.add_typer(league.app, name="league")
app.add_typer(play.app, name="tournament")
app.command()(play.compare)
app.command()(standings.standings)
app.command()(standings.games)
app.add_typer(replay.app, name="replay")
app.add_typer(ledger.app, name="ledger")
app.command()(export.export)
app.command()(play.join)
app.command()(hosts.host)
app.command()(hosts.keys)


def main() -> None:
    """Run the command line; errors that a user can mend are one sentence and an exit code."""
    from marl.doctor import check_packages  # keeps --help light

    sys.path.insert(0, str(Path.cwd()))
    packages = check_packages()
    if not packages.ok:
        sys.stderr.write(f"marl: {packages.detail} {packages.remedy}\n")
        sys.exit(FAILED)
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        app()
    except BaseException as error:
        if (code := _interrupted(error)) is not None:
            sys.stderr.write(
                "marl: interrupted; in a run's folder all that was finished is recorded, and "
                "`marl league resume` goes on.\n"
            )
            sys.exit(code)
        if not isinstance(error, MarlError):
            raise
        sys.stderr.write(f"marl: {error}\n")
        sys.exit(USAGE if isinstance(error, ConfigError | SpecError | UnknownNameError) else FAILED)


_ENDING = (signal.SIGINT, signal.SIGTERM)
_AGAIN_S = 0.05
_SIGNALLED = 128
"""Exit codes of who was ended by a signal start here, as in a shell."""


def _end(number: int, _frame: object) -> NoReturn:
    """End in good order, with workers, hosts and gateway."""
    # who is asked twice has no time to lose: what is left ends with us, if less gently
    for again in _ENDING:
        signal.signal(again, signal.SIG_DFL)
    sys.unraisablehook = _unheard
    sys.exit(_SIGNALLED + number)


def _unheard(lost: Lost) -> None:
    """Errors that nobody can catch while we end.

    Objects that were left half made have destructors that fail, which is nothing to tell. Where a destructor
    or a callback of a compiler swallowed the end itself, it is asked for again a moment later.
    """
    code = lost.exc_value.code if isinstance(lost.exc_value, SystemExit) else None
    for number in _ENDING:
        if code == _SIGNALLED + number:
            signal.signal(number, _end)
            again = Timer(_AGAIN_S, signal.pthread_kill, (main_thread().ident, number))
            again.daemon = True
            again.start()


def _interrupted(error: BaseException) -> int | None:
    """The exit code where a signal led to an error, None where none did.

    What is interrupted may raise an error of its own instead of letting ours pass, as numba does.
    """
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, SystemExit) and at.code in {_SIGNALLED + number for number in _ENDING}:
            return int(at.code)
        at = at.__cause__ or at.__context__
    return None
