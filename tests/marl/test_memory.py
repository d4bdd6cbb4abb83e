"""Memory that is left is known before it is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from marl import memory


def test_there_is_some_and_not_without_end() -> None:
    """This machine has memory left, and less than a petabyte."""
    assert 2**20 < memory.available_bytes() < 2**50


def test_the_tightest_group_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The limit of a control group, or of one above it, counts where it is lower; no limit is no limit."""
    meminfo, own = tmp_path / "meminfo", tmp_path / "own"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    own.write_text("1:name=other:/x\n0::/outer/inner\n")
    inner = tmp_path / "groups" / "outer" / "inner"
    inner.mkdir(parents=True)
    monkeypatch.setattr(memory, "_MEMINFO", meminfo)
    monkeypatch.setattr(memory, "_OWN_GROUPS", own)
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    assert memory.available_bytes() == 5000 * 1024
    for folder, limit in ((inner, "max"), (inner.parent, "4000000")):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text("1000000\n")
    assert memory.available_bytes() == 3_000_000
    older = tmp_path / "groups" / "memory" / "x"
    older.mkdir(parents=True)
    own.write_text("4:cpu,memory:/x\n0::/outer/inner\n")
    (older / "memory.limit_in_bytes").write_text("2500000\n")
    (older / "memory.usage_in_bytes").write_text("500000\n")
    assert memory.available_bytes() == 2_000_000
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert memory.available_bytes() == sys.maxsize
