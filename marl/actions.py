"""Actions as rows of K numbers, 0-based: encoded, decoded and judged at the edge, here.

`Discrete(start)` and `MultiDiscrete(start=)` are undone here. Axes: B copies, N seats, K numbers of an
action, A choices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import ActionError, SpecError
from marl.observations import all_within, span_of
from marl.spaces import (
    WIRE_DTYPES,
    action_dtype,
    action_size,
    flatten,
    from_json,
    leaf_spaces,
    leaves,
    restore,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Json = Mapping[str, Any]

SLACK = 1e-6
"""How far a number may lie outside a box, as a part of the box's width (of 1 at least).

What rounding to float32 can do.
"""

_COUNT_LIMIT = 2**31


class ActionCodec:
    """Between values of one described action space and rows of K numbers.

    `low_K` and `high_K` are the bounds of a row (slack included), `choice_K` the index in K of each
    number that has a mask, `offset_K` where the mask of it begins, `choices_K` how many choices it has.
    SpecError where a counted number does not fit 32 bits.
    """

    def __init__(self, space: Json) -> None:
        self.space = space
        self.parts = leaf_spaces(space)
        self.leaves = leaves(space)
        self.size = action_size(self.leaves)
        self.dtype = action_dtype(self.leaves)
        spans = [_span(part, leaf.size) for part, leaf in zip(self.parts, self.leaves, strict=True)]
        self.start_K = np.concatenate([start for start, _, _ in spans])
        self.low_K = np.concatenate([low for _, low, _ in spans])
        self.high_K = np.concatenate([high for _, _, high in spans])
        self._span = span_of(self.low_K, self.high_K)
        self._shifted = bool(self.start_K.any())
        whole = [
            np.full(leaf.size, leaf.kind != "box" or leaf.numpy_dtype.kind in "biu") for leaf in self.leaves
        ]
        self.whole_K = np.concatenate(whole)
        self._counts = bool(self.whole_K.any())
        self._check_count()
        sizes = [size for leaf in self.leaves for size in leaf.choices]
        numbers = np.cumsum([0, *[leaf.size for leaf in self.leaves]]).tolist()
        self.choice_K = np.array(
            [numbers[i] + k for i, leaf in enumerate(self.leaves) for k in range(len(leaf.choices))], np.int64
        )
        self.choices_K = np.array(sizes, np.int64)
        self.offset_K = np.cumsum([0, *sizes])[:-1]
        only = self.leaves[0].kind if len(self.leaves) == 1 and space["k"] not in {"dict", "tuple"} else ""
        self._n = int(space["n"]) if only == "discrete" else 0
        self._start = int(space["st"]) if only == "discrete" else 0
        self._array = only in {"box", "multidiscrete", "multibinary"} and self.leaves[0].shape != ()

    def encode(self, value: Any, out_K: NDArray[Any], where: str) -> None:  # noqa: ANN401  # the arena's space
        """Write one action as a row; ActionError says what does not fit."""
        if self._n and type(value) is int and 0 <= value - self._start < self._n:
            out_K[0] = value - self._start
            return
        out_K[:] = self._numbers(value, where)

    def check(self, value: Any, where: str) -> None:  # noqa: ANN401  # the arena's space
        """Raise ActionError unless `value` is an action of the space."""
        if self._n and type(value) is int and 0 <= value - self._start < self._n:
            return
        self._numbers(value, where)

    def decode(self, action_K: NDArray[Any]) -> Any:  # noqa: ANN401  # the arena's space
        """The action that a row stands for; it shares no memory with the row."""
        if self._n:
            return int(action_K[0]) + self._start
        numbers = action_K + self.start_K
        arrays, at = [], 0
        for part, leaf in zip(self.parts, self.leaves, strict=True):
            arrays.append(numbers[at : at + leaf.size].astype(_dtype(part)).reshape(leaf.shape))
            at += leaf.size
        return restore(self.space, arrays)

    def decode_all(self, action_BNK: NDArray[Any]) -> Sequence[Sequence[Any]]:
        """The actions of all seats of all copies, as result[copy][seat].

        They share no memory with the rows.
        """
        if self._n:
            choices: list[list[int]] = (action_BNK[:, :, 0] + self._start).tolist()
            return choices
        if self._array:
            numbers = action_BNK + self.start_K if self._shifted else action_BNK
            values = numbers.astype(_dtype(self.parts[0]))
            return values.reshape(*action_BNK.shape[:2], *self.leaves[0].shape)  # type: ignore[return-value]  # an array
        return [[self.decode(action_K) for action_K in action_NK] for action_NK in action_BNK]

    def illegal(self, action_RK: NDArray[Any], mask_RA: NDArray[np.uint8] | None) -> NDArray[np.bool_] | None:
        """Which rows are out of the space, not finite, not whole or masked (None: not one).

        Rows may have any leading axes.
        """
        if self._n and action_RK.ndim == 2:
            choice_R = action_RK[:, 0]
            if ((choice_R >= 0) & (choice_R < self._n)).all() and (
                mask_RA is None or not mask_RA.shape[1] or mask_RA[np.arange(len(choice_R)), choice_R].all()
            ):
                return None
        whole = self._counts and action_RK.dtype.kind == "f"
        if mask_RA is None and not whole and all_within(action_RK, self._span):
            return None
        legal = (action_RK >= self.low_K) & (action_RK <= self.high_K)
        if whole:
            legal &= ~self.whole_K | (action_RK == np.floor(action_RK))
        if mask_RA is not None and mask_RA.shape[-1]:
            chosen = action_RK if len(self.choice_K) == self.size else action_RK[..., self.choice_K]
            # Rows that are out of the space are reported anyway; here they need only stay within the mask.
            if chosen.dtype.kind == "f":
                chosen = np.nan_to_num(chosen).astype(np.int64)
            chosen = np.clip(chosen, 0, self.choices_K - 1)
            allowed = np.take_along_axis(mask_RA, chosen + self.offset_K, -1) > 0
            if not allowed.all():
                return np.asarray(~(legal.all(-1) & allowed.all(-1)), np.bool_)
        return None if legal.all() else np.asarray(~legal.all(-1))

    def refuse(self, action_K: NDArray[Any], mask_A: NDArray[np.uint8] | None, where: str) -> None:
        """Raise the ActionError that says why a row is illegal; nothing where it is not."""
        if self.illegal(action_K, None) is not None:
            value = action_K if not np.isfinite(action_K).all() else action_K + self.start_K
            raise ActionError(
                where, got=f"action {value.tolist()}", expected=f"a value of {from_json(self.space)}"
            )
        if mask_A is None or not len(mask_A):
            return
        for number, offset, size in zip(self.choice_K, self.offset_K, self.choices_K, strict=True):
            choice = int(action_K[number])
            if not mask_A[offset + choice]:
                legal = np.flatnonzero(mask_A[offset : offset + size]).tolist()
                raise ActionError(where, got=f"choice {choice}, which is masked", expected=f"one of {legal}")

    def _numbers(self, value: Any, where: str) -> NDArray[np.float64]:  # noqa: ANN401  # the arena's space
        """The row of an action, as float64; ActionError says what does not fit."""
        row_K = np.empty(self.size)
        at = 0
        for part, leaf, leaf_value in zip(
            self.parts, self.leaves, self._flattened(value, where), strict=True
        ):
            flat = _as_array(leaf_value, where)
            if flat.shape != leaf.shape and not (flat.size == leaf.size == 1):
                raise ActionError(
                    where, got=f"an action of shape {flat.shape}", expected=f"shape {leaf.shape}"
                )
            end = at + leaf.size
            row_K[at:end] = flat.ravel()
            row_K[at:end] -= self.start_K[at:end]
            if not np.isfinite(row_K[at:end]).all():
                raise ActionError(where, got=f"action {_shown(leaf_value)}", expected="finite numbers")
            if self.whole_K[at:end].any() and (row_K[at:end] != np.floor(row_K[at:end])).any():
                raise ActionError(where, got=f"action {_shown(leaf_value)}", expected="whole numbers")
            if (row_K[at:end] < self.low_K[at:end]).any() or (row_K[at:end] > self.high_K[at:end]).any():
                raise ActionError(
                    where, got=f"action {_shown(leaf_value)}", expected=f"a value of {from_json(part)}"
                )
            at = end
        return row_K

    def _flattened(self, value: Any, where: str) -> list[Any]:  # noqa: ANN401  # the arena's space
        try:
            return flatten(self.space, value)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ActionError(
                where, got=f"{_shown(value)}", expected=f"an action of {from_json(self.space)}"
            ) from error

    def _check_count(self) -> None:
        counted = self.whole_K & (self.dtype.kind == "i")
        if (np.abs(self.low_K[counted]) > _COUNT_LIMIT).any() or (self.high_K[counted] >= _COUNT_LIMIT).any():
            raise SpecError(
                "action space",
                got=str(from_json(self.space)),
                expected="whole numbers that fit 32 bits",
                remedy="Use fewer choices, or a Box of narrower integers.",
            )


def encode_action(space: Json, value: Any, out_K: NDArray[Any], where: str) -> None:  # noqa: ANN401  # any space
    """Write one action of a described space as a row; for many of one space keep an `ActionCodec`."""
    ActionCodec(space).encode(value, out_K, where)


def _as_array(value: Any, where: str) -> NDArray[Any]:  # noqa: ANN401  # a user's value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ActionError(where, got=f"action {_shown(value)}", expected="an array of numbers") from error
    if array.dtype.kind not in "biuf":
        raise ActionError(where, got=f"action {_shown(value)}", expected="finite numbers")
    return array


def _shown(value: Any) -> str:  # noqa: ANN401  # a user's value
    """A value in one line."""
    return " ".join(repr(value).split())[:200]


def _dtype(part: Json) -> np.dtype[Any]:
    if part["k"] == "box":
        return WIRE_DTYPES[part["d"]]
    return np.dtype(np.int8) if part["k"] == "mbin" else np.dtype(np.int64)


def _span(part: Json, size: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """First value, lowest and highest number of a leaf, by number; the slack of boxes is included."""
    if part["k"] == "disc":
        return np.array([part["st"]], np.int64), np.zeros(1), np.array([part["n"] - 1.0])
    if part["k"] == "mdisc":
        return np.array(part["st"], np.int64), np.zeros(size), np.array(part["nv"]) - 1.0
    start = np.zeros(size, np.int64)
    if part["k"] == "mbin":
        return start, np.zeros(size), np.ones(size)
    box: Any = from_json(part)
    low, high = box.low.ravel().astype(np.float64), box.high.ravel().astype(np.float64)
    slack = np.zeros(size)
    if box.dtype.kind == "f":
        bounded = np.isfinite(low) & np.isfinite(high)
        slack = SLACK * np.maximum(1.0, np.where(bounded, high, 1.0) - np.where(bounded, low, 0.0))
    # Infinite is not a number that anybody can play: the bounds of a row are finite.
    limit = np.finfo(np.float64).max
    return start, np.maximum(low - slack, -limit), np.minimum(high + slack, limit)
