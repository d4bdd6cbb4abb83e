"""The entry of the bars' kernel: the one function of it that is kept on disk."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arenas.jit import stamp_of
from arenas.trading.bars import kernel
from arenas.trading.entry import UNKNOWN, Entry
from arenas.trading.faces import Faces


@functools.cache
def entry() -> Entry:
    """`kernel.step_copies`, its faces as a plain tuple; kept under the digest of what it is made of."""
    here = Path(__file__).parent
    stamp = stamp_of(here, here.parent)

    @njit(cache=True, nogil=True)
    def step_batch(
        worlds_B: NDArray[np.void],
        faces: tuple[NDArray[np.generic], ...],
        rules_V: NDArray[np.void],
        variant_B: NDArray[np.int64],
        bars_R9: NDArray[np.float64],
        windows_W2: NDArray[np.int64],
    ) -> int:
        done = kernel.step_copies(
            worlds_B,
            Faces(*faces),  # type: ignore[arg-type]  # a tuple of its fields, in their order
            rules_V,
            variant_B,
            bars_R9,
            windows_W2,
        )
        return stamp if done else UNKNOWN

    return step_batch
