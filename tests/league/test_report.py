"""The report is one file that needs nothing else, and shows what it is given."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from league.analysis import Analysis, AnalysisRow
from league.block import BlockResult
from league.charts import Curve, Span
from league.payoff import head_to_head
from league.rating import rate
from league.report import (
    FaultReport,
    LearningCurve,
    MeetingReport,
    ReportData,
    StageReport,
    render,
    write_report,
)
from league.tables import head_to_head_table, standings_table, to_json
from marl.errors import RunError

Make = Callable[..., BlockResult]
STRENGTHS = {
    "ppo-e91": 3.4,
    "ppo-c07": 2.6,
    "ppo-a52": 1.7,
    "ppo-113": 0.3,
    "maker": 1.2,
    "momentum": 0.6,
    "mean-reversion": 0.4,
    "zi-c": -0.1,
    "hold": 0.0,
    "random": -2.2,
    "guest": 0.9,
}


@pytest.fixture(scope="module")
def data(duel: Make) -> ReportData:
    """A synthetic league: four snapshots, scripted players and a guest."""
    rng = np.random.default_rng(8)
    blocks: list[BlockResult] = []
    players = list(STRENGTHS)
    for i, a in enumerate(players):
        for b in players[:i]:
            gap = STRENGTHS[a] - STRENGTHS[b]
            for _ in range(14):
                results = 0.5 + np.clip(rng.normal(0.25 * gap, 0.8, 2), -4, 4)
                blocks.append(duel(a, b, *results, position=len(blocks)))
    standings = rate(blocks, np.random.default_rng(0), anchors={"hold": 0.0}, resamples=300)
    steps = np.linspace(0, 1_200_000, 60)
    score = 1.4 * (1 - np.exp(-steps / 3e5)) - 0.3 + rng.normal(0, 0.06, 60)
    kinds = {name: "snapshot" if name.startswith("ppo") else "scripted" for name in players} | {
        "guest": "external"
    }
    return ReportData(
        title="Trading league <demo>",
        headline="ppo 1.2M beats every scripted player: each 95 % interval lies above zero.",
        success=True,
        facts=(
            ("Arena", "trading 1 (final)"),
            ("Seed", "7"),
            ("Options", '{"traders": 2, "fees": 0.0005}'),
            ("Versions", "marl-league 0.1.0, torch 2.13.0, numpy 2.4.6"),
            ("Command", "marl league trading-demo --seed 7"),
        ),
        standings=standings,
        head_to_head=head_to_head(blocks, np.random.default_rng(0)),
        score_unit="% of capital",
        names={
            "ppo-e91": "ppo 1.2M",
            "ppo-c07": "ppo 800k",
            "ppo-a52": "ppo 400k",
            "ppo-113": "ppo 0",
            "guest": "guest 1.0",
        },
        kinds=kinds,
        snapshots=(
            (0, "ppo-113"),
            (4e5, "ppo-a52"),
            (8e5, "ppo-c07"),
            (1.2e6, "ppo-e91"),
            (2e6, "not rated"),
        ),
        stages=(
            StageReport(
                "calm",
                0,
                3,
                320_000,
                "win rate > 0.55 against hold, random",
                0.55,
                0.83,
                0.61,
                24,
                2,
                passed=True,
            ),
            StageReport(
                "noisy",
                4,
                8,
                400_000,
                "win rate > 0.60 against momentum, past",
                0.6,
                0.79,
                0.64,
                40,
                1,
                passed=True,
            ),
            StageReport(
                "real prices", 9, 14, 480_000, "win rate > 0.60 against maker, past", 0.6, 0.66, 0.52, 64, 3
            ),
        ),
        learning=(
            LearningCurve(
                "Mean score of the learner in training",
                "agent steps",
                "score",
                (Curve("ppo", tuple(steps), tuple(score), tuple(score - 0.1), tuple(score + 0.1)),),
                (
                    Span("calm", 0, 320_000),
                    Span("noisy", 320_000, 720_000),
                    Span("real prices", 720_000, 1_200_000),
                ),
                "Opponents change from task to task: this line is no measure of strength",
            ),
        ),
        notes=("The guest played over a socket: its matches can't be repeated bit for bit.",),
    )


class _Links(HTMLParser):
    """Collects what a browser would fetch, and checks that tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "path", "use"}:
            self.open.append(tag)
        found = [value or "" for key, value in attrs if key in {"src", "href", "xlink:href", "data"}]
        self.fetched += [value for value in found if not value.startswith("#")]
        assert tag not in {"script", "link", "img", "iframe"}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in {"meta", "path", "use"}:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"path", "use"}:
            assert self.open.pop() == tag


def test_the_report_needs_nothing_else(data: ReportData) -> None:
    """No script, no link, no picture from elsewhere, no style that imports; every tag is closed."""
    text = render(data)
    parser = _Links()
    parser.feed(text)
    assert parser.fetched == []
    assert parser.open == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(text) < 400_000


def test_the_report_shows_what_it_is_given(data: ReportData, tmp_path: Path) -> None:
    """Names, facts, stages and notes are there, escaped; the rating curve holds the rated snapshots only."""
    path = write_report(data, tmp_path / "report.html")
    text = path.read_text()
    for wanted in (
        "Trading league &lt;demo&gt;",
        "ppo 1.2M",
        "guest 1.0",
        "over a socket",
        "real prices",
        "% of capital",
    ):
        assert wanted in text, wanted
    assert text.count("<svg") == 2
    assert "not rated" not in text
    assert "gate not passed" in text
    assert "pinned at hold = 0" in text.replace("\n", " ")
    assert render(data) == text
    assert "<svg" not in render(replace(data, learning=(), snapshots=(), stages=()))


def test_a_failed_claim_looks_like_one(data: ReportData) -> None:
    """The headline's box tells success, failure and no claim apart."""
    for success, box in ((True, "headline good"), (False, "headline bad"), (None, 'class="headline"')):
        assert box in render(replace(data, success=success))


def test_an_unwritable_report_is_one_error(data: ReportData, tmp_path: Path) -> None:
    """A folder that is not there gives a RunError with the path."""
    with pytest.raises(RunError, match=r"report\.html"):
        write_report(data, tmp_path / "none" / "report.html")


def test_win_rates_and_the_unbeaten_can_be_shown(duel: Make) -> None:
    """A league of two with an unbeaten player renders, and says that its ratings rest on pseudo-wins."""
    blocks = [duel("a", "b", 1, 1, position=i) for i in range(6)]
    standings = rate(blocks, np.random.default_rng(0), resamples=100)
    found = head_to_head(blocks, np.random.default_rng(0), measure="win")
    text = render(ReportData("Two", "a won.", (), standings, found, measure="win"))
    assert "pseudo-win" in text
    assert "nan" not in text
    one = [duel("a", "b", 1, 0)]
    few = rate(one, np.random.default_rng(0), resamples=10)
    assert "one block" in render(ReportData("One", "?", (), few, head_to_head(one, np.random.default_rng(0))))


def test_schedule_faults_history_and_games_are_shown(data: ReportData) -> None:
    """Who met whom and how it ended, who lost by rule and what came of it, ratings over blocks, games."""
    assert data.standings is not None
    names = [row.player for row in data.standings.rows]
    line = Curve(names[0], (1.0, 2.0), (10.0, 20.0))
    full = replace(
        data,
        schedule=(
            MeetingReport(1, "semi-final", ("one", "two"), 4, (0.75, 0.25), (3.5, -1.0)),
            MeetingReport(2, "final", ("one", "three"), 4, None, (None, None)),
        ),
        faults=(FaultReport("two", 30, 4, 1, 0, "disqualified: 4 of 30 matches lost on time"),),
        void_matches=3,
        history=LearningCurve(
            "Rating history", "blocks", "rating (Elo)", (line,), caption="Each point a fit"
        ),
        games=Analysis("win", (AnalysisRow(names[0], 0.75, -0.5, 1.0, 0.0, 0.25, 0.0),), 0.125, 2),
    )
    text = render(full)
    for part in ("semi-final", "0.750 : 0.250", "not played", "disqualified", "3 matches were void"):
        assert part in text
    for part in ("Each point a fit", "12.5", "2 pairs never met", "Deviation"):
        assert part in text
    assert "Nobody lost a match by rule" in render(data)
    assert 'id="schedule"' not in render(data)


def test_tables_say_the_same_as_the_report(data: ReportData) -> None:
    """The terminal's tables hold every player and interval; JSON has the same figures and no NaN."""
    assert data.standings is not None
    assert data.head_to_head is not None
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(standings_table(data.standings, data.names))
    console.print(head_to_head_table(data.head_to_head, data.standings, "difference", data.names))
    text = console.export_text()
    best = data.standings.rows[0]
    assert best.low is not None
    assert f"{best.low:.0f} to {best.high:.0f}" in text
    assert all(data.names.get(row.player, row.player) in text for row in data.standings.rows)
    plain = json.loads(
        json.dumps(to_json(data.standings, data.head_to_head, "difference", data.names), allow_nan=False)
    )
    assert len(plain["head_to_head"]["pairs"]) == len(STRENGTHS) * (len(STRENGTHS) - 1)
    assert plain["standings"]["rows"][0]["player"] == best.player
    assert math.isfinite(plain["standings"]["rows"][0]["high"])
