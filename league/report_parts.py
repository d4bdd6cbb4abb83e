"""The parts of a report that every tournament has, whether it is judged by ratings or by scores."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from league.block import counted
from league.charts import Curve, Span
from league.rating import Standings, rate
from league.report import FaultReport, LearningCurve, MeetingReport, ReportData, StageReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from league.block import BlockResult
    from league.config import LeagueSettings, TournamentSettings
    from league.curriculum import Stage, Verdict
    from league.formats import Round
    from league.player import Player
    from league.selfplay import SelfPlay


_POINTS = 12
"""Points of the rating history."""
_MOST_REFITTED = 20_000
"""Blocks up to which a fit for each of them takes no time to speak of."""


def frame(
    settings: LeagueSettings,
    selfplay: SelfPlay,
    entrants: Sequence[Player],
    metrics: Sequence[Mapping[str, Any]],
    blocks: Sequence[BlockResult],
    gone: Mapping[str, str],
    rounds: Sequence[Round],
) -> ReportData:
    """The report without its tables and its headline."""
    rules = settings.tournament
    assert rules is not None  # the caller looked
    names = {player.id: player.name for player in entrants}
    trained = (("seed", str(settings.seed)), ("learner", settings.learner.name)) if settings.stages else ()
    facts = (
        ("arena", settings.arena),
        *trained,
        ("copies x groups", f"{settings.pool.copies} in {settings.pool.groups}"),
        ("tournament", f"{_form(rules)}, seed {rules.seed}"),
        (
            "options of the tournament",
            ", ".join(f"{k} = {v}" for k, v in settings.tournament_options().items()) or "defaults",
        ),
    )
    notes = [f"Stage {name} was left without passing its gate." for name in selfplay.timed_out]
    notes += [
        f"{entry.name} came in over a socket, for at most {entry.blocks} blocks of each meeting."
        for entry in rules.external
    ]
    notes += forfeit_notes(blocks, names)
    notes += [f"{names[player]} left before the end: {why}." for player, why in gone.items()]
    return ReportData(
        title=f"League {settings.name}" if settings.stages else f"Tournament in {settings.arena}",
        headline="",
        facts=facts,
        names=names,
        kinds={player.id: player.kind for player in entrants},
        snapshots=tuple((float(c.decisions), c.player.id) for c in selfplay.candidates),
        stages=tuple(_stages(settings, selfplay, metrics)),
        learning=tuple(_curves(metrics)),
        schedule=schedule_of(rounds, names),
        faults=faults_of(blocks, names, gone),
        void_matches=sum(match.void for block in blocks for match in block.matches),
        notes=tuple(notes),
    )


def schedule_of(rounds: Sequence[Round], names: Mapping[str, str]) -> tuple[MeetingReport, ...]:
    """Who met whom, in the order of play; rests are left out."""
    return tuple(
        MeetingReport(
            number,
            met.meeting.label,
            tuple(names.get(player, player) for player in met.meeting.players),
            met.meeting.blocks,
            None if met.walkover else tuple(met.points[player] for player in met.meeting.players),
            tuple(met.scores.get(player) for player in met.meeting.players),
        )
        for number, entries in enumerate(rounds, 1)
        for met in entries
        if len(met.meeting.players) > 1
    )


def faults_of(
    blocks: Sequence[BlockResult], names: Mapping[str, str], gone: Mapping[str, str]
) -> tuple[FaultReport, ...]:
    """Everybody who lost matches by rule, worst first."""
    played: Counter[str] = Counter()
    lost: dict[str, Counter[str]] = {}
    for match in (match for block in blocks for match in block.matches if not match.void):
        for player, outcome in {(seat.player, seat.outcome) for seat in match.seats}:
            played[player] += outcome == "ok"
            if outcome != "ok":
                lost.setdefault(player, Counter())[outcome] += 1
    rows = [
        FaultReport(
            names.get(player, player),
            played[player] + found.total(),
            found["timeout"],
            found["illegal"],
            found["error"],
            gone.get(player, ""),
        )
        for player, found in lost.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-(row.timeout + row.illegal + row.error), row.player)))


def history_of(standings: Standings, blocks: Sequence[BlockResult]) -> LearningCurve | None:
    """The ratings of the first eight as blocks came in, each point a fit of its own; None for huge ones."""
    whole = counted(blocks)
    if not _POINTS <= len(whole) <= _MOST_REFITTED:
        return None
    at = [round(len(whole) * k / _POINTS) for k in range(1, _POINTS + 1)]
    ratings = []
    for count in at:
        part = whole[:count]
        here = {player for block in part for player in block.players}
        anchors = {name: elo for name, elo in standings.anchors.items() if name in here}
        table = rate(part, np.random.default_rng(0), anchors=anchors, resamples=0)
        ratings.append({row.player: row.rating for row in table.rows})
    lines = []
    for row in standings.rows[:8]:
        known = [(x, found[row.player]) for x, found in zip(at, ratings, strict=True) if row.player in found]
        lines.append(Curve(row.player, tuple(float(x) for x, _ in known), tuple(y for _, y in known)))
    caption = "Of the first eight; each point is the joint fit of all blocks up to there"
    return LearningCurve("Rating history", "blocks", "rating (Elo)", tuple(lines), caption=caption)


def named_lines(curve: LearningCurve | None, names: Mapping[str, str]) -> LearningCurve | None:
    """A chart whose lines are called as people call the players."""
    if curve is None:
        return None
    return replace(
        curve, lines=tuple(replace(line, name=names.get(line.name, line.name)) for line in curve.lines)
    )


def _form(rules: TournamentSettings) -> str:
    """The format in words."""
    if rules.format is None:
        return f"{rules.blocks} blocks a pair"
    fields = {key: value for key, value in rules.format.model_dump().items() if key != "kind" and value}
    return f"{rules.format.kind.replace('_', ' ')}: " + ", ".join(f"{k} {v}" for k, v in fields.items())


def forfeit_notes(blocks: Sequence[BlockResult], names: Mapping[str, str]) -> list[str]:
    """Who lost how many matches by rule, and why: a sentence for each player that did."""
    matches = [match for block in blocks for match in block.matches]
    lost: dict[str, Counter[str]] = {}
    for match in matches:
        for player, outcome in {(seat.player, seat.outcome) for seat in match.seats}:
            if outcome not in {"ok", "void"}:
                lost.setdefault(player, Counter())[outcome] += 1
    notes = []
    for player, reasons in sorted(lost.items()):
        played = sum(player in match.lineup.values() for match in matches)
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        total = sum(reasons.values())
        notes.append(f"{names.get(player, player)} lost {total} of {played} matches by rule ({why}).")
    return notes


def _stages(
    settings: LeagueSettings, selfplay: SelfPlay, metrics: Sequence[Mapping[str, Any]]
) -> list[StageReport]:
    found = []
    for stage in settings.stages:
        tasks = [int(row["task"]) for row in metrics if row["stage"] == stage.name]
        verdicts = [verdict for verdict in selfplay.verdicts if verdict.stage == stage.name]
        if tasks:
            found.append(_stage(stage, tasks, verdicts, metrics))
    return found


def _stage(
    stage: Stage, tasks: Sequence[int], verdicts: Sequence[Verdict], metrics: Sequence[Mapping[str, Any]]
) -> StageReport:
    last = verdicts[-1] if verdicts else None
    steps = [row["decisions"] for row in metrics if row["stage"] == stage.name]
    before = [row["decisions"] for row in metrics if row["decisions"] < min(steps)]
    gate = stage.gate
    return StageReport(
        name=stage.name,
        first_task=min(tasks),
        last_task=max(tasks),
        steps=int(max(steps) - max(before, default=0)),
        gate="" if gate is None else gate.words,
        threshold=None if gate is None else gate.threshold,
        mean=None if last is None else last.mean,
        lower=None if last is None else last.lower,
        blocks=0 if last is None else last.blocks,
        attempts=len(verdicts),
        passed=last is not None and last.passed,
    )


def _curves(metrics: Sequence[Mapping[str, Any]]) -> list[LearningCurve]:
    if not metrics:
        return []
    spans = tuple(_spans(metrics))
    wanted = (
        (
            "score",
            "Score in training",
            "mean score of a match",
            "Of the learner's side, opponents drawn by the stage's mix.",
        ),
        ("entropy", "Entropy of the policy", "nats", "How much it still draws."),
    )
    found = []
    for key, title, label, caption in wanted:
        points = [
            (float(row["decisions"]), float(value))
            for row in metrics
            for name, value in row.items()
            if name.rpartition("/")[2] == key and math.isfinite(float(value))
        ]
        if points:
            line = Curve(key, tuple(x for x, _ in points), tuple(y for _, y in points))
            found.append(LearningCurve(title, "own decisions", label, (line,), spans, caption))
    return found


def _spans(metrics: Sequence[Mapping[str, Any]]) -> list[Span]:
    spans: list[Span] = []
    start = 0.0
    for i, row in enumerate(metrics):
        if i + 1 == len(metrics) or metrics[i + 1]["stage"] != row["stage"]:
            spans.append(Span(str(row["stage"]), start, float(row["decisions"])))
            start = float(row["decisions"])
    return spans
