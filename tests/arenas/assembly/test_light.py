"""Coarse meshes: few faces, and nothing else of a robot's file is another."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")

from arenas.assembly import Assembly, preset
from arenas.assembly.physics import light
from arenas.assembly.physics.engine import data_folder
from arenas.assembly.physics.light import CELL, STL_FACE, STL_HEAD, light_file, thinned
from arenas.assembly.robots import ROBOTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_FACES = 5_000
"""Of a whole arm; its maker's has 109 thousand (panda), 13 thousand (kuka)."""


def meshes(root: ET.Element, kind: str) -> Iterator[str]:
    """The files of an arm's looks (visual), or of what it touches with (collision)."""
    for mesh in root.iterfind(f"link/{kind}/geometry/mesh"):
        yield mesh.get("filename", "")


@pytest.mark.parametrize("name", ROBOTS)
def test_a_light_arm_has_few_faces_and_is_the_same_arm(name: str) -> None:
    """All but looks is as installed; the file and its meshes are gone afterwards."""
    installed = Path(data_folder()) / ROBOTS[name].urdf
    with light_file(installed) as file:
        coarse, stock = ET.fromstring(file.read_text()), ET.fromstring(installed.read_text())  # noqa: S314  # installed
        looks = [Path(mesh) for mesh in meshes(coarse, "visual")]
        faces = [sum(line.startswith("f ") for line in mesh.read_text().splitlines()) for mesh in looks]
        assert len(looks) == len(list(meshes(stock, "visual")))
        assert all(
            50 < count < 1_400 or mesh.stem == "finger" for count, mesh in zip(faces, looks, strict=True)
        )
        assert sum(faces) < MOST_FACES
        touched = [Path(mesh) for mesh in meshes(coarse, "collision")]
        assert [mesh.relative_to(installed.parent) for mesh in touched] == [
            Path(mesh.removeprefix("package://")) for mesh in meshes(stock, "collision")
        ]
    for root in (coarse, stock):
        for mesh in root.iter("mesh"):
            mesh.set("filename", "")
        for link in root.findall("link"):
            for look in link.findall("visual"):
                link.remove(look)
    assert ET.canonicalize(ET.tostring(coarse)) == ET.canonicalize(ET.tostring(stock))
    assert not file.exists()
    assert installed.exists()


def test_the_engine_keeps_no_coarse_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another mesh in a file of the same name is another look: else each world's would stay in memory."""
    monkeypatch.setattr(light, "TemporaryDirectory", lambda: nullcontext(tmp_path))
    seen = []
    for cell in (CELL, 10 * CELL):
        monkeypatch.setattr(light, "CELL", cell)
        arena = Assembly(**preset("lift", arms=1, arm="kuka", observation="pixels"))
        seen.append(arena.reset(seed=1)[0]["arm_0"]["pixels"])
        arena.close()
    assert (seen[0] != seen[1]).any(2).mean() > 0.01


def volume_of(corner_F33: NDArray[np.float64]) -> float:
    """Of a closed mesh; negative where its faces look inwards."""
    first, second, third = np.moveaxis(corner_F33, 1, 0)
    return float((np.cross(first, second) * third).sum() / 6)


def test_thinning_keeps_the_shape() -> None:
    """A thinned link reaches as far as it did, within a cell; its faces look outwards, none twice."""
    stl = Path(data_folder()) / "kuka_iiwa/meshes/link_1.stl"
    fine_F33 = np.frombuffer(stl.read_bytes(), STL_FACE, offset=STL_HEAD)["corner"].astype(np.float64)
    fine_V3 = fine_F33.reshape(-1, 3)
    rows = [line.split() for line in thinned(stl).splitlines()]
    thin_V3 = np.array([row[1:] for row in rows if row[0] == "v"], float)
    assert np.abs(thin_V3.max(0) - fine_V3.max(0)).max() < CELL
    assert np.abs(thin_V3.min(0) - fine_V3.min(0)).max() < CELL
    faces = [tuple(int(number) - 1 for number in row[1:]) for row in rows if row[0] == "f"]
    assert len(faces) == len(set(faces))
    assert volume_of(thin_V3[np.array(faces)]) == pytest.approx(volume_of(fine_F33), rel=0.3)
