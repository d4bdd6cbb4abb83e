"""A robot's file whose links are drawn as coarse meshes: some 300 faces each, for small pictures made often.

It is written when a world is built, from the installed file, and gone once the engine has read it. What links
touch, weigh and are joined by stays as it is, to the bit.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL = 0.025
"""Fine meshes lose all but one of the vertices that lie in one cube of this side (m)."""
STL_HEAD, STL_FACE = 84, np.dtype([("normal", "<f4", 3), ("corner", "<f4", (3, 3)), ("rest", "<u2")])


@contextmanager
def light_file(urdf: Path) -> Iterator[Path]:
    """A file for the engine in which each link looks as what it touches with; it exists within the block.

    Collision meshes are coarse where they are OBJ; those that are STL are as fine as the looks, and thinned.
    """
    root = ET.parse(urdf).getroot()  # noqa: S314  # of an installed package
    with TemporaryDirectory() as folder:
        for link in root.findall("link"):
            for look, touch in zip(link.findall("visual"), link.findall("collision"), strict=True):
                _copy(touch, look)
        for mesh in root.iter("mesh"):
            mesh.set("filename", str(urdf.parent / mesh.get("filename", "").removeprefix("package://")))
        for number, mesh in enumerate(root.iterfind("link/visual/geometry/mesh")):
            fine = Path(mesh.get("filename", ""))
            if fine.suffix == ".stl":
                thin = Path(folder) / f"{number}.obj"
                thin.write_text(thinned(fine))
                mesh.set("filename", str(thin))
        file = Path(folder) / urdf.name
        ET.ElementTree(root).write(file)
        yield file


def _copy(touch: ET.Element, look: ET.Element) -> None:
    """Give a link's look the shape and place of what it touches with; the material stays."""
    for name in ("origin", "geometry"):
        for old in look.findall(name):
            look.remove(old)
        look.extend(deepcopy(touch.findall(name)))


def thinned(stl: Path) -> str:
    """A binary STL with fewer faces, as OBJ: vertices of a cell become their mean (Rossignac 1993)."""
    corner_V3 = np.frombuffer(stl.read_bytes(), STL_FACE, offset=STL_HEAD)["corner"].reshape(-1, 3)
    _, cell_V = np.unique(np.floor(corner_V3 / CELL), axis=0, return_inverse=True)
    count_C = np.bincount(cell_V)
    mean_C3 = np.stack([np.bincount(cell_V, corner_V3[:, a]) for a in range(3)], 1) / count_C[:, None]
    face_F3 = cell_V.reshape(-1, 3)
    first, second, third = face_F3.T
    kept_F3 = face_F3[(first != second) & (second != third) & (third != first)]
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mean_C3.tolist()]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in np.unique(kept_F3, axis=0).tolist()]
    return "\n".join(lines) + "\n"
