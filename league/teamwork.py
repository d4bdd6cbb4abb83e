"""Scores instead of ratings: where all seats are one team, nobody beats anybody, and partners count.

Every pair is judged on the same seeds, so that seeds, not blocks, are what intervals are drawn over.

Axes: P players, C pairs, K seeds, S resamples.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from league.block import BlockResult, counted
from league.bootstrap import LEVEL, block_weights, interval
from league.cooperation import pairs_of
from league.payoff import HeadToHead
from marl.errors import LedgerError

if TYPE_CHECKING:
    from league.formats.cross_play import ScenarioSettings

Draws = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A mean with its interval at 95 %; None below two seeds."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ScoreRow:
    """A player's place by `score`: its mean with all partners but itself, or by itself where it has none.

    `self_play` and `cross_play` are the two apart, None where there is none; `rank_low` to `rank_high` are
    the ranks that the intervals leave open.
    """

    player: str
    score: Figure
    self_play: float | None
    cross_play: float | None
    rank: int
    rank_low: int
    rank_high: int
    matches: int
    blocks: int


@dataclass(frozen=True)
class ScenarioRow:
    """A player's mean score in the focal seats of a scenario; `normalised` on the scenario's own scale."""

    scenario: str
    kind: str
    player: str
    score: Figure
    normalised: float | None
    blocks: int


@dataclass(frozen=True)
class Teamwork:
    """What is published of a cooperative tournament, best first.

    `gap` is self-play less cross-play (Hu et al. 2020, "Other-Play"): what conventions hide. `pairs` holds
    the mean score of every pair, the diagonal a player's with itself.
    """

    rows: tuple[ScoreRow, ...]
    pairs: HeadToHead
    self_play: Figure | None
    cross_play: Figure | None
    gap: Figure | None
    scenarios: tuple[ScenarioRow, ...]
    blocks: int
    void_blocks: int
    resamples: int
    level: float = LEVEL

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; null where there is no figure."""
        data = {key: value for key, value in asdict(self).items() if key != "pairs"}
        found = self.pairs
        data["pairs"] = [
            {
                "player": a,
                "partner": b,
                "mean": float(found.mean_PP[i, j]),
                "low": _known(found.low_PP[i, j]),
                "high": _known(found.high_PP[i, j]),
                "blocks": int(found.blocks_PP[i, j]),
            }
            for i, a in enumerate(found.players)
            for j, b in enumerate(found.players)
            if found.blocks_PP[i, j] and i <= j
        ]
        return data


def one_team(blocks: Iterable[BlockResult]) -> bool:
    """Whether in all of the blocks every seat is on the same side: scores are all that can be compared."""
    plans = [block.plan for block in blocks]
    return bool(plans) and all(len({p.teams.get(seat, seat) for seat in p.roles}) == 1 for p in plans)


def teamwork(
    blocks: Iterable[BlockResult],
    rng: np.random.Generator,
    *,
    scenarios: Sequence[ScenarioSettings] = (),
    resamples: int = 1000,
) -> Teamwork:
    """Judge everybody by scores; LedgerError where nothing was played.

    Blocks of scenarios count for their scenario only.
    """
    given = list(blocks)
    whole = counted(given)
    if not whole:
        raise LedgerError("scores", got=f"{len(given)} blocks", expected="a block without void matches")
    stages = {f"scenario {entry.name}": entry for entry in scenarios}
    seeds = sorted({block.plan.seed for block in whole})
    weight_SK = block_weights(rng, resamples, len(seeds))
    sample = _Sample({seed: k for k, seed in enumerate(seeds)}, weight_SK)
    free = [block for block in whole if block.plan.stage not in stages]
    table = _Table(free, sample) if free else None
    return Teamwork(
        rows=() if table is None else table.rows(),
        pairs=_no_pairs() if table is None else table.pairs(),
        self_play=None if table is None else table.figure(lambda a, b: a == b),
        cross_play=None if table is None else table.figure(lambda a, b: a != b),
        gap=None if table is None else table.gap(),
        scenarios=tuple(_scenes(whole, stages, sample)),
        blocks=len(whole),
        void_blocks=len(given) - len(whole),
        resamples=resamples,
    )


def _no_pairs() -> HeadToHead:
    none_PP = np.zeros((0, 0))
    return HeadToHead((), none_PP, none_PP, none_PP, none_PP.astype(np.int64))


@dataclass(frozen=True)
class _Sample:
    """The seeds and their weights in every resample."""

    place: Mapping[int, int]
    weight_SK: Draws

    def mean(self, values: Mapping[int, Sequence[float]]) -> tuple[float, Draws, int]:
        """The mean of values by seed, its resamples, and on how many seeds it rests."""
        own = {seed: sum(found) / len(found) for seed, found in sorted(values.items())}
        value_K = np.array(list(own.values()))
        weight_SK = self.weight_SK[:, [self.place[seed] for seed in own]]
        return float(value_K.mean()), weight_SK @ value_K / weight_SK.sum(axis=1), len(own)


def _figure(mean: float, draw_S: Draws, seeds: int) -> Figure:
    bounds = interval(draw_S, seeds) if len(draw_S) else None
    return Figure(mean, *(bounds or (None, None)))


class _Table:
    """The mean score of every pair, with its resamples."""

    def __init__(self, blocks: Sequence[BlockResult], sample: _Sample) -> None:
        self._blocks = blocks
        found: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        for block in blocks:
            for pair, score in pairs_of(block).items():
                found[pair][block.plan.seed].append(score)
                self._counts[pair] += 1
        self.pair = {pair: sample.mean(values) for pair, values in sorted(found.items())}
        self.players = tuple(sorted({name for pair in self.pair for name in pair}))

    def figure(self, chosen: Callable[[str, str], bool]) -> Figure | None:
        """The mean over the chosen pairs, each of the same weight."""
        found = self._over(chosen)
        return None if found is None else _figure(*found)

    def gap(self) -> Figure | None:
        """Self-play less cross-play, on the same resamples."""
        alone, together = self._over(lambda a, b: a == b), self._over(lambda a, b: a != b)
        if alone is None or together is None:
            return None
        return _figure(alone[0] - together[0], alone[1] - together[1], min(alone[2], together[2]))

    def rows(self) -> tuple[ScoreRow, ...]:
        """The players, best first; whoever has partners is judged by them."""
        score = {}
        for name in self.players:
            found = self._with(name, own=False) or self._with(name, own=True)
            assert found is not None  # it is in a pair
            score[name] = _figure(*found)
        low = {name: -math.inf if own.low is None else own.low for name, own in score.items()}
        high = {name: math.inf if own.high is None else own.high for name, own in score.items()}
        rows = []
        for name in sorted(self.players, key=lambda name: (-score[name].mean, name)):
            alone, together = self._with(name, own=True), self._with(name, own=False)
            held = [block for block in self._blocks if name in block.players]
            rows.append(
                ScoreRow(
                    player=name,
                    score=score[name],
                    self_play=None if alone is None else alone[0],
                    cross_play=None if together is None else together[0],
                    rank=1 + sum(other.mean > score[name].mean + 1e-12 for other in score.values()),
                    rank_low=1 + sum(low[other] > high[name] for other in self.players),
                    rank_high=len(self.players) - sum(high[other] < low[name] for other in self.players),
                    matches=sum(len(block.matches) for block in held),
                    blocks=len(held),
                )
            )
        return tuple(rows)

    def pairs(self) -> HeadToHead:
        """The matrix, symmetric."""
        size = len(self.players)
        place = {name: i for i, name in enumerate(self.players)}
        mean_PP, low_PP, high_PP = (np.full((size, size), np.nan) for _ in range(3))
        blocks_PP = np.zeros((size, size), np.int64)
        for (a, b), entry in self.pair.items():
            own = _figure(*entry)
            for i, j in ((place[a], place[b]), (place[b], place[a])):
                mean_PP[i, j], blocks_PP[i, j] = own.mean, self._counts[a, b]
                if own.low is not None and own.high is not None:
                    low_PP[i, j], high_PP[i, j] = own.low, own.high
        return HeadToHead(self.players, mean_PP, low_PP, high_PP, blocks_PP)

    def _with(self, name: str, *, own: bool) -> tuple[float, Draws, int] | None:
        return self._over(lambda a, b: name in {a, b} and (a == b) == own)

    def _over(self, chosen: Callable[[str, str], bool]) -> tuple[float, Draws, int] | None:
        found = [entry for pair, entry in self.pair.items() if chosen(*pair)]
        if not found:
            return None
        means, draws, seeds = zip(*found, strict=True)
        return sum(means) / len(means), np.mean(draws, axis=0), min(seeds)


def _scenes(
    blocks: Sequence[BlockResult], stages: Mapping[str, ScenarioSettings], sample: _Sample
) -> Iterable[ScenarioRow]:
    """The focal scores of every scenario, best first."""
    for stage, settings in stages.items():
        scenario = settings.scenario
        found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for block in blocks:
            if block.plan.stage != stage:
                continue
            for match in block.matches:
                focal = [seat for seat in match.seats if seat.seat in scenario.focal]
                scores = [seat.score for seat in focal if seat.score is not None]
                found[focal[0].player][block.plan.seed].append(sum(scores) / len(scores))
        rows = [
            ScenarioRow(
                scenario.name,
                scenario.kind,
                player,
                _figure(*(entry := sample.mean(values))),
                settings.normalised(entry[0]),
                sum(map(len, values.values())),
            )
            for player, values in sorted(found.items())
        ]
        yield from sorted(rows, key=lambda row: -row.score.mean)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
