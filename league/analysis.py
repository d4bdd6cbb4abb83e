"""What a single rating can't say of those who played: game theory of a run's blocks, a vote over runs.

Axes: P players, K runs (voters).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from league.cooperation import cross_play
from league.games import (
    alpha_rank,
    copeland,
    deviation_ratings,
    judge_population,
    margins,
    maximal_lottery,
    meta_game,
    nash_averaging,
    schulze,
    two_player,
)
from league.payoff import payoff
from league.teamwork import one_team
from marl.errors import LedgerError

if TYPE_CHECKING:
    from league.block import BlockResult

Measure = Literal["win", "difference", "score"]
_MOST_DEVIATIONS = 20
"""Players up to which deviation ratings take seconds; they are a sequence of linear programmes."""


@dataclass(frozen=True)
class AnalysisRow:
    """A player in the game of choosing a player; figures that the measure does not have are None.

    `nash`: its share of the maximum-entropy Nash equilibrium, `nash_rating` its payoff against it (Balduzzi
    et al. 2018). `alpha_rank`: its mass with infinite alpha (Omidshafiei et al. 2019). `deviation`: its
    deviation rating (Marris et al. 2025). `population_return`, `exploitability`: mean and worst case against
    the others.
    """

    player: str
    alpha_rank: float
    deviation: float | None
    nash: float | None
    nash_rating: float | None
    population_return: float | None
    exploitability: float | None


@dataclass(frozen=True)
class Analysis:
    """The players, by mass of alpha-rank and then by deviation rating.

    `cyclic`: the share of the squared payoffs that no rating explains. `unmet`: pairs that never met, and
    count as even.
    """

    measure: Measure
    rows: tuple[AnalysisRow, ...]
    cyclic: float | None
    unmet: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def analyse(blocks: Iterable[BlockResult], measure: Literal["win", "difference"] = "win") -> Analysis:
    """Judge the players by the game that their meetings make; where all are one team, by shared scores."""
    given = list(blocks)
    if one_team(given):
        return _of_partners(given)
    table = payoff(given)
    game_PP = meta_game(table, measure)
    size = len(table.players)
    if size < 2:
        raise LedgerError("games", got=f"{size} players", expected="two that met")
    mix_P, rating_P = nash_averaging(game_PP)
    people = judge_population(game_PP)
    met = int((table.games_PP > 0).sum())
    rows = _rows(
        table.players,
        game_PP,
        nash=mix_P,
        nash_rating=rating_P,
        population_return=people.population_return_P,
        exploitability=people.exploitability_P,
    )
    return Analysis(measure, rows, people.cyclic, (size * (size - 1) - met) // 2)


def _of_partners(blocks: Sequence[BlockResult]) -> Analysis:
    """The game of choosing a partner: both get the score."""
    table = cross_play(blocks)
    unknown = np.isnan(table.score_PP)
    score_PP = np.where(unknown, np.nanmean(table.score_PP), table.score_PP)
    return Analysis(
        "score", _rows(table.players, score_PP, common=True), None, int(np.triu(unknown, 1).sum())
    )


def _rows(
    players: Sequence[str],
    game_PP: NDArray[np.float64],
    *,
    common: bool = False,
    **figures: NDArray[np.float64],
) -> tuple[AnalysisRow, ...]:
    mass_P = alpha_rank(game_PP)
    many = len(players) > _MOST_DEVIATIONS
    deviation_P = None if many else deviation_ratings(two_player(game_PP, game_PP if common else None))[0]
    none = dict.fromkeys(("nash", "nash_rating", "population_return", "exploitability"))
    rows = [
        AnalysisRow(
            player,
            float(mass_P[i]),
            None if deviation_P is None else float(deviation_P[i]),
            **(none | {name: float(values[i]) for name, values in figures.items()}),
        )
        for i, player in enumerate(players)
    ]
    return tuple(
        sorted(rows, key=lambda row: (-round(row.alpha_rank, 9), -(row.deviation or 0.0), row.player))
    )


@dataclass(frozen=True)
class Vote:
    """Runs as voters: no scale is shared, only who is better in each (Lanctot et al. 2023).

    `lottery`: the maximal lottery; `copeland`: duels won less lost; `tiers`: Schulze's ranking, best first.
    """

    lottery: Mapping[str, float]
    copeland: Mapping[str, float]
    tiers: tuple[tuple[str, ...], ...]
    voters: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def vote(ratings: Sequence[Mapping[str, float]]) -> Vote:
    """Join the tables of several runs, each a player's rating or score; who is missing there has no vote."""
    players = sorted({player for table in ratings for player in table})
    score_KP = np.array([[table.get(player, np.nan) for player in players] for table in ratings])
    margin_PP = margins(score_KP)
    lottery_P, duels_P = maximal_lottery(margin_PP), copeland(margin_PP)
    return Vote(
        {player: float(lottery_P[i]) for i, player in enumerate(players)},
        {player: float(duels_P[i]) for i, player in enumerate(players)},
        tuple(tuple(players[i] for i in tier) for tier in schulze(margin_PP)),
        len(ratings),
    )
