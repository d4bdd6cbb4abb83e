"""Snapshots and checkpoints: immutable folders of safetensors and JSON, named by the hash of what they hold.

A folder is written beside its place and renamed into it when it is whole, so a reader never sees half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from marl.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
_TENSORS, _MANIFEST = "tensors.safetensors", "manifest.json"


def write(folder: Path, manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Path:
    """Write a folder below `folder`, named by its content hash; one that is there already is kept."""
    body = save({name: _contiguous(array) for name, array in sorted(tensors.items())})
    text = json.dumps({**manifest, "format": FORMAT}, sort_keys=True, indent=1).encode()
    name = hashlib.sha256(hashlib.sha256(text).digest() + hashlib.sha256(body).digest()).hexdigest()[:24]
    target = folder / name
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".half-", dir=folder))
    try:
        for file, data in ((_TENSORS, body), (_MANIFEST, text)):
            _write_synced(temporary / file, data)
        try:
            temporary.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(folder)
    return target


def read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The manifest and tensors of a folder; SnapshotError where it is incomplete, altered or newer."""
    manifest_path, tensor_path = folder / _MANIFEST, folder / _TENSORS
    for path in (manifest_path, tensor_path):
        if not path.is_file():
            raise SnapshotError(
                str(folder),
                got=f"no {path.name}",
                expected=f"{_MANIFEST} and {_TENSORS}",
                remedy="It was half-written or half-copied; use another snapshot, or copy it again.",
            )
    text, body = manifest_path.read_bytes(), tensor_path.read_bytes()
    name = hashlib.sha256(hashlib.sha256(text).digest() + hashlib.sha256(body).digest()).hexdigest()[:24]
    if folder.name != name:
        raise SnapshotError(
            str(folder),
            got=f"content of hash {name}",
            expected=f"content of hash {folder.name}, the folder's name",
            remedy="The files were altered or cut short; copy the folder again from where it came from.",
        )
    manifest: dict[str, Any] = json.loads(text)
    if manifest["format"] > FORMAT:
        raise SnapshotError(
            str(folder), got=f"format {manifest['format']}", expected=f"format {FORMAT} or older"
        )
    try:
        tensors: dict[str, NDArray[Any]] = load(body)
    except SafetensorError as error:
        raise SnapshotError(str(folder), got=str(error), expected="readable tensors") from error
    return manifest, tensors


def begun_with(folder: Path) -> dict[str, Any]:
    """All settings of the learner that wrote a checkpoint, with defaults of then; {} where it told none."""
    path = folder / _MANIFEST
    manifest = json.loads(path.read_bytes()) if path.is_file() else {}
    settings: dict[str, Any] = manifest.get("settings", {})
    return settings


def _contiguous(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return array if array.flags["C_CONTIGUOUS"] else array.copy(order="C")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
