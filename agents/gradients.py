"""Gradients of networks of P models (`agents.networks`): each model is a learner of its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from agents.adam import Adam

EXPLODED = 1e8
"""Losses and gradients of rewards of size 1 beyond it are no longer those of learning: usual are 1 to 1e3."""


def exploded(numbers: NDArray[np.floating] | Sequence[float], reward: float = 1.0) -> bool:
    """Whether any is not finite or beyond EXPLODED; losses may go with the square of the greatest reward."""
    within = np.isfinite(numbers) & (np.abs(numbers) <= EXPLODED * max(1.0, reward) ** 2)
    return not within.all()


def clip_by_model(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale each model's gradient to at most `max_norm`; returns the norms before, shape (P,)."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients]
    norm_P: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    scale_P = (max_norm / (norm_P + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale_P.view(-1, *[1] * (gradient.dim() - 1)))
    return norm_P


@contextmanager
def held_still(parameters: Iterable[nn.Parameter], adam: Adam, idle: Sequence[int]) -> Iterator[None]:
    """Within it the models `idle` stay: momentum would move them even with a gradient of zero."""
    if not idle:
        yield
        return
    own = {id(parameter) for parameter in parameters}
    tensors: list[Tensor] = []
    for parameter, mean, square in zip(adam.parameters, adam.mean, adam.square, strict=True):
        if id(parameter) in own:
            tensors += [parameter.data, mean, square]
    rows = torch.tensor(idle, device=tensors[0].device)
    kept = [(tensor, tensor[rows].clone()) for tensor in tensors]
    try:
        yield
    finally:
        for tensor, before in kept:
            tensor[rows] = before
