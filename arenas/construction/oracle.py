"""A slow twin of the pure problem in plain Python, for tests: the same rules from sets and dictionaries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arenas.construction.project import Project


@dataclass
class OracleSite:
    """A project under way. Activities are called by their numbers; `signed` forgets when work goes on."""

    project: Project
    slots: int
    day: int = 0
    start: dict[int, int] = field(default_factory=dict)
    finish: dict[int, int] = field(default_factory=dict)
    signed: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        p = self.project
        numbers = p.number_J.tolist()
        self.days = dict(zip(numbers, p.duration_J.tolist(), strict=True))
        self.needs = {
            n: {k: d for k, d in enumerate(row) if d}
            for n, row in zip(numbers, p.demand_JK.tolist(), strict=True)
        }
        self.before: dict[int, set[int]] = {n: set() for n in numbers}
        for a, b in p.arc_A2.tolist():
            self.before[numbers[b]].add(numbers[a])
        tails: dict[int, int] = {}

        def tail(n: int) -> int:
            if n not in tails:
                tails[n] = self.days[n] + max((tail(m) for m in numbers if n in self.before[m]), default=0)
            return int(tails[n])

        self.critical = max(tail(n) for n in numbers)
        latest = {n: self.critical - tail(n) + self.days[n] for n in numbers}
        self.order = sorted(numbers, key=lambda n: (latest[n], n))
        self._start_unstaffed()

    @property
    def over(self) -> bool:
        """Whether all is done."""
        return len(self.finish) == len(self.days)

    def ready(self) -> list[int]:
        """Activities that wait for nothing but units, by latest finish."""
        return [n for n in self.order if n not in self.start and self.before[n] <= self.finish.keys()]

    def fits(self, n: int) -> bool:
        """Whether its units are free."""
        return all(self.free(k) >= d for k, d in self.needs[n].items())

    def free(self, trade: int) -> int:
        """Units of a trade that nothing uses."""
        used = sum(self.needs[n].get(trade, 0) for n in self.start if n not in self.finish)
        return int(self.project.capacity_K[trade] - used)

    def options(self, trade: int) -> list[tuple[int, bool]]:
        """A trade's slots: (activity, whether it may be signed), those that fit first."""
        own = [n for n in self.ready() if trade in self.needs[n]]
        fit = [n for n in own if self.fits(n)]
        rest = [n for n in own if n not in fit]
        return [(n, n in fit and trade not in self.signed.get(n, set())) for n in [*fit, *rest][: self.slots]]

    def step(self, choice: Mapping[int, int]) -> None:
        """One round: by trade a slot from 1 on, or 0.

        Where nobody signs, work goes on until something can start.
        """
        signs = [
            (trade, self.options(trade)[slot - 1][0])
            for trade, slot in choice.items()
            if 0 < slot <= len(self.options(trade)) and self.options(trade)[slot - 1][1]
        ]
        for trade, n in signs:
            self.signed.setdefault(n, set()).add(trade)
        if signs:
            while True:
                agreed = [
                    n
                    for n in self.ready()
                    if self.signed.get(n, set()) >= self.needs[n].keys() and self.fits(n)
                ]
                if not agreed:
                    return
                self._begin(agreed[0])
                self._start_unstaffed()
        while not self.over:
            self._work()
            if any(self.fits(n) for n in self.ready()):
                return

    def _work(self) -> None:
        if len(self.start) == len(self.finish):
            self._begin(self.ready()[0])
        ends = [self.start[n] + self.days[n] for n in self.start if n not in self.finish]
        if ends:
            self.day = min(ends)
            for n in list(self.start):
                if n not in self.finish and self.start[n] + self.days[n] == self.day:
                    self.finish[n] = self.day
        self.signed = {}
        self._start_unstaffed()

    def _begin(self, n: int) -> None:
        self.start[n] = self.day
        if self.days[n] == 0:
            self.finish[n] = self.day

    def _start_unstaffed(self) -> None:
        while True:
            free = [n for n in self.ready() if not self.needs[n]]
            if not free:
                return
            self._begin(free[0])
