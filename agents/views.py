"""What a critic sees: its seat's observation and action, or those of all own seats.

Axes: B batch, N own seats of all roles, n seats of one role, F features, D numbers of an action as a critic
sees it, V numbers of a view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from agents.distributions import ActionHeads
from agents.features import feature_size
from agents.gumbel import action_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from agents.images import Picture
    from marl.spec import Role


@dataclass
class Look:
    """Each seat's features (n, B, F) and actions (n, B, D) by role, and those of all seats side by side."""

    seen: dict[str, Tensor]
    done: dict[str, Tensor]
    seen_BV: Tensor
    done_BV: Tensor


class View:
    """The views of critics of `roles`; joint ones that serve several seats are told whose value is asked.

    `pictures` are those of each role's features that critics see through convolutions.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        joint: bool,
        separate: bool,
        pictures: Mapping[str, Sequence[Picture]] | None = None,
    ) -> None:
        self._joint = joint
        self._own_pictures = pictures or {role.name: () for role in roles}
        self._told_apart = {role.name: joint and not separate and len(role.seats) > 1 for role in roles}
        self._columns: dict[str, slice] = {}
        """Each role's seats among N."""
        self._actions: dict[str, slice] = {}
        """Each role's numbers among those of all actions."""
        self._pictures: list[Picture] = []
        """Those of all seats; the eyes are those of the roles."""
        self._seen_size = seats = actions = eyes = 0
        for role in roles:
            count, numbers = len(role.seats), action_size(ActionHeads.of(role))
            self._columns[role.name] = slice(seats, seats + count)
            self._actions[role.name] = slice(actions, actions + count * numbers)
            seats, actions = seats + count, actions + count * numbers
            for _ in role.seats:
                own = self._own_pictures[role.name]
                self._pictures += [picture.moved(self._seen_size, eyes) for picture in own]
                self._seen_size += feature_size(role)
            eyes += len(self._own_pictures[role.name])
        self._done_size = actions

    def size(self, role: Role) -> int:
        """V."""
        if self._joint:
            return self._seen_size + self._done_size + len(role.seats) * self._told_apart[role.name]
        return feature_size(role) + action_size(ActionHeads.of(role))

    def pictures(self, role: Role) -> Sequence[Picture]:
        """The images in it."""
        return self._pictures if self._joint else self._own_pictures[role.name]

    def look(self, seen: dict[str, Tensor], done: dict[str, Tensor], present_BN: Tensor) -> Look:
        """What is there to see; seats that are not there, or others', are zeros."""
        there = {name: present_BN[:, columns].T.unsqueeze(-1) for name, columns in self._columns.items()}
        seen = {name: features * there[name] for name, features in seen.items()}
        done = {name: action * there[name] for name, action in done.items()}
        seen_BV, done_BV = (
            torch.cat([part.transpose(0, 1).flatten(1) for part in side.values()], 1) for side in (seen, done)
        )
        return Look(seen, done, seen_BV, done_BV)

    def rows(self, role: Role, look: Look, fresh_nBD: Tensor | None = None) -> Tensor:
        """What the critics of a role's seats see, (n, B, V).

        `fresh`: each seat's own action instead of the one in the batch; the others' stay as they were played.
        """
        seen_nBF = look.seen[role.name]
        seats, rows = seen_nBF.shape[:2]
        if not self._joint:
            return torch.cat([seen_nBF, look.done[role.name] if fresh_nBD is None else fresh_nBD], -1)
        seen_nBV, done_nBV = (each.expand(seats, *each.shape) for each in (look.seen_BV, look.done_BV))
        if fresh_nBD is not None:
            done_nBV = done_nBV.clone()
            own = done_nBV[:, :, self._actions[role.name]].view(seats, rows, seats, -1)
            for seat, fresh_BD in enumerate(fresh_nBD):
                own[seat, :, seat] = fresh_BD
        parts = [seen_nBV, done_nBV]
        if self._told_apart[role.name]:
            parts.append(torch.eye(seats, device=seen_nBV.device).unsqueeze(1).expand(seats, rows, seats))
        return torch.cat(parts, -1)
