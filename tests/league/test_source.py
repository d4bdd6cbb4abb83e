"""A run is read alike from its folder and from any ledger that holds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from league.config import LeagueSettings
from league.league import League, settings_of_tournament
from league.runs import Run
from marl.cli.front import app
from marl.errors import ConfigError, LedgerError, UnknownNameError

ROCK, PAPER = "tests.league.toys:rock", "tests.league.toys:paper"


def _play(folder: Path, name: str, players: list[str]) -> str:
    values = settings_of_tournament("biased_rps", players, blocks=2, options={"steps": 3})
    values |= {"name": name, "pool": {"copies": 4, "hosts": 0}}
    settings = LeagueSettings.read("test", values)
    with League(settings, folder, backend="inline") as league:
        league.tournament()
    return str(folder)


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three small tournaments, and a ledger into which two of them were merged."""
    root = tmp_path_factory.mktemp("runs")
    found = {
        "spring": _play(root / "a", "spring", ["random", ROCK, PAPER]),
        "autumn": _play(root / "b", "autumn", ["random", ROCK]),
        "other": _play(root / "c", "other", [PAPER, "agents.scripted.matrix:cooperate"]),
        "all": str(root / "all.db"),
    }
    for name in ("spring", "autumn"):
        _run("ledger", "merge", found["all"], found[name])
    return found


@pytest.mark.parametrize("way", [["--json"], ["--csv"], ["--system", "elo", "--json"], ["--quick", "--csv"]])
def test_a_merged_ledger_has_the_standings_of_the_folder(runs: dict[str, str], way: list[str]) -> None:
    """The same ratings and, where they are fitted, intervals, to the digit."""
    inside = _run("standings", runs["all"], "--run", "spring", *way).stdout
    outside = _run("standings", runs["spring"], *way).stdout
    if "--quick" in way:  # intervals of the last fit are no part of an export
        inside, outside = (
            "\n".join(",".join(line.split(",")[:2]) for line in text.splitlines())
            for text in (inside, outside)
        )
    assert inside == outside
    assert inside.count("rock") >= 1


def test_several_runs_in_a_ledger_need_a_name(runs: dict[str, str]) -> None:
    """Without one the error lists them; a wrong one is answered with the right ones; one run needs none."""
    for command in ("standings", "games"):
        with pytest.raises(ConfigError, match=r"autumn, spring.*--run NAME"):
            _run(command, runs["all"])
        with pytest.raises(UnknownNameError, match="spring"):
            _run(command, runs["all"], "--run", "sprong")
    alone = str(Path(runs["spring"], "ledger.db"))
    assert _run("games", alone, "--json").stdout == _run("games", runs["spring"], "--json").stdout
    with pytest.raises(LedgerError, match="no such file"):
        _run("standings", runs["all"] + "x")


def test_anchors_can_be_asked_for(runs: dict[str, str]) -> None:
    """They hold for folders and ledgers, and are refused for who did not play and where they are none."""
    for words in ([runs["spring"]], [runs["all"], "--run", "spring"]):
        data = json.loads(_run("standings", *words, "--anchor", "random=700", "--json").stdout)["standings"]
        assert {row["player"]: row["rating"] for row in data["rows"]}["random"] == pytest.approx(700)
    with pytest.raises(UnknownNameError, match="--anchor"):
        _run("standings", runs["autumn"], "--anchor", f"{PAPER}=0")
    for wrong in ("random", "random=", "=3", "random=nan"):
        with pytest.raises(ConfigError, match="PLAYER=ELO"):
            _run("standings", runs["autumn"], "--anchor", wrong)


def test_a_ledger_says_what_lies_in_it(runs: dict[str, str]) -> None:
    """Runs, purposes, arenas and blocks, as a table and as JSON."""
    rows = json.loads(_run("ledger", "list", runs["all"], "--json").stdout)["blocks"]
    assert [(row["run"], row["purpose"], row["blocks"]) for row in rows] == [
        ("autumn", "tournament", 2),
        ("spring", "tournament", 6),
    ]
    assert "spring" in _run("ledger", "list", runs["all"]).stdout


def test_votes_need_players_in_common(runs: dict[str, str]) -> None:
    """Runs vote from folders or one ledger; strangers are refused, and told of where others do meet."""
    inside = json.loads(_run("games", runs["all"], "--run", "spring", "--run", "autumn", "--json").stdout)
    assert inside == json.loads(_run("games", runs["spring"], runs["autumn"], "--json").stdout)
    assert inside["notes"] == []
    with pytest.raises(LedgerError, match="in common"):
        _run("games", runs["autumn"], runs["other"])
    three = _run("games", runs["spring"], runs["autumn"], runs["other"]).stdout
    assert "shares fewer than two players" in three
    with pytest.raises(ConfigError, match="one ledger"):
        _run("games", runs["all"], runs["spring"], "--run", "spring")


def test_a_wrong_purpose_lists_the_right_ones(runs: dict[str, str]) -> None:
    """A purpose that is none is told from one that has no blocks yet."""
    with pytest.raises(UnknownNameError, match="tournament"):
        _run("standings", runs["spring"], "--purpose", "tournamint")
    with pytest.raises(LedgerError, match="no gate blocks"):
        _run("replay", "list", runs["spring"], "--purpose", "gate")


def test_a_run_without_matches_verifies_nothing(tmp_path: Path) -> None:
    """There is nothing to step again: an error, not a success of none."""
    settings = LeagueSettings.read("test", settings_of_tournament("biased_rps", ["random", ROCK]))
    Run.create(tmp_path / "run", settings).close()
    with pytest.raises(LedgerError, match="no tournament blocks"):
        _run("replay", "verify", str(tmp_path / "run"))
