"""Fragments: what one player's seats of one role decided, and what came of it.

Axes: T own decisions, R rows (a seat of a copy each), K numbers of an action, A choices, M memory, S state, B copies,
N seats, E environment steps. A row's decisions follow one another; between two of them rewards are summed. The successor
of decision t is the observation of t + 1 in the same row, except at a cut, where it is kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.frame import Frame, RoleFrame
    from marl.policy import Decision
    from marl.spec import Role


@dataclass
class Cuts:
    """The decisions whose successor is not the row's next observation, C of them: where they are, and the true successor.

    Cut are terminated and truncated decisions (the seat's last observation), the last decision of a fragment, and the last
    whole decision before a host died.
    """

    time_C: NDArray[np.int64]
    row_C: NDArray[np.int64]
    observation: tuple[NDArray[Any], ...]
    mask_CA: NDArray[np.uint8]
    state_CS: NDArray[np.float32]


@dataclass
class Fragment:
    """T own decisions of the R seats that one player held in one role.

    `valid_TR`: entries that are decisions at all; a row's valid ones come first. `reward_TR` is summed up to the next own
    decision or the end. `terminated_TR` ends the value, `truncated_TR` does not. `source_TR` says who decided
    (`marl.policy`). `copy_R`, `seat_R`: the row's copy and its seat's index within the role. `time_TR`: environment step within the
    fragment, -1 for a decision carried over from the one before. `memory_RM`: the memory before the row's first decision;
    `first_TR`: decisions that begin a match (memory zero). `state_TRS` and `joint` only where asked for.
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
        """The true successors of all decisions, each leaf shaped (T, R, ...); never the start of another match."""
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


class Tape:
    """Records the decisions of one player in one role of one group; R = copies x seats rows, flat."""

    def __init__(self, player: str, role: Role, copies: int, length: int, memory_size: int, state_size: int) -> None:
        rows = copies * len(role.seats)
        self.player, self.role = player, role
        self._seats = len(role.seats)
        depth = length + 1
        self._observation = tuple(np.zeros((depth, rows, *leaf.shape), leaf.numpy_dtype) for leaf in role.observation)
        self._mask = np.zeros((depth, rows, role.mask_size), np.uint8)
        self._action = np.zeros((depth, rows, role.action_size), role.action_dtype)
        self._extras: dict[str, NDArray[Any]] = {}
        self._reward = np.zeros((depth, rows), np.float64)
        self._terminated = np.zeros((depth, rows), np.bool_)
        self._truncated = np.zeros((depth, rows), np.bool_)
        self._first = np.zeros((depth, rows), np.bool_)
        self._source = np.zeros((depth, rows), np.uint8)
        self._time = np.full((depth, rows), -1, np.int32)
        self._state = np.zeros((depth, rows, state_size), np.float32)
        self._memory = np.zeros((depth, rows, memory_size), np.float32)
        self._count_R = np.zeros(rows, np.int64)
        self._open_R = np.zeros(rows, np.bool_)
        self._cuts: list[tuple[Any, ...]] = []

    def decide(  # noqa: PLR0913  # one decision has this many parts
        self,
        rows: NDArray[np.int64],
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        first_R: NDArray[np.bool_],
        decision: Decision,
        state_BS: NDArray[np.float32],
        time: int,
    ) -> None:
        """Write down what `rows` decided at an environment step; their open decisions, if any, end here."""
        at = self._count_R[rows]
        for store, leaf in zip(self._observation, observation, strict=True):
            store[at, rows] = leaf
        self._mask[at, rows] = mask_RA
        self._action[at, rows] = decision.action_RK
        for name, values in decision.extras.items():
            if name not in self._extras:
                self._extras[name] = np.zeros((*self._reward.shape, *values.shape[1:]), values.dtype)
            self._extras[name][at, rows] = values
        self._reward[at, rows] = 0
        self._terminated[at, rows] = self._truncated[at, rows] = False
        self._first[at, rows] = first_R
        self._source[at, rows] = 0 if decision.source_R is None else decision.source_R
        self._time[at, rows] = time
        if self._state.shape[2]:
            self._state[at, rows] = state_BS[rows // self._seats]
        if self._memory.shape[2]:
            self._memory[at, rows] = memory_RM
        self._count_R[rows] += 1
        self._open_R[rows] = True

    def absorb(self, frame: Frame, held_BN: NDArray[np.bool_]) -> None:
        """Take in what a step brought to the seats that the player held in it."""
        role = frame.roles[self.role.name]
        open_R = self._open_R
        if not open_R.any():
            return
        lost_R = np.repeat(frame.lost_B, self._seats)
        if frame.lost_B.any():
            self._drop(np.flatnonzero(open_R & lost_R))
        rows = np.flatnonzero(open_R & held_BN.ravel())
        last = self._count_R[rows] - 1
        self._reward[last, rows] += role.reward_BN.ravel()[rows]
        over = frame.over_B[rows // self._seats]
        terminated = role.terminated_BN.ravel()[rows]
        ended = terminated | role.truncated_BN.ravel()[rows] | over
        if not ended.any():
            return
        rows, last, over, terminated = rows[ended], last[ended], over[ended], terminated[ended]
        self._terminated[last, rows] = terminated
        self._truncated[last, rows] = ~terminated
        self._open_R[rows] = False
        for is_over in (True, False):
            chosen = over == is_over
            if chosen.any():
                self._cut_at(last[chosen], rows[chosen], frame, role, after_end=is_over)

    def finish(self, frame: Frame, held_BN: NDArray[np.bool_], fresh: Tape) -> Fragment | None:
        """The fragment so far. Decisions whose seat has not its turn again yet are carried over to `fresh`."""
        role = frame.roles[self.role.name]
        ready_R = (role.acting_BN & held_BN).ravel()
        rows = np.flatnonzero(self._open_R & ready_R)
        if rows.size:
            self._cut_at(self._count_R[rows] - 1, rows, frame, role, after_end=False)
            self._open_R[rows] = False
        self._carry(np.flatnonzero(self._open_R), fresh)
        return self._fragment()

    def hand_over(self, fresh: Tape) -> None:
        """Give the open decisions of a tape without others to one of another length."""
        self._carry(np.flatnonzero(self._open_R), fresh)

    def _cut_at(
        self, time: NDArray[np.int64], rows: NDArray[np.int64], frame: Frame, role: RoleFrame, *, after_end: bool
    ) -> None:
        leaves = role.last_observation if after_end else role.observation
        masks = role.last_mask_BNA if after_end else role.mask_BNA
        states = frame.last_state_BS if after_end else frame.state_BS
        copy, seat = rows // self._seats, rows % self._seats
        kept = tuple(leaf[copy, seat].copy() for leaf in leaves)
        state = states[copy].copy() if self._state.shape[2] else np.zeros((len(rows), 0), np.float32)
        self._cuts.append((time, rows, kept, masks[copy, seat].copy(), state))

    def _drop(self, rows: NDArray[np.int64]) -> None:
        """No transition spans a crash: the open decision goes, the one before it is truncated at what it led to."""
        self._count_R[rows] -= 1
        self._open_R[rows] = False
        at = self._count_R[rows]
        whole = (at > 0) & ~self._first[at, rows]
        rows, at = rows[whole], at[whole]
        if not rows.size:
            return
        self._truncated[at - 1, rows] = True
        kept = tuple(store[at, rows].copy() for store in self._observation)
        self._cuts.append((at - 1, rows, kept, self._mask[at, rows].copy(), self._state[at, rows].copy()))

    def _carry(self, rows: NDArray[np.int64], fresh: Tape) -> None:
        if not rows.size:
            return
        at = self._count_R[rows] - 1
        for name in ("_mask", "_action", "_reward", "_first", "_source", "_state", "_memory"):
            getattr(fresh, name)[0, rows] = getattr(self, name)[at, rows]
        for store, own in zip(fresh._observation, self._observation, strict=True):
            store[0, rows] = own[at, rows]
        for name, own in self._extras.items():
            fresh._extras.setdefault(name, np.zeros((*fresh._reward.shape, *own.shape[2:]), own.dtype))
            fresh._extras[name][0, rows] = own[at, rows]
        fresh._count_R[rows], fresh._open_R[rows] = 1, True
        self._count_R[rows] -= 1
        before = self._count_R[rows] > 0
        rows, at = rows[before], at[before]
        uncut = ~(self._terminated[at - 1, rows] | self._truncated[at - 1, rows])
        rows, at = rows[uncut], at[uncut]
        if rows.size:
            kept = tuple(store[at, rows].copy() for store in self._observation)
            self._cuts.append((at - 1, rows, kept, self._mask[at, rows].copy(), self._state[at, rows].copy()))

    def _fragment(self) -> Fragment | None:
        used_R = np.flatnonzero(self._count_R)
        if not used_R.size:
            return None
        depth = int(self._count_R.max())
        place = np.full(len(self._count_R), -1)
        place[used_R] = np.arange(len(used_R))

        def rows(array: NDArray[Any]) -> NDArray[Any]:
            return array[:depth, used_R]

        return Fragment(
            player=self.player,
            role=self.role,
            observation=tuple(rows(store) for store in self._observation),
            mask_TRA=rows(self._mask),
            action_TRK=rows(self._action),
            extras={name: rows(values) for name, values in self._extras.items()},
            reward_TR=rows(self._reward).astype(np.float32),
            terminated_TR=rows(self._terminated),
            truncated_TR=rows(self._truncated),
            valid_TR=np.arange(depth)[:, None] < self._count_R[used_R],
            first_TR=rows(self._first),
            source_TR=rows(self._source),
            time_TR=rows(self._time),
            copy_R=used_R // self._seats,
            seat_R=used_R % self._seats,
            memory_RM=self._memory[0, used_R],
            state_TRS=rows(self._state),
            cuts=self._gather_cuts(place),
        )

    def _gather_cuts(self, place: NDArray[np.int64]) -> Cuts:
        if not self._cuts:
            leaves = tuple(np.zeros((0, *store.shape[2:]), store.dtype) for store in self._observation)
            none = np.zeros(0, np.int64)
            return Cuts(none, none, leaves, self._mask[0, :0], self._state[0, :0])
        times, rows, leaves_of, masks, states = zip(*self._cuts, strict=True)
        leaves = tuple(np.concatenate(parts) for parts in zip(*leaves_of, strict=True))
        row_C = place[np.concatenate(rows)]
        return Cuts(np.concatenate(times), row_C, leaves, np.concatenate(masks), np.concatenate(states))


def join(parts: Sequence[Fragment], copies: Sequence[int]) -> Fragment:
    """Fragments of several groups as one: rows side by side, copies numbered on (`copies`: first copy of each part)."""
    if len(parts) == 1 and copies[0] == 0:
        return parts[0]
    depth = max(len(f.valid_TR) for f in parts)
    starts = np.cumsum([0, *[f.valid_TR.shape[1] for f in parts]])

    def rows(name: str) -> NDArray[Any]:
        return np.concatenate([_deepened(getattr(f, name), depth) for f in parts], axis=1)

    def cut(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(f.cuts, name) for f in parts])

    leaves = range(len(parts[0].observation))
    return Fragment(
        player=parts[0].player,
        role=parts[0].role,
        observation=tuple(np.concatenate([_deepened(f.observation[i], depth) for f in parts], axis=1) for i in leaves),
        extras={n: np.concatenate([_deepened(f.extras[n], depth) for f in parts], axis=1) for n in parts[0].extras},
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
