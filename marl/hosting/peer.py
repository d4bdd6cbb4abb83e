"""One host as its pool sees it: which copies are its own, what it owes, what it has done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marl.hosting import plane
    from marl.hosting.link import HostProcess, RemoteHost


@dataclass(eq=False)
class Peer:
    """A host's place in a pool: it keeps its copies and its counters when what stands behind it is replaced.

    It plays the copies from `start` to `stop` of each of its `groups`. `memory`: it maps the shared block;
    else `own` says, by group, what travels. `greeting`: what a new incarnation is told first. `owes`: groups
    whose next step tells that the copies are lost. `asked`: requests without an answer, by number.
    `failures`: deaths since the last completed step. `suspect`: it is overdue, but not given up yet. `cut`:
    its connection is broken. `taken_s`: since when its slot says that it has another owner.
    """

    index: int
    start: int
    stop: int
    groups: tuple[int, ...]
    address: str = ""
    link: HostProcess | RemoteHost | None = None
    incarnation: int = 0
    name: bytes = b""
    ready: bool = False
    memory: bool = False
    suspect: bool = False
    cut: bool = False
    taken_s: float | None = None
    greeting: list[bytes] = field(default_factory=list)
    own: dict[int, plane.Slices] = field(default_factory=dict)
    owes: set[int] = field(default_factory=set)
    asked: dict[int, bytes] = field(default_factory=dict)
    failures: int = 0
    restarts: int = 0
    suspicions: int = 0
    steps: int = 0
    busy_s: float = 0.0
    reported_busy_s: float = 0.0
    heard_s: float = 0.0

    def done(self, busy_s: float) -> None:
        """Count a completed step; `busy_s` is what this incarnation spent in steps so far."""
        self.failures = 0
        self.steps += 1
        self.busy_s += busy_s - self.reported_busy_s
        self.reported_busy_s = busy_s

    def __str__(self) -> str:
        return f"host {self.index}{f' ({self.address})' if self.address else ''}"
