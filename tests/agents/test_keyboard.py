"""A person can play: shown what the seat sees, asked until the move is allowed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from agents.keyboard import act, shown
from league.config import LeagueSettings
from league.league import League, settings_of_tournament


def test_it_asks_until_the_move_is_allowed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words, forbidden and unknown choices are asked for again; the end of input is told."""
    monkeypatch.setattr("sys.stdin", io.StringIO("rock\n1\n7\n2\n"))
    assert act([0.5, 1], [1, 0, 1]) == 2
    text = capsys.readouterr().out
    assert "0.5 1" in text
    assert text.count("your move (0, 2)") == 4
    with pytest.raises(EOFError):
        act([0.5], None)


def test_a_board_looks_like_one() -> None:
    """Planes of marks become a board; dicts are shown part by part."""
    planes = [[[1, 0], [0, 0]], [[0, 1], [0, 0]]]
    assert shown({"board": planes, "money": [2.0]}) == "board: \n1 .\n2 .\nmoney: 2"
    assert shown([[1, 2], [3, 4]]) == "\n1 2\n3 4"
    assert shown(3) == "3"


def test_a_person_plays_a_tournament(tmp_path: Path) -> None:
    """Somebody who always answers 1 plays paper, over the same socket as every agent from outside."""
    values = settings_of_tournament("biased_rps", ["tests.league.toys:rock"], blocks=2, options={"steps": 3})
    typing = "yes 1 | {python} {root}/marl/client.py {address} --token {token} agents.keyboard:act"
    values["tournament"] |= {
        "resamples": 100,
        "external": [{"name": "somebody", "command": ["sh", "-c", f"cd {{root}} && {typing}"], "blocks": 2}],
        "gateway": {"move_ms": 30_000},
    }
    with League(LeagueSettings.read("t", values), tmp_path, backend="inline") as league:
        found = league.tournament().to_json()
    assert found["standings"]["rows"][0]["player"] == "somebody"
    assert found["standings"]["rows"][0]["win_rate"] == 1.0
