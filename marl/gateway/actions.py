"""An agent's action, read and judged against the described space of its role: no numpy, nothing trusted.

It gives what `marl.actions.encode_action` gives (K numbers, 0-based, in the role's action dtype) for what
comes as entries and raw frames. Nothing is clipped or rounded.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from marl.gateway.protocol import ArrayOf, Entry

CODES = {
    "b1": "B",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}
"""struct's letter for each dtype of the wire."""


class IllegalActionError(Exception):
    """The action is not one of its space, or masked; the text goes to the agent."""


def _leaf_spaces(space: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if space["k"] == "dict":
        for _, part in space["v"]:
            yield from _leaf_spaces(part)
    elif space["k"] == "tuple":
        for part in space["v"]:
            yield from _leaf_spaces(part)
    else:
        yield space


def _each(bound: float | str | list[float | str], size: int) -> list[float]:
    return [float(value) for value in bound] if isinstance(bound, list) else [float(bound)] * size


class _Leaf:
    """What one leaf of an action may be: its shape, whole or not, and for each number start, low and high."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        kind = space["k"]
        self.shape: tuple[int, ...] = ()
        self.whole = kind != "box" or space["d"][0] in "biu"
        self.choices: list[int] = []
        if kind == "disc":
            self.choices, self.start = [space["n"]], [space["st"]]
        elif kind == "mdisc":
            self.shape, self.choices, self.start = (len(space["nv"]),), space["nv"], space["st"]
        else:
            self.shape = tuple(space["s"])
            self.start = [0] * math.prod(self.shape)
        self.size = math.prod(self.shape)
        if kind == "box":
            low, high = _each(space["lo"], self.size), _each(space["hi"], self.size)
            slack = [
                1e-6 * max(1.0, h - lo) if math.isfinite(h - lo) else 1e-6
                for lo, h in zip(low, high, strict=True)
            ]
            self.low = [value - by for value, by in zip(low, slack, strict=True)]
            self.high = [value + by for value, by in zip(high, slack, strict=True)]
        else:
            self.low = [0.0] * self.size
            self.high = [n - 1.0 for n in self.choices] if self.choices else [1.0] * self.size

    def judge(self, values: Sequence[float], name: str) -> list[float]:
        """The numbers, 0-based; IllegalActionError where one is not finite, not whole or out of bounds."""
        numbers = []
        for value, start, low, high in zip(values, self.start, self.low, self.high, strict=True):
            number = value - start
            if not math.isfinite(number):
                raise IllegalActionError(f"{name} is not finite")
            if self.whole and number != int(number):
                raise IllegalActionError(f"{name} is not a whole number")
            if not low <= number <= high:
                raise IllegalActionError(f"{name} is out of bounds: {value:.9g}")
            numbers.append(number)
        return numbers


class ActionReader:
    """Reads actions of one described space into rows of `dtype` (i4, f4 or f8)."""

    def __init__(self, space: Mapping[str, Any], dtype: str, *, masked: bool) -> None:
        self._leaves = [_Leaf(part) for part in _leaf_spaces(space)]
        self._whole_row = dtype == "i4"
        self._row = struct.Struct(f"<{sum(leaf.size for leaf in self._leaves)}{CODES[dtype]}")
        self._choices = [n for leaf in self._leaves for n in leaf.choices] if masked else []
        self._counted = [
            at
            for at, leaf in enumerate(leaf for leaf in self._leaves for _ in range(leaf.size))
            if leaf.choices and masked
        ]
        self.row_bytes = self._row.size
        self.wire_bytes = sum(8 * leaf.size for leaf in self._leaves)

    def read(self, entries: Sequence[Entry], frames: Sequence[bytes], mask: bytes | memoryview) -> bytes:
        """The row of an action; IllegalActionError says to the agent what is wrong with it."""
        if len(entries) != len(self._leaves):
            raise IllegalActionError(f"the action has {len(entries)} parts instead of {len(self._leaves)}")
        row: list[float] = []
        used = 0
        for i, (leaf, entry) in enumerate(zip(self._leaves, entries, strict=True)):
            name = f"part {i} of the action"
            if isinstance(entry, (int, float)):
                if leaf.size != 1:
                    raise IllegalActionError(f"{name} is one number instead of shape {list(leaf.shape)}")
                values: Sequence[float] = (entry,)
            else:
                if used == len(frames):
                    raise IllegalActionError(f"{name} has no frame")
                values = _array(entry, frames[used], leaf, name)
                used += 1
            row += leaf.judge(values, name)
        if used != len(frames):
            raise IllegalActionError(f"{len(frames)} frames came where the action names {used}")
        self._check_mask(row, mask)
        try:
            return self._row.pack(*map(int, row)) if self._whole_row else self._row.pack(*row)
        except (OverflowError, struct.error):
            raise IllegalActionError("a number of the action does not fit its dtype") from None

    def _check_mask(self, row: Sequence[float], mask: bytes | memoryview) -> None:
        offset = 0
        for at, size in zip(self._counted, self._choices, strict=True):
            if not mask[offset + int(row[at])]:
                raise IllegalActionError(f"choice {int(row[at])} is masked")
            offset += size


def _array(entry: ArrayOf, frame: bytes, leaf: _Leaf, name: str) -> Sequence[float]:
    dtype, shape = entry.dtype, entry.shape
    if tuple(shape) != leaf.shape and not (leaf.size == 1 and math.prod(shape) == 1):
        raise IllegalActionError(f"{name} has shape {shape} instead of {list(leaf.shape)}")
    if len(frame) != leaf.size * int(dtype[1]):
        raise IllegalActionError(f"{name} has {len(frame)} bytes instead of {leaf.size * int(dtype[1])}")
    values: tuple[float, ...] = struct.unpack(f"<{leaf.size}{CODES[dtype]}", frame)
    if dtype == "b1" and max(values, default=0) > 1:
        raise IllegalActionError(f"{name} holds a b1 other than 0 and 1")
    return values
