"""Scripted traders for `arenas.trading`: they read named slices and name choices by number.

Axes: R rows, K = 1, A choices. Observed distances are in tens of ticks, quantities in parts of the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agents.scripted.quoting import AvellanedaStoikov
from agents.scripted.wishes import BUY, HOLD, OFFSETS, SELL, Scripted, View, limit, market
from marl.rng import uniforms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agents.scripted.wishes import Choices
    from marl.policy import Policy
    from marl.spec import Spec


class Hold(Scripted):
    """Never trades."""

    def wish(self, view: View) -> list[Choices]:
        """Hold."""
        return [np.full(len(view), HOLD)]


class BuyAndHold(Scripted):
    """Buys up to its limit as soon as it may, and keeps it."""

    def wish(self, view: View) -> list[Choices]:
        """The largest legal purchase."""
        return [np.full(len(view), market(BUY, size)) for size in (2, 1, 0)]


class Momentum(Scripted):
    """Goes with the trend (fast less slow mean of the mid) by market orders, and out when it is gone."""

    enter, leave = 0.35, 0.0

    def wish(self, view: View) -> list[Choices]:
        """Toward half the limit in the trend's direction; out when the trend has turned."""
        trend_R, held_R = view["fast"] - view["slow"], view["inventory"]
        buys_R = (trend_R > self.enter) & (held_R < 0.5)
        sells_R = (trend_R < -self.enter) & (held_R > -0.5)
        buys_R |= (held_R < -0.1) & (trend_R > -self.leave)
        sells_R |= (held_R > 0.1) & (trend_R < self.leave)
        return [np.where(buys_R, market(BUY, 0), np.where(sells_R, market(SELL, 0), HOLD))]


class MeanReversion(Scripted):
    """Leans against departures of the mid from its slow mean by limit orders, and rests for the way back."""

    enter = 0.1

    def wish(self, view: View) -> list[Choices]:
        """Bid below the mean, offer above it; otherwise work the position off at the best price."""
        gap_R, held_R = view["slow"], view["inventory"]
        side_R = np.where(np.abs(gap_R) > self.enter, gap_R < 0, held_R > 0).astype(np.int64)
        idle_R = (np.abs(gap_R) <= self.enter) & (np.abs(held_R) < 0.05)
        open_R = np.where(side_R == BUY, view["bid"][:, 0], view["ask"][:, 0])
        distance_R = np.where(side_R == BUY, view["bid"][:, 1], view["ask"][:, 1])
        at_best_R = (open_R > 0) & (distance_R <= 0.5 * view["spread"] + 0.11)
        return [np.where(idle_R | at_best_R, HOLD, limit(BUY, 0, 0) + 10 * side_R)]


class ZIC(Scripted):
    """Zero intelligence, constrained (Gode, Sunder 1993): random orders, none at a loss by its own view.

    It believes `trust` of its signal, since most of what a noisy signal says is noise.
    """

    trust = 0.4

    def wish(self, view: View) -> list[Choices]:
        """A uniform draw among the legal orders that gain by its signal of value less mid."""
        gain_RA = np.full(view.mask_RA.shape, -np.inf, np.float32)
        half_R, signal_R = 0.5 * view["spread"], self.trust * view["signal"]
        for side, sign in ((BUY, 1.0), (SELL, -1.0)):
            for size in range(3):
                gain_RA[:, market(side, size)] = sign * signal_R - half_R - 0.1 * view["taker_fee"]
            for offset in OFFSETS:
                for size in range(2):
                    gain_RA[:, limit(side, offset, size)] = sign * signal_R + half_R + 0.1 * offset
        legal_RA = (view.mask_RA > 0) & (gain_RA > 0)
        draw_RA = np.where(legal_RA, uniforms(view.rows.key_R, view.mask_RA.shape[1]), np.float32(-1))
        return [np.where(legal_RA.any(1), draw_RA.argmax(1), HOLD)]


class Maker(Scripted):
    """Quotes both sides in turn and leans its quotes against its inventory."""

    full, lean = 0.5, 0.12

    def wish(self, view: View) -> list[Choices]:
        """Renew the quote that is farther from where it should be; hold where both stand well."""
        half_R, held_R = 0.5 * view["spread"], view["inventory"]
        wishes, errors = [], []
        for side, sign in ((BUY, 1.0), (SELL, -1.0)):
            lean_R = sign * held_R
            offset_R = np.select([lean_R < -self.lean, lean_R < self.lean, lean_R < self.full], [-1, 0, 2], 4)
            offset_R = np.where((offset_R == 0) & (view["spread"] > 0.25), -1, offset_R)
            wish_R = np.select(
                [offset_R == offset for offset in OFFSETS],
                [limit(side, offset, 0) for offset in OFFSETS],
                HOLD,
            )
            quote = view["bid"] if side == BUY else view["ask"]
            away_R = np.abs(quote[:, 1] - half_R - 0.1 * np.maximum(offset_R, 0))
            wishes.append(wish_R)
            errors.append(np.where(quote[:, 0] > 0, away_R, 10.0 - 5.0 * (lean_R > self.full)))
        bid_first_R = errors[BUY] > errors[SELL]
        bid_first_R |= (errors[BUY] == errors[SELL]) & (view.rows.decision_R % 2 == 0)
        renew_R = np.maximum(errors[BUY], errors[SELL]) > 0.06
        wish_R = np.where(bid_first_R, wishes[BUY], wishes[SELL])
        joined_R = np.where(bid_first_R, limit(BUY, 0, 0), limit(SELL, 0, 0))
        return [np.where(renew_R, wish_R, HOLD), np.where(renew_R, joined_R, HOLD)]


SCRIPTED: Mapping[str, Callable[[Spec], Policy]] = {
    "hold": Hold,
    "buy_and_hold": BuyAndHold,
    "momentum": Momentum,
    "mean_reversion": MeanReversion,
    "zi_c": ZIC,
    "maker": Maker,
    "avellaneda_stoikov": AvellanedaStoikov,
}
"""Name to factory(spec)."""
