"""The bridge, built by scripted arms: the film and the picture of the docs.

python tests/bench/assembly_film.py [folder]

Writes assembly-bridge.gif and .png (default folder: docs/reference/pictures). Needs the extra `video`.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # this folder would hide packages

import imageio.v3 as imageio

from arenas.assembly import Assembly, preset
from arenas.assembly.film import write_film
from tests.arenas.assembly.driving import matches

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERY = 4
"""Steps between two pictures of the film."""


def main() -> None:
    """Film one match."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "reference" / "pictures")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    frames: list[NDArray[Any]] = []
    steps = 0

    def watch(arena: Assembly) -> None:
        nonlocal steps
        if steps % EVERY == 0 or not arena.agents:
            frames.append(arena.cell.world.picture(320, 240))
        steps += 1
        if not arena.agents:
            imageio.imwrite(folder / "assembly-bridge.png", arena.render())

    outcome = next(matches("scripted", preset("bridge"), [1], watch, render_mode="rgb_array"))
    write_film([*frames, *[frames[-1]] * 8], folder / "assembly-bridge.gif", 20 / EVERY)
    size = (folder / "assembly-bridge.gif").stat().st_size / 2**20
    print(f"{outcome.reason} after {outcome.steps} steps; {len(frames)} pictures, {size:.2f} MiB")


if __name__ == "__main__":
    main()
