"""Every command does what its help says, in words and in JSON, and ends with the right exit code."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import marl.client
from arenas import ARENAS
from league.config import LeagueSettings
from tests.league.driving import DUEL, TOY, carried_out, toy, trace, written
from tests.system.driving import ROOT, Said, line_of, running, said

Cli = Callable[..., Said]
COMPILES = pytest.mark.timeout(240)
"""The first use of the market on a machine compiles it."""


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Runs a command in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)
    # what tests name by full spec
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda *words: said(words, capfd, monkeypatch)


def _json(done: Said) -> Any:  # noqa: ANN401  # JSON
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.fixture(scope="module")
def duel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tournament."""
    return carried_out(toy(of=DUEL), tmp_path_factory.mktemp("duel"))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["arenas"],
        ["arenas", "show"],
        ["train"],
        ["eval"],
        ["league", "run"],
        ["league", "resume"],
        ["tournament", "run"],
        ["standings"],
        ["replay", "verify"],
        ["join"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_help(cli: Cli, words: list[str]) -> None:
    """Each command explains itself."""
    done = cli(*words, "--help")
    assert done.code == 0
    assert "Usage:" in done.out


@pytest.mark.parametrize(
    "words",
    [["aernas"], ["arenas", "lst"], ["arenas", "show"], ["train", "identity", "--stesp", "3"]],
    ids=" ".join,
)
def test_wrong_usage(cli: Cli, words: list[str]) -> None:
    """A command or option that there is not, or a missing argument, is exit code 2, and no traceback."""
    done = cli(*words)
    assert done.code == 2
    assert "Usage:" in done.err
    assert "Traceback" not in done.err


def test_interrupted_amid_a_compilation(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends in one line and with 130, even where numba puts its own errors in the place of ours."""

    class HalfMade:
        def __del__(self) -> None:
            raise AttributeError("_ptr")

    def compiling() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            HalfMade()
            raise RuntimeError("cannot release un-acquired lock")

    monkeypatch.setattr("marl.cli.front.app", compiling)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    done = cli("arenas", "list")
    assert done.code == 130
    done.one_error("interrupted", "marl league resume")


def test_interrupted_where_nobody_hears_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C amid a destructor, which can't let it pass, ends the command all the same."""

    class Deaf:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def compiling() -> None:
        Deaf()
        while True:
            signal.pause()

    monkeypatch.setattr("marl.cli.front.app", compiling)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    done = cli("arenas", "list")
    assert done.code == 130
    done.one_error("interrupted", "marl league resume")


def test_doctor(cli: Cli) -> None:
    """`marl doctor` examines this machine."""
    checks = _json(cli("doctor", "--json"))
    assert {"name", "ok", "detail", "remedy", "required"} <= checks[0].keys()
    told = cli("doctor").out
    assert checks[0]["name"] in told
    assert all(check["remedy"] in told for check in checks)  # "[extra]" is no markup


@COMPILES
def test_arenas_list(cli: Cli) -> None:
    """`marl arenas list` names every arena and whether it can be used."""
    rows = {row["name"]: row for row in _json(cli("arenas", "list", "--json"))}
    assert rows["biased_rps"]["seats"] == "2 x player"
    assert all(row["available"] or row["reason"] for row in rows.values())
    table = cli("arenas", "list")
    assert table.code == 0
    assert all(name in table.out for name in rows)


class NoEngine:
    """A finder before all others that finds no PyBullet."""

    def find_spec(self, name: str, *_: object) -> None:
        """ModuleNotFoundError as where it is not installed."""
        if name.partition(".")[0] == "pybullet":
            raise ModuleNotFoundError(name=name)


@COMPILES
def test_arenas_list_without_the_physics(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyBullet is missing, the list says in full what to do about `assembly`; the rest can be used."""
    monkeypatch.delitem(sys.modules, "pybullet", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoEngine(), *sys.meta_path])
    rows = {row["name"]: row for row in _json(cli("arenas", "list", "--json"))}
    assert [name for name, row in rows.items() if not row["available"]] == ["assembly"]
    remedy = "marl-league[physics]" if sys.version_info < (3, 12) else "Use Python 3.11"
    assert remedy in rows["assembly"]["reason"]
    table = re.sub(r"[\s│]", "", cli("arenas", "list").out)
    assert remedy.replace(" ", "") in table


@COMPILES
def test_arenas_show(cli: Cli) -> None:
    """`marl arenas show` tells seats, spaces, options as set, and the data sheet."""
    spec = _json(cli("arenas", "show", "biased_rps", "--set", "steps=7", "--json"))
    assert spec["options"] == {"steps": 7}
    text = cli("arenas", "show", "biased_rps", "--set", "steps=7").out
    steps = "option steps = 7 (1 to 10000): rounds of a match"
    for part in ("player_0, player_1", "Discrete(3)", steps, "Equilibrium"):
        assert part in text
    trading = cli("arenas", "show", "trading").out
    assert "signal" in trading
    assert "scripted players: random, hold, " in trading


@COMPILES
@pytest.mark.parametrize("name", sorted(ARENAS))
def test_arenas_show_tells_every_option(cli: Cli, name: str) -> None:
    """Each option of each arena is told with its value, and with the values that are allowed."""
    if name == "assembly":
        pytest.importorskip("pybullet", reason="the extra physics is not installed")
    spec = _json(cli("arenas", "show", name, "--json"))
    told = cli("arenas", "show", name).out
    assert set(re.findall(r"^  option (\w+) = ", told, re.MULTILINE)) == set(spec["options"])
    if name == "trading":
        assert "option horizon = 128 (2 to 100000): Steps of a match." in told
        assert "option mark = 'mid' (value, mid): " in told
        assert "option scale_low = 0.5 (above 0, at most 10): " in told


def test_train_then_eval(cli: Cli, tmp_path: Path) -> None:
    """`marl train` makes a snapshot that `marl eval` takes; the run lies where it is said to."""
    learnt = _json(
        cli(
            *("train", "identity", "--steps", 2000, "--set", "learner.settings.hidden=[16]"),
            *("--set", "pool.copies=16", "--set", "options.symbols=3", "--json"),
        )
    )
    assert Path(learnt["run"]) == Path("runs/train-identity")
    assert (tmp_path / learnt["snapshot"] / "manifest.json").is_file()
    again = cli(
        *("train", "identity", "--steps", 2000, "--set", "learner.settings.hidden=[16]"),
        *("--set", "pool.copies=16", "--set", "options.symbols=3"),
    )
    assert "recorded already" in again.out
    assert learnt["snapshot"] in again.out
    fighter = cli(
        "train", "biased_rps", "--steps", 500, "--tasks", 2, "--set", "pool.copies=8", "--out", "rps"
    )
    (snapshot,) = re.findall(r"snapshot: (\S+)", fighter.out)
    found = _json(cli("eval", "biased_rps", snapshot, "random", "--blocks", 4, "--json"))
    assert len(found["standings"]["rows"]) == 2
    text = cli("eval", "biased_rps", snapshot, "random", "--blocks", 4).out
    assert "comes first" in text


def test_train_starts_from_tuned_settings(cli: Cli) -> None:
    """It says in a line which; `--preset none` does without, and `marl arenas` lists what there is."""
    small = ("--steps", 200, "--set", "pool.copies=8", "--set", "learner.rollout=8", "--out")
    tuned = cli("train", "spread", *small, "tuned")
    assert "tuned settings spread/ppo (agents/presets/spread/ppo.toml)\n" in tuned.out
    four = cli("train", "spread", *small, "four", "--set", "options.agents=4")
    assert "spread/ppo.toml); they were tuned with other options: agents = 3 (here 4)" in four.out
    assert "tuned settings" not in cli("train", "spread", *small, "plain", "--preset", "none").out
    assert "spread/ppo" in [row["name"] for row in _json(cli("arenas", "presets", "--json"))]
    assert "spread/ppo: " in cli("arenas", "presets").out
    assert "--preset`): mappo, ppo" in cli("arenas", "show", "spread").out


def test_tournament_and_what_is_read_of_it(cli: Cli) -> None:
    """`marl tournament run` plays; standings, replays and their verification are read from its folder."""
    players = ["random", "tests.league.toys:rock", "tests.league.toys:paper"]
    words = ["tournament", "run", "biased_rps", *players, "--blocks", 3, "--set", "options.steps=2"]
    played = _json(cli(*words, "--out", "run", "--set", "tournament.resamples=100", "--json"))
    assert len(played["standings"]["rows"]) == 3
    assert played["run"] == "run"
    assert Path("run/report.html").is_file()
    read = _json(cli("standings", "run", "--json"))
    assert read["standings"] == played["standings"]
    assert read["head_to_head"] == played["head_to_head"]
    assert "Standings" in cli("standings", "run").out
    matches = _json(cli("replay", "list", "run", "--json"))
    assert len(matches) == 3 * 3 * 2
    assert str(matches[0]["match"]) in cli("replay", "list", "run").out
    assert _json(cli("replay", "verify", "run", "--json")) == {"verified": 18, "differ": {}}
    one = cli("replay", "verify", "run", matches[3]["match"])
    assert "1 of 1 matches" in one.out
    assert "2 of 2 matches" in cli("replay", "verify", "run", "--most", 2).out
    steps = cli("replay", "show", "run", matches[0]["match"], "--json")
    assert [json.loads(line)["step"] for line in steps.out.splitlines()] == list(range(matches[0]["steps"]))
    assert cli("replay", "show", "run", matches[0]["match"]).code == 0


def test_differing_replay_fails(cli: Cli, duel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`marl replay verify` fails where a match does not come to its recorded end."""
    import league.standings

    monkeypatch.setattr(
        league.standings, "verified", lambda run, match, most: {5: ["seat a scores 1, recorded is 2"], 6: []}
    )
    done = cli("replay", "verify", duel)
    assert done.code == 1
    assert "1 of 2" in done.out
    assert "recorded is 2" in done.out
    assert json.loads(cli("replay", "verify", duel, "--json").out) == {
        "verified": 1,
        "differ": {"5": ["seat a scores 1, recorded is 2"]},
    }


def test_presets(cli: Cli) -> None:
    """`marl league presets` lists the leagues that come along, each with what its file says of itself."""
    demo = next(row for row in _json(cli("league", "presets", "--json")) if row["name"] == "demo")
    assert (demo["arena"], demo["about"][:30]) == ("trading", "The main job of `make demo`: P")
    assert "demo (trading): The main job of" in cli("league", "presets").out


def test_version(cli: Cli) -> None:
    """`marl --version` says which package this is."""
    assert cli("--version").out == f"marl-league {metadata.version('marl-league')}\n"


@pytest.mark.timeout(90)
def test_league_run_and_resume(cli: Cli, tmp_path: Path) -> None:
    """`marl league run` carries a file out, `--set` and short options put in; `resume` of it adds nothing."""
    words = ["league", "run", written(tmp_path, toy()), "--out", "run", "--seed", 5]
    done = cli(*words, "--executor", "inline", "--set", "tournament.must_beat=[]")
    assert done.code == 0, done.err
    assert "comes first" in done.out
    assert f"report: {Path('run/report.html')}" in done.out
    assert "trained main-1" in done.out
    found = trace(Path("run"))
    assert found == trace(carried_out(toy("seed=5"), tmp_path / "again"))
    resumed = cli("league", "resume", "run", "--json")
    assert json.loads(resumed.out)["standings"] == found["standings"]["standings"]
    assert "recorded already" in resumed.err
    assert trace(Path("run")) == found


def test_unbeaten_opponents_fail(cli: Cli, tmp_path: Path) -> None:
    """A league whose main player does not beat whom it must says so, and ends with exit code 1."""
    # in the prisoner's dilemma nobody scores more than who always defects
    defector = "tests.league.toys:paper"
    rules = {"blocks": 2, "players": [defector], "must_beat": [defector], "resamples": 100}
    stage = {"name": "one", "steps": 50, "max_tasks": 1}
    changes = {"arena": "prisoners_dilemma", "stages": [stage], "tournament": rules}
    settings = LeagueSettings.read("toy", TOY | changes)
    done = cli("league", "run", written(tmp_path, settings), "--out", "run", "--executor", "inline")
    assert done.code == 1
    assert f"does NOT beat {defector}" in done.out
    assert f"does NOT beat {defector}" in Path("run/report.html").read_text(encoding="utf-8")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("face", ["marl join", "client.py"])
def test_join(tmp_path: Path, face: str) -> None:
    """A tournament that waits for somebody tells how to join, and whoever does so plays in it."""
    (tmp_path / "agent.py").write_text("def act(observation):\n    return 1\n")
    table = {**DUEL["tournament"], "external": [{"name": "guest", "wait_s": 60.0, "blocks": 3}]}
    settings = written(tmp_path, LeagueSettings.read("duel", DUEL | {"tournament": table}))
    with running(["league", "run", settings, "--out", "run", "--executor", "inline"], tmp_path) as league:
        invitation = line_of(league, r"waiting 60 s for guest: marl join (\S+) AGENT --token (\S+)")
        address, token = invitation.groups()
        words = [address, "agent.py:act", "--token", token, "--name", "guest 1"]
        if face == "marl join":
            with running(["join", *words], tmp_path) as guest:
                out, err = league.communicate(timeout=60)
                _, said_by_guest = guest.communicate(timeout=20)
            code = guest.returncode
        else:
            client = [sys.executable, str(marl.client.__file__), *words]
            with subprocess.Popen(client, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as guest:
                out, err = league.communicate(timeout=60)
                _, said_by_guest = guest.communicate(timeout=20)
            code = guest.returncode
    assert league.returncode == 0, err
    assert "guest has joined" in out
    assert "as guest 1" in out
    assert code == 0, said_by_guest
    assert "goodbye" in said_by_guest
    rows = {row["player"]: row for row in trace(tmp_path / "run")["standings"]["standings"]["rows"]}
    assert rows["guest"]["blocks"] == 9


def test_a_plan_in_which_nobody_meets_is_a_usage_error(cli: Cli) -> None:
    """A budget that pays for no meeting: one sentence that names the format and its settings."""
    words = ["tournament", "plan", "prisoners_dilemma", "random", "agents.scripted.matrix:defect"]
    done = cli(*words, "--format", "adaptive", "--set", "tournament.format.budget=1")
    assert done.code == 2
    done.one_error("tournament.format.budget", "got 1 blocks", "Raise budget")
