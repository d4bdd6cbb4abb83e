"""Cooperation: do partners that never met get along? Cross-play, scenarios and frozen normalisers.

Axes: P players.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from league.block import BlockResult, counted
from league.rotation import Lineup
from marl.errors import ConfigError, LedgerError
from marl.spec import Spec, content_hash


@dataclass(frozen=True)
class CrossPlay:
    """Self-play against cross-play (Hu et al. 2020, "Other-Play"): `gap` is what conventions hide."""

    players: tuple[str, ...]
    score_PP: NDArray[np.float64]

    @property
    def self_play(self) -> float:
        """Mean score with oneself."""
        return float(np.nanmean(np.diag(self.score_PP)))

    @property
    def cross_play(self) -> float:
        """Mean score with each other."""
        return float(np.nanmean(self.score_PP[~np.eye(len(self.players), dtype=bool)]))

    @property
    def gap(self) -> float:
        """Self-play less cross-play."""
        return self.self_play - self.cross_play


def cross_play(blocks: Iterable[BlockResult]) -> CrossPlay:
    """The mean score of every pair of players that shared a match of a cooperative arena; NaN where none did.

    A match counts for each unordered pair that it holds; of one player alone, for it with itself.
    """
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for block in counted(blocks):
        for pair, score in pairs_of(block).items():
            found[pair].append(score)
    players = tuple(sorted({name for pair in found for name in pair}))
    place = {name: i for i, name in enumerate(players)}
    score_PP = np.full((len(players), len(players)), np.nan)
    for (a, b), means in found.items():
        score_PP[place[a], place[b]] = score_PP[place[b], place[a]] = sum(means) / len(means)
    return CrossPlay(players, score_PP)


def pairs_of(block: BlockResult) -> dict[tuple[str, str], float]:
    """The mean score of every unordered pair that shared a match of a block; of one player, with itself."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for match in block.matches:
        scores = [seat.score for seat in match.seats if seat.score is not None]
        names = sorted({seat.player for seat in match.seats})
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]] or [(names[0], names[0])]
        for pair in pairs:
            found[pair].append(sum(scores) / len(scores))
    return {pair: sum(means) / len(means) for pair, means in found.items()}


def partner_rates(score_P: ArrayLike, best_P: ArrayLike, worst: float) -> NDArray[np.float64]:
    """The stand-in for win rates of PFSP with partners.

    (score - worst) / (best known - worst), cut to [0, 1].
    """
    score, best = np.asarray(score_P, np.float64), np.asarray(best_P, np.float64)
    span_P = best - worst
    rate_P = np.divide(score - worst, span_P, out=np.ones_like(score), where=span_P > 0)
    return np.asarray(np.clip(rate_P, 0, 1))


@dataclass(frozen=True)
class Scenario:
    """A held-out test after Melting Pot.

    Focal seats for those who are tested, the others for a fixed background.

    `focal` are seats; `background` says who can sit in the other seats, by role. A scenario in which most
    seats are focal tests a resident, one in which few are a visitor. `name` may change, `digest` says what it
    is.
    """

    name: str
    focal: tuple[str, ...]
    background: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """Content hash without the name: two scenarios of one digest are one scenario."""
        data = asdict(self)
        del data["name"]
        return content_hash(data)

    @property
    def kind(self) -> str:
        """Whether those who are tested are at least as many as the background: `resident`, else `visitor`."""
        return "resident" if len(self.focal) >= sum(map(len, self.background.values())) else "visitor"

    def lineup(self, spec: Spec, population: Sequence[str], rng: np.random.Generator) -> Lineup:
        """Fill the seats: focal ones from the tested population, the others by role; with replacement."""
        unknown = [seat for seat in self.focal if seat not in spec.seats]
        if unknown:
            raise ConfigError(
                f"scenario {self.name}",
                got=f"seats {', '.join(unknown)}",
                expected=f"{', '.join(spec.seats)}",
            )
        lineup = {}
        for role in spec.roles:
            for seat in role.seats:
                known = population if seat in self.focal else self.background.get(role.name, ())
                if not known:
                    raise ConfigError(
                        f"scenario {self.name}", got=f"nobody for seat {seat}", expected=f"a {role.name}"
                    )
                lineup[seat] = known[int(rng.integers(len(known)))]
        return {seat: lineup[seat] for seat in spec.seats}


def check_scenarios(scenarios: Sequence[Scenario]) -> None:
    """ConfigError where two scenarios are the same under two names."""
    seen: dict[str, str] = {}
    for scenario in scenarios:
        if scenario.digest in seen:
            raise ConfigError(
                f"scenario {scenario.name}",
                got=f"the same as {seen[scenario.digest]}",
                expected="another one",
            )
        seen[scenario.digest] = scenario.name


def focal_score(blocks: Iterable[BlockResult], scenario: Scenario) -> float:
    """The mean score of focal seats over all matches: per capita, the background's own scores left out."""
    scores = [
        seat.score
        for block in counted(blocks)
        for match in block.matches
        for seat in match.seats
        if seat.seat in scenario.focal and seat.score is not None
    ]
    if not scores:
        raise LedgerError(f"scenario {scenario.name}", got="no matches", expected="blocks that were played")
    return sum(scores) / len(scores)


@dataclass(frozen=True)
class Normaliser:
    """0 for the worst baseline's focal score, 1 for the best one's, frozen under a version."""

    scenario: str
    version: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(
                f"normaliser {self.version}", got=f"{self.low} to {self.high}", expected="low below high"
            )

    @classmethod
    def freeze(cls, scenario: Scenario, version: str, baseline_scores: Sequence[float]) -> Normaliser:
        """The normaliser that these baselines' focal scores make."""
        return cls(scenario.digest, version, min(baseline_scores), max(baseline_scores))

    def __call__(self, score: float, scenario: Scenario) -> float:
        """The normalised score; ConfigError for another scenario than it was frozen for."""
        if scenario.digest != self.scenario:
            raise ConfigError(
                f"normaliser {self.version}", got=f"scenario {scenario.name}", expected="its own scenario"
            )
        return (score - self.low) / (self.high - self.low)
