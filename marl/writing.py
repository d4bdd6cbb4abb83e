"""`RoleWriter`: the arrays of one role, for who goes through its seats one by one.

Axes: B copies, N seats, R rows (B times N, copy by copy), A choices, `...` the shape of a leaf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import ObservationError
from marl.observations import Lens, as_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marl.frame import RoleFrame
    from marl.spec import Role

_BYTES = "?bB"
"""Masks of these dtypes are copied as they are; the numbers in them are judged for all copies at once."""


class RoleWriter:
    """A role's seats in all copies, by row: row copy * N + i is seat i of a copy.

    `alive`, `acting`, `reward`, `terminated`, `truncated`, `score` are the frame's arrays as flat
    memoryviews: they take single numbers faster than numpy does. `actions` are decoded, by row.
    """

    def __init__(self, arena: str, role: Role, frame: RoleFrame) -> None:
        self.role, self.frame, self.lens = role, frame, Lens(role.observation_space)
        self.where = [f"{arena}: observation of {seat}" for seat in role.seats]
        self.alive, self.acting = _flat(frame.alive_BN), _flat(frame.acting_BN)
        self.reward, self.score = _flat(frame.reward_BN), _flat(frame.score_BN)
        self.terminated, self.truncated = _flat(frame.terminated_BN), _flat(frame.truncated_BN)
        self.actions: Sequence[Any] = ()
        self._leaves = [_by_row(leaf) for leaf in frame.observation]
        self._last_leaves = [_by_row(leaf) for leaf in frame.last_observation]
        self._mask_RA, self._last_mask_RA = _by_row(frame.mask_BNA), _by_row(frame.last_mask_BNA)
        self._masked = role.masked
        self._mask_shape = (role.mask_size,)
        self._seats = len(role.seats)

    def see(self, row: int, value: Any, info: Mapping[str, Any], *, last: bool = False) -> None:  # noqa: ANN401  # any space
        """Write what a PettingZoo environment shows a seat: its observation, and the mask wherever it is."""
        if self._masked:
            if isinstance(value, dict) and "action_mask" in value:
                mask = value["action_mask"]
                value = _without_mask(value)
            else:
                mask = info.get("action_mask")
            if mask is not None:
                self.mask(row, mask, last=last)
            elif self.alive[row]:
                where = self.where[row % self._seats]
                raise ObservationError(
                    where, got="no action mask", expected="one, in the observation or in the info"
                )
        self.observe(row, value, last=last)

    def observe(self, row: int, value: Any, *, last: bool = False) -> None:  # noqa: ANN401  # a value of the space
        """Write an observation."""
        leaves = self._last_leaves if last else self._leaves
        self.lens.write(value, leaves, row, self.where[row % self._seats])

    def mask(self, row: int, value: Any, *, last: bool = False) -> None:  # noqa: ANN401  # a user's mask
        """Write a mask."""
        mask_RA = self._last_mask_RA if last else self._mask_RA
        if type(value) is np.ndarray and value.shape == self._mask_shape and value.dtype.char in _BYTES:
            mask_RA[row] = value
        else:
            mask_RA[row] = as_mask(value, self._mask_shape[0], self.where[row % self._seats])


def _flat(array: np.ndarray[Any, Any]) -> Any:  # noqa: ANN401  # a memoryview, of whatever the array holds
    flat: Any = array.reshape(-1)
    return memoryview(flat)


def _by_row(array_BN: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    copies, seats, *rest = array_BN.shape
    return array_BN.reshape(copies * seats, *rest)


def _without_mask(value: dict[str, Any]) -> Any:  # noqa: ANN401  # a value of the space
    if len(value) == 2 and "observation" in value:
        return value["observation"]
    return {key: part for key, part in value.items() if key != "action_mask"}
