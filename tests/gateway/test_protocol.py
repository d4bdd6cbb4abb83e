"""The wire: golden vectors, strict decoding, and the client's own msgpack against msgspec."""

from __future__ import annotations

import gc
import re
import struct
from typing import TYPE_CHECKING, get_args

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import marl.client
from marl.gateway import protocol as wire
from tests.gateway.driving import framed

if TYPE_CHECKING:
    from pathlib import Path

GOLDEN = bytes.fromhex(
    "2b000000 01 26000000 85 a174 a3616374 a16d 2a a26570 c410"
    "01010101010101010101010101010101 a16e 28 a161 91 11"
)
WHOLE = st.integers(-(2**53), 2**53)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | WHOLE
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=40), inner, max_size=20),
    max_leaves=20,
)


def test_golden_act() -> None:
    """The document's example is 47 bytes, and says the same to the gateway and to the client."""
    assert len(GOLDEN) == 47
    (header,) = wire.split(GOLDEN[4:])
    message = wire.decode(header)
    assert isinstance(message, wire.Act)
    assert (message.m, message.ep, message.n, message.a) == (42, b"\1" * 16, 40, [17])
    assert message.s is msgspec.UNSET
    assert marl.client.split_body(GOLDEN[4:]) == [header]
    said = {"t": "act", "m": 42, "ep": b"\1" * 16, "n": 40, "a": [17]}
    assert marl.client.unpack_value(header) == said
    assert marl.client.pack_message(said) == wire.pack(header) == GOLDEN


@given(VALUES)
def test_client_codec_agrees_with_msgpack(value: object) -> None:
    """What the client writes, msgspec reads back; what msgspec writes, the client reads back."""
    assert msgspec.msgpack.decode(marl.client.pack_value(value)) == value
    assert marl.client.unpack_value(msgspec.msgpack.encode(value)) == value
    assert marl.client.unpack_value(msgpack.packb(value, use_single_float=False)) == value


@given(st.binary(max_size=80))
def test_client_codec_survives_garbage(data: bytes) -> None:
    """Garbage is a value or a ClientError, never another exception."""
    try:
        marl.client.unpack_value(data)
        marl.client.split_body(data)
    except marl.client.ClientError:
        pass


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=17))
def test_frames_round_trip(frames: list[bytes]) -> None:
    """Frames come apart as they were put together, on both sides."""
    packed = wire.pack(frames[0], frames[1:])
    assert packed == framed(frames[0], frames[1:])
    assert wire.split(packed[4:]) == frames == marl.client.split_body(packed[4:])


@given(st.binary(max_size=120))
def test_server_decoding_survives_garbage(data: bytes) -> None:
    """Any bytes are frames and a message, or a ProtocolError."""
    try:
        wire.decode(wire.split(data)[0])
    except wire.ProtocolError as error:
        refused: str = error.code
    else:
        refused = ""
    assert refused in {"", "frame", "size", "header"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "frame"),
        (b"\0", "frame"),
        (bytes([18]) + b"\0" * 72, "frame"),
        (bytes([1]) + struct.pack("<I", 5) + b"abcd", "frame"),
        (bytes([1]) + struct.pack("<I", 2**32 - 1), "frame"),
        (framed(b"x" * 4097)[4:], "size"),
    ],
)
def test_framing_refuses(body: bytes, code: str) -> None:
    """Frame counts, sums and header sizes out of bounds are refused by name."""
    with pytest.raises(wire.ProtocolError) as caught:
        wire.split(body)
    assert caught.value.code == code


ACT = {"t": "act", "m": 1, "s": 1, "n": 0, "a": [1]}


@pytest.mark.parametrize(
    "header",
    [
        msgpack.packb({**ACT, "seat": 1}),
        msgpack.packb({key: value for key, value in ACT.items() if key != "n"}),
        msgpack.packb({**ACT, "n": -1}),
        msgpack.packb({**ACT, "n": 2**53 + 1}),
        msgpack.packb({**ACT, "n": 1.5}),
        msgpack.packb({**ACT, "a": [True]}),
        msgpack.packb({**ACT, "a": ["x"]}),
        msgpack.packb({**ACT, "a": [["O", [1]]]}),
        msgpack.packb({**ACT, "a": [["f4", [1] * 9]]}),
        msgpack.packb({**ACT, "a": [["f4", [65537]]]}),
        msgpack.packb({**ACT, "a": [["f4", [1], 0]]}),
        msgpack.packb({**ACT, "a": [1] * 17}),
        msgpack.packb({**ACT, "ep": b"short"}),
        msgpack.packb({**ACT, "t": "seat"}),
        msgpack.packb([ACT]),
        msgpack.packb(ACT) + b"\0",
        b"\x86" + msgpack.packb(ACT)[1:] + msgpack.packb("n") + msgpack.packb(5),
        b"\xde\x00\x05" + msgpack.packb(ACT)[1:],
        b"\x90" * 4096,
        b"\x81\xa1t" * 1000,
        b"\xdd\xff\xff\xff\xff",
        b"",
    ],
)
def test_typed_decoding_refuses(header: bytes) -> None:
    """Unknown, missing, doubled, mistyped or oversized fields are refused before anything is built."""
    with pytest.raises(wire.ProtocolError) as caught:
        wire.decode(header)
    assert caught.value.code == "header"


def test_credential_keys_come_once() -> None:
    """A key that comes twice is refused inside the credential, too."""
    good = msgpack.packb({"kind": "token", "token": "x"})
    assert wire.decode_credential(msgspec.Raw(good)).token == "x"
    with pytest.raises(wire.ProtocolError):
        wire.decode_credential(msgspec.Raw(b"\x83" + good[1:] + msgpack.packb("token") + msgpack.packb("y")))


def test_decoders_survive_garbage_collection() -> None:
    """The message types can be collected over (a union that crashes msgspec 0.22 there is avoided)."""
    assert isinstance(wire.decode(msgpack.packb({**ACT, "a": [1, ["f4", [2]], 0.5]})), wire.Act)
    gc.collect()


def test_the_document_names_every_message_and_code(root: Path) -> None:
    """The protocol's document has the golden bytes, each message with its fields, and the list of codes."""
    text = (root / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
    assert GOLDEN in {bytes.fromhex(line) for line in text.splitlines() if line.startswith("2b000000 ")}
    said = {
        tag
        for row in text.splitlines()
        if row.startswith("| `")
        for tag in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    messages = [*get_args(wire.Message), *wire.ToAgent.__subclasses__()]
    assert said - {"t"} == {message.__struct_config__.tag for message in messages}
    for message in messages:
        for name in message.__struct_fields__:
            assert f"`{name}`" in text, f"{message.__struct_config__.tag}: {name}"
    codes = next(line for line in text.splitlines() if line.startswith("**Error codes.**"))
    assert set(re.findall(r"`(\w+)`", codes)) == set(get_args(wire.ErrorCode))
