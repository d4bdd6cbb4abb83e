"""Arrays that the kernel is handed in every step, bound once to one object.

Taking dozens of arrays from their Python objects anew in each call costs more than what the kernel does with
them.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.experimental import structref


@structref.register
class BoundType(types.StructRef):
    """How numba knows a `Bound`: by the kinds of its arrays."""


class Bound(structref.StructRefProxy):
    """A tuple of arrays, or of such tuples; it keeps them alive."""

    arrays: tuple[Any, ...]
    """For compiled code only."""


structref.define_proxy(Bound, BoundType, ["arrays"])  # type: ignore[no-untyped-call]


@njit(cache=True)
def bound(arrays: tuple[Any, ...]) -> Bound:
    """The arrays as one object, by a function kept on disk: `Bound` would compile itself in each process."""
    return Bound(arrays)  # type: ignore[no-untyped-call]
