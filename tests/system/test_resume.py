"""A league that is killed, whenever that is, leaves a whole ledger, and resumed finds what it would have."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from league.ledger import Ledger
from league.runs import LEDGER
from tests.league.driving import assert_whole, carried_out, tasks_recorded, toy, trace, written
from tests.system.driving import children, gone, ran, running, until


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the small league finds, inline and uninterrupted."""
    return trace(carried_out(toy(), tmp_path_factory.mktemp("reference")))


def _tournament_begins(reference: dict[str, Any]) -> int:
    """The number of the first tournament task."""
    purposes = [result for _, kind, _, result in reference["tasks"] if kind == "play"]
    assert purposes
    return len(reference["tasks"]) - 6  # four entrants, six pairs


def _killed_when(words: list[object], folder: Path, run: Path, tasks: int) -> None:
    """Start a league and kill it as soon as so many tasks are recorded; everything it started ends, too."""
    with running(words, folder) as process:
        until(lambda: tasks_recorded(run) >= tasks or process.poll() is not None, timeout_s=50)
        started = children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: gone(started), timeout_s=15)


@pytest.mark.timeout(180)
def test_killed_twice_and_resumed(reference: dict[str, Any], tmp_path: Path) -> None:
    """Killed in training and again in the tournament, a league with hosts is the same in the end."""
    settings = toy("pool.hosts=1")
    run = tmp_path / "run"
    _killed_when(["league", "run", written(tmp_path, settings), "--out", run], tmp_path, run, 1)
    recorded = tasks_recorded(run)
    assert 1 <= recorded < _tournament_begins(reference)
    resume = ["league", "resume", run]
    _killed_when(list(resume), tmp_path, run, _tournament_begins(reference) + 1)
    recorded = tasks_recorded(run)
    assert recorded > _tournament_begins(reference)
    with Ledger.open(run / LEDGER, create=False) as ledger:
        assert len(ledger.tasks("toy")) == recorded
    done = ran(resume, tmp_path, timeout_s=60)
    assert done.code == 0, done.err
    assert_whole(run)
    assert trace(run) == reference


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_moment(reference: dict[str, Any], tmp_path: Path) -> None:
    """Killed after random times, over and over until it is through, a league is what it would have been."""
    rng = np.random.default_rng(11)
    run, killed = tmp_path / "run", 0
    words = ["league", "run", written(tmp_path, toy()), "--out", run]
    # first chances are too short to get anywhere; later ones are not
    for patience_s in np.concatenate([rng.uniform(0.5, 6, 6), rng.uniform(6, 20, 12)]):
        with running(words, tmp_path) as process:
            try:
                process.wait(timeout=float(patience_s))
                break
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        if (run / LEDGER).is_file() and tasks_recorded(run):
            Ledger.open(run / LEDGER, create=False).close()
    assert killed >= 6
    done = ran(["league", "resume", run], tmp_path, timeout_s=120)
    assert done.code == 0, done.err
    assert_whole(run)
    assert trace(run) == reference


@pytest.mark.timeout(120)
def test_a_killed_worker_changes_nothing(reference: dict[str, Any], tmp_path: Path) -> None:
    """Where every worker is killed in the middle of a run, others take over, and the league is the same."""
    run = tmp_path / "run"
    with running(["league", "run", written(tmp_path, toy()), "--out", run], tmp_path) as process:
        until(lambda: tasks_recorded(run) >= 1)
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=80)
    assert process.returncode == 0, err
    assert_whole(run)
    assert trace(run) == reference


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.timeout(90)
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, or being asked to end, ends workers and hosts, says how to go on, and traces nothing."""
    run = tmp_path / "run"
    words = ["league", "run", written(tmp_path, toy("stages.0.steps=1000000", "pool.hosts=1")), "--out", run]
    with running(words, tmp_path) as process:
        until(lambda: len(children(process.pid)) >= 2)
        started = children(process.pid)
        # Ctrl-C reaches everything that the terminal's command started
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert "Traceback" not in out + err
    assert process.returncode == 128 + number
    assert err.splitlines() == [err.strip()]
    assert "marl league resume" in err
    until(lambda: gone(started), timeout_s=15)
