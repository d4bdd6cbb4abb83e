"""Images go through convolutions, each model's own; all else stays as it is without images."""

from __future__ import annotations

import importlib
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from agents import learner_class, load_snapshot
from agents.features import feature_size, features
from agents.images import LITTLE, Convolution, Eye, Picture, Sighted, pictures_of
from agents.netpolicy import Architecture
from agents.networks import stacked
from agents.normalise import RunningMoments
from agents.replay import Store
from marl.spaces import to_json
from marl.spec import Role
from tests.agents.material import rows_of, spec_of

if TYPE_CHECKING:
    from pathlib import Path

SPACE = spaces.Dict(
    {
        "back": spaces.Box(0, 255, (3, 9, 10), np.uint8),
        "card": spaces.Discrete(4),
        "front": spaces.Box(0, 255, (12, 12, 4), np.uint8),
        "small": spaces.Box(0, 255, (4, 12), np.uint8),
    }
)


def role_of(space: spaces.Space[Any] = SPACE, seats: int = 3) -> Role:
    """A role that sees this and picks one of three."""
    names = tuple(f"pilot_{i}" for i in range(seats))
    return Role("pilot", names, to_json(space), to_json(spaces.Discrete(3)))


def seen_by(role: Role, rows: int, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Random observations."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, leaf.choices[0] if leaf.choices else 256, (rows, *leaf.shape)).astype(
            leaf.numpy_dtype
        )
        for leaf in role.observation
    ]


@pytest.mark.parametrize(
    ("shape", "chw"),
    [
        ((84, 84), (1, 84, 84)),
        ((84, 96, 3), (3, 84, 96)),
        ((4, 84, 84), (4, 84, 84)),
        ((84, 84, 12), (12, 84, 84)),
        ((4, 84, 84, 3), (12, 84, 84)),
        ((4, 3, 84, 84), (12, 84, 84)),
        ((8, 8, 8), (8, 8, 8)),
        ((7, 84), None),
        ((3, 3, 1), None),
        ((400,), None),
    ],
    ids=str,
)
def test_channels_are_the_shorter_outer_axis(shape: tuple[int, ...], chw: tuple[int, ...] | None) -> None:
    """Height and width last, frames and channels together; what is too small or flat is no image."""
    found = pictures_of(role_of(spaces.Box(0, 255, shape, np.uint8)))
    assert [picture.chw for picture in found] == ([] if chw is None else [chw])


def test_only_bytes_are_images() -> None:
    """Floats of an image's shape have no scale that could be known."""
    assert not pictures_of(role_of(spaces.Box(0, 1, (12, 12, 3), np.float32)))
    assert [(p.start, p.shape, p.eye) for p in pictures_of(role_of())] == [
        (0, (3, 9, 10), 0),
        (274, (12, 12, 4), 1),
    ]


def test_a_convolution_is_torchs() -> None:
    """Of each model: that of nn.functional.conv2d with its own filters."""
    layer = Convolution(2, 3, 5, 4, 2, torch.Generator().manual_seed(0))
    layer.bias.data.normal_(generator=torch.Generator().manual_seed(1))
    x = torch.randn(6, 6, 10, 9, generator=torch.Generator().manual_seed(2))
    ours = layer(x)
    for model in range(2):
        alone = nn.functional.conv2d(
            x[:, 3 * model : 3 * model + 3],
            layer.weight[model].T.view(5, 3, 4, 4),
            layer.bias[model, 0],
            stride=2,
        )
        torch.testing.assert_close(ours[:, 5 * model : 5 * model + 5], alone)


def test_eyes_see_the_image_as_it_is() -> None:
    """What reaches a filter is the leaf's image, height and width in place, wherever its channels are."""
    generator = torch.Generator().manual_seed(0)
    last = Sighted(1, 300, [Picture(2, (9, 11, 3))], [4], "relu", generator)
    first = Sighted(1, 300, [Picture(2, (3, 9, 11))], [4], "relu", torch.Generator().manual_seed(5))
    first.load_state_dict(last.state_dict())
    plain, image = torch.rand(1, 5, 3), torch.rand(1, 5, 9, 11, 3)

    def row(image: torch.Tensor) -> torch.Tensor:
        return torch.cat([plain[..., :2], image.flatten(2), plain[..., 2:]], -1)

    torch.testing.assert_close(last(row(image)), first(row(image.permute(0, 1, 4, 2, 3))))


def test_models_side_by_side_see_what_each_sees_alone() -> None:
    """Three policies stacked, two of them with models for seats, in one grouped product."""
    role = role_of(seats=2)
    nets = [
        Architecture((8,), "tanh", 0, separate=True, images="cnn").build(
            role, torch.Generator().manual_seed(s)
        )
        for s in (0, 1)
    ]
    x = torch.from_numpy(features(role, seen_by(role, 7))).expand(4, -1, -1)
    with torch.inference_mode():
        together, _ = stacked(nets)(x, torch.zeros(4, 7, 0))
        apart = torch.cat([net(x[:2], torch.zeros(2, 7, 0))[0] for net in nets])
    torch.testing.assert_close(together, apart)
    assert not torch.allclose(together[0], together[1])


def test_pictures_keep_their_scale() -> None:
    """Moments leave an image's features in [0, 1]; all others become unit-sized."""
    role = role_of()
    moments = RunningMoments(feature_size(role), [picture.span for picture in pictures_of(role)])
    moments.update(features(role, seen_by(role, 50)))
    still = np.r_[0:270, 274:850]
    assert not moments.mean[still].any()
    assert (moments.scale[still] == 1).all()
    assert (moments.mean[np.r_[270:274, 850:898]] > 0).all()


def test_replay_holds_bytes() -> None:
    """A step costs a byte a pixel, not four."""
    store = Store([role_of()], 100, 0, 0.9, 1, joint=False)
    sizes = {name: array.dtype for name, array in store.state().items() if "observation" in name}
    assert sorted(sizes.values(), key=str) == [np.dtype(np.int64), *[np.dtype(np.uint8)] * 3]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *itertools.product(["ppo", "dqn", "maddpg"], [{}, {"separate": True}, {"images": "flat"}]),
        ("ppo", {"memory": 4}),
    ],
    ids=str,
)
def test_snapshots_and_onnx_see_alike(name: str, kind: dict[str, Any], tmp_path: Path) -> None:
    """A snapshot plays what its learner plays, and its ONNX graph passes the exporter's comparison."""
    role = role_of()
    spec = spec_of(role)
    learner = learner_class(name)
    made = learner(spec, learner.Settings(hidden=(8,), **kind), 0)
    folder = made.snapshot(tmp_path, {})
    frozen, memory = load_snapshot(folder, spec), np.zeros((9, kind.get("memory", 0)), np.float32)
    asked: Any = (role, seen_by(role, 9), np.zeros((9, 0), np.uint8), memory, rows_of(9))
    live, kept = (policy.act(*asked, greedy=True) for policy in (made.policy, frozen))
    assert np.array_equal(live.action_RK, kept.action_RK)
    pytest.importorskip("onnxruntime", reason="the extra `onnx`")
    export = importlib.import_module("agents.export")
    assert [file.name for file in export.export(folder, tmp_path / "onnx")] == ["pilot.onnx"]


def test_who_sees_no_image_is_called_as_before() -> None:
    """Snapshots are named by their content: nothing about images is written where there are none."""
    plain = Architecture((8,), "tanh", 0, separate=False)
    assert "images" not in plain.to_json()
    sighted = Architecture((8,), "tanh", 0, separate=False, images="cnn")
    assert Architecture.from_json(sighted.to_json()) == sighted
    assert Architecture.from_json(plain.to_json()) == plain


@pytest.mark.parametrize("rows", [2, 60])
def test_models_see_with_filters_of_their_own_by_few_images_and_by_many(rows: int) -> None:
    """Side by side each model sees what it sees alone, whichever way is faster for so many numbers."""
    generator = torch.Generator().manual_seed(1)
    chw = (3, 11, 11)
    assert (rows == 2) == (rows * math.prod(chw) < LITTLE)
    alone = [Eye(1, chw, generator) for _ in range(3)]
    x_PRCHW = torch.rand(3, rows, *chw, generator=generator)
    found = stacked(alone)(x_PRCHW)
    for eye, x, seen in zip(alone, x_PRCHW, found, strict=True):
        torch.testing.assert_close(seen, eye(x.unsqueeze(0))[0])
