"""Action distributions over a role's leaves: categorical for counted leaves, Gaussian for boxes; draws by key.

Axes: P models, R rows, K numbers of an action, A choices of the mask, C head outputs (all choices, then all box means).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from marl.errors import SpecError
from marl.spaces import from_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.spec import Role

MASKED = -1e9
"""The logit of an illegal choice: finite, so that a gradient through it stays zero rather than NaN."""


@dataclass(frozen=True)
class ActionHeads:
    """How a role's action numbers relate to head outputs: `counted` (place in K, choices), `boxes` (places in K)."""

    counted: tuple[tuple[int, int], ...]
    boxes: tuple[int, ...]
    low_K: NDArray[np.float32]
    high_K: NDArray[np.float32]

    @classmethod
    def of(cls, role: Role) -> ActionHeads:
        """The heads of a role's action space; SpecError names what is not supported."""
        counted: list[tuple[int, int]] = []
        boxes: list[int] = []
        at = 0
        for leaf in role.action:
            places = range(at, at + leaf.size)
            at += leaf.size
            if leaf.kind == "box":
                boxes.extend(places)
            else:
                sizes = leaf.choices or (2,) * leaf.size
                counted.extend(zip(places, sizes, strict=True))
        low, high = np.full(at, -np.inf, np.float32), np.full(at, np.inf, np.float32)
        if boxes and (counted or role.action_space["k"] != "box"):
            raise SpecError(
                f"action space of role {role.name}",
                got="boxes inside a Dict or Tuple",
                expected="one Box, or counted leaves only",
                remedy="See the table of supported spaces in the docs.",
            )
        if boxes:
            space: Any = from_json(role.action_space)
            low, high = space.low.astype(np.float32).ravel(), space.high.astype(np.float32).ravel()
        return cls(tuple(counted), tuple(boxes), low, high)

    @property
    def uniforms(self) -> int:
        """How many uniform numbers a draw takes: one a choice, two a box number."""
        return sum(size for _, size in self.counted) + 2 * len(self.boxes)


def _log_probabilities(heads: ActionHeads, out_PRC: Tensor, mask_PRA: Tensor | None) -> list[Tensor]:
    """Log-probabilities of each counted leaf, illegal choices at MASKED."""
    parts, at = [], 0
    for _, size in heads.counted:
        logits = out_PRC[..., at : at + size]
        if mask_PRA is not None:
            logits = torch.where(mask_PRA[..., at : at + size] > 0, logits, MASKED)
        parts.append(torch.log_softmax(logits, -1))
        at += size
    return parts


def draw(
    heads: ActionHeads,
    out_PRC: Tensor,
    mask_PRA: Tensor | None,
    log_std: Tensor | None,
    uniform_PRU: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Actions (P, R, K) and their log-probabilities (P, R); `uniform_PRU` None means the mode.

    Categorical by the Gumbel-max rule, Gaussian by Box and Muller's. Box actions are not clipped here: the log-probability
    is that of the number drawn; who acts clips to the space.
    """
    total = len(heads.counted) + len(heads.boxes)
    action = out_PRC.new_zeros((*out_PRC.shape[:-1], total))
    logp = out_PRC.new_zeros(out_PRC.shape[:-1])
    at = 0
    for (place, size), logs in zip(heads.counted, _log_probabilities(heads, out_PRC, mask_PRA), strict=True):
        noise = 0.0 if uniform_PRU is None else -torch.log(-torch.log(uniform_PRU[..., at : at + size]))
        choice = (logs + noise).argmax(-1, keepdim=True)
        action[..., place] = choice.squeeze(-1).to(action.dtype)
        logp = logp + logs.gather(-1, choice).squeeze(-1)
        at += size
    if heads.boxes:
        assert log_std is not None  # noqa: S101  # ActorNet makes it where there are boxes
        mean = out_PRC[..., at:]
        normal = torch.zeros_like(mean)
        if uniform_PRU is not None:
            radius, angle = uniform_PRU[..., at:].chunk(2, -1)
            normal = torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * angle)
        action[..., list(heads.boxes)] = mean + normal * log_std.exp()
        logp = logp + _normal_logp(normal, log_std)
    return action, logp


def evaluate(
    heads: ActionHeads, out_PRC: Tensor, mask_PRA: Tensor | None, log_std: Tensor | None, action_PRK: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (P, R) of given actions."""
    logp = out_PRC.new_zeros(out_PRC.shape[:-1])
    entropy = out_PRC.new_zeros(out_PRC.shape[:-1])
    at = 0
    for (place, size), logs in zip(heads.counted, _log_probabilities(heads, out_PRC, mask_PRA), strict=True):
        choice = action_PRK[..., place : place + 1].long()
        logp = logp + logs.gather(-1, choice).squeeze(-1)
        entropy = entropy - (logs.exp() * logs).sum(-1)
        at += size
    if heads.boxes:
        assert log_std is not None  # noqa: S101  # ActorNet makes it where there are boxes
        normal = (action_PRK[..., list(heads.boxes)] - out_PRC[..., at:]) / log_std.exp()
        logp = logp + _normal_logp(normal, log_std)
        entropy = entropy + (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)
    return logp, entropy


def _normal_logp(normal: Tensor, log_std: Tensor) -> Tensor:
    return (-0.5 * normal**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
