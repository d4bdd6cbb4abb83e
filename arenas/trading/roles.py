"""Several roles over a kernel that knows only seats: their arrays are parts of one joint frame's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.frame import over_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders, RoleFrame
    from marl.spec import Role, Spec


def split(role: Role, counts: Sequence[tuple[str, int]]) -> tuple[Role, ...]:
    """A role as several, which take its seats in order; those of no seats are left out."""
    named = [(name, tuple(f"{name}_{i}" for i in range(count))) for name, count in counts if count]
    return tuple(replace(role, name=name, seats=seats) for name, seats in named)


class Joint:
    """A joint frame and orders of all seats, and what is copied between them and those of the roles."""

    def __init__(self, spec: Spec, frame: Frame, orders: Orders) -> None:
        whole = replace(spec.roles[0], seats=spec.seats)
        self.frame, self.orders = over_memory(replace(spec, roles=(whole,)), len(frame.ticket_B))
        held, action = self.frame.roles[whole.name], self.orders.action[whole.name]
        self._in: list[tuple[NDArray[Any], NDArray[Any]]] = [
            (getattr(self.orders, name), getattr(orders, name)) for name in vars(orders) if name != "action"
        ]
        self._out: list[tuple[NDArray[Any], NDArray[Any]]] = [
            (getattr(frame, name), getattr(self.frame, name)) for name in vars(frame) if name != "roles"
        ]
        first = 0
        for role in spec.roles:
            span = slice(first, first + len(role.seats))
            self._in.append((action[:, span], orders.action[role.name]))
            self._out += _pairs(frame.roles[role.name], held, span)
            first = span.stop

    def gather(self) -> None:
        """Take in what the roles ordered."""
        for target, source in self._in:
            np.copyto(target, source)

    def scatter(self) -> None:
        """Hand out what the step left."""
        for target, source in self._out:
            np.copyto(target, source)


def _pairs(part: RoleFrame, whole: RoleFrame, span: slice) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Each array of a role with the seats of the joint one's that it shows."""
    found: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for name, target in vars(part).items():
        source = getattr(whole, name)
        if isinstance(target, tuple):
            found += [(leaf, other[:, span]) for leaf, other in zip(target, source, strict=True)]
        else:
            found.append((target, source[:, span]))
    return found
