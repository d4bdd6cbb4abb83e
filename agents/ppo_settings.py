"""What can be set of PPO."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from agents.actorcritic import Weigh
from agents.devices import PATTERN
from marl.settings import Settings

Critic = Literal["own", "state"]
_CRITIC = "what the critic sees: the seat's observation, or the state"


class PPOSettings(Settings):
    """PPO's settings."""

    hidden: tuple[int, ...] = Field((64, 64), min_length=1, description="units of each hidden layer")
    activation: Literal["tanh", "relu"] = Field("tanh", description="after each hidden layer")
    memory: int = Field(0, ge=0, description="units of the GRU between body and heads; 0: none")
    separate: bool = Field(
        default=False, description="own parameters for each seat of a role, instead of shared ones"
    )
    box: Literal["clipped", "squashed"] = Field(
        "clipped", description="numbers of a box beyond its bounds are clipped, or all squashed by tanh"
    )
    spread: Literal["free", "state"] = Field(
        "free", description="the spread of a box's numbers is a parameter, or follows the observation"
    )
    explore: float = Field(
        1.0,
        gt=0,
        description="the free spread of a box's numbers at the start, in units of the box before squashing",
    )
    images: Literal["cnn", "flat"] = Field(
        "cnn", description="images are seen through convolutions, or as features like any others"
    )
    critic: Critic = Field("own", description=_CRITIC)
    lr: float = Field(1e-3, gt=0, description="Adam's step size at the start")
    lr_end: float = Field(1.0, ge=0, le=1, description="share of lr that is left after anneal_decisions")
    momentum: float = Field(
        0.9, ge=0, lt=1, description="Adam's decay of the mean gradient; 0 damps cycles of self-play"
    )
    anneal_decisions: int = Field(
        0, ge=0, description="decisions over which lr and entropy fall linearly; 0: they stay"
    )
    gamma: float = Field(0.99, ge=0, le=1, description="discount of one own decision")
    lam: float = Field(0.95, ge=0, le=1, description="GAE's lambda")
    weigh: Weigh = Field(
        "standardised",
        description="decisions by their advantages with mean 0 and spread 1, by advantages in units of the "
        "reward, or by returns without a baseline",
    )
    clip: float = Field(0.2, gt=0, description="how far the ratio may leave 1")
    epochs: int = Field(8, ge=1, description="passes over a fragment")
    minibatch: int | None = Field(
        None, ge=1, description="decisions of a minibatch, for each model; none: an eighth of an update's"
    )
    entropy: float = Field(0.01, ge=0, description="weight of the entropy bonus")
    entropy_end: float = Field(
        1.0, ge=0, le=1, description="share of entropy that is left after anneal_decisions"
    )
    value_weight: float = Field(0.5, ge=0, description="weight of the value loss")
    huber: float = Field(
        10.0, gt=0, description="where the value loss turns linear, in standard deviations of returns"
    )
    value_decay: float = Field(
        0.9, ge=0, lt=1, description="decay an update of the return's running mean and spread"
    )
    max_grad_norm: float = Field(1.0, gt=0, description="norm to which each model's gradient is clipped")
    target_kl: float = Field(
        0.0, ge=0, description="an update stops after an epoch whose KL exceeds this; 0: never"
    )
    adapt: bool = Field(
        default=False,
        description="whether lr follows target_kl: an epoch's KL above twice that makes it smaller, one "
        "below half of it larger",
    )
    warm_up: int = Field(
        0, ge=0, description="decisions at the start from which only the critic learns, as after cloning"
    )
    normalise: bool = Field(default=True, description="whether inputs are scaled to unit moments")
    device: str = Field("cpu", pattern=PATTERN, description="where it learns and acts: cpu, cuda or cuda:N")

    @model_validator(mode="after")
    def _consistent(self) -> PPOSettings:
        if self.adapt and not self.target_kl:
            raise ValueError("adapt = true needs a target_kl above 0")
        if self.spread == "state" and self.explore != type(self).model_fields["explore"].default:
            raise ValueError('explore is the start of a free spread; spread = "state" begins at 1')
        return self


class MAPPOSettings(PPOSettings):
    """PPO's settings, with a critic of the state."""

    critic: Literal["state"] = Field("state", description="what the critic sees")
