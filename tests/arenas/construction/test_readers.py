"""Projects come out of files as they stand there; what does not fit is named by file and line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arenas.construction.arena import ConstructionBatch
from arenas.construction.generator import generate
from arenas.construction.project import packed, unpacked
from arenas.construction.readers import read_projects, read_psplib
from arenas.construction.record import PROJECT, WORKSHOP
from marl.errors import ConfigError, SpecError, UnknownNameError
from tests.arenas.construction.driving import network

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout

SM = """\
jobs (incl. supersource/sink ):  4
RESOURCES
  - renewable                 :  1   R
  - nonrenewable              :  0   N
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        1          1           4
   3        1          1           4
   4        1          0
REQUESTS/DURATIONS:
jobnr. mode duration  R 1
------------------------
  1      1     0       0
  2      1     8       4
  3      1     4       3
  4      1     0       0
RESOURCEAVAILABILITIES:
  R 1
   12
"""
MM = (
    SM.replace("nonrenewable              :  0", "nonrenewable              :  1")
    .replace(
        """\
   2        1          1           4
""",
        """\
   2        2          1           4
""",
    )
    .replace(
        """\
jobnr. mode duration  R 1
------------------------
  1      1     0       0
  2      1     8       4
  3      1     4       3
  4      1     0       0
RESOURCEAVAILABILITIES:
  R 1
   12
""",
        """\
jobnr. mode duration  R 1 N 1
------------------------
  1      1     0       0 0
  2      1     8       4 2
         2     9       1 0
  3      1     4       3 1
  4      1     0       0 0
RESOURCEAVAILABILITIES:
  R 1 N 1
   12 5
""",
    )
)
CSV = """\
id,days,after,masons,zone
capacity,,,3,
dig,4,,2,0
pour,6,dig,3,1
roof,2,dig pour,1,1
"""


def test_a_single_mode_file(tmp_path: Path) -> None:
    """Durations, demands and arcs of a `.sm` file, without the dummies at its ends."""
    path = tmp_path / "x.sm"
    path.write_text(SM, encoding="utf-8")
    (project,) = read_projects(f"psplib:{path}")
    assert project.duration_J.tolist() == [8, 4]
    assert project.demand_JK.tolist() == [[4], [3]]
    assert project.number_J.tolist() == [2, 3]
    assert project.arc_A2.tolist() == []


def test_a_multi_mode_file(tmp_path: Path) -> None:
    """A `.mm` file keeps all modes and what is used up; its project has every activity in its first mode."""
    path = tmp_path / "x.mm"
    path.write_text(MM, encoding="utf-8")
    found = read_psplib(path)
    assert [mode.duration for mode in found.modes[2]] == [8, 9]
    assert (found.modes[2][1].uses, found.stock) == ((0,), (5,))
    assert found.project().duration_J.tolist() == [8, 4]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("   2        1          1           4\n", "   2        1          1           9\n", 8),
        ("   3        1          1           4\n", "   5        1          1           4\n", 9),
        ("  2      1     8       4\n", "  2      1     8       x\n", 15),
        ("  3      1     4       3\n", "  3      1     4\n", 16),
        ("   12\n", "", 20),
    ],
)
def test_faults_of_a_file_carry_their_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    """A successor that is none, activities out of order, words, missing numbers, a cut end.

    Each by its line.
    """
    path = tmp_path / "x.sm"
    path.write_text(SM.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"x\.sm: line {line}\b"):
        read_projects(f"psplib:{path}")


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    """One's own project, as a table and as JSON, is the same project, and can be played."""
    table, tree = tmp_path / "p.csv", tmp_path / "p.json"
    table.write_text(CSV, encoding="utf-8")
    activities = [
        {"id": "dig", "days": 4, "needs": {"masons": 2}},
        {"id": "pour", "days": 6, "needs": {"masons": 3}, "after": ["dig"], "zone": 1},
        {"id": "roof", "days": 2, "needs": {"masons": 1}, "after": ["dig", "pour"], "zone": 1},
    ]
    tree.write_text(json.dumps({"capacity": {"masons": 3}, "activities": activities}), encoding="utf-8")
    one, other = read_projects(f"csv:{table}")[0], read_projects(f"json:{tree}")[0]
    for name in ("duration_J", "demand_JK", "capacity_K", "arc_A2", "zone_J"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    ConstructionBatch({"project": f"csv:{table}", "trades": 1, "activities": 3})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("roof,2,dig pour", "roof,2,dig poor", "line 5"),
        ("pour,6", "pour,six", "line 4"),
        ("pour,6,dig", "dig,6,dig", "line 4"),
        ("capacity,,,3,\n", "", "capacity"),
        ("id,days", "name,days", "line 1"),
    ],
)
def test_faults_of_a_table_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Unknown predecessors, words for days, an id twice, no capacities, other columns."""
    path = tmp_path / "p.csv"
    path.write_text(CSV.replace(old, new), encoding="utf-8")
    with pytest.raises((ConfigError, UnknownNameError), match=said):
        read_projects(f"csv:{path}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("roof,2,dig pour,1", "roof,2,dig pour,4", "capacity"), ("dig,4,,", "dig,4,roof,", "circle")],
)
def test_projects_that_cannot_be_built_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """More units than there are, and precedence in a circle."""
    path = tmp_path / "p.csv"
    path.write_text(CSV.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError, match=said):
        ConstructionBatch({"project": f"csv:{path}", "trades": 1, "activities": 3})


def test_unknown_sources_are_refused(tmp_path: Path) -> None:
    """Another kind of source, and a folder without files, say what is expected."""
    with pytest.raises(SpecError, match="psplib:path"):
        read_projects("excel:x")
    with pytest.raises(SpecError, match=r"no \.sm or \.mm file"):
        read_projects(f"psplib:{tmp_path}")


def test_equals_the_package_psplib(data_folder: Path) -> None:
    """Our reader and the package `psplib` read the same from instances of both sets."""
    psplib = pytest.importorskip("psplib")
    for family in ("j30", "j60"):
        for path in sorted((data_folder / "psplib" / family).glob("*_1.sm")):
            ours = read_psplib(path)
            theirs = psplib.parse(path, instance_format="psplib")
            assert [m[0].duration for m in ours.modes.values()] == [
                a.modes[0].duration for a in theirs.activities
            ]
            assert [list(m[0].demand) for m in ours.modes.values()] == [
                a.modes[0].demands for a in theirs.activities
            ]
            assert [[s - 1 for s in after] for after in ours.successors.values()] == [
                a.successors for a in theirs.activities
            ]
            assert list(ours.capacity) == [r.capacity for r in theirs.resources]


@given(
    seed=st.integers(0, 2**63),
    jobs=st.integers(6, 40),
    complexity=st.floats(1.5, 2.1),
    factor=st.floats(0.25, 1.0),
    strength=st.floats(0.0, 1.0),
)
def test_generated_projects_have_what_was_asked_for(
    seed: int, jobs: int, complexity: float, factor: float, strength: float
) -> None:
    """No circle, at most three neighbours a side, no redundant arc, RF as asked, capacities that suffice."""
    rng_1, shop, record = np.array([seed], np.uint64), np.zeros(1, WORKSHOP), np.zeros(1, PROJECT)
    generate(rng_1, jobs, 4, complexity, factor, strength, shop[0], record[0])
    project = unpacked(record[0], "generated")
    plan = network(project)
    assert len(plan.order()) == jobs
    assert plan.after_JJ.sum(0).max() <= 3
    assert plan.after_JJ.sum(1).max() <= 3
    reach_JJ = plan.all_after()
    for a, b in project.arc_A2:
        assert not any(plan.after_JJ[a, j] and reach_JJ[j, b] for j in range(jobs) if j != b)
    pairs = int((project.demand_JK > 0).sum())
    assert pairs == max(jobs, int(np.floor(factor * jobs * 4 + 0.5)))
    assert (project.demand_JK.max(0) <= project.capacity_K).all()
    assert (project.duration_J >= 1).all()
    assert (project.duration_J <= 10).all()


@given(seed=st.integers(0, 2**63))
def test_packing_and_unpacking_is_the_same_project(seed: int) -> None:
    """A record unpacked and packed again is the same record."""
    rng_1, shop, record = np.array([seed], np.uint64), np.zeros(1, WORKSHOP), np.zeros(1, PROJECT)
    generate(rng_1, 15, 4, 1.8, 0.5, 0.5, shop[0], record[0])
    again = packed(unpacked(record[0], "generated"))[0]
    for name in ("duration", "demand", "capacity", "number", "head", "tail", "behind", "weight"):
        np.testing.assert_array_equal(again[name], record[0][name])
