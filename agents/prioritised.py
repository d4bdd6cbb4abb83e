"""Which steps of a replay are learned from: all alike, or by their errors (Schaul et al. 2016).

Axes: C slots, B batch, L leaves of the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class SumTree:
    """Numbers >= 0 at L leaves; finds leaves by prefix sums. Sums are computed anew, so they cannot drift."""

    def __init__(self, size: int) -> None:
        self._leaves = 1 << max(0, size - 1).bit_length()
        self.sums = np.zeros(2 * self._leaves)

    @property
    def total(self) -> float:
        """Sum of all."""
        return float(self.sums[1])

    def get(self, index_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """The numbers at some leaves."""
        return self.sums[index_B + self._leaves]

    def set(self, index_B: NDArray[np.int64], value_B: NDArray[np.float64]) -> None:
        """Put numbers at some leaves; the last one counts where a leaf is named twice."""
        node = index_B + self._leaves
        self.sums[node] = value_B
        while len(node) and node[0] > 1:
            node = np.unique(node >> 1)
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1]

    def find(self, mass_B: NDArray[np.float64]) -> NDArray[np.int64]:
        """The leaves at which the running sum first exceeds each of `mass`, in [0, total)."""
        node = np.ones(len(mass_B), np.int64)
        mass = mass_B.copy()
        while len(node) and node[0] < self._leaves:
            left = self.sums[2 * node]
            # rounding must not lead into a branch that holds nothing
            right = (mass >= left) & (self.sums[2 * node + 1] > 0)
            mass = np.where(right, mass - left, mass)
            node = 2 * node + right
        return node - self._leaves


class Uniform:
    """Every step that teaches is as likely as any other, and weighs 1."""

    def __init__(self, capacity: int) -> None:
        self._teaches_C = np.zeros(capacity, np.bool_)
        self._held = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, written: NDArray[np.int64], teaches: NDArray[np.bool_]) -> None:
        """These slots hold something else now."""
        self._teaches_C[written] = teaches
        self._held = np.flatnonzero(self._teaches_C)

    def draw(
        self, count: int, random: np.random.Generator, beta: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """`count` slots, with replacement, and their weights."""
        del beta
        return self._held[random.integers(len(self._held), size=count)], np.ones(count, np.float32)

    def judge(self, index_B: NDArray[np.int64], error_B: NDArray[np.float32]) -> None:
        """Errors do not matter here."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on."""
        return {"teaches": self._teaches_C}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`."""
        self._teaches_C[:] = state["teaches"]
        self._held = np.flatnonzero(self._teaches_C)


class Prioritised:
    """P(i) = p_i**alpha / sum, with p the last error seen + 1e-6; new steps have the greatest p so far.

    Weights are (N P(i))**-beta over the greatest of the batch (eq. 1 and section 3.4); N steps teach.
    """

    def __init__(self, capacity: int, alpha: float) -> None:
        self.tree = SumTree(capacity)
        self._alpha = alpha
        self._greatest = 1.0
        self._teaches_C = np.zeros(capacity, np.bool_)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, written: NDArray[np.int64], teaches: NDArray[np.bool_]) -> None:
        """These slots hold something else now."""
        self._count += int(teaches.sum()) - int(self._teaches_C[written].sum())
        self._teaches_C[written] = teaches
        self.tree.set(written, np.where(teaches, self._greatest**self._alpha, 0.0))

    def draw(
        self, count: int, random: np.random.Generator, beta: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """`count` slots, one of each equal part of the sum, and their weights."""
        part = self.tree.total / count
        index_B = self.tree.find((np.arange(count) + random.random(count)) * part)
        probability_B = self.tree.get(index_B) / self.tree.total
        weight_B = (self._count * probability_B) ** -beta
        return index_B, (weight_B / weight_B.max()).astype(np.float32)

    def judge(self, index_B: NDArray[np.int64], error_B: NDArray[np.float32]) -> None:
        """Let the slots' priorities follow from their errors, without importance weights."""
        priority_B = np.abs(error_B.astype(np.float64)) + 1e-6
        self._greatest = max(self._greatest, float(priority_B.max()))
        self.tree.set(index_B, priority_B**self._alpha)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on."""
        return {"sums": self.tree.sums, "teaches": self._teaches_C, "greatest": np.array([self._greatest])}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`."""
        self.tree.sums[:] = state["sums"]
        self._teaches_C[:] = state["teaches"]
        self._count = int(self._teaches_C.sum())
        self._greatest = float(state["greatest"][0])
