"""What is installed is whole: presets, templates and type markers lie in the wheel beside the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

builders = pytest.importorskip("hatchling.builders.wheel", reason="the extra `test`")


def test_presets_travel_with_the_package(root: Path) -> None:
    """Every file of the packages, code or not, is one that the build puts into a wheel; tests are not."""
    built = {file.distribution_path for file in builders.WheelBuilder(str(root)).recurse_included_files()}
    held = {
        path.relative_to(root).as_posix()
        for package in ("marl", "arenas", "agents", "league")
        for path in (root / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sorted(held - built) == []
    assert {"league/presets/demo.toml", "agents/presets/trading/ppo.toml", "marl/py.typed"} <= built
    assert not any(name.startswith("tests/") for name in built)
