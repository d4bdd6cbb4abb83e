"""A player: an immutable entry of the league's roster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from marl.errors import LedgerError
from marl.spec import content_hash

Kind = Literal["scripted", "snapshot", "external"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Player:
    """Who can sit in a seat: scripted, a frozen snapshot, or external (a declared name and version).

    `id` is unique and never changes its meaning; for a snapshot it holds the content hash. `spec` says how
    the player is brought to act (snapshot folder, import path and options, or address). `roles` are the roles
    it can play, none meaning all. `parent` is the id it was trained from. An anchor's rating can be pinned.
    """

    id: str
    kind: Kind
    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    parent: str | None = None
    anchor: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LedgerError(
                f"player {self.id}", got=f"kind {self.kind!r}", expected=f"one of {', '.join(KINDS)}"
            )

    @property
    def digest(self) -> str:
        """Content hash of the whole entry."""
        return content_hash(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "roles": list(self.roles)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**{**data, "roles": tuple(data["roles"])})
