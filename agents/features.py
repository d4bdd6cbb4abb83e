"""Observations as one row of float32 features: boxes flat, counts one-hot, bytes scaled to [0, 1]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.spaces import Leaf
    from marl.spec import Role


def feature_size(role: Role) -> int:
    """F, how many features an observation of the role has."""
    return sum(leaf_size(leaf) for leaf in role.observation)


def features(role: Role, observation: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Rows of features: leaves shaped (..., *leaf) become (rows, F), with the leading axes as one."""
    parts = [_part(leaf, array) for leaf, array in zip(role.observation, observation, strict=True)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def leaf_size(leaf: Leaf) -> int:
    """How many features a leaf has."""
    return sum(leaf.choices) or leaf.size


def _part(leaf: Leaf, array: NDArray[Any]) -> NDArray[np.float32]:
    # counted, as -1 says nothing of leaves without a number: a seat may see nothing
    rows = array.reshape(math.prod(array.shape[: array.ndim - len(leaf.shape)]), leaf.size)
    if leaf.choices:
        hot = [(rows[:, i : i + 1] == np.arange(size)) for i, size in enumerate(leaf.choices)]
        return np.concatenate(hot, axis=1).astype(np.float32)
    if leaf.dtype == "u1":
        return rows.astype(np.float32) * np.float32(1 / 255)
    return rows.astype(np.float32, copy=False)
