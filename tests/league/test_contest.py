"""A tournament of any format is a resumable plan; its field may change, and who fails too often is out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from league.block import BlockResult, Outcome
from league.conduct import Conduct, FaultRules
from league.config import LeagueSettings
from league.contest import seated, turned
from league.exports import SYSTEMS
from league.findings import Findings
from league.formats import FORMATS
from league.league import League, settings_of_tournament
from league.requests import ask
from league.runs import Run
from league.standings import verified
from marl.cli.front import app
from marl.errors import ConfigError, RunError, SnapshotError, UnknownNameError
from marl.loading import ArenaRef, build

Make = Callable[..., BlockResult]
ROCK, PAPER = "tests.league.toys:rock", "tests.league.toys:paper"
COOPERATE = "agents.scripted.matrix:cooperate"


def _settings(**tournament: Any) -> LeagueSettings:
    values = settings_of_tournament("biased_rps", ["random", ROCK, PAPER], blocks=2, options={"steps": 3})
    values["pool"] = {"copies": 4, "groups": 2, "hosts": 0}
    values["tournament"] |= {"resamples": 100, **tournament}
    return LeagueSettings.read("test", values)


def _play(settings: LeagueSettings, folder: Path, **more: Any) -> tuple[Findings, League]:
    with League(settings, folder, backend="inline", **more) as league:
        findings = league.tournament()
        assert isinstance(findings, Findings)
        return findings, league


def _rows(folder: Path) -> list[dict[str, Any]]:
    with Run.open(folder) as run:
        return [block.to_json()["plan"] for block in run.ledger.blocks()]


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - {"duel", "cross_play", "scenarios"}))
def test_every_format_is_played_and_resumed(kind: str, tmp_path: Path) -> None:
    """A run that is stopped after its second task and resumed is the run that was not.

    Same blocks and table.
    """
    settings = _settings(format={"kind": kind, "blocks": 2})
    whole, _ = _play(settings, tmp_path / "whole")

    class Stop(Exception):  # noqa: N818  # no error
        """Ends a run in the middle."""

    told: list[int] = []

    def stop(progress: object) -> None:
        told.append(1)
        if len(told) == 2:
            raise Stop

    with contextlib.suppress(Stop):  # short formats end before
        _play(settings, tmp_path / "halves", told=stop)
    resumed, _ = _play(settings, tmp_path / "halves")
    assert resumed.standings == whole.standings
    assert _rows(tmp_path / "halves") == _rows(tmp_path / "whole")
    with Run.open(tmp_path / "whole") as run:
        assert not any(verified(run, None, 6).values())
        assert run.ledger.last_fit("tournament", "tournament") == whole.standings


def test_players_enter_and_leave_while_it_runs(tmp_path: Path) -> None:
    """Requests are taken before the next task, are noted with it.

    And are taken there again by a resumed run.
    """
    settings, folder = _settings(), tmp_path / "run"
    told: list[int] = []

    class Stop(Exception):  # noqa: N818  # no error
        """Ends a run in the middle."""

    def change(progress: object) -> None:
        told.append(1)
        if len(told) == 1:
            ask(folder, "entered", "agents.scripted.matrix:defect")
            ask(folder, "left", ROCK)
            ask(folder, "entered", "nobody_knows")
        if len(told) == 3:
            raise Stop

    narrow = settings.model_copy(update={"window": 1, "workers": 1})
    with pytest.raises(Stop):
        _play(narrow, folder, told=change)
    findings, league = _play(narrow, folder)
    with Run.open(folder) as run:
        trail = run.ledger.audit("tournament")
        players = {block.players for block in run.ledger.blocks()}
    assert [event for event, _ in trail] == ["entered", "left", "refused"]
    assert frozenset({"agents.scripted.matrix:defect", PAPER}) in players
    assert frozenset({"agents.scripted.matrix:defect", ROCK}) not in players
    assert league.contest is not None
    assert league.contest.gone == {ROCK: "left"}
    assert any("left before the end" in note for note in findings.report.notes)
    assert not list((folder / "requests").iterdir())


def test_who_enters_or_leaves_is_looked_at_first(finished: Path, tmp_path: Path) -> None:
    """A run that is over, and names that are none, are errors at once; the others wait for the next task."""
    for way in ("enter", "leave"):
        with pytest.raises(RunError, match="over"):
            _run("tournament", way, str(finished), ROCK)
        with pytest.raises(RunError, match="no config"):
            _run("tournament", way, str(tmp_path), ROCK)
    Run.create(tmp_path / "open", _settings()).close()
    folder = str(tmp_path / "open")
    with pytest.raises(UnknownNameError, match="rock"):
        _run("tournament", "leave", folder, "tests.league.toys:rok")
    with pytest.raises(UnknownNameError, match="nobody_knows"):
        _run("tournament", "enter", folder, "nobody_knows")
    with pytest.raises(SnapshotError, match="no"):
        _run("tournament", "enter", folder, "no/such/snapshot")
    with pytest.raises(ConfigError, match="plays already"):
        _run("tournament", "enter", folder, ROCK)
    assert not (tmp_path / "open" / "requests").exists()
    assert "nobody plays this run now" in _run("tournament", "leave", folder, ROCK).stdout
    with pytest.raises(ConfigError, match="is out"):
        _run("tournament", "leave", folder, ROCK)
    with Run.create(tmp_path / "open", _settings()):
        assert _run("tournament", "enter", folder, ROCK).stdout.strip() == f"{ROCK} is asked in"


def test_seats_are_taken_in_turn_by_sides() -> None:
    """Eight traders at a table of three; partners of a cooperative arena sit seat by seat."""
    market = build(ArenaRef("arenas.trading:TradingBatch", {"seats": 8})).spec
    assert list(seated(market, ("a", "b", "c")).values()) == list("abcabcab")
    together = build(ArenaRef("arenas.identity:Identity", {"seats": 3})).spec
    assert set(seated(together, ("a", "b")).values()) == {"a", "b"}


@pytest.mark.parametrize("players", ["ab", "abc", "abcd"])
def test_seats_that_are_left_over_go_round(players: str) -> None:
    """Two orders for each player: each is first and last equally often, and two simply alternate."""
    orders = ["".join(turned(tuple(players), number)) for number in range(2 * len(players))]
    for place in (0, -1):
        assert sorted(order[place] for order in orders) == sorted(players * 2)
    assert "".join(order[0] for order in orders[:2]) == players[0] + players[-1]


def test_nobody_holds_the_fourth_seat_for_ever(tmp_path: Path) -> None:
    """Three players at a table of four: within three blocks each has had two seats once."""
    values = settings_of_tournament("trading", ["hold", "random", "zi_c"], options={"seats": 4, "horizon": 2})
    values["pool"] = {"copies": 4, "hosts": 0}
    values["tournament"] |= {
        "format": {"kind": "round_robin", "tables": [3], "blocks": 3},
        "resamples": 100,
    }
    _play(LeagueSettings.read("test", values), tmp_path)
    twice = []
    for plan in _rows(tmp_path):
        seats = [player for _, player in plan["lineups"][0]]
        twice += [player for player in set(seats) if seats.count(player) == 2]
    assert sorted(twice) == ["hold", "random", "zi_c"]


@pytest.mark.parametrize(
    ("outcomes", "standing"),
    [
        (["timeout"] * 30, "disqualified"),
        (["illegal"] * 15, "probation"),
        (["error"] * 4 + ["ok"] * 40, "disqualified"),
        (["error"] * 2 + ["ok"] * 40, "probation"),
        (["timeout"] * 3 + ["ok"] * 24, "disqualified"),
        (["timeout"] * 3 + ["ok"] * 40, "probation"),
        (["timeout"] * 2 + ["ok"] * 40, "fit"),
        (["ok"] * 50, "fit"),
    ],
)
def test_conduct_rules(outcomes: list[Outcome], standing: str, duel: Make) -> None:
    """30 matches all failed, more than 10 % on time after 20, more than 3 crashes: out; half of it.

    Probation.
    """
    conduct = Conduct(FaultRules())
    for position, outcome in enumerate(outcomes):
        block = duel("a", "b", 0, position=position)
        seats = tuple(
            replace(seat, outcome=outcome if seat.player == "a" else "ok") for seat in block.matches[0].seats
        )
        conduct.take([BlockResult(block.plan, (replace(block.matches[0], seats=seats),))])
    assert conduct.judge("a")[0] == standing
    assert conduct.judge("b") == ("fit", "")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a small tournament."""
    _play(_settings(), tmp_path / "run")
    return tmp_path / "run"


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_ledger_commands(finished: Path, tmp_path: Path) -> None:
    """Check, export, import, merge and upgrade work on a run's folder and on a file."""
    assert json.loads(_run("ledger", "check", str(finished), "--json").stdout)["problems"] == []
    file, copy = tmp_path / "ledger.jsonl", tmp_path / "copy.db"
    assert _run("ledger", "export", str(finished), "--out", str(file)).exit_code == 0
    assert "6 new blocks" in _run("ledger", "import", str(copy), str(file)).stdout
    assert "0 new blocks" in _run("ledger", "merge", str(copy), str(finished)).stdout
    assert "schema" in _run("ledger", "upgrade", str(copy)).stdout
    assert "Nothing but matches" in _run("ledger", "audit", str(finished)).stdout
    with Run.open(finished) as run:
        run.ledger.note("tournament", "probation", {"task": 1, "player": "rock", "reason": "2 crashes"})
    (entry,) = json.loads(_run("ledger", "audit", str(finished), "--json").stdout)
    assert (entry["event"], entry["player"]) == ("probation", "rock")
    assert "2 crashes" in _run("ledger", "audit", str(finished)).stdout
    lines = _run("ledger", "export", str(copy)).stdout
    assert lines == file.read_text(encoding="utf-8")


def test_the_report_of_a_tournament_names_no_learner(finished: Path) -> None:
    """Nobody trains in a tournament, so that its report has neither a learner nor the training's seed."""
    text = (finished / "report.html").read_text(encoding="utf-8")
    assert "<dt>arena</dt>" in text
    assert "<dt>learner</dt>" not in text
    assert "<dt>seed</dt>" not in text


def test_standings_in_other_terms(finished: Path) -> None:
    """From totals they are those of the fit, with its intervals; every system and game names everybody."""
    run = str(finished)
    full = json.loads(_run("standings", run, "--json").stdout)["standings"]
    quick = json.loads(_run("standings", run, "--quick", "--json").stdout)["standings"]
    for one, two in zip(quick["rows"], full["rows"], strict=True):
        assert one["player"] == two["player"]
        for figure in ("rating", "low", "high"):
            assert one[figure] == pytest.approx(two[figure], abs=1e-5)
    names = {row["player"] for row in full["rows"]}
    for system in SYSTEMS:
        rows = _run("standings", run, "--system", system, "--csv").stdout.splitlines()
        assert {row.split(",")[0] for row in rows[1:]} == names
    assert "glicko2" in _run("standings", run, "--system", "glicko2").stdout
    assert {row["player"] for row in json.loads(_run("games", run, "--json").stdout)["rows"]} == names
    assert "cyclic" in _run("games", run).stdout
    votes = json.loads(_run("games", run, run, "--json").stdout)
    assert votes["voters"] == 2
    assert {player for tier in votes["tiers"] for player in tier} == names
    with pytest.raises(UnknownNameError, match="glicko2"):
        _run("standings", run, "--system", "glicko3")


def test_a_plan_is_printed_before_play() -> None:
    """All meetings of a round robin; the first round of a Swiss tournament."""
    words = ["tournament", "plan", "biased_rps", "random", ROCK, PAPER]
    planned = json.loads(_run(*words, "--json").stdout)
    assert sorted(map(sorted, (meeting["players"] for meeting in planned))) == sorted(
        map(sorted, [("random", ROCK), ("random", PAPER), (ROCK, PAPER)])
    )
    text = _run(*words, "--format", "swiss").stdout
    assert "rests" in text
    assert "follows from the results" in text


def test_a_comparison_stops_as_soon_as_it_knows() -> None:
    """Paper beats rock within a dozen blocks; an interval of Elo comes with the verdict of even players."""
    words = [
        "compare",
        "biased_rps",
        PAPER,
        ROCK,
        "--set",
        "pool.copies=4",
        "--set",
        "options.steps=1",
        "--json",
    ]
    found = json.loads(_run(*words).stdout)
    assert found["status"] == "better"
    assert found["blocks"] < 60
    even = ["compare", "biased_rps", "random", ROCK, "--set", "options.steps=3", "--most", "60", "--json"]
    found = json.loads(_run(*even).stdout)
    assert found["status"] == "open"
    assert found["blocks"] == 60
    assert found["elo"] is not None


def test_partners_are_compared_by_scores_on_the_same_seeds() -> None:
    """Who plays both seats better has the point of a seed; equal scores are halves, and decide nothing."""
    words = ["compare", "climbing", COOPERATE, "random", "--set", "options.steps=3", "--json"]
    found = json.loads(_run(*words).stdout)
    assert found["status"] == "better"
    assert found["blocks"] < 60
    assert found["mean"] > 0.9
    same = ["compare", "climbing", COOPERATE, "tests.league.toys:rock", "--most", "40", "--json"]
    found = json.loads(_run(*same).stdout)
    assert found["mean"] == 0.5
    assert found["status"] in {"not better", "open"}
