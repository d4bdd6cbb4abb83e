"""A group's latest step, as its owner keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marl.errors import MarlError
    from marl.hosting.peer import Peer


@dataclass(eq=False)
class Round:
    """`team`: the hosts that play the group; `waiting`: those whose part of the step is under way.

    `lost`: those that died in it; `faults`: what they raised in it.
    """

    team: list[Peer]
    number: int = 0
    sent_s: float = 0.0
    waiting: set[Peer] = field(default_factory=set)
    lost: set[Peer] = field(default_factory=set)
    faults: list[MarlError] = field(default_factory=list)

    def bury(self, peer: Peer, group: int) -> None:
        """A host died: its copies are lost with this step if it was in it, else with the group's next one."""
        if peer in self.waiting:
            self.waiting.discard(peer)
            self.lost.add(peer)
        elif peer not in self.lost:
            peer.owes.add(group)
