"""`NetPolicy` acts with one network a role. A learner's is live: it changes with every update.

Axes: P models, R rows, F features, M memory, K numbers of an action, A choices, C head outputs, U uniform
numbers.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agents.bymodel import ByModel
from agents.devices import to_array, to_tensor
from agents.distributions import ActionHeads
from agents.features import feature_size, features
from agents.images import pictures_of
from agents.networks import ActorNet
from agents.valuenet import AimNet, ValueNet
from marl.errors import UnknownNameError
from marl.policy import Decision, Rows
from marl.rng import uniforms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from agents.images import Picture
    from marl.acting import Call
    from marl.spec import Role, Spec


@dataclass(frozen=True)
class Architecture:
    """What makes an actor's network, beside its role's spaces.

    `head`: "policy" draws from a distribution; "aim" does so among choices, and plays a point of a box, with
    noise; "values" and "dueling" play the best of their action values, with noisy weights after "noisy ".
    `box` and `spread`: how a policy's box numbers are played, and what their spread follows. `images` are
    seen through convolutions ("cnn"), or are features like any others ("flat").
    """

    hidden: tuple[int, ...]
    activation: str
    memory: int
    separate: bool
    head: str = "policy"
    box: str = "clipped"
    spread: str = "free"
    images: str = "flat"

    def build(self, role: Role, generator: torch.Generator) -> ActorNet:
        """A fresh network for a role; a model for each seat where seats are separate."""
        models = len(role.seats) if self.separate else 1
        shape = (models, feature_size(role), role.action, self.hidden, self.activation)
        pictures = self.pictures(role)
        if self.head == "aim" and role.action[0].kind == "box":
            return AimNet(*shape, 0, generator, pictures=pictures)
        if self.head in {"policy", "aim"}:
            squashed = self.box == "squashed"
            return ActorNet(
                *shape, self.memory, generator, squashed=squashed, spread=self.spread, pictures=pictures
            )
        dueling, noisy = "dueling" in self.head, "noisy" in self.head
        return ValueNet(*shape, generator, dueling=dueling, noisy=noisy, pictures=pictures)

    def pictures(self, role: Role) -> tuple[Picture, ...]:
        """What its nets see through convolutions of a role's features."""
        return pictures_of(role) if self.images == "cnn" else ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; without `images` where there are none, as older snapshots have it."""
        data = {**vars(self), "hidden": list(self.hidden)}
        return {key: value for key, value in data.items() if (key, value) != ("images", "flat")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """The architecture that `to_json` wrote."""
        return cls(**{**data, "hidden": tuple(data["hidden"])})


@dataclass
class Asked:
    """The rows of one policy: what it sees, and which model of the network decides each (None: the one)."""

    x_RF: NDArray[np.float32]
    mask_RA: NDArray[np.uint8]
    memory_RM: NDArray[np.float32]
    rows: Rows
    greedy: bool
    model_R: NDArray[np.integer[Any]] | None


class NetPolicy:
    """Acts with one network a role; where seats have models of their own, each row by its seat's."""

    def __init__(self, spec: Spec, nets: Mapping[str, ActorNet]) -> None:
        self.nets = dict(nets)
        self.memory_size = max(net.memory_size for net in nets.values())
        self.is_held = False
        self.heads = {
            name: ActionHeads.of(spec.role(name), squashed=net.squashed) for name, net in nets.items()
        }
        self._first_seat = {role.name: spec.seats.index(role.seats[0]) for role in spec.roles}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it the policy acts as it did at the start, whatever its learner learns meanwhile."""
        live, self.nets = self.nets, copy.deepcopy(self.nets)
        self.is_held = True
        try:
            yield
        finally:
            self.nets, self.is_held = live, False

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """One forward for all rows; `extras` holds `logp_R`, and for boxes `drawn_RK`, before clipping."""
        asked = self.asked(role, observation, mask_RA, memory_RM, rows, greedy=greedy)
        return forward(self.nets[role.name], self.heads[role.name], role, [asked])[0]

    def asked(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Asked:
        """The request with its rows made ready; UnknownNameError where the policy does not play the role."""
        if role.name not in self.nets:
            raise UnknownNameError("a policy's role", role.name, self.nets)
        models = self.nets[role.name].models
        model_R = rows.seat_R - self._first_seat[role.name] if models > 1 else None
        return Asked(features(role, observation), mask_RA, memory_RM, rows, greedy, model_R)


def act_side_by_side(calls: Sequence[Call], net: ActorNet, first_models: Sequence[int]) -> list[Decision]:
    """What several policies decide in one role; the i-th one's models begin at `first_models[i]` of `net`."""
    role = calls[0].role
    asked: list[Asked] = []
    for call, first in zip(calls, first_models, strict=True):
        assert isinstance(call.policy, NetPolicy)  # no other class has nets
        one = call.policy.asked(
            role, call.observation, call.mask_RA, call.memory_RM, call.rows, greedy=call.greedy
        )
        one.model_R = (np.zeros(len(call.rows), np.int64) if one.model_R is None else one.model_R) + first
        asked.append(one)
    assert isinstance(calls[0].policy, NetPolicy)
    return forward(net, calls[0].policy.heads[role.name], role, asked)


@torch.inference_mode()
def forward(net: ActorNet, heads: ActionHeads, role: Role, asked: Sequence[Asked]) -> list[Decision]:
    """One product over all models and all who asked; each gets its rows back in order."""
    models = [a.model_R for a in asked if a.model_R is not None]
    device = net.head.weight.device
    deal = ByModel(np.concatenate(models) if models else None, net.models, device)

    def table(parts: Sequence[NDArray[Any]]) -> torch.Tensor:
        return deal.table(to_tensor(parts[0] if len(parts) == 1 else np.concatenate(parts), device))

    out_PRC, after_PRM = net(
        table([a.x_RF for a in asked]), table([a.memory_RM[:, : net.memory_size] for a in asked])
    )
    legal_PRA = table([a.mask_RA for a in asked]) > 0 if role.mask_size else None
    greedy = [a.greedy for a in asked]
    if all(greedy):
        action_PRK, logp_PR = net.choose(heads, out_PRC, legal_PRA, None)
    else:
        uniform_PRU = table([uniforms(a.rows.key_R, heads.uniforms) for a in asked])
        action_PRK, logp_PR = net.choose(heads, out_PRC, legal_PRA, uniform_PRU)
        if any(greedy):
            best_PRK, best_logp_PR = net.choose(heads, out_PRC, legal_PRA, None)
            greedy_PR = table([np.full(len(a.rows), a.greedy) for a in asked])
            action_PRK = torch.where(greedy_PR.unsqueeze(-1), best_PRK, action_PRK)
            logp_PR = torch.where(greedy_PR, best_logp_PR, logp_PR)
    number_RK, logp_R, after_RM = (to_array(deal.rows(t)) for t in (action_PRK, logp_PR, after_PRM))
    played_RK = heads.played(number_RK).astype(role.action_dtype)
    decisions, at = [], 0
    for a in asked:
        span = slice(at, at + len(a.rows))
        at += len(a.rows)
        extras = {"logp": logp_R[span], "drawn": number_RK[span]} if heads.boxes else {"logp": logp_R[span]}
        memory = _widened(after_RM[span], a.memory_RM.shape[1]) if net.memory_size else None
        decisions.append(Decision(played_RK[span], extras, memory))
    return decisions


def _widened(memory_RM: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Play keeps as many numbers as its widest policy of a seat needs."""
    missing = size - memory_RM.shape[1]
    return np.pad(memory_RM, ((0, 0), (0, missing))) if missing else memory_RM
