"""Players from outside: invited when their turn comes, judged by rule when they fail."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import marl.client
from league.config import LeagueSettings
from league.league import League
from league.runs import Run
from marl.errors import GatewayError
from tests.league.driving import DUEL, assert_whole, carried_out, tasks_recorded, toy, trace

AGENT = """
from pathlib import Path
came = Path(__file__).with_suffix(".came")
came.write_text(came.read_text() + "x" if came.exists() else "x")
count = 0
def act(observation):
    return 0
def leaves(observation):
    global count
    count += 1
    if count > 10:
        import os
        os._exit(3)
    return 0
def unlawful(observation):
    return 7
"""
BLOCKS = 3


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """The file of an agent that counts how often it came in."""
    path = tmp_path / "visitor.py"
    path.write_text(AGENT)
    return path


def _with_visitor(agent: Path, name: str = "act", **fields: Any) -> LeagueSettings:
    client = str(marl.client.__file__)
    command = ["{python}", client, "{address}", f"{agent}:{name}", "--token", "{token}"]
    entry = {"name": "visitor", "command": command, "blocks": BLOCKS, **fields}
    return LeagueSettings.read("duel", DUEL | {"tournament": {**DUEL["tournament"], "external": [entry]}})


def _visits(agent: Path) -> int:
    came = agent.with_suffix(".came")
    return len(came.read_text()) if came.exists() else 0


def _outcomes(folder: Path) -> Iterator[tuple[str, str]]:
    with Run.open(folder) as run:
        for block in run.ledger.blocks(run="duel"):
            for match in block.matches:
                yield from ((seat.player, seat.outcome) for seat in match.seats)


def test_comes_once_and_is_not_asked_again(agent: Path, tmp_path: Path) -> None:
    """An agent that plays as `rock` does fares as it does; a run that is over needs nobody to come again."""
    run = carried_out(_with_visitor(agent), tmp_path / "run")
    assert_whole(run)
    found = trace(run)
    assert _visits(agent) == 1
    rows = {row["player"]: row for row in found["standings"]["standings"]["rows"]}
    assert rows["visitor"]["blocks"] == 3 * BLOCKS
    report = (run / "report.html").read_text(encoding="utf-8")
    assert f"visitor came in over a socket, for at most {BLOCKS} blocks of each meeting." in report
    pairs = {(pair["player"], pair["against"]): pair for pair in found["standings"]["head_to_head"]["pairs"]}
    paper, rock = "tests.league.toys:paper", "tests.league.toys:rock"
    assert pairs["visitor", paper]["mean"] == pairs[rock, paper]["mean"]
    agent.unlink()
    carried_out(_with_visitor(agent), run)
    assert trace(run) == found
    assert {outcome for _, outcome in _outcomes(run)} == {"ok"}


def test_others_are_played_as_without_it(agent: Path, tmp_path: Path) -> None:
    """Whom a visitor does not meet plays the same matches with it as without it."""
    alone = {block for _, block in trace(carried_out(toy(of=DUEL), tmp_path / "alone"))["blocks"]}
    together = {block for _, block in trace(carried_out(_with_visitor(agent), tmp_path / "run"))["blocks"]}
    assert alone < together


def test_who_never_comes_is_said_and_the_rest_is_kept(agent: Path, tmp_path: Path) -> None:
    """Nobody at the door in time: one error, all other pairs recorded; resumed, it goes on from there."""
    run = tmp_path / "run"
    with pytest.raises(GatewayError, match="player visitor") as caught:
        carried_out(_with_visitor(agent, command=[], wait_s=0.3), run)
    assert "within 0.3 s" in str(caught.value)
    assert tasks_recorded(run) == 3
    carried_out(_with_visitor(agent), run)
    assert tasks_recorded(run) == 6
    assert trace(run)["blocks"] == trace(carried_out(_with_visitor(agent), tmp_path / "whole"))["blocks"]


def test_a_command_that_ends_is_noticed_at_once(agent: Path, tmp_path: Path) -> None:
    """A command that fails is told from an agent that is slow to come, long before its time is over."""
    settings = _with_visitor(agent, command=["{python}", "-c", "raise SystemExit(7)"], wait_s=600.0)
    with pytest.raises(GatewayError, match="exit code 7 before its agent came in"):
        carried_out(settings, tmp_path / "run")
    missing = _with_visitor(agent, command=["/nowhere/agent"])
    with pytest.raises(GatewayError, match="/nowhere/agent"):
        carried_out(missing, tmp_path / "run")
    assert tasks_recorded(tmp_path / "run") == 3


def test_who_leaves_forfeits_and_the_tournament_ends(agent: Path, tmp_path: Path) -> None:
    """An agent that dies in mid-tournament loses what is left by rule; standings and report say so."""
    run = tmp_path / "run"
    with League(_with_visitor(agent, "leaves"), run, backend="inline") as league:
        findings = league.run()
    assert_whole(run)
    outcomes = list(_outcomes(run))
    assert {outcome for player, outcome in outcomes if player != "visitor"} == {"ok"}
    lost = [outcome for player, outcome in outcomes if player == "visitor" and outcome != "ok"]
    assert set(lost) == {"error"}
    played = sum(player == "visitor" for player, _ in outcomes)
    note = f"visitor lost {len(lost)} of {played} matches by rule ({len(lost)} error)."
    assert note in findings.report.notes
    assert trace(run)["notes"] == [note]
    assert note in (run / "report.html").read_text(encoding="utf-8")


def test_who_breaks_the_rules_forfeits(agent: Path, tmp_path: Path) -> None:
    """Illegal moves are strikes; the last one loses the match, at no better score than a forfeit's."""
    run = carried_out(_with_visitor(agent, "unlawful"), tmp_path / "run")
    with Run.open(run) as opened:
        matches = [match for block in opened.ledger.blocks(run="duel") for match in block.matches]
    own = [seat for match in matches for seat in match.seats if seat.player == "visitor"]
    assert {seat.outcome for seat in own} == {"illegal"}
    assert {seat.rank for seat in own} == {2}
    assert all(seat.score is not None and seat.score <= 0 for seat in own)


def test_taken_port_is_one_error(agent: Path, tmp_path: Path) -> None:
    """A port that somebody else listens on: the gateway says so, and everything else is recorded."""
    settings = _with_visitor(agent)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        values = settings.model_dump(mode="json")
        values["tournament"]["gateway"]["bind"] = f"127.0.0.1:{port}"
        with pytest.raises(GatewayError, match=str(port)) as caught:
            carried_out(LeagueSettings.read("duel", values), tmp_path / "run")
    assert caught.value.remedy
    assert tasks_recorded(tmp_path / "run") == 3
    carried_out(settings, tmp_path / "run")
    assert tasks_recorded(tmp_path / "run") == 6
