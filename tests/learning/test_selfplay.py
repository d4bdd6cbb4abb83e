"""Self-play in the league finds the equilibrium of biased rock-paper-scissors, by the preset users run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agents import load_snapshot
from agents.frozen import FrozenPolicy
from league import League, read_league
from tests.learning.practice import probabilities

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

EQUILIBRIUM = np.array([1, 10, 5]) / 16


def policies(folder: Path, seed: int) -> NDArray[np.float64]:
    """The policies of all snapshots of a run, (snapshots, seats, 3)."""
    with League(read_league("biased_rps", [f"seed={seed}"]), folder, backend="inline") as league:
        candidates = league.train().candidates
        found = []
        for candidate in candidates:
            frozen = load_snapshot(
                league.folder / "snapshots" / candidate.player.spec["snapshot"], league.spec
            )
            assert isinstance(frozen, FrozenPolicy)
            found.append(probabilities(frozen.nets["player"], np.eye(2, dtype=np.float32)))
    return np.array(found)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2)]])
def test_the_average_policy_is_the_equilibrium(seed: int, tmp_path: Path) -> None:
    """Within 0.05 of (1/16, 10/16, 5/16) over all 50 snapshots, from the first on."""
    found = policies(tmp_path / "run", seed)
    average = found.mean((0, 1))
    distance = float(np.abs(average - EQUILIBRIUM).max())
    last = float(np.abs(found[-1].mean(0) - EQUILIBRIUM).max())
    print(f"seed {seed}: average {average.round(3)}, off by {distance:.3f}; the last snapshot by {last:.3f}")  # noqa: T201  # the spread is what is shown
    assert len(found) == 50
    assert distance < 0.05
