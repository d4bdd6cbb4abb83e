"""Returns and advantages over fragments, with truncation bootstrapped and early leavers kept apart. Axes: T, R."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def gae(  # noqa: PLR0913  # the formula has this many terms
    reward_TR: NDArray[np.float32],
    value_TR: NDArray[np.float32],
    next_value_TR: NDArray[np.float32],
    terminated_TR: NDArray[np.bool_],
    cut_TR: NDArray[np.bool_],
    gamma: float,
    lam: float,
) -> NDArray[np.float32]:
    """Generalised advantage estimates (Schulman et al. 2016, eq. 16), shape (T, R).

    `next_value_TR` is the value of the true successor. Termination ends the value; a cut (termination, truncation, the
    fragment's end) ends the trace. Entries that are not valid come out as nonsense and must be masked.
    """
    bootstrap = np.where(terminated_TR, np.float32(0), next_value_TR)
    delta = reward_TR + np.float32(gamma) * bootstrap - value_TR
    keep = np.where(cut_TR, np.float32(0), np.float32(gamma * lam))
    advantage = np.zeros_like(delta)
    running = np.zeros(delta.shape[1], np.float32)
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + keep[t] * running
        advantage[t] = running
    return advantage


def successor_values(
    value_TR: NDArray[np.float32],
    time_C: NDArray[np.int64],
    row_C: NDArray[np.int64],
    cut_value_C: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Values of true successors: the row's next value, except at cuts, where they were computed apart."""
    following = np.concatenate([value_TR[1:], value_TR[-1:]])
    following[time_C, row_C] = cut_value_C
    return following
