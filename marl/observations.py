"""Observations and masks where they enter.

Of the declared shape and kind, cast to the declared dtype, within their bounds.

Axes: B copies, N seats, `...` the shape of a leaf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import ObservationError
from marl.spaces import flatten, from_json, leaf_spaces, leaves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.spaces import Leaf

Span = tuple[float, float]


class Lens:
    """Reads values of one described space into its leaf arrays."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        self.space = space
        self.leaves = leaves(space)
        self.bounds = [_bounds_of(part) for part in leaf_spaces(space)]
        self._spans = [span_of(*bounds) if bounds is not None else None for bounds in self.bounds]
        self._only = self.leaves[0] if space["k"] not in {"dict", "tuple"} else None
        self._dtypes = [leaf.numpy_dtype for leaf in self.leaves]
        self._dtype = self._dtypes[0]

    def read(self, value: Any, where: str) -> list[NDArray[Any]]:  # noqa: ANN401  # a value of the space
        """The leaves of a value, cast to their dtypes; they may share memory with it.

        ObservationError names the leaf.
        """
        if self._only is not None:
            return [_as_leaf(value, self._only, self._dtypes[0], where)]
        try:
            parts = flatten(self.space, value)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ObservationError(
                where, got=f"{value!r}"[:200], expected=str(from_json(self.space)), remedy=f"({error})"
            ) from error
        return [
            _as_leaf(part, leaf, dtype, f"{where}/{leaf.path}")
            for part, leaf, dtype in zip(parts, self.leaves, self._dtypes, strict=True)
        ]

    def write(self, value: Any, targets: Sequence[NDArray[Any]], row: int, where: str) -> None:  # noqa: ANN401  # a value of the space
        """Write a value into a row of leaf arrays."""
        if self._only is None:
            for target, leaf in zip(targets, self.read(value, where), strict=True):
                target[row] = leaf
        elif type(value) is np.ndarray and value.dtype is self._dtype and value.shape == self._only.shape:
            targets[0][row] = value
        else:
            targets[0][row] = _as_leaf(value, self._only, self._dtypes[0], where)

    def outside_BN(self, leaf_arrays: Sequence[NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Which rows of frame arrays lie outside the space, NaN included (None: not one)."""
        outside = None
        for array, bounds, span in zip(leaf_arrays, self.bounds, self._spans, strict=True):
            if bounds is None or all_within(array, span):
                continue
            inside = (array >= bounds[0]) & (array <= bounds[1])
            if not inside.all():
                bad_BN = ~inside.reshape(*array.shape[:2], -1).all(-1)
                outside = bad_BN if outside is None else outside | bad_BN
        return None if outside is None else np.asarray(outside)

    def complain(self, values: Sequence[NDArray[Any]], where: str, when: str) -> None:
        """Raise the ObservationError of leaf values that lie outside their space; nothing where none does."""
        for leaf, value, bounds in zip(self.leaves, values, self.bounds, strict=True):
            if bounds is not None and not ((value >= bounds[0]) & (value <= bounds[1])).all():
                raise ObservationError(
                    f"{where}{'/' + leaf.path if leaf.path else ''}",
                    got=f"values in [{value.min()}, {value.max()}]{when}",
                    expected=f"values in [{bounds[0].min()}, {bounds[1].max()}]",
                    remedy="Widen the space, or keep the observation in it.",
                )


def as_mask(value: Any, size: int, where: str) -> NDArray[np.uint8]:  # noqa: ANN401  # a user's mask
    """A mask as an array of 0 and 1; ObservationError where it has another length or other numbers."""
    mask = np.asarray(value)
    if (
        mask.shape != (size,)
        or mask.dtype.kind not in "biu"
        or (mask.dtype.kind == "i" and mask.min(initial=0) < 0)
    ):
        got = f"{mask.dtype} of shape {mask.shape}"
        raise ObservationError(f"{where}: action mask", got=got, expected=f"{size} numbers 0 or 1")
    return mask if mask.dtype == np.uint8 else mask.astype(np.uint8)


def span_of(low: NDArray[Any], high: NDArray[Any]) -> Span | None:
    """The bounds that all numbers share; None where each has its own."""
    shared = low.size > 0 and (low == low.flat[0]).all() and (high == high.flat[0]).all()
    return (low.flat[0].item(), high.flat[0].item()) if shared else None


def all_within(array: NDArray[Any], span: Span | None) -> bool:
    """Whether shared bounds hold for all numbers; False also where there are none, or nothing to judge.

    The least and the greatest tell, in half the passes that a comparison of each takes. NaN is both of them,
    and within no bounds.
    """
    if span is None or not array.size:
        return False
    return bool(span[0] <= array.min().item() and array.max().item() <= span[1])


def _as_leaf(value: Any, leaf: Leaf, dtype: np.dtype[Any], where: str) -> NDArray[Any]:  # noqa: ANN401  # a user's value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ObservationError(
            where, got=f"{value!r}"[:200], expected=f"{dtype} of shape {leaf.shape}"
        ) from error
    if array.shape == leaf.shape:
        if array.dtype == dtype:
            return array
        if np.can_cast(array.dtype, dtype, "same_kind"):
            return array.astype(dtype)
        if array.dtype.kind in "biu" and dtype.kind in "iu":
            cast = array.astype(dtype)
            if np.array_equal(cast, array):
                return cast
    raise ObservationError(
        where,
        got=f"{array.dtype} of shape {array.shape}",
        expected=f"{dtype} of shape {leaf.shape}",
        remedy="Give what the space declares, or declare what is given.",
    )


def _bounds_of(part: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The bounds of a leaf; None where no value of its dtype can lie outside."""
    space: Any = from_json(part)
    if part["k"] == "disc":
        return np.asarray(space.start), np.asarray(space.start + space.n - 1)
    if part["k"] == "mdisc":
        return space.start, space.start + space.nvec - 1
    if part["k"] == "mbin":
        return np.zeros(space.shape, np.int8), np.ones(space.shape, np.int8)
    low, high = space.low, space.high
    if low.dtype.kind == "b":
        return None
    if low.dtype.kind in "iu":
        limits = np.iinfo(low.dtype)
        if np.all(low == limits.min) and np.all(high == limits.max):
            return None
    return low, high
