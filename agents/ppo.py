"""PPO (Schulman et al. 2017) for the roles it is given: clipped surrogate, GAE, masks, memory, a local or a central critic.

Settings, networks, loss, update: read it top to bottom. Axes: T own decisions, R rows, P models, F features, M memory,
U units of a minibatch (single decisions; whole rows where there is memory), K, A, C as in `agents.distributions`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from agents import snapshot
from agents.distributions import ActionHeads, evaluate
from agents.features import feature_size, features
from agents.netpolicy import Architecture, NetPolicy
from agents.networks import ActorNet, CriticNet
from agents.normalise import RunningMoments, ValueScale
from agents.returns import gae, successor_values
from marl.errors import DivergenceError, SnapshotError, SpecError
from marl.policy import POLICY
from marl.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from marl.fragment import Fragment
    from marl.spec import Role, Spec


class PPOSettings(Settings):
    """PPO's settings."""

    hidden: tuple[int, ...] = Field((64, 64), description="units of each hidden layer")
    activation: Literal["tanh", "relu"] = Field("tanh", description="after each hidden layer")
    memory: int = Field(0, ge=0, description="units of the GRU between body and heads; 0: none")
    separate: bool = Field(default=False, description="own parameters for each seat of a role, instead of shared ones")
    critic: Literal["own", "state"] = Field("own", description="what the critic sees: the seat's observation, or the state")
    lr: float = Field(1e-3, gt=0, description="Adam's step size at the start")
    lr_end: float = Field(1.0, ge=0, le=1, description="share of lr that is left after anneal_decisions")
    anneal_decisions: int = Field(0, ge=0, description="decisions over which lr falls linearly; 0: it stays")
    gamma: float = Field(0.99, ge=0, le=1, description="discount of one own decision")
    lam: float = Field(0.95, ge=0, le=1, description="GAE's lambda")
    clip: float = Field(0.2, gt=0, description="how far the ratio may leave 1")
    epochs: int = Field(4, ge=1, description="passes over a fragment")
    minibatch: int = Field(4096, ge=1, description="decisions of a minibatch, for each model")
    entropy: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    value_weight: float = Field(0.5, ge=0, description="weight of the value loss")
    huber: float = Field(10.0, gt=0, description="where the value loss turns linear, in standard deviations of returns")
    value_decay: float = Field(0.9, ge=0, lt=1, description="decay an update of the return's running mean and spread")
    max_grad_norm: float = Field(1.0, gt=0, description="norm to which each model's gradient is clipped")
    target_kl: float = Field(0.0, ge=0, description="an update stops after an epoch whose KL exceeds this; 0: never")
    normalise: bool = Field(default=True, description="whether inputs are scaled to unit moments")


@dataclass
class _Part:
    """What the learner keeps for one role."""

    role: Role
    heads: ActionHeads
    actor: ActorNet
    critic: CriticNet
    moments: RunningMoments
    state_moments: RunningMoments
    values: ValueScale


@dataclass
class _Batch:
    """A fragment made ready: tensors over flat (T x R) entries, and which entries each model may learn from."""

    x_TRF: Tensor
    state_TRS: Tensor
    mask_TRA: Tensor | None
    action_TRK: Tensor
    logp_TR: Tensor
    advantage_TR: Tensor
    target_TR: Tensor
    weight_TR: Tensor
    first_TR: Tensor
    memory_RM: Tensor
    model_R: NDArray[np.int64]


class PPO:
    """The learner. `roles`: those it owns (default: all). `seed` starts its networks and orders its minibatches."""

    Settings = PPOSettings
    on_policy = True

    def __init__(self, spec: Spec, settings: PPOSettings, seed: int, roles: Sequence[str] = ()) -> None:
        self.spec, self.settings = spec, settings
        self._random = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(seed % 2**63)
        self._architecture = Architecture(settings.hidden, settings.activation, settings.memory, settings.separate)
        if settings.critic == "state" and not spec.state_size:
            raise SpecError(
                f"ppo on {spec.arena}", got='critic = "state"', expected="an arena with a state", remedy='Use critic = "own".'
            )
        chosen = [spec.role(name) for name in roles] if roles else list(spec.roles)
        self._parts = {role.name: self._part(role, generator) for role in chosen}
        self.policy = NetPolicy(spec, {name: part.actor for name, part in self._parts.items()})
        parameters = [p for part in self._parts.values() for net in (part.actor, part.critic) for p in net.parameters()]
        self._optimiser = torch.optim.Adam(parameters, lr=settings.lr, eps=1e-5, fused=True)
        self.decisions = 0
        self.updates = 0

    @property
    def want_state(self) -> bool:
        """Whether fragments must hold the state."""
        return self.settings.critic == "state"

    def _part(self, role: Role, generator: torch.Generator) -> _Part:
        s = self.settings
        actor = self._architecture.build(role, generator)
        models = len(actor.mean)
        seen = self.spec.state_size if s.critic == "state" else s.memory or feature_size(role)
        critic = CriticNet(models, seen, s.hidden, s.activation, generator)
        moments, state_moments = RunningMoments(feature_size(role)), RunningMoments(self.spec.state_size)
        return _Part(role, ActionHeads.of(role), actor, critic, moments, state_moments, ValueScale(models, s.value_decay))

    def update(self, fragments: Sequence[Fragment]) -> dict[str, float]:
        """Learn from the fragments of its roles; returns mean losses and diagnostics, prefixed by role where there are several.

        Raises DivergenceError where a loss is not finite; the weights are then those before the minibatch.
        """
        metrics: dict[str, float] = {}
        for fragment in fragments:
            part = self._parts[fragment.role.name]
            batch, returns = self._ready(part, fragment)
            found = self._learn(part, batch)
            found["explained_variance"] = _explained(returns, fragment.valid_TR)
            found["reward"] = float(fragment.reward_TR[fragment.valid_TR].mean())
            if self.settings.normalise:
                self._normalise(part, fragment)
            prefix = f"{part.role.name}/" if len(self._parts) > 1 else ""
            metrics.update({prefix + name: value for name, value in found.items()})
            self.decisions += fragment.decisions
        self.updates += 1
        metrics["lr"] = self._anneal()
        return metrics

    # from a fragment to tensors

    def _ready(self, part: _Part, fragment: Fragment) -> tuple[_Batch, tuple[Any, Any]]:
        role, s = part.role, self.settings
        shape = fragment.valid_TR.shape
        x_TRF = torch.from_numpy(features(role, fragment.observation).reshape(*shape, -1))
        cut_x = torch.from_numpy(features(role, fragment.cuts.observation))
        model_R = fragment.seat_R if s.separate else np.zeros(shape[1], np.int64)
        memory_RM = torch.from_numpy(fragment.memory_RM[:, : s.memory])
        first = torch.from_numpy(fragment.first_TR)
        state = torch.from_numpy(fragment.state_TRS)
        with torch.inference_mode():
            value, cut_value = self._values(part, x_TRF, state, first, memory_RM, model_R, fragment, cut_x)
        mean, std = part.values.mean.astype(np.float32), part.values.std.astype(np.float32)
        value_TR = value.numpy() * std[model_R] + mean[model_R]
        row_C = fragment.cuts.row_C
        cut_value_C = cut_value.numpy() * std[model_R[row_C]] + mean[model_R[row_C]]
        following = successor_values(value_TR, fragment.cuts.time_C, row_C, cut_value_C)
        cut_TR = fragment.cut_TR()
        advantage = gae(fragment.reward_TR, value_TR, following, fragment.terminated_TR, cut_TR, s.gamma, s.lam)
        target = advantage + value_TR
        learnable = fragment.valid_TR & (fragment.source_TR == POLICY)
        self._rescale(part, [target[:, model_R == m][learnable[:, model_R == m]] for m in range(len(std))])
        mean, std = part.values.mean.astype(np.float32), part.values.std.astype(np.float32)
        drawn = fragment.extras.get("drawn", fragment.action_TRK)
        batch = _Batch(
            x_TRF=x_TRF,
            state_TRS=state,
            mask_TRA=torch.from_numpy(fragment.mask_TRA) if role.mask_size else None,
            action_TRK=torch.from_numpy(np.ascontiguousarray(drawn)),
            logp_TR=torch.from_numpy(fragment.extras["logp"]),
            advantage_TR=torch.from_numpy(_standardised(advantage, learnable, model_R, len(std))),
            target_TR=torch.from_numpy((target - mean[model_R]) / std[model_R]),
            weight_TR=torch.from_numpy(learnable.astype(np.float32)),
            first_TR=first,
            memory_RM=memory_RM,
            model_R=model_R,
        )
        return batch, (target, value_TR)

    def _values(  # noqa: PLR0913
        self,
        part: _Part,
        x_TRF: Tensor,
        state_TRS: Tensor,
        first_TR: Tensor,
        memory_RM: Tensor,
        model_R: NDArray[np.int64],
        fragment: Fragment,
        cut_x_CF: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Normalised values of all entries (T, R) and of the successors at cuts (C,)."""
        s = self.settings
        row_C, time_C = fragment.cuts.row_C, fragment.cuts.time_C
        if s.critic == "state":
            seen, cut_seen = state_TRS, torch.from_numpy(fragment.cuts.state_CS)
        elif s.memory:
            units = _rows_of(model_R, len(part.actor.mean))
            seen_PTRM, after_PTRM = _unroll(part.actor, x_TRF, first_TR, memory_RM, units)
            seen, after = _unpack(seen_PTRM, units, x_TRF.shape[1]), _unpack(after_PTRM, units, x_TRF.shape[1])
            # the successor of a cut continues the memory that its decision left
            before = after[time_C, row_C]
            model_C = model_R[row_C]
            cut_seen = _by_model(cut_x_CF, model_C, before, part.actor)
        else:
            seen, cut_seen = x_TRF, cut_x_CF
        flat = _critic_rows(part.critic, seen.reshape(-1, seen.shape[-1]), np.tile(model_R, len(seen)))
        return flat.reshape(seen.shape[:2]), _critic_rows(part.critic, cut_seen, model_R[row_C])

    def _rescale(self, part: _Part, returns: Sequence[NDArray[np.float32]]) -> None:
        """Move the value scale and keep the critic's outputs where they were (PopArt, van Hasselt et al. 2016)."""
        old_mean, old_std = part.values.mean, part.values.std
        part.values.update(returns)
        new_mean, new_std = part.values.mean, part.values.std
        head = part.critic.head
        ratio = torch.from_numpy(old_std / new_std).float()[:, None, None]
        shift = torch.from_numpy((old_mean - new_mean) / new_std).float()[:, None, None]
        with torch.no_grad():
            head.weight.mul_(ratio)
            head.bias.mul_(ratio).add_(shift)

    # the update

    def _learn(self, part: _Part, batch: _Batch) -> dict[str, float]:
        totals: dict[str, float] = {}
        count = 0
        for epoch in range(self.settings.epochs):
            divergence = []
            for units in self._minibatches(part, batch):
                found = self._minibatch(part, batch, units)
                divergence.append(found["kl"])
                for name, value in found.items():
                    totals[name] = totals.get(name, 0.0) + value
                count += 1
            if self.settings.target_kl and float(np.mean(divergence)) > self.settings.target_kl:
                break
        totals["epochs"] = (epoch + 1) * count
        return {name: value / max(count, 1) for name, value in totals.items()}

    def _minibatches(self, part: _Part, batch: _Batch) -> Iterator[NDArray[np.int64]]:
        """Index tables (P, U) of units: flat entries, or rows where there is memory; -1 pads models with fewer."""
        models, (length, rows) = len(part.actor.mean), batch.weight_TR.shape
        recurrent = bool(self.settings.memory)
        weight = batch.weight_TR.numpy()
        pools = []
        for m in range(models):
            held = batch.model_R == m
            if recurrent:
                pools.append(np.flatnonzero(held & (weight.sum(0) > 0)))
            else:
                pools.append(np.flatnonzero((weight > 0) & held[None, :]))
        longest = max(len(pool) for pool in pools)
        if not longest:
            return
        size = max(1, self.settings.minibatch // length) if recurrent else self.settings.minibatch
        parts = max(1, round(longest / size))
        table = np.full((models, longest), -1, np.int64)
        for m, pool in enumerate(pools):
            table[m, : len(pool)] = self._random.permutation(pool)
        for chunk in np.array_split(np.arange(longest), parts):
            yield table[:, chunk]

    def _minibatch(self, part: _Part, batch: _Batch, units_PU: NDArray[np.int64]) -> dict[str, float]:
        s = self.settings
        out, seen, gather = self._forward(part, batch, units_PU)
        weight = gather(batch.weight_TR) * torch.from_numpy((units_PU >= 0).astype(np.float32)).repeat_interleave(
            1 if not s.memory else len(batch.weight_TR), dim=1
        )
        total = weight.sum(1, keepdim=True).clamp(min=1)
        mask = None if batch.mask_TRA is None else gather(batch.mask_TRA)
        logp, entropy = evaluate(part.heads, out, mask, part.actor.log_std, gather(batch.action_TRK))
        log_ratio = logp - gather(batch.logp_TR)
        ratio = log_ratio.exp()
        advantage = gather(batch.advantage_TR)
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - s.clip, 1 + s.clip) * advantage)
        value = part.critic(gather(batch.state_TRS) if s.critic == "state" else seen)
        error = torch.nn.functional.huber_loss(value, gather(batch.target_TR), reduction="none", delta=s.huber)

        def mean(x: Tensor) -> Tensor:
            return ((x * weight) / total).sum()

        policy_loss, value_loss, spread = -mean(gain), mean(error), mean(entropy)
        loss = policy_loss + s.value_weight * value_loss - s.entropy * spread
        if not torch.isfinite(loss):
            raise DivergenceError(
                f"ppo on {self.spec.arena}, role {part.role.name}, update {self.updates}",
                got=f"policy loss {policy_loss.item()}, value loss {value_loss.item()}",
                expected="finite losses",
                remedy="Lower lr, or look for extreme rewards or observations; the last checkpoint is kept.",
            )
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        norm = self._clip(part)
        self._optimiser.step()
        models = len(weight)
        with torch.no_grad():
            figures = torch.stack(
                [
                    policy_loss,
                    value_loss,
                    spread,
                    mean(ratio - 1 - log_ratio),
                    mean(((ratio - 1).abs() > s.clip).float()),
                    norm * models,
                ]
            )
        names = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction", "gradient_norm")
        return dict(zip(names, (figures / models).tolist(), strict=True))

    def _forward(self, part: _Part, batch: _Batch, units_PU: NDArray[np.int64]) -> tuple[Tensor, Tensor, Any]:
        """Head outputs and what a local critic sees, for a minibatch, and a function that gathers (T, R, ...) tensors alike."""
        length, rows = batch.weight_TR.shape
        safe = torch.from_numpy(np.maximum(units_PU, 0))
        models, count = safe.shape
        if self.settings.memory:
            seen_PTRM, _ = _unroll(part.actor, batch.x_TRF, batch.first_TR, batch.memory_RM, safe)
            seen = seen_PTRM.flatten(1, 2)
            flat = (torch.arange(length)[None, :, None] * rows + safe[:, None, :]).flatten(1)

            def gather(tensor: Tensor) -> Tensor:
                return tensor.flatten(0, 1)[flat]

            return part.actor.head(seen), seen, gather

        def pick(tensor: Tensor) -> Tensor:
            picked = tensor.flatten(0, 1).index_select(0, safe.flatten())
            return picked.reshape(models, count, *tensor.shape[2:])

        x = pick(batch.x_TRF)
        out, _ = part.actor(x, x.new_zeros((models, count, 0)))
        return out, x, pick

    def _clip(self, part: _Part) -> Tensor:
        """Clip each model's gradient on its own; returns the mean norm before."""
        gradients = [p.grad for net in (part.actor, part.critic) for p in net.parameters() if p.grad is not None]
        norm_P = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
        scale_P = (self.settings.max_grad_norm / (norm_P + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(scale_P.view(-1, *[1] * (gradient.dim() - 1)))
        return norm_P.mean()

    def _normalise(self, part: _Part, fragment: Fragment) -> None:
        """Let the inputs' moments take the fragment in; after the epochs, so that ratios start at one."""
        rows = features(part.role, fragment.observation)[fragment.valid_TR.ravel()]
        part.moments.update(rows)
        _set_scale(part.actor, part.moments)
        if self.settings.critic == "state":
            part.state_moments.update(fragment.state_TRS[fragment.valid_TR])
            _set_scale(part.critic, part.state_moments)
        elif not self.settings.memory:
            _set_scale(part.critic, part.moments)

    def _anneal(self) -> float:
        s = self.settings
        share = min(1.0, self.decisions / s.anneal_decisions) if s.anneal_decisions else 0.0
        lr = s.lr * (1 - share * (1 - s.lr_end))
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        return lr

    # what is kept

    def snapshot(self, folder: Path, lineage: Mapping[str, Any]) -> Path:
        """Write the policy as it is now; returns the folder, named by its content hash."""
        tensors = {
            f"{name}/actor.{key}": value.numpy().copy()
            for name, part in self._parts.items()
            for key, value in part.actor.state_dict().items()
        }
        manifest = {
            "kind": "policy",
            "arena": self.spec.arena,
            "version": self.spec.version,
            "architecture": self._architecture.to_json(),
            "roles": {
                name: {
                    "observation_space": part.role.observation_space,
                    "action_space": part.role.action_space,
                    "masked": part.role.masked,
                    "seats": list(part.role.seats),
                }
                for name, part in self._parts.items()
            },
            "lineage": dict(lineage),
        }
        return snapshot.write(folder, manifest, tensors)

    def checkpoint(self, folder: Path) -> Path:
        """Write everything needed to go on: weights, optimiser, moments, random state; named by its content hash."""
        tensors: dict[str, NDArray[Any]] = {}
        for name, part in self._parts.items():
            for kind, net in (("actor", part.actor), ("critic", part.critic)):
                tensors |= {f"{name}/{kind}.{key}": value.numpy().copy() for key, value in net.state_dict().items()}
            for kind, kept in (("moments", part.moments), ("state_moments", part.state_moments), ("values", part.values)):
                tensors |= {f"{name}/{kind}.{key}": value for key, value in kept.state().items()}
        for i, held in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{i}.{key}": value.numpy().copy() for key, value in held.items()}
        manifest = {
            "kind": "checkpoint",
            "learner": "ppo",
            "settings": self.settings.model_dump(mode="json"),
            "spec": self.spec.hash,
            "decisions": self.decisions,
            "updates": self.updates,
            "random": json.dumps(self._random.bit_generator.state),
        }
        return snapshot.write(folder, manifest, tensors)

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint of the same settings and arena; SnapshotError says what differs."""
        manifest, tensors = snapshot.read(folder)
        for key, own in (("kind", "checkpoint"), ("learner", "ppo"), ("spec", self.spec.hash)):
            if manifest.get(key) != own:
                raise SnapshotError(f"{folder}: {key}", got=repr(manifest.get(key)), expected=repr(own))
        for name, part in self._parts.items():
            for kind, net in (("actor", part.actor), ("critic", part.critic)):
                prefix = f"{name}/{kind}."
                net.load_state_dict(
                    {k.removeprefix(prefix): torch.from_numpy(v.copy()) for k, v in tensors.items() if k.startswith(prefix)}
                )
            for kind, kept in (("moments", part.moments), ("state_moments", part.state_moments), ("values", part.values)):
                prefix = f"{name}/{kind}."
                kept.load({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        state = self._optimiser.state_dict()
        held: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimiser/"):
                index, _, field = key.removeprefix("optimiser/").partition(".")
                held.setdefault(int(index), {})[field] = torch.from_numpy(value.copy())
        state["state"] = held
        self._optimiser.load_state_dict(state)
        self.decisions, self.updates = manifest["decisions"], manifest["updates"]
        self._random.bit_generator.state = json.loads(manifest["random"])
        self._anneal()


def _set_scale(net: ActorNet | CriticNet, moments: RunningMoments) -> None:
    net.mean.copy_(torch.from_numpy(moments.mean).float().expand_as(net.mean))
    net.scale.copy_(torch.from_numpy(moments.scale).float().expand_as(net.scale))


def _standardised(
    advantage: NDArray[np.float32], learnable: NDArray[np.bool_], model_R: NDArray[np.int64], models: int
) -> NDArray[np.float32]:
    """Advantages of each model with mean 0 and spread 1 over the entries it learns from."""
    result = advantage.copy()
    for m in range(models):
        held = learnable & (model_R == m)[None, :]
        if held.any():
            values = advantage[held]
            result[held] = (values - values.mean()) / (values.std() + 1e-8)
    return result


def _explained(pair: tuple[NDArray[np.float32], NDArray[np.float32]], valid_TR: NDArray[np.bool_]) -> float:
    """1 - Var(target - value) / Var(target)."""
    target, value = pair[0][valid_TR], pair[1][valid_TR]
    variance = float(target.var())
    return 1 - float((target - value).var()) / variance if variance > 1e-12 else 0.0


def _critic_rows(critic: CriticNet, x_RF: Tensor, model_R: NDArray[np.int64]) -> Tensor:
    """Values of flat rows, each by its own model."""
    if len(critic.mean) == 1:
        return critic(x_RF.unsqueeze(0))[0]
    value = x_RF.new_zeros(len(x_RF))
    units = _rows_of(model_R, len(critic.mean))
    found = critic(x_RF[units.clamp(min=0)])
    held = units >= 0
    value[units[held]] = found[held]
    return value


def _rows_of(model_R: NDArray[np.int64], models: int) -> Tensor:
    """The rows of each model as a table (P, most), padded with -1."""
    pools = [np.flatnonzero(model_R == m) for m in range(models)]
    table = np.full((models, max(max(len(pool) for pool in pools), 1)), -1, np.int64)
    for m, pool in enumerate(pools):
        table[m, : len(pool)] = pool
    return torch.from_numpy(table)


def _unroll(
    actor: ActorNet, x_TRF: Tensor, first_TR: Tensor, memory_RM: Tensor, rows_PR: Tensor
) -> tuple[Tensor, Tensor]:
    """Run memory along T for chosen rows: what the heads saw and the memory left, each (P, T, rows, M)."""
    rows = rows_PR.clamp(min=0)
    memory = memory_RM[rows]
    seen, left = [], []
    for t in range(len(x_TRF)):
        memory = torch.where(first_TR[t][rows].unsqueeze(-1), torch.zeros_like(memory), memory)
        features_PRM, memory = actor.features(x_TRF[t][rows], memory)
        seen.append(features_PRM)
        left.append(memory)
    return torch.stack(seen, 1), torch.stack(left, 1)


def _unpack(table_PTRM: Tensor, units_PR: Tensor, rows: int) -> Tensor:
    """(P, T, rows of each model, M) back to (T, R, M)."""
    result = table_PTRM.new_zeros((table_PTRM.shape[1], rows, table_PTRM.shape[3]))
    for m in range(len(units_PR)):
        held = units_PR[m] >= 0
        result[:, units_PR[m][held]] = table_PTRM[m][:, held]
    return result


def _by_model(x_CF: Tensor, model_C: NDArray[np.int64], before_CM: Tensor, actor: ActorNet) -> Tensor:
    """What the heads would see after each cut's successor."""
    result = torch.zeros_like(before_CM)
    units = _rows_of(model_C, len(actor.mean))
    if not len(x_CF):
        return result
    seen, _ = actor.features(x_CF[units.clamp(min=0)], before_CM[units.clamp(min=0)])
    held = units >= 0
    result[units[held]] = seen[held]
    return result
