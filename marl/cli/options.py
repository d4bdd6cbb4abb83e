"""Options that several commands share, and exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FAILED, USAGE = 1, 2

ArenaName = Annotated[
    str, typer.Argument(help="A name of `marl arenas list`, a PettingZoo module, or package.module:Class.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A setting of config.toml, as options.horizon=64 or learner.settings.lr=1e-3; repeatable.",
    ),
]
ArenaOptions = Annotated[
    list[str] | None, typer.Option("--set", help="An option of the arena, as steps=3; repeatable.")
]
Out = Annotated[Path | None, typer.Option("--out", help="The run's folder.")]
Kept = Annotated[Path | None, typer.Option("--out", help="The run's folder; none: nothing is kept.")]
Executor = Annotated[
    str, typer.Option("--executor", help="process: workers side by side; inline: all in this process.")
]
Workers = Annotated[int | None, typer.Option("--workers", help="Worker processes.")]
Hosts = Annotated[
    int | None, typer.Option("--hosts", help="Environment processes of each worker; 0: in the worker itself.")
]


def assigned(assignments: list[str] | None, **named: object) -> list[str]:
    """Assignments together with options that are short for one: `pool__hosts=2` is --set pool.hosts=2."""
    short = [f"{name.replace('__', '.')}={value}" for name, value in named.items() if value is not None]
    return [*(assignments or []), *short]
