"""`marl export` writes a trained policy that onnxruntime plays, and says what is wrong where it can't."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agents import learner_class
from marl.loading import ArenaRef, build
from tests.system.driving import said

if TYPE_CHECKING:
    from pathlib import Path

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx`")


def test_a_snapshot_is_exported(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ROLE.onnx below `--out`, named in words and in JSON, gives an action for each row."""
    kind = learner_class("ppo")
    learner = kind(build(ArenaRef("arenas.identity:Identity")).spec, kind.Settings(hidden=(8,)), 0)
    snapshot = learner.snapshot(tmp_path, {})
    words = said(["export", snapshot, "--out", tmp_path / "words"], capfd, monkeypatch)
    assert words.code == 0, words.err
    told = said(["export", snapshot, "--out", tmp_path / "json", "--json"], capfd, monkeypatch)
    (file,) = json.loads(told.out)
    assert file == str(tmp_path / "json" / "reader.onnx")
    assert "reader.onnx" in words.out
    assert (tmp_path / "words" / "reader.onnx").read_bytes() == (
        tmp_path / "json" / "reader.onnx"
    ).read_bytes()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    action, _ = session.run(["action", "out"], {"observation.0": np.eye(4, dtype=np.float32)})
    assert action.shape == (4, 1)


def test_what_is_no_snapshot_is_one_sentence(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 1, no traceback, nothing written."""
    (tmp_path / "empty").mkdir()
    done = said(["export", tmp_path / "empty", "--out", tmp_path / "out"], capfd, monkeypatch)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "empty" in done.err
    assert not (tmp_path / "out").exists()
