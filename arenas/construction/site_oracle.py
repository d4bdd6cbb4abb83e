"""A slow twin of the whole site in plain Python, for tests: the same days from sets and dictionaries.

It takes over a match that has begun and draws what the kernel draws, in the same order. Activities are called
by their place in the record. Subcontractors that leave and consent are not its business.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from arenas.construction.crews import (
    BASE_HAZARD,
    BRIEFED_HAZARD,
    BRIEFED_SPEED,
    DEFECTS,
    HAZARD,
    LEARNED,
    MOST_TIRED,
    PAY,
    RESTS,
    SPEED,
    TIRES,
    WET_HAZARD,
)
from arenas.construction.helping import HELPED, LENT, MOST_HELPERS
from arenas.construction.site import EXPOSED, OVERHEAD, PAYMENT_DAYS, REWORK
from arenas.construction.supply import PRICES
from arenas.construction.weather import BAD, BAD_IF_DRY, BAD_IF_WET, PERSISTENCE, WET, WET_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from arenas.construction.options import Options

MODES, OVERTIME, MATERIALS = 3, 2, 3


class Draws:
    """SplitMix64 (Steele, Lea, Flood 2014) over a Python integer."""

    def __init__(self, state: int) -> None:
        self.state = state

    def uniform(self) -> float:
        """A number in [0, 1)."""
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return ((z ^ (z >> 31)) >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """A whole number under a bound."""
        return int(self.uniform() * bound)

    def normal(self) -> float:
        """A standard normal number."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())


class SiteOracle:
    """A site under way: `legal` says what a foreman may do, `step` plays a round for the team's points."""

    def __init__(self, world: np.void, options: Options) -> None:
        p, o = world["project"], options
        self.o = o
        self.jobs, self.trades = range(int(p["jobs"])), range(int(p["trades"]))
        self.days = [int(p["duration"][j]) for j in self.jobs]
        self.needs = [
            {k: int(p["demand"][j, k]) for k in self.trades if p["demand"][j, k]} for j in self.jobs
        ]
        self.before: list[set[int]] = [set() for _ in self.jobs]
        for a, b in p["arc"][: int(p["arcs"])].tolist():
            self.before[b].add(a)
        self.exposure = [float(x) for x in p["exposure"][: len(self.jobs)]]
        self.zone = p["zone"][: len(self.jobs)].tolist()
        self.material = p["material"][: len(self.jobs)].tolist()
        self.capacity = p["capacity"][: len(self.trades)].tolist()
        self.critical = int(p["critical"])
        self.draws = Draws(int(world["rng"][0]))
        self.pace = world["pace"][: len(self.jobs)].tolist()
        self.sky, self.seen = world["sky"].tolist(), world["forecast"].tolist()
        self.calendar = int(world["calendar"])
        self.left = [float(d) for d in self.days]
        self.start: dict[int, int] = {}
        self.done: dict[int, int] = {}
        self.running: list[int] = []
        self.mode = dict.fromkeys(self.jobs, 1)
        self.signed: dict[int, dict[int, int]] = {}
        self.lead: dict[tuple[int, int], int] = {}
        self.defects = dict.fromkeys(self.jobs, 0.0)
        self.again: set[int] = set()
        self.helps: dict[int, int] = {}
        self.tired = dict.fromkeys(range(o.seats), 0.0)
        self.hurt: dict[int, list[list[int]]] = {k: [] for k in self.trades}
        self.broken = dict.fromkeys(self.trades, 0)
        self.stock = [float(o.lot) if o.supply else 0.0] * MATERIALS
        self.price = [float(x) for x in PRICES]
        self.coming: list[list[int]] = []
        self.ordered: set[int] = set()
        self.day = self.incidents = self.told = self.reworks = 0
        self.cash, self.cost, self.earned, self.paid = 0.1 * o.budget, 0.0, 0.0, 0.0
        self.units = float(sum(self.days[j] * d for j in self.jobs for d in self.needs[j].values()))
        self.briefed = self.stopped = self.overrun = False
        self.due = math.ceil(o.deadline * self.critical)
        self.alive = {s for s in range(o.seats) if self._open(s // o.crews)}
        self.last = self._outlook()

    @property
    def over(self) -> bool:
        """Whether all is done, or the site is closed."""
        return len(self.done) == len(self.days) or self.day >= self.o.max_days or not self.alive

    def _open(self, trade: int) -> bool:
        return any(trade in self.needs[j] for j in self.jobs if j not in self.done)

    def _ready(self) -> list[int]:
        waiting = [j for j in self.jobs if j not in self.done and j not in self.running]
        return [j for j in waiting if self.before[j] <= self.done.keys()]

    def _free(self, trade: int) -> int:
        used = sum(self.needs[j].get(trade, 0) for j in self.running)
        lent = LENT * sum(s // self.o.crews == trade for s in self.helps)
        return int(self.capacity[trade] - used - lent - sum(units for units, _ in self.hurt[trade]))

    def _can(self, j: int) -> bool:
        stopped = self.stopped or (self.sky[0] & BAD and self.exposure[j] > EXPOSED)
        broken = any(self.broken[k] > 0 for k in self.needs[j])
        there = j in self.start or all(m <= s for m, s in zip(self.material[j], self.stock, strict=True))
        fits = all(d <= self._free(k) for k, d in self.needs[j].items())
        return fits and not stopped and not broken and (there or not self.o.supply)

    def slots(self, trade: int) -> list[int]:
        """What a trade can choose among."""
        own = [j for j in self._ready() if trade in self.needs[j]]
        return [*[j for j in own if self._can(j)], *[j for j in own if not self._can(j)]][: self.o.slots]

    def legal(self, seat: int) -> set[int]:
        """The choices of a foreman, besides passing."""
        trade = seat // self.o.crews
        may = {
            1 + s * MODES + m
            for s, j in enumerate(self.slots(trade))
            for m in range(MODES)
            if self._can(j) and trade not in self.signed.get(j, {})
        }
        first = 1 + self.o.slots * MODES
        if seat == min(self.alive):
            may |= {first + m for m in range(MATERIALS) if self._may_order(m)}
        if not self.briefed and self.running and self.o.hazard_scale > 0:
            may.add(first + MATERIALS)
        if seat not in self.helps and self._helpable(trade) is not None:
            may.add(first + MATERIALS + 1)
        return may

    def _may_order(self, material: int) -> bool:
        o, coming = self.o, [units for m, units, _ in self.coming if m == material]
        room = o.storage - self.stock[material] - sum(coming) >= o.lot
        pays = self.cash - self.price[material] * o.lot >= -o.credit
        return o.supply and material not in self.ordered and len(coming) < 4 and room and pays

    def _helpable(self, trade: int) -> int | None:
        if self._free(trade) < LENT:
            return None
        helped = list(self.helps.values())
        found = [j for j in self.running if trade not in self.needs[j] and helped.count(j) < MOST_HELPERS]
        return min(found, default=None)

    def step(self, choice: Mapping[int, int]) -> float:
        """A round; where nobody does anything, a day."""
        legal = {seat: self.legal(seat) for seat in self.alive}
        slots = {trade: self.slots(trade) for trade in self.trades}
        acts = [(seat, choice[seat]) for seat in sorted(self.alive) if choice[seat] in legal[seat]]
        for seat, action in acts:
            self._act(seat, action, slots[seat // self.o.crews])
        points = 0.0
        if acts:
            self._start_signed()
        else:
            points = self._work()
            self._start_signed()
            now = self._outlook()
            points -= self.o.delay_weight * (now - self.last) / self.critical
            self.last = now
        return points + self._reckon()

    def _act(self, seat: int, action: int, slots: list[int]) -> None:
        o, trade, first = self.o, seat // self.o.crews, 1 + self.o.slots * MODES
        if action == first + MATERIALS:
            self.briefed = True
        elif action == first + MATERIALS + 1:
            job = self._helpable(trade)
            if job is not None:
                self.helps[seat] = job
        elif action >= first:
            material = action - first
            if self._may_order(material):
                price = self.price[material] * o.lot
                self.cash -= price
                self.cost += price
                self.ordered.add(material)
                self.coming.append([material, o.lot, max(o.lead_days + self.draws.below(3) - 1, 1)])
        else:
            job, signed = slots[(action - 1) // MODES], self.signed
            if trade not in signed.get(job, {}):
                if not signed.get(job):
                    self.mode[job] = (action - 1) % MODES
                signed.setdefault(job, {})[trade] = seat
                self.lead[job, trade] = seat

    def _start_signed(self) -> None:
        while True:
            agreed = [
                j
                for j in self._ready()
                if self.needs[j].keys() <= self.signed.get(j, {}).keys() and self._can(j)
            ]
            if not agreed:
                return
            job = agreed[0]
            if self.o.supply and job not in self.start:
                self.stock = [s - m for s, m in zip(self.stock, self.material[job], strict=True)]
            self.start.setdefault(job, self.day)
            self.running.append(job)

    def _speed(self, j: int) -> float:
        o, trades = self.o, list(self.needs[j])
        if self.stopped or any(self.broken[k] > 0 for k in trades):
            return 0.0
        rate = float(SPEED[self.mode[j]]) * self.pace[j]
        built = [min(sum(k in self.needs[i] for i in self.done), LEARNED) / LEARNED for k in trades]
        if trades:
            tired = sum(self.tired[self.lead[j, k]] for k in trades)
            rate *= (1.0 - tired / len(trades)) * (1.0 + o.learning * sum(built) / len(trades))
        rate /= 1.0 + o.congestion * (sum(self.zone[i] == self.zone[j] for i in self.running) - 1)
        if self.sky[0] & BAD:
            rate *= 1.0 - self.exposure[j]
        elif self.sky[0] & WET:
            rate *= 1.0 - o.weather_severity * self.exposure[j]
        if self.briefed:
            rate *= BRIEFED_SPEED
        return float(rate * (1.0 + HELPED * list(self.helps.values()).count(j)))

    def _hazard(self, j: int, trade: int) -> float:
        rate = BASE_HAZARD * self.o.hazard_scale * self.needs[j][trade] * float(HAZARD[self.mode[j]])
        rate *= 1.0 + self.tired[self.lead[j, trade]]
        if self.sky[0] & WET:
            rate *= WET_HAZARD
        return rate * BRIEFED_HAZARD if self.briefed else rate

    def _toil(self) -> tuple[float, set[int]]:
        """A day's work; returns the incidents to be expected and who worked overtime."""
        o, expected, hurt, late, cost = self.o, 0.0, False, set(), 0.0
        for j in self.running:
            mode = self.mode[j]
            rate = min(self._speed(j), self.left[j])
            self.left[j] -= rate
            self.defects[j] += rate / max(self.days[j], 1) * o.defect_rate * float(DEFECTS[mode])
            for k, d in self.needs[j].items():
                self.earned += rate * d
                cost += d * o.wage * float(PAY[mode])
                if mode == OVERTIME:
                    late.add(self.lead[j, k])
                if self.stopped or self.broken[k] > 0:
                    continue
                risk = self._hazard(j, k)
                expected += risk
                if self.draws.uniform() < 1.0 - math.exp(-risk):
                    hurt = True
                    self.incidents += 1
                    if len(self.hurt[k]) < 4:
                        self.hurt[k].append([(d + 1) // 2, o.incident_days])
        self.stopped = hurt
        self._spend(cost + LENT * o.wage * len(self.helps))
        return expected, late

    def _spend(self, cost: float) -> None:
        self.cost += cost
        self.cash -= cost

    def _work(self) -> float:
        o, before = self.o, self.earned
        expected, late = self._toil()
        self.helps = {}
        self.day += 1
        points = -o.safety_weight * expected - o.quality_weight * self._inspect()
        points += o.progress_weight * (self.earned - before) / self.units
        if self.day > self.due:
            points -= o.late_weight
        self._spend(OVERHEAD)
        if self.day % PAYMENT_DAYS == 0 or len(self.done) == len(self.days):
            share = self.earned / self.units
            self.cash += o.budget * (share - self.paid)
            self.paid = share
        self._rest(late)
        if o.supply:
            self._turn_supply()
        if o.weather != "none":
            self._turn_sky()
        self.briefed = False
        self.signed = {}
        return points

    def _inspect(self) -> float:
        redone = 0.0
        for j in [j for j in self.running if self.left[j] <= 1e-9]:
            self.running.remove(j)
            if j in self.again or self.draws.uniform() >= self.defects[j]:
                self.done[j] = self.day
                continue
            self.again.add(j)
            self.reworks += 1
            self.left[j] = float(math.ceil(REWORK * self.days[j]))
            units = self.left[j] * sum(self.needs[j].values())
            self.earned -= units
            redone += units
        return redone / self.units

    def _rest(self, late: set[int]) -> None:
        o = self.o
        for seat in self.tired:
            change = TIRES * o.fatigue if seat in late else -RESTS
            self.tired[seat] = min(max(self.tired[seat] + change, 0.0), MOST_TIRED)
        for k in self.trades:
            self.hurt[k] = [[units, days - 1] for units, days in self.hurt[k] if days > 1]
            if self.broken[k] > 0:
                self.broken[k] -= 1
            elif o.breakdown_rate > 0 and self.draws.uniform() < o.breakdown_rate:
                self.broken[k] = o.breakdown_days

    def _turn_supply(self) -> None:
        o = self.o
        self.ordered = set()
        for m in range(MATERIALS):
            self.stock[m] -= o.spoilage * self.stock[m]
            for delivery in [c for c in self.coming if c[0] == m]:
                delivery[2] -= 1
                if delivery[2] <= 0:
                    self.coming.remove(delivery)
                    self.stock[m] += min(delivery[1], o.storage - self.stock[m])
            moved = self.price[m] * math.exp(o.price_noise * self.draws.normal())
            self.price[m] = min(max(moved, 0.4 * float(PRICES[m])), 2.5 * float(PRICES[m]))

    def _turn_sky(self) -> None:
        """Monthly chain; a weekend lies between Friday and Monday."""
        code = self.sky[-1]
        for _ in range(3 if (self.day + len(self.sky)) % 5 == 0 else 1):
            self.calendar += 1
            month = min(self.calendar % 365 * 12 // 365, 11)
            share = float(WET_SHARE[month])
            chance = share + PERSISTENCE * (1.0 - share) if code & WET else share * (1.0 - PERSISTENCE)
            wet = self.draws.uniform() < chance
            bad = self.draws.uniform() < float((BAD_IF_WET if wet else BAD_IF_DRY)[month])
            code = (WET if wet else 0) | (BAD if bad else 0)
        self.sky = [*self.sky[1:], code]
        self.seen = list(self.sky)
        for ahead in range(1, len(self.sky)):
            if self.draws.uniform() < self.o.forecast_error * ahead:
                self.seen[ahead] = self.draws.below(4)

    def _outlook(self) -> float:
        """When all would be done with units without end, but no sooner than each trade's work takes."""
        end: dict[int, int] = {}

        def ends(j: int) -> int:
            if j not in end:
                waits = [ends(i) for i in self.before[j] if i not in self.done]
                begins = self.day if j in self.running else max([self.day, *waits])
                end[j] = begins + math.ceil(self.left[j])
            return end[j]

        bound = max([self.day, *[ends(j) for j in self.jobs if j not in self.done]])
        work = [
            sum(self.left[j] * self.needs[j].get(k, 0) for j in self.jobs if j not in self.done)
            for k in self.trades
        ]
        return float(
            max(bound, *[self.day + w / c for w, c in zip(work, self.capacity, strict=True) if c > 0])
        )

    def _reckon(self) -> float:
        o = self.o
        points = -o.incident_weight * (self.incidents - self.told)
        self.told = self.incidents
        if self.cost > o.budget and not self.overrun:
            self.overrun = True
            points -= o.overrun_weight
        if len(self.done) == len(self.days):
            points += o.completion_weight + o.late_weight * max(self.due - self.day, 0)
        self.alive = {seat for seat in self.alive if self._open(seat // o.crews)}
        return points
