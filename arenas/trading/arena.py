"""`TradingBatch`: copies of the market as a BatchArena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium import spaces

from arenas.trading.actions import CHOICES, NUMBERS
from arenas.trading.entry import UNKNOWN, entry
from arenas.trading.faces import ROLE, faces_of
from arenas.trading.options import Options, rules
from arenas.trading.prices import load, windows
from arenas.trading.roles import Joint, split
from arenas.trading.spectator import spectate
from arenas.trading.task import observation_size, observation_slices, state_size
from arenas.trading.world import WORLD
from marl.batch import BatchArena
from marl.errors import SpecError
from marl.frame import over_memory
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arenas.trading.prices import Series
    from marl.frame import Frame, Orders

NAME = "arenas.trading:TradingBatch"
VERSION = "2"
CAPACITIES = ("depth", "history", "action", "liquidator_seats", "maker_seats")
"""Options that fix spaces and roles: the same in each variant; `seats` and `horizon` may be less."""
LIQUIDATOR, MAKER = "liquidator", "maker"


class TradingBatch(BatchArena):
    """Traders in one limit order book, among background traders, around a value that real prices may drive.

    Observation: float32, about 110 numbers in named slices (`task.observation_slices`); tens of ticks, parts
    of the limit, no absolute price; the seat's own noisy view of (value - mid) in `signal`. Action: one of 30
    (`actions`), with a mask; 0 holds; or continuous, four numbers that place a bid and an offer. Reward:
    change of worth, marked at the mid (or the value) and at the end settled, over `reward_scale`; options add
    a price for inventory and a share of the rivals' gains. Score: final profit in ticks x lots. Without fees
    and background the scores sum to exactly 0. Termination: a seat whose equity falls below its maintenance
    margin is liquidated at market and leaves. Truncation: at the horizon, where positions are settled and the
    last observation shows the settled account.

    Roles: traders; `liquidator_0`, ..., who hold `mission` lots at the start, may only sell, leave when all
    is sold, and sell what is left in the last step; `maker_0`, ..., who quote and never trade at market.
    """

    name: ClassVar[str] = NAME
    options_type = Options

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        first = self.read(options)
        self._capacity = first if capacity is None else self.read(capacity)
        self.spec = _spec(self.name, self._capacity)
        self._joint: Joint | None = None
        self._series: dict[str, tuple[list[Series], int]] = {"ou": ([], 0)}
        self._closes = np.zeros(1)
        self._windows_W2 = np.zeros((1, 2), np.int64)
        self._rules_V = np.zeros(0, rules(first, 0, 0).dtype)
        self._options: list[Options] = []
        self._public_O = np.zeros(self.spec.roles[0].observation[0].shape, np.float32)
        self._step = entry()
        self._add(first)
        self.attach(*over_memory(self.spec, 1))
        # Compiling, or loading what was compiled, belongs to the start and not to a step with a deadline.
        self.step()

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; SpecError where they need more than the capacities, or another observation."""
        return self._add(self.read(options))

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Options:
        """The options, checked; a preset puts its own defaults here."""
        return Options.read(cls.name, options)

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write, and make the state of their copies."""
        super().attach(frame, orders)
        self._joint = Joint(self.spec, frame, orders) if len(self.spec.roles) > 1 else None
        if self._joint:
            frame, orders = self._joint.frame, self._joint.orders
        self.worlds_B = np.zeros(self.copies, WORLD)
        self._faces = tuple(faces_of(frame, orders))
        self._variant_B = np.zeros(self.copies, np.int64)
        self._asked_B = orders.variant_B

    def step(self) -> None:
        """Advance every copy by one step, in place."""
        if self._joint:
            self._joint.gather()
        told = self._step(
            self.worlds_B,
            self._faces,
            self._rules_V,
            self._variant_B,
            self._closes,
            self._windows_W2,
            self._public_O,
            self._capacity.depth,
        )
        if told == UNKNOWN:
            raise SpecError(
                self.name,
                got=f"variants {sorted(set(self._asked_B.tolist()))}",
                expected=f"all from 0 to {len(self._rules_V) - 1}",
            )
        if self._joint:
            self._joint.scatter()

    def view(self, copy: int) -> dict[str, Any]:
        """The book, the trades of the last step, and every seat's position and profit, as plain JSON."""
        options = self._options[int(self._variant_B[copy])]
        return spectate(self.worlds_B[copy], options)

    def _add(self, options: Options) -> int:
        self._check_fits(options)
        bars = -(-options.horizon // options.bar_steps)
        series, offset = self._read(options.prices)
        spans = windows(series, options.windows, bars)
        record = rules(options, len(self._windows_W2), len(spans))
        if spans:
            rows = np.array(spans, np.int64) + offset
            self._windows_W2 = np.concatenate([self._windows_W2, rows])
        self._rules_V = np.concatenate([self._rules_V, record])
        self._options.append(options)
        return len(self._options) - 1

    def _read(self, prices: str) -> tuple[list[Series], int]:
        """The series of an option and where their log closes begin among all; each is read once."""
        if prices not in self._series:
            series = load(prices)
            self._series[prices] = series, len(self._closes)
            self._closes = np.concatenate([self._closes, *[np.log(one.closes) for one in series]])
        return self._series[prices]

    def _check_fits(self, options: Options) -> None:
        capacity = self._capacity
        for name in CAPACITIES:
            if getattr(options, name) != getattr(capacity, name):
                raise SpecError(
                    f"{self.name}: option {name}",
                    got=str(getattr(options, name)),
                    expected=f"{getattr(capacity, name)}, the capacity's",
                    remedy="Spaces and roles never change within a pool.",
                )
        for name in ("seats", "horizon"):
            if getattr(options, name) > getattr(capacity, name):
                raise SpecError(
                    f"{self.name}: option {name}",
                    got=str(getattr(options, name)),
                    expected=f"at most {getattr(capacity, name)}, the capacity's",
                    remedy="Declare the largest stage as capacity.",
                )


def _spec(name: str, capacity: Options) -> Spec:
    size = observation_size(capacity.depth, capacity.history)
    box = spaces.Box(-np.inf, np.inf, (size,), np.float32)
    discrete = capacity.action == "discrete"
    free = spaces.Box(-1.0, 1.0, (NUMBERS,), np.float32)
    role = Role(
        ROLE,
        (),
        to_json(box),
        to_json(spaces.Discrete(CHOICES) if discrete else free),
        masked=discrete,
        slices=observation_slices(capacity.depth, capacity.history),
    )
    liquidators, makers = capacity.liquidator_seats, capacity.maker_seats
    counts = ((LIQUIDATOR, liquidators), (MAKER, makers), (ROLE, capacity.seats - liquidators - makers))
    roles = split(role, counts)
    seats = [seat for one in roles for seat in one.seats]
    return Spec(
        arena=name,
        version=VERSION,
        options=capacity.model_dump(mode="json"),
        roles=roles,
        teams={seat: (seat,) for seat in seats},
        state_size=state_size(capacity.seats, capacity.depth),
        max_steps=capacity.horizon,
        scores="profit in ticks x lots, higher is better",
        forfeit_score=-float(capacity.capital),
    )
