"""The kernel's entry: the one function that is kept on disk, for all processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arenas.jit import stamp_of
from arenas.trading import kernel
from arenas.trading.faces import Faces

Entry = Callable[..., int]
UNKNOWN: Any = np.int64(-1)
"""What an entry returns where a copy asks for a variant that does not exist; else the stamp."""


@functools.cache
def entry() -> Entry:
    """`kernel.step_copies`, its faces as a plain tuple; compiled in about 15 s, loaded in a third of one.

    numba looks for changes in the entry's own file only. The digest of the whole folder, which the entry
    closes over, is part of the key under which it is kept, so that a changed callee is compiled again.
    """
    stamp = stamp_of(Path(__file__).parent)

    @njit(cache=True, nogil=True)
    def step_batch(
        worlds_B: NDArray[np.void],
        faces: tuple[NDArray[np.generic], ...],
        rules_V: NDArray[np.void],
        variant_B: NDArray[np.int64],
        series: NDArray[np.float64],
        windows_W2: NDArray[np.int64],
        public_O: NDArray[np.float32],
        depth: int,
    ) -> int:
        done = kernel.step_copies(
            worlds_B,
            Faces(*faces),  # type: ignore[arg-type]  # a tuple of its fields, in their order
            rules_V,
            variant_B,
            series,
            windows_W2,
            public_O,
            depth,
        )
        return stamp if done else UNKNOWN

    return step_batch
