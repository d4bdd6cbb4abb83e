"""Tuned settings of learners that ship with the package: `presets/ARENA/NAME.toml`, read here only.

ARENA is a short name ("spread"), a module's with slashes ("mpe2/simple_spread_v3"), or "gymnasium/ID". NAME
is that of the learner, or says what is special about it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marl.errors import UnknownNameError
from marl.settings import read_toml

PRESETS = Path(__file__).parent / "presets"


def all_presets() -> list[str]:
    """All of them, as "ARENA/NAME"."""
    return sorted(path.relative_to(PRESETS).with_suffix("").as_posix() for path in PRESETS.rglob("*.toml"))


def presets_of(arena: str) -> list[str]:
    """The names that there are for an arena."""
    return sorted(path.stem for path in (PRESETS / arena).glob("*.toml"))


def read_preset(preset: str) -> dict[str, Any]:
    """A learner's settings by "ARENA/NAME"; UnknownNameError lists what there is."""
    if preset not in all_presets():
        raise UnknownNameError("preset of a learner", preset, all_presets())
    return read_toml(PRESETS / f"{preset}.toml")


def about_preset(preset: str) -> str:
    """What the file says of itself, in its first comment."""
    lines = (PRESETS / f"{preset}.toml").read_text(encoding="utf-8").splitlines()
    told = []
    for line in lines:
        if not line.startswith("#"):
            break
        told.append(line.removeprefix("#").strip())
    return " ".join(told)
