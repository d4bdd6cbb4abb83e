"""Films of matches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from arenas.assembly.film import write_film
from marl.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = [np.full((48, 64, 3), shade, np.uint8) for shade in (0, 120, 240)]


def test_a_film_can_be_watched(tmp_path: Path) -> None:
    """A GIF holds the pictures that it was given, in their order."""
    imageio = pytest.importorskip("imageio.v3", reason="films need the extra video")
    write_film(FRAMES, tmp_path / "match.gif", 5.0)
    read = imageio.imread(tmp_path / "match.gif")
    assert read.shape[0] == 3
    assert np.abs(read.mean((1, 2, 3)) - [0, 120, 240]).max() < 3


def test_a_film_of_many_pictures_is_small(tmp_path: Path) -> None:
    """An MP4 comes through ffmpeg."""
    pytest.importorskip("imageio_ffmpeg", reason="MP4 needs the extra video")
    write_film(FRAMES * 10, tmp_path / "match.mp4", 20.0)
    assert 0 < (tmp_path / "match.mp4").stat().st_size < 100_000


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another ending, or a missing imageio, is one error that says what to do."""
    with pytest.raises(ConfigError, match="gif"):
        write_film(FRAMES, tmp_path / "match.avi", 5.0)
    monkeypatch.setitem(sys.modules, "imageio.v3", None)
    with pytest.raises(MissingExtraError, match="video"):
        write_film(FRAMES, tmp_path / "match.gif", 5.0)
