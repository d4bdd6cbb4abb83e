"""Whichever test comes first compiles the market: all of them have time for it."""

from __future__ import annotations

from pathlib import Path

import pytest

COMPILE_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test of this folder the time that compiling takes on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(COMPILE_S))
