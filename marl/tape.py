"""`Tape`: writes down the decisions of one player in one role of one group, and makes fragments of them.

Axes as in `marl.fragment`; here R = copies x seats, flat, and depth is one more than the steps of a
fragment: the first entry is for a decision carried over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.fragment import Cuts, Fragment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.frame import Frame, RoleFrame
    from marl.policy import Decision
    from marl.spec import Role


class Tape:
    """Records the decisions of one player in one role of one group; R = copies x seats rows, flat."""

    def __init__(
        self, player: str, role: Role, copies: int, length: int, memory_size: int, state_size: int
    ) -> None:
        rows = copies * len(role.seats)
        self.player, self.role, self.length = player, role, length
        self._seats = len(role.seats)
        depth = length + 1
        self._observation = tuple(
            np.zeros((depth, rows, *leaf.shape), leaf.numpy_dtype) for leaf in role.observation
        )
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

    def decide(  # one decision has this many parts
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
        """The fragment so far.

        Decisions whose seat has not its turn again yet are carried over to `fresh`.
        """
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
        self,
        time: NDArray[np.int64],
        rows: NDArray[np.int64],
        frame: Frame,
        role: RoleFrame,
        *,
        after_end: bool,
    ) -> None:
        leaves = role.last_observation if after_end else role.observation
        masks = role.last_mask_BNA if after_end else role.mask_BNA
        states = frame.last_state_BS if after_end else frame.state_BS
        copy, seat = rows // self._seats, rows % self._seats
        kept = tuple(leaf[copy, seat].copy() for leaf in leaves)
        state = states[copy].copy() if self._state.shape[2] else np.zeros((len(rows), 0), np.float32)
        self._cuts.append((time, rows, kept, masks[copy, seat].copy(), state))

    def _drop(self, rows: NDArray[np.int64]) -> None:
        """No transition spans a crash.

        The open decision goes, the one before it is truncated at what it led to.
        """
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
