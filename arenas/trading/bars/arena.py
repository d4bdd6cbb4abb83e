"""`BarsBatch`: copies of trading on bars as a BatchArena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from arenas.trading.bars.entry import entry
from arenas.trading.bars.kernel import CHOICES, CLOSE, RULES, VOLUME, WORLD
from arenas.trading.bars.options import Options, bars
from arenas.trading.entry import UNKNOWN
from arenas.trading.faces import ROLE, faces_of
from arenas.trading.prices import windows
from marl.batch import BatchArena
from marl.errors import SpecError
from marl.frame import over_memory
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arenas.trading.prices import Series
    from marl.frame import Frame, Orders

NAME = "arenas.trading.bars:BarsBatch"
VERSION = "1"


class BarsBatch(BatchArena):
    """Traders who take the prices of historical bars as given: hold, buy with cash, sell shares.

    Observation: float32: `bars`, lookback x (open, high, low, close as logs of the ratio to the last close,
    volume over its mean less 1), oldest first; `cash` and `position` as parts of the worth; `gain`, return so
    far; `time`, part of the match left. Action: 0 hold, 1-3 buy with a quarter, half, all of the cash,
    4-6 sell a quarter, half, all of the shares, with a mask; or continuous, one number: parts of the cash
    above 0, of the shares below. Orders are filled at the last close seen. Reward: return of the portfolio in
    the bar. Score: its return over the match. Ends: truncated at the horizon. All seats see the same window.
    """

    options_type = Options

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        first = Options.read(NAME, options)
        self._capacity = first if capacity is None else Options.read(NAME, capacity)
        self.spec = _spec(self._capacity)
        self._series: dict[str, tuple[list[Series], int]] = {}
        self._bars_R9 = np.zeros((0, 9))
        self._windows_W2 = np.zeros((0, 2), np.int64)
        self._rules_V = np.zeros(0, RULES)
        self._options: list[Options] = []
        self._step = entry()
        self._add(first)
        self.attach(*over_memory(self.spec, 1))
        # Compiling, or loading what was compiled, belongs to the start and not to a step with a deadline.
        self.step()

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; SpecError where they need more than the capacities, or another observation."""
        return self._add(Options.read(NAME, options))

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write, and make the state of their copies."""
        super().attach(frame, orders)
        self.worlds_B = np.zeros(self.copies, WORLD)
        self._faces = tuple(faces_of(frame, orders))
        self._variant_B = np.zeros(self.copies, np.int64)
        self._asked_B = orders.variant_B

    def step(self) -> None:
        """Advance every copy by one bar, in place."""
        told = self._step(
            self.worlds_B, self._faces, self._rules_V, self._variant_B, self._bars_R9, self._windows_W2
        )
        if told == UNKNOWN:
            raise SpecError(
                NAME,
                got=f"variants {sorted(set(self._asked_B.tolist()))}",
                expected=f"all from 0 to {len(self._rules_V) - 1}",
            )

    def view(self, copy: int) -> dict[str, Any]:
        """The last bar and every seat's portfolio, as plain JSON."""
        world, options = self.worlds_B[copy], self._options[int(self._variant_B[copy])]
        bar = self._bars_R9[int(world["row"]), : VOLUME + 1]
        return {
            "step": int(world["step"]),
            "bar": bar.round(4).tolist(),
            "seats": [
                {
                    "cash": round(float(world["cash"][seat]), 6),
                    "position": round(float(world["shares"][seat] * bar[CLOSE]), 6),
                    "return": round(float(world["worth"][seat]) - 1.0, 6),
                }
                for seat in range(options.seats)
            ],
        }

    def _add(self, options: Options) -> int:
        capacity = self._capacity
        for name, most in (("lookback", False), ("action", False), ("seats", True), ("horizon", True)):
            got, held = getattr(options, name), getattr(capacity, name)
            if (got > held) if most else (got != held):
                raise SpecError(
                    f"{NAME}: option {name}",
                    got=str(got),
                    expected=f"{'at most ' if most else ''}{held}, the capacity's",
                    remedy="Declare the largest stage as capacity; spaces never change within a pool.",
                )
        series, offset = self._read(options.prices)
        spans = windows(series, options.windows, options.lookback + options.horizon)
        record = np.zeros(1, RULES)
        for name in ("seats", "horizon", "lookback", "cost"):
            record[name] = getattr(options, name)
        record["continuous"] = options.action == "continuous"
        record["window"], record["windows"] = len(self._windows_W2), len(spans)
        self._windows_W2 = np.concatenate([self._windows_W2, np.array(spans, np.int64) + offset])
        self._rules_V = np.concatenate([self._rules_V, record])
        self._options.append(options)
        return len(self._options) - 1

    def _read(self, prices: str) -> tuple[list[Series], int]:
        """The series of an option and where their bars begin among all; each is read once."""
        if prices not in self._series:
            series = bars(prices)
            self._series[prices] = series, len(self._bars_R9)
            bars_R5 = np.concatenate([one.bars_R5 for one in series if one.bars_R5 is not None])
            rows_R9 = np.concatenate([bars_R5, np.log(bars_R5[:, :VOLUME])], 1)
            self._bars_R9 = np.concatenate([self._bars_R9, rows_R9])
        return self._series[prices]


def _spec(capacity: Options) -> Spec:
    seats = tuple(f"{ROLE}_{i}" for i in range(capacity.seats))
    end = 5 * capacity.lookback
    slices = {"bars": (0, end)} | {
        name: (end + i, end + i + 1) for i, name in enumerate(("cash", "position", "gain", "time"))
    }
    discrete = capacity.action == "discrete"
    space = spaces.Discrete(CHOICES) if discrete else spaces.Box(-1.0, 1.0, (1,), np.float32)
    box = spaces.Box(-np.inf, np.inf, (end + 4,), np.float32)
    return Spec(
        arena=NAME,
        version=VERSION,
        options=capacity.model_dump(mode="json"),
        roles=(Role(ROLE, seats, to_json(box), to_json(space), masked=discrete, slices=slices),),
        teams={seat: (seat,) for seat in seats},
        state_size=1 + 2 * len(seats),
        max_steps=capacity.horizon,
        scores="return of the portfolio, higher is better",
        forfeit_score=-1.0,
    )
