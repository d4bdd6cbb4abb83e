"""What is constant about an arena: its seats, roles, teams and spaces, as plain JSON both ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marl.actions import ActionCodec
from marl.errors import UnknownNameError
from marl.spaces import Leaf, leaves, mask_size

PARKED = -1
"""The ticket of a copy that plays nothing."""


@dataclass(frozen=True)
class Role:
    """The seats that share observation space, action space and meaning.

    `observation_space` and `action_space` are described spaces (`marl.spaces.to_json`). `slices` names
    parts of the first observation leaf: {"inventory": (40, 41)}. `masked`: the arena says which choices
    are legal. `codec` encodes, decodes and judges actions.
    """

    name: str
    seats: tuple[str, ...]
    observation_space: Mapping[str, Any]
    action_space: Mapping[str, Any]
    masked: bool = False
    slices: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    observation: tuple[Leaf, ...] = field(init=False, compare=False)
    action: tuple[Leaf, ...] = field(init=False, compare=False, repr=False)
    codec: ActionCodec = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "observation", leaves(self.observation_space))
        object.__setattr__(self, "codec", ActionCodec(self.action_space))
        object.__setattr__(self, "action", self.codec.leaves)

    @property
    def action_size(self) -> int:
        """K, the numbers of one action."""
        return self.codec.size

    @property
    def action_dtype(self) -> np.dtype[Any]:
        """The dtype of an action row."""
        return self.codec.dtype

    @property
    def mask_size(self) -> int:
        """A, the length of a mask; 0 where the arena has none."""
        return mask_size(self.action) if self.masked else 0


@dataclass(frozen=True)
class Spec:
    """What is constant about an arena: plain JSON both ways, so that a learner never imports the arena.

    `options` are those of the capacities: spaces and seats are theirs, whatever options a ticket names.
    `teams` maps a team's name to its seats. `turns`: one seat acts at a time. `state_size` S is 0 where
    there is no state. `scores` says what a higher score means; `forfeit_score` is what a seat gets that
    loses by rule.
    """

    arena: str
    version: str
    options: Mapping[str, Any]
    roles: tuple[Role, ...]
    teams: Mapping[str, tuple[str, ...]]
    state_size: int = 0
    turns: bool = False
    max_steps: int = 0
    scores: str = "higher is better"
    forfeit_score: float = 0.0

    @property
    def seats(self) -> tuple[str, ...]:
        """All seats, role by role."""
        return tuple(seat for role in self.roles for seat in role.seats)

    def role_of(self, seat: str) -> Role:
        """The role of a seat; UnknownNameError lists the seats."""
        for role in self.roles:
            if seat in role.seats:
                return role
        raise UnknownNameError(f"{self.arena}: seat", seat, self.seats)

    def role(self, name: str) -> Role:
        """The role of that name; UnknownNameError lists the roles."""
        for role in self.roles:
            if role.name == name:
                return role
        raise UnknownNameError(f"{self.arena}: role", name, [role.name for role in self.roles])

    @property
    def hash(self) -> str:
        """Content hash of the whole description."""
        return content_hash(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        roles = [
            {
                "name": role.name,
                "seats": list(role.seats),
                "observation_space": role.observation_space,
                "action_space": role.action_space,
                "masked": role.masked,
                "slices": {name: list(span) for name, span in role.slices.items()},
            }
            for role in self.roles
        ]
        return {
            "arena": self.arena,
            "version": self.version,
            "options": dict(self.options),
            "roles": roles,
            "teams": {team: list(seats) for team, seats in self.teams.items()},
            "state_size": self.state_size,
            "turns": self.turns,
            "max_steps": self.max_steps,
            "scores": self.scores,
            "forfeit_score": self.forfeit_score,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spec:
        """The Spec that `to_json` wrote."""
        roles = tuple(
            Role(
                name=role["name"],
                seats=tuple(role["seats"]),
                observation_space=role["observation_space"],
                action_space=role["action_space"],
                masked=role["masked"],
                slices={name: (span[0], span[1]) for name, span in role["slices"].items()},
            )
            for role in data["roles"]
        )
        rest = {key: data[key] for key in ("arena", "version", "options", "state_size", "turns", "max_steps")}
        teams = {team: tuple(seats) for team, seats in data["teams"].items()}
        return cls(
            roles=roles, teams=teams, scores=data["scores"], forfeit_score=data["forfeit_score"], **rest
        )


def content_hash(data: Any) -> str:  # noqa: ANN401  # any JSON
    """The first 16 hex digits of the sha256 of canonical JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Ticket:
    """A match handed to one copy of an arena.

    `match` is its number, unique within a pool's life, `options` an index.
    """

    match: int
    seed: int
    variant: int = 0
