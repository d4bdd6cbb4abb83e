"""Minibatches for P models at once. Axes: P models, U units (single decisions, or whole rows with memory)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


def how_many(pools: Sequence[NDArray[np.int64]], size: float) -> int:
    """The number of minibatches in a pass."""
    longest = max((len(pool) for pool in pools), default=0)
    return min(max(1, round(longest / size)), longest)


def minibatches(
    pools: Sequence[NDArray[np.int64]], size: float, random: np.random.Generator | None
) -> Iterator[NDArray[np.int64]]:
    """One pass over each model's pool of unit numbers, as tables (P, U) of about `size` units; -1 pads.

    Every pool is shuffled (not without `random`) and spread evenly over the minibatches, so that a model with
    less is in all of them.
    """
    count = how_many(pools, size)
    if not count:
        return
    spread = [np.array_split(random.permutation(pool) if random else pool, count) for pool in pools]
    for chunks in zip(*spread, strict=True):
        table = np.full((len(pools), max(len(chunk) for chunk in chunks)), -1, np.int64)
        for row, chunk in zip(table, chunks, strict=True):
            row[: len(chunk)] = chunk
        yield table
