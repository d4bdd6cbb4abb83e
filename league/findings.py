"""What a run says in the end: standings, head to head, whether whoever had to be beaten was, the report."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from league.charts import Curve, Span
from league.payoff import HeadToHead, head_to_head
from league.rating import Standings, rate
from league.report import LearningCurve, ReportData, StageReport, write_report
from league.stability import contests, leave_one_out
from league.tables import to_json
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from league.block import BlockResult
    from league.config import LeagueSettings, TournamentSettings
    from league.curriculum import Stage, Verdict
    from league.player import Player
    from league.selfplay import SelfPlay


_MANY_BLOCKS = 100_000
"""Blocks that nobody will play to part two players."""
_MOST_REFITS = 40
"""Players up to which the table is fitted again without each."""


@dataclass(frozen=True)
class Beaten:
    """The main player against one that it has to beat: mean difference of scores with its 95 % interval."""

    player: str
    mean: float
    low: float
    high: float
    blocks: int

    @property
    def ok(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True)
class Findings:
    """The end of a run, as plain data."""

    standings: Standings
    head_to_head: HeadToHead
    names: Mapping[str, str]
    beaten: tuple[Beaten, ...]
    report: ReportData

    @property
    def ok(self) -> bool:
        """Whether everybody was beaten who had to be."""
        return all(entry.ok for entry in self.beaten)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return to_json(self.standings, self.head_to_head, "difference", self.names) | {
            "must_beat": [vars(entry) | {"ok": entry.ok} for entry in self.beaten],
            "stages": [vars(stage) for stage in self.report.stages],
            "notes": list(self.report.notes),
        }

    def write(self, path: Path) -> Path:
        """Write the report."""
        return write_report(self.report, path)

    def _repr_html_(self) -> str:
        """For notebooks."""
        from league.report import render

        return render(self.report)


def conclude(
    settings: LeagueSettings,
    selfplay: SelfPlay,
    entrants: Sequence[Player],
    blocks: Sequence[BlockResult],
    metrics: Sequence[Mapping[str, Any]],
    gone: Mapping[str, str] | None = None,
) -> Findings:
    """Everything that can be said of a run, computed from its blocks and figures.

    `gone` are players that left before the end, and why.
    """
    rules = settings.tournament
    assert rules is not None  # the caller looked
    here = {player.id for player in entrants}
    anchors = {name: elo for name, elo in rules.anchors.items() if name in here}
    rng = np.random.default_rng(seed_of(rules.seed, 1))
    standings = rate(blocks, rng, anchors=anchors, resamples=rules.resamples)
    pairs = head_to_head(blocks, rng, measure="difference", resamples=rules.resamples)
    names = {player.id: player.name for player in entrants}
    main = entrants[0].id if selfplay.candidates else ""
    beaten = tuple(_beaten(pairs, main, name) for name in rules.must_beat) if main else ()
    report = _report(settings, selfplay, entrants, metrics, standings, pairs, beaten, blocks)
    notes = [f"{names[player]} left before the end: {why}." for player, why in (gone or {}).items()]
    notes += what_would_change(standings, blocks, names)
    report = replace(report, notes=(*report.notes, *notes))
    return Findings(standings, pairs, names, beaten, report)


def _beaten(pairs: HeadToHead, main: str, other: str) -> Beaten:
    i, j = pairs.players.index(main), pairs.players.index(other)
    figures = (float(table[i, j]) for table in (pairs.mean_PP, pairs.low_PP, pairs.high_PP))
    mean, low, high = figures
    return Beaten(other, mean, low, high, int(pairs.blocks_PP[i, j]))


def _form(rules: TournamentSettings) -> str:
    """The format in words."""
    if rules.format is None:
        return f"{rules.blocks} blocks a pair"
    fields = {key: value for key, value in rules.format.model_dump().items() if key != "kind" and value}
    return f"{rules.format.kind.replace('_', ' ')}: " + ", ".join(f"{k} {v}" for k, v in fields.items())


def what_would_change(
    standings: Standings, blocks: Sequence[BlockResult], names: Mapping[str, str], most: int = 5
) -> list[str]:
    """On what the ranking hangs.

    Neighbours that are not parted, and players without whom others change places.
    """
    found = [
        f"{names.get(entry.upper, entry.upper)} and {names.get(entry.lower, entry.lower)} are not parted: "
        + (
            f"about {entry.blocks:,} blocks more of each would do it, if nothing else changes."
            if entry.blocks < _MANY_BLOCKS
            else "they are even as far as these blocks tell."
        )
        for entry in contests(standings)[:most]
    ]
    if len(standings.rows) > _MOST_REFITS:
        return found
    for left in leave_one_out(blocks, standings.anchors):
        if left.swaps and len(found) < 2 * most:
            pairs = ", ".join(f"{names.get(a, a)} and {names.get(b, b)}" for a, b in left.swaps[:3])
            found.append(
                f"Without the matches of {names.get(left.player, left.player)}, {pairs} change places."
            )
    return found


def _report(
    settings: LeagueSettings,
    selfplay: SelfPlay,
    entrants: Sequence[Player],
    metrics: Sequence[Mapping[str, Any]],
    standings: Standings,
    pairs: HeadToHead,
    beaten: Sequence[Beaten],
    blocks: Sequence[BlockResult],
) -> ReportData:
    headline, success = headline_of(entrants[0].name, beaten, standings, {p.id: p.name for p in entrants})
    rules = settings.tournament
    assert rules is not None  # the caller looked
    facts = (
        ("arena", settings.arena),
        ("seed", str(settings.seed)),
        ("learner", settings.learner.name),
        ("copies x groups", f"{settings.pool.copies} in {settings.pool.groups}"),
        ("tournament", f"{_form(rules)}, seed {rules.seed}"),
        (
            "options of the tournament",
            ", ".join(f"{k} = {v}" for k, v in settings.tournament_options().items()) or "defaults",
        ),
    )
    notes = [f"Stage {name} was left without passing its gate." for name in selfplay.timed_out]
    notes += [
        f"{player.name} came in over a socket and played fewer blocks."
        for player in entrants
        if player.kind == "external"
    ]
    notes += forfeit_notes(blocks, {player.id: player.name for player in entrants})
    return ReportData(
        title=f"League {settings.name}" if settings.stages else f"Tournament in {settings.arena}",
        headline=headline,
        facts=facts,
        standings=standings,
        head_to_head=pairs,
        measure="difference",
        success=success,
        names={player.id: player.name for player in entrants},
        kinds={player.id: player.kind for player in entrants},
        snapshots=tuple((float(c.decisions), c.player.id) for c in selfplay.candidates),
        stages=tuple(_stages(settings, selfplay, metrics)),
        learning=tuple(_curves(metrics)),
        notes=tuple(notes),
    )


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


def headline_of(
    main: str, beaten: Sequence[Beaten], standings: Standings, names: Mapping[str, str]
) -> tuple[str, bool | None]:
    """The finding in one sentence, and whether it is a good one (None: nothing was claimed)."""
    if not beaten:
        first = standings.rows[0]
        return f"{names.get(first.player, first.player)} comes first.", None
    short = [entry.player for entry in beaten if not entry.ok]
    if short:
        return f"{main} does NOT beat {', '.join(short)} with its whole 95 % interval above zero.", False
    return (
        f"{main} beats all {len(beaten)} scripted baselines, each with its whole 95 % interval above zero.",
        True,
    )


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
    words = (
        ""
        if gate is None
        else f"{gate.metric} rate against {', '.join(gate.against)} above {gate.threshold:g}"
    )
    return StageReport(
        name=stage.name,
        first_task=min(tasks),
        last_task=max(tasks),
        steps=int(max(steps) - max(before, default=0)),
        gate=words,
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
