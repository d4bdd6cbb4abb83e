"""Tournaments in which nobody beats anybody: partners are compared by the scores that they reach together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from league.analysis import analyse, vote
from league.block import BlockResult
from league.config import LeagueSettings
from league.contest import seated
from league.cooperation import cross_play
from league.formats import CrossPlay, Meeting, conclude
from league.league import League, settings_of_tournament
from league.runs import Run
from league.standings import verified
from league.team_findings import TeamFindings
from league.teamwork import one_team, teamwork
from marl.cli.front import app
from marl.loading import ArenaRef, build

Make = Callable[..., BlockResult]
COOPERATE, DEFECT = "agents.scripted.matrix:cooperate", "agents.scripted.matrix:defect"
TEAM = {"s_0": "team", "s_1": "team"}


def _settings(arena: str = "climbing", **tournament: Any) -> LeagueSettings:
    values = settings_of_tournament(arena, ["random", COOPERATE, DEFECT], blocks=4, options={"steps": 3})
    values["pool"] = {"copies": 4, "groups": 2, "hosts": 0}
    values["tournament"] |= {"resamples": 100, **tournament}
    return LeagueSettings.read("test", values)


def _played(settings: LeagueSettings, folder: Path) -> TeamFindings:
    with League(settings, folder, backend="inline") as league:
        findings = league.tournament()
    assert isinstance(findings, TeamFindings)
    return findings


def test_everybody_plays_with_everybody_and_with_itself() -> None:
    """A match a block with oneself, all rotations with others; whoever enters later plays with all, too."""
    form = CrossPlay(blocks=3)
    first = form.next_round(["a", "b"], frozenset(), [])
    assert [meeting.players for meeting in first] == [("a", "a"), ("a", "b"), ("b", "b")]
    rounds = [tuple(conclude(meeting, []) for meeting in first)]
    assert form.next_round(["a", "b"], frozenset(), rounds) == ()
    later = form.next_round(["a", "b", "c"], frozenset({"b"}), rounds)
    assert later == (Meeting(("a", "c"), 3), Meeting(("c", "c"), 3))
    spec = build(ArenaRef("arenas.matrix:Climbing")).spec
    assert set(seated(spec, ("a", "a")).values()) == {"a"}


def test_the_climbing_game_shows_what_conventions_hide(tmp_path: Path) -> None:
    """Who always climbs gets 11 a step with itself, -30 with who never does: table and report show it."""
    findings = _played(_settings(), tmp_path)
    table = findings.table
    score = {
        (a, b): table.pairs.mean_PP[i, j]
        for i, a in enumerate(table.pairs.players)
        for j, b in enumerate(table.pairs.players)
    }
    assert score[COOPERATE, COOPERATE] == pytest.approx(11)
    assert score[DEFECT, DEFECT] == pytest.approx(7)
    assert score[COOPERATE, DEFECT] == score[DEFECT, COOPERATE] == pytest.approx(-30)
    assert table.gap is not None
    assert table.self_play is not None
    assert table.cross_play is not None
    assert table.gap.mean == pytest.approx(table.self_play.mean - table.cross_play.mean)
    assert table.gap.low is not None
    assert 0 < table.gap.low <= table.gap.mean
    assert table.rows[0].player == "random"
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in ("Cross-play", "With itself", "gap"):
        assert part in text
    with Run.open(tmp_path) as run:
        blocks = run.ledger.blocks()
        assert one_team(blocks)
        assert len(blocks) == 6 * 4
        assert {len(block.matches) for block in blocks if len(block.players) == 1} == {1}
        assert cross_play(blocks).gap == pytest.approx(table.gap.mean)
        assert not any(verified(run, None, 0).values())


def test_a_single_seat_is_compared_by_its_score(tmp_path: Path) -> None:
    """Nobody to play with: the table is that of everybody alone."""
    values = settings_of_tournament("identity", ["random", "tests.league.toys:rock"], blocks=3)
    values["tournament"]["resamples"] = 100
    table = _played(LeagueSettings.read("test", values), tmp_path).table
    assert [row.cross_play for row in table.rows] == [None, None]
    assert table.gap is None
    assert all(row.score.mean == row.self_play for row in table.rows)


def _scenarios(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "scenarios", "blocks": 3, "scenarios": list(entries)}


def test_scenarios_hold_seeds_and_backgrounds_fixed(tmp_path: Path) -> None:
    """Everybody is tested beside the same background on the same seeds; only focal seats count."""
    visit = {
        "name": "visit",
        "focal": ["player_0"],
        "background": {"player": [DEFECT, "tests.league.toys:rock"]},
        "normaliser": {"version": "1", "low": -30.0, "high": 7.0},
    }
    settings = _settings("climbing", format=_scenarios(visit), players=["random", COOPERATE])
    findings = _played(settings, tmp_path)
    with Run.open(tmp_path) as run:
        blocks = run.ledger.blocks()
    beside: dict[str, list[tuple[int, str]]] = {"random": [], COOPERATE: []}
    for block in blocks:
        (lineup,) = block.plan.lineups
        beside[lineup["player_0"]].append((block.plan.seed, lineup["player_1"]))
    assert beside["random"] == beside[COOPERATE]
    assert {name for _, name in beside["random"]} <= {DEFECT, "tests.league.toys:rock"}
    rows = {row.player: row for row in findings.table.scenarios}
    assert set(rows) == {"random", COOPERATE}
    assert findings.table.rows == ()
    for row in rows.values():
        assert row.normalised == pytest.approx((row.score.mean + 30) / 37)
        assert row.blocks == 3
    assert "visit" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_scenarios_in_a_market_of_rivals(tmp_path: Path) -> None:
    """Mixed motives, too, are tested by focal scores: as resident among few, as visitor among many."""
    one = {"name": "visitor", "focal": ["player_0"], "background": {"player": ["random"]}}
    other = {"name": "host", "focal": ["player_1"], "background": {"player": ["random"]}}
    findings = _played(_settings("prisoners_dilemma", format=_scenarios(one, other)), tmp_path)
    assert [row.scenario for row in findings.table.scenarios] == ["visitor"] * 3 + ["host"] * 3
    best = {row.scenario: row.player for row in reversed(findings.table.scenarios)}
    assert best == {"visitor": DEFECT, "host": DEFECT}


def test_intervals_are_drawn_over_seeds(block_of: Make) -> None:
    """All pairs share the luck of a seed: intervals of means are as wide as seeds, not blocks, allow."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 10, 12)
    blocks: list[BlockResult] = []
    for seed, value in enumerate(luck):
        for a, b in (("a", "b"), ("a", "c"), ("b", "c"), ("a", "a"), ("b", "b"), ("c", "c")):
            scores = {"s_0": value + (a == b), "s_1": value + (a == b)}
            blocks.append(
                block_of([{"s_0": a, "s_1": b}], [scores], position=len(blocks), seed=seed, teams=TEAM)
            )
    found = teamwork(blocks, rng, resamples=2000)
    assert found.cross_play is not None
    assert found.cross_play.low is not None
    assert found.cross_play.high is not None
    spread = luck.std(ddof=1) / np.sqrt(12)
    assert found.cross_play.high - found.cross_play.low == pytest.approx(2 * 2.2 * spread, rel=0.2)
    assert found.gap is not None
    assert (found.gap.mean, found.gap.low, found.gap.high) == pytest.approx((1, 1, 1))
    assert {(row.rank, row.rank_low, row.rank_high) for row in found.rows} == {(1, 1, 3)}


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_the_command_line_plays_and_reads_it(tmp_path: Path) -> None:
    """`marl tournament run`, `standings` and `games` know an arena of one team without being told."""
    words = ["climbing", "random", COOPERATE, DEFECT, "--blocks", "4", "--set", "options.steps=3"]
    planned = json.loads(_run("tournament", "plan", *words, "--json").stdout)
    assert [meeting["players"] for meeting in planned][:2] == [["random"] * 2, ["random", COOPERATE]]
    run = str(tmp_path / "run")
    found = json.loads(_run("tournament", "run", *words, "--out", run, "--json").stdout)
    assert found["scores"]["rows"][0]["player"] == "random"
    assert "gap" in _run("tournament", "run", *words, "--out", run).stdout
    assert json.loads(_run("standings", run, "--json").stdout)["scores"] == found["scores"]
    rows = list(csv.DictReader(io.StringIO(_run("standings", run, "--csv").stdout)))
    assert [row["player"] for row in rows] == [row["player"] for row in found["scores"]["rows"]]
    assert float(rows[0]["score.mean"]) == found["scores"]["rows"][0]["score"]["mean"]
    games = json.loads(_run("games", run, "--json").stdout)
    assert games["measure"] == "score"
    assert sum(row["alpha_rank"] for row in games["rows"]) == pytest.approx(1)


def test_a_run_is_analysed_and_several_vote(duel: Make) -> None:
    """Rock, paper and scissors are all cyclic, each a third; three voters with a cycle tie everybody."""
    names = ["rock", "scissors", "paper"]
    blocks = [
        duel(names[i], names[(i + 1) % 3], 1, 1, position=3 * k + i) for k in range(4) for i in range(3)
    ]
    found = analyse(blocks)
    assert found.cyclic == pytest.approx(1)
    assert [row.nash for row in found.rows] == pytest.approx([1 / 3] * 3, abs=1e-4)
    assert [row.alpha_rank for row in found.rows] == pytest.approx([1 / 3] * 3)
    assert [row.deviation for row in found.rows] == pytest.approx([0, 0, 0], abs=1e-6)
    assert found.unmet == 0
    tied = vote([{"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 3, "c": 2}, {"a": 2, "b": 1, "c": 3}])
    assert tied.tiers == (("a", "b", "c"),)
    assert list(tied.lottery.values()) == pytest.approx([1 / 3] * 3, abs=1e-4)
    clear = vote([{"a": 3, "b": 2}, {"a": 1, "b": 0, "c": -5}])
    assert clear.tiers == (("a",), ("b",), ("c",))
    assert clear.copeland == {"a": 2, "b": 0, "c": -2}
