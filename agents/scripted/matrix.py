"""Fixed choices for the matrix games: yardsticks, and the smallest examples of a player."""

from __future__ import annotations

from typing import Any


def cooperate(observation: Any) -> int:  # noqa: ANN401  # which seat one is, and no matter
    """Always the first choice: cooperation in the prisoner's dilemma."""
    del observation
    return 0


def defect(observation: Any) -> int:  # noqa: ANN401  # which seat one is, and no matter
    """Always the second choice: defection in the prisoner's dilemma."""
    del observation
    return 1
