"""CPU seconds of this process and all below it, which stay meaningful on a busy machine (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def family_cpu_s(root: int | None = None, without: Collection[int] = ()) -> float:
    """User and system time so far of a process (default: this one) and of every process that lives below it.

    Processes `without`, and what lives below those, are left out.
    """
    spent_of: dict[int, float] = {}
    parent_of: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended since
            continue
        parent_of[int(folder.name)] = int(fields[1])
        spent_of[int(folder.name)] = (int(fields[11]) + int(fields[12])) * _TICK_S
    own = {os.getpid() if root is None else root}
    left_out = set(without)
    while more := {child for child, parent in parent_of.items() if parent in own} - own - left_out:
        own |= more
    return sum(spent_of[process] for process in own)
