"""Action distributions of a role: categorical for counted leaves, Gaussian for boxes; draws by key.

Axes: P models, R rows, K numbers of an action, A choices of the mask, C head outputs (all choices, or all box
means), U uniform numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from marl.errors import SpecError
from marl.spaces import from_json

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from marl.spec import Role

MASKED = -1e9
"""The logit of an illegal choice: finite, so that a gradient through it stays zero rather than NaN."""
LOG_STD = (-5.0, 2.0)
"""Within these bounds a spread may follow the observation (those of SAC's authors: -20 and 2)."""


@dataclass(frozen=True)
class Counted:
    """One choice of an action: its place in K, out of how many, and where they begin in the mask."""

    place: int
    size: int
    mask_at: int | None


@dataclass(frozen=True)
class ActionHeads:
    """How a role's action numbers relate to head outputs: one `Counted` a choice, or `boxes` box numbers.

    Box numbers are in units of the box: 0 is its middle, 1 its upper bound (the number itself where it has no
    bounds), so that a Gaussian of spread 1 suits any box. `squashed`: their tanh is played instead of the
    numbers clipped to the box.
    """

    counted: tuple[Counted, ...]
    boxes: int
    low_K: NDArray[np.float32]
    high_K: NDArray[np.float32]
    whole: bool
    squashed: bool = False

    @classmethod
    def of(cls, role: Role, *, squashed: bool = False) -> ActionHeads:
        """The heads of a role's action space; SpecError names what is not supported."""
        counted: list[Counted] = []
        boxes = at = masked = 0
        for leaf in role.action:
            if leaf.kind == "box":
                boxes += leaf.size
            for i, size in enumerate(leaf.choices or (2,) * (leaf.size if leaf.kind == "multibinary" else 0)):
                counted.append(Counted(at + i, size, masked if leaf.choices else None))
                masked += size if leaf.choices else 0
            at += leaf.size
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
        if squashed and boxes and not np.isfinite([low, high]).all():
            raise SpecError(
                f"action space of role {role.name}",
                got='box = "squashed" for a box without bounds',
                expected="finite bounds to squash into",
                remedy='Use box = "clipped".',
            )
        whole = role.action_dtype.kind == "i"
        return cls(tuple(counted), boxes, low, high, whole, squashed=squashed and boxes > 0)

    @property
    def uniforms(self) -> int:
        """How many uniform numbers a draw takes: one a choice, two a box number."""
        return sum(part.size for part in self.counted) + 2 * self.boxes

    def played(self, number_RK: NDArray[Any]) -> NDArray[Any]:
        """What the arena is given for drawn numbers: those of boxes in its units, clipped to its bounds."""
        if not self.boxes:
            return number_RK
        middle_K, half_K = self.units()
        number_RK = np.tanh(number_RK) if self.squashed else number_RK
        scaled_RK: NDArray[Any] = np.clip(number_RK * half_K + middle_K, self.low_K, self.high_K)
        return np.rint(scaled_RK) if self.whole else scaled_RK

    def units(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Middle and half width of each box number, in the arena's units; 0 and 1 where it has no bounds."""
        bounded_K = np.isfinite(self.low_K) & np.isfinite(self.high_K)
        with np.errstate(invalid="ignore"):
            middle_K = np.where(bounded_K, (self.low_K + self.high_K) / 2, np.float32(0))
            half_K = np.where(bounded_K, (self.high_K - self.low_K) / 2, np.float32(1))
        return middle_K, half_K


def draw(
    heads: ActionHeads,
    out_PRC: Tensor,
    legal_PRA: Tensor | None,
    log_std: Tensor | None,
    uniform_PRU: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Actions (P, R, K) and their log-probabilities (P, R); `uniform_PRU`, in (0, 1), None means the mode.

    Categorical as a race of exponentials (the choice whose -log(u) / p is least), Gaussian by Box and Muller
    1958. Box numbers are neither clipped nor squashed here: the log-probability is that of the number drawn,
    whose ratios are those of what `ActionHeads.played` makes of it. `log_std` None: the spread stands behind
    the mean in `out_PRC`.
    """
    if heads.boxes:
        return _draw_boxes(out_PRC, log_std, uniform_PRU)
    actions, logps = [], []
    at = 0
    for part, logs in zip(heads.counted, _log_probabilities(heads, out_PRC, legal_PRA), strict=True):
        if uniform_PRU is None:
            choice = logs.argmax(-1, keepdim=True)
        else:
            choice = (logs.exp() / uniform_PRU[..., at : at + part.size].log()).argmin(-1, keepdim=True)
        actions.append(choice)
        logps.append(logs.gather(-1, choice))
        at += part.size
    if len(actions) == 1:
        return actions[0], logps[0].squeeze(-1)
    return torch.cat(actions, -1), torch.cat(logps, -1).sum(-1)


def evaluate(
    heads: ActionHeads, out_PRC: Tensor, legal_PRA: Tensor | None, log_std: Tensor | None, action_PRK: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (P, R) of drawn numbers (int64 for choices)."""
    if heads.boxes:
        mean, log_std = _moments(out_PRC, log_std)
        logp = _normal_logp((action_PRK - mean) * (-log_std).exp(), log_std)
        entropy = (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)
        return logp, entropy.expand_as(logp)
    logps, entropies = [], []
    for part, logs in zip(heads.counted, _log_probabilities(heads, out_PRC, legal_PRA), strict=True):
        logps.append(logs.gather(-1, action_PRK[..., part.place : part.place + 1]).squeeze(-1))
        entropies.append(-(logs.exp() * logs).sum(-1))
    if len(logps) == 1:
        return logps[0], entropies[0]
    return torch.stack(logps).sum(0), torch.stack(entropies).sum(0)


def _log_probabilities(heads: ActionHeads, out_PRC: Tensor, legal_PRA: Tensor | None) -> list[Tensor]:
    """Log-probabilities of each choice, illegal ones near MASKED."""
    parts, at = [], 0
    for part in heads.counted:
        logits = out_PRC[..., at : at + part.size]
        if legal_PRA is not None and part.mask_at is not None:
            logits = torch.where(legal_PRA[..., part.mask_at : part.mask_at + part.size], logits, MASKED)
        parts.append(torch.log_softmax(logits, -1))
        at += part.size
    return parts


def _draw_boxes(out_PRC: Tensor, log_std: Tensor | None, uniform_PRU: Tensor | None) -> tuple[Tensor, Tensor]:
    mean_PRK, log_std = _moments(out_PRC, log_std)
    normal = torch.zeros_like(mean_PRK)
    if uniform_PRU is not None:
        radius, angle = uniform_PRU.chunk(2, -1)
        normal = torch.sqrt(-2 * torch.log(radius)) * torch.cos(2 * math.pi * angle)
    return mean_PRK + normal * log_std.exp(), _normal_logp(normal, log_std)


def _moments(out_PRC: Tensor, log_std: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean, and logarithm of the spread: a parameter's, or the second half of the outputs within LOG_STD."""
    if log_std is not None:
        return out_PRC, log_std
    mean, spread = out_PRC.chunk(2, -1)
    return mean, spread.clamp(*LOG_STD)


def _normal_logp(normal: Tensor, log_std: Tensor) -> Tensor:
    return (-0.5 * normal**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
