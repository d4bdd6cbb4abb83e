"""The kernel's entry: the one function that is kept on disk, for all processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arenas.construction import kernel
from arenas.construction.showing import Scratch
from arenas.jit import stamp_of

Entry = Callable[..., int]


@functools.cache
def entry() -> Entry:
    """`kernel.step_copies`, its faces and scratch as plain tuples.

    Compiled in some 20 s, loaded in a third of one.

    numba looks for changes in the entry's own file only. The digest of the folder and of what lies beside
    it, which the entry closes over, is part of the key under which it is kept.
    """
    stamp = stamp_of(Path(__file__).parent)

    @njit(cache=True, nogil=True)
    def step_batch(
        worlds_B: NDArray[np.void],
        faces: tuple[NDArray[np.generic], ...],
        rules_V: NDArray[np.void],
        variant_B: NDArray[np.int64],
        projects_P: NDArray[np.void],
        sky_D: NDArray[np.int8],
        scratch: tuple[NDArray[np.generic], ...],
        jobs: int,
    ) -> int:
        kernel.step_copies(
            worlds_B,
            kernel.Faces(*faces),  # type: ignore[arg-type]  # a tuple of its fields, in their order
            rules_V,
            variant_B,
            projects_P,
            sky_D,
            Scratch(*scratch),  # type: ignore[arg-type]  # likewise
            jobs,
        )
        return stamp

    return step_batch
