"""The memory of all groups in the owner: frames and orders, in a block that hosts may map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marl.errors import HostError
from marl.frame import Frame, Orders, over_memory
from marl.hosting import plane, wire
from marl.spec import PARKED

if TYPE_CHECKING:
    from marl.hosting.peer import Peer
    from marl.hosting.plan import Plan
    from marl.spec import Spec


class Block:
    """`frames` and `orders` by group, once `lay_out` was told the spec."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.frames: list[Frame] = []
        self.orders: list[Orders] = []
        self._parts: list[memoryview] = []
        self._shared = plane.Shared() if plan.plane != plane.FRAMES and not plan.addresses else None

    @property
    def fd(self) -> int:
        """The descriptor of the memory that hosts which are started here inherit (-1: none)."""
        return -1 if self._shared is None else self._shared.fd

    def lay_out(self, spec: Spec) -> None:
        """Reserve room for all groups; HostError where there is none, or too much for one message."""
        groups, copies = self._plan.groups, self._plan.copies
        size = plane.group_bytes(spec, copies)
        if self._plan.addresses and size > wire.LARGEST:
            raise HostError(
                "hosting: frames",
                got=f"{size / 2**20:.0f} MiB a group",
                expected=f"at most {wire.LARGEST / 2**20:.0f} MiB between machines",
                remedy="Use fewer copies a group.",
            )
        shared = self._shared
        whole = memoryview(bytearray(size * groups)) if shared is None else shared.grow(size * groups)
        self._parts = [whole[g * size : (g + 1) * size] for g in range(groups)]
        for part in self._parts:
            frame, orders = over_memory(spec, copies, part)
            for tickets in (frame.ticket_B, frame.ended_B, orders.next_B):
                tickets.fill(PARKED)
            self.frames.append(frame)
            self.orders.append(orders)

    def slices(self, spec: Spec, peer: Peer) -> dict[int, plane.Slices]:
        """By group, what travels to and from a host that does not map the block."""
        copies = self._plan.copies
        return {
            group: plane.slices(spec, copies, self._parts[group], peer.start, peer.stop)
            for group in peer.groups
        }

    def close(self) -> None:
        """Let no further host map it; what was received stays readable."""
        if self._shared is not None:
            self._shared.close()
