"""Fragments: what one player's seats of one role decided, and what came of it.

Axes: T own decisions, R rows (a seat of a copy each), K numbers of an action, A choices, M memory, S
state, B copies, N seats, E environment steps. A row's decisions follow one another; between two of them
rewards are summed. The successor of decision t is the observation of t + 1 in the same row, except at a
cut, where it is kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.spec import Role


@dataclass
class Cuts:
    """The decisions whose successor is not the row's next observation, C of them.

    Where they are, and the true successor.

    Cut are terminated and truncated decisions (the seat's last observation), the last decision of a
    fragment, and the last whole decision before a host died.
    """

    time_C: NDArray[np.int64]
    row_C: NDArray[np.int64]
    observation: tuple[NDArray[Any], ...]
    mask_CA: NDArray[np.uint8]
    state_CS: NDArray[np.float32]


@dataclass
class Fragment:
    """T own decisions of the R seats that one player held in one role.

    `valid_TR`: entries that are decisions at all; a row's valid ones come first. `reward_TR` is summed up
    to the next own decision or the end. `terminated_TR` ends the value, `truncated_TR` does not.
    `source_TR` says who decided (`marl.policy`). `copy_R`, `seat_R`: the row's copy and its seat's index
    within the role. `time_TR`: environment step within the fragment, -1 for a decision carried over from
    the one before. `memory_RM`: the memory before the row's first decision; `first_TR`: decisions that
    begin a match (memory zero). `state_TRS` and `joint` only where asked for.
    """

    player: str
    role: Role
    observation: tuple[NDArray[Any], ...]
    mask_TRA: NDArray[np.uint8]
    action_TRK: NDArray[Any]
    extras: dict[str, NDArray[Any]]
    reward_TR: NDArray[np.float32]
    terminated_TR: NDArray[np.bool_]
    truncated_TR: NDArray[np.bool_]
    valid_TR: NDArray[np.bool_]
    first_TR: NDArray[np.bool_]
    source_TR: NDArray[np.uint8]
    time_TR: NDArray[np.int32]
    copy_R: NDArray[np.int64]
    seat_R: NDArray[np.int64]
    memory_RM: NDArray[np.float32]
    state_TRS: NDArray[np.float32]
    cuts: Cuts
    joint: dict[str, tuple[tuple[NDArray[Any], ...], NDArray[Any]]] = field(default_factory=dict)

    @property
    def decisions(self) -> int:
        """How many decisions it holds."""
        return int(self.valid_TR.sum())

    def cut_TR(self) -> NDArray[np.bool_]:
        """Where the successor is kept apart."""
        cut = np.zeros(self.valid_TR.shape, np.bool_)
        cut[self.cuts.time_C, self.cuts.row_C] = True
        return cut

    def next_observation(self) -> tuple[NDArray[Any], ...]:
        """The true successors of all decisions, each leaf shaped (T, R, ...).

        Never the start of another match.
        """
        result = []
        for leaf, kept in zip(self.observation, self.cuts.observation, strict=True):
            shifted = np.concatenate([leaf[1:], leaf[-1:]])
            shifted[self.cuts.time_C, self.cuts.row_C] = kept
            result.append(shifted)
        return tuple(result)

    def next_mask_TRA(self) -> NDArray[np.uint8]:
        """The masks that go with `next_observation`."""
        shifted = np.concatenate([self.mask_TRA[1:], self.mask_TRA[-1:]])
        shifted[self.cuts.time_C, self.cuts.row_C] = self.cuts.mask_CA
        return shifted


def join(parts: Sequence[Fragment], copies: Sequence[int]) -> Fragment:
    """Fragments of several groups as one, rows side by side; `copies` is the first copy of each part."""
    if len(parts) == 1 and copies[0] == 0:
        return parts[0]
    depth = max(len(f.valid_TR) for f in parts)
    starts = np.cumsum([0, *[f.valid_TR.shape[1] for f in parts]])

    def rows(name: str) -> Any:  # noqa: ANN401  # one of the arrays
        return np.concatenate([_deepened(getattr(f, name), depth) for f in parts], axis=1)

    def cut(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(f.cuts, name) for f in parts])

    leaves = range(len(parts[0].observation))
    return Fragment(
        player=parts[0].player,
        role=parts[0].role,
        observation=tuple(
            np.concatenate([_deepened(f.observation[i], depth) for f in parts], axis=1) for i in leaves
        ),
        extras={
            n: np.concatenate([_deepened(f.extras[n], depth) for f in parts], axis=1) for n in parts[0].extras
        },
        copy_R=np.concatenate([f.copy_R + first for f, first in zip(parts, copies, strict=True)]),
        seat_R=np.concatenate([f.seat_R for f in parts]),
        memory_RM=np.concatenate([f.memory_RM for f in parts]),
        cuts=Cuts(
            cut("time_C"),
            np.concatenate([f.cuts.row_C + start for f, start in zip(parts, starts, strict=False)]),
            tuple(np.concatenate([f.cuts.observation[i] for f in parts]) for i in leaves),
            cut("mask_CA"),
            cut("state_CS"),
        ),
        **{name: rows(name) for name in _ROW_ARRAYS},
    )


_ROW_ARRAYS = (
    "mask_TRA",
    "action_TRK",
    "reward_TR",
    "terminated_TR",
    "truncated_TR",
    "valid_TR",
    "first_TR",
    "source_TR",
    "time_TR",
    "state_TRS",
)


def _deepened(array: NDArray[Any], depth: int) -> NDArray[Any]:
    missing = depth - len(array)
    if not missing:
        return array
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
