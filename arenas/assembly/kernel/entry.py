"""The compiled entries: the functions that are kept on disk, for all processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arenas.assembly.kernel import judging, motion, observing
from arenas.jit import stamp_of

Arrays = tuple[NDArray[np.generic], ...]


class Entries(NamedTuple):
    """Each takes its arrays in the order of the function of the same name."""

    sense: Callable[..., int]
    servo: Callable[..., int]
    conclude: Callable[..., int]


@functools.cache
def entries() -> Entries:
    """The three moments of a control step, compiled in some 10 s and kept.

    numba looks for changes in an entry's own file only. The digest of the folder, which the entries close
    over, is part of the key under which they are kept.
    """
    stamp = stamp_of(Path(__file__).parent)

    @njit(cache=True, nogil=True)
    def sense(arrays: Arrays) -> int:
        motion.sense(*arrays)  # type: ignore[arg-type]  # in their order
        return stamp

    @njit(cache=True, nogil=True)
    def servo(mode: int, to_home: float, dt: float, arrays: Arrays) -> int:
        motion.servo(mode, to_home, dt, *arrays)  # type: ignore[arg-type]  # in their order
        return stamp

    @njit(cache=True, nogil=True)
    def conclude(seats: int, stage: int, time: float, judged: Arrays, tallied: Arrays, seen: Arrays) -> int:
        judging.judge(*judged)  # type: ignore[arg-type]  # in their order
        judging.tally(*tallied)  # type: ignore[arg-type]  # in their order
        observing.observe(seats, stage, time, *seen)  # type: ignore[arg-type]  # in their order
        return stamp

    return Entries(sense, servo, conclude)
