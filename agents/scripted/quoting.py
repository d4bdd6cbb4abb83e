"""A market maker by formula, for `arenas.trading`. Axes: R rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from agents.scripted.wishes import BUY, HOLD, OFFSETS, SELL, Scripted, View, limit

if TYPE_CHECKING:
    from agents.scripted.wishes import Choices
    from marl.spec import Spec


class AvellanedaStoikov(Scripted):
    """Quotes around a reservation price (Avellaneda, Stoikov 2008, eq. 29-30), as near as the choices allow.

    Reservation price: mid - q gamma sigma^2 (T - t); total spread: gamma sigma^2 (T - t) + (2 / gamma) ln(1 +
    gamma / k). sigma is taken from the mean absolute change of the mid. Ticks, lots and steps.
    """

    gamma, decay = 0.002, 0.6
    """Risk aversion per tick and lot; how fast the rate of fills falls with the distance, per tick (k)."""

    def __init__(self, spec: Spec) -> None:
        self._limit, self._horizon = float(spec.options["limit"]), float(spec.options["horizon"])

    def wish(self, view: View) -> list[Choices]:
        """Renew the quote that is farther from where it should be; hold where both stand well."""
        sigma_R = math.sqrt(math.pi / 2.0) * 10.0 * view["heat"]
        risk_R = self.gamma * sigma_R**2 * view["time"] * self._horizon
        half_R = 0.5 * risk_R + math.log1p(self.gamma / self.decay) / self.gamma
        lean_R = view["inventory"] * self._limit * risk_R
        spread_R = 5.0 * view["spread"]
        wishes, errors = [], []
        for side, sign in ((BUY, 1.0), (SELL, -1.0)):
            # Ticks behind the best price; -1 is the most that a choice improves on it.
            behind_R = half_R + sign * lean_R - spread_R
            steps_R = np.abs(behind_R[:, None] - np.array(OFFSETS)).argmin(1)
            choices = np.array([limit(side, offset, 0) for offset in OFFSETS])
            quote = view["bid"] if side == BUY else view["ask"]
            away_R = np.abs(10.0 * quote[:, 1] - spread_R - np.maximum(np.array(OFFSETS)[steps_R], 0))
            full_R = sign * view["inventory"] > 0.9
            wishes.append(np.where(full_R, HOLD, choices[steps_R]))
            errors.append(np.where(quote[:, 0] > 0, away_R, np.where(full_R, 0.0, 100.0)))
        tie_R = (errors[BUY] == errors[SELL]) & (view.rows.decision_R % 2 == 0)
        first_R = (errors[BUY] > errors[SELL]) | tie_R
        renew_R = np.maximum(errors[BUY], errors[SELL]) > 1.0
        wish_R = np.where(renew_R, np.where(first_R, wishes[BUY], wishes[SELL]), HOLD)
        joined_R = np.where(first_R, limit(BUY, 0, 0), limit(SELL, 0, 0))
        return [wish_R, np.where(renew_R, joined_R, HOLD)]
