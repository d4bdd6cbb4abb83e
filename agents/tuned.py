"""Tuned settings of learners that ship with the package: `presets/ARENA/NAME.toml`, read here only.

ARENA is a short name ("spread"), a module's with slashes ("mpe2/simple_spread_v3"), or "gymnasium/ID". NAME
is that of the learner, or says what is special about it. A table [play] says on how much they were tuned, a
table [options] with which options of the arena, where the rest stood at its defaults.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from marl.errors import UnknownNameError
from marl.settings import Settings, about, read_toml

PRESETS = Path(__file__).parent / "presets"


def all_presets() -> list[str]:
    """All of them, as "ARENA/NAME"."""
    return sorted(path.relative_to(PRESETS).with_suffix("").as_posix() for path in PRESETS.rglob("*.toml"))


def presets_of(arena: str) -> list[str]:
    """The names that there are for an arena."""
    return sorted(path.stem for path in (PRESETS / arena).glob("*.toml"))


class Scale(Settings):
    """How much is played for an update; None: whatever the league says."""

    copies: int | None = Field(None, ge=1, description="copies of the arena")
    rollout: int | None = Field(None, ge=1, description="environment steps of a fragment")
    overlap: bool | None = Field(None, description="whether it is played while the learner learns")


def read_preset(preset: str) -> dict[str, Any]:
    """A learner's settings by "ARENA/NAME"; UnknownNameError lists what there is."""
    return {name: value for name, value in _content(preset).items() if name not in ("play", "options")}


def read_scale(preset: str) -> Scale:
    """What a preset says in [play]."""
    return Scale.read(f"preset {preset}: play", _content(preset).get("play", {}))


def read_options(preset: str) -> dict[str, Any] | None:
    """The options of the arena that a preset was tuned with; None where it does not say."""
    found: dict[str, Any] | None = _content(preset).get("options")
    return found


def _content(preset: str) -> dict[str, Any]:
    if preset not in all_presets():
        raise UnknownNameError("preset of a learner", preset, all_presets())
    return read_toml(PRESETS / f"{preset}.toml")


def about_preset(preset: str) -> str:
    """What the file says of itself, in its first comment."""
    return about(PRESETS / f"{preset}.toml")
