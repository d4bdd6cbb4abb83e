"""Returns and advantages over fragments, with truncation bootstrapped. Axes: T own decisions, R rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def gae(
    reward_TR: NDArray[np.float32],
    value_TR: NDArray[np.float32],
    next_value_TR: NDArray[np.float32],
    terminated_TR: NDArray[np.bool_],
    cut_TR: NDArray[np.bool_],
    gamma: float,
    lam: float,
) -> NDArray[np.float32]:
    """Generalised advantage estimates (Schulman et al. 2016, eq. 16), shape (T, R).

    `next_value_TR` is the value of the true successor. Termination ends the value; a cut (termination,
    truncation, the fragment's end) ends the trace. Entries that are not valid come out as nonsense and must
    be masked.
    """
    bootstrap: NDArray[np.float32] = np.where(terminated_TR, np.float32(0), next_value_TR)
    delta = reward_TR + np.float32(gamma) * bootstrap - value_TR
    keep = np.where(cut_TR, np.float32(0), np.float32(gamma * lam))
    advantage = np.zeros_like(reward_TR)
    running = np.zeros(delta.shape[1], np.float32)
    for t in range(len(delta) - 1, -1, -1):
        running = delta[t] + keep[t] * running
        advantage[t] = running
    return advantage


def n_step(
    reward_TR: NDArray[np.float32],
    terminated_TR: NDArray[np.bool_],
    end_TR: NDArray[np.bool_],
    gamma: float,
    n: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Discounted sums of up to `n` rewards, what weighs the value behind them, and where the sums end.

    Returns the sums, gamma**(how many rewards), or 0 where the last one terminated, and the time of the last
    decision in each sum, all (T, R). A sum goes past no `end` (termination, truncation, the fragment's end);
    a shorter one is bootstrapped from the true successor there (Sutton and Barto 2018, eq. 7.1).
    """
    time = np.broadcast_to(np.arange(len(reward_TR))[:, None], reward_TR.shape)
    row = np.broadcast_to(np.arange(reward_TR.shape[1])[None, :], reward_TR.shape)
    total, last, weight = reward_TR.copy(), time.copy(), np.full_like(reward_TR, gamma)
    going = ~end_TR
    for _ in range(n - 1):
        last = np.where(going, np.minimum(last + 1, len(reward_TR) - 1), last)
        total += np.where(going, weight * reward_TR[last, row], np.float32(0))
        weight = np.where(going, weight * np.float32(gamma), weight)
        going &= ~end_TR[last, row]
    return total, np.where(terminated_TR[last, row], np.float32(0), weight), last


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


def standardised(
    advantage_TR: NDArray[np.float32],
    learnable_TR: NDArray[np.bool_],
    model_R: NDArray[np.int64],
    least_P: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Advantages of each model with mean 0 and spread 1 over the entries it learns from.

    Other entries come out as they are. A spread below `least` is noise and is not blown up.
    """
    result = advantage_TR.copy()
    for model, least in enumerate(least_P):
        held = learnable_TR & (model_R == model)[None, :]
        if held.any():
            values = advantage_TR[held]
            result[held] = (values - values.mean()) / (values.std() + least)
    return result


def explained_variance(target_X: NDArray[np.float32], value_X: NDArray[np.float32]) -> float:
    """1 - Var(target - value) / Var(target); 0 where the targets do not vary."""
    variance = float(target_X.var())
    return 1 - float((target_X - value_X).var()) / variance if variance > 1e-12 else 0.0
