"""How much memory can still be had: reserving more than that would not fail here, but end some process."""

from __future__ import annotations

import sys
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """What the system and the control groups above this process have left; no limit known: sys.maxsize."""
    if not _MEMINFO.exists():
        return sys.maxsize
    found = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    least = int(found["MemAvailable"].split()[0]) * 1024
    for line in _OWN_GROUPS.read_text().splitlines():
        number, kinds, own = line.split(":", 2)
        if number == "0":
            root, names = _GROUPS, ("memory.max", "memory.current")
        elif "memory" in kinds.split(","):
            root, names = _GROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        folder = root / own.strip("/")
        for group in (folder, *folder.parents):
            least = min(least, _left_in(group, *names))
    return least


def _left_in(group: Path, limit_name: str, used_name: str) -> int:
    """What a control group has left; the root, and folders that are none, have no limit."""
    try:
        limit, used = (Path(group, name).read_text().strip() for name in (limit_name, used_name))
    except (FileNotFoundError, NotADirectoryError):
        return sys.maxsize
    return sys.maxsize if limit == "max" else int(limit) - int(used)
