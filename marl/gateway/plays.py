"""Who plays what through the gateway: players, their seats in matches, open asks, roles for the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Raw, Struct

from marl.gateway import protocol as wire
from marl.gateway.actions import ActionReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marl.gateway.session import Session

Reason = Literal["timeout", "illegal", "error"]


class RoleConfig(Struct, forbid_unknown_fields=True):
    """A role: its seats with their indices, described spaces, observation leaves as (dtype, shape)."""

    name: str
    seats: dict[str, int]
    observation_space: dict[str, Any]
    action_space: dict[str, Any]
    mask_size: int
    leaves: list[tuple[str, list[int]]]
    action_dtype: str


class RoleTable:
    """A role, ready for the wire: leaf sizes in bytes, constant parts of an obs, its reader of actions."""

    def __init__(self, config: RoleConfig) -> None:
        self.name = config.name
        self.config = config
        self.mask_size = config.mask_size
        self.leaf_bytes = [_count(shape) * int(dtype[1]) for dtype, shape in config.leaves]
        self.entries = Raw(wire.encode(config.leaves))
        self.mask_entry = Raw(wire.encode(("b1", [config.mask_size])))
        self.reader = ActionReader(config.action_space, config.action_dtype, masked=config.mask_size > 0)
        self.names = {index: seat for seat, index in config.seats.items()}


class Player:
    """One name of the roster, its token's digest, and the session that plays for it."""

    def __init__(self, name: str, digest: str) -> None:
        self.name = name
        self.digest = digest
        self.session: Session | None = None
        self.waiting: list[tuple[bytes, int]] = []

    @property
    def ready(self) -> Session | None:
        """The session, where it is ready to play."""
        return self.session if self.session is not None and self.session.state == "ready" else None


class Ask:
    """Rows that the owner waits for: answered as one message when the last of them is decided."""

    def __init__(self, identity: bytes, number: int, rows: int, row_bytes: int) -> None:
        self.identity = identity
        self.number = number
        self.source_R = bytearray(rows)
        self.action_R = [bytes(row_bytes)] * rows
        self.forfeits: list[tuple[int, int, str, int]] = []
        self.left = rows


class Play:
    """One seat of one match: who plays it, the open move if there is one, and its strikes."""

    def __init__(self, role: RoleTable, key: tuple[bytes, str, int, int], ep: bytes) -> None:
        self.role = role
        self.key = key
        self.ep = ep
        self.handle = 0
        self.session: Session | None = None
        self.ask: Ask | None = None
        self.row = 0
        self.n = -1
        self.mask: bytes | memoryview = b""
        self.tried = False
        self.strikes = 0
        self.forfeit: Reason | None = None
        self.told = False


def _count(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
