"""The classic traders of the laboratory market, `arenas.trading.induced`: what each would quote now.

All rows quote in each step; the market hears one of them. Prices and limits are in price units, from 1 to
`price_max`. Axes: R rows, P prices, E past quotes, M memory, K = 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marl.policy import Decision
from marl.rng import mix, uniforms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from marl.policy import Policy, Rows
    from marl.spec import Role, Spec

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

THETA_LOW, THETA_HIGH = -8.0, 2.0
"""Between which AA's theta lies (Vytelingum 2006)."""


class View:
    """What the rows see, prices in price units; 0 where there is none. `buys_R`: which rows buy."""

    def __init__(self, role: Role, observation_RO: NDArray[np.float32], top: int, rows: Rows) -> None:
        def column(name: str) -> Floats:
            return observation_RO[:, role.slices[name][0]].astype(np.float64)

        def price(name: str) -> Floats:
            return np.rint(column(name) * top)

        self.top, self.rows = top, rows
        self.buys_R: Flags = column("side") > 0
        self.sign_R = np.where(self.buys_R, 1.0, -1.0)
        self.limit_R, self.active_R = price("limit"), column("units") > 0
        self.bid_R, self.ask_R = price("bid"), price("ask")
        self.last_R, self.time_R, self.fresh_R = price("last"), column("time"), column("fresh")
        first, end = role.slices["events"]
        events_RE3 = observation_RO[:, first:end].reshape(len(rows), -1, 3).astype(np.float64)
        self.side_RE, self.traded_RE = events_RE3[..., 0], events_RE3[..., 2] > 0
        self.price_RE = np.rint(events_RE3[..., 1] * top)

    def heard(self) -> Iterator[tuple[Flags, Floats, Floats, Flags]]:
        """The quotes of the last step, oldest first: which rows heard one, side, price, whether it traded."""
        count = min(int(self.fresh_R.max(initial=0)), self.side_RE.shape[1])
        for event in reversed(range(count)):
            yield (
                self.fresh_R > event,
                self.side_RE[:, event],
                self.price_RE[:, event],
                self.traded_RE[:, event],
            )


class Trader:
    """A trader that quotes `quote(view, memory_RM)` in each step; nan leaves its quote as it is."""

    memory_size: int = 0

    def __init__(self, spec: Spec) -> None:
        self.top = int(spec.options["price_max"])
        traders = len(spec.options["values"]) + len(spec.options["costs"])
        self.turns = spec.options["period_steps"] / (1 if spec.options["arrival"] == "all" else traders)

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """The quote, as a whole price from 1 to the highest, where the mask allows it."""
        del greedy
        view = View(role, observation[0], self.top, rows)
        memory_RM = memory_RM.copy()
        quote_R = self.quote(view, memory_RM)
        # Rounded in the trader's favour: a buyer's quote down, a seller's up.
        whole_R = np.where(view.buys_R, np.floor(quote_R + 1e-6), np.ceil(quote_R - 1e-6))
        choice_R = np.where(np.isnan(whole_R), 0, np.clip(whole_R, 1, self.top)).astype(np.int64)
        choice_R = np.where(mask_RA[np.arange(len(rows)), choice_R] > 0, choice_R, 0)
        return Decision(choice_R[:, None].astype(role.action_dtype), memory_RM=memory_RM)

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """Prices of all rows; `memory_RM` is changed in place."""
        raise NotImplementedError


class ZIU(Trader):
    """Zero intelligence, unconstrained (Gode, Sunder 1993): any price."""

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """Uniform over all prices."""
        del memory_RM
        return 1.0 + np.floor(uniforms(view.rows.key_R, 1)[:, 0] * self.top)


class ZIC(Trader):
    """Zero intelligence, constrained (Gode, Sunder 1993): any price that does not lose."""

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """Uniform from 1 to the value, or from the cost to the highest price."""
        del memory_RM
        draw_R, limit_R = uniforms(view.rows.key_R, 1)[:, 0].astype(np.float64), view.limit_R
        up_R = limit_R + np.floor(draw_R * (self.top + 1 - limit_R))
        return np.where(view.buys_R, 1.0 + np.floor(draw_R * limit_R), up_R)


class GVWY(Trader):
    """Gives away all surplus: quotes its limit (Cliff 2018, BSE)."""

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """The limit."""
        del memory_RM
        return view.limit_R


class SHVR(Trader):
    """Shaves the best quote of its side by one, within its limit (Cliff 2018, BSE)."""

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """One better than the best; without one, the worst price."""
        del memory_RM
        return shaved(view, np.ones(len(view.rows)))


class SNPR(Trader):
    """Lurks until a fifth of the period is left, then shaves ever more (Kaplan's sniper; Cliff 2018, BSE)."""

    lurk, growth = 0.2, 3.0

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """Nothing until its time has come."""
        del memory_RM
        shave_R = np.floor(1.0 / (0.01 + view.time_R / (self.growth * self.lurk)))
        return np.where(view.time_R > self.lurk, np.nan, shaved(view, shave_R))


class ZIP(Trader):
    """Zero intelligence plus (Cliff, Bruten 1997): a profit margin that learns by Widrow-Hoff with momentum.

    Who has traded all its units goes on raising its margin, by its last limit, but never lowers it. Memory:
    margin, last change, learning rate, momentum, last limit.
    """

    memory_size: int = 5

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """The limit with its margin on it."""
        self._begin(view, memory_RM)
        memory_RM[:, 4] = np.where(view.active_R, view.limit_R, memory_RM[:, 4])
        limit_R = memory_RM[:, 4].astype(np.float64)
        for number, (heard_R, side_R, price_R, traded_R) in enumerate(view.heard()):
            # A whole price, as quoted: with its fraction, its own quote would not count as its price.
            own_R = np.rint(limit_R * (1.0 + memory_RM[:, 0]))
            # How much more profit than the quote's price the own price asks, for buyers and sellers alike.
            more_R = view.sign_R * (price_R - own_R)
            against_R = side_R != view.sign_R
            raise_R = traded_R & (more_R <= 0)
            lower_R = np.where(traded_R, against_R, ~against_R) & (more_R >= 0) & view.active_R & ~raise_R
            self._move(view, memory_RM, heard_R & raise_R & (limit_R > 0), price_R, 1.0, number)
            self._move(view, memory_RM, heard_R & lower_R & (limit_R > 0), price_R, -1.0, number)
        return np.rint(view.limit_R * (1.0 + memory_RM[:, 0].astype(np.float64)))

    def _begin(self, view: View, memory_RM: NDArray[np.float32]) -> None:
        fresh_R = view.rows.decision_R == 0
        if fresh_R.any():
            draw_R3 = uniforms(view.rows.key_R, 3)
            start_R = -view.sign_R * (0.05 + 0.3 * draw_R3[:, 0])
            memory_RM[fresh_R, 0] = start_R[fresh_R]
            memory_RM[fresh_R, 1] = 0.0
            memory_RM[fresh_R, 2] = (0.1 + 0.4 * draw_R3[:, 1])[fresh_R]
            memory_RM[fresh_R, 3] = (0.1 * draw_R3[:, 2])[fresh_R]

    def _move(
        self,
        view: View,
        memory_RM: NDArray[np.float32],
        which_R: Flags,
        price_R: Floats,
        more: float,
        number: int,
    ) -> None:
        """Toward a price a little beyond the one heard: `more` = 1 asks for more profit, -1 for less."""
        if not which_R.any():
            return
        draw_R2 = 0.05 * uniforms(mix(view.rows.key_R, number + 1), 2).astype(np.float64)
        up_R = -view.sign_R * more
        target_R = (1.0 + up_R * draw_R2[:, 0]) * price_R + up_R * draw_R2[:, 1]
        limit_R = memory_RM[:, 4].astype(np.float64)
        own_R = limit_R * (1.0 + memory_RM[:, 0])
        rate_R, momentum_R = memory_RM[:, 2], memory_RM[:, 3]
        change_R = momentum_R * memory_RM[:, 1] + (1.0 - momentum_R) * rate_R * (target_R - own_R)
        margin_R = (own_R + change_R) / np.maximum(limit_R, 1.0) - 1.0
        margin_R = np.where(view.buys_R, np.clip(margin_R, -1.0, 0.0), np.maximum(margin_R, 0.0))
        memory_RM[:, 0] = np.where(which_R, margin_R, memory_RM[:, 0])
        memory_RM[:, 1] = np.where(which_R, change_R, memory_RM[:, 1])


class GDX(Trader):
    """Plans ahead over beliefs from past quotes (Gjerstad, Dickhaut 1998; Tesauro, Bredin 2002)."""

    discount, most_turns = 0.9, 12

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """The price with the best expected surplus, given the turns that are left."""
        del memory_RM
        price_P = np.arange(1.0, self.top + 1)
        chance_RP = beliefs(view, price_P)
        profit_RP = view.sign_R[:, None] * (view.limit_R[:, None] - price_P)
        gain_RP = np.where(profit_RP >= 0, profit_RP, -np.inf)
        turns_R = np.clip(np.ceil(view.time_R * self.turns), 1, self.most_turns)
        later_R, best_R = np.zeros(len(view.rows)), np.zeros(len(view.rows), np.int64)
        for turn in range(int(turns_R.max(initial=1))):
            worth_RP = (
                chance_RP * np.maximum(gain_RP, 0.0) + (1.0 - chance_RP) * self.discount * later_R[:, None]
            )
            worth_RP = np.where(gain_RP >= 0, worth_RP, -1.0)
            open_R = turn < turns_R
            best_R = np.where(open_R, worth_RP.argmax(1), best_R)
            later_R = np.where(open_R, worth_RP.max(1), later_R)
        return np.where(view.active_R, price_P[best_R], np.nan)


class AA(Trader):
    """Adaptive aggressiveness (Vytelingum, Cliff, Jennings 2008).

    Memory: estimated equilibrium, aggressiveness, theta, squared Smith's alpha.
    """

    memory_size: int = 4
    step, eager, forget = 0.5, 3.0, 0.1

    def quote(self, view: View, memory_RM: NDArray[np.float32]) -> Floats:
        """A third of the way from the best quote to the target; the other side's where that is within it."""
        memory_RM[view.rows.decision_R == 0, 2] = -4.0
        for heard_R, _side_R, price_R, traded_R in view.heard():
            self._learn(view, memory_RM, heard_R, price_R, traded_R)
        target_R = targets(view, memory_RM, memory_RM[:, 1].astype(np.float64))
        low_R = view.bid_R
        high_R = np.where(view.ask_R > 0, view.ask_R, float(self.top))
        blind_R = memory_RM[:, 0] <= 0
        # Without any trade yet: from the best quotes toward what the limit allows.
        buy_goal_R = np.where(blind_R, np.minimum(view.limit_R, high_R), target_R)
        sell_goal_R = np.where(blind_R, np.maximum(view.limit_R, low_R), target_R)
        takes_ask_R = ~blind_R & (view.ask_R > 0) & (view.ask_R <= target_R)
        takes_bid_R = ~blind_R & (view.bid_R > 0) & (view.bid_R >= target_R)
        bid_R = np.where(takes_ask_R, view.ask_R, np.ceil(low_R + (buy_goal_R - low_R) / self.eager))
        ask_R = np.where(takes_bid_R, view.bid_R, np.floor(high_R - (high_R - sell_goal_R) / self.eager))
        bid_R = np.where(view.limit_R > low_R, np.minimum(bid_R, view.limit_R), np.nan)
        ask_R = np.where(view.limit_R < high_R, np.maximum(ask_R, view.limit_R), np.nan)
        return np.where(view.active_R, np.where(view.buys_R, bid_R, ask_R), np.nan)

    def _learn(
        self, view: View, memory_RM: NDArray[np.float32], heard_R: Flags, price_R: Floats, traded_R: Flags
    ) -> None:
        target_R = targets(view, memory_RM, memory_RM[:, 1].astype(np.float64))
        # Above 0: the own target gives more than the price heard.
        gives_R = view.sign_R * (target_R - price_R)
        own_side_R = view.side_RE[:, 0] == view.sign_R
        weaker_R = traded_R & (gives_R >= 0)
        stronger_R = np.where(traded_R, gives_R < 0, own_side_R & (gives_R <= 0))
        shout_R = aggressiveness(view, memory_RM, price_R)
        wish_R = np.where(
            stronger_R, shout_R + 0.05 * np.abs(shout_R) + 0.01, shout_R - 0.05 * np.abs(shout_R) - 0.01
        )
        moved_R = memory_RM[:, 1] + self.step * (wish_R - memory_RM[:, 1])
        learns_R = heard_R & (weaker_R | stronger_R) & (memory_RM[:, 0] > 0)
        memory_RM[:, 1] = np.where(learns_R, np.clip(moved_R, -1.0, 1.0), memory_RM[:, 1])
        self._estimate(memory_RM, heard_R & traded_R, price_R)

    def _estimate(self, memory_RM: NDArray[np.float32], which_R: Flags, price_R: Floats) -> None:
        """The equilibrium as a fading mean of trade prices; theta follows Smith's alpha."""
        first_R = memory_RM[:, 0] <= 0
        mean_R = np.where(first_R, price_R, (1.0 - self.forget) * memory_RM[:, 0] + self.forget * price_R)
        error_R = ((price_R - mean_R) / np.maximum(mean_R, 1.0)) ** 2
        spread_R = np.where(first_R, 0.0, (1.0 - self.forget) * memory_RM[:, 3] + self.forget * error_R)
        scaled_R = np.clip(np.sqrt(spread_R) / 0.3, 0.0, 1.0)
        wish_R = (THETA_HIGH - THETA_LOW) * (1.0 - scaled_R) * np.exp(2.0 * (scaled_R - 1.0)) + THETA_LOW
        theta_R = memory_RM[:, 2] + self.step * (wish_R - memory_RM[:, 2])
        for column, value_R in ((0, mean_R), (2, theta_R), (3, spread_R)):
            memory_RM[:, column] = np.where(which_R, value_R, memory_RM[:, column])


def shaved(view: View, shave_R: Floats) -> Floats:
    """The own side's best quote, better by `shave_R`, within the limit; the worst price without any."""
    bid_R = np.where(view.bid_R > 0, view.bid_R + shave_R, 1.0)
    ask_R = np.where(view.ask_R > 0, view.ask_R - shave_R, float(view.top))
    return np.where(view.buys_R, np.minimum(bid_R, view.limit_R), np.maximum(ask_R, view.limit_R))


def beliefs(view: View, price_P: Floats) -> Floats:
    """Chance that a quote at each price trades, from the past quotes (Gjerstad, Dickhaut 1998, eq. 1-2).

    1 where it crosses the book, 0 where a better quote of its own side stands.
    """
    known_RE = view.price_RE > 0
    traded_RE = view.traded_RE & known_RE
    own_RE = known_RE & (view.side_RE == view.sign_R[:, None])
    # Prices as how generous they are to the other side: a buyer's upward, a seller's downward.
    generous_RE = np.where(view.buys_R[:, None], view.price_RE, view.top + 1 - view.price_RE).astype(np.int64)
    good_RP = _counts(generous_RE, traded_RE | (known_RE & ~own_RE), view.top).cumsum(1)
    bad_RP = _counts(generous_RE, own_RE & ~traded_RE, view.top)[:, ::-1].cumsum(1)[:, ::-1]
    flip_RP = np.where(view.buys_R[:, None], price_P, view.top + 1 - price_P).astype(np.int64) - 1
    good_RP, refused_RP = np.take_along_axis(good_RP, flip_RP, 1), np.take_along_axis(bad_RP, flip_RP, 1)
    # Nothing heard: every price that is not the last is as likely as it is generous.
    prior_RP = np.where(view.buys_R[:, None], price_P, view.top + 1 - price_P) / view.top
    chance_RP = (good_RP + prior_RP) / (good_RP + refused_RP + 1.0)
    ask_R1 = np.where(view.ask_R > 0, view.ask_R, np.inf)[:, None]
    bid_R1 = view.bid_R[:, None]
    ask_floor_R1 = np.where(view.ask_R > 0, view.ask_R, np.inf)[:, None]
    crosses_RP = np.where(view.buys_R[:, None], price_P >= ask_R1, (price_P <= bid_R1) & (bid_R1 > 0))
    behind_RP = np.where(view.buys_R[:, None], price_P <= bid_R1, price_P >= ask_floor_R1)
    return np.where(crosses_RP, 1.0, np.where(behind_RP, 0.0, chance_RP))


def _counts(price_RE: NDArray[np.int64], which_RE: Flags, top: int) -> NDArray[np.int64]:
    """How many of the marked prices each row has at 1..top."""
    rows, at_RE = len(price_RE), np.clip(price_RE, 1, top) - 1 + top * np.arange(len(price_RE))[:, None]
    return np.bincount(at_RE[which_RE], minlength=rows * top).reshape(rows, top)


def targets(view: View, memory_RM: NDArray[np.float32], r_R: Floats) -> Floats:
    """AA's target price for an aggressiveness: worst price, equilibrium, limit at -1, 0, 1."""
    far_R, middle_R, near_R, theta_R = _anchors(view, memory_RM)
    share_R = np.expm1(np.abs(r_R) * theta_R) / np.expm1(theta_R)
    return middle_R + np.where(r_R < 0, far_R - middle_R, near_R - middle_R) * share_R


def aggressiveness(view: View, memory_RM: NDArray[np.float32], price_R: Floats) -> Floats:
    """The aggressiveness whose target is a price: the inverse of `targets`, clipped to its range."""
    far_R, middle_R, near_R, theta_R = _anchors(view, memory_RM)
    keen_R = view.sign_R * (price_R - middle_R) >= 0
    whole_R = np.where(keen_R, near_R - middle_R, far_R - middle_R)
    share_R = np.clip((price_R - middle_R) / np.where(whole_R == 0, 1.0, whole_R), 0.0, 1.0)
    size_R = np.where(whole_R == 0, 0.0, np.log1p(share_R * np.expm1(theta_R)) / theta_R)
    return np.where(keen_R, size_R, -size_R)


def _anchors(view: View, memory_RM: NDArray[np.float32]) -> tuple[Floats, Floats, Floats, Floats]:
    """Where AA's curve begins (r = -1), bends (0) and ends (1), and its theta, which is never 0."""
    theta_R = memory_RM[:, 2].astype(np.float64)
    theta_R = np.where(np.abs(theta_R) < 1e-2, 1e-2, theta_R)
    far_R = np.where(view.buys_R, 0.0, float(view.top))
    equilibrium_R = memory_RM[:, 0].astype(np.float64)
    inside_R = view.sign_R * (view.limit_R - equilibrium_R) >= 0
    return far_R, np.where(inside_R, equilibrium_R, view.limit_R), view.limit_R, theta_R


SCRIPTED: Mapping[str, Callable[[Spec], Policy]] = {
    "zi_u": ZIU,
    "zi_c": ZIC,
    "gvwy": GVWY,
    "shvr": SHVR,
    "snpr": SNPR,
    "zip": ZIP,
    "gdx": GDX,
    "aa": AA,
}
"""Name to factory(spec)."""
