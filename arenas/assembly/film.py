"""Pictures of a match, and films of them: GIF or MP4 through imageio (the extra `video`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from marl.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ENDINGS = (".gif", ".mp4")


def write_film(frames: Sequence[NDArray[Any]], path: Path, frames_per_s: float) -> None:
    """Write images (height, width, 3) as a film; the path's ending says which kind.

    MissingExtraError without imageio; ConfigError where the ending is not one of ours.
    """
    if path.suffix not in ENDINGS:
        raise ConfigError(str(path), got=f"ending {path.suffix!r}", expected=f"one of {', '.join(ENDINGS)}")
    try:
        import imageio.v3 as imageio
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"film {path.name}", "imageio", "video") from error
    if path.suffix == ".gif":
        imageio.imwrite(path, frames, duration=1000 / frames_per_s, loop=0)
    else:
        imageio.imwrite(path, frames, fps=frames_per_s, codec="libx264")
