"""DQN for many seats: independent learners, VDN and QMIX, which differ only in how values are mixed.

Double (van Hasselt et al. 2016), dueling, n-step, prioritised replay, noisy heads: all are settings.
Axes: B batch, N seats, n seats of one role, G teams, A actions.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field

from agents.adam import Adam
from agents.distributions import MASKED
from agents.gradients import clip_by_model
from agents.mixing import QMixer, SumMix, Teams
from agents.normalise import RunningMoments
from agents.offpolicy import OffPolicy, ReplaySettings, follow
from agents.valuenet import ValueNet
from marl.errors import SpecError
from marl.spaces import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from agents.checkpoint import Part
    from agents.networks import ActorNet
    from agents.replay import Batch, RoleSteps
    from marl.fragment import Fragment
    from marl.spec import Role, Spec

Mix = Literal["none", "sum", "qmix"]
_MIX = "whose value is learned: each seat's, the sum of a team's, or QMIX's mixture"


class DQNSettings(ReplaySettings):
    """DQN's settings."""

    mix: Mix = Field("none", description=_MIX)
    team: Literal["arena", "all"] = Field(
        "arena", description="whom a mixture is of: teams as the arena has them, or all own seats"
    )
    mixer: int = Field(32, ge=1, description="units of QMIX's mixing net")
    double: bool = Field(default=True, description="the net picks the next action, the target judges it")
    dueling: bool = Field(default=False, description="values and advantages apart in the head")
    noisy: bool = Field(default=False, description="learned noise in the head; use it with epsilon = 0")
    epsilon: float = Field(1.0, ge=0, le=1, description="share of random actions at the start")
    epsilon_end: float = Field(0.05, ge=0, le=1, description="and after explore_steps, and in snapshots")
    explore_steps: int = Field(20_000, ge=1, description="steps over which epsilon falls linearly")


class VDNSettings(DQNSettings):
    """DQN's settings, with a sum as mixture."""

    mix: Mix = Field("sum", description=_MIX)


class QMIXSettings(DQNSettings):
    """DQN's settings, with QMIX's mixture."""

    mix: Mix = Field("qmix", description=_MIX)


class DQN(OffPolicy):
    """The learner of `roles` (default: all). `seed` starts its networks and draws its batches."""

    Settings: ClassVar[type[DQNSettings]] = DQNSettings
    name = "dqn"
    figures = ("loss", "td_error", "value", "gradient_norm")

    def __init__(self, spec: Spec, settings: DQNSettings, seed: int, roles: Sequence[str] = ()) -> None:
        self.settings = settings
        mixed = settings.mix != "none"
        head = "noisy " * settings.noisy + ("dueling" if settings.dueling else "values")
        super().__init__(
            spec, settings, seed, roles, head=head, joint=mixed, want_state=settings.mix == "qmix"
        )
        self._q = {name: net for name, net in self._nets.items() if isinstance(net, ValueNet)}
        self._targets = _still_copy(self._q)
        seats = [seat for role in self.roles for seat in role.seats]
        self._teams = Teams(self._groups(seats), len(seats))
        self._state_moments = RunningMoments(spec.state_size)
        self._mixer: SumMix | QMixer = SumMix(self._teams).to(self._device)
        if settings.mix == "qmix":
            mixer = QMixer(self._teams, spec.state_size, settings.mixer, self._generator)
            self._mixer = mixer.to(self._device)
        self._mixer_target = copy.deepcopy(self._mixer).requires_grad_(requires_grad=False)
        learned = [*self._q.values(), self._mixer]
        self._optimiser = Adam([p for net in learned for p in net.parameters()], settings.lr)
        self._settle()

    def updating(self, fragments: Sequence[Fragment]) -> Iterator[dict[str, float]]:
        """As `OffPolicy.updating`; tells the share of random actions, too."""
        if self.settings.mix == "qmix" and self.settings.normalise:
            for fragment in fragments:
                self._state_moments.update(fragment.state_TRS[fragment.valid_TR])
            # the target follows in its parameters only, which were learned for states as they are scaled here
            for mixer in (self._mixer, self._mixer_target):
                if isinstance(mixer, QMixer):
                    mixer.inputs.set(self._state_moments)
        for figures in super().updating(fragments):
            yield figures and {**figures, "epsilon": self.epsilon}

    @property
    def epsilon(self) -> float:
        """The share of random actions as it is now."""
        s = self.settings
        return s.epsilon + (s.epsilon_end - s.epsilon) * min(1.0, self.steps / s.explore_steps)

    # loss and update

    def _learn(self, batch: Batch) -> tuple[list[float], Tensor]:
        s = self.settings
        self._optimiser.zero_grad()
        for net in (*self._q.values(), *self._targets.values()):
            net.resample(self._random)
        value_BG = self._mixer(self._chosen(batch), self._tensor(batch.state_BS))
        target_BG = self._target(batch)
        error_BG = value_BG.detach() - target_BG
        teaches_BG = self._tensor(self._teams.any(batch.teaches_BN))
        loss_BG = torch.nn.functional.huber_loss(value_BG, target_BG, reduction="none", delta=s.huber)
        weight_BG = self._tensor(batch.weight_B).unsqueeze(1) * teaches_BG
        # every model is a learner of its own, so its share must not fall with their number
        models = len(self._teams.groups) if s.separate else 1
        loss = (loss_BG * weight_BG).sum() * (models / teaches_BG.sum())
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        norms = [clip_by_model(net.parameters(), s.max_grad_norm).max() for net in self._q.values()]
        if isinstance(self._mixer, QMixer):
            clip_by_model(self._mixer.parameters(), s.max_grad_norm)
        error_B = (error_BG.abs() * teaches_BG).sum(1) / teaches_BG.sum(1).clamp(min=1)
        figures = self._check(
            torch.stack(
                [loss.detach() / models, error_B.mean(), value_BG.detach().mean(), torch.stack(norms).max()]
            )
        )
        self._move(self._optimiser, self._q, batch)
        follow([*self._targets.values(), self._mixer_target], [*self._q.values(), self._mixer], s.tau)
        return figures, error_B

    def _chosen(self, batch: Batch) -> Tensor:
        """Values of what the seats did, (B, N), 0 where a seat was not there."""
        found = []
        for role in self.roles:
            steps = batch.now[role.name]
            action_nB1 = self._tensor(steps.action_BnK).long().transpose(0, 1)
            found.append(self._values(self._q, role, steps).gather(-1, action_nB1).squeeze(-1))
        return torch.cat(found).T * self._tensor(batch.present_BN)

    @torch.no_grad()
    def _target(self, batch: Batch) -> Tensor:
        """Reward, and the discounted value of what follows, (B, G)."""
        found = []
        for role in self.roles:
            steps = batch.following[role.name]
            judged_nBA = self._values(self._targets, role, steps)
            picks_nBA = self._values(self._q, role, steps) if self.settings.double else judged_nBA
            if role.mask_size:
                legal_nBA = self._tensor(steps.mask_BnA).transpose(0, 1) > 0
                picks_nBA = torch.where(legal_nBA, picks_nBA, MASKED)
            found.append(judged_nBA.gather(-1, picks_nBA.argmax(-1, keepdim=True)).squeeze(-1))
        value_BN = torch.cat(found).T * self._tensor(batch.next_present_BN)
        value_BG = self._mixer_target(value_BN, self._tensor(batch.next_state_BS))
        reward_BG = self._tensor(self._teams.reward(batch.reward_BN))
        target: Tensor = reward_BG + self._tensor(self._teams.any(batch.discount_BN)) * value_BG
        return target

    def _values(self, nets: Mapping[str, ValueNet], role: Role, steps: RoleSteps) -> Tensor:
        """Of all actions of each seat, (n, B, A)."""
        seen_nBF = self._seen(role, steps)
        return nets[role.name].direct(self._by_model(seen_nBF)).reshape(*seen_nBF.shape[:2], -1)

    # what is kept

    def _kept(self) -> dict[str, Part]:
        kept: dict[str, Part] = {"optimiser": self._optimiser, "state_moments": self._state_moments}
        for name, net in self._q.items():
            kept |= {f"{name}/values": net, f"{name}/target": self._targets[name]}
        return {**kept, "mixer": self._mixer, "mixer_target": self._mixer_target}

    def _follow_lr(self, lr: float) -> None:
        self._optimiser.lr = lr

    def _settle(self) -> None:
        for net in self._q.values():
            net.explore(self.epsilon)
            net.resample(self._random)

    def _frozen(self) -> dict[str, ActorNet]:
        nets = _still_copy(self._q)
        for net in nets.values():
            net.explore(self.settings.epsilon_end)
            net.silence()
        return dict(nets)

    # what it can learn

    def _groups(self, seats: Sequence[str]) -> list[list[int]]:
        """The seats of each team, by number."""
        s = self.settings
        if s.mix == "none":
            return [[i] for i in range(len(seats))]
        teams = [seats] if s.team == "all" else self.spec.teams.values()
        groups = [[seats.index(seat) for seat in team if seat in seats] for team in teams]
        if max(len(group) for group in groups) < 2:
            raise SpecError(
                f"{self.name} on {self.spec.arena}",
                got="teams of one seat each",
                expected="seats whose values can be mixed",
                remedy='Set team = "all" where all seats have the same interest, or use dqn.',
            )
        return [group for group in groups if group]

    def _check_role(self, role: Role) -> None:
        if [leaf.kind for leaf in role.action] != ["discrete"]:
            raise self._refused(
                f"action space of role {role.name} {from_json(role.action_space)}",
                "Discrete",
                "ppo or maddpg",
            )


class VDN(DQN):
    """Value decomposition networks: DQN with `mix = "sum"`."""

    Settings = VDNSettings
    name = "vdn"


class QMIX(DQN):
    """QMIX: DQN with `mix = "qmix"`."""

    Settings = QMIXSettings
    name = "qmix"


def _still_copy(nets: Mapping[str, ValueNet]) -> dict[str, ValueNet]:
    return {name: copy.deepcopy(net).requires_grad_(requires_grad=False) for name, net in nets.items()}
