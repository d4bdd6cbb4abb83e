"""Who waits sees how far a tournament is, how fast it goes, and who leads."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from league.config import LeagueSettings
from league.league import League, Progress, settings_of_tournament
from marl.cli.front import app
from marl.cli.progress import _bar, _on

ROCK, PAPER = "tests.league.toys:rock", "tests.league.toys:paper"


def test_a_bar_shows_matches_rate_time_and_leaders() -> None:
    """On a terminal; what is no match is a line above it."""
    stream = io.StringIO()
    bar = _bar(Console(file=stream, force_terminal=True, width=140, color_system=None))
    with bar:
        tell = _on(bar)
        tell(Progress(0, "trained main-1"))
        tell(Progress(1, "played", 20, 80, (("maker", 210.4), ("hold", 3.0))))
        tell(Progress(2, "played", 40, 80, (("maker", 211.0), ("hold", 2.0))))
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "trained main-1" in last
    assert "40/80" in last
    assert "matches/s" in last
    assert "maker 211, hold 2" in last


def test_long_names_give_way_on_a_narrow_terminal() -> None:
    """In 80 columns counts and rate stand whole, and the leaders are cut."""
    stream = io.StringIO()
    bar = _bar(Console(file=stream, force_terminal=True, width=80, color_system=None))
    with bar:
        leaders = (("agents.scripted.matrix:defect", 95.0), ("agents.scripted.matrix:cooperate", 24.0))
        _on(bar)(Progress(1, "played", 640, 1440, leaders))
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    for part in ("tournament", " 640/1440", "matches/s", "agents.sc"):
        assert part in last
    assert "defect 95" not in last


@pytest.mark.parametrize("kind", ["round_robin", "swiss"])
def test_what_is_told_adds_up(tmp_path: Path, kind: str) -> None:
    """The last word of every tournament: all that was planned is on the disk, and the table's first lead."""
    values = settings_of_tournament("biased_rps", ["random", ROCK, PAPER], options={"steps": 3})
    values["pool"] = {"copies": 4, "groups": 2, "hosts": 0}
    values["tournament"] |= {"resamples": 100, "format": {"kind": kind, "blocks": 3}}
    heard: list[Progress] = []
    with League(LeagueSettings.read("t", values), tmp_path, backend="inline", told=heard.append) as league:
        findings = league.tournament()
    assert [entry.matches for entry in heard] == sorted(entry.matches for entry in heard)
    assert all(entry.matches <= entry.expected for entry in heard)
    assert heard[-1].matches == heard[-1].expected > 0
    names = [name for name, _ in heard[-1].leaders]
    assert names == [row["player"] for row in findings.to_json()["standings"]["rows"]][:3]


def test_lines_where_there_is_no_terminal() -> None:
    """A pipe gets a line a task."""
    words = ["tournament", "run", "biased_rps", "random", PAPER, "--blocks", "2", "--set", "options.steps=3"]
    found = CliRunner().invoke(app, words, catch_exceptions=False)
    assert re.search(r"played .*: 4 matches.*; 4 of 4, first: ", found.stdout)
