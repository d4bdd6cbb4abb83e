"""Running statistics that make inputs and targets unit-sized; they only ever see valid rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class RunningMoments:
    """Mean and variance of F features over all rows seen, in float64 (Chan et al. 1979, parallel update).

    `still` features, as an image's, stay as they are: mean 0, scale 1.
    """

    def __init__(self, features: int, still: Sequence[slice] = ()) -> None:
        self._moving: NDArray[np.int64] | None = None
        if still:
            self._moving = np.delete(np.arange(features), np.r_[tuple(still)])
        self.count = 0.0
        self.mean = np.zeros(features)
        self.m2 = np.zeros(features)

    def update(self, x_RF: NDArray[np.float32]) -> None:
        """Take rows in."""
        rows = len(x_RF)
        if not rows:
            return
        at = slice(None) if self._moving is None else self._moving
        x_RF = x_RF[:, at]
        mean = x_RF.mean(0, dtype=np.float64)
        m2 = x_RF.var(0, dtype=np.float64) * rows
        delta = mean - self.mean[at]
        total = self.count + rows
        self.mean[at] = self.mean[at] + delta * (rows / total)
        self.m2[at] = self.m2[at] + m2 + delta**2 * (self.count * rows / total)
        self.count = total

    @property
    def scale(self) -> NDArray[np.float64]:
        """1 / standard deviation; 1 for features that have not varied yet."""
        std = np.sqrt(self.m2 / max(self.count, 1.0))
        return np.where(std > 1e-6, 1 / np.maximum(std, 1e-6), 1.0)

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything needed to go on."""
        return {"count": np.array([self.count]), "mean": self.mean, "m2": self.m2}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`."""
        self.count = float(state["count"][0])
        self.mean, self.m2 = np.array(state["mean"]), np.array(state["m2"])


class ValueScale:
    """Mean and spread of returns for P models, as bias-corrected moving averages."""

    def __init__(self, models: int, decay: float) -> None:
        self._decay = decay
        self._sums = np.zeros((models, 2))
        self._weight = np.zeros(models)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Shape (P,)."""
        return self._moments()[0]

    @property
    def std(self) -> NDArray[np.float64]:
        """Shape (P,); 1 before a model's first returns, and never below a hundredth of the mean's size."""
        return self._moments()[1]

    def update(
        self, returns: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Take the returns of each model in; a model without any keeps its statistics.

        Returns the ratio and shift (P,) that keep what a critic says where it was, y -> y * ratio + shift
        where y = (value - mean) / std (PopArt, van Hasselt et al. 2016, eq. 9).
        """
        old_mean, old_std = self._moments()
        for model, values in enumerate(returns):
            if len(values):
                new = np.array([values.mean(dtype=np.float64), np.square(values, dtype=np.float64).mean()])
                self._sums[model] = self._decay * self._sums[model] + (1 - self._decay) * new
                self._weight[model] = self._decay * self._weight[model] + (1 - self._decay)
        mean, std = self._moments()
        return old_std / std, (old_mean - mean) / std

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Everything needed to go on."""
        return {"sums": self._sums, "weight": self._weight}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`."""
        self._sums, self._weight = np.array(state["sums"]), np.array(state["weight"])

    def _moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weight = np.maximum(self._weight, 1e-12)
        mean = self._sums[:, 0] / weight
        # returns that hardly vary would blow rounding noise up to unit size
        std = np.sqrt(np.maximum(self._sums[:, 1] / weight - mean**2, (0.01 * mean) ** 2 + 1e-8))
        return mean, np.where(self._weight > 0, std, 1.0)
