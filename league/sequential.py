"""Sequential tests: is the candidate better than the champion, answered with as few blocks as possible.

The generalised sequential probability ratio test (GSPRT) on block values: a value in [0, 1] says what share
of the points the candidate took in a block. Won, drawn and lost single matches make it trinomial; pairs with
seats changed, pentanomial; blocks of n players have as many values as they need. Elo is logistic (of the
expected score) or normalised (of the expected score in standard deviations of a match), as chess testing
frameworks use both (M. Van den Bergh, "The generalized maximum likelihood ratio for the expectation value of
a distribution", 2019, and "Normalized Elo", 2020).

Axes: R sequences, C distinct values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marl.errors import ConfigError

Model = Literal["logistic", "normalised"]
Status = Literal["better", "not better", "open"]

NORMALISED_ELO = 800 / math.log(10)
"""Normalised Elo in one standard deviation of a match's score."""
_UNSEEN = 1e-3
"""The count of a value that never came: without it a one-sided start would prove everything."""
_HALVINGS = 48


@dataclass(frozen=True)
class Hypotheses:
    """H0: the candidate is `elo0` stronger, against H1: `elo1`, with the chances of false answers.

    `alpha`: says "better" where H0 holds; `beta`: says "not better" where H1 holds.
    """

    elo0: float = 0.0
    elo1: float = 10.0
    alpha: float = 0.05
    beta: float = 0.05
    model: Model = "logistic"

    def __post_init__(self) -> None:
        if not self.elo0 < self.elo1:
            raise ConfigError(
                "sequential test", got=f"elo0 {self.elo0:g}, elo1 {self.elo1:g}", expected="elo0 < elo1"
            )
        if min(self.alpha, self.beta) <= 0 or self.alpha + self.beta >= 1:
            raise ConfigError(
                "sequential test",
                got=f"alpha {self.alpha:g}, beta {self.beta:g}",
                expected="both above 0 and alpha + beta < 1",
            )

    @property
    def bounds(self) -> tuple[float, float]:
        """Wald's bounds of the log-likelihood ratio.

        At or below the first H0 is taken, above the second H1.
        """
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)


def expected_score(elo: float) -> float:
    """The expected score of a player that is `elo` stronger, on the logistic scale."""
    return 1 / (1 + 10 ** (-elo / 400))


def log_likelihood_ratio(
    value_C: ArrayLike, count_RC: ArrayLike, hypotheses: Hypotheses, matches: int = 1
) -> NDArray[np.float64]:
    """The generalised log-likelihood ratio of H1 to H0 for R sequences of counted block values: shape (R,).

    `matches` is how many matches a block has; only normalised Elo needs to know.
    """
    value = np.asarray(value_C, np.float64)
    count = np.atleast_2d(np.asarray(count_RC, np.float64))
    count = np.where(count > 0, count, _UNSEEN)
    total_R = count.sum(axis=1)
    share_RC = count / total_R[:, None]
    if hypotheses.model == "logistic":
        fit0_RC, fit1_RC = (
            _tilted(np.broadcast_to(value - expected_score(elo), share_RC.shape), share_RC)
            for elo in (hypotheses.elo0, hypotheses.elo1)
        )
    else:
        fit0_RC, fit1_RC = (
            _of_effect(value, share_RC, math.sqrt(matches) * elo / NORMALISED_ELO)
            for elo in (hypotheses.elo0, hypotheses.elo1)
        )
    return np.asarray(total_R * (share_RC * np.log(fit1_RC / fit0_RC)).sum(axis=1))


def _tilted(gap_RC: NDArray[np.float64], share_RC: NDArray[np.float64]) -> NDArray[np.float64]:
    """The likeliest distribution under which the gaps have mean 0: share / (1 + t gap), t by bisection.

    The ratio is stationary in t, so that an error of t enters squared.
    """
    low_R = -1 / np.maximum(gap_RC.max(axis=1), 1e-12)
    high_R = -1 / np.minimum(gap_RC.min(axis=1), -1e-12)
    for _ in range(_HALVINGS):
        middle_R = (low_R + high_R) / 2
        rises_R = (share_RC * gap_RC / (1 + middle_R[:, None] * gap_RC)).sum(axis=1) > 0
        low_R, high_R = np.where(rises_R, middle_R, low_R), np.where(rises_R, high_R, middle_R)
    return np.asarray(share_RC / (1 + ((low_R + high_R) / 2)[:, None] * gap_RC))


def _of_effect(
    value_C: NDArray[np.float64], share_RC: NDArray[np.float64], effect: float
) -> NDArray[np.float64]:
    """The likeliest distribution whose (mean - 1/2) / deviation is `effect`: a fixed point of tilted ones."""
    fit_RC = np.full(share_RC.shape, 1 / len(value_C))
    for _ in range(20):
        mean_R = fit_RC @ value_C
        deviation_R = np.sqrt((fit_RC * (value_C - mean_R[:, None]) ** 2).sum(axis=1))[:, None]
        bent_RC = 1 + ((mean_R[:, None] - value_C) / deviation_R) ** 2
        before_RC = fit_RC
        fit_RC = _tilted(value_C - 0.5 - effect * deviation_R * bent_RC / 2, share_RC)
        if np.abs(fit_RC - before_RC).max() < 1e-9:
            break
    return fit_RC


@dataclass(frozen=True)
class Look:
    """What a test says after its latest block; `low` and `high` are the bounds, corrected for overshoot."""

    blocks: int
    mean: float
    llr: float
    low: float
    high: float
    status: Status


class SequentialTest:
    """A running test: values go in, in the order of the plan; once decided, it stays decided.

    Bounds are drawn in by the mean overshoot that the path itself showed: sum of squared steps to new
    extremes over twice their sum (Siegmund 1985; the way fishtest estimates it).
    """

    def __init__(self, hypotheses: Hypotheses, matches: int = 2) -> None:
        """`matches` is the number of matches in a block."""
        self.hypotheses, self._matches = hypotheses, matches
        # 0, 1/(2m), ..., 1: what a block of m matches between two can give; other values join as they come
        self._counts: dict[float, int] = {i / (2 * matches): 0 for i in range(2 * matches + 1)}
        self._highest = Overshoot()
        self._lowest = Overshoot()
        low, high = hypotheses.bounds
        self.look = Look(0, math.nan, 0.0, low, high, "open")

    def take(self, values: Iterable[float]) -> Look:
        """Take block values in; those that come after the decision are left aside."""
        for value in values:
            if self.look.status != "open":
                break
            if not 0 <= value <= 1:
                raise ConfigError(
                    "sequential test", got=f"a block value of {value}", expected="one in [0, 1]"
                )
            self._counts[value] = self._counts.get(value, 0) + 1
            self.look = self._decide()
        return self.look

    def _decide(self) -> Look:
        table = np.array(sorted(self._counts.items()))
        llr = float(log_likelihood_ratio(table[:, 0], table[:, 1], self.hypotheses, self._matches)[0])
        low, high = self.hypotheses.bounds
        low, high = low + float(self._lowest.take([-llr])[0]), high - float(self._highest.take([llr])[0])
        status: Status = "better" if llr >= high else "not better" if llr <= low else "open"
        blocks = int(table[:, 1].sum())
        return Look(blocks, float(table[:, 0] @ table[:, 1]) / blocks, llr, low, high, status)


class Overshoot:
    """The mean overshoot of R paths, estimated from the steps by which each reached new highs."""

    def __init__(self, paths: int = 1) -> None:
        self._best_R, self._sum_R, self._squares_R = (np.zeros(paths) for _ in range(3))

    def take(self, level_R: ArrayLike) -> NDArray[np.float64]:
        """Take the paths' latest levels in.

        Returns the expected overshoot of each, 0 before its first high.
        """
        step_R = np.maximum(np.asarray(level_R) - self._best_R, 0.0)
        self._best_R, self._sum_R = self._best_R + step_R, self._sum_R + step_R
        self._squares_R = self._squares_R + step_R**2
        return np.divide(self._squares_R, 2 * self._sum_R, out=np.zeros_like(step_R), where=self._sum_R > 0)
