"""The kernel's entry: the one function that is kept on disk, for all processes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arenas.construction import kernel
from arenas.construction.showing import Scratch
from arenas.jit import lent, stamp_of

Entry = Callable[..., int]
UNKNOWN: Any = np.int64(-1)
"""What an entry returns where a copy asks for a variant that does not exist; else the stamp."""


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
        worlds, rules, variants, projects, sky = lent((worlds_B, rules_V, variant_B, projects_P, sky_D))
        done = kernel.step_copies(
            worlds,
            kernel.Faces(*lent(faces)),
            rules,
            variants,
            projects,
            sky,
            Scratch(*lent(scratch)),
            jobs,
        )
        return stamp if done else UNKNOWN

    return step_batch
