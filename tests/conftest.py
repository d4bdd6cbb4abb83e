"""What every test may ask for, and what holds for all of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

# Before anything loads a numerical library: work is spread over processes, one thread each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Headless, and silent, wherever a third-party arena loads pygame or a test draws with matplotlib.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest  # noqa: E402 # after the variables above
from hypothesis import settings  # noqa: E402 # after the variables above

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent

# Examples follow from the test's name: running the test again finds the failure again, on any machine.
settings.register_profile("marl", derandomize=True, deadline=None, max_examples=50, print_blob=True)
settings.load_profile("marl")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with optional data: MARL_DATA, else ../shared/data; the test is skipped without one."""
    named = os.environ.get("MARL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        where = f"MARL_DATA={named}" if named else "MARL_DATA (not set) or ../shared/data"
        pytest.skip(f"optional data: no folder at {where}")
    return folder


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty folder whose path leaves room for a socket's: `tmp_path` grows with a test's name and run."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
