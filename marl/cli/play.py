"""`marl tournament`, `marl eval`, `marl compare` and `marl join`: play between players that exist."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marl.cli.league import backend
from marl.cli.options import ArenaName, AsJson, Assignments, Executor, Hosts, Kept, assigned
from marl.cli.printing import console, print_json, show
from marl.cli.progress import telling

if TYPE_CHECKING:
    from league.league import League

app = typer.Typer(help="Tournaments between players that exist.", no_args_is_help=True)

_PLAYER = "A snapshot's folder, a scripted player, or package.module:Player."
Seed = Annotated[int, typer.Option(min=0, help="Seed of the matches.")]


Blocks = Annotated[int, typer.Option(min=2, help="Blocks of each pair, or of each meeting of other formats.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="round_robin, gauntlet, swiss, elimination, ladder, pyramid, hill or adaptive; by scores: "
        "cross_play or scenarios. Its settings by --set tournament.format.NAME=VALUE. None: round_robin, or "
        "cross_play where all seats are one team.",
    ),
]
Folder = Annotated[Path, typer.Argument(help="The folder of the tournament, as it was given with --out.")]
Players = Annotated[list[str], typer.Argument(help=f"Two or more. {_PLAYER}")]


@app.command()
def run(
    arena: ArenaName,
    players: Players,
    *,
    form: Format = None,
    blocks: Blocks = 32,
    seed: Seed = 1,
    out: Kept = None,
    executor: Executor = "inline",
    hosts: Hosts = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Play a tournament and print standings; with --out, run it again to go on after an interruption."""
    changes = [*_format(form, blocks), *assigned(assignments, pool__hosts=hosts)]
    _play(arena, players, blocks, seed, out, executor, changes, as_json=as_json)


@app.command()
def plan(
    arena: ArenaName,
    players: Players,
    *,
    form: Format = None,
    blocks: Blocks = 32,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Print who will meet whom, without playing: all of it, or the first round where results decide."""
    from league.config import LeagueSettings
    from league.contest import seated
    from league.formats import CrossPlay, Scenarios
    from league.formats.round_robin import Gauntlet, RoundRobin
    from league.league import settings_of_tournament
    from league.review import review
    from marl.errors import ConfigError
    from marl.settings import override

    values = settings_of_tournament(arena, players, blocks=blocks)
    settings = LeagueSettings.read(
        "tournament", override(values, [*_format(form, blocks), *(assignments or [])])
    )
    spec = review(settings)
    assert settings.tournament is not None  # it was put in
    rules = settings.tournament.form(spec)
    meetings = rules.next_round(players, frozenset(), [])
    if not meetings:
        raise ConfigError("tournament.format", got=repr(rules), expected="settings by which somebody meets")
    if as_json:
        print_json([meeting.to_json() for meeting in meetings])
        return
    to = console()
    for number, meeting in enumerate(meetings, 1):
        rest = "" if len(meeting.players) > 1 else " rests"
        label = f"{meeting.label}: " if meeting.label else ""
        to.print(
            f"{number:4d}  {label}{' - '.join(meeting.players)}{rest}, {meeting.blocks} blocks",
            highlight=False,
            markup=False,
        )
    if meetings[0].scenario is None:
        seats = ", ".join(f"{seat} {player}" for seat, player in seated(spec, meetings[0].players).items())
        to.print(
            f"seats of the first match: {seats}; every block rotates them", highlight=False, soft_wrap=True
        )
    if not isinstance(rules, RoundRobin | Gauntlet | CrossPlay | Scenarios):
        to.print("what comes after follows from the results", highlight=False)


@app.command()
def enter(folder: Folder, player: Annotated[str, typer.Argument(help=_PLAYER)]) -> None:
    """Enter a player into a tournament that is running; it is taken in before the next task."""
    from league.requests import ENTERED

    _ask(folder, ENTERED, player, "in")


@app.command()
def leave(
    folder: Folder, player: Annotated[str, typer.Argument(help="As it was named at the start.")]
) -> None:
    """Take a player out of a tournament that is running; what it played stays and counts."""
    from league.requests import LEFT

    _ask(folder, LEFT, player, "out")


def _ask(folder: Path, event: str, player: str, way: str) -> None:
    from league.requests import ask, checked

    name, playing = checked(folder, event, player)
    ask(folder, event, name)
    rest = "" if playing else "; nobody plays this run now: it is taken when the run goes on"
    console().print(f"{name} is asked {way}{rest}", highlight=False, soft_wrap=True, markup=False)


def compare(
    arena: ArenaName,
    candidate: Annotated[str, typer.Argument(help=_PLAYER)],
    champion: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    elo0: Annotated[float, typer.Option(help="H0: the candidate is so much Elo better.")] = 0.0,
    elo1: Annotated[float, typer.Option(help="H1: it is so much better.")] = 20.0,
    alpha: Annotated[float, typer.Option(help="Chance of saying better where H0 holds.")] = 0.05,
    beta: Annotated[float, typer.Option(help="Chance of saying not better where H1 holds.")] = 0.05,
    most: Annotated[int, typer.Option(min=1, help="Blocks after which it stays open.")] = 5000,
    seed: Seed = 1,
    out: Kept = None,
    executor: Executor = "inline",
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Is the candidate better than the champion? Plays until a sequential test knows, and no longer."""
    from league.formats.duel import Duel
    from league.sequential_report import verdict_of

    named = {"elo0": elo0, "elo1": elo1, "alpha": alpha, "beta": beta, "most": most}
    changes = ["tournament.format.kind=duel", *(f"tournament.format.{k}={v}" for k, v in named.items())]
    with ExitStack() as stack:
        league = _league(
            stack,
            arena,
            [candidate, champion],
            2,
            seed,
            out,
            executor,
            [*changes, *(assignments or [])],
            as_json=as_json,
        )
        league.tournament()
        contest = league.contest
    assert contest is not None  # a tournament was played
    assert isinstance(contest.form, Duel)  # it was asked for
    verdict = verdict_of(contest.form, contest.rounds)
    if as_json:
        print_json(vars(verdict))
    else:
        console().print(verdict.text(candidate, champion), highlight=False, soft_wrap=True)


def _format(form: str | None, blocks: int) -> list[str]:
    """A format's name as assignments; UnknownNameError lists the known ones."""
    from league.formats import FORMATS
    from marl.errors import UnknownNameError

    if form is None:
        return []
    if form not in FORMATS or form == "duel":
        raise UnknownNameError("--format", form, [name for name in FORMATS if name != "duel"])
    return [f"tournament.format.kind={form}", f"tournament.format.blocks={blocks}"]


def evaluate(
    arena: ArenaName,
    player: Annotated[str, typer.Argument(help=_PLAYER)],
    against: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    blocks: Annotated[
        int, typer.Option(min=2, help="Seeds; each is played in every rotation of the seats.")
    ] = 32,
    seed: Seed = 1,
    out: Kept = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Play one player against another and say who is better, with an interval."""
    _play(arena, [player, against], blocks, seed, out, "inline", assignments or [], as_json=as_json)


def join(
    address: Annotated[str, typer.Argument(help="HOST:PORT of the gateway.")],
    agent: Annotated[str, typer.Argument(help="agent.py:act or package.module:Agent.")],
    *,
    token: Annotated[str, typer.Option(help="Your player's join token, or @FILE that holds it.")],
    name: Annotated[str, typer.Option(help="What your agent calls itself.")] = "",
) -> None:
    """Play with your own agent in somebody's league; as `python marl/client.py`, which needs nothing else."""
    from marl.client import main as client

    raise typer.Exit(client([address, agent, "--token", token, *(["--name", name] if name else [])]))


def _play(
    arena: str,
    players: list[str],
    blocks: int,
    seed: int,
    out: Path | None,
    executor: str,
    changes: list[str],
    *,
    as_json: bool,
) -> None:
    with ExitStack() as stack:
        league = _league(stack, arena, players, blocks, seed, out, executor, changes, as_json=as_json)
        findings = league.tournament()
    show(findings, out, as_json=as_json)


def _league(
    stack: ExitStack,
    arena: str,
    players: list[str],
    blocks: int,
    seed: int,
    out: Path | None,
    executor: str,
    changes: list[str],
    *,
    as_json: bool,
) -> League:
    """A tournament's league, open until the stack is closed; in a folder of its own where none is named."""
    from league.config import LeagueSettings
    from league.league import League as Opened
    from league.league import settings_of_tournament
    from marl.settings import override

    values = settings_of_tournament(arena, players, blocks=blocks, seed=seed)
    settings = LeagueSettings.read("tournament", override(values, changes))
    folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marl-tournament-")))
    told = stack.enter_context(telling(as_json=as_json))
    league = Opened(settings, folder, backend=backend(executor), told=told)
    return stack.enter_context(league)
