"""Snapshots as ONNX files: onnxruntime plays what the policy plays, or nothing is written."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium import spaces

from agents import learner_class
from agents.frozen import load_policy
from marl.errors import SnapshotError
from marl.spaces import to_json
from marl.spec import Role
from tests.agents.material import ACTIONS, learner_of, masks_of, role_of, rows_of, spec_of
from tests.agents.test_snapshot import KINDS, LINEAGE, trained

if TYPE_CHECKING:
    from pathlib import Path

    from marl.spec import Spec

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx`")
export = importlib.import_module("agents.export")


def exported(spec: Spec, folder: Path, **kind: Any) -> tuple[Path, Any]:
    """A snapshot of a trained learner, and an onnxruntime session of its first role's file."""
    made = trained(spec, **kind).snapshot(folder, LINEAGE)
    (file, *_) = export.export(made, folder / "onnx")
    return made, onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("action", [*ACTIONS, "masked"])
def test_onnxruntime_plays_what_the_policy_plays(kind: dict[str, Any], action: str, tmp_path: Path) -> None:
    """Best actions and next memory of rows that the exporter never saw, through normaliser and masks."""
    role = role_of(action="discrete" if action == "masked" else action, masked=action == "masked")
    spec = spec_of(role)
    made, session = exported(spec, tmp_path, **kind)
    policy, rng = load_policy(made, spec), np.random.default_rng(5)
    seen = rng.normal(size=(30, 5)).astype(np.float32) * 3
    mask, memory = masks_of(role, 30, rng), rng.normal(size=(30, policy.memory_size)).astype(np.float32)
    rows = rows_of(30)
    expected = policy.act(role, [seen], mask, memory, rows, greedy=True)
    given = {"observation.0": seen, "mask": mask, "memory": memory, "seat": rows.seat_R.astype(np.int64)}
    names = [value.name for value in session.get_inputs()]
    assert ("memory" in names, "seat" in names) == ("memory" in kind, "separate" in kind)
    outputs = dict(
        zip(
            [value.name for value in session.get_outputs()],
            session.run(None, {name: given[name] for name in names}),
            strict=True,
        )
    )
    assert outputs["action"].dtype == expected.action_RK.dtype
    np.testing.assert_allclose(outputs["action"], expected.action_RK, atol=1e-5)
    if expected.memory_RM is not None:
        np.testing.assert_allclose(outputs["next_memory"], expected.memory_RM, atol=1e-5)


@pytest.mark.parametrize("learner", ["ppo", "dqn", "maddpg"])
def test_a_seat_that_sees_nothing_is_exported(learner: str, tmp_path: Path) -> None:
    """The exporter itself compares graph and policy."""
    kind = learner_class(learner)
    spec = spec_of(role_of(features=0))
    made = kind(spec, kind.Settings(hidden=(8, 8)), 0).snapshot(tmp_path, LINEAGE)
    assert export.export(made, tmp_path / "onnx")


@pytest.mark.parametrize(
    ("learner", "action", "settings"),
    [
        ("ppo", "box", {"box": "squashed", "spread": "state"}),
        ("dqn", "discrete", {}),
        ("dqn", "discrete", {"dueling": True, "noisy": True, "separate": True}),
        ("maddpg", "box", {}),
        ("maddpg", "discrete", {}),
    ],
)
def test_policies_of_every_learner_are_exported(
    learner: str, action: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Action values, dueling and noisy ones, and points of a box: the exporter itself compares them."""
    kind = learner_class(learner)
    spec = spec_of(role_of(action=action), state_size=4)
    made = kind(spec, kind.Settings(hidden=(8, 8), **settings), 0).snapshot(tmp_path, LINEAGE)
    assert [file.name for file in export.export(made, tmp_path / "onnx")] == ["worker.onnx"]


def test_observations_go_in_as_the_arena_gives_them(tmp_path: Path) -> None:
    """Bytes, counts and flags are inputs in their own types and shapes; the file says what it is of."""
    space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (2, 3), np.uint8),
            "card": spaces.Discrete(4),
            "dice": spaces.MultiDiscrete([6, 2]),
            "flags": spaces.MultiBinary(3),
            "place": spaces.Box(-1, 1, (2,), np.float64),
        }
    )
    spec = spec_of(Role("player", ("player_0",), to_json(space), to_json(spaces.Discrete(3))))
    made = learner_of(spec).snapshot(tmp_path, LINEAGE)
    (file,) = export.export(made, tmp_path)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    shapes = [(value.type, value.shape[1:]) for value in session.get_inputs()]
    assert shapes == [
        ("tensor(uint8)", [2, 3]),
        ("tensor(int64)", []),
        ("tensor(int64)", [2]),
        ("tensor(int8)", [3]),
        ("tensor(double)", [2]),
    ]
    told = session.get_modelmeta().custom_metadata_map
    assert (told["snapshot"], told["arena"], told["role"]) == (made.name, "toy", "player")


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parity is checked at export: a graph that clips elsewhere is refused, and leaves no file."""
    monkeypatch.setattr("agents.onnx_graph.CLIPPED", 0.1)
    made = learner_of(spec_of(role_of())).snapshot(tmp_path, LINEAGE)
    with pytest.raises(SnapshotError, match="of the ONNX graph"):
        export.export(made, tmp_path / "onnx")
    assert not list((tmp_path / "onnx").iterdir())


def test_only_policies_are_exported(tmp_path: Path) -> None:
    """A checkpoint is refused by its kind."""
    made = learner_of(spec_of(role_of())).checkpoint(tmp_path)
    with pytest.raises(SnapshotError, match="a checkpoint"):
        export.export(made, tmp_path)
