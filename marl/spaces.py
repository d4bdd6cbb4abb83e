"""Spaces as data: JSON both ways, flattened once into leaf arrays, restored at the agent.

A space is a tree (Dict, Tuple) of leaves (Box, Discrete, MultiDiscrete, MultiBinary). Everything that runs
works on the leaves, in depth-first order (Dict keys sorted, as gymnasium sorts them). Actions of a seat are one
row of K numbers, 0-based: `Discrete(start)` is undone at the edge, here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces as gym_spaces

from marl.errors import ActionError, ObservationError, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Space = gym_spaces.Space[Any]
    Json = Mapping[str, Any]

WIRE_DTYPES = {
    "b1": np.dtype(np.bool_),
    "i1": np.dtype(np.int8),
    "u1": np.dtype(np.uint8),
    "i2": np.dtype(np.int16),
    "u2": np.dtype(np.uint16),
    "i4": np.dtype(np.int32),
    "u4": np.dtype(np.uint32),
    "i8": np.dtype(np.int64),
    "u8": np.dtype(np.uint64),
    "f2": np.dtype(np.float16),
    "f4": np.dtype(np.float32),
    "f8": np.dtype(np.float64),
}
_WIRE_NAMES = {dtype: name for name, dtype in WIRE_DTYPES.items()}


@dataclass(frozen=True)
class Leaf:
    """One array of a flattened space.

    `path` says where it sits in the tree ("" for a space that is a leaf itself, "camera", "0/goal").
    `kind` is box, discrete, multidiscrete or multibinary. `shape` and `dtype` are those of its array;
    `choices` are the numbers of choices (one for discrete, several for multidiscrete, none for the others).
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    choices: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers the leaf holds."""
        return math.prod(self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return WIRE_DTYPES[self.dtype]


def _bounds(values: NDArray[Any]) -> Any:  # noqa: ANN401  # JSON: a number or a nested list
    """A bound as one number where all are equal, else as a flat list; infinities as strings (JSON has none)."""

    def encode(value: float) -> float | str:
        return float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")

    flat = values.astype(np.float64).ravel()
    if flat.size and np.all(flat == flat[0]):
        return encode(flat[0])
    return [encode(v) for v in flat]


def _unbound(data: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:  # noqa: ANN401  # JSON
    if isinstance(data, list):
        return np.array([float(v) for v in data]).astype(dtype).reshape(shape)
    return np.full(shape, float(data)).astype(dtype)


def to_json(space: Space) -> dict[str, Any]:
    """Describe a gymnasium space as plain JSON; raises SpecError for kinds that have no arrays of fixed size."""
    if isinstance(space, gym_spaces.Box):
        name = _WIRE_NAMES.get(space.dtype) if space.dtype is not None else None
        if name is None:
            raise SpecError("Box", got=f"dtype {space.dtype}", expected=f"one of {', '.join(WIRE_DTYPES)}")
        return {"k": "box", "d": name, "s": list(space.shape), "lo": _bounds(space.low), "hi": _bounds(space.high)}
    if isinstance(space, gym_spaces.Discrete):
        return {"k": "disc", "n": int(space.n), "st": int(space.start)}
    if isinstance(space, gym_spaces.MultiDiscrete):
        return {"k": "mdisc", "nv": space.nvec.ravel().tolist(), "st": space.start.ravel().tolist()}
    if isinstance(space, gym_spaces.MultiBinary):
        return {"k": "mbin", "s": list(space.shape)}
    if isinstance(space, gym_spaces.Dict):
        return {"k": "dict", "v": [[key, to_json(sub)] for key, sub in sorted(space.spaces.items())]}
    if isinstance(space, gym_spaces.Tuple):
        return {"k": "tuple", "v": [to_json(sub) for sub in space.spaces]}
    raise SpecError(
        "space",
        got=type(space).__name__,
        expected="Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple",
        remedy="Wrap the environment so that its arrays have a fixed size.",
    )


def from_json(data: Json) -> Space:
    """The gymnasium space that `to_json` described."""
    kind = data["k"]
    if kind == "box":
        dtype, shape = WIRE_DTYPES[data["d"]], tuple(data["s"])
        return gym_spaces.Box(_unbound(data["lo"], shape, dtype), _unbound(data["hi"], shape, dtype), shape, dtype.type)
    if kind == "disc":
        return gym_spaces.Discrete(data["n"], start=data["st"])
    if kind == "mdisc":
        return gym_spaces.MultiDiscrete(data["nv"], start=data["st"])
    if kind == "mbin":
        return gym_spaces.MultiBinary(data["s"])
    if kind == "dict":
        return gym_spaces.Dict({key: from_json(sub) for key, sub in data["v"]})
    if kind == "tuple":
        return gym_spaces.Tuple([from_json(sub) for sub in data["v"]])
    raise SpecError("space description", got=repr(kind), expected="box, disc, mdisc, mbin, dict or tuple")


def leaves(data: Json, path: str = "") -> tuple[Leaf, ...]:
    """The leaves of a described space, depth first."""
    kind = data["k"]
    if kind == "box":
        return (Leaf(path, "box", tuple(data["s"]), data["d"]),)
    if kind == "disc":
        return (Leaf(path, "discrete", (), "i8", (data["n"],)),)
    if kind == "mdisc":
        return (Leaf(path, "multidiscrete", (len(data["nv"]),), "i8", tuple(data["nv"])),)
    if kind == "mbin":
        return (Leaf(path, "multibinary", tuple(data["s"]), "i1"),)
    below = data["v"] if kind == "dict" else [[str(i), sub] for i, sub in enumerate(data["v"])]
    return tuple(leaf for key, sub in below for leaf in leaves(sub, f"{path}/{key}" if path else key))


def flatten(data: Json, value: Any) -> list[Any]:  # noqa: ANN401  # a value of an arbitrary space
    """The leaf values of one observation or action, depth first, untouched (no cast, no copy)."""
    if data["k"] == "dict":
        return [leaf for key, sub in data["v"] for leaf in flatten(sub, value[key])]
    if data["k"] == "tuple":
        return [leaf for sub, part in zip(data["v"], value, strict=True) for leaf in flatten(sub, part)]
    return [value]


def restore(data: Json, arrays: Sequence[Any]) -> Any:  # noqa: ANN401  # a value of an arbitrary space
    """The value of a described space from its leaf arrays; copies, so that nobody shares the frame's memory."""
    rest = list(arrays)
    return _restore(data, rest)


def _restore(data: Json, rest: list[Any]) -> Any:  # noqa: ANN401  # a value of an arbitrary space
    kind = data["k"]
    if kind == "dict":
        return {key: _restore(sub, rest) for key, sub in data["v"]}
    if kind == "tuple":
        return tuple(_restore(sub, rest) for sub in data["v"])
    value = rest.pop(0)
    if kind == "disc":
        return int(value)
    return np.array(value)


def action_dtype(parts: Sequence[Leaf]) -> np.dtype[Any]:
    """int32 where every leaf counts, float32 where every leaf is a box of floats, float64 where both are mixed."""
    counted = [leaf.kind != "box" or np.issubdtype(leaf.numpy_dtype, np.integer) for leaf in parts]
    if all(counted):
        return np.dtype(np.int32)
    return np.dtype(np.float64) if any(counted) else np.dtype(np.float32)


def action_size(parts: Sequence[Leaf]) -> int:
    """K, how many numbers one action takes."""
    return sum(leaf.size for leaf in parts)


def mask_size(parts: Sequence[Leaf]) -> int:
    """A, the length of an action mask: the choices of all counted leaves, one after another (0 without any)."""
    return sum(sum(leaf.choices) for leaf in parts)


def encode_action(data: Json, value: Any, out_K: NDArray[Any], where: str) -> None:  # noqa: ANN401
    """Write one action of an outer space as K numbers, 0-based; ActionError says what does not fit."""
    at = 0
    for part, leaf_value in zip(_leaf_spaces(data), flatten_action(data, value, where), strict=True):
        flat = np.asarray(leaf_value)
        expected = _leaf_shape(part)
        if flat.shape != expected and flat.size != math.prod(expected):
            raise ActionError(where, got=f"an action of shape {flat.shape}", expected=f"shape {expected}")
        if flat.dtype.kind not in "biuf" or not np.all(np.isfinite(flat)):
            raise ActionError(where, got=f"action {value!r}", expected="finite numbers")
        numbers = flat.ravel().astype(np.float64) - _start(part)
        _check_range(part, numbers, value, where)
        out_K[at : at + flat.size] = numbers
        at += flat.size


def flatten_action(data: Json, value: Any, where: str) -> list[Any]:  # noqa: ANN401
    """`flatten`, with an ActionError where the tree itself does not fit."""
    try:
        return flatten(data, value)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ActionError(where, got=f"{value!r}", expected=f"an action of {from_json(data)}") from error


def decode_action(data: Json, action_K: NDArray[Any]) -> Any:  # noqa: ANN401  # a value of an arbitrary space
    """The action of the outer space that K numbers stand for."""
    arrays, at = [], 0
    for part in _leaf_spaces(data):
        shape = _leaf_shape(part)
        size = math.prod(shape)
        numbers = action_K[at : at + size] + _start(part)
        at += size
        if part["k"] == "disc":
            arrays.append(int(numbers[0]))
        else:
            dtype = WIRE_DTYPES[part["d"]] if part["k"] == "box" else np.int8 if part["k"] == "mbin" else np.int64
            arrays.append(np.asarray(numbers).astype(dtype).reshape(shape))
    return _restore(data, arrays)


def check_observation(data: Json, value: Any, where: str) -> None:  # noqa: ANN401
    """Raise ObservationError, naming the leaf, unless `value` lies in the described space."""
    space = from_json(data)
    if space.contains(value):
        return
    try:
        parts = flatten(data, value)
    except (KeyError, TypeError, ValueError, IndexError):
        raise ObservationError(where, got=f"{value!r}"[:200], expected=str(space)) from None
    for part, leaf, leaf_value in zip(_leaf_spaces(data), leaves(data), parts, strict=True):
        if not from_json(part).contains(leaf_value):
            array = np.asarray(leaf_value)
            low_high = f" in [{array.min()}, {array.max()}]" if array.size and array.dtype.kind in "biuf" else ""
            raise ObservationError(
                f"{where}{'/' + leaf.path if leaf.path else ''}",
                got=f"{array.dtype} of shape {array.shape}{low_high}",
                expected=str(from_json(part)),
            )
    raise ObservationError(where, got=f"{value!r}"[:200], expected=str(space))


def _leaf_spaces(data: Json) -> list[Json]:
    if data["k"] == "dict":
        return [leaf for _, sub in data["v"] for leaf in _leaf_spaces(sub)]
    if data["k"] == "tuple":
        return [leaf for sub in data["v"] for leaf in _leaf_spaces(sub)]
    return [data]


def _leaf_shape(part: Json) -> tuple[int, ...]:
    if part["k"] == "disc":
        return ()
    return (len(part["nv"]),) if part["k"] == "mdisc" else tuple(part["s"])


def _start(part: Json) -> NDArray[Any] | int:
    if part["k"] == "mdisc":
        return np.asarray(part["st"])
    return int(part["st"]) if part["k"] == "disc" else 0


def _check_range(part: Json, numbers: NDArray[Any], value: Any, where: str) -> None:  # noqa: ANN401
    if part["k"] == "box":
        shape = tuple(part["s"])
        low = _unbound(part["lo"], shape, np.dtype(np.float64)).ravel()
        high = _unbound(part["hi"], shape, np.dtype(np.float64)).ravel()
    else:
        low = np.zeros(numbers.shape)
        top = part["nv"] if part["k"] == "mdisc" else part.get("n", 2)
        high = np.broadcast_to(np.asarray(top, np.float64) - 1, numbers.shape)
        if np.any(numbers != np.floor(numbers)):
            raise ActionError(where, got=f"action {value!r}", expected="whole numbers")
    slack = 1e-6 * np.maximum(1.0, np.abs(high - low)) if part["k"] == "box" else 0.0
    if np.any(numbers < low - slack) or np.any(numbers > high + slack):
        raise ActionError(where, got=f"action {value!r}", expected=f"a value of {from_json(part)}")
