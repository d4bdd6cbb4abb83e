"""Spaces as data: JSON both ways, flattened once into leaf arrays, restored at the agent.

A space is a tree (Dict, Tuple) of leaves (Box, Discrete, MultiDiscrete, MultiBinary). Everything that
runs works on the leaves, in depth-first order (Dict keys sorted, as gymnasium sorts them). Actions of a
seat are one row of K numbers, 0-based: `Discrete(start)` is undone at the edge, here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces as gym_spaces

from marl.errors import ObservationError, SpecError

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
    """A bound as one number where all are equal, else as a flat list.

    Infinities as strings (JSON has none).
    """

    def encode(value: float) -> float | str:
        if isinstance(value, int):
            return value
        return float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")

    # Whole numbers stay whole: 64 bits of them do not fit a float.
    flat = values.ravel() if values.dtype.kind in "iu" else values.astype(np.float64).ravel()
    if flat.size and np.all(flat == flat[0]):
        return encode(flat[0].item())
    return [encode(value) for value in flat.tolist()]


def _unbound(data: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:  # noqa: ANN401  # JSON
    def decode(value: float | str) -> float:
        return int(value) if dtype.kind in "iu" else float(value)

    if isinstance(data, list):
        return np.array([decode(value) for value in data], dtype).reshape(shape)
    return np.full(shape, decode(data), dtype)


def to_json(space: Space) -> dict[str, Any]:
    """Describe a gymnasium space as plain JSON.

    Raises SpecError for kinds that have no arrays of fixed size.
    """
    if isinstance(space, gym_spaces.Box):
        name = _WIRE_NAMES.get(space.low.dtype)
        if name is None:
            raise SpecError("Box", got=f"dtype {space.dtype}", expected=f"one of {', '.join(WIRE_DTYPES)}")
        return {
            "k": "box",
            "d": name,
            "s": list(space.shape),
            "lo": _bounds(space.low),
            "hi": _bounds(space.high),
        }
    if isinstance(space, gym_spaces.Discrete):
        return {"k": "disc", "n": int(space.n), "st": int(space.start)}
    if isinstance(space, gym_spaces.MultiDiscrete):
        if space.nvec.ndim != 1:
            raise SpecError("MultiDiscrete", got=f"nvec of shape {space.nvec.shape}", expected="a flat list")
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
        return gym_spaces.Box(
            _unbound(data["lo"], shape, dtype), _unbound(data["hi"], shape, dtype), shape, dtype.type
        )
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
    """The leaf values of one observation or action, depth first, untouched (no cast, no copy).

    KeyError, TypeError or ValueError where the tree is another one.
    """
    if data["k"] == "dict":
        if len(value) != len(data["v"]):
            raise KeyError(f"the keys are {sorted(value)}, not {[key for key, _ in data['v']]}")
        return [leaf for key, sub in data["v"] for leaf in flatten(sub, value[key])]
    if data["k"] == "tuple":
        return [leaf for sub, part in zip(data["v"], value, strict=True) for leaf in flatten(sub, part)]
    return [value]


def restore(data: Json, arrays: Sequence[Any]) -> Any:  # noqa: ANN401  # a value of an arbitrary space
    """The value of a described space from its leaf arrays.

    Copies, so that nobody shares the frame's memory.
    """
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
    """int32 where every leaf counts, float32 where all are boxes of at most 32-bit floats, else float64."""
    counted = [leaf.kind != "box" or leaf.numpy_dtype.kind in "biu" for leaf in parts]
    if all(counted):
        return np.dtype(np.int32)
    wide = any(counted) or any(leaf.dtype == "f8" for leaf in parts)
    return np.dtype(np.float64) if wide else np.dtype(np.float32)


def action_size(parts: Sequence[Leaf]) -> int:
    """K, how many numbers one action takes."""
    return sum(leaf.size for leaf in parts)


def mask_size(parts: Sequence[Leaf]) -> int:
    """A, the length of an action mask.

    The choices of all counted leaves, one after another (0 without any).
    """
    return sum(sum(leaf.choices) for leaf in parts)


def check_observation(data: Json, value: Any, where: str) -> None:  # noqa: ANN401
    """Raise ObservationError, naming the leaf, unless `value` lies in the described space."""
    space = from_json(data)
    if space.contains(value):
        return
    try:
        parts = flatten(data, value)
    except (KeyError, TypeError, ValueError, IndexError):
        raise ObservationError(where, got=f"{value!r}"[:200], expected=str(space)) from None
    for part, leaf, leaf_value in zip(leaf_spaces(data), leaves(data), parts, strict=True):
        if not from_json(part).contains(leaf_value):
            array = np.asarray(leaf_value)
            low_high = (
                f" in [{array.min()}, {array.max()}]" if array.size and array.dtype.kind in "biuf" else ""
            )
            raise ObservationError(
                f"{where}{'/' + leaf.path if leaf.path else ''}",
                got=f"{array.dtype} of shape {array.shape}{low_high}",
                expected=str(from_json(part)),
            )
    raise ObservationError(where, got=f"{value!r}"[:200], expected=str(space))


def leaf_spaces(data: Json) -> list[Json]:
    """The described leaves of a described space, in the order of `leaves`."""
    if data["k"] == "dict":
        return [leaf for _, sub in data["v"] for leaf in leaf_spaces(sub)]
    if data["k"] == "tuple":
        return [leaf for sub in data["v"] for leaf in leaf_spaces(sub)]
    return [data]
