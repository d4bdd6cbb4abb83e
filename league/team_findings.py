"""What a tournament says in the end that is judged by scores: cooperative arenas, and scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from league.formats import Scenarios
from league.report import ReportData, Reported
from league.report_parts import frame
from league.tables import partners_table, scenarios_table, scores_table
from league.teamwork import Teamwork, teamwork
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from league.block import BlockResult
    from league.config import LeagueSettings, TournamentSettings
    from league.findings import Beaten
    from league.formats import Round
    from league.player import Player
    from league.selfplay import SelfPlay


@dataclass(frozen=True)
class TeamFindings(Reported):
    """The end of a run, as plain data."""

    table: Teamwork
    names: Mapping[str, str]
    report: ReportData
    beaten: tuple[Beaten, ...] = ()
    """Nobody: there are no sides."""
    ok: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "scores": self.table.to_json(),
            "names": dict(self.names),
            "stages": [vars(stage) for stage in self.report.stages],
            "notes": list(self.report.notes),
        }

    def tables(self) -> tuple[Table, ...]:
        """For a terminal."""
        return tables(self.table, self.names)


def conclude_team(
    settings: LeagueSettings,
    selfplay: SelfPlay,
    entrants: Sequence[Player],
    blocks: Sequence[BlockResult],
    metrics: Sequence[Mapping[str, Any]],
    gone: Mapping[str, str],
    rounds: Sequence[Round],
) -> TeamFindings:
    """Everything that can be said of a run by scores; `gone` are players that left early, and why."""
    table = judged(settings.tournament, blocks)
    report = frame(settings, selfplay, entrants, metrics, blocks, gone, rounds)
    names = report.names
    return TeamFindings(table, names, replace(report, teamwork=table, headline=_headline(table, names)))


def judged(rules: TournamentSettings | None, blocks: Sequence[BlockResult]) -> Teamwork:
    """The table of a run's blocks, by its tournament's rules."""
    form = None if rules is None else rules.format
    return teamwork(
        blocks,
        np.random.default_rng(seed_of(rules.seed if rules else 0, 1)),
        scenarios=form.scenarios if isinstance(form, Scenarios) else (),
        resamples=rules.resamples if rules else 1000,
    )


def tables(table: Teamwork, names: Mapping[str, str]) -> tuple[Table, ...]:
    """Those of its tables that have rows."""
    found = (scores_table(table, names), partners_table(table, names)) if table.rows else ()
    return (*found, scenarios_table(table, names)) if table.scenarios else found


def _headline(table: Teamwork, names: Mapping[str, str]) -> str:
    """The finding in one sentence."""
    if not table.rows:
        first = table.scenarios[0]
        name = names.get(first.player, first.player)
        return f"{name} scores highest in scenario {first.scenario}: {first.score.mean:.2f} a focal seat."
    best = table.rows[0]
    words = f"{names.get(best.player, best.player)} scores highest: {best.score.mean:.2f}"
    if table.gap is None:
        return f"{words}."
    return f"{words} with other partners; from self-play to cross-play the gap is {table.gap.mean:.2f}."
