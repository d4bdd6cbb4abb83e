"""The front door: `marl NOUN VERB`. The one file that may see everything; each command imports what it needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marl.errors import ConfigError, MarlError, UnknownNameError

if TYPE_CHECKING:
    from rich.console import Console

    from league.config import LeagueSettings
    from league.findings import Findings
    from league.league import Progress
    from league.runs import Run

app = typer.Typer(
    help="Multi-agent leagues: define arenas, train by self-play, play tournaments, plug in agents over sockets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
arenas_app = typer.Typer(help="Arenas: list them, describe one, check your own.", no_args_is_help=True)
league_app = typer.Typer(help="Leagues: run a preset or a file, resume a run.", no_args_is_help=True)
tournament_app = typer.Typer(help="Tournaments between players that exist.", no_args_is_help=True)
replay_app = typer.Typer(help="Replays: list, verify and show recorded matches.", no_args_is_help=True)
app.add_typer(arenas_app, name="arenas")
app.add_typer(league_app, name="league")
app.add_typer(tournament_app, name="tournament")
app.add_typer(replay_app, name="replay")

FAILED, USAGE = 1, 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="A setting, as learner.settings.lr=1e-3; repeatable.")]
Out = Annotated[Path | None, typer.Option("--out", help="The run's folder; default runs/NAME.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Overrides the settings' seed.")]
Backend = Annotated[str, typer.Option("--executor", help="process: workers side by side; inline: all in this process.")]
Hosts = Annotated[int | None, typer.Option("--hosts", help="Environment processes of each worker; 0: in the worker itself.")]


def main() -> None:
    """Run the command line; errors that a user can mend are one sentence and an exit code."""
    from marl.doctor import check_packages  # noqa: PLC0415  # keeps --help light

    sys.path.insert(0, str(Path.cwd()))
    packages = check_packages()
    if not packages.ok:
        sys.stderr.write(f"marl: {packages.detail} {packages.remedy}\n")
        sys.exit(FAILED)
    try:
        app()
    except MarlError as error:
        sys.stderr.write(f"marl: {error}\n")
        sys.exit(USAGE if isinstance(error, ConfigError | UnknownNameError) else FAILED)
    except KeyboardInterrupt:
        sys.stderr.write("marl: interrupted; what was finished is recorded, and `marl league resume` goes on.\n")
        sys.exit(130)


@app.command()
def doctor(
    folder: Annotated[Path, typer.Option("--out", help="A run folder to try.")] = Path("runs"), *, as_json: AsJson = False
) -> None:
    """Check this machine: packages, extras, shared memory, sockets, encryption, folders."""
    from marl.doctor import examine  # noqa: PLC0415

    checks = examine(folder)
    if as_json:
        _print_json([vars(check) for check in checks])
    else:
        console = _console()
        for check in checks:
            mark = "[green]ok  [/]" if check.ok else "[red]FAIL[/]" if check.required else "[yellow]--  [/]"
            console.print(f"{mark} {check.name}: {check.detail} {'' if check.ok else check.remedy}", highlight=False)
    if any(check.required and not check.ok for check in checks):
        raise typer.Exit(FAILED)


@arenas_app.command("list")
def arenas_list(*, as_json: AsJson = False) -> None:
    """All arenas that come with the platform, and whether they can be used here."""
    from arenas import ARENAS  # noqa: PLC0415
    from marl.loading import ArenaRef, build  # noqa: PLC0415

    rows = []
    for name, full in ARENAS.items():
        try:
            spec = build(ArenaRef(full)).spec
            roles = ", ".join(f"{len(role.seats)} x {role.name}" for role in spec.roles)
            rows.append({"name": name, "spec": full, "seats": roles, "available": True, "reason": ""})
        except MarlError as error:
            rows.append({"name": name, "spec": full, "seats": "", "available": False, "reason": str(error)})
    if as_json:
        _print_json(rows)
        return
    from rich.table import Table  # noqa: PLC0415

    table = Table("arena", "seats", "spec")
    for row in rows:
        table.add_row(str(row["name"]), str(row["seats"] or row["reason"]), str(row["spec"]))
    _console().print(table)


@arenas_app.command("show")
def arenas_show(name: str, *, assignments: Assignments = None, as_json: AsJson = False) -> None:
    """Describe an arena: seats, spaces, named slices, options and its data sheet."""
    import inspect  # noqa: PLC0415

    from arenas import full_spec  # noqa: PLC0415
    from marl.loading import ArenaRef, build, load  # noqa: PLC0415
    from marl.settings import override  # noqa: PLC0415
    from marl.spaces import from_json  # noqa: PLC0415

    full = full_spec(name)
    spec = build(ArenaRef(full, override({}, assignments or []))).spec
    if as_json:
        _print_json(spec.to_json())
        return
    console = _console()
    target = load(full)
    console.print(f"[bold]{name}[/] {full}, version {spec.version}", highlight=False)
    console.print(inspect.cleandoc(target.__doc__ or ""), highlight=False, markup=False)
    for role in spec.roles:
        console.print(f"[bold]role {role.name}[/]: {', '.join(role.seats)}", highlight=False)
        console.print(f"  observation {from_json(role.observation_space)}", highlight=False, markup=False)
        console.print(f"  action {from_json(role.action_space)}{', masked' if role.masked else ''}", highlight=False, markup=False)
        for part, (start, stop) in role.slices.items():
            console.print(f"    {start:4d}..{stop - 1:<4d} {part}", highlight=False, markup=False)
    for option, field in getattr(getattr(target, "Options", None), "model_fields", {}).items():
        console.print(f"  option {option} = {spec.options.get(option)!r}: {field.description}", highlight=False, markup=False)


@arenas_app.command("check")
def arenas_check(name: str, *, assignments: Assignments = None) -> None:
    """Prove that an arena keeps the contract: PettingZoo's tests and our own. Works on anybody's, by full spec."""
    from arenas import full_spec  # noqa: PLC0415
    from marl.settings import override  # noqa: PLC0415
    from marl.testing import check_arena  # noqa: PLC0415

    try:
        check_arena(full_spec(name), override({}, assignments or []))
    except AssertionError as error:
        sys.stderr.write(f"{name} breaks the contract: {error}\n")
        raise typer.Exit(FAILED) from error
    _console().print(f"{name} keeps the contract.")


@app.command()
def train(  # noqa: PLR0913  # the command's options
    arena: str,
    *,
    learner: Annotated[str, typer.Option(help="Short name or full spec of the learner.")] = "ppo",
    steps: Annotated[int, typer.Option(help="Own decisions to train for.")] = 100_000,
    tasks: Annotated[int, typer.Option(help="Snapshots on the way; later ones meet earlier ones again.")] = 1,
    out: Out = None,
    seed: Seed = None,
    hosts: Hosts = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Train a learner by self-play in an arena: a league of one. `--set` reaches options, settings (the learner's) and pool."""
    from league.league import train as train_league  # noqa: PLC0415
    from marl.settings import override  # noqa: PLC0415

    more: dict[str, Any] = override({}, assignments or [])
    if hosts is not None:
        more["pool"] = {**more.get("pool", {}), "hosts": hosts}
    folder = out or Path("runs") / f"train-{arena.rpartition(':')[2]}"
    snapshot = train_league(
        arena, learner=learner, steps=steps, tasks=tasks, seed=seed or 0, out=folder, told=_teller(as_json=as_json), **more
    )
    if as_json:
        _print_json({"snapshot": str(snapshot), "run": str(folder)})
    else:
        _console().print(f"snapshot: {snapshot}", highlight=False, soft_wrap=True)


@app.command("eval")
def evaluate(  # noqa: PLR0913  # the command's options
    arena: str,
    player: Annotated[str, typer.Argument(help="A snapshot's folder, a scripted player, or package.module:Player.")],
    against: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    blocks: Annotated[int, typer.Option(help="Seeds; each is played in every rotation of the seats.")] = 32,
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Seed of the matches.")] = 1,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Play one player against another and say who is better, with an interval."""
    findings = _tournament(arena, [player, against], blocks, seed, out, assignments, as_json=as_json)
    _show(findings, None, as_json=as_json)


@tournament_app.command("run")
def tournament_run(  # noqa: PLR0913  # the command's options
    arena: str,
    players: Annotated[list[str], typer.Argument(help="Snapshots' folders, scripted players, or package.module:Player.")],
    *,
    blocks: Annotated[int, typer.Option(help="Blocks of each pair.")] = 32,
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Seed of the matches.")] = 1,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Play a round robin and print standings; run it again to go on after an interruption."""
    findings = _tournament(arena, players, blocks, seed, out, assignments, as_json=as_json)
    _show(findings, None, as_json=as_json)


@league_app.command("presets")
def league_presets(*, as_json: AsJson = False) -> None:
    """The leagues that come with the platform."""
    from league.config import PRESETS, read_league  # noqa: PLC0415

    rows = [{"name": path.stem, "arena": read_league(path.stem).arena} for path in sorted(PRESETS.glob("*.toml"))]
    if as_json:
        _print_json(rows)
    else:
        for row in rows:
            _console().print(f"{row['name']}: {row['arena']}", highlight=False)


@league_app.command("run")
def league_run(  # noqa: PLR0913  # the command's options
    settings: Annotated[str, typer.Argument(help="A preset's name or a TOML file.")],
    *,
    out: Out = None,
    seed: Seed = None,
    executor: Backend = "process",
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    hosts: Hosts = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
) -> None:
    """Run a league from its settings to its report; goes on where an earlier run of the same settings stopped."""
    from league.config import read_league  # noqa: PLC0415

    extra = [f"{name}={value}" for name, value in (("seed", seed), ("workers", workers), ("pool.hosts", hosts)) if value is not None]
    config = read_league(settings, [*(assignments or []), *extra])
    _carry_out(config, out or Path("runs") / config.name, executor, as_json=as_json)


@league_app.command("resume")
def league_resume(folder: Path, *, executor: Backend = "process", as_json: AsJson = False) -> None:
    """Go on with a run that was stopped or killed."""
    from league.runs import Run  # noqa: PLC0415

    with Run.open(folder) as run:
        config = run.settings
    _carry_out(config, folder, executor, as_json=as_json)


@app.command()
def standings(
    folder: Annotated[Path, typer.Argument(help="The folder of a run.")],
    *,
    purpose: Annotated[str, typer.Option(help="Which blocks: tournament, gate or eval.")] = "tournament",
    as_json: AsJson = False,
) -> None:
    """The standings of a run, computed anew from its ledger."""
    from league.standings import standings_of  # noqa: PLC0415

    with _opened(folder) as run:
        rated, pairs, names = standings_of(run, purpose)
    if as_json:
        from league.tables import to_json  # noqa: PLC0415

        _print_json(to_json(rated, pairs, "difference", names))
        return
    from league.tables import head_to_head_table, standings_table  # noqa: PLC0415

    console = _console()
    console.print(standings_table(rated, names))
    console.print(head_to_head_table(pairs, rated, "difference", names))


@replay_app.command("list")
def replay_list(folder: Path, *, purpose: str = "tournament", as_json: AsJson = False) -> None:
    """The recorded matches of a run."""
    from league.standings import matches_of  # noqa: PLC0415

    with _opened(folder) as run:
        rows = matches_of(run, purpose)
    if as_json:
        _print_json(rows)
        return
    from rich.table import Table  # noqa: PLC0415

    table = Table("match", "seats", "scores", "steps", "outcomes")
    for row in rows:
        table.add_row(str(row["match"]), " - ".join(row["players"]), " ".join(row["scores"]), str(row["steps"]), row["outcome"])
    _console().print(table)


@replay_app.command("verify")
def replay_verify(
    folder: Path,
    match: Annotated[int | None, typer.Argument(help="One match; without it, all of the tournament's.")] = None,
    *,
    most: Annotated[int, typer.Option(help="How many matches at the most, evenly spread; 0: all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Step recorded matches again from settings, seed and actions, and compare with the ledger."""
    from league.standings import verified  # noqa: PLC0415

    with _opened(folder) as run:
        found = verified(run, match, most)
    wrong = {number: problems for number, problems in found.items() if problems}
    if as_json:
        _print_json({"verified": len(found) - len(wrong), "differ": {str(k): v for k, v in wrong.items()}})
    else:
        console = _console()
        console.print(f"{len(found) - len(wrong)} of {len(found)} matches step again to the same end.")
        for number, problems in wrong.items():
            console.print(f"[red]{number}[/]: {'; '.join(problems)}", highlight=False)
    if wrong:
        raise typer.Exit(FAILED)


@replay_app.command("show")
def replay_show(folder: Path, match: int, *, as_json: AsJson = False) -> None:
    """What a spectator saw of a match, step by step."""
    from league.standings import views  # noqa: PLC0415

    with _opened(folder) as run:
        for step, view in enumerate(views(run, match)):
            if as_json:
                sys.stdout.write(json.dumps({"step": step, "view": view}) + "\n")
            else:
                text = "  ".join(f"{key}: {value}" for key, value in view.items())
                sys.stdout.write(f"{step:5d}  {text}\n")


@app.command()
def join(
    address: Annotated[str, typer.Argument(help="HOST:PORT of the gateway.")],
    agent: Annotated[str, typer.Argument(help="agent.py:act or package.module:Agent.")],
    *,
    token: Annotated[str, typer.Option(help="Your player's join token, or @FILE that holds it.")],
    name: Annotated[str, typer.Option(help="What your agent calls itself.")] = "",
) -> None:
    """Play with your own agent in somebody's league; the same as `python marl/client.py`, which needs nothing else."""
    from marl.client import main as client  # noqa: PLC0415

    raise typer.Exit(client([address, agent, "--token", token, *(["--name", name] if name else [])]))


def _tournament(  # noqa: PLR0913
    arena: str,
    players: list[str],
    blocks: int,
    seed: int,
    out: Path | None,
    assignments: list[str] | None,
    *,
    as_json: bool,
) -> Findings:
    from league.league import Tournament  # noqa: PLC0415
    from marl.settings import override  # noqa: PLC0415

    more = override({}, assignments or [])
    told = _teller(as_json=as_json)
    if out is None:
        import tempfile  # noqa: PLC0415

        with tempfile.TemporaryDirectory(prefix="marl-tournament-") as folder:
            return Tournament(arena, players, out=folder, blocks=blocks, seed=seed, told=told, **more).run()
    return Tournament(arena, players, out=out, blocks=blocks, seed=seed, told=told, **more).run()


def _carry_out(config: LeagueSettings, folder: Path, executor: str, *, as_json: bool) -> None:
    from league.league import League  # noqa: PLC0415

    if executor not in {"process", "inline"}:
        raise UnknownNameError("--executor", executor, ["process", "inline"])
    with League(config, folder, backend=executor, told=_teller(as_json=as_json)) as league:  # type: ignore[arg-type]  # checked above
        league.train()
        if config.tournament is None:
            return
        findings = league.tournament()
    _show(findings, folder, as_json=as_json)


def _show(findings: Findings, folder: Path | None, *, as_json: bool) -> None:
    """Tables, the verdict and where the report lies; fails where the main player did not beat whom it had to."""
    if as_json:
        _print_json(findings.to_json() | ({} if folder is None else {"run": str(folder)}))
    else:
        from league.tables import head_to_head_table, standings_table  # noqa: PLC0415

        console = _console()
        console.print(standings_table(findings.standings, findings.names))
        console.print(head_to_head_table(findings.head_to_head, findings.standings, "difference", findings.names))
        for entry in findings.beaten:
            mark = "[green]beats[/]" if entry.ok else "[red]does NOT beat[/]"
            console.print(
                f"the main player {mark} {entry.player}: {entry.mean:+.3f} [{entry.low:+.3f}, {entry.high:+.3f}] "
                f"over {entry.blocks} blocks",
                highlight=False,
            )
        console.print(f"[bold]{findings.report.headline}[/]", highlight=False)
        if folder is not None:
            console.print(f"report: {folder / 'report.html'}", highlight=False, soft_wrap=True)
    if not findings.ok:
        raise typer.Exit(FAILED)


def _opened(folder: Path) -> Run:
    from league.runs import Run  # noqa: PLC0415

    return Run.open(folder)


def _teller(*, as_json: bool) -> Any:  # noqa: ANN401  # a function
    """Prints progress: on standard error where standard output is for JSON."""
    import time  # noqa: PLC0415

    began_s = time.monotonic()

    def tell(progress: Progress) -> None:
        stream = sys.stderr if as_json else sys.stdout
        stream.write(f"[{time.monotonic() - began_s:5.0f} s] {progress.line}\n")
        stream.flush()

    return tell


def _print_json(data: Any) -> None:  # noqa: ANN401  # any JSON
    sys.stdout.write(json.dumps(data, indent=1) + "\n")


def _console() -> Console:
    from rich.console import Console as RichConsole  # noqa: PLC0415

    # tables need room where no terminal says how much there is
    return RichConsole(width=None if sys.stdout.isatty() else 140)


if __name__ == "__main__":
    main()
