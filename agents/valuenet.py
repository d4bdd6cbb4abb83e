"""Nets that act by action values (epsilon-greedy, dueling, noisy) or by one point of a box.

Axes: P models, R rows, H hidden, C head outputs, A choices, U uniform numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from agents.devices import to_tensor
from agents.distributions import MASKED, draw
from agents.layers import Linear, tanh
from agents.networks import ActorNet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.distributions import ActionHeads
    from agents.images import Picture
    from marl.spaces import Leaf


class NoisyLinear(Linear):
    """Linear maps whose weights carry learned, factorised Gaussian noise (Fortunato et al. 2018, eq. 9-11).

    The noise stays until `resample`; `silence` leaves the means.
    """

    noise_in: Tensor
    noise_out: Tensor

    def __init__(
        self, models: int, inputs: int, outputs: int, gain: float, generator: torch.Generator
    ) -> None:
        super().__init__(models, inputs, outputs, gain, generator)
        start = 0.5 / math.sqrt(inputs)
        self.weight_spread = nn.Parameter(torch.full((models, inputs, outputs), start))
        self.bias_spread = nn.Parameter(torch.full((models, 1, outputs), start))
        self.register_buffer("noise_in", torch.zeros(models, inputs, 1))
        self.register_buffer("noise_out", torch.zeros(models, 1, outputs))

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, inputs) to (P, R, outputs), with the noise as it is now."""
        weight = self.weight + self.weight_spread * (self.noise_in * self.noise_out)
        return torch.baddbmm(self.bias + self.bias_spread * self.noise_out, x_PRF, weight)

    def resample(self, random: np.random.Generator) -> None:
        """Other noise from now on."""
        for noise in (self.noise_in, self.noise_out):
            x = to_tensor(random.standard_normal(tuple(noise.shape), np.float32), noise.device)
            noise.copy_(x.sign() * x.abs().sqrt())

    def silence(self) -> None:
        """No noise from now on."""
        self.noise_in.zero_()
        self.noise_out.zero_()


class ValueNet(ActorNet):
    """Observation features to action values (P, R, A); acts epsilon-greedily. One counted number only.

    `dueling`: the head puts out advantages and, last, their common value (Wang et al. 2016, eq. 9).
    """

    epsilon: Tensor

    def __init__(
        self,
        models: int,
        features: int,
        action: Sequence[Leaf],
        hidden: Sequence[int],
        activation: str,
        generator: torch.Generator,
        *,
        dueling: bool,
        noisy: bool,
        pictures: Sequence[Picture] = (),
    ) -> None:
        super().__init__(models, features, action, hidden, activation, 0, generator, pictures=pictures)
        self._dueling = dueling
        outputs = action[0].choices[0] + dueling
        self.head = (NoisyLinear if noisy else Linear)(models, hidden[-1], outputs, 0.01, generator)
        self.register_buffer("epsilon", torch.zeros(models, 1, 1))

    def out(self, seen_PRH: Tensor) -> Tensor:
        """Action values."""
        out = super().out(seen_PRH)
        if not self._dueling:
            return out
        advantage = out[..., :-1]
        return out[..., -1:] + advantage - advantage.mean(-1, keepdim=True)

    def choose(
        self, heads: ActionHeads, out_PRC: Tensor, legal_PRA: Tensor | None, uniform_PRU: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The best legal action; with uniform numbers any legal one with probability epsilon."""
        if uniform_PRU is not None:
            out_PRC = epsilon_greedy(out_PRC, legal_PRA, self.epsilon)
        return draw(heads, out_PRC, legal_PRA, None, uniform_PRU)

    def explore(self, epsilon: float) -> None:
        """Act so greedily from now on."""
        self.epsilon.fill_(epsilon)

    def resample(self, random: np.random.Generator) -> None:
        """Other noise, where the net is noisy."""
        if isinstance(self.head, NoisyLinear):
            self.head.resample(random)

    def silence(self) -> None:
        """No noise, where the net is noisy."""
        if isinstance(self.head, NoisyLinear):
            self.head.silence()


class AimNet(ActorNet):
    """Observation features to one point of a box, in units of the box, by tanh (DDPG, Lillicrap et al. 2016).

    `log_std` is that of the noise around it.
    """

    def out(self, seen_PRH: Tensor) -> Tensor:
        """The point, each number in (-1, 1)."""
        return tanh(super().out(seen_PRH))

    def explore(self, noise: float) -> None:
        """Play with Gaussian noise of this spread from now on; it is not learned."""
        assert self.log_std is not None
        self.log_std.requires_grad = False
        self.log_std.fill_(math.log(noise))


def epsilon_greedy(value_PRA: Tensor, legal_PRA: Tensor | None, epsilon_P11: Tensor) -> Tensor:
    """Logarithms of the probabilities: 1 - epsilon for the best legal choice, epsilon shared by all legal."""
    legal = torch.ones_like(value_PRA, dtype=torch.bool) if legal_PRA is None else legal_PRA
    best = torch.where(legal, value_PRA, MASKED).argmax(-1, keepdim=True)
    share = epsilon_P11 * legal / legal.sum(-1, keepdim=True).clamp(min=1)
    probability = share.scatter_add(-1, best, (1 - epsilon_P11).expand(best.shape))
    return probability.clamp(min=1e-30).log()
