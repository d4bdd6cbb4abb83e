"""The report of a run: one HTML file that needs nothing else, made from plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from league.analysis import Analysis
from league.charts import Curve, Level, Span, curves
from league.durable import write_whole
from league.payoff import HeadToHead
from league.rating import Standings, StandingsRow
from league.teamwork import Teamwork
from marl.errors import RunError

_MOST_MEETINGS = 400
"""Meetings that a page can hold and still be read."""


@dataclass(frozen=True)
class StageReport:
    """A stage as it went: the tasks it took, its gate in words, and how its last exam ended.

    `lower` and `mean` are those of the verdict that ended the stage, None where it has no gate or never sat
    an exam.
    """

    name: str
    first_task: int
    last_task: int
    steps: int
    gate: str = ""
    threshold: float | None = None
    mean: float | None = None
    lower: float | None = None
    blocks: int = 0
    attempts: int = 0
    passed: bool = False


@dataclass(frozen=True)
class LearningCurve:
    """One metric over training, as lines with optional bands; `spans` mark the stages on the same x axis."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Curve, ...]
    spans: tuple[Span, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class MeetingReport:
    """A meeting as it went, with names; `points` are shares of 0 to 1, None where it was not played."""

    number: int
    label: str
    players: tuple[str, ...]
    blocks: int
    points: tuple[float, ...] | None
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class FaultReport:
    """How many matches a player lost by rule, by reason, of how many; `standing`: what came of it."""

    player: str
    matches: int
    timeout: int
    illegal: int
    error: int
    standing: str = ""


@dataclass(frozen=True)
class ReportData:
    """All that a report shows.

    Ids of players are shown by `names` and marked by `kinds` (scripted, snapshot, external). `headline` is
    the finding in one sentence, `success` whether it is a good one (None: no claim). `facts` are pairs for
    the header: seed, arena, options, versions. `snapshots` are (steps, player) of one learner, for the rating
    curve. `head_to_head` holds either win rates (`measure` "win") or differences of scores; a cooperative
    tournament has `teamwork` instead of both. `notes` say what a reader must know.
    """

    title: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    standings: Standings | None = None
    head_to_head: HeadToHead | None = None
    teamwork: Teamwork | None = None
    measure: str = "difference"
    score_unit: str = ""
    success: bool | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    snapshots: tuple[tuple[float, str], ...] = ()
    stages: tuple[StageReport, ...] = ()
    learning: tuple[LearningCurve, ...] = ()
    history: LearningCurve | None = None
    games: Analysis | None = None
    schedule: tuple[MeetingReport, ...] = ()
    faults: tuple[FaultReport, ...] = ()
    void_matches: int = 0
    notes: tuple[str, ...] = ()


def render(data: ReportData) -> str:
    """The report as HTML: styles and charts inline, no script, no request; same data, same text."""
    table = data.standings or data.teamwork
    order = [] if table is None else [row.player for row in table.rows]
    return _template().render(
        data=data,
        name=lambda player: data.names.get(player, player),
        kind=lambda player: data.kinds.get(player, ""),
        bars={} if data.standings is None else _bars(data.standings),
        cells=_cells(data, order),
        order=order,
        rating_chart=_rating_chart(data),
        history=None if data.history is None else _learning_chart(data.history),
        learning=[(curve, _learning_chart(curve)) for curve in data.learning],
        figure=_figure,
        most_meetings=_MOST_MEETINGS,
    )


def write_report(data: ReportData, path: Path) -> Path:
    """Write the report; RunError where the path can't be written."""
    try:
        write_whole(path, render(data))
    except OSError as error:
        raise RunError(
            f"report {path}",
            got=str(error),
            expected="a file that can be written",
            remedy="Check the folder.",
        ) from error
    return path


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _bars(standings: Standings) -> dict[str, dict[str, float]]:
    """For each row of the standings: rating and interval in percent of the axis that all rows share.

    An interval may be open upwards (an unbeaten player); the axis ends soon after the highest rating and cuts
    it there.
    """
    ratings = [row.rating for row in standings.rows]
    spread = max(max(ratings) - min(ratings), 100.0)
    low = max(min(_low(row) for row in standings.rows), min(ratings) - 0.35 * spread)
    high = min(max(_high(row) for row in standings.rows), max(ratings) + 0.35 * spread)
    low, high = low - 0.03 * spread, high + 0.03 * spread

    def percent(elo: float) -> float:
        return round(100 * min(max((elo - low) / (high - low), 0.0), 1.0), 2)

    return {
        row.player: {
            "at": percent(row.rating),
            "low": percent(_low(row)),
            "high": percent(_high(row)),
            "zero": percent(0.0),
        }
        for row in standings.rows
    }


def _cells(data: ReportData, order: list[str]) -> list[list[dict[str, Any] | None]]:
    """The heat map, row against column in the order of the standings; None where a pair never met.

    `share` in [-1, 1] is the colour: the figure's distance from even, as a part of the largest in the table.
    """
    table = data.teamwork.pairs if data.teamwork is not None else data.head_to_head
    if table is None:
        return []
    known = [float(mean) for mean in table.mean_PP.ravel() if not math.isnan(mean)]
    # scores have no even: their colour tells where between the lowest and the highest they lie
    middle = (min(known, default=0.0) + max(known, default=0.0)) / 2
    even = middle if data.teamwork is not None else 0.5 if data.measure == "win" else 0.0
    place = {player: i for i, player in enumerate(table.players)}
    largest = max((abs(mean - even) for mean in known), default=0.0)
    scale = 0.5 if data.measure == "win" else largest or 1.0
    digits = 2 if scale < 10 else 1 if scale < 100 else 0
    rows: list[list[dict[str, Any] | None]] = []
    for a in order:
        row: list[dict[str, Any] | None] = []
        for b in order:
            i, j = place.get(a), place.get(b)
            if i is None or j is None or math.isnan(table.mean_PP[i, j]):
                row.append(None)
                continue
            mean, low, high = (float(t[i, j]) for t in (table.mean_PP, table.low_PP, table.high_PP))
            bounded = not math.isnan(low)
            row.append(
                {
                    "mean": _figure(mean, digits),
                    "interval": f"{_figure(low, digits)}\u2026{_figure(high, digits)}"
                    if bounded
                    else "one block",
                    "sure": bounded and data.teamwork is None and (low > even or high < even),
                    "share": round((mean - even) / scale, 3),
                    "blocks": int(table.blocks_PP[i, j]),
                }
            )
        rows.append(row)
    return rows


def _rating_chart(data: ReportData) -> str:
    """The rating of the snapshots over their training, with bands; scripted players are reference lines."""
    if data.standings is None:
        return ""
    row_of = {row.player: row for row in data.standings.rows}
    found = [(steps, row_of[player]) for steps, player in data.snapshots if player in row_of]
    if not found:
        return ""
    line = Curve(
        name="snapshots",
        x=tuple(steps for steps, _ in found),
        y=tuple(row.rating for _, row in found),
        low=tuple(row.low for _, row in found),
        high=tuple(row.high for _, row in found),
    )
    levels = [
        Level(data.names.get(row.player, row.player), row.rating)
        for row in data.standings.rows
        if data.kinds.get(row.player) == "scripted"
    ]
    return curves(
        [line], x_label="agent steps of training", y_label="rating (Elo)", levels=levels, markers=True
    )


def _learning_chart(curve: LearningCurve) -> str:
    return curves(curve.lines, x_label=curve.x_label, y_label=curve.y_label, spans=curve.spans)


def _low(row: StandingsRow) -> float:
    return row.rating if row.low is None else row.low


def _high(row: StandingsRow) -> float:
    return row.rating if row.high is None else row.high


def _figure(value: float | None, digits: int = 0) -> str:
    """A number as people read it: thousands apart, a true minus, a dash where there is none."""
    if value is None:
        return "\u2013"
    text = f"{value:,.{digits}f}".replace(",", "\u202f")
    return text.replace("-", "\u2212") if float(f"{value:.{digits}f}") else text.lstrip("-")


class Reported:
    """Findings that have a report: it can be written, and notebooks show it."""

    report: ReportData

    def write(self, path: Path) -> Path:
        """Write the report."""
        return write_report(self.report, path)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return render(self.report)
