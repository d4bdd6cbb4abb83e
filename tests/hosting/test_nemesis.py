"""Random deaths under a checker of histories: what frames say is contiguous, true, and spans no death."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from marl.hosting import HostPool
from marl.spec import PARKED
from tests.hosting.driving import Driver, counter, descriptors, host_processes

if TYPE_CHECKING:
    from marl.frame import Frame

LENGTH = 7


class Checker:
    """Follows every copy of a group by the toy's own rules and compares each frame with them."""

    def __init__(self, copies: int) -> None:
        self.ticket = [PARKED] * copies
        self.steps = [0] * copies
        self.count = [0] * copies
        self.lost = 0

    def check(self, frame: Frame, pool: HostPool, group: int) -> None:
        """One frame, with the orders that led to it."""
        orders, role = pool.orders[group], frame.roles["adder"]
        for copy, ticket in enumerate(self.ticket):
            if frame.lost_B[copy]:
                assert frame.ended_B[copy] == ticket
                assert frame.ticket_B[copy] == PARKED
                assert not role.reward_BN[copy].any()
                self.lost += 1
                self.ticket[copy] = PARKED
                continue
            added_N = orders.action["adder"][copy, :, 0]
            playing = ticket != PARKED
            self.steps[copy] += playing
            self.count[copy] += int(added_N.sum()) if playing else 0
            over = playing and self.steps[copy] == LENGTH
            assert frame.over_B[copy] == over
            assert frame.steps_B[copy] == (self.steps[copy] if playing else 0)
            assert list(role.reward_BN[copy]) == (list(added_N) if playing else [0, 0])
            if over:
                assert frame.ended_B[copy] == ticket
                assert list(role.score_BN[copy]) == [self.count[copy]] * 2
            if over or not playing:
                self.ticket[copy] = int(orders.next_B[copy])
                self.steps[copy], self.count[copy] = 0, int(orders.seed_B[copy] % 1000)
            assert frame.ticket_B[copy] == self.ticket[copy]
            assert list(role.observation[0][copy, :, 0]) == [self.count[copy]] * 2


@pytest.mark.parametrize("plane", ["memory", "frames"])
@pytest.mark.parametrize("kills", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_no_transition_spans_a_death(plane: str, kills: int) -> None:
    """Hosts die and hang at random; every frame is what the rules say, and nothing is left in the end."""
    before = descriptors()
    lost = torment(plane, kills)
    assert min(lost) > 0
    assert host_processes() == set()
    assert descriptors() <= before


def torment(plane: str, kills: int) -> list[int]:
    """Run a pool until so many hosts were replaced; says how many copies each group lost."""
    rng = np.random.default_rng(kills)
    ref = counter(length=LENGTH)
    with HostPool(ref, hosts=2, copies=12, groups=2, plane=plane, step_timeout_s=0.3) as pool:
        driver, checkers = Driver(pool), [Checker(6), Checker(6)]

        def take(group: int) -> None:
            frame = pool.receive(group)
            checkers[group].check(frame, pool, group)
            for copy in np.flatnonzero(frame.ticket_B == pool.orders[group].next_B):
                driver.give(group, int(copy))

        deaths = 0.0
        while deaths < kills:
            for group in (0, 1):
                driver.act(group)
                if rng.random() < 0.2:
                    alive = sorted(host_processes())
                    how = signal.SIGSTOP if rng.random() < 0.3 else signal.SIGKILL
                    os.kill(alive[int(rng.integers(len(alive)))], how)
            for group in (0, 1):
                take(group)
            # Completed steps between deaths, so that no host is given up.
            for group in (0, 1, 0, 1):
                driver.act(group)
                take(group)
            deaths = sum(value for name, value in pool.metrics().items() if name.endswith("restarts"))
        return [checker.lost for checker in checkers]
