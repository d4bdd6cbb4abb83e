"""The doctor: each check finds the fault that it is there for, and says what to do."""

from __future__ import annotations

import importlib.util
import socket
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from marl import doctor


def test_examine_names_every_check_once(tmp_path: Path) -> None:
    """One pass makes every check once; what fails carries a remedy, what holds carries none."""
    checks = doctor.examine(tmp_path / "runs")
    names = [check.name for check in checks]
    assert len(names) == len(set(names)) >= 7 + len(doctor.EXTRAS) - 1
    assert all(bool(check.remedy) != check.ok for check in checks)


def test_examining_leaves_nothing_behind(tmp_path: Path) -> None:
    """Looking at the run folder neither makes it nor leaves a file."""
    assert doctor.check_run_folder(tmp_path / "runs").ok
    assert list(tmp_path.iterdir()) == []


def test_run_folder_that_is_a_file(tmp_path: Path) -> None:
    """A file where the run folder should be is a failed check, not a crash."""
    place = tmp_path / "runs"
    place.write_text("in the way")
    check = doctor.check_run_folder(place)
    assert not check.ok
    assert str(place) in check.detail


def test_shadowed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's `agents` ahead of ours is named, with the folder it lies in."""
    stranger = tmp_path / "agents"
    stranger.mkdir()
    (stranger / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "agents", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    check = doctor.check_packages()
    assert not check.ok
    assert f"{stranger} shadows" in check.detail


def test_every_extra_is_looked_at(root: Path) -> None:
    """All extras that pyproject.toml declares, and no others."""
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert sorted(doctor.EXTRAS) == sorted(declared)


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra says what stays out and how to install it, and is not required."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    check = doctor.check_extra("physics")
    assert not check.ok
    assert not check.required
    assert "assembly" in check.detail
    assert "marl-league[physics]" in check.remedy


def test_small_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room that the system does not give is told with its size; no name of it is left."""
    monkeypatch.setattr(doctor, "NEEDED_SHM_BYTES", 2**62)
    check = doctor.check_shared_memory()
    assert not check.ok
    assert f"{2**42} MiB" in check.detail
    monkeypatch.undo()
    assert doctor.check_shared_memory().ok


def test_a_long_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A temporary folder where sockets can't lie, for its length or for good, is told."""
    assert doctor.check_socket_folder().ok
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    for folder in (deep, tmp_path / "nowhere"):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        check = doctor.check_socket_folder()
        assert not check.ok
        assert "TMPDIR" in check.remedy


def test_coarse_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock too coarse or too slow for deadlines is told; the one here does."""
    assert doctor.check_clocks().ok
    monkeypatch.setattr(doctor, "SLOWEST_READING_S", 0.0)
    assert not doctor.check_clocks().ok


def test_no_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox without sockets is a failed check, not a crash."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    check = doctor.check_loopback()
    assert not check.ok
    assert "Operation not permitted" in check.detail
