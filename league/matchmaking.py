"""Who sits against a learner in training: a mix declared as data, sampled with a generator passed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from marl.errors import ConfigError, UnknownNameError

Weighting = Literal["variance", "linear", "linear_capped", "squared", "uniform", "rating"]
Share = Annotated[float, Field(ge=0, le=1)]


class OpponentMix(BaseModel):
    """How often a learner meets whom: the three shares sum to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    latest: Share = Field(0.5, description="Share of the draws that go to the learner's own latest snapshot.")
    past: Share = Field(
        0.5,
        description="Share that goes to past snapshots, by `weighting`; to the latest while there are none.",
    )
    scripted: Share = Field(0.0, description="Share that is spread evenly over `players`.")
    weighting: Weighting = Field(
        "squared",
        description="How the win rate against a past snapshot weighs it; `rating`: as `variance`, by the win "
        "rate that online ratings from exams predict.",
    )
    players: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        (), description="The scripted players of the scripted share."
    )
    fill: Literal["one", "each"] = Field(
        "each", description="One draw for all other seats, or one for each team."
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        total = self.latest + self.past + self.scripted
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"latest + past + scripted is {total:g}; it must be 1")
        if self.scripted > 0 and not self.players:
            raise ValueError("a scripted share needs players")
        return self


@dataclass(frozen=True)
class Pool:
    """Whom a learner can meet now; `past_win_rates` are its own against the past, 0.5 where unknown."""

    latest: str
    past: tuple[str, ...] = ()
    past_win_rates: tuple[float, ...] = ()
    scripted: tuple[str, ...] = ()


def pfsp(win_rates: ArrayLike, weighting: Weighting) -> NDArray[np.float64]:
    """Prioritised fictitious self-play (Vinyals et al. 2019): the probability of each opponent.

    `win_rates` are the learner's. variance x(1 - x), linear 1 - x, linear_capped min(0.5, 1 - x), squared (1
    - x)^2, rating as variance; where all weights vanish, uniform.
    """
    rate_P = np.asarray(win_rates, np.float64)
    weights: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        "variance": lambda x: x * (1 - x),
        "rating": lambda x: x * (1 - x),
        "linear": lambda x: 1 - x,
        "linear_capped": lambda x: np.minimum(0.5, 1 - x),
        "squared": lambda x: (1 - x) ** 2,
        "uniform": _ones,
    }
    if weighting not in weights:
        raise UnknownNameError("PFSP weighting", weighting, weights)
    if not np.all((rate_P >= 0) & (rate_P <= 1)):
        raise ConfigError("PFSP", got=f"win rates {rate_P}", expected="numbers in [0, 1]")
    weight_P = weights[weighting](rate_P)
    if weight_P.sum() < 1e-10:
        weight_P = np.ones_like(rate_P)
    return np.asarray(weight_P / weight_P.sum())


def remove_monotonic_suffix(
    win_rates: Sequence[float], players: Sequence[str]
) -> tuple[list[float], list[str]]:
    """The past without the newest players that fall in order of win rate: who was beaten less and less.

    Of AlphaStar's pseudocode (Vinyals et al. 2019): what is left are those that may have been forgotten.
    """
    rising = [i for i in range(1, len(win_rates)) if win_rates[i - 1] < win_rates[i]]
    end = rising[-1] + 1 if rising else 0
    return list(win_rates[:end]), list(players[:end])


def _ones(rate_P: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones(rate_P.shape)


def draw_opponent(mix: OpponentMix, pool: Pool, rng: np.random.Generator) -> str:
    """Draw one opponent; always takes two numbers from the generator, whatever is drawn."""
    branch, place = rng.random(2)
    if branch < mix.scripted:
        if not pool.scripted:
            raise ConfigError(
                "opponents", got="no scripted players in the league", expected=", ".join(mix.players)
            )
        return pool.scripted[int(place * len(pool.scripted))]
    if branch < mix.scripted + mix.past and pool.past:
        edges = np.cumsum(pfsp(pool.past_win_rates, mix.weighting))
        return pool.past[min(int(np.searchsorted(edges, place, side="right")), len(pool.past) - 1)]
    return pool.latest


def draw_lineup(
    mix: OpponentMix,
    pool: Pool,
    rng: np.random.Generator,
    *,
    seats: Sequence[str],
    own: Sequence[str],
    learner: str,
    teams: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Fill all seats: the learner's `own` ones, and the others group by group as `mix.fill` says.

    Seats of a team that the learner does not sit in are one group; other seats are groups of their own, and
    so are team-mates of the learner, who need not be it.
    """
    side = teams or {}
    own_sides = {side.get(seat, seat) for seat in own}
    drawn: dict[str, str] = {}
    lineup = {}
    for seat in seats:
        if seat in own:
            lineup[seat] = learner
            continue
        group = (
            "" if mix.fill == "one" else seat if side.get(seat, seat) in own_sides else side.get(seat, seat)
        )
        if group not in drawn:
            drawn[group] = draw_opponent(mix, pool, rng)
        lineup[seat] = drawn[group]
    return lineup
