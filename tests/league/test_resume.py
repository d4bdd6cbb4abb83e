"""A run that was stopped goes on where it was, and finds what it would have found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from league.config import LeagueSettings
from league.league import League, Progress
from league.ledger import Ledger
from league.runs import LEDGER, Run
from marl.errors import ConfigError, LedgerError, RunError, SnapshotError
from tests.league.driving import DUEL, TOY, assert_whole, carried_out, tasks_recorded, toy, trace


class OfALaterVersion(PPOSettings):
    """PPO's settings, with another default."""

    value_weight: float = Field(0.7, description="weight of the value loss")


class _Stopped(Exception):  # noqa: N818  # it is no error
    pass


def _stopped_after(settings: LeagueSettings, folder: Path, tasks: int) -> None:
    """Run until that many more tasks are recorded."""
    heard = []

    def told(progress: Progress) -> None:
        if "recorded already" not in progress.line:
            heard.append(progress)
        if len(heard) == tasks:
            raise _Stopped

    with pytest.raises(_Stopped), League(settings, folder, backend="inline", told=told) as league:
        league.run()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small league, carried out without interruption."""
    return carried_out(toy(), tmp_path_factory.mktemp("finished"))


def test_resumes_at_every_task(finished: Path, tmp_path: Path) -> None:
    """Stopped and resumed after each single task, it is the same league in the end."""
    whole = trace(finished)
    for _ in range(len(whole["tasks"]) - 1):
        _stopped_after(toy(), tmp_path, 1)
    carried_out(toy(), tmp_path)
    assert_whole(tmp_path)
    assert trace(tmp_path) == whole


def test_learning_beside_play_resumes_too(tmp_path: Path) -> None:
    """With `overlap` nothing is under way between tasks: stopped twice, it is the same league in the end."""
    settings = toy("learner.overlap=true")
    whole = trace(carried_out(settings, tmp_path / "whole"))
    for _ in range(2):
        _stopped_after(settings, tmp_path / "parts", 1)
    assert trace(carried_out(settings, tmp_path / "parts")) == whole


def test_a_finished_run_resumes_to_itself(finished: Path, tmp_path: Path) -> None:
    """Going on with a run that is over plays nothing, changes nothing in the ledger, and finds the same."""
    folder = Path(shutil.copytree(finished, tmp_path / "copy"))
    before, lines = trace(folder), []
    with League(toy(), folder, backend="process", told=lambda p: lines.append(p.line)) as league:
        findings = league.run()
    assert lines == [f"{len(before['tasks'])} tasks are recorded already"]
    assert json.loads(json.dumps(findings.to_json()))["standings"] == before["standings"]["standings"]
    assert trace(folder) == before


def test_tournament_alone_trains_first(finished: Path, tmp_path: Path) -> None:
    """`tournament()` of a league with stages carries out what is left of training."""
    with League(toy(), tmp_path, backend="inline") as league:
        league.tournament()
    assert trace(tmp_path) == trace(finished)


def test_metrics_are_whole_after_resuming(finished: Path, tmp_path: Path) -> None:
    """`metrics.jsonl` of a resumed run has every update once, in order."""
    _stopped_after(toy(), tmp_path, 2)
    carried_out(toy(), tmp_path)
    rows, expected = (
        [line.count(",") for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (tmp_path, finished)
    )
    assert rows == expected
    assert len(rows) > 0


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second league in the same folder is refused; one in another folder runs side by side."""
    settings = toy(of=DUEL)
    with League(settings, tmp_path / "a", backend="inline") as first:
        with pytest.raises(RunError, match="another process that writes in it"):
            League(settings, tmp_path / "a", backend="inline")
        with League(settings, tmp_path / "b", backend="inline") as second:
            second.run()
            first.run()
    assert trace(tmp_path / "a") == trace(tmp_path / "b")


def test_other_settings_are_refused(finished: Path) -> None:
    """A folder with results is not gone on with under other settings, and they are named."""
    with pytest.raises(ConfigError, match="other settings for seed") as caught:
        League(toy("seed=9"), finished)
    assert "--out" in caught.value.remedy
    assert tasks_recorded(finished) == len(trace(finished)["tasks"])


def test_settings_may_be_mended_while_nothing_is_recorded(tmp_path: Path) -> None:
    """A run whose first task failed is begun anew under mended settings."""
    with (
        pytest.raises(ConfigError),
        League(toy("learner.settings.lr=-1"), tmp_path, backend="inline") as league,
    ):
        league.run()
    with League(toy("learner.settings.lr=1e-3"), tmp_path, backend="inline") as league:
        league.train()
    assert tasks_recorded(tmp_path) > 0


def test_workers_and_hosts_may_differ(tmp_path: Path) -> None:
    """Where a run is carried out may change when it is resumed, and is remembered."""
    _stopped_after(toy(of=DUEL), tmp_path, 1)
    changed = toy("workers=2", "pool.hosts=1", of=DUEL)
    carried_out(changed, tmp_path)
    with Run.open(tmp_path) as run:
        assert run.settings == changed


@pytest.mark.parametrize("lost", ["checkpoints", "snapshots"])
def test_lost_files_are_named(tmp_path: Path, lost: str) -> None:
    """Where a recorded snapshot or checkpoint is half gone, the run says which one, and keeps the rest."""
    _stopped_after(toy(), tmp_path, 1)
    (folder,) = (tmp_path / lost).iterdir()
    (folder / "tensors.safetensors").unlink()
    recorded = tasks_recorded(tmp_path)
    with pytest.raises(SnapshotError, match=r"no tensors\.safetensors") as caught:
        carried_out(toy(), tmp_path)
    assert folder.name in caught.value.where
    assert caught.value.remedy
    assert tasks_recorded(tmp_path) >= recorded


def test_half_written_files_are_swept(tmp_path: Path) -> None:
    """What a killed writer left half-written is gone when the run is opened to write."""
    _stopped_after(toy(), tmp_path, 1)
    (tmp_path / "snapshots" / ".half-x").mkdir()
    (tmp_path / "snapshots" / ".half-x" / "tensors.safetensors").write_bytes(b"half")
    (tmp_path / ".half-1-metrics.jsonl").write_bytes(b"{")
    carried_out(toy(), tmp_path)
    assert not [*tmp_path.rglob(".half-*")]


def test_contradicting_record_is_refused(tmp_path: Path) -> None:
    """A ledger whose tasks are not those that the settings plan is not gone on with."""
    _stopped_after(toy(of=DUEL), tmp_path, 1)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace("seed = 1\n", "seed = 2\n"))
    with pytest.raises(RunError, match="a recorded task of hash"):
        carried_out(toy("tournament.seed=2", of=DUEL), tmp_path)


def test_null_in_options_is_refused(tmp_path: Path) -> None:
    """What TOML can't hold is refused before a run begins: it could not be resumed."""
    values: dict[str, Any] = {**TOY, "options": {"steps": 4}, "learner": {"settings": {"hidden": None}}}
    with pytest.raises(ConfigError, match="a null"):
        League(LeagueSettings.read("toy", values), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folder_without_run(tmp_path: Path) -> None:
    """A folder that holds no run is told from one that does."""
    with pytest.raises(RunError, match=r"no config\.toml"):
        Run.open(tmp_path)


def test_newer_ledger_is_left_alone(tmp_path: Path) -> None:
    """A ledger of a newer schema is neither read nor written."""
    import sqlite3

    _stopped_after(toy(of=DUEL), tmp_path, 1)
    with sqlite3.connect(tmp_path / LEDGER) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
    connection.close()
    with pytest.raises(LedgerError, match="schema 999"):
        League(toy(of=DUEL), tmp_path)
    with pytest.raises(LedgerError, match="schema 999"):
        Ledger.open(tmp_path / LEDGER)


def test_a_run_goes_on_with_the_defaults_that_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that nobody gave stay what they were, though a later version has another default."""
    whole = trace(carried_out(toy(), tmp_path / "whole"))
    _stopped_after(toy(), tmp_path / "parts", 2)
    monkeypatch.setattr(PPO, "Settings", OfALaterVersion)
    assert trace(carried_out(toy(), tmp_path / "parts")) == whole
    assert trace(carried_out(toy(), tmp_path / "new")) != whole
