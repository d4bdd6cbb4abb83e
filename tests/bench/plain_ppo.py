"""PPO as one plain loop on SuperSuit's copies of simple_spread, in the manner of CleanRL's single files.

Axes: T steps, E rows of the vectorised environment (copies x agents). Written for `spread_ppo.py`.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

GAMMA, LAM, CLIP = 0.9, 0.95, 0.2


def layers(sizes: list[int], last: float) -> nn.Sequential:
    """Tanh layers with orthogonal weights."""
    made: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(layer.weight, last if i == len(sizes) - 2 else 2**0.5)
        nn.init.zeros_(layer.bias)
        made += [layer, nn.Tanh()]
    return nn.Sequential(*made[:-1])


class PlainPPO:
    """`iterate()` plays `steps` steps in every row and learns from them."""

    def __init__(self, envs: Any, rows: int, steps: int, *, epochs: int, minibatches: int) -> None:  # noqa: ANN401
        self._envs, self._steps, self._epochs, self._minibatches = envs, steps, epochs, minibatches
        self._actor, self._critic = layers([18, 64, 64, 5], 0.01), layers([18, 64, 64, 1], 1.0)
        self._parameters = [*self._actor.parameters(), *self._critic.parameters()]
        self._optimiser = torch.optim.Adam(self._parameters, lr=1e-3, eps=1e-5, fused=True)
        self._seen = torch.from_numpy(np.asarray(envs.reset()[0]))
        self._done_E = torch.zeros(rows)
        self._x_TEF = torch.zeros(steps, rows, 18)
        self._action_TE = torch.zeros(steps, rows, dtype=torch.int64)
        self._logp_TE, self._reward_TE, self._value_TE, self._done_TE = torch.zeros(4, steps, rows)

    def iterate(self) -> None:
        """A rollout and its update."""
        self._play()
        with torch.no_grad():
            next_E, done_E, carried_E = self._critic(self._seen)[:, 0], self._done_E, torch.tensor(0.0)
            advantage_TE = torch.zeros_like(self._reward_TE)
            for t in reversed(range(self._steps)):
                goes_on_E = 1 - done_E
                delta_E = self._reward_TE[t] + GAMMA * next_E * goes_on_E - self._value_TE[t]
                advantage_TE[t] = carried_E = delta_E + GAMMA * LAM * goes_on_E * carried_E
                next_E, done_E = self._value_TE[t], self._done_TE[t]
        self._learn(advantage_TE.flatten(), (advantage_TE + self._value_TE).flatten())

    @torch.no_grad()
    def _play(self) -> None:
        for t in range(self._steps):
            drawn = torch.distributions.Categorical(logits=self._actor(self._seen), validate_args=False)
            action_E = drawn.sample()  # type: ignore[no-untyped-call]
            self._x_TEF[t], self._action_TE[t], self._done_TE[t] = self._seen, action_E, self._done_E
            self._logp_TE[t] = drawn.log_prob(action_E)  # type: ignore[no-untyped-call]
            self._value_TE[t] = self._critic(self._seen)[:, 0]
            seen, reward, ended, cut, _ = self._envs.step(action_E.numpy())
            self._seen = torch.from_numpy(np.asarray(seen))
            self._reward_TE[t] = torch.as_tensor(reward)
            self._done_E = torch.as_tensor(np.logical_or(ended, cut)).float()

    def _learn(self, advantage_N: torch.Tensor, target_N: torch.Tensor) -> None:
        x_NF, action_N, logp_N = self._x_TEF.flatten(0, 1), self._action_TE.flatten(), self._logp_TE.flatten()
        for _ in range(self._epochs):
            for chosen in torch.randperm(len(x_NF)).chunk(self._minibatches):
                advantage = advantage_N[chosen]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                drawn = torch.distributions.Categorical(logits=self._actor(x_NF[chosen]), validate_args=False)
                ratio = (drawn.log_prob(action_N[chosen]) - logp_N[chosen]).exp()  # type: ignore[no-untyped-call]
                gain = torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
                error = 0.5 * (self._critic(x_NF[chosen])[:, 0] - target_N[chosen]).square().mean()
                loss = 0.5 * error - gain - 0.01 * drawn.entropy().mean()  # type: ignore[no-untyped-call]
                self._optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self._parameters, 0.5)
                self._optimiser.step()
