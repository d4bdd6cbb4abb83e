"""Actions as the gateway judges them, against the contract's own `encode_action`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

import marl.client
from marl.actions import encode_action
from marl.errors import ActionError
from marl.gateway import protocol as wire
from marl.gateway.actions import ActionReader, IllegalActionError
from marl.spaces import action_dtype as dtype_of
from marl.spaces import leaves, to_json
from tests.gateway.driving import RICH

SPACES: list[spaces.Space[Any]] = [
    spaces.Discrete(4),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 5, 3]),
    spaces.MultiBinary(4),
    spaces.Box(-1, 1, (2, 3), np.float32),
    spaces.Box(np.array([-1, -np.inf]), np.array([np.inf, 2]), dtype=np.float64),
    spaces.Box(0, 255, (2,), np.uint8),
    spaces.Dict(
        {"b": spaces.Discrete(2), "a": spaces.Tuple([spaces.Box(0, 1, (1,)), spaces.MultiDiscrete([3])])}
    ),
]


def reader(space: spaces.Space[Any], *, masked: bool = False) -> tuple[ActionReader, np.dtype[Any]]:
    """The reader of a space, and the dtype of its rows."""
    dtype = dtype_of(leaves(to_json(space)))
    return ActionReader(to_json(space), f"{dtype.kind}{dtype.itemsize}", masked=masked), dtype


def through_the_wire(space: spaces.Space[Any], value: object) -> tuple[list[wire.Entry], list[bytes]]:
    """An action as the client writes it and the gateway's decoder hands it on."""
    entries: list[Any] = []
    frames: list[bytes] = []
    marl.client.flatten(to_json(space), value, entries, frames)
    message = wire.decode(marl.client.pack_value({"t": "act", "m": 0, "s": 1, "n": 0, "a": entries}))
    assert isinstance(message, wire.Act)
    return message.a, frames


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_samples_become_the_contracts_rows(space: spaces.Space[Any]) -> None:
    """A legal action gives the very row that `encode_action` gives."""
    space.seed(3)
    read, dtype = reader(space)
    for _ in range(20):
        value = space.sample()
        expected_K = np.zeros(read.row_bytes // dtype.itemsize, dtype)
        encode_action(to_json(space), value, expected_K, "test")
        np.testing.assert_array_equal(
            np.frombuffer(read.read(*through_the_wire(space, value), b""), dtype), expected_K
        )


@given(st.lists(st.floats(width=64) | st.integers(-3, 5), min_size=2, max_size=2))
def test_whatever_the_contract_refuses_is_illegal(numbers: list[float]) -> None:
    """Out of range, fractions, NaN and infinities: the gateway and `encode_action` agree on each."""
    for space in (
        spaces.MultiDiscrete([2, 4], start=[0, -1]),
        spaces.Box(-1, 2, (2,), np.float32),
        spaces.MultiBinary(2),
    ):
        read, dtype = reader(space)
        row_K = np.zeros(2, dtype)
        try:
            encode_action(to_json(space), numbers, row_K, "test")
        except ActionError:
            with pytest.raises(IllegalActionError):
                read.read(*through_the_wire(space, numbers), b"")
        else:
            np.testing.assert_array_equal(
                np.frombuffer(read.read(*through_the_wire(space, numbers), b""), dtype), row_K
            )


@pytest.mark.parametrize(
    ("entries", "frames", "says"),
    [
        ([], [], "parts"),
        ([1, 2, 3, 4], [], "parts"),
        ([1, 1, 1], [], "one number instead of shape"),
        ([wire.ArrayOf("f4", [2]), 1, wire.ArrayOf("i8", [2])], [b"\0" * 8], "no frame"),
        ([wire.ArrayOf("f4", [2]), 1, wire.ArrayOf("i8", [2])], [b"\0" * 8, b"\0" * 16, b""], "3 frames"),
        ([wire.ArrayOf("f4", [1, 2]), 1, wire.ArrayOf("i8", [2])], [b"\0" * 8, b"\0" * 16], "shape"),
        ([wire.ArrayOf("f4", [2]), 1, wire.ArrayOf("i8", [2])], [b"\0" * 9, b"\0" * 16], "bytes"),
        ([wire.ArrayOf("b1", [2]), 1, wire.ArrayOf("i8", [2])], [b"\2\0", b"\0" * 16], "b1"),
        ([wire.ArrayOf("f4", [2]), 0, wire.ArrayOf("i8", [2])], [b"\0" * 8, b"\0" * 16], "out of bounds"),
    ],
)
def test_malformed_actions_are_illegal(entries: list[wire.Entry], frames: list[bytes], says: str) -> None:
    """Wrong parts, shapes, lengths and frame counts are told apart."""
    read = ActionReader(RICH.action_space, "f8", masked=False)
    with pytest.raises(IllegalActionError, match=says):
        read.read(entries, frames, b"")


def test_masks_hold_for_each_counted_number() -> None:
    """A masked choice is illegal, also in the second number and beside a box."""
    space = spaces.Tuple([spaces.Box(-1, 1, (2,), np.float32), spaces.MultiDiscrete([2, 3])])
    read, dtype = reader(space, masked=True)
    mask = bytes([1, 1, 0, 0, 1])
    value = (np.zeros(2, np.float32), np.array([1, 2]))
    assert np.frombuffer(read.read(*through_the_wire(space, value), mask), dtype).tolist() == [0, 0, 1, 2]
    with pytest.raises(IllegalActionError, match="choice 1 is masked"):
        read.read(*through_the_wire(space, (value[0], np.array([1, 1]))), mask)
