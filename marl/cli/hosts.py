"""`marl host` and `marl keys`: the two commands that machines without a run of their own need."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer


def host(
    bind: Annotated[
        str, typer.Option("--bind", help="tcp://ADDRESS:PORT; each further slot takes the next port.")
    ],
    slots: Annotated[int, typer.Option("--slots", help="Hosts to keep: one a core is a good number.")] = 1,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="The host's half of `marl keys NAME`: the folder NAME/host.")
    ] = None,
) -> None:
    """Keep environment processes for pools on other machines, until interrupted."""
    from marl.hosting.keeper import serve  # keeps --help light

    logging.basicConfig(level=logging.INFO, format="%(message)s")

    def started(endpoints: list[str]) -> None:
        how = "without keys, on this machine only" if keys is None else f"with the keys in {keys}"
        for endpoint in endpoints:
            typer.echo(f"marl host: {endpoint} waits for an owner, {how}")

    serve(bind, slots=slots, keys=keys, started=started)


def keys(
    name: Annotated[Path, typer.Argument(help="A folder to make; NAME/host and NAME/owner will lie in it.")],
) -> None:
    """Make the two halves of a set of keys, for hosts on other machines."""
    from marl.hosting.keys import make_keys  # keeps --help light

    host_half, owner_half = make_keys(name)
    typer.echo(f"{host_half}: copy it to the machines that run `marl host --keys`, readable by you only")
    typer.echo(f"{owner_half}: stays here; pools name it as keys")
