"""Choices as one-hot rows that gradients can pass: Gumbel noise, straight through.

Axes: P models, R rows, C outputs of the heads, D numbers of an action as a critic sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from agents.devices import to_tensor
from agents.distributions import MASKED

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from agents.distributions import ActionHeads


def action_features(heads: ActionHeads, action_XK: Tensor) -> Tensor:
    """Actions (..., K) as a critic sees them (..., D): choices one-hot, box numbers as they are."""
    if heads.boxes:
        return action_XK.float()
    hot = [
        torch.nn.functional.one_hot(action_XK[..., part.place].long(), part.size) for part in heads.counted
    ]
    return torch.cat(hot, -1).float()


def action_size(heads: ActionHeads) -> int:
    """D."""
    return heads.boxes + sum(part.size for part in heads.counted)


def gumbel_choice(
    heads: ActionHeads,
    logits_PRC: Tensor,
    legal_PRA: Tensor | None,
    random: np.random.Generator,
    temperature: float = 1.0,
) -> Tensor:
    """One-hot draws of all choices (P, R, D), legal ones only, with the gradient of the relaxed draw.

    The greatest of logit + Gumbel noise is a draw from the softmax (Gumbel-max); backward sees
    softmax((logit + noise) / temperature) (Jang et al. 2017, section 2.2, straight-through).
    """
    exponential = random.standard_exponential(tuple(logits_PRC.shape), dtype="float32")
    noisy_PRC = logits_PRC - to_tensor(exponential, logits_PRC.device).clamp(min=1e-20).log()
    drawn, at = [], 0
    for part in heads.counted:
        noisy = noisy_PRC[..., at : at + part.size]
        at += part.size
        if legal_PRA is not None and part.mask_at is not None:
            noisy = torch.where(legal_PRA[..., part.mask_at : part.mask_at + part.size], noisy, MASKED)
        hot = torch.zeros_like(noisy).scatter_(-1, noisy.argmax(-1, keepdim=True), 1.0)
        if torch.is_grad_enabled():
            soft = torch.softmax(noisy / temperature, -1)
            hot = hot + (soft - soft.detach())
        drawn.append(hot)
    return torch.cat(drawn, -1)
