"""Bad input to leagues and the command line: exactly one clear error, its exit code, and nothing lost."""

from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from league.config import LeagueSettings
from tests.league.driving import DUEL, carried_out, tasks_recorded, toy, trace, written
from tests.system.driving import ROOT, Said, ran, said

Cli = Callable[..., Said]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Runs a command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda *words: said(words, capfd, monkeypatch)


@pytest.fixture
def duel(tmp_path: Path) -> Path:
    """The folder of a finished tournament."""
    return carried_out(toy(of=DUEL), tmp_path / "duel")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["arenas", "show", "tradnig"], ["arena", "'tradnig'", "Did you mean 'trading'"]),
        (["train", "identiy"], ["arena", "Did you mean 'identity'"]),
        (["arenas", "show", "biased_rps", "--set", "step=2"], ["'step'", "Did you mean 'steps'?"]),
        (["arenas", "show", "biased_rps", "--set", "steps=0"], ["steps", "greater than or equal to 1"]),
        (["arenas", "show", "biased_rps", "--set", "steps"], ["--set steps", "name=value"]),
        (["train", "identity", "--set", "learner.setings.lr=1"], ["Did you mean 'settings'?"]),
        (["train", "identity", "--set", "learner.settings.lrr=1"], ["'lrr'", "lr"]),
        (["train", "identity", "--learner", "poo"], ["learner", "Did you mean 'ppo' or 'mappo'?"]),
        (["train", "identity", "--executor", "ray"], ["--executor", "process"]),
        (["league", "run", "dmeo"], ["Did you mean 'demo'?"]),
        (["league", "run", "demo", "--set", "tournament.blcks=2"], ["Did you mean 'blocks'?"]),
        (["league", "run", "none.toml"], ["none.toml", "no such file"]),
        (["tournament", "run", "biased_rps", "random", "rok"], ["player", "'rok'", "random"]),
        (["tournament", "run", "biased_rps", "random"], ["two players"]),
    ],
    ids=lambda value: " ".join(value) if value and " " not in value[0] else "",
)
def test_wrong_names_are_usage_errors(cli: Cli, words: list[str], parts: list[str], tmp_path: Path) -> None:
    """A name, option or key that there is not: one line that names the nearest, exit code 2."""
    done = cli(*words)
    assert done.code == 2
    done.one_error(*parts)
    assert "Traceback" not in done.out
    assert (
        not list(tmp_path.rglob("ledger.db")) or tasks_recorded(next(tmp_path.rglob("ledger.db")).parent) == 0
    )


@pytest.mark.parametrize("words", [["train", "identity"], ["league", "run", "toy.toml"]], ids=" ".join)
@pytest.mark.timeout(90)
def test_missing_extra(tmp_path: Path, words: list[str]) -> None:
    """Without torch, what learns says which extra to install, and the rest of the platform works."""
    without = tmp_path / "without"
    (without / "torch").mkdir(parents=True)
    (without / "torch" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    written(tmp_path, toy("workers=1"))
    done = ran(words, tmp_path, [without])
    assert done.code == 1
    done.one_error("no package 'torch'", "pip install 'marl-league[torch]'")
    plays = ran(["eval", "biased_rps", "random", "arenas.matrix:BiasedRPS"], tmp_path, [without])
    assert "torch" not in plays.err
    scripted = ran(
        ["eval", "biased_rps", "random", "tests.league.toys:rock", "--blocks", 2, "--json"],
        tmp_path,
        [without],
    )
    assert scripted.code == 0, scripted.err
    json.loads(scripted.out)


def test_unwritable_folder(cli: Cli, tmp_path: Path) -> None:
    """A run folder that can't be made or written is one error that says to name another."""
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/run", "/proc/run"):
        done = cli("tournament", "run", "biased_rps", "random", "tests.league.toys:rock", "--out", folder)
        assert done.code == 1
        done.one_error(f"run folder {folder}", "a folder that can be written", "--out")
    assert (tmp_path / "file").read_text() == ""


def test_other_settings_in_a_folder(cli: Cli, duel: Path) -> None:
    """A folder that holds another run is not written to."""
    before = trace(duel)
    done = cli("league", "run", written(duel.parent, toy("tournament.blocks=5", of=DUEL)), "--out", duel)
    assert done.code == 2
    done.one_error("other settings for tournament", "marl league resume")
    assert trace(duel) == before


def test_folder_without_a_run(cli: Cli, tmp_path: Path) -> None:
    """Reading or resuming a folder that holds no run is one error."""
    for words in (["league", "resume"], ["standings"], ["replay", "list"], ["replay", "verify"]):
        done = cli(*words, tmp_path / "nowhere")
        assert done.code == 1
        done.one_error("nowhere", "no such file" if words == ["standings"] else "no config.toml")


def test_standings_before_there_are_any(cli: Cli, duel: Path) -> None:
    """A purpose without blocks is one error."""
    done = cli("standings", duel, "--purpose", "gate")
    assert done.code == 1
    done.one_error("no gate blocks")


def test_unknown_match(cli: Cli, duel: Path) -> None:
    """A match that there is not is one error that says where numbers are listed."""
    for words in (["replay", "verify", duel, 7], ["replay", "show", duel, 7]):
        done = cli(*words)
        assert done.code == 1
        done.one_error("match 7", "marl replay list")


def test_half_written_snapshot(cli: Cli, tmp_path: Path) -> None:
    """A snapshot that lacks a file, or that was altered, is one error that says what to do."""
    trained = cli("train", "biased_rps", "--steps", 100, "--set", "pool.copies=4", "--out", "run", "--json")
    snapshot = tmp_path / json.loads(trained.out)["snapshot"]
    data = bytearray((snapshot / "tensors.safetensors").read_bytes())
    data[-1] ^= 1
    (snapshot / "tensors.safetensors").write_bytes(data)
    done = cli("eval", "biased_rps", snapshot, "random")
    done.one_error(snapshot.name, "content of hash", "copy the folder again")
    assert done.code == 1
    (snapshot / "tensors.safetensors").unlink()
    done = cli("eval", "biased_rps", snapshot, "random")
    done.one_error(snapshot.name, "no tensors.safetensors")
    assert done.code == 1


def test_ledger_of_a_newer_schema(cli: Cli, duel: Path) -> None:
    """A ledger that a newer version wrote is refused by every command, and stays as it is."""
    ledger = duel / "ledger.db"
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema'")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = hashlib.sha256(ledger.read_bytes()).hexdigest()
    for words in (["standings"], ["league", "resume"], ["replay", "list"], ["replay", "verify"]):
        done = cli(*words, duel)
        assert done.code == 1
        done.one_error("schema 999", "Upgrade this package.")
    assert hashlib.sha256(ledger.read_bytes()).hexdigest() == before


def test_a_refused_command_makes_no_ledger(cli: Cli, duel: Path, tmp_path: Path) -> None:
    """Import, merge and upgrade leave no file where there was none; a ledger that was there stays."""
    (tmp_path / "bad.jsonl").write_text("garbage\n")
    refused = [
        (["import", "new.db", "bad.jsonl"], "bad.jsonl, line 1"),
        (["merge", "new.db", "nowhere"], "no such file"),
        (["upgrade", "new.db"], "no such file"),
    ]
    for words, part in refused:
        done = cli("ledger", *words)
        assert done.code == 1
        done.one_error(part)
        assert not list(tmp_path.glob("new.db*"))
    assert cli("ledger", "merge", "new.db", duel).code == 0
    cli("ledger", "import", "new.db", "bad.jsonl").one_error("bad.jsonl, line 1")
    assert cli("ledger", "check", "new.db").code == 0


def test_ledger_that_is_none(cli: Cli, duel: Path) -> None:
    """A file that is no data base in the ledger's place is one error."""
    for leftover in duel.glob("ledger.db-*"):
        leftover.unlink()
    (duel / "ledger.db").write_bytes(b"this is no data base, " * 100)
    for words in (["standings"], ["league", "resume"]):
        done = cli(*words, duel)
        assert done.code == 1
        done.one_error("ledger.db", "not a database")


def test_occupied_port(cli: Cli, tmp_path: Path) -> None:
    """A gateway's port that is taken is one error; the other pairs are recorded, and a resume goes on."""
    table = {**DUEL["tournament"], "external": [{"name": "guest", "wait_s": 0.2, "blocks": 2}]}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        values = DUEL | {"tournament": {**table, "gateway": {"bind": bind}}}
        path = written(tmp_path, LeagueSettings.read("duel", values))
        done = cli("league", "run", path, "--out", "run", "--executor", "inline")
        assert done.code == 1
        done.one_error(bind.rpartition(":")[2])
        assert tasks_recorded(Path("run")) == 3
    away = cli("league", "resume", "run", "--executor", "inline")
    assert away.code == 1
    away.one_error("guest", "no agent", "resume")
    assert "recorded already" in away.out
    # a setting that no result depends on may be mended
    elsewhere = cli("league", "resume", "run", "--set", "tournament.external.0.wait_s=0.1")
    elsewhere.one_error("within 0.1 s")
    assert tasks_recorded(Path("run")) == 3


def test_nobody_to_join(cli: Cli, tmp_path: Path) -> None:
    """`marl join` where no gateway listens is one error, exit code 1."""
    (tmp_path / "agent.py").write_text("def act(observation):\n    return 0\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = cli("join", address, "agent.py:act", "--token", "x")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert address in done.err
