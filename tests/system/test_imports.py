"""What importing costs: the front doors stay light, and the client needs nothing installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "pybullet", "fastapi", "ray")


def _modules_after(statement: str, root: Path) -> set[str]:
    """Top-level modules that a fresh interpreter holds after the statement."""
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("module", ["marl", "marl.client", "marl.cli", "marl.hosting.host"])
def test_import_is_light(module: str, root: Path) -> None:
    """A front door, and what a host process starts with, load neither torch nor another heavy library."""
    assert _modules_after(f"import {module}", root).isdisjoint(HEAVY)


def test_a_heavy_import_would_be_seen(root: Path) -> None:
    """The measurement above notices torch when it is loaded."""
    assert "torch" in _modules_after("import torch", root)


def test_client_needs_the_standard_library_only(root: Path, tmp_path: Path) -> None:
    """The client, copied alone into an empty folder, imports without anything installed."""
    alone = tmp_path / "client.py"
    alone.write_bytes((root / "marl" / "client.py").read_bytes())
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        # -I and -S: no site-packages, no user site, no PYTHONPATH
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import client",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_help_is_light(root: Path) -> None:
    """`marl --help` answers without loading a heavy library."""
    statement = (
        "import contextlib, io, sys\n"
        "from marl.cli import main\n"
        "sys.argv = ['marl', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main()"
    )
    assert _modules_after(statement, root).isdisjoint(HEAVY)
