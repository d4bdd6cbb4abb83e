"""What play keeps besides the players' own decisions.

The actions of a match for its replay, and the joint view of a critic.

Axes: E environment steps, B copies, N seats, K numbers of an action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.frame import Frame
    from marl.spec import Spec


class ActionLog:
    """The actions of all seats of a group, from the oldest match in play on."""

    def __init__(self, copies: int) -> None:
        self._taken: list[dict[str, NDArray[Any]]] = []
        self._first = 0
        self._began = [0] * copies

    def begin(self, copy: int) -> None:
        """A match begins in a copy: its first action is the next one taken."""
        self._began[copy] = self._first + len(self._taken)

    def take(self, frame: Frame, action: Mapping[str, NDArray[Any]]) -> None:
        """Keep what the acting seats do in a step, and 0 for the others, whose rows are stale."""
        acting = {role: held.acting_BN[:, :, None] for role, held in frame.roles.items()}
        self._taken.append({role: action_BNK * acting[role] for role, action_BNK in action.items()})

    def of(self, copy: int) -> dict[str, NDArray[Any]]:
        """All actions of the match that a copy played until now: per role (steps, N, K)."""
        steps = self._taken[self._began[copy] - self._first :]
        return {role: np.stack([step[role][copy] for step in steps]) for role in steps[0]} if steps else {}

    def forget(self, playing: Sequence[int]) -> None:
        """Drop what no match in play, by copy, needs."""
        now = self._first + len(self._taken)
        oldest = min((self._began[copy] for copy in playing), default=now)
        del self._taken[: oldest - self._first]
        self._first = oldest


class JointLog:
    """What every seat saw and did, for critics that see all.

    Per role leaves (E, B, N, ...) and actions (E, B, N, K).
    """

    def __init__(self, spec: Spec, copies: int, length: int) -> None:
        self._seen = {
            role.name: tuple(
                np.zeros((length, copies, len(role.seats), *leaf.shape), leaf.numpy_dtype)
                for leaf in role.observation
            )
            for role in spec.roles
        }
        self._done = {
            role.name: np.zeros((length, copies, len(role.seats), role.action_size), role.action_dtype)
            for role in spec.roles
        }

    def take(self, time: int, first_copy: int, frame: Frame, action: Mapping[str, NDArray[Any]]) -> None:
        """Keep what the seats of a group saw before a step and do in it."""
        span = slice(first_copy, first_copy + len(frame.ticket_B))
        for role, held in frame.roles.items():
            for store, leaf in zip(self._seen[role], held.observation, strict=True):
                store[time, span] = leaf
            self._done[role][time, span] = action[role]

    def joint(self) -> dict[str, tuple[tuple[NDArray[Any], ...], NDArray[Any]]]:
        """The arrays, by role."""
        return {role: (leaves, self._done[role]) for role, leaves in self._seen.items()}
