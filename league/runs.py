"""A run is a folder that suffices by itself: settings, versions, ledger, snapshots, checkpoints, replays, metrics, report."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomli_w

from league.config import LeagueSettings
from league.ledger import Ledger
from marl.errors import ConfigError, RunError
from marl.settings import read_toml
from marl.spec import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG, ABOUT, LEDGER, METRICS, LOCK, REPORT = (
    "config.toml",
    "run.json",
    "ledger.db",
    "metrics.jsonl",
    ".lock",
    "report.html",
)
_PACKAGES = ("numpy", "torch", "pettingzoo", "gymnasium", "numba", "pyzmq", "marl-league")


class Run:
    """An open run: its folder, settings and ledger. One process writes at a time."""

    def __init__(self, folder: Path, settings: LeagueSettings, *, writes: bool) -> None:
        self.folder, self.settings = folder, settings
        self._lock = _locked(folder) if writes else None
        self.ledger = Ledger.open(folder / LEDGER, create=writes)

    @classmethod
    def create(cls, folder: Path, settings: LeagueSettings) -> Self:
        """Begin a run in a new folder, or go on in the folder of one with the same settings."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            config = folder / CONFIG
            if config.exists():
                known = LeagueSettings.read(str(config), read_toml(config))
                _same(folder, known, settings)
            else:
                _write_whole(config, tomli_w.dumps(_plain(settings.model_dump(mode="json"))))
                _write_whole(folder / ABOUT, json.dumps(_about(settings), indent=1))
        except OSError as error:
            raise RunError(
                f"run folder {folder}",
                got=error.strerror or str(error),
                expected="a folder that can be written",
                remedy="Name another one with --out.",
            ) from error
        return cls(folder, settings, writes=True)

    @classmethod
    def open(cls, folder: Path, *, writes: bool = False) -> Self:
        """Open a run that was begun before."""
        config = folder / CONFIG
        if not config.is_file():
            raise RunError(
                f"run folder {folder}",
                got=f"no {CONFIG}",
                expected="the folder of a run",
                remedy="Name the folder that was given with --out.",
            )
        return cls(folder, LeagueSettings.read(str(config), read_toml(config)), writes=writes)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Write the figures of all updates, one a line: a copy of what the ledger holds."""
        _write_whole(self.folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def close(self) -> None:
        """Close the ledger and let others write."""
        self.ledger.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(folder: Path) -> int:
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RunError(f"run folder {folder}", got=str(error.strerror), expected="a folder that can be written") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise RunError(
            f"run folder {folder}",
            got="another process that writes in it",
            expected="one writer at a time",
            remedy="Wait for it, or name another folder with --out.",
        ) from error
    return descriptor


def _same(folder: Path, known: LeagueSettings, wanted: LeagueSettings) -> None:
    """Settings that results do not depend on may differ."""
    free: dict[str, Any] = {"workers": True, "pool": {"hosts"}}
    if known.model_dump(exclude=free) == wanted.model_dump(exclude=free):
        return
    before, now = (s.model_dump(mode="json") for s in (known, wanted))
    changed = sorted(key for key in now if before.get(key) != now[key])
    raise ConfigError(
        f"run folder {folder}",
        got=f"other settings for {', '.join(changed)}",
        expected=f"those it was begun with ({CONFIG} there)",
        remedy="Go on with `marl league resume`, or name another folder with --out.",
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  # JSON
    """TOML has no null: fields that are none are left out."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value


def _about(settings: LeagueSettings) -> Mapping[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "none"
    return {
        "name": settings.name,
        "seed": settings.seed,
        "config_hash": content_hash(settings.model_dump(mode="json")),
        "argv": sys.argv[1:],
        "begun_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": versions,
    }


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".half-{path.name}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
