"""Checkpoints: networks, optimisers and running statistics of a learner as named arrays, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from agents.devices import to_array
from marl.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class Stateful(Protocol):
    """An optimiser, or running statistics."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on."""
        ...

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`."""
        ...


Part = nn.Module | Stateful
"""What a learner keeps."""


def pack(parts: Mapping[str, Part]) -> dict[str, NDArray[Any]]:
    """Copies of all arrays of the parts, named `part.array`."""
    return {
        f"{name}.{key}": array.copy() for name, part in parts.items() for key, array in _arrays(part).items()
    }


def unpack(parts: Mapping[str, Part], arrays: Mapping[str, NDArray[Any]], where: str) -> None:
    """Put what `pack` gave back into parts of the same shapes; SnapshotError names what does not fit."""
    expected = {
        f"{name}.{key}": own.shape for name, part in parts.items() for key, own in _arrays(part).items()
    }
    found = {key: array.shape for key, array in arrays.items() if key in expected}
    if found != expected:
        name = next(key for key, shape in expected.items() if found.get(key) != shape)
        raise SnapshotError(
            where,
            got=f"{name} of shape {found[name]}" if name in found else f"no {name}",
            expected=f"shape {expected[name]}",
            remedy="It was written by a learner of other settings, roles or seats.",
        )
    for name, part in parts.items():
        prefix = f"{name}."
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        if isinstance(part, nn.Module):
            part.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in own.items()})
        else:
            part.load({key: array.copy() for key, array in own.items()})


def check(folder: Path, manifest: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise SnapshotError at the first entry of a manifest that is not as expected."""
    for key, own in expected.items():
        if manifest.get(key) != own:
            raise SnapshotError(f"{folder}: {key}", got=repr(manifest.get(key)), expected=repr(own))


def _arrays(part: Part) -> dict[str, NDArray[Any]]:
    if isinstance(part, nn.Module):
        return {key: to_array(tensor) for key, tensor in part.state_dict().items()}
    return part.state()
