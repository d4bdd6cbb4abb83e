"""Policies made of networks: `NetPolicy` acts with weights that may live; `FrozenPolicy` is a snapshot, stackable with its like.

Axes: P models, R rows, F features, M memory, K numbers of an action, A choices, C head outputs, U uniform numbers.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from agents.distributions import ActionHeads, draw
from agents.features import feature_size, features
from agents.networks import ActorNet
from agents.snapshot import read
from marl.errors import SnapshotError
from marl.policy import Decision, Rows
from marl.rng import uniforms
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from marl.play import Call


@dataclass(frozen=True)
class Architecture:
    """What makes an actor's network, beside its role's spaces."""

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    memory: int = 0
    separate: bool = False

    def build(self, role: Role, generator: torch.Generator) -> ActorNet:
        """A fresh network for a role; a model for each seat where seats are separate."""
        models = len(role.seats) if self.separate else 1
        size = feature_size(role)
        return ActorNet(models, size, role.action, self.hidden, self.activation, self.memory, generator)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**vars(self), "hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """The architecture that `to_json` wrote."""
        return cls(tuple(data["hidden"]), data["activation"], data["memory"], data["separate"])


class NetPolicy:
    """Acts with one network a role. The networks are whoever's they are: a learner's policy is live."""

    def __init__(self, spec: Spec, nets: Mapping[str, ActorNet]) -> None:
        self.nets = dict(nets)
        self.memory_size = max(net.memory_size for net in nets.values())
        self._heads = {name: ActionHeads.of(spec.role(name)) for name in nets}
        self._first_seat = {role.name: spec.seats.index(role.seats[0]) for role in spec.roles}

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
        """One forward for all rows; `extras` holds `logp_R`."""
        net = self.nets[role.name]
        models = len(net.mean)
        model_R = rows.seat_R - self._first_seat[role.name] if models > 1 else None
        asked = _Asked(features(role, observation), mask_RA, memory_RM, rows, greedy, model_R)
        return forward(net, self._heads[role.name], role, [asked])[0]


class FrozenPolicy(NetPolicy):
    """A snapshot. Policies of equal `stack_key` are evaluated in one batched product."""

    def __init__(self, spec: Spec, nets: Mapping[str, ActorNet], architecture: Architecture) -> None:
        super().__init__(spec, nets)
        self.spec = spec
        spaces = {name: [spec.role(name).observation_space, spec.role(name).action_space] for name in nets}
        self.stack_key = json.dumps([architecture.to_json(), spaces], sort_keys=True)

    @staticmethod
    def act_together(calls: Sequence[Call]) -> list[Decision]:
        """The decisions of several frozen policies for one role."""
        role = calls[0].role
        policies: list[FrozenPolicy] = [call.policy for call in calls]  # type: ignore[misc]  # equal stack keys
        first = policies[0]
        net = _stacked(tuple(policy.nets[role.name] for policy in policies))
        base, asked = 0, []
        for call, policy in zip(calls, policies, strict=True):
            models = len(policy.nets[role.name].mean)
            local = call.rows.seat_R - policy._first_seat[role.name] if models > 1 else np.zeros(len(call.rows), np.int32)
            seen = features(role, call.observation)
            asked.append(_Asked(seen, call.mask_RA, call.memory_RM, call.rows, call.greedy, local + base))
            base += models
        if base == 1:
            asked[0].model_R = None
        return forward(net, first._heads[role.name], role, asked)


@dataclass
class _Asked:
    """The rows of one policy: which model of the stack decides each (None: there is one)."""

    x_RF: NDArray[np.float32]
    mask_RA: NDArray[np.uint8]
    memory_RM: NDArray[np.float32]
    rows: Rows
    greedy: bool
    model_R: NDArray[np.int32] | None


@functools.lru_cache(maxsize=64)
def _stacked(nets: tuple[ActorNet, ...]) -> ActorNet:
    """Several networks of one architecture as one, side by side along P."""
    if len(nets) == 1:
        return nets[0]
    states = [net.state_dict() for net in nets]
    # a copy of the first, whose every tensor is then replaced by the models' together
    merged = _clone(nets[0])
    for name, _ in states[0].items():
        owner_name, _, leaf = name.rpartition(".")
        owner = merged.get_submodule(owner_name)
        tensor = torch.cat([state[name] for state in states])
        if leaf in owner._parameters:
            owner._parameters[leaf] = torch.nn.Parameter(tensor, requires_grad=False)
        else:
            owner._buffers[leaf] = tensor
    return merged


def _clone(net: ActorNet) -> ActorNet:
    import copy  # noqa: PLC0415

    return copy.deepcopy(net)


@torch.inference_mode()
def forward(net: ActorNet, heads: ActionHeads, role: Role, asked: Sequence[_Asked]) -> list[Decision]:
    """One product over all models; rows come back in the order and to whom they belong."""
    x_RF = _joined([a.x_RF for a in asked])
    memory_RM = _joined([a.memory_RM[:, : net.memory_size] for a in asked])
    mask_RA = _joined([a.mask_RA for a in asked]) if role.mask_size else None
    keys_R = np.concatenate([a.rows.key_R for a in asked])
    uniform_RU = uniforms(keys_R, heads.uniforms)
    greedy_R = np.concatenate([np.full(len(a.rows), a.greedy) for a in asked])
    if asked[0].model_R is None:
        place = None
    else:
        place = _places(np.concatenate([a.model_R for a in asked if a.model_R is not None]), len(net.mean))

    def rows_in(array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.unsqueeze(0) if place is None else _spread(tensor, *place, len(net.mean))

    out_PRC, next_PRM = net(rows_in(x_RF), rows_in(memory_RM))
    mask = None if mask_RA is None else rows_in(mask_RA)
    if greedy_R.all():
        action, logp = draw(heads, out_PRC, mask, net.log_std, None)
    else:
        action, logp = draw(heads, out_PRC, mask, net.log_std, rows_in(uniform_RU).clamp(1e-7, 1 - 1e-7))
        if greedy_R.any():
            best, best_logp = draw(heads, out_PRC, mask, net.log_std, None)
            chosen = rows_in(greedy_R)
            action = torch.where(chosen.unsqueeze(-1), best, action)
            logp = torch.where(chosen, best_logp, logp)

    def rows_out(tensor: Tensor) -> NDArray[Any]:
        flat = tensor[0] if place is None else tensor[place[0], place[1]]
        result: NDArray[Any] = flat.numpy()
        return result

    action_RK, logp_R, after_RM = rows_out(action), rows_out(logp), rows_out(next_PRM)
    decisions, at = [], 0
    for a in asked:
        span = slice(at, at + len(a.rows))
        at += len(a.rows)
        numbers = action_RK[span]
        played = np.clip(numbers, heads.low_K, heads.high_K) if heads.boxes else numbers
        extras = {"logp": logp_R[span]}
        if heads.boxes:
            extras["drawn"] = numbers
        memory = _widened(after_RM[span], a.memory_RM.shape[1]) if net.memory_size else None
        decisions.append(Decision(played.astype(role.action_dtype), extras, memory))
    return decisions


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _widened(memory_RM: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    if memory_RM.shape[1] == size:
        return memory_RM
    return np.pad(memory_RM, ((0, 0), (0, size - memory_RM.shape[1])))


def _places(model_R: NDArray[np.int32], models: int) -> tuple[Tensor, Tensor]:
    """Where each row goes in a (P, Rmax) table: its model, and its number within the model."""
    order = np.argsort(model_R, kind="stable")
    counts = np.bincount(model_R, minlength=models)
    within = np.empty(len(model_R), np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    within[order] = np.arange(len(model_R)) - np.repeat(starts, counts)
    return torch.from_numpy(model_R.astype(np.int64)), torch.from_numpy(within)


def _spread(rows: Tensor, model: Tensor, within: Tensor, models: int) -> Tensor:
    table = rows.new_zeros((models, int(within.max()) + 1, *rows.shape[1:]))
    if rows.dtype == torch.uint8 or rows.is_floating_point():
        table.fill_(1)
    table[model, within] = rows
    return table


def load_policy(folder: Path, spec: Spec) -> FrozenPolicy:
    """The policy of a snapshot, for an arena whose roles have the spaces that it was trained on."""
    manifest, tensors = read(folder)
    if manifest.get("kind") != "policy":
        raise SnapshotError(str(folder), got=f"a {manifest.get('kind')}", expected="a policy")
    architecture = Architecture.from_json(manifest["architecture"])
    nets = {}
    for name, held in manifest["roles"].items():
        role = next((role for role in spec.roles if role.name == name), None)
        if role is None:
            continue
        for part in ("observation_space", "action_space"):
            if getattr(role, part) != held[part]:
                raise SnapshotError(
                    f"{folder}, role {name}",
                    got=f"trained on {part} {held[part]}",
                    expected=f"{getattr(role, part)} of {spec.arena}",
                    remedy="Play it in the arena and with the capacities that it was trained with.",
                )
        net = architecture.build(role, torch.Generator().manual_seed(0))
        prefix = f"{name}/actor."
        net.load_state_dict({k.removeprefix(prefix): torch.from_numpy(v.copy()) for k, v in tensors.items() if k.startswith(prefix)})
        nets[name] = net.requires_grad_(requires_grad=False)
    if not nets:
        raise SnapshotError(str(folder), got=f"roles {list(manifest['roles'])}", expected=f"one of {spec.arena}'s")
    return FrozenPolicy(spec, nets, architecture)
