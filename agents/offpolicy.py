"""What learners from replay share: settings, when to learn, what is kept. `agents.dqn`, `agents.maddpg`.

Axes as in `agents.replay`.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from agents import checkpoint, snapshot
from agents.devices import PATTERN, device_of, to_array, to_tensor
from agents.distributions import ActionHeads
from agents.features import feature_size, features
from agents.frozen import write_policy
from agents.gradients import EXPLODED, exploded, held_still
from agents.images import pictures_of
from agents.netpolicy import Architecture, NetPolicy
from agents.normalise import RunningMoments
from agents.prioritised import Prioritised, Uniform
from agents.replay import Batch, RoleSteps, Store
from marl.errors import DivergenceError, SpecError
from marl.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from agents.adam import Adam
    from agents.checkpoint import Part
    from agents.networks import ActorNet
    from marl.fragment import Fragment
    from marl.spec import Role, Spec


class ReplaySettings(Settings):
    """What all learners from replay can be told. A step is one of a copy, with all own seats."""

    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="units of each hidden layer")
    activation: Literal["tanh", "relu"] = Field("relu", description="after each hidden layer")
    separate: bool = Field(
        default=False, description="own parameters for each seat of a role, instead of shared ones"
    )
    images: Literal["cnn", "flat"] = Field(
        "cnn", description="images are seen through convolutions, or as features like any others"
    )
    lr: float = Field(1e-3, gt=0, description="Adam's step size at the start")
    lr_end: float = Field(1.0, ge=0, le=1, description="share of lr that is left after anneal_steps")
    anneal_steps: int = Field(0, ge=0, description="steps over which lr falls linearly; 0: it stays")
    gamma: float = Field(0.95, ge=0, le=1, description="discount of one own decision")
    n_step: int = Field(1, ge=1, description="rewards that are summed before a value is asked")
    batch: int = Field(256, ge=1, description="steps of an update")
    every: int = Field(16, ge=1, description="fresh steps to an update")
    warmup: int = Field(1000, ge=1, description="steps in the replay before the first update")
    capacity: int = Field(100_000, ge=2, description="steps that the replay holds")
    tau: float = Field(0.01, gt=0, le=1, description="how far targets follow at an update (Polyak)")
    huber: float = Field(1.0, gt=0, description="where the loss turns linear, in units of the return")
    max_grad_norm: float = Field(10.0, gt=0, description="norm to which each net's gradient is clipped")
    normalise: bool = Field(default=True, description="whether inputs are scaled to unit moments")
    prioritised: bool = Field(default=False, description="whether steps with large errors are drawn more")
    alpha: float = Field(0.6, ge=0, le=1, description="how much priorities matter; 0: not at all")
    beta: float = Field(0.4, ge=0, le=1, description="how far importance weights correct, at the start")
    beta_steps: int = Field(100_000, ge=1, description="steps over which beta rises linearly to 1")
    device: str = Field("cpu", pattern=PATTERN, description="where it learns and acts: cpu, cuda or cuda:N")
    keep_replay: bool = Field(
        default=True, description="whether checkpoints hold the replay; without it one is filled anew"
    )


class OffPolicy:
    """Fills the replay and asks `_learn` for an update every so many steps. A learner fills in the rest."""

    name: ClassVar[str]
    figures: ClassVar[tuple[str, ...]]
    """The names of what `_learn` returns."""

    def __init__(
        self,
        spec: Spec,
        settings: ReplaySettings,
        seed: int,
        roles: Sequence[str],
        *,
        head: str,
        joint: bool,
        want_state: bool,
    ) -> None:
        self.spec, self._s, self._head, self.want_state = spec, settings, head, want_state
        self.roles = [spec.role(name) for name in roles] if roles else list(spec.roles)
        self.decisions = self.updates = self.steps = self._owed = 0
        self._device = device_of(settings.device, f"{self.name} on {spec.arena}")
        self._greatest_reward = 1.0
        self._random = np.random.default_rng(seed)
        self._generator = torch.Generator().manual_seed(seed % 2**63)
        for role in self.roles:
            self._check_role(role)
        if joint and spec.turns:
            raise self._refused("seats that take turns", "seats that decide at the same time", "dqn or iddpg")
        if want_state and not spec.state_size:
            raise self._refused("no state", "an arena with `state()` and a `state_space`", "vdn")
        state_size = spec.state_size if want_state else 0
        self.store = Store(
            self.roles, settings.capacity, state_size, settings.gamma, settings.n_step, joint=joint
        )
        self.sampler = (
            Prioritised(settings.capacity, settings.alpha)
            if settings.prioritised
            else Uniform(settings.capacity)
        )
        still = {r.name: [p.span for p in self._architecture.pictures(r)] for r in self.roles}
        self._moments = {r.name: RunningMoments(feature_size(r), still[r.name]) for r in self.roles}
        self._nets: dict[str, ActorNet] = {
            role.name: self._architecture.build(role, self._generator).to(self._device) for role in self.roles
        }
        self.heads = {role.name: ActionHeads.of(role) for role in self.roles}
        self.policy = NetPolicy(spec, self._nets)

    def update(self, fragments: Sequence[Fragment]) -> dict[str, float]:
        """Put fragments into the replay and learn from it; returns means of the figures of its updates.

        DivergenceError where a loss or gradient is not finite, or has exploded; the policy is then that
        before the update.
        """
        *_, metrics = self.updating(fragments)
        return metrics

    def updating(self, fragments: Sequence[Fragment]) -> Iterator[dict[str, float]]:
        """`update` with a pause after each of its updates: {} there, the figures at last."""
        s = self._s
        for fragment in fragments:
            moments = self._moments[fragment.role.name]
            if s.normalise:
                moments.update(features(fragment.role, fragment.observation)[fragment.valid_TR.ravel()])
            self.decisions += fragment.decisions
            self._heed(fragment.reward_TR)
        written, teaches = self.store.add(fragments)
        self.sampler.add(written, teaches)
        fresh = int(teaches.sum())
        self.steps += fresh
        self._scale()
        self._anneal()
        found = []
        if len(self.sampler) >= min(s.warmup, s.capacity // 2):
            self._owed += fresh
            while self._owed >= s.every:
                self._owed -= s.every
                found.append(self._update())
                yield {}
        self._settle()
        means = np.mean(found, axis=0) if found else []
        yield {
            **dict(zip(self.figures, map(float, means), strict=False)),
            "reward": self._mean_reward(fragments),
            "lr": self.lr,
            "replay": float(len(self.sampler)),
            "updates": float(self.updates),
        }

    def _update(self) -> list[float]:
        s = self._s
        beta = s.beta + (1 - s.beta) * min(1.0, self.steps / s.beta_steps)
        batch = self.store.read(*self.sampler.draw(s.batch, self._random, beta))
        figures, error_B = self._learn(batch)
        self.sampler.judge(batch.index_B, to_array(error_B))
        self.updates += 1
        return figures

    # what a learner fills in

    def _learn(self, batch: Batch) -> tuple[list[float], Tensor]:
        """One update; returns its figures, and the size of the error of each step."""
        raise NotImplementedError

    def _kept(self) -> dict[str, Part]:
        """What a checkpoint holds beside moments, replay and random state."""
        raise NotImplementedError

    def _check_role(self, role: Role) -> None:
        """Raise SpecError where it cannot learn the role's actions."""

    def _settle(self) -> None:
        """What the policy needs before it acts again."""

    def _frozen(self) -> dict[str, ActorNet]:
        """The nets as a snapshot holds them."""
        return self._nets

    def _follow_lr(self, lr: float) -> None:
        """Let optimisers use this step size from now on."""
        raise NotImplementedError

    # what they share

    @property
    def lr(self) -> float:
        """The step size as it is now."""
        s = self._s
        share = min(1.0, self.steps / s.anneal_steps) if s.anneal_steps else 0.0
        return s.lr * (1 - share * (1 - s.lr_end))

    def _anneal(self) -> None:
        self._follow_lr(self.lr)

    def _scale(self) -> None:
        """Let nets scale inputs by the moments as they are now; targets share them."""
        for name, net in self._nets.items():
            net.inputs.set(self._moments[name])

    def _seen(self, role: Role, steps: RoleSteps) -> Tensor:
        """What each seat saw as scaled inputs, (n, B, F)."""
        x = self._tensor(features(role, steps.observation))
        x = self._nets[role.name].inputs.shared(x)
        return x.view(len(steps.action_BnK), len(role.seats), -1).transpose(0, 1)

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return to_tensor(array, self._device)

    def _by_model(self, rows_nBX: Tensor) -> Tensor:
        """Rows of each seat (n, B, X) as those of each model, (P, rows, X): of its own, or one for all."""
        return rows_nBX if self._s.separate else rows_nBX.flatten(0, 1).unsqueeze(0)

    def _move(self, optimiser: Adam, nets: Mapping[str, nn.Module], batch: Batch) -> None:
        """A step of the optimiser; models without a step to learn from stay, as momentum would move them."""
        with ExitStack() as held:
            for name, net in nets.items():
                taught_n = np.asarray(batch.teaches_BN[:, self.store.columns[name]].any(0))
                taught_P = taught_n if self._s.separate else np.array([taught_n.any()])
                parameters = list(net.parameters())
                twins = len(parameters[0]) // len(taught_P)
                idle = np.flatnonzero(~np.tile(taught_P, twins)).tolist()
                held.enter_context(held_still(parameters, optimiser, idle))
            optimiser.step()

    def _check(self, figures: Tensor) -> list[float]:
        """The figures of an update as numbers; DivergenceError where they are none, or beyond all rewards."""
        numbers: list[float] = to_array(figures).tolist()
        if exploded(numbers, self._greatest_reward):
            raise DivergenceError(
                f"{self.name} on {self.spec.arena}, update {self.updates}",
                got=str(numbers),
                expected=f"finite losses and gradients, at most {EXPLODED:g} of the greatest reward's square",
                remedy="Lower lr, or look for extreme rewards or observations.",
            )
        return numbers

    def _heed(self, reward: NDArray[np.float32]) -> None:
        """Values may be as large as rewards make them."""
        self._greatest_reward = max(self._greatest_reward, float(np.abs(reward).max(initial=0.0)))

    def _refused(self, got: str, expected: str, instead: str) -> SpecError:
        return SpecError(
            f"{self.name} on {self.spec.arena}",
            got=got,
            expected=expected,
            remedy=f"Use {instead}; docs/reference/learners.md says what supports what.",
        )

    @property
    def _architecture(self) -> Architecture:
        s = self._s
        images = s.images if any(map(pictures_of, self.roles)) else "flat"
        return Architecture(s.hidden, s.activation, 0, s.separate, self._head, images=images)

    @staticmethod
    def _mean_reward(fragments: Sequence[Fragment]) -> float:
        total = sum(float(f.reward_TR[f.valid_TR].sum()) for f in fragments)
        return total / max(1, sum(f.decisions for f in fragments))

    # what is kept

    def snapshot(self, folder: Path, lineage: Mapping[str, Any]) -> Path:
        """Write the policy as it is now; returns the folder, named by its content hash."""
        return write_policy(folder, self.spec, self._frozen(), self._architecture, lineage)

    def checkpoint(self, folder: Path) -> Path:
        """Write all that is needed to go on; named by its hash. With `keep_replay` that is everything."""
        arrays = checkpoint.pack(self._all_kept())
        if self._s.keep_replay:
            arrays |= {f"replay.{name}": array for name, array in self.store.state().items()}
            arrays |= {f"sampler.{name}": array for name, array in self.sampler.state().items()}
        manifest = {
            **self._identity(),
            "settings": self._s.model_dump(mode="json"),
            "counts": [self.decisions, self.updates, self.steps, self._owed],
            "random": json.dumps(self._random.bit_generator.state),
        }
        return snapshot.write(folder, manifest, arrays)

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint of equal arena, roles and architecture; SnapshotError says what differs."""
        manifest, arrays = snapshot.read(folder)
        checkpoint.check(folder, manifest, self._identity())
        checkpoint.unpack(self._all_kept(), arrays, str(folder))
        self.decisions, self.updates, self.steps, self._owed = manifest["counts"]
        self._random.bit_generator.state = json.loads(manifest["random"])
        for part, prefix in ((self.store, "replay."), (self.sampler, "sampler.")):
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            if own:
                part.load(own)
        self._heed(self.store.reward_CN[: self.store.size])
        self._anneal()

    def _identity(self) -> dict[str, Any]:
        """What has to agree between a checkpoint and who goes on from it."""
        s = self._s
        return {
            "kind": "checkpoint",
            "learner": self.name,
            "spec": self.spec.hash,
            "roles": [role.name for role in self.roles],
            "architecture": self._architecture.to_json(),
            "replay": [s.capacity, s.prioritised, s.gamma, s.n_step],
        }

    def _all_kept(self) -> dict[str, Part]:
        return {**self._kept(), **{f"{name}/moments": m for name, m in self._moments.items()}}


@torch.no_grad()
def follow(targets: Iterable[nn.Module], nets: Iterable[nn.Module], tau: float) -> None:
    """Let the parameters of targets go the share `tau` of the way to those of nets (Polyak averaging)."""
    for target, net in zip(targets, nets, strict=True):
        for slow, fast in zip(target.parameters(), net.parameters(), strict=True):
            slow.lerp_(fast, tau)
