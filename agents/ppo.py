"""PPO (Schulman et al. 2017): clipped surrogate, GAE, masks, memory, a local or a central critic.

One epoch of one minibatch is the plain policy gradient: A2C, or REINFORCE with `lam = 1, weigh = "return"`.

Fragment to batch, update, loss: read it top to bottom; settings are in `agents.ppo_settings`. Axes: T own
decisions, R rows, P models, C cuts, N units of a batch and U of a minibatch (`agents.ppo_batch`), F features,
M memory, A and K as in `agents.distributions`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from agents import checkpoint, snapshot
from agents.actorcritic import ActorCritic
from agents.adam import Adam
from agents.devices import device_of, to_array, to_tensor
from agents.distributions import evaluate
from agents.frozen import write_policy
from agents.gradients import EXPLODED, clip_by_model, exploded, held_still
from agents.images import pictures_of
from agents.minibatches import minibatches
from agents.netpolicy import Architecture, NetPolicy
from agents.ppo_batch import Batch, entries, taking, weights
from agents.ppo_settings import MAPPOSettings, PPOSettings
from marl.errors import DivergenceError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from agents.checkpoint import Part
    from marl.fragment import Fragment
    from marl.spec import Spec

PACE, FASTEST = 1.5, 100.0
"""By how much lr follows the KL at once, and in all, where it does."""
MOST_WEIGHT = 2.0
"""An advantage counts at most so many times where the present weights would rather do what older ones did."""
MINIBATCHES = 8
"""Of a pass, where `minibatch` is left open."""
FIGURES = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction", "gradient_norm")
_BOUNDED = [FIGURES.index(name) for name in ("policy_loss", "value_loss", "gradient_norm")]


class PPO:
    """The learner of `roles` (default: all). `seed` starts its networks and orders its minibatches."""

    Settings: ClassVar[type[PPOSettings]] = PPOSettings
    name = "ppo"

    def __init__(self, spec: Spec, settings: PPOSettings, seed: int, roles: Sequence[str] = ()) -> None:
        self.spec, self.settings = spec, settings
        self.want_state = settings.critic == "state"
        self.decisions = self.updates = 0
        if self.want_state and not spec.state_size:
            raise SpecError(
                f"{self.name} on {spec.arena}",
                got='critic = "state"',
                expected="an arena with `state()` and a `state_space`",
                remedy='Use ppo, or critic = "own".',
            )
        held = [spec.role(name) for name in roles] if roles else list(spec.roles)
        self._random = np.random.default_rng(seed)
        self._device = device_of(settings.device, f"{self.name} on {spec.arena}")
        self._architecture = Architecture(
            settings.hidden,
            settings.activation,
            settings.memory,
            settings.separate,
            box=settings.box,
            spread=settings.spread,
            images=settings.images if any(map(pictures_of, held)) else "flat",
        )
        generator = torch.Generator().manual_seed(seed % 2**63)
        state_size = spec.state_size if self.want_state else 0
        self._parts = {
            role.name: ActorCritic(
                role, self._architecture, state_size, settings.value_decay, generator, self._device
            )
            for role in held
        }
        for part in self._parts.values():
            if part.actor.log_std is not None:
                part.actor.log_std.data.fill_(math.log(settings.explore))
        self._nets = {name: part.actor for name, part in self._parts.items()}
        self.policy = NetPolicy(spec, self._nets)
        parameters = [parameter for part in self._parts.values() for parameter in part.parameters()]
        self._optimiser = Adam(parameters, settings.lr, decay=settings.momentum)
        self._entropy = settings.entropy
        self._pace = 1.0

    def update(self, fragments: Sequence[Fragment]) -> dict[str, float]:
        """Learn from fragments of its roles; returns means of FIGURES and more, by role if it has several.

        Raises DivergenceError where a loss or gradient is not finite, or has exploded; the weights are then
        those before the minibatch.
        """
        *_, metrics = self.updating(fragments)
        return metrics

    def updating(self, fragments: Sequence[Fragment]) -> Iterator[dict[str, float]]:
        """`update` with a pause after each minibatch: {} there, the figures at last."""
        metrics: dict[str, float] = {}
        for fragment in fragments:
            part = self._parts[fragment.role.name]
            batch, figures = self._ready(part, fragment)
            part.actor.requires_grad_(not self._warming)
            if self.policy.is_held:
                yield from self._renew(part, batch)
            figures |= yield from self._learn(part, batch)
            if self.settings.normalise:
                part.normalise(fragment)
            prefix = f"{part.role.name}/" if len(self._parts) > 1 else ""
            metrics |= {prefix + name: value for name, value in figures.items()}
            self.decisions += fragment.decisions
        self.updates += 1
        self._anneal()
        yield metrics | {"lr": self._optimiser.lr}

    @property
    def _warming(self) -> bool:
        """Whether only the critic learns: the advice of a new one spoils a policy that is good."""
        return self.decisions < self.settings.warm_up

    # from a fragment to a batch

    def _ready(self, part: ActorCritic, fragment: Fragment) -> tuple[Batch, dict[str, float]]:
        s = self.settings
        seen = part.see(fragment)
        judged = part.judge(fragment, seen, s.gamma, s.lam, s.weigh)

        def units(array: NDArray[Any] | Tensor) -> Tensor:
            tensor = to_tensor(array, self._device) if isinstance(array, np.ndarray) else array
            return tensor.transpose(0, 1).contiguous() if s.memory else tensor.flatten(0, 1)

        learnable, model_R = judged.learnable_TR, seen.model_R
        taught = learnable.any(0) if s.memory else learnable.ravel()
        unit_model = model_R if s.memory else np.broadcast_to(model_R, learnable.shape).ravel()
        drawn = fragment.extras["drawn"] if part.heads.boxes else fragment.action_TRK.astype(np.int64)
        batch = Batch(
            pools=[np.flatnonzero(taught & (unit_model == model)) for model in range(part.models)],
            actor_NF=units(seen.actor_TRF),
            central_NF=None if seen.central_TRF is None else units(seen.central_TRF),
            legal_NA=units(fragment.mask_TRA > 0) if part.role.mask_size else None,
            action_NK=units(drawn),
            logp_N=units(fragment.extras["logp"]),
            advantage_N=units(judged.advantage_TR),
            target_N=units(judged.target_TR),
            weight_N=units(learnable.astype(np.float32)),
            first_RT=seen.first_RT,
            memory_RM=seen.memory_RM,
        )
        return batch, judged.figures

    def _renew(self, part: ActorCritic, batch: Batch) -> Iterator[dict[str, float]]:
        """Let ratios start at 1 where older weights played: the rest weighs advantages (Hilton et al. 2022).

        Their decoupled objective: the present weights are the proximal policy. Weights end at MOST_WEIGHT.
        Pauses after as much as a minibatch has.
        """
        for units_PU in minibatches(batch.pools, self._units(batch), None):
            with torch.no_grad():
                units = to_tensor(units_PU, self._device)
                logp, _, _ = self._think(part, batch, taking(units))
                now = logp.view(*units.shape, *batch.logp_N.shape[1:])[units >= 0]
                units = units[units >= 0]
                # what counts for nothing may be no number
                log_weight = torch.where(batch.weight_N[units] > 0, now - batch.logp_N[units], 0.0)
                batch.advantage_N[units] *= log_weight.exp().clamp(max=MOST_WEIGHT)
                batch.logp_N[units] = now
            yield {}

    # loss and update

    def _learn(self, part: ActorCritic, batch: Batch) -> Generator[dict[str, float], None, dict[str, float]]:
        s = self.settings
        found: list[Tensor] = []
        epochs = 0
        idle = [model for model, pool in enumerate(batch.pools) if not len(pool)]
        with held_still(part.parameters(), self._optimiser, idle):
            for _ in range(s.epochs):
                passed = []
                for units_PU in self._tables(batch):
                    passed.append(self._minibatch(part, batch, units_PU))
                    yield {}
                epochs += 1
                found += passed
                if not passed:
                    break
                kl = _means(passed)[FIGURES.index("kl")]
                if s.adapt and not self._warming:
                    self._follow(kl)
                if 0 < s.target_kl < kl:
                    break
        means = _means(found) if found else [0.0] * len(FIGURES)
        return {**dict(zip(FIGURES, means, strict=True)), "epochs": float(epochs)}

    def _units(self, batch: Batch) -> float:
        """Units of a minibatch."""
        if self.settings.minibatch is None:
            return max(1, *map(len, batch.pools)) / MINIBATCHES
        return max(1, self.settings.minibatch // self._length(batch))

    def _length(self, batch: Batch) -> int:
        """Decisions of a unit."""
        return batch.first_RT.shape[1] if self.settings.memory else 1

    def _tables(self, batch: Batch) -> Iterator[NDArray[np.int64]]:
        """One pass: the units of each minibatch."""
        return minibatches(batch.pools, self._units(batch), self._random)

    def _minibatch(self, part: ActorCritic, batch: Batch, units_PU: NDArray[np.int64]) -> Tensor:
        """One step of the optimiser; returns FIGURES, averaged over models."""
        models = len(units_PU)
        self._optimiser.zero_grad()
        loss, figures = self._loss(part, batch, units_PU)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        norm = clip_by_model(part.parameters(), self.settings.max_grad_norm).sum()
        figures = torch.cat([figures, norm.view(1)]) / models
        numbers = to_array(figures)
        # the KL of ratios that are clipped has no bound
        if exploded(numbers[_BOUNDED]) or not np.isfinite(numbers).all():
            raise DivergenceError(
                f"{self.name} on {self.spec.arena}, role {part.role.name}, update {self.updates}",
                got=str(dict(zip(FIGURES, numbers.tolist(), strict=True))),
                expected=f"finite losses and gradients, at most {EXPLODED:g}",
                remedy="Lower lr, or look for extreme rewards or observations.",
            )
        self._optimiser.step()
        return figures

    def _follow(self, kl: float) -> None:
        """Let lr follow the KL of an epoch (Rudin et al. 2022, appendix A)."""
        target = self.settings.target_kl
        factor = 1 / PACE if kl > 2 * target else PACE if kl < target / 2 else 1.0
        self._pace = min(max(self._pace * factor, 1 / FASTEST), FASTEST)
        self._anneal()

    def _loss(self, part: ActorCritic, batch: Batch, units_PU: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The sum of the models' losses, and sums over models of all FIGURES but the gradient's norm."""
        s = self.settings
        units = to_tensor(units_PU, self._device)
        rows = taking(units)
        gather = entries(rows, memory=s.memory > 0)
        logp, entropy, critic_sees = self._think(part, batch, rows)
        weight = weights(units, gather(batch.weight_N))

        def mean(x: Tensor) -> Tensor:
            return (x * weight).sum()

        # entries that count for nothing must not overflow either
        log_ratio = torch.where(weight > 0, logp - gather(batch.logp_N), 0.0)
        ratio, advantage = log_ratio.exp(), gather(batch.advantage_N)
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - s.clip, 1 + s.clip) * advantage)
        error = torch.nn.functional.huber_loss(
            part.critic(critic_sees), gather(batch.target_N), reduction="none", delta=s.huber
        )
        policy_loss, value_loss, spread = -mean(gain), mean(error), mean(entropy)
        loss = policy_loss + s.value_weight * value_loss - self._entropy * spread
        with torch.no_grad():
            clipped = mean(((ratio - 1).abs() > s.clip).float())
            figures = torch.stack([policy_loss, value_loss, spread, mean(ratio - 1 - log_ratio), clipped])
        return loss, figures

    def _think(
        self, part: ActorCritic, batch: Batch, rows: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities and entropies of what was done in some rows, and what the critic sees there."""
        memory = self.settings.memory > 0
        gather = entries(rows, memory=memory)
        if memory:
            unrolled = part.actor.unroll(rows(batch.actor_NF), rows(batch.first_RT), rows(batch.memory_RM))
            critic_sees = seen = unrolled.flatten(1, 2)
        else:
            critic_sees = gather(batch.actor_NF)
            seen = part.actor.body(critic_sees)
        if batch.central_NF is not None:
            critic_sees = gather(batch.central_NF)
        legal = None if batch.legal_NA is None else gather(batch.legal_NA)
        out, action = part.actor.head(seen), gather(batch.action_NK)
        return *evaluate(part.heads, out, legal, part.actor.log_std, action), critic_sees

    def _anneal(self) -> None:
        """Set what depends on how many decisions have been learned from."""
        s = self.settings
        share = min(1.0, self.decisions / s.anneal_decisions) if s.anneal_decisions else 0.0
        self._optimiser.lr = self._pace * s.lr * (1 - share * (1 - s.lr_end))
        self._entropy = s.entropy * (1 - share * (1 - s.entropy_end))

    # what is kept

    def snapshot(self, folder: Path, lineage: Mapping[str, Any]) -> Path:
        """Write the policy as it is now; returns the folder, named by its content hash."""
        return write_policy(folder, self.spec, self._nets, self._architecture, lineage)

    def checkpoint(self, folder: Path) -> Path:
        """Write all that is needed to go on: weights, optimiser, moments, random state; named by its hash."""
        manifest = {
            **self._identity(),
            "settings": self.settings.model_dump(mode="json"),
            "decisions": self.decisions,
            "updates": self.updates,
            "pace": self._pace,
            "random": json.dumps(self._random.bit_generator.state),
        }
        return snapshot.write(folder, manifest, checkpoint.pack(self._kept()))

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint of equal arena, roles and architecture; SnapshotError says what differs."""
        manifest, arrays = snapshot.read(folder)
        checkpoint.check(folder, manifest, self._identity())
        checkpoint.unpack(self._kept(), arrays, str(folder))
        self.decisions, self.updates = manifest["decisions"], manifest["updates"]
        self._pace = manifest.get("pace", 1.0)
        self._random.bit_generator.state = json.loads(manifest["random"])
        self._anneal()

    def _identity(self) -> dict[str, Any]:
        """What has to agree between a checkpoint and who goes on from it."""
        return {
            "kind": "checkpoint",
            "learner": "ppo",
            "spec": self.spec.hash,
            "roles": list(self._parts),
            "architecture": self._architecture.to_json(),
            "critic": self.settings.critic,
        }

    def _kept(self) -> dict[str, Part]:
        kept: dict[str, Part] = {"optimiser": self._optimiser}
        for part in self._parts.values():
            kept |= part.kept()
        return kept


class MAPPO(PPO):
    """Multi-agent PPO (Yu et al. 2022): PPO with `critic = "state"`."""

    Settings = MAPPOSettings
    name = "mappo"


def _means(figures: Sequence[Tensor]) -> list[float]:
    """Over minibatches."""
    means: list[float] = to_array(torch.stack(list(figures)).mean(0)).tolist()
    return means
