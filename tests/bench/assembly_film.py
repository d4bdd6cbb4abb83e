"""The bridge, built by scripted arms, and what arms see: the film and the pictures of the docs.

python tests/bench/assembly_film.py [folder]

Writes assembly-bridge.gif, assembly-bridge.png and assembly-pixels.png (default folder:
docs/reference/pictures). Needs the extra `video`.
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
import numpy as np

from arenas.assembly import Assembly, preset
from arenas.assembly.film import write_film
from tests.arenas.assembly.driving import demonstrated, matches

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERY = 4
"""Steps between two pictures of the film."""
MOMENTS, ZOOM = (0, 7, 12, -1), 3
"""The steps in which it is shown what arms see, and how large their pixels are."""


def seen() -> NDArray[Any]:
    """What two arms see that lift their blocks: an arm a row, a moment a column."""
    arena = Assembly(**preset("lift", observation="pixels"))
    found = [arena.reset(seed=7)[0]]
    found += [arena.step(move)[0] for move in demonstrated(preset("lift"), 7)]
    rows = [np.hstack([found[step][seat]["pixels"] for step in MOMENTS]) for seat in arena.possible_agents]
    arena.close()
    return np.vstack(rows).repeat(ZOOM, 0).repeat(ZOOM, 1)


def main() -> None:
    """Film one match."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "docs" / "reference" / "pictures")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    imageio.imwrite(folder / "assembly-pixels.png", seen())
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
