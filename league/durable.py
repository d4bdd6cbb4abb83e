"""Files that are whole or not there: written beside their place, brought to the disk, and renamed into it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HALF = ".half-"
"""How names of files and folders begin that are still being written."""


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file at once: whoever dies in the middle leaves what was there before."""
    temporary = path.with_name(f"{HALF}{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left half-written in a folder and the folders in it."""
    for leftover in [*folder.glob(f"{HALF}*"), *folder.glob(f"*/{HALF}*")]:
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
