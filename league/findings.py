"""What a run says in the end: standings, head to head, whether whoever had to be beaten was, the report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from league.analysis import analyse
from league.payoff import HeadToHead, head_to_head
from league.rating import Standings, rate
from league.report import ReportData, Reported
from league.report_parts import frame, history_of, named_lines
from league.stability import contests, leave_one_out
from league.tables import head_to_head_table, standings_table, to_json
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from league.block import BlockResult
    from league.config import LeagueSettings
    from league.formats import Round
    from league.player import Player
    from league.selfplay import SelfPlay


_MANY_BLOCKS = 100_000
"""Blocks that nobody will play to part two players."""
_MOST_ANALYSED = 20
"""Players up to which the game theory of a tournament takes seconds."""
_MOST_NAMED = 4
"""Players that the headline names where it is open who comes first."""
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
class Findings(Reported):
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

    def tables(self) -> tuple[Table, ...]:
        """For a terminal."""
        return (
            standings_table(self.standings, self.names),
            head_to_head_table(self.head_to_head, self.standings, "difference", self.names),
        )


def conclude(
    settings: LeagueSettings,
    selfplay: SelfPlay,
    entrants: Sequence[Player],
    blocks: Sequence[BlockResult],
    metrics: Sequence[Mapping[str, Any]],
    gone: Mapping[str, str],
    rounds: Sequence[Round],
) -> Findings:
    """Everything that can be said of a run, computed from its blocks and figures.

    `gone` are players that left before the end, and why; `rounds` are the meetings as they were played.
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
    headline, success = headline_of(entrants[0].name, beaten, standings, names)
    report = frame(settings, selfplay, entrants, metrics, blocks, gone, rounds)
    report = replace(
        report,
        headline=headline,
        success=success,
        standings=standings,
        head_to_head=pairs,
        history=named_lines(history_of(standings, blocks), names),
        games=analyse(blocks) if len(standings.rows) <= _MOST_ANALYSED else None,
        notes=(*report.notes, *what_would_change(standings, blocks, names)),
    )
    return Findings(standings, pairs, names, beaten, report)


def _beaten(pairs: HeadToHead, main: str, other: str) -> Beaten:
    i, j = pairs.players.index(main), pairs.players.index(other)
    figures = (float(table[i, j]) for table in (pairs.mean_PP, pairs.low_PP, pairs.high_PP))
    mean, low, high = figures
    return Beaten(other, mean, low, high, int(pairs.blocks_PP[i, j]))


def what_would_change(
    standings: Standings, blocks: Sequence[BlockResult], names: Mapping[str, str], most: int = 5
) -> list[str]:
    """On what the ranking hangs.

    Neighbours that are not parted, and players without whom others change places.
    """
    found = [
        f"{names.get(entry.upper, entry.upper)} and {names.get(entry.lower, entry.lower)} are not parted: "
        + (
            f"about {entry.blocks:,} {'block' if entry.blocks == 1 else 'blocks'} more of each would do it, "
            "if nothing else changes."
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


def headline_of(
    main: str, beaten: Sequence[Beaten], standings: Standings, names: Mapping[str, str]
) -> tuple[str, bool | None]:
    """The finding in one sentence, and whether it is a good one (None: nothing was claimed)."""
    if not beaten:
        first = standings.rows[0]
        if first.rank_high == 1:
            return f"{names.get(first.player, first.player)} comes first.", None
        able = [names.get(row.player, row.player) for row in standings.rows if row.rank_low == 1]
        told = [
            *able[:_MOST_NAMED],
            *([f"{len(able) - _MOST_NAMED} others"] if len(able) > _MOST_NAMED else []),
        ]
        return f"It is open who comes first: {' or '.join(told)}.", None
    short = [entry.player for entry in beaten if not entry.ok]
    if short:
        return f"{main} does NOT beat {', '.join(short)} with its whole 95 % interval above zero.", False
    return (
        f"{main} beats all {len(beaten)} scripted baselines, each with its whole 95 % interval above zero.",
        True,
    )
