"""`marl tournament`, `marl eval` and `marl join`: play between players that exist."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from marl.cli.league import backend
from marl.cli.options import AsJson, Assignments, Executor, Hosts, Out, assigned
from marl.cli.printing import show, teller

app = typer.Typer(help="Tournaments between players that exist.", no_args_is_help=True)

_PLAYER = "A snapshot's folder, a scripted player, or package.module:Player."
Seed = Annotated[int, typer.Option(min=0, help="Seed of the matches.")]


@app.command()
def run(
    arena: str,
    players: Annotated[list[str], typer.Argument(help=f"Two or more. {_PLAYER}")],
    *,
    blocks: Annotated[int, typer.Option(min=2, help="Blocks of each pair.")] = 32,
    seed: Seed = 1,
    out: Out = None,
    executor: Executor = "inline",
    hosts: Hosts = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Play a round robin and print standings; with --out, run it again to go on after an interruption."""
    changes = assigned(assignments, pool__hosts=hosts)
    _play(arena, players, blocks, seed, out, executor, changes, as_json=as_json)


def evaluate(
    arena: str,
    player: Annotated[str, typer.Argument(help=_PLAYER)],
    against: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    blocks: Annotated[
        int, typer.Option(min=2, help="Seeds; each is played in every rotation of the seats.")
    ] = 32,
    seed: Seed = 1,
    out: Out = None,
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
    from league.config import LeagueSettings
    from league.league import League, settings_of_tournament
    from marl.settings import override

    values = settings_of_tournament(arena, players, blocks=blocks, seed=seed)
    settings = LeagueSettings.read("tournament", override(values, changes))
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marl-tournament-")))
        league = League(settings, folder, backend=backend(executor), told=teller(as_json=as_json))
        findings = stack.enter_context(league).tournament()
    show(findings, out, as_json=as_json)
