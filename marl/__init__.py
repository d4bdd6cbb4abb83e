"""Arenas, hosts, play and external agents: the contract and the machinery of the platform.

Names are looked up when they are first used, so that `import marl` and `import marl.client` stay light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

    from marl.arena import Arena, Options, Step
    from marl.batch import ArenaPool, BatchArena, LocalPool
    from marl.errors import MarlError
    from marl.fragment import Fragment
    from marl.frame import Frame, Orders
    from marl.hosting import HostPool
    from marl.loading import ArenaRef, build
    from marl.match import Match, Outcome, Player
    from marl.play import Play
    from marl.policy import Decision, PerRow, Policy, RandomLegal
    from marl.single import Single
    from marl.spec import Role, Spec, Ticket

__all__ = [
    "Arena",
    "ArenaPool",
    "ArenaRef",
    "BatchArena",
    "Box",
    "Decision",
    "Dict",
    "Discrete",
    "Fragment",
    "Frame",
    "HostPool",
    "LocalPool",
    "MarlError",
    "Match",
    "MultiBinary",
    "MultiDiscrete",
    "Options",
    "Orders",
    "Outcome",
    "PerRow",
    "Play",
    "Player",
    "Policy",
    "RandomLegal",
    "Role",
    "Single",
    "Spec",
    "Step",
    "Ticket",
    "Tuple",
    "build",
]

_HOMES = {
    "gymnasium.spaces": ("Box", "Dict", "Discrete", "MultiBinary", "MultiDiscrete", "Tuple"),
    "marl.arena": ("Arena", "Options", "Step"),
    "marl.batch": ("ArenaPool", "BatchArena", "LocalPool"),
    "marl.errors": ("MarlError",),
    "marl.fragment": ("Fragment",),
    "marl.frame": ("Frame", "Orders"),
    "marl.hosting": ("HostPool",),
    "marl.loading": ("ArenaRef", "build"),
    "marl.match": ("Match", "Outcome", "Player"),
    "marl.play": ("Play",),
    "marl.policy": ("Decision", "PerRow", "Policy", "RandomLegal"),
    "marl.single": ("Single",),
    "marl.spec": ("Role", "Spec", "Ticket"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _HOME_OF:
        raise AttributeError(f"module 'marl' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
