"""A tournament of 2,000 matches, killed at 100 random moments, ends as one that was left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from league.runs import Run
from league.standings import standings_of
from league.tables import to_json
from league.transfer import check

WORDS = [
    *("tournament", "run", "biased_rps", "random", "tests.league.toys:rock", "tests.league.toys:paper"),
    *("agents.scripted.matrix:cooperate", "--blocks", "167", "--seed", "3", "--executor", "process"),
    *("--set", "options.steps=4", "--set", "pool.copies=4", "--set", "tournament.resamples=200"),
    *("--set", 'tournament.format={"kind": "ladder", "rounds": 167, "blocks": 4}'),
]


def _start(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "marl.cli", *WORDS, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_tournament_killed_a_hundred_times(tmp_path: Path) -> None:
    """Vector V18b: every block exactly once, a whole ledger, and standings that are equal to the last bit."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    began_s = time.monotonic()
    process = _start(whole)
    _, error = process.communicate(timeout=1000)
    assert process.returncode == 0, error
    took_s = time.monotonic() - began_s
    rng = np.random.default_rng(0)
    kills = 0
    while kills < 100:
        process = _start(torn)
        # anywhere between the start of the interpreter and a few tasks further on
        patience_s = float(rng.uniform(0.2, 0.3 * took_s + 2))
        try:
            _, error = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        else:
            assert process.returncode == 0, error
            # it came to its end: the torment begins anew in another folder
            torn = tmp_path / f"torn-{kills}"
    process = _start(torn)
    _, error = process.communicate(timeout=1000)
    assert process.returncode == 0, error
    folders = [whole, *tmp_path.glob("torn*")]
    tables = []
    for folder in folders:
        with Run.open(folder) as run:
            blocks = run.ledger.blocks()
            assert sum(len(block.matches) for block in blocks) >= 2000
            assert len({block.plan.id for block in blocks}) == len(blocks)
            assert check(run.ledger) == []
            rated, pairs, names, _ = standings_of(run, "tournament")
            tables.append(([block.digest for block in blocks], to_json(rated, pairs, "difference", names)))
    assert all(table == tables[0] for table in tables[1:])
