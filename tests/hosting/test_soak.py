"""A long life: a thousand faults of all kinds under a checker of histories, and nothing is left of them."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marl.errors import ArenaFaultError
from marl.hosting import HostPool
from marl.hosting.link import HostProcess
from marl.spec import PARKED
from tests.hosting.driving import counter, descriptors, files, host_processes

if TYPE_CHECKING:
    from marl.frame import Frame
    from marl.hosting.peer import Peer

LENGTH, HOSTS, GROUPS, COPIES = 7, 4, 2, 2048
HOLD, RAISE, BELOW = 9, 8, 8
"""The actions that set faults off; others are drawn below."""

KINDS = ("SIGKILL", "SIGSTOP", "pause", "hold", "raise")
SHARES = (0.35, 0.1, 0.3, 0.1, 0.15)


class History:
    """Follows all copies of a group by the toy's rules: each transition is contiguous, once, of one match."""

    def __init__(self, orders: Any, first: int) -> None:  # noqa: ANN401  # Orders
        copies = len(orders.next_B)
        self._orders = orders
        self._ticket_B = np.full(copies, PARKED)
        self._steps_B = np.zeros(copies, int)
        self._count_B = np.zeros(copies)
        self._next = first
        self.transitions = self.lost = self.begun = 0
        self._give(np.ones(copies, bool))

    def check(self, frame: Frame) -> None:
        """Compare a frame with the rules; then order the next tickets."""
        orders, role = self._orders, frame.roles["adder"]
        lost_B = frame.lost_B.copy()
        assert np.array_equal(frame.ended_B[lost_B], self._ticket_B[lost_B])
        assert np.all(frame.ticket_B[lost_B] == PARKED)
        assert not role.reward_BN[lost_B].any()
        assert not frame.over_B[lost_B].any()
        self._ticket_B[lost_B] = PARKED
        self.lost += int(lost_B.sum())
        live_B = ~lost_B
        playing_B = live_B & (self._ticket_B != PARKED)
        added_BN = orders.action["adder"][:, :, 0]
        self._steps_B[playing_B] += 1
        self._count_B[playing_B] += added_BN.sum(1)[playing_B]
        over_B = playing_B & (self._steps_B == LENGTH)
        assert np.array_equal(frame.over_B, over_B)
        assert np.array_equal(frame.steps_B[playing_B], self._steps_B[playing_B])
        assert np.array_equal(role.reward_BN[playing_B], added_BN[playing_B])
        assert np.array_equal(frame.ended_B[over_B], self._ticket_B[over_B])
        assert np.array_equal(role.score_BN[over_B, 0], self._count_B[over_B])
        began_B = live_B & (over_B | ~playing_B)
        # A number is ordered once, and a new one as soon as it was taken up: none can begin twice unnoticed.
        self.begun += int(began_B.sum())
        self._ticket_B[began_B] = orders.next_B[began_B]
        self._steps_B[began_B] = 0
        self._count_B[began_B] = orders.seed_B[began_B] % 1000
        assert np.array_equal(frame.ticket_B, self._ticket_B)
        assert np.array_equal(role.observation[0][live_B, 0, 0], self._count_B[live_B])
        self.transitions += int(playing_B.sum())
        self._give(began_B)

    def _give(self, copies_B: Any) -> None:  # noqa: ANN401  # a mask of copies
        number = int(copies_B.sum())
        orders = self._orders
        orders.next_B[copies_B] = orders.seed_B[copies_B] = np.arange(self._next, self._next + number)
        self._next += number


@dataclass
class Nemesis:
    """Torments hosts that are up and have completed a step since their last fault."""

    pool: HostPool
    rng: np.random.Generator
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    raised: int = 0
    detected_s: list[float] = field(default_factory=list)
    _timers: list[threading.Timer] = field(default_factory=list)

    def strike(self, group: int) -> None:
        """Before a group is sent: some of its orders go wrong; after it, `kick` does the rest."""
        for peer in self._victims():
            kind = KINDS[int(self.rng.choice(len(KINDS), p=SHARES))]
            self.done[kind] += 1
            if kind in {"hold", "raise"}:
                action = self.pool.orders[group].action["adder"]
                action[int(self.rng.integers(peer.start, peer.stop)), 0] = HOLD if kind == "hold" else RAISE
            else:
                self._signal(peer, kind)

    def rest(self) -> None:
        """Wait for signals that are still to be sent."""
        for timer in self._timers:
            timer.join()

    def _victims(self) -> list[Peer]:
        peers = [
            peer for peer in self.pool._fleet.peers if peer.ready and not peer.failures
        ]  # the pool's own view
        wanted = min(int(self.rng.integers(1, HOSTS)), len(peers))
        return [peers[int(i)] for i in self.rng.choice(len(peers), wanted, replace=False)]

    def _signal(self, peer: Peer, kind: str) -> None:
        assert isinstance(peer.link, HostProcess)
        process = peer.link.pid
        send = signal.SIGKILL if kind == "SIGKILL" else signal.SIGSTOP
        os.kill(process, send)
        if kind == "pause":
            timer = threading.Timer(float(self.rng.uniform(0, 0.2)), _continue, (process,))
            timer.start()
            self._timers = [other for other in self._timers if other.is_alive()] + [timer]


def _continue(process: int) -> None:
    try:
        os.kill(process, signal.SIGCONT)
    except ProcessLookupError:
        # It was given up meanwhile, on a busy machine.
        return


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Life:
    """What a pool went through."""

    faults: dict[str, int]
    transitions: int
    matches: int
    lost: int
    raised: int
    restarts: int
    grown: int


def live(pool: HostPool, steps: int, faults: int) -> Life:
    """Step a pool until so many transitions were checked and so many faults were done."""
    histories = [History(pool.orders[group], 10**9 * (group + 1)) for group in range(GROUPS)]
    nemesis = Nemesis(pool, np.random.default_rng(faults))
    rng = np.random.default_rng(1)
    rounds = warm = 0
    while sum(nemesis.done.values()) < faults or sum(h.transitions for h in histories) < steps:
        rounds += 1
        for group in range(GROUPS):
            action = pool.orders[group].action["adder"]
            action[...] = rng.integers(0, BELOW, action.shape)
        if rounds % 4 == 0 and sum(nemesis.done.values()) < faults:
            nemesis.strike(int(rng.integers(GROUPS)))
        for group in range(GROUPS):
            pool.send(group)
        for group in range(GROUPS):
            histories[group].check(received(pool, group, nemesis))
        if rounds == 20:
            warm = resident()
    nemesis.rest()
    assert len(host_processes()) == HOSTS
    return Life(
        faults=nemesis.done,
        transitions=sum(history.transitions for history in histories),
        matches=sum(history.begun for history in histories),
        lost=sum(history.lost for history in histories),
        raised=nemesis.raised,
        restarts=int(sum(v for name, v in pool.metrics().items() if name.endswith("restarts"))),
        grown=resident() - warm,
    )


def received(pool: HostPool, group: int, nemesis: Nemesis) -> Frame:
    """The group's frame; what arenas raised on the way is counted."""
    while True:
        try:
            return pool.receive(group)
        except ArenaFaultError as error:
            nemesis.raised += "ZeroDivisionError" in error.got and "toys.py" in error.__notes__[0]


@pytest.mark.parametrize(
    ("steps", "faults"),
    [
        (100_000, 10),
        pytest.param(10_000_000, 1000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_a_long_life_with_many_faults(steps: int, faults: int, caplog: pytest.LogCaptureFixture) -> None:
    """No transition spans a crash, none comes twice; processes, descriptors, files and memory return."""
    caplog.set_level(logging.ERROR, "marl.hosting")
    before = (descriptors(), threading.active_count())
    began_s = time.monotonic()
    ref = counter(length=LENGTH, faults={"hold": HOLD, "raise": RAISE})
    with HostPool(ref, hosts=HOSTS, copies=COPIES, groups=GROUPS, step_timeout_s=1.0) as pool:
        life = live(pool, steps, faults)
    assert (life.raised > 0) == (life.faults["raise"] > 0)
    assert life.raised <= life.faults["raise"]
    # Those that were struck last may not have been noticed yet.
    assert life.restarts >= life.faults["SIGKILL"] + life.faults["SIGSTOP"] - HOSTS
    assert host_processes() == set()
    assert files() == set()
    del pool
    after = (descriptors(), threading.active_count())
    assert after[0] <= before[0]
    assert after[1] <= before[1]
    assert life.grown < 16 * 2**20
    took_s = time.monotonic() - began_s
    sys.stdout.write(f"\n{life}\n(descriptors, threads) {before} -> {after}, {took_s:.0f} s\n")
