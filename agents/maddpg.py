"""MADDPG (Lowe et al. 2017), MATD3 (Ackermann et al. 2019) and independent DDPG (Lillicrap et al. 2016).

Deterministic policy gradients through critics of what all own seats saw and did (`view = "joint"`), or of the
seat's own. Choices go through straight-through Gumbel draws, boxes through tanh.

Axes: B batch, N seats, n seats of one role, F features, D numbers of an action as a critic sees it, P models,
R rows, V numbers of a critic's view, W twins.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from agents.adam import Adam
from agents.distributions import ActionHeads
from agents.gradients import clip_by_model
from agents.gumbel import action_features, gumbel_choice
from agents.layers import tanh
from agents.networks import CriticNet, Net
from agents.offpolicy import OffPolicy, ReplaySettings, follow
from agents.valuenet import AimNet
from agents.views import View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from agents.checkpoint import Part
    from agents.networks import ActorNet
    from agents.replay import Batch, RoleSteps
    from agents.views import Look
    from marl.spec import Role, Spec

Sees = Literal["joint", "own"]
_VIEW = "what a seat's critic sees: observations and actions of all own seats, or the seat's"
_TWIN = "two critics, of which the lower one is believed"
_DELAY = "updates of the critic to one of the actor and the targets"
_SMOOTH = "spread of the noise on a target's box action, clipped at twice that, in half widths of the box"


class MADDPGSettings(ReplaySettings):
    """MADDPG's settings."""

    view: Sees = Field("joint", description=_VIEW)
    batch: int = Field(1024, ge=1, description=ReplaySettings.model_fields["batch"].description)
    every: int = Field(100, ge=1, description=ReplaySettings.model_fields["every"].description)
    huber: float = Field(10.0, gt=0, description=ReplaySettings.model_fields["huber"].description)
    max_grad_norm: float = Field(
        0.5, gt=0, description=ReplaySettings.model_fields["max_grad_norm"].description
    )
    actor_lr: float = Field(1.0, gt=0, description="the actor's step size, as a share of lr")
    twin: bool = Field(default=False, description=_TWIN)
    delay: int = Field(1, ge=1, description=_DELAY)
    smooth: float = Field(0.0, ge=0, description=_SMOOTH)
    noise: float = Field(
        0.1, gt=0, description="spread of the noise on box actions, in half widths of the box"
    )
    temperature: float = Field(1.0, gt=0, description="of the relaxed draw that gradients see")
    logit_penalty: float = Field(
        1e-3,
        ge=0,
        description="weight in the actor's loss of the mean squared logit, or number of a box before tanh",
    )


class MATD3Settings(MADDPGSettings):
    """MADDPG's settings, with twin critics, delayed actors and smoothed targets."""

    twin: bool = Field(default=True, description=_TWIN)
    delay: int = Field(2, ge=1, description=_DELAY)
    smooth: float = Field(0.2, ge=0, description=_SMOOTH)


class IDDPGSettings(MADDPGSettings):
    """MADDPG's settings, with critics that see what their seat sees."""

    view: Sees = Field("own", description=_VIEW)


@dataclass
class _Part:
    """The nets of one role."""

    role: Role
    actor: ActorNet
    actor_target: ActorNet
    critic: CriticNet
    critic_target: CriticNet


class MADDPG(OffPolicy):
    """The learner of `roles` (default: all). `seed` starts its networks and draws its batches."""

    Settings: ClassVar[type[MADDPGSettings]] = MADDPGSettings
    name = "maddpg"
    figures = ("loss", "td_error", "value", "gradient_norm", "actor_loss", "actor_gradient_norm")

    def __init__(self, spec: Spec, settings: MADDPGSettings, seed: int, roles: Sequence[str] = ()) -> None:
        self.settings = settings
        joint = settings.view == "joint"
        super().__init__(spec, settings, seed, roles, head="aim", joint=joint, want_state=False)
        pictures = {role.name: self._architecture.pictures(role) for role in self.roles}
        self._view = View(self.roles, joint=joint, separate=settings.separate, pictures=pictures)
        self._parts = {role.name: self._part(role) for role in self.roles}
        actors, critics = self._actors(), self._critics()
        self._actor_steps = Adam([p for net in actors.values() for p in net.parameters()], settings.lr)
        self._critic_steps = Adam([p for net in critics.values() for p in net.parameters()], settings.lr)
        self._actor_figures = [0.0, 0.0]

    def _part(self, role: Role) -> _Part:
        s, actor = self.settings, self._nets[role.name]
        if isinstance(actor, AimNet):
            actor.explore(s.noise)
        models = (len(role.seats) if s.separate else 1) * (1 + s.twin)
        pictures = self._view.pictures(role)
        critic = CriticNet(models, self._view.size(role), s.hidden, s.activation, self._generator, pictures)
        critic = critic.to(self._device)
        return _Part(role, actor, _still_copy(actor), critic, _still_copy(critic))

    # losses and update

    def _learn(self, batch: Batch) -> tuple[list[float], Tensor]:
        s = self.settings
        present, following = self._tensor(batch.present_BN), self._tensor(batch.next_present_BN)
        now = self._look(batch.now, present, self._done(batch.now))
        with torch.no_grad():
            then = self._look(batch.following, following, self._aimed(batch.following))
        critic_figures, error_B = self._learn_critics(batch, now, then)
        if self.updates % s.delay == 0:
            self._actor_figures = self._learn_actors(batch, now)
            for part in self._parts.values():
                follow([part.actor_target, part.critic_target], [part.actor, part.critic], s.tau)
        return [*critic_figures, *self._actor_figures], error_B

    def _learn_critics(self, batch: Batch, now: Look, then: Look) -> tuple[list[float], Tensor]:
        self._critic_steps.zero_grad()
        losses, errors, values = [], [], []
        for name, part in self._parts.items():
            weight_nB = self._weight(batch, name)
            columns = self.store.columns[name]
            reward_nB = self._tensor(batch.reward_BN[:, columns]).T
            discount_nB = self._tensor(batch.discount_BN[:, columns]).T
            with torch.no_grad():
                next_WnB = self._judge(part.critic_target, part.role, then)
                target_nB = reward_nB + discount_nB * next_WnB.amin(0)
            value_WnB = self._judge(part.critic, part.role, now)
            loss_WnB = torch.nn.functional.huber_loss(
                value_WnB, target_nB.expand_as(value_WnB), reduction="none", delta=self.settings.huber
            )
            losses.append((loss_WnB * weight_nB).sum())
            errors.append((value_WnB[0].detach() - target_nB).abs())
            values.append(value_WnB.detach().mean())
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        limit = self.settings.max_grad_norm
        norms = [clip_by_model(net.parameters(), limit).max() for net in self._critics().values()]
        teaches_NB = self._tensor(batch.teaches_BN).T
        error_B = (torch.cat(errors) * teaches_NB).sum(0) / teaches_NB.sum(0).clamp(min=1)
        figures = torch.stack(
            [loss.detach(), error_B.mean(), torch.stack(values).mean(), torch.stack(norms).max()]
        )
        numbers = self._check(figures)
        self._move(self._critic_steps, self._critics(), batch)
        return numbers, error_B

    def _learn_actors(self, batch: Batch, now: Look) -> list[float]:
        s = self.settings
        self._actor_steps.zero_grad()
        losses = []
        for name, part in self._parts.items():
            part.critic.requires_grad_(requires_grad=False)
            raw_PRC = part.actor.head(part.actor.body(self._by_model(now.seen[name])))
            out_PRC = tanh(raw_PRC) if self.heads[name].boxes else raw_PRC
            fresh_PRD = self._act(part.role, out_PRC, batch.now[name])
            fresh_nBD = fresh_PRD.view(*now.seen[name].shape[:2], -1)
            value_nB = self._judge(part.critic, part.role, now, fresh_nBD)[0]
            losses.append(-(value_nB * self._weight(batch, name)).sum())
            # also of boxes, as in the authors' code: a tanh at its bounds passes no gradient ever again
            losses.append(s.logit_penalty * raw_PRC.square().mean((1, 2)).sum())
            part.critic.requires_grad_(requires_grad=True)
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        norms = [clip_by_model(net.parameters(), s.max_grad_norm).max() for net in self._actors().values()]
        numbers = self._check(torch.stack([loss.detach(), torch.stack(norms).max()]))
        self._move(self._actor_steps, self._actors(), batch)
        return numbers

    def _weight(self, batch: Batch, role: str) -> Tensor:
        """What each decision of a role's seats counts, (n, B): 1 in all for each model that learns."""
        teaches_nB = self._tensor(batch.teaches_BN[:, self.store.columns[role]]).T.float()
        weight_nB = teaches_nB * self._tensor(batch.weight_B)
        count = teaches_nB.sum(1, keepdim=True) if self.settings.separate else teaches_nB.sum()
        return weight_nB / count.clamp(min=1)

    # actions, and what critics see

    def _done(self, steps: Mapping[str, RoleSteps]) -> dict[str, Tensor]:
        """What the seats did, (n, B, D)."""
        return {
            name: action_features(self.heads[name], self._tensor(held.action_BnK)).transpose(0, 1)
            for name, held in steps.items()
        }

    def _aimed(self, steps: Mapping[str, RoleSteps]) -> dict[str, Tensor]:
        """What the target policies would do, (n, B, D): a draw of choices, boxes with clipped noise."""
        s, aimed = self.settings, {}
        for name, part in self._parts.items():
            seen_nBF = self._seen(part.role, steps[name])
            action = self._act(part.role, part.actor_target.direct(self._by_model(seen_nBF)), steps[name])
            if self.heads[name].boxes and s.smooth:
                noise = self._random.standard_normal(tuple(action.shape), "float32")
                action = action + (s.smooth * self._tensor(noise)).clamp(-2 * s.smooth, 2 * s.smooth)
                action = action.clamp(-1, 1)
            aimed[name] = action.view(*seen_nBF.shape[:2], -1)
        return aimed

    def _act(self, role: Role, out_PRC: Tensor, steps: RoleSteps) -> Tensor:
        """An actor's output as an action that gradients can pass, (P, R, D)."""
        heads = self.heads[role.name]
        if heads.boxes:
            return out_PRC
        legal_PRA = None
        if role.mask_size:
            legal_PRA = self._by_model(self._tensor(steps.mask_BnA).transpose(0, 1)) > 0
        return gumbel_choice(heads, out_PRC, legal_PRA, self._random, self.settings.temperature)

    def _look(self, steps: Mapping[str, RoleSteps], present_BN: Tensor, done: dict[str, Tensor]) -> Look:
        seen = {role.name: self._seen(role, steps[role.name]) for role in self.roles}
        return self._view.look(seen, done, present_BN)

    def _judge(self, critic: CriticNet, role: Role, look: Look, fresh_nBD: Tensor | None = None) -> Tensor:
        """Values (W, n, B) of a role's seats; `fresh`: of these own actions instead of those in the batch."""
        seats, rows = look.seen[role.name].shape[:2]
        view_PRV = self._by_model(self._view.rows(role, look, fresh_nBD))
        twins = 1 + self.settings.twin
        value: Tensor = critic(view_PRV.repeat(twins, 1, 1) if twins > 1 else view_PRV)
        return value.view(twins, seats, rows)

    # what is kept

    def _actors(self) -> dict[str, ActorNet]:
        return {name: part.actor for name, part in self._parts.items()}

    def _critics(self) -> dict[str, CriticNet]:
        return {name: part.critic for name, part in self._parts.items()}

    def _kept(self) -> dict[str, Part]:
        kept: dict[str, Part] = {"actor_steps": self._actor_steps, "critic_steps": self._critic_steps}
        for name, part in self._parts.items():
            kept |= {f"{name}/actor": part.actor, f"{name}/actor_target": part.actor_target}
            kept |= {f"{name}/critic": part.critic, f"{name}/critic_target": part.critic_target}
        return kept

    def _follow_lr(self, lr: float) -> None:
        self._critic_steps.lr, self._actor_steps.lr = lr, lr * self.settings.actor_lr

    def _check_role(self, role: Role) -> None:
        heads = ActionHeads.of(role)
        if heads.boxes and not np.isfinite([heads.low_K, heads.high_K]).all():
            raise self._refused(f"an unbounded box as action of role {role.name}", "boxes with bounds", "ppo")
        if heads.whole and heads.boxes:
            raise self._refused(f"a box of whole numbers as action of role {role.name}", "floats", "ppo")


class MATD3(MADDPG):
    """MADDPG with twin critics, delayed actors and smoothed targets (Fujimoto et al. 2018)."""

    Settings = MATD3Settings
    name = "matd3"


class IDDPG(MADDPG):
    """Independent DDPG: MADDPG with `view = "own"`."""

    Settings = IDDPGSettings
    name = "iddpg"


def _still_copy(net: Net) -> Net:
    return copy.deepcopy(net).requires_grad_(requires_grad=False)
