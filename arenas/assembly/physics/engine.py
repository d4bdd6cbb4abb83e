"""PyBullet, where it is installed, and where it keeps its robots."""

from __future__ import annotations

import sys
from typing import Any

from marl.errors import MissingExtraError


def engine() -> Any:  # noqa: ANN401  # an untyped module
    """PyBullet; MissingExtraError where it is not installed (it has no wheels for Python 3.12 and later)."""
    try:
        import pybullet  # an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "arena assembly", "pybullet", "physics", remedy=way_to_engine(sys.version_info[:2])
        ) from error
    return pybullet


def way_to_engine(python: tuple[int, int]) -> str:
    """What to do where PyBullet is missing; empty: install the extra."""
    if python < (3, 12):
        return ""
    return f"Use Python 3.11: PyBullet has no wheels for {python[0]}.{python[1]}."


def data_folder() -> str:
    """Where PyBullet keeps its robots."""
    engine()
    import pybullet_data

    return str(pybullet_data.getDataPath())
