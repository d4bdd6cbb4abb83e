"""`marl export`: a snapshot as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from marl.cli.options import AsJson
from marl.cli.printing import console, print_json
from marl.errors import MissingExtraError

Snapshot = Annotated[Path, typer.Argument(help="A snapshot's folder: RUN/snapshots/HASH.")]
Target = Annotated[
    Path | None, typer.Option("--out", help="Where the files go, ROLE.onnx each; default: onnx/HASH.")
]


def export(snapshot: Snapshot, *, out: Target = None, as_json: AsJson = False) -> None:
    """Write a snapshot's policy as ONNX files, one a role, checked against the policy itself."""
    try:
        from agents.export import export as write  # needs torch, onnx and onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError("marl export", str(error.name), "onnx") from error
    files = write(snapshot, out or Path("onnx", snapshot.resolve().name))
    if as_json:
        print_json([str(file) for file in files])
        return
    for file in files:
        console().print(f"{file}  {file.stat().st_size / 1024:.0f} KiB", highlight=False, markup=False)
