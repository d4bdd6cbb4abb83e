"""`marl train` and `marl league`: what trains, from its settings to its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marl.cli.options import ArenaName, AsJson, Assignments, Executor, Hosts, Out, Workers, assigned
from marl.cli.printing import console, print_json, show
from marl.cli.progress import telling
from marl.errors import UnknownNameError

if TYPE_CHECKING:
    from league.config import LeagueSettings
    from league.league import Backend

app = typer.Typer(help="Leagues: run a preset or a file, resume a run.", no_args_is_help=True)


def backend(name: str) -> Backend:
    """The executor of that name; UnknownNameError lists them."""
    if name == "process":
        return "process"
    if name == "inline":
        return "inline"
    raise UnknownNameError("--executor", name, ["process", "inline"])


def train(
    arena: ArenaName,
    *,
    learner: Annotated[str, typer.Option(help="Short name or full spec of the learner.")] = "ppo",
    steps: Annotated[
        int, typer.Option(min=1, help="Own decisions to train for; the last update is finished.")
    ] = 100_000,
    tasks: Annotated[
        int, typer.Option(min=1, help="Snapshots on the way; later ones meet earlier ones again.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Everything random follows from it.")] = 0,
    preset: Annotated[
        str, typer.Option(help="Tuned settings to start from: auto, none, a name in `marl arenas presets`.")
    ] = "auto",
    out: Out = None,
    executor: Executor = "inline",
    hosts: Hosts = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train a learner by self-play in an arena: a league of one, in runs/train-ARENA by default.

    It starts from the settings that are tuned for learner and arena, where there are such; --set wins.
    """
    from league.config import LeagueSettings
    from league.training import settings_of_one, train_league
    from league.tuning import tuned
    from marl.settings import override

    values = settings_of_one(arena, learner=learner, steps=steps, tasks=tasks, seed=seed)
    values, taken = tuned(override(values, assigned(assignments, pool__hosts=hosts)), preset)
    settings = LeagueSettings.read("train", values)
    if taken and not as_json:
        _tell_preset(taken, settings)
    folder = out or Path("runs") / f"train-{arena.rpartition(':')[2]}"
    with telling(as_json=as_json) as told:
        snapshot = train_league(settings, folder, backend=backend(executor), told=told)
    if as_json:
        print_json({"snapshot": str(snapshot), "run": str(folder), "preset": taken})
    else:
        console().print(f"snapshot: {snapshot}", highlight=False, soft_wrap=True, markup=False)


def _tell_preset(preset: str, settings: LeagueSettings) -> None:
    """Which tuned settings are taken, and where the arena is not as it was when they were tuned."""
    from league.tuning import differing

    line = f"the learner starts from the tuned settings {preset} (agents/presets/{preset}.toml)"
    differs = differing(preset, settings.arena, settings.options)
    if differs:
        told = ", ".join(f"{name} = {then!r} (here {now!r})" for name, (then, now) in differs.items())
        line += f"; they were tuned with other options: {told}"
    console().print(line, highlight=False, soft_wrap=True, markup=False)


@app.command()
def presets(*, as_json: AsJson = False) -> None:
    """The leagues that come with the platform."""
    from league.config import PRESETS, read_league
    from marl.settings import about

    rows = [
        {"name": path.stem, "arena": read_league(path.stem).arena, "about": about(path)}
        for path in sorted(PRESETS.glob("*.toml"))
    ]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            console().print(f"{row['name']} ({row['arena']}): {row['about']}", highlight=False, markup=False)


@app.command()
def run(
    settings: Annotated[str, typer.Argument(help="A preset's name or a TOML file.")],
    *,
    out: Out = None,
    seed: Annotated[int | None, typer.Option(help="Overrides the settings' seed.")] = None,
    executor: Executor = "process",
    workers: Workers = None,
    hosts: Hosts = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Run a league from its settings to its report, in runs/NAME where --out names no other folder.

    Goes on where an earlier run of the same settings stopped.
    """
    from league.config import read_league

    taken: list[str] = []
    config = read_league(
        settings,
        assigned(assignments, seed=seed, workers=workers, pool__hosts=hosts),
        told=taken.append,
    )
    for preset in taken:
        if not as_json:
            _tell_preset(preset, config)
    _carry_out(config, out or Path("runs") / config.name, executor, as_json=as_json)


@app.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="The folder of the run, as it was given with --out.")],
    *,
    executor: Executor = "process",
    workers: Workers = None,
    hosts: Hosts = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting that no result depends on, as tournament.external.0.wait_s=60."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was stopped or killed."""
    from league.config import LeagueSettings
    from league.runs import Run
    from marl.settings import override

    with Run.open(folder) as opened:
        values = opened.settings.model_dump(mode="json")
    changes = assigned(assignments, workers=workers, pool__hosts=hosts)
    _carry_out(LeagueSettings.read(str(folder), override(values, changes)), folder, executor, as_json=as_json)


def _carry_out(config: LeagueSettings, folder: Path, executor: str, *, as_json: bool) -> None:
    from league.league import League

    with (
        telling(as_json=as_json) as told,
        League(config, folder, backend=backend(executor), told=told) as league,
    ):
        findings = None if config.tournament is None else league.tournament()
        if findings is None:
            league.train()
    if findings is not None:
        show(findings, folder, as_json=as_json)
    elif as_json:
        print_json({"run": str(folder)})
