"""Actions between the outer space and rows of numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from marl.actions import ActionCodec, encode_action
from marl.errors import ActionError, SpecError
from marl.spaces import flatten, from_json, leaves, restore, to_json

SPACES: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(4),
    "from -3": spaces.Discrete(5, start=-3),
    "several": spaces.MultiDiscrete([2, 5, 3]),
    "several, from elsewhere": spaces.MultiDiscrete([2, 3], start=[7, -1]),
    "bits": spaces.MultiBinary((2, 2)),
    "box": spaces.Box(-1, 1, (2, 3), np.float32),
    "half open": spaces.Box(0, np.inf, (2,), np.float32),
    "doubles": spaces.Box(-0.1, 0.1, (2,), np.float64),
    "whole box": spaces.Box(-3, 3, (2,), np.int16),
    "bytes": spaces.Box(0, 255, (2, 2), np.uint8),
    "scalar": spaces.Box(0, 1, (), np.float32),
    "tree": spaces.Dict(
        {"b": spaces.Discrete(2), "a": spaces.Tuple([spaces.Box(0, 1, (1,)), spaces.MultiDiscrete([3, 2])])}
    ),
}


def codec_of(space: spaces.Space[Any]) -> ActionCodec:
    """The codec of a space that went through JSON."""
    return ActionCodec(json.loads(json.dumps(to_json(space), allow_nan=False)))


@pytest.mark.parametrize("name", SPACES)
def test_samples_survive_the_way_there_and_back(name: str) -> None:
    """Encode and decode are inverse on every legal action, one by one and for all seats together."""
    space, codec = SPACES[name], codec_of(SPACES[name])
    space.seed(1)
    action_RK = np.zeros((6, codec.size), codec.dtype)
    values = [space.sample() for _ in range(6)]
    for row, value in enumerate(values):
        codec.check(value, "test")
        codec.encode(value, action_RK[row], "test")
    assert codec.illegal(action_RK, None) is None
    together = codec.decode_all(action_RK.reshape(2, 3, -1))
    for row, value in enumerate(values):
        for back in (codec.decode(action_RK[row]), together[row // 3][row % 3]):
            assert space.contains(back), back
            for mine, theirs in zip(flatten(codec.space, back), flatten(codec.space, value), strict=True):
                np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", SPACES)
def test_what_is_decoded_shares_no_memory_with_the_orders(name: str) -> None:
    """An arena may keep the actions it is given: the next step's orders do not change them."""
    codec = codec_of(SPACES[name])
    action_BNK = np.zeros((1, 2, codec.size), codec.dtype)
    kept = [codec.decode(action_BNK[0, 0]), codec.decode_all(action_BNK)[0][1]]
    for value in kept:
        for leaf in flatten(codec.space, value):
            assert not np.shares_memory(np.asarray(leaf), action_BNK)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("discrete", 4, "Discrete"),
        ("discrete", -1, "Discrete"),
        ("discrete", 1.5, "whole"),
        ("discrete", float("nan"), "finite"),
        ("discrete", None, "finite numbers"),
        ("discrete", "up", "finite numbers"),
        ("discrete", [1, 2], r"shape \(2,\)"),
        ("discrete", {"a": 1}, "finite numbers"),
        ("from -3", 2, "start=-3"),
        ("several", [1, 1], r"shape \(2,\)"),
        ("several", [[1, 1, 1]], r"shape \(1, 3\)"),
        ("several", [1, [1], 1], "array of numbers"),
        ("bits", np.full((2, 2), 2), "MultiBinary"),
        ("box", np.zeros((3, 2)), r"shape \(3, 2\).*shape \(2, 3\)"),
        ("box", np.full((2, 3), np.inf), "finite"),
        ("box", np.full((2, 3), 1.01), "Box"),
        ("half open", [-1.0, 0.0], "Box"),
        ("whole box", [0.5, 0], "whole"),
        ("bytes", [[0, 256], [0, 0]], "Box"),
        ("tree", {"a": (0.5, [1, 1])}, "an action of Dict"),
        ("tree", {"a": (0.5, [1, 1]), "b": 1, "c": 1}, "an action of Dict"),
        ("tree", 3, "an action of Dict"),
    ],
)
def test_illegal_actions_are_refused(name: str, value: object, says: str) -> None:
    """Wrong shapes, trees, fractions, words, NaN and numbers out of range: ActionError, and where."""
    codec = codec_of(SPACES[name])
    with pytest.raises(ActionError, match=f"seat_3.*{says}"):
        codec.check(value, "arena: action of seat_3")
    with pytest.raises(ActionError, match=says):
        encode_action(to_json(SPACES[name]), value, np.zeros(codec.size, codec.dtype), "test")


@given(st.lists(st.floats(width=32) | st.integers(-3, 5), min_size=3, max_size=3))
def test_rows_and_values_are_judged_alike(numbers: list[float]) -> None:
    """A row is illegal exactly where the value that it stands for is refused."""
    for space in (
        spaces.MultiDiscrete([2, 4, 3]),
        spaces.Box(-1, 2, (3,), np.float32),
        spaces.MultiBinary(3),
    ):
        codec = codec_of(space)
        try:
            codec.check(numbers, "test")
        except ActionError:
            legal = False
        else:
            legal = True
        row_1K = np.array([numbers], np.float64)
        assert (codec.illegal(row_1K, None) is None) == legal


def test_masks_hold_for_every_counted_number() -> None:
    """A masked choice is illegal wherever it stands, in many rows; the error lists the legal ones."""
    space = spaces.Tuple(
        [spaces.Box(-1, 1, (2,), np.float32), spaces.MultiDiscrete([2, 3]), spaces.Discrete(2)]
    )
    codec = codec_of(space)
    mask_RA = np.array([[1, 1, 0, 0, 1, 1, 0]] * 3, np.uint8)
    action_RK = np.array([[0, 0, 0, 2, 0], [0, 0, 1, 1, 0], [0, 0, 1, 2, 1]], np.float64)
    illegal_R = codec.illegal(action_RK, mask_RA)
    assert illegal_R is not None
    assert illegal_R.tolist() == [False, True, True]
    codec.refuse(action_RK[0], mask_RA[0], "test")
    with pytest.raises(ActionError, match=r"choice 1, which is masked; expected one of \[2\]"):
        codec.refuse(action_RK[1], mask_RA[1], "test")
    with pytest.raises(ActionError, match=r"choice 1, which is masked; expected one of \[0\]"):
        codec.refuse(action_RK[2], mask_RA[2], "test")


def test_rows_of_one_choice_take_the_short_way() -> None:
    """Discrete rows: legal, out of range and masked ones are told apart with and without masks."""
    codec = codec_of(spaces.Discrete(3, start=5))
    mask_RA = np.array([[1, 0, 1]] * 4, np.uint8)
    for choices, expected in (([0, 2, 2, 0], None), ([0, 1, 2, 0], [1]), ([0, 3, 1, -1], [1, 2, 3])):
        illegal_R = codec.illegal(np.array(choices)[:, None], mask_RA)
        assert (None if illegal_R is None else np.flatnonzero(illegal_R).tolist()) == expected
    assert codec.illegal(np.array([[1]]), None) is None


def test_numbers_keep_their_precision() -> None:
    """Rows are int32 for counted actions, float64 where a box is: a bound survives both ways."""
    codec = codec_of(SPACES["doubles"])
    assert codec.dtype == np.float64
    row_K = np.zeros(2)
    codec.encode(np.array([0.1, -0.1]), row_K, "test")
    assert SPACES["doubles"].contains(codec.decode(row_K))
    assert codec_of(SPACES["tree"]).dtype == np.float64
    assert codec_of(SPACES["bytes"]).dtype == np.int32


def test_actions_beyond_32_bits_are_refused() -> None:
    """Counted numbers that a row can't hold are an error before any match."""
    for space in (spaces.Discrete(2**40), spaces.Box(0, 2**40, (1,), np.int64)):
        with pytest.raises(SpecError, match="32 bits"):
            codec_of(space)


@pytest.mark.parametrize("name", SPACES)
def test_spaces_survive_json(name: str) -> None:
    """A described space is the space, bounds, starts and dtypes included."""
    space = SPACES[name]
    data = json.loads(json.dumps(to_json(space), allow_nan=False))
    assert from_json(data) == space
    space.seed(2)
    value = space.sample()
    arrays = [np.asarray(leaf) for leaf in flatten(data, value)]
    assert [leaf.shape for leaf in leaves(data)] == [array.shape for array in arrays]
    assert space.contains(restore(data, arrays))


def test_bounds_of_64_bits_survive_json() -> None:
    """Whole bounds do not pass through floats."""
    for low, high, dtype in ((-(2**63), 2**63 - 1, np.int64), (0, 2**64 - 1, np.uint64)):
        space = spaces.Box(low, high, (2,), dtype)
        assert from_json(json.loads(json.dumps(to_json(space)))) == space


def test_spaces_without_arrays_of_fixed_size_are_refused() -> None:
    """Graphs, sequences, texts and tables of choices are an error that names what is possible."""
    for space in (
        spaces.Text(5),
        spaces.Sequence(spaces.Discrete(2)),
        spaces.MultiDiscrete(np.ones((2, 2), int)),
    ):
        with pytest.raises(SpecError, match="expected"):
            to_json(space)
    with pytest.raises(SpecError, match="box, disc"):
        from_json({"k": "graph"})
