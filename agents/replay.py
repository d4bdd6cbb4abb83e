"""`Store`: a preallocated ring of joint steps, filled from fragments and read as batches.

A slot is what all own seats of one copy saw and did in one environment step. The successor of a seat's
decision is another slot: that of its next own decision (the n-th next where rewards are summed over n) or,
where the match was truncated or a fragment ended, a slot that only holds what was seen there. It always comes
later in the ring, so it outlives who refers to it.

Axes: C slots, N own seats of all roles, n seats of one role, T decisions, R rows, D decisions that are valid,
B batch, K numbers of an action, A choices, S state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agents.distributions import ActionHeads
from agents.returns import n_step
from marl.errors import ConfigError
from marl.memory import available_bytes
from marl.policy import POLICY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.fragment import Fragment
    from marl.spec import Role


@dataclass
class RoleSteps:
    """Of one role: what its seats saw, could do and did; leaves (..., n, *leaf), in the leaf's own dtype."""

    observation: tuple[NDArray[Any], ...]
    mask_BnA: NDArray[np.uint8]
    action_BnK: NDArray[Any]


@dataclass
class Batch:
    """Joint steps at `index_B`, and what followed them.

    `reward_BN` is summed over up to n decisions, `discount_BN` weighs the value of what follows (0: it
    terminated), `present` says whose rows are decisions at all, `teaches_BN` which of them the policy made.
    """

    index_B: NDArray[np.int64]
    weight_B: NDArray[np.float32]
    now: dict[str, RoleSteps]
    following: dict[str, RoleSteps]
    reward_BN: NDArray[np.float32]
    discount_BN: NDArray[np.float32]
    present_BN: NDArray[np.bool_]
    next_present_BN: NDArray[np.bool_]
    teaches_BN: NDArray[np.bool_]
    state_BS: NDArray[np.float32]
    next_state_BS: NDArray[np.float32]


@dataclass
class _Placed:
    """A fragment's valid decisions: where they are in it (`time_D`, `row_D`), their seats, their slots."""

    fragment: Fragment
    time_D: NDArray[np.int64]
    row_D: NDArray[np.int64]
    seat_D: NDArray[np.int64]
    key_D: NDArray[np.int64]
    slot_D: NDArray[np.int64]
    cut_id_TR: NDArray[np.int64]


class Store:
    """A ring of `capacity` slots for the seats of `roles`.

    `joint`: whoever reads wants all seats of a slot at once. All then follow to the same slot, and a slot
    teaches only where the policy made every decision in it.
    """

    def __init__(
        self, roles: Sequence[Role], capacity: int, state_size: int, gamma: float, n: int, *, joint: bool
    ) -> None:
        self.roles = {role.name: role for role in roles}
        ends = np.cumsum([0, *[len(role.seats) for role in roles]]).tolist()
        self.columns = {role.name: slice(a, b) for role, a, b in zip(roles, ends, ends[1:], strict=False)}
        self.capacity, self.size, self._head = capacity, 0, 0
        self._gamma, self._n, self._joint = gamma, n, joint
        _check_room(roles, capacity, state_size)
        self._steps = {role.name: _empty(role, capacity) for role in roles}
        seats = ends[-1]
        self.reward_CN = np.zeros((capacity, seats), np.float32)
        self.discount_CN = np.zeros((capacity, seats), np.float32)
        self.next_CN = np.zeros((capacity, seats), np.int32)
        self.present_CN = np.zeros((capacity, seats), np.bool_)
        self.teaches_CN = np.zeros((capacity, seats), np.bool_)
        self.state_CS = np.zeros((capacity, state_size), np.float32)

    def add(self, fragments: Sequence[Fragment]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Write what the fragments of one update hold; returns the slots written and which of them teach.

        ConfigError where they hold more than fits.
        """
        placed, keys, apart = _place(fragments)
        if not len(keys):
            return np.zeros(0, np.int64), np.zeros(0, np.bool_)
        written = self._claim(len(keys) + int(apart.sum()))
        apart_slot = np.where(apart, len(keys) + np.cumsum(apart) - 1, -1)
        for part in placed:
            self._write(part, written, apart_slot)
        if self._joint:
            # one that a fallback decided would teach the others' values of what the policy does not do
            self.teaches_CN[written] &= (self.teaches_CN[written] == self.present_CN[written]).all(1)[:, None]
        return written, np.asarray(self.teaches_CN[written].any(1))

    def read(self, index_B: NDArray[np.int64], weight_B: NDArray[np.float32]) -> Batch:
        """The joint steps at some slots, and what followed."""
        next_BN, discount_BN = self.next_CN[index_B], self.discount_CN[index_B]
        # all who go on follow to the same slot; who has ended is not there
        next_B = next_BN[np.arange(len(index_B)), discount_BN.argmax(1)]
        if self._joint:
            next_BN = np.broadcast_to(next_B[:, None], next_BN.shape)
        now_BN = np.broadcast_to(index_B[:, None], next_BN.shape)
        seat = np.arange(next_BN.shape[1])
        return Batch(
            index_B=index_B,
            weight_B=weight_B,
            now={name: self._role(name, now_BN) for name in self.roles},
            following={name: self._role(name, next_BN) for name in self.roles},
            reward_BN=self.reward_CN[index_B],
            discount_BN=discount_BN,
            present_BN=self.present_CN[index_B],
            next_present_BN=self.present_CN[next_BN, seat],
            teaches_BN=self.teaches_CN[index_B],
            state_BS=self.state_CS[index_B],
            next_state_BS=self.state_CS[next_B],
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """What has been written."""
        arrays = {name: array[: self.size] for name, array in self._arrays().items()}
        return {**arrays, "ring": np.array([self.size, self._head])}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`, of a store of the same capacity."""
        self.size, self._head = (int(number) for number in state["ring"])
        for name, array in self._arrays().items():
            array[: self.size] = state[name]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {
            name.rpartition("_")[0]: getattr(self, name)
            for name in ("reward_CN", "discount_CN", "next_CN", "present_CN", "teaches_CN", "state_CS")
        }
        for role, steps in self._steps.items():
            arrays |= {f"{role}/observation.{i}": leaf for i, leaf in enumerate(steps.observation)}
            arrays |= {f"{role}/mask": steps.mask_BnA, f"{role}/action": steps.action_BnK}
        return arrays

    def _claim(self, count: int) -> NDArray[np.int64]:
        """The next `count` slots, empty."""
        if count > self.capacity:
            raise ConfigError(
                "replay",
                got=f"an update of {count} steps for a capacity of {self.capacity}",
                expected="a capacity that holds several updates",
                remedy="Raise the learner's capacity, or lower rollout or copies.",
            )
        written = (self._head + np.arange(count)) % self.capacity
        self._head = (self._head + count) % self.capacity
        self.size = min(self.size + count, self.capacity)
        self.present_CN[written] = self.teaches_CN[written] = False
        return written

    def _write(self, part: _Placed, written: NDArray[np.int64], apart_slot: NDArray[np.int64]) -> None:
        """The decisions of one role, and their successors where those are kept apart."""
        fragment, time, row, slot, seat = part.fragment, part.time_D, part.row_D, part.slot_D, part.seat_D
        apart_D = apart_slot[slot]
        end_TR = np.zeros(fragment.valid_TR.shape, np.bool_)
        end_TR[time, row] = (part.cut_id_TR[time, row] >= 0) | (apart_D >= 0)
        reward_TR, discount_TR, last_TR = n_step(
            fragment.reward_TR, fragment.terminated_TR, end_TR, self._gamma, self._n
        )
        slot_TR, apart_TR = (np.zeros(end_TR.shape, np.int64) for _ in range(2))
        slot_TR[time, row], apart_TR[time, row] = slot, apart_D
        last = last_TR[time, row]
        behind = np.minimum(last + 1, len(end_TR) - 1)
        follows = np.where(end_TR[last, row], apart_TR[last, row], slot_TR[behind, row])
        ended = discount_TR[time, row] == 0
        target, column = written[slot], self.columns[fragment.role.name].start + seat
        self.reward_CN[target, column] = reward_TR[time, row]
        self.discount_CN[target, column] = discount_TR[time, row]
        self.next_CN[target, column] = np.where(ended, target, written[follows])
        self.present_CN[target, column] = True
        self.teaches_CN[target, column] = fragment.source_TR[time, row] == POLICY
        self.state_CS[target] = fragment.state_TRS[time, row]
        steps = self._steps[fragment.role.name]
        for store, leaf in zip(steps.observation, fragment.observation, strict=True):
            store[target, seat] = leaf[time, row]
        steps.mask_BnA[target, seat] = fragment.mask_TRA[time, row]
        steps.action_BnK[target, seat] = _actions(fragment)[time, row]
        self._write_apart(part, written, apart_D)

    def _write_apart(self, part: _Placed, written: NDArray[np.int64], apart_D: NDArray[np.int64]) -> None:
        fragment = part.fragment
        held = apart_D >= 0
        target, seat = written[apart_D[held]], part.seat_D[held]
        time, row = part.time_D[held], part.row_D[held]
        steps = self._steps[fragment.role.name]
        for store, leaf in zip(steps.observation, fragment.next_observation(), strict=True):
            store[target, seat] = leaf[time, row]
        steps.mask_BnA[target, seat] = fragment.next_mask_TRA()[time, row]
        column = self.columns[fragment.role.name].start + seat
        self.present_CN[target, column] = ~fragment.terminated_TR[time, row]
        # the state that all see: of one whose decision is cut there
        cut = part.cut_id_TR[time, row]
        known = (cut >= 0) & ~fragment.terminated_TR[time, row]
        self.state_CS[target[known]] = fragment.cuts.state_CS[cut[known]]

    def _role(self, name: str, slot_BN: NDArray[Any]) -> RoleSteps:
        slot_Bn, steps = slot_BN[:, self.columns[name]], self._steps[name]
        seat = np.arange(slot_Bn.shape[1])
        return RoleSteps(
            tuple(leaf[slot_Bn, seat] for leaf in steps.observation),
            steps.mask_BnA[slot_Bn, seat],
            steps.action_BnK[slot_Bn, seat],
        )


def _check_room(roles: Sequence[Role], capacity: int, state_size: int) -> None:
    """ConfigError where memory does not suffice: it is taken bit by bit, and would end the process later."""
    seats = sum(len(role.seats) for role in roles)
    slot = 4 * state_size + 14 * seats
    for role in roles:
        held = _empty(role, 1)
        slot += sum(leaf.nbytes for leaf in (*held.observation, held.mask_BnA, held.action_BnK))
    left = available_bytes()
    if slot * capacity > left:
        raise ConfigError(
            "replay",
            got=f"capacity = {capacity}, which takes {slot * capacity / 2**30:.1f} GiB",
            expected=f"no more than the {left / 2**30:.1f} GiB that are free",
            remedy="Lower the learner's capacity, or make its observations smaller.",
        )


def _empty(role: Role, capacity: int) -> RoleSteps:
    seats = len(role.seats)
    return RoleSteps(
        tuple(np.zeros((capacity, seats, *leaf.shape), leaf.numpy_dtype) for leaf in role.observation),
        np.zeros((capacity, seats, role.mask_size), np.uint8),
        np.zeros((capacity, seats, role.action_size), np.float32 if ActionHeads.of(role).boxes else np.int32),
    )


def _actions(fragment: Fragment) -> NDArray[Any]:
    """Choices, or numbers of boxes in units of the box, clipped to it as the arena's are."""
    if ActionHeads.of(fragment.role).boxes:
        clipped: NDArray[np.float32] = np.clip(fragment.extras["drawn"], -1, 1)
        return clipped
    return fragment.action_TRK


def _place(
    fragments: Sequence[Fragment],
) -> tuple[list[_Placed], NDArray[np.int64], NDArray[np.bool_]]:
    """The valid decisions dealt to slots, one a (copy, environment step), in the order of those.

    Also the slots' keys, and which of them have successors that are kept apart: a seat was cut there, though
    not terminated.
    """
    depth = 2 + max((int(fragment.time_TR.max()) for fragment in fragments), default=0)
    placed = []
    for fragment in fragments:
        time, row = np.nonzero(fragment.valid_TR)
        # a decision carried over from the last fragment has time -1
        key = fragment.copy_R[row] * depth + fragment.time_TR[time, row] + 1
        cut_id_TR = np.full(fragment.valid_TR.shape, -1, np.int64)
        cut_id_TR[fragment.cuts.time_C, fragment.cuts.row_C] = np.arange(len(fragment.cuts.time_C))
        placed.append(_Placed(fragment, time, row, fragment.seat_R[row], key, key, cut_id_TR))
    every = np.concatenate([part.key_D for part in placed]) if placed else np.zeros(0, np.int64)
    keys, slots = np.unique(every, return_inverse=True)
    apart = np.zeros(len(keys), np.bool_)
    at = 0
    for part in placed:
        part.slot_D = slots[at : at + len(part.key_D)]
        at += len(part.key_D)
        cut = part.cut_id_TR[part.time_D, part.row_D] >= 0
        apart[part.slot_D[cut & ~part.fragment.terminated_TR[part.time_D, part.row_D]]] = True
    return placed, keys, apart
