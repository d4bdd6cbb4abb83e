"""The compiled entries: the functions that are kept on disk, for all processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from numba import njit

from arenas.assembly.kernel import judging, motion, observing
from arenas.assembly.kernel.bound import Bound
from arenas.jit import lent, stamp_of


class Entries(NamedTuple):
    """Each takes, bound, the arrays of its functions in their order.

    `conclude` those of four: it senses, and unless a hand that grips is near a part (it says so), judges and
    observes. Then it waits to be called again, `felt`, with what contacts say of who holds what.
    """

    sense: Callable[..., bool]
    servo: Callable[..., bool]
    conclude: Callable[..., bool]


@functools.cache
def entries() -> Entries:
    """The moments of a control step, compiled in some 10 s and kept.

    numba looks for changes in an entry's own file only. The digest of the folder, which the entries close
    over, is part of the key under which they are kept.
    """
    stamp = stamp_of(Path(__file__).parent)

    @njit(cache=True)
    def sense(given: Bound) -> bool:
        return motion.sense(*lent(given.arrays)) and stamp >= 0

    @njit(cache=True)
    def servo(mode: int, to_home: float, dt: float, given: Bound) -> bool:
        motion.servo(mode, to_home, dt, *lent(given.arrays))
        return stamp >= 0

    @njit(cache=True)
    def conclude(seats: int, stage: int, time: float, felt: bool, given: Bound) -> bool:
        sensed, judged, tallied, seen = given.arrays
        if not felt and motion.sense(*lent(sensed)):
            return stamp >= 0
        judging.judge(*lent(judged))
        judging.tally(*lent(tallied))
        observing.observe(seats, stage, time, *lent(seen))
        return False

    return Entries(sense, servo, conclude)
