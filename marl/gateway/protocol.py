"""The wire, as docs/reference/protocol.md says: framing, messages, and what is refused before it costs."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

if TYPE_CHECKING:
    from collections.abc import Sequence

MAJOR = 1
PRE_AUTH_BYTES = 512
HEADER_BYTES = 4096
TO_AGENT_HEADER_BYTES = 65536
BODY_BYTES = 1 << 20
FRAMES = 17
_FIXMAP, _FIXMAP_KEYS = 0x80, 15

ErrorCode = Literal["version", "auth", "size", "frame", "header", "state", "rate", "timeout", "act"]
Whole = Annotated[int, Meta(ge=0, le=2**53)]
Signed = Annotated[int, Meta(ge=-(2**53), le=2**53)]
Text = Annotated[str, Meta(max_length=128)]
Dtype = Literal["b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


class ArrayOf(Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """[dtype, shape]: an array whose bytes are the next raw frame.

    A struct, as msgspec 0.22 crashes in garbage collection on a union of a bounded int and a tuple.
    """

    dtype: Dtype
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=65536)]], Meta(max_length=8)]


Entry = Signed | float | ArrayOf


class ProtocolError(Exception):
    """What a peer did against the protocol: a code of the closed list and a sentence without internals."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        self.code = code
        super().__init__(text)


class FromAgent(Struct, tag_field="t", forbid_unknown_fields=True, kw_only=True, gc=False):
    """What agents send: strictly typed, unknown fields refused; optional fields are UNSET when absent."""

    m: Whole


class Hello(FromAgent, tag="hello"):
    """The first message: the majors the agent speaks, and its credential."""

    v: Annotated[list[Annotated[int, Meta(ge=0, le=255)]], Meta(min_length=1, max_length=16)]
    cred: Raw
    impl: Text | UnsetType = UNSET
    caps: Annotated[list[Text], Meta(max_length=8)] | UnsetType = UNSET


class Credential(Struct, forbid_unknown_fields=True):
    """A join token."""

    kind: Literal["token"]
    token: Text


class Join(FromAgent, tag="join"):
    """Ask to play; `agent` is the name and version that the agent declares."""

    role: Literal["play"]
    agent: Text | UnsetType = UNSET


class Ready(FromAgent, tag="ready"):
    """The agent is warmed up."""


class Act(FromAgent, tag="act"):
    """One action; `s` (or `ep`, where the session holds one seat of that match) says for which seat."""

    n: Whole
    a: Annotated[list[Entry], Meta(max_length=16)]
    s: Whole | UnsetType = UNSET
    ep: Annotated[bytes, Meta(min_length=16, max_length=16)] | UnsetType = UNSET


class Ping(FromAgent, tag="ping"):
    """Answered by a pong with the same numbers."""

    n: Whole
    t_us: Whole


class Pong(FromAgent, tag="pong"):
    """The answer to our ping."""

    n: Whole
    t_us: Whole


class Leave(FromAgent, tag="leave"):
    """The agent goes; its seats forfeit."""

    reason: Text | UnsetType = UNSET


Message = Hello | Join | Ready | Act | Ping | Pong | Leave
_message = msgspec.msgpack.Decoder(Message)
_credential = msgspec.msgpack.Decoder(Credential)


class ToAgent(Struct, tag_field="t", kw_only=True, omit_defaults=True, gc=False):
    """What the gateway sends; agents ignore what they do not know of it. `r`: the `m` being answered."""

    m: int
    r: int | UnsetType = UNSET


class Welcome(ToAgent, tag="welcome"):
    """Logged in."""

    v: int
    caps: list[str]
    sid: str
    inc: bytes
    player: str
    limits: dict[str, int]
    hb_ms: int
    now_us: int


class Seat(ToAgent, tag="seat"):
    """One role that the agent may be seated in: its spaces and rules; `left` further roles follow."""

    arena: str
    role: str
    seats: dict[str, int]
    observation: Raw
    action: Raw
    mask: int
    space_hash: str
    rules_hash: str
    tc: dict[str, int]
    default: str
    left: int


class Start(ToAgent, tag="start"):
    """A match begins in a seat: `s` is its handle in this session, never used again."""

    s: int
    ep: bytes
    role: str
    seat: str
    seat_index: int
    seed: int


class Obs(ToAgent, tag="obs"):
    """Decide now; the arrays that `a` and then `mask` describe follow as raw frames."""

    s: int
    n: int
    dl_ms: int
    a: Raw
    mask: Raw | UnsetType = UNSET


class Verdict(ToAgent, tag="verdict"):
    """A move that the policy did not decide, or a first illegal try (`retry`)."""

    s: int
    n: int
    src: str
    strikes: int
    reason: str
    retry: bool = False


class End(ToAgent, tag="end"):
    """The match is over for this seat: `reason` is over, or why the seat was forfeited."""

    s: int
    ep: bytes
    reason: str


class PingOut(ToAgent, tag="ping"):
    """Asks a silent agent whether it is there."""

    n: int
    t_us: int


class PongOut(ToAgent, tag="pong"):
    """Answers a ping."""

    n: int
    t_us: int


class Error(ToAgent, tag="error"):
    """What the peer did wrong; a fatal one is followed by the end of the connection."""

    code: str
    fatal: bool
    text: str
    v: list[int] | UnsetType = UNSET


class Bye(ToAgent, tag="bye"):
    """The gateway ends the session."""

    reason: str


encode = msgspec.msgpack.Encoder().encode


def pack(header: bytes, frames: Sequence[bytes | memoryview] = ()) -> bytes:
    """One message as bytes: u32le body length, u8 count, u32le lengths, header, raw frames."""
    sizes = [len(header), *(len(frame) for frame in frames)]
    count = len(sizes)
    prefix = struct.pack(f"<IB{count}I", 1 + 4 * count + sum(sizes), count, *sizes)
    return b"".join((prefix, header, *frames))


def split(body: bytes, header_bytes: int = HEADER_BYTES) -> list[bytes]:
    """The frames of a body; every length is checked before anything is copied."""
    count = body[0] if body else 0
    if not 1 <= count <= FRAMES or len(body) < 1 + 4 * count:
        raise ProtocolError("frame", f"a body has 1 to {FRAMES} frames")
    sizes = struct.unpack_from(f"<{count}I", body, 1)
    at = 1 + 4 * count
    if at + sum(sizes) != len(body):
        raise ProtocolError("frame", "the frames' lengths do not add up to the body's")
    if sizes[0] > header_bytes:
        raise ProtocolError("size", f"a header has at most {header_bytes} bytes")
    frames = []
    for size in sizes:
        frames.append(body[at : at + size])
        at += size
    return frames


_S = TypeVar("_S", bound=Struct)


def _strict(decoder: msgspec.msgpack.Decoder[_S], data: bytes | Raw, extra_keys: int) -> _S:
    """Decode one map; a key that comes twice shows in the map's own count."""
    first = memoryview(data)[0] if memoryview(data) else 0
    keys = first - _FIXMAP
    if not 0 <= keys <= _FIXMAP_KEYS:
        raise ProtocolError("header", f"a header is one msgpack map of at most {_FIXMAP_KEYS} keys")
    try:
        message = decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise ProtocolError("header", f"header refused: {error}") from None
    present = extra_keys + sum(getattr(message, name) is not UNSET for name in message.__struct_fields__)
    if present != keys:
        raise ProtocolError("header", "a key comes twice")
    return message


def decode(header: bytes) -> Message:
    """The message of an agent's header; ProtocolError says what is wrong with it."""
    message: Message = _strict(_message, header, 1)
    return message


def decode_credential(data: Raw) -> Credential:
    """The credential inside a hello."""
    return _strict(_credential, data, 0)
