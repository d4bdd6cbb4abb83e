"""Standings and head-to-head tables for a terminal, and the same figures as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from league.narrow import NarrowTable
from league.payoff import HeadToHead, Measure
from league.rating import Standings
from league.teamwork import Figure, Teamwork

WIDTH = 80
"""Tables are at least so many columns wide, so that their titles fit on a line."""


def standings_table(standings: Standings, names: Mapping[str, str] | None = None) -> Table:
    """The standings, best first: rating, 95 % interval and rank interval."""
    spare = ("matches", "blocks", "mean score", "win rate")
    table = _titled("Standings", _caption(standings), spare)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("player", overflow="fold")
    for heading in ("rating", "95 %", "ranks", "win rate", "mean score", "matches", "blocks"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in standings.rows:
        interval = "one block" if row.low is None else f"{row.low:z.0f} to {row.high:z.0f}"
        ranks = f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}-{row.rank_high}"
        table.add_row(
            str(row.rank),
            (names or {}).get(row.player, row.player),
            f"{row.rating:z.0f}",
            interval,
            ranks,
            f"{100 * row.win_rate:.1f} %",
            f"{row.mean_score:z.2f}",
            str(row.matches),
            str(row.blocks),
        )
    return table


def head_to_head_table(
    found: HeadToHead, standings: Standings, measure: Measure, names: Mapping[str, str] | None = None
) -> Table:
    """Row against column, in the order of the standings; coloured where the interval is on one side."""
    even = 0.5 if measure == "win" else 0.0
    what = "win rate" if measure == "win" else "mean difference of scores"
    order = [row.player for row in standings.rows if row.player in found.players]
    place = {player: i for i, player in enumerate(found.players)}
    shown = [abs(float(mean) - even) for mean in found.mean_PP.ravel() if not math.isnan(mean)]
    digits = 2 if max(shown, default=0.0) < 10 else 0
    title = f"Head to head: {what}, row against column, ± half of the 95 % interval"
    table = _square(title, len(order))
    for number, a in enumerate(order, 1):
        cells: list[Text] = []
        for b in order:
            mean, low, high = (
                float(t[place[a], place[b]]) for t in (found.mean_PP, found.low_PP, found.high_PP)
            )
            if a == b or math.isnan(mean):
                cells.append(Text("·", style="dim"))
            elif math.isnan(low):
                cells.append(Text(f"{mean:z.{digits}f}", style="dim"))
            else:
                style = "green" if low > even else "red" if high < even else ""
                cells.append(Text(f"{mean:z.{digits}f}\n±{(high - low) / 2:.{digits}f}", style=style))
        table.add_row(f"{number} {(names or {}).get(a, a)}", *cells)
    return table


def scores_table(found: Teamwork, names: Mapping[str, str] | None = None) -> Table:
    """A cooperative tournament, best first: score, 95 % interval, self-play and cross-play."""
    parts = [f"95 % intervals from {found.resamples} resamples of the seeds; {found.blocks} blocks."]
    figures = {"Self-play": found.self_play, "cross-play": found.cross_play, "gap": found.gap}
    known = [f"{what} {own.mean:z.2f} [{_bounds(own)}]" for what, own in figures.items() if own is not None]
    parts.append(", ".join(known) + ".")
    if found.void_blocks:
        parts.append(f"{found.void_blocks} void blocks left out.")
    spare = ("matches", "blocks", "with others", "with itself")
    table = _titled("Scores: the mean with all partners but oneself", " ".join(parts), spare)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("player", overflow="fold")
    for heading in ("score", "95 %", "ranks", "with itself", "with others", "matches", "blocks"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.rows:
        ranks = f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}-{row.rank_high}"
        alone, together = (
            "-" if value is None else f"{value:z.2f}" for value in (row.self_play, row.cross_play)
        )
        mean, bounds = f"{row.score.mean:z.2f}", _bounds(row.score)
        name = (names or {}).get(row.player, row.player)
        table.add_row(
            str(row.rank), name, mean, bounds, ranks, alone, together, str(row.matches), str(row.blocks)
        )
    return table


def partners_table(found: Teamwork, names: Mapping[str, str] | None = None) -> Table:
    """The cross-play matrix, in the order of the scores; on the diagonal each with itself."""
    order = [row.player for row in found.rows]
    place = {player: i for i, player in enumerate(found.pairs.players)}
    table = _square("Cross-play: mean score of partners, ± half of the 95 % interval", len(order))
    for number, a in enumerate(order, 1):
        cells = []
        for b in order:
            mean, low, high = (
                float(t[place[a], place[b]])
                for t in (found.pairs.mean_PP, found.pairs.low_PP, found.pairs.high_PP)
            )
            text = "·" if math.isnan(mean) else f"{mean:z.2f}"
            cells.append(text if math.isnan(low) else f"{text}\n±{(high - low) / 2:.2f}")
        table.add_row(f"{number} {(names or {}).get(a, a)}", *cells)
    return table


def scenarios_table(found: Teamwork, names: Mapping[str, str] | None = None) -> Table:
    """Everybody in the focal seats of every scenario."""
    table = _titled(
        "Scenarios: mean score of the focal seats",
        "Normalised: 0 is the worst baseline, 1 the best.",
        ("blocks", "kind", "95 %"),
    )
    for heading in ("scenario", "kind", "player"):
        table.add_column(heading, overflow="fold")
    for heading in ("score", "95 %", "normalised", "blocks"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.scenarios:
        scale = "-" if row.normalised is None else f"{row.normalised:z.2f}"
        name = (names or {}).get(row.player, row.player)
        mean, bounds = f"{row.score.mean:z.2f}", _bounds(row.score)
        table.add_row(row.scenario, row.kind, name, mean, bounds, scale, str(row.blocks))
    return table


def _titled(title: str, caption: str | None, spare: tuple[str, ...]) -> NarrowTable:
    return NarrowTable(title=title, caption=caption, min_width=WIDTH, spare=spare)


def _square(title: str, count: int) -> NarrowTable:
    """A table of players against players; where there is no room the last columns are left out."""
    numbers = [str(number) for number in range(1, count + 1)]
    table = _titled(title, None, tuple(reversed(numbers[1:])))
    table.add_column("player", overflow="fold")
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    return table


def _bounds(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return "one seed"
    return f"{figure.low:z.2f} to {figure.high:z.2f}"


def to_json(
    standings: Standings, found: HeadToHead, measure: Measure, names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """All that the tables show, as plain JSON; null where there is no figure."""
    pairs = [
        {
            "player": a,
            "against": b,
            "blocks": int(found.blocks_PP[i, j]),
            "mean": _number(found.mean_PP[i, j]),
            "low": _number(found.low_PP[i, j]),
            "high": _number(found.high_PP[i, j]),
        }
        for i, a in enumerate(found.players)
        for j, b in enumerate(found.players)
        if found.blocks_PP[i, j] > 0
    ]
    return {
        "standings": standings.to_json(),
        "head_to_head": {"measure": measure, "pairs": pairs},
        "names": dict(names or {}),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _caption(standings: Standings) -> str:
    pinned = ", ".join(f"{name} = {elo:.0f}" for name, elo in standings.anchors.items())
    scale = f"pinned at {pinned}" if pinned else "mean 0"
    parts = [f"Elo from one joint fit of {standings.blocks} blocks, {scale}."]
    parts.append(f"95 % intervals from {standings.resamples} block bootstrap resamples.")
    if standings.void_blocks:
        parts.append(f"{standings.void_blocks} void blocks left out.")
    if not standings.linked:
        parts.append(
            "Wins do not link all players: some ratings rest on pseudo-wins, their intervals are open."
        )
    return " ".join(parts)
