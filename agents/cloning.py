"""Behaviour cloning: demonstrations of a scripted player become a policy that PPO can go on from.

Axes: R rows, K numbers of an action, T own decisions, P models, U units.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from agents import make_policy
from agents.distributions import ActionHeads, evaluate
from agents.ppo import PPO
from agents.ppo_batch import Batch, weights
from agents.ppo_settings import PPOSettings
from marl.errors import SpecError
from marl.play import Match, Play, Player
from marl.policy import Attentive
from marl.rng import mix, seed_of, uniforms
from marl.spec import Ticket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from agents.actorcritic import ActorCritic
    from marl.batch import ArenaPool
    from marl.fragment import Fragment
    from marl.policy import Decision, Policy, Rows
    from marl.spec import Role, Spec


class Teacher:
    """A player whose hand shakes: box numbers are played with noise, and what it wanted is kept as `drawn`.

    The clone's own errors lead it off the teacher's paths; noise shows it the way back (DART, Laskey et al.
    2017). `noise` is a spread in units of the box.
    """

    def __init__(self, spec: Spec, policy: Policy, noise: float) -> None:
        self.memory_size = policy.memory_size
        self._policy, self._noise = policy, noise
        self._heads = {role.name: ActionHeads.of(role) for role in spec.roles}

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
        """What the player decides, shaken; `logp` is there for PPO's batches and says nothing."""
        decided = self._policy.act(role, observation, mask_RA, memory_RM, rows, greedy=greedy)
        extras = {"logp": np.zeros(len(rows), np.float32)}
        heads = self._heads[role.name]
        if not heads.boxes:
            return replace(decided, extras=extras)
        middle_K, half_K = heads.units()
        wanted_RK = ((decided.action_RK - middle_K) / half_K).astype(np.float32)
        # other numbers than the player itself may have drawn by this key
        uniform_RU = uniforms(mix(rows.key_R, 1), heads.uniforms)
        radius, angle = np.split(uniform_RU, 2, axis=1)
        normal_RK = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
        played_RK = heads.played(wanted_RK + np.float32(self._noise) * normal_RK)
        return replace(
            decided, action_RK=played_RK.astype(role.action_dtype), extras={**extras, "drawn": wanted_RK}
        )

    def ended(self, match_R: NDArray[np.int64]) -> None:
        """Pass on that matches are over."""
        if isinstance(self._policy, Attentive):
            self._policy.ended(match_R)


def demonstrations(pool: ArenaPool, name: str, steps: int, seed: int, noise: float = 0.0) -> list[Fragment]:
    """So many steps in every copy of a pool, all seats played by a scripted player: a fragment a role."""
    teacher = Player(Teacher(pool.spec, make_policy(name, pool.spec), noise), record=True)
    lineup = dict.fromkeys(pool.spec.seats, "teacher")

    def match(copy: int, episode: int) -> Match:
        return Match(Ticket(copy + episode * 10**6, seed_of(seed, copy, episode)), lineup)

    return Play(pool, match, {"teacher": teacher}).collect(steps)


class CloningSettings(PPOSettings):
    """PPO's settings, of which policy and critic take theirs, and what cloning adds."""

    epochs: int = Field(30, ge=1, description="passes over the demonstrations")
    minibatch: int = Field(1024, ge=1, description="decisions of a minibatch, for each model")
    explore: float = Field(
        0.05, gt=0, description="spread of box numbers, in units of the box, that PPO then explores with"
    )


class Cloning(PPO):
    """Fits a policy to what a teacher did (squared error of boxes, log-likelihood of choices), and a critic.

    The critic learns what the teacher's decisions were worth (whole returns, whatever `lam`), so that PPO
    does not begin with a critic that knows nothing of this policy. `snapshot` plays; PPO of equal
    architecture goes on by `restore` of `checkpoint`, with an optimiser that has seen nothing.
    """

    Settings: ClassVar[type[PPOSettings]] = CloningSettings
    settings: CloningSettings

    def __init__(self, spec: Spec, settings: CloningSettings, seed: int, roles: Sequence[str] = ()) -> None:
        if settings.memory or settings.spread == "state":
            raise SpecError(
                f"cloning on {spec.arena}",
                got=f"memory = {settings.memory}, spread = {settings.spread!r}",
                expected="a policy without memory, with a free spread",
                remedy='Set memory = 0 and spread = "free".',
            )
        # whole returns: the critic knows nothing yet that could stand for the rest of one; a fit has no KL
        fixed = {"lam": 1.0, "target_kl": 0.0, "adapt": False}
        super().__init__(spec, settings.model_copy(update=fixed), seed, roles)

    def updating(self, fragments: Sequence[Fragment]) -> Iterator[dict[str, float]]:
        """Learn from demonstrations; `policy_loss` is the mean error of a decision.

        PPO's count of decisions stays: it has not learned by itself yet.
        """
        metrics: dict[str, float] = {}
        for fragment in fragments:
            part = self._parts[fragment.role.name]
            part.normalise(fragment)
            batch, figures = self._ready(part, fragment)
            figures |= yield from self._learn(part, batch)
            prefix = f"{part.role.name}/" if len(self._parts) > 1 else ""
            metrics |= {prefix + name: value for name, value in figures.items()}
        self.updates += 1
        # gradients of a fit that has ended are small: PPO's first steps would be many times too large
        self._optimiser.reset()
        yield metrics

    def _loss(self, part: ActorCritic, batch: Batch, units_PU: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The sum of the models' losses, and sums over models of PPO's figures: those of ratios are 0."""
        units = torch.from_numpy(units_PU).to(batch.weight_N.device)
        chosen = units.clamp(min=0).flatten()

        def rows(tensor: Tensor) -> Tensor:
            return tensor.index_select(0, chosen).view(*units.shape, *tensor.shape[1:])

        seen, wanted = rows(batch.actor_NF), rows(batch.action_NK)
        weight = weights(units, rows(batch.weight_N))
        out = part.actor.direct(seen)
        if part.heads.boxes:
            # the number itself: a squashed one at the bounds would have to be infinite before it is squashed
            played = torch.tanh(out) if part.actor.squashed else out
            error = (played - wanted).square().sum(-1)
        else:
            legal = None if batch.legal_NA is None else rows(batch.legal_NA)
            error = -evaluate(part.heads, out, legal, None, wanted)[0]
        judged = part.critic(seen if batch.central_NF is None else rows(batch.central_NF))
        gap = torch.nn.functional.huber_loss(
            judged, rows(batch.target_N), reduction="none", delta=self.settings.huber
        )
        policy_loss, value_loss = (error * weight).sum(), (gap * weight).sum()
        none = torch.zeros((), device=units.device)
        figures = torch.stack([policy_loss.detach(), value_loss.detach(), none, none, none])
        return policy_loss + self.settings.value_weight * value_loss, figures
