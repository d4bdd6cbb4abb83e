"""What PPO's epochs read: N units, single decisions or with memory whole rows (R, T). Axes: `agents.ppo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass
class Batch:
    """What the epochs read: units (N, ...), and the numbers of those that each model learns from."""

    pools: list[NDArray[np.int64]]
    actor_NF: Tensor
    central_NF: Tensor | None
    legal_NA: Tensor | None
    action_NK: Tensor
    logp_N: Tensor
    advantage_N: Tensor
    target_N: Tensor
    weight_N: Tensor
    first_RT: Tensor
    memory_RM: Tensor


def taking(units: Tensor) -> Callable[[Tensor], Tensor]:
    """What takes the rows of units (P, U) out of a batch's tensors."""
    chosen = units.clamp(min=0).flatten()
    return lambda tensor: tensor.index_select(0, chosen).view(*units.shape, *tensor.shape[1:])


def entries(rows: Callable[[Tensor], Tensor], *, memory: bool) -> Callable[[Tensor], Tensor]:
    """What takes single decisions (P, U, ...) out; with memory those of whole rows, one after the other."""
    return (lambda tensor: rows(tensor).flatten(1, 2)) if memory else rows


def weights(units_PU: Tensor, weight_PN: Tensor) -> Tensor:
    """The weight of each entry in its model's mean: padding counts for nothing, the rest sums to 1."""
    held = (units_PU >= 0).to(weight_PN.dtype)
    if weight_PN.shape[1] != held.shape[1]:
        held = held.repeat_interleave(weight_PN.shape[1] // held.shape[1], dim=1)
    weight = weight_PN * held
    return weight / weight.sum(1, keepdim=True).clamp(min=1)
