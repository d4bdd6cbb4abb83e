"""A run is a folder that suffices by itself: settings, versions, ledger, snapshots, replays, report."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomli_w

from league.config import LeagueSettings
from league.durable import sweep, write_whole
from league.ledger import Ledger
from marl.errors import ConfigError, RunError
from marl.settings import read_toml
from marl.spec import content_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from league.config import TournamentSettings

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

    def __init__(self, folder: Path, settings: LeagueSettings, ledger: Ledger, lock: int | None) -> None:
        self.folder, self.settings, self.ledger = folder, settings, ledger
        self._lock = lock

    @classmethod
    def create(cls, folder: Path, settings: LeagueSettings) -> Self:
        """Begin a run in a folder, or go on in that of one with the same settings.

        Settings that results do not depend on may differ, and all of them while nothing is recorded. Raises
        RunError where the folder can't be written or somebody else writes in it, ConfigError for other
        settings, LedgerError.
        """
        text = _as_toml(settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _locked(folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            sweep(folder)
            ledger = Ledger.open(folder / LEDGER)
            try:
                _write_settings(folder, settings, text, begun=bool(ledger.tasks(settings.name)))
            except BaseException:
                ledger.close()
                raise
        except OSError as error:
            os.close(lock)
            raise _unwritable(folder, error) from error
        except BaseException:
            os.close(lock)
            raise
        return cls(folder, settings, ledger, lock)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a run that was begun before, to read it."""
        config = folder / CONFIG
        if not config.is_file():
            raise RunError(
                f"run folder {folder}",
                got=f"no {CONFIG}",
                expected="the folder of a run",
                remedy="Name the folder that was given with --out.",
            )
        settings = LeagueSettings.read(str(config), read_toml(config))
        return cls(folder, settings, Ledger.open(folder / LEDGER, create=False), None)

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"run {self.folder}"

    @property
    def name(self) -> str:
        """What it is called in its ledger."""
        return self.settings.name

    @property
    def rules(self) -> TournamentSettings | None:
        """Its tournament's rules."""
        return self.settings.tournament

    def anchors(self, here: Collection[str]) -> dict[str, float]:
        """Those of its anchors that are here."""
        pins = self.rules.anchors if self.rules else {}
        return {name: elo for name, elo in pins.items() if name in here}

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Write the figures of all updates, one a line: a copy of what the ledger holds."""
        write_whole(self.folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

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


def busy(folder: Path) -> bool:
    """Whether a process writes in a run's folder now."""
    try:
        os.close(_locked(folder))
    except RunError:
        return True
    return False


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock for as long as it is open."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise RunError(
            f"run folder {folder}",
            got="another process that writes in it",
            expected="one writer at a time",
            remedy="Wait for it, or name another folder with --out.",
        ) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unwritable(folder: Path, error: OSError) -> RunError:
    return RunError(
        f"run folder {folder}",
        got=error.strerror or str(error),
        expected="a folder that can be written",
        remedy="Name another one with --out.",
    )


def _write_settings(folder: Path, settings: LeagueSettings, text: str, *, begun: bool) -> None:
    """Write what was asked for, unless results are recorded that follow from something else."""
    config = folder / CONFIG
    if config.exists():
        known = LeagueSettings.read(str(config), read_toml(config))
        if begun or known.name != settings.name:
            _same(folder, known, settings)
    else:
        write_whole(folder / ABOUT, json.dumps(_about(settings), indent=1))
    write_whole(config, text)


_FREE: dict[str, Any] = {
    "workers": True,
    "sinks": True,
    "pool": {"hosts", "keys"},
    "tournament": {"external": {"__all__": {"command", "wait_s"}}, "gateway": {"bind"}},
}
"""Settings that results do not depend on."""


def _same(folder: Path, known: LeagueSettings, wanted: LeagueSettings) -> None:
    before, now = (settings.model_dump(mode="json", exclude=_FREE) for settings in (known, wanted))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        raise ConfigError(
            f"run folder {folder}",
            got=f"other settings for {', '.join(changed)}",
            expected=f"those that it was begun with ({CONFIG} there)",
            remedy="Go on with `marl league resume`, or name another folder with --out.",
        )


def _as_toml(settings: LeagueSettings) -> str:
    """The settings as they are written; ConfigError where they would not be the same when they are read."""
    try:
        text = tomli_w.dumps(_plain(settings.model_dump(mode="json")))
        same = LeagueSettings.read("settings", tomllib.loads(text)) == settings
    except TypeError:  # a null in a list
        same = False
    if not same:
        raise ConfigError(
            f"league {settings.name}",
            got="a null among its options or its learner's settings",
            expected="values that TOML can hold",
            remedy="Leave the key out, which takes its default.",
        )
    return text


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
