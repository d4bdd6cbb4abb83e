"""`marl arenas`: list them, describe one, check your own."""

from __future__ import annotations

import inspect
import sys

import typer

from marl.cli.options import FAILED, ArenaName, ArenaOptions, AsJson
from marl.cli.printing import console, print_json
from marl.errors import MarlError

app = typer.Typer(help="Arenas: list them, describe one, check your own.", no_args_is_help=True)


@app.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """All arenas that come with the platform, and whether they can be used here."""
    from arenas import ARENAS
    from marl.loading import ArenaRef, build

    rows = []
    for name, full in ARENAS.items():
        try:
            spec = build(ArenaRef(full)).spec
            roles = ", ".join(f"{len(role.seats)} x {role.name}" for role in spec.roles)
            rows.append({"name": name, "spec": full, "seats": roles, "available": True, "reason": ""})
        except MarlError as error:
            rows.append({"name": name, "spec": full, "seats": "", "available": False, "reason": str(error)})
    if as_json:
        print_json(rows)
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("arena", "seats", "spec")
    for row in rows:  # a reason names an extra in brackets
        table.add_row(
            *(escape(str(cell)) for cell in (row["name"], row["seats"] or row["reason"], row["spec"]))
        )
    console().print(table)


@app.command()
def show(name: ArenaName, *, assignments: ArenaOptions = None, as_json: AsJson = False) -> None:
    """Describe an arena: data sheet, seats, spaces, named slices, options, and who plays and learns it."""
    from agents import scripted_names
    from agents.tuned import presets_of
    from arenas import full_spec
    from league.tuning import place_of
    from marl.loading import ArenaRef, build, load
    from marl.settings import allowed, override
    from marl.spaces import from_json

    full = full_spec(name)
    spec = build(ArenaRef(full, override({}, assignments or []))).spec
    if as_json:
        print_json(spec.to_json())
        return
    target = load(full)
    lines = [f"{name}: {full}, version {spec.version}", inspect.cleandoc(target.__doc__ or "")]
    for role in spec.roles:
        masked = ", masked" if role.masked else ""
        lines += [
            f"role {role.name}: {', '.join(role.seats)}",
            f"  observation {from_json(role.observation_space)}",
            f"  action {from_json(role.action_space)}{masked}",
        ]
        lines += [f"    {start:4d}..{stop - 1:<4d} {part}" for part, (start, stop) in role.slices.items()]
    model = getattr(target, "options_type", None) or getattr(target, "Options", None)
    for option, field in getattr(model, "model_fields", {}).items():
        values = f" ({allowed(field)})" if allowed(field) else ""
        lines.append(f"  option {option} = {spec.options.get(option)!r}{values}: {field.description}")
    lines.append(f"scripted players: {', '.join(scripted_names(full))}")
    tuned_for = presets_of(place_of(name, spec.options))
    if tuned_for:
        lines.append(f"tuned learners (`marl train --preset`): {', '.join(tuned_for)}")
    console().print("\n".join(lines), highlight=False, markup=False)


@app.command()
def presets(*, as_json: AsJson = False) -> None:
    """The settings of learners that are tuned for an arena; `marl train` starts from them."""
    from agents.tuned import about_preset, all_presets

    rows = [{"name": name, "about": about_preset(name)} for name in all_presets()]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            console().print(f"{row['name']}: {row['about']}", highlight=False, markup=False)


@app.command()
def check(name: ArenaName, *, assignments: ArenaOptions = None) -> None:
    """Prove that an arena keeps the contract: PettingZoo's tests and ours. Anybody's, by full spec."""
    from arenas import full_spec
    from marl.settings import override
    from marl.testing import check_arena

    try:
        check_arena(full_spec(name), override({}, assignments or []))
    except AssertionError as error:
        sys.stderr.write(f"{name} breaks the contract: {error}\n")
        raise typer.Exit(FAILED) from error
    console().print(f"{name} keeps the contract.")
