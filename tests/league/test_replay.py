"""A recorded match steps again to the same end, and whatever was altered is noticed."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from league.replay import Replays, Stepper
from league.runs import LEDGER, Run
from league.standings import matches_of, verified, views
from marl.errors import LedgerError
from tests.league.driving import DUEL, carried_out, toy


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A finished tournament."""
    return carried_out(toy(of=DUEL), tmp_path / "run")


def test_all_matches_verify(run_folder: Path) -> None:
    """Every match of a tournament, or some of them, or one, steps again to what is recorded."""
    with Run.open(run_folder) as run:
        found = verified(run, None, 0)
        assert len(found) == len(matches_of(run, "tournament")) == 3 * 4 * 2
        assert not any(found.values())
        assert len(verified(run, None, 5)) == 5
        (number,) = verified(run, next(reversed(found)), 0)
    assert number in found


def test_views_follow_the_match(run_folder: Path) -> None:
    """A spectator sees the start and every step before the last."""
    with Run.open(run_folder) as run:
        row = matches_of(run, "tournament")[0]
        assert len(list(views(run, row["match"]))) == row["steps"]


def test_unknown_match(run_folder: Path) -> None:
    """A number that no match has is an error that says where numbers are listed."""
    with Run.open(run_folder) as run, pytest.raises(LedgerError, match="marl replay list"):
        verified(run, 12345, 0)


def test_altered_file_is_noticed(run_folder: Path) -> None:
    """A replay whose bytes are not those of its name, or that is gone, is refused by name."""
    path = next((run_folder / "replays").iterdir())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with Run.open(run_folder) as run, pytest.raises(LedgerError, match="altered or cut short"):
        verified(run, None, 0)
    path.unlink()
    with Run.open(run_folder) as run, pytest.raises(LedgerError, match="no such file"):
        verified(run, None, 0)


def test_altered_action_is_noticed(run_folder: Path) -> None:
    """An action that was replaced, under a name that fits, comes to another score when it is stepped."""
    with Run.open(run_folder) as run:
        names = {"tests.league.toys:rock", "tests.league.toys:paper"}
        blocks = [block for block in run.ledger.blocks(run="duel") if block.players == names]
        (task,) = [task for task in run.ledger.tasks("duel") if blocks[-1].plan.task == task.index]
        kept = Replays(run_folder / "replays" / str(task.result["replay"]))
        with Stepper(run.settings.ref()) as stepper:
            for block in (block for block in blocks if block.plan.task == task.index):
                for match in block.matches:
                    honest = kept.actions(match.match)
                    assert stepper.verify(block.plan, match, honest) == []
                    # rock against paper, and paper against paper for a round
                    forged = {
                        role: np.where(np.arange(3)[:, None, None] == 1, 1, a) for role, a in honest.items()
                    }
                    (*_, problem) = stepper.verify(block.plan, match, forged)
                    assert "recorded is" in problem
                    short = {role: action[:-1] for role, action in honest.items()}
                    (problem,) = stepper.verify(block.plan, match, short)
                    assert problem == "2 actions are recorded for 3 steps"


def test_forged_replay_is_noticed(run_folder: Path) -> None:
    """Who forges a whole file, its name and the ledger's mention of it is found out by stepping."""
    with Run.open(run_folder) as run:
        number = matches_of(run, "tournament")[-1]["match"]
        assert verified(run, number, 0) == {number: []}
        name = str(run.ledger.tasks("duel")[-1].result["replay"])
    path = run_folder / "replays" / name
    tensors = load(path.read_bytes())
    tensors[f"{number}/player"] = 1 - tensors[f"{number}/player"]
    data = save(tensors)
    forged = f"{hashlib.sha256(data).hexdigest()[:24]}.safetensors"
    path.with_name(forged).write_bytes(data)
    with sqlite3.connect(run_folder / LEDGER) as connection:
        connection.execute("UPDATE tasks SET result = replace(result, ?, ?)", (name, forged))
    connection.close()
    with Run.open(run_folder) as run:
        assert verified(run, number, 0)[number]


def test_actions_of_an_unknown_match(run_folder: Path) -> None:
    """A file that does not hold the match says so."""
    path = next((run_folder / "replays").iterdir())
    with pytest.raises(LedgerError, match="no match 5"):
        Replays(path).actions(5)
