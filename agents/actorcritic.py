"""What an on-policy learner keeps for one role: actor, critic, running statistics of inputs and returns.

Axes: T own decisions, R rows, P models, C cuts, F features, S state, M memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from agents.bymodel import ByModel
from agents.devices import CPU, to_array, to_tensor
from agents.distributions import ActionHeads
from agents.features import feature_size, features
from agents.networks import CriticNet
from agents.normalise import RunningMoments, ValueScale
from agents.returns import explained_variance, gae, standardised, successor_values
from marl.errors import DivergenceError
from marl.policy import POLICY

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from agents.checkpoint import Part
    from agents.netpolicy import Architecture
    from marl.fragment import Fragment
    from marl.spec import Role


Weigh = Literal["standardised", "advantage", "return"]


@dataclass
class Seen:
    """A fragment's observations as scaled inputs. `central`: those of a critic that sees the state."""

    actor_TRF: Tensor
    actor_cut_CF: Tensor
    central_TRF: Tensor | None
    central_cut_CF: Tensor | None
    first_RT: Tensor
    memory_RM: Tensor
    model_R: NDArray[np.int64]


@dataclass
class Judged:
    """What decisions were worth: advantages as `weigh` has them, normalised targets, and which teach."""

    advantage_TR: NDArray[np.float32]
    target_TR: NDArray[np.float32]
    learnable_TR: NDArray[np.bool_]
    figures: dict[str, float]


class ActorCritic:
    """Networks and statistics of a role.

    `state_size` S > 0: the critic sees the state; else what the actor sees. One critic that serves several
    seats is told whose value is asked, as all of them see the same state.
    """

    def __init__(
        self,
        role: Role,
        architecture: Architecture,
        state_size: int,
        value_decay: float,
        generator: torch.Generator,
        device: torch.device = CPU,
    ) -> None:
        self.role, self._architecture = role, architecture
        self.heads = ActionHeads.of(role)
        self._device = device
        self.actor = architecture.build(role, generator).to(device)
        self._told_apart = bool(state_size) and not architecture.separate and len(role.seats) > 1
        central = state_size + len(role.seats) * self._told_apart
        seen = central or architecture.memory or feature_size(role)
        pictures = architecture.pictures(role)
        self.critic = CriticNet(
            self.actor.models,
            seen,
            architecture.hidden,
            architecture.activation,
            generator,
            () if central or architecture.memory else pictures,
        ).to(device)
        self.moments = RunningMoments(feature_size(role), [picture.span for picture in pictures])
        self.central_moments = RunningMoments(central)
        self.values = ValueScale(self.actor.models, value_decay)
        self._central = bool(central)

    @property
    def models(self) -> int:
        """P."""
        return self.actor.models

    def parameters(self) -> list[nn.Parameter]:
        """Of both networks."""
        return [*self.actor.parameters(), *self.critic.parameters()]

    def kept(self) -> dict[str, Part]:
        """What a checkpoint holds of it."""
        name = self.role.name
        return {
            f"{name}/actor": self.actor,
            f"{name}/critic": self.critic,
            f"{name}/values": self.values,
            f"{name}/moments": self.moments,
            f"{name}/central_moments": self.central_moments,
        }

    def see(self, fragment: Fragment) -> Seen:
        """The fragment's observations and states as inputs, with the moments as they are now."""
        role, shape, cuts = self.role, fragment.valid_TR.shape, fragment.cuts
        own = self._tensor(features(role, fragment.observation)).view(*shape, -1)
        memory_RM = fragment.memory_RM[:, : self.actor.memory_size]
        seen = Seen(
            actor_TRF=self.actor.inputs.shared(own),
            actor_cut_CF=self.actor.inputs.shared(self._tensor(features(role, cuts.observation))),
            central_TRF=None,
            central_cut_CF=None,
            first_RT=self._tensor(np.ascontiguousarray(fragment.first_TR.T)),
            memory_RM=self._tensor(np.ascontiguousarray(memory_RM)),
            model_R=fragment.seat_R if self._architecture.separate else np.zeros(shape[1], np.int64),
        )
        if self._central:
            cut_CS = self._central_rows(cuts.state_CS, fragment.seat_R[cuts.row_C])
            rows_TRS = self._central_rows(fragment.state_TRS, fragment.seat_R)
            seen.central_TRF = self.critic.inputs.shared(self._tensor(rows_TRS))
            seen.central_cut_CF = self.critic.inputs.shared(self._tensor(cut_CS))
        return seen

    def normalise(self, fragment: Fragment) -> None:
        """Take the fragment into the inputs' moments; after learning from it, as ratios must start at 1."""
        self.moments.update(features(self.role, fragment.observation)[fragment.valid_TR.ravel()])
        self.actor.inputs.set(self.moments)
        if self._central:
            rows_TRS = self._central_rows(fragment.state_TRS, fragment.seat_R)
            self.central_moments.update(rows_TRS[fragment.valid_TR])
            self.critic.inputs.set(self.central_moments)

    @torch.inference_mode()
    def value(self, seen: Seen, fragment: Fragment) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values of all entries (T, R), and of the true successors at cuts (C,), in units of the reward."""
        model_R, time_C, row_C = seen.model_R, fragment.cuts.time_C, fragment.cuts.row_C
        rows_TRF, cuts_CF = seen.actor_TRF, seen.actor_cut_CF
        if seen.central_TRF is not None and seen.central_cut_CF is not None:
            rows_TRF, cuts_CF = seen.central_TRF, seen.central_cut_CF
        elif self.actor.memory_size:
            rows = ByModel(model_R, self.models, self._device)
            cuts = ByModel(model_R[row_C], self.models, self._device)
            inputs_PRTF = rows.table(seen.actor_TRF.transpose(0, 1))
            left_PRTM = self.actor.unroll(inputs_PRTF, rows.table(seen.first_RT), rows.table(seen.memory_RM))
            rows_TRF = rows.rows(left_PRTM).transpose(0, 1)
            # the successor of a cut continues the memory that its decision left
            before_CM = rows_TRF[time_C, row_C]
            cuts_CF = cuts.rows(self.actor.seen(cuts.table(seen.actor_cut_CF), cuts.table(before_CM)))
        length, width = rows_TRF.shape[:2]
        flat = torch.cat([rows_TRF.reshape(length * width, -1), cuts_CF])
        model = np.concatenate([np.tile(model_R, length), model_R[row_C]])
        deal = ByModel(model, self.models, self._device)
        value = to_array(deal.rows(self.critic(deal.table(flat))))
        value = value * self.values.std.astype(np.float32)[model] + self.values.mean.astype(np.float32)[model]
        return value[: length * width].reshape(length, width), value[length * width :]

    def judge(
        self, fragment: Fragment, seen: Seen, gamma: float, lam: float, weigh: Weigh = "standardised"
    ) -> Judged:
        """Estimate advantages, and take the returns into the value scale; the critic answers as before.

        DivergenceError where returns are not finite; nothing has changed then.
        """
        valid, model_R, cuts = fragment.valid_TR, seen.model_R, fragment.cuts
        value, cut_value_C = self.value(seen, fragment)
        following = successor_values(value, cuts.time_C, cuts.row_C, cut_value_C)
        advantage = gae(
            fragment.reward_TR, value, following, fragment.terminated_TR, fragment.cut_TR(), gamma, lam
        )
        target = advantage + value
        if not np.isfinite(target[valid]).all():
            raise DivergenceError(
                f"returns of role {self.role.name}",
                got="numbers that are not finite",
                expected="finite rewards and values",
                remedy="Look for extreme rewards, or lower lr.",
            )
        # what a fallback decided teaches nothing itself, but reward and value flow through it
        learnable = valid & (fragment.source_TR == POLICY)
        owned = [model_R == model for model in range(self.models)]
        ratio_P, shift_P = self.values.update([target[:, own][learnable[:, own]] for own in owned])
        self.critic.head.rescale(self._tensor(ratio_P).float(), self._tensor(shift_P).float())
        mean_P, std_P = self.values.mean.astype(np.float32), self.values.std.astype(np.float32)
        # rounding of values of this size is no advantage
        least_P = np.float32(1e-5) * (np.abs(mean_P) + std_P)
        if weigh == "standardised":
            advantage = standardised(advantage, learnable, model_R, least_P)
        return Judged(
            target if weigh == "return" else advantage,
            (target - mean_P[model_R]) / std_P[model_R],
            learnable,
            {
                "explained_variance": explained_variance(target[valid], value[valid]),
                "reward": float(fragment.reward_TR[valid].mean()),
            },
        )

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return to_tensor(array, self._device)

    def _central_rows(self, state_XS: NDArray[np.float32], seat: NDArray[np.int64]) -> NDArray[np.float32]:
        """States (..., S) with whose value is asked behind; `seat` broadcasts against the leading axes."""
        if not self._told_apart:
            return state_XS
        who = np.eye(len(self.role.seats), dtype=np.float32)[np.broadcast_to(seat, state_XS.shape[:-1])]
        return np.concatenate([state_XS, who], axis=-1)
