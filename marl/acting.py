"""One decision of every player at once.

Remote ones are asked first, equal architectures act in one product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from marl.errors import ActionError
from marl.policy import AsyncPolicy, Attentive, Decision, Policy, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.match import Player
    from marl.spec import Role, Spec


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a policy, for `Stackable.act_together`."""

    policy: Policy
    role: Role
    observation: Sequence[NDArray[Any]]
    mask_RA: NDArray[np.uint8]
    memory_RM: NDArray[np.float32]
    rows: Rows
    greedy: bool


@runtime_checkable
class Stackable(Protocol):
    """A policy that can be evaluated with others of equal `stack_key` in one batched product."""

    stack_key: str

    @staticmethod
    def act_together(calls: Sequence[Call]) -> list[Decision]:
        """The decisions of several policies, in order."""
        ...


class Cast:
    """The players of a play, and what each is capable of, decided once."""

    def __init__(self, spec: Spec, players: Mapping[str, Player]) -> None:
        self._spec = spec
        self.players = dict(players)
        self.names = list(players)
        self.index = {name: i for i, name in enumerate(self.names)}
        policies = {name: player.policy for name, player in self.players.items()}
        self._remote = {name: policy for name, policy in policies.items() if isinstance(policy, AsyncPolicy)}
        self._stacked = {name: policy for name, policy in policies.items() if isinstance(policy, Stackable)}
        self._attentive = {name: policy for name, policy in policies.items() if isinstance(policy, Attentive)}

    def act(self, calls: Sequence[tuple[str, Call]]) -> list[Decision]:
        """The decisions of named players, in order.

        ActionError where one does not have the form of its role's actions.
        """
        decisions: list[Decision | None] = [None] * len(calls)
        stacks: dict[tuple[str, str], list[int]] = {}
        remote = [i for i, (name, _) in enumerate(calls) if name in self._remote] if self._remote else []
        for i in remote:
            name, call = calls[i]
            self._remote[name].ask(call.role, call.observation, call.mask_RA, call.rows)
        for i, (name, call) in enumerate(calls):
            if name in self._stacked:
                stacks.setdefault((self._stacked[name].stack_key, call.role.name), []).append(i)
            elif name not in self._remote:
                decisions[i] = call.policy.act(
                    call.role, call.observation, call.mask_RA, call.memory_RM, call.rows, greedy=call.greedy
                )
        for members in stacks.values():
            together = self._stacked[calls[members[0]][0]].act_together([calls[i][1] for i in members])
            for i, made in zip(members, together, strict=True):
                decisions[i] = made
        for i in remote:
            decisions[i] = self._remote[calls[i][0]].collect()
        checked = []
        for (name, call), decision in zip(calls, decisions, strict=True):
            assert decision is not None
            self._check(name, call, decision)
            checked.append(decision)
        return checked

    def ended(self, matches: Mapping[str, Sequence[int]]) -> None:
        """Tell the players who want to know which of their matches are over."""
        for name, numbers in matches.items():
            if name in self._attentive:
                self._attentive[name].ended(np.asarray(numbers, np.int64))

    def _check(self, name: str, call: Call, decision: Decision) -> None:
        """ActionError unless each row that was asked about got K numbers, in the space and not masked."""
        role, action_RK = call.role, decision.action_RK
        shape = (len(call.rows), role.action_size)
        if action_RK.shape != shape or (role.action_dtype.kind == "i" and action_RK.dtype.kind not in "iub"):
            raise ActionError(
                f"{self._spec.arena}: player {name!r} in role {role.name}",
                got=f"actions of {action_RK.dtype} and shape {action_RK.shape}",
                expected=f"{role.action_dtype} and shape {shape}",
                remedy="A policy gives one row of K numbers for each row that it was asked about.",
            )
        illegal_R = role.codec.illegal(action_RK, call.mask_RA)
        if illegal_R is not None:
            row = int(np.flatnonzero(illegal_R)[0])
            seat = self._spec.seats[call.rows.seat_R[row]]
            where = f"{self._spec.arena}: action of {seat} by player {name!r}"
            role.codec.refuse(action_RK[row], call.mask_RA[row], where)
