"""Play in a league from your own machine: one file, standard library only. Copy it wherever your agent lives.

    import client
    client.run(lambda observation, mask: 0, "127.0.0.1:4000", token="...")

or from a shell: `python client.py 127.0.0.1:4000 --token ... my_agent.py:act`. Observations arrive as the
arena's own space: dicts, tuples, ints, and nested lists for arrays (numpy arrays with `numpy=True`); a mask
is a list of 0 and 1, one for each choice, or None. The wire is docs/reference/protocol.md, version 1.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import math
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAJOR = 1
CODES = {
    "b1": "?",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}
_FLUSH_S = 0.002
_BODY_BYTES = 1 << 28
_READ_BYTES = 1 << 18


class ClientError(Exception):
    """The connection can't be had or kept, or the agent gave something that is no action: one sentence."""


# msgpack: the part that the protocol uses.


def pack_value(value: Any) -> bytes:  # noqa: ANN401  # any value of the protocol
    """None, bool, int, float, str, bytes, list, tuple and dict as msgpack."""
    out = bytearray()
    _pack(value, out)
    return bytes(out)


def _pack(value: Any, out: bytearray) -> None:  # noqa: ANN401  # any value of the protocol
    if value is None or value is True or value is False:
        out.append({None: 0xC0, False: 0xC2, True: 0xC3}[value])
    elif isinstance(value, int):
        _pack_int(value, out)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        data = value.encode()
        _pack_size(len(data), out, (0xA0, 32), (0xD9, 0xDA, 0xDB))
        out += data
    elif isinstance(value, (bytes, bytearray, memoryview)):
        _pack_size(len(value), out, (0, 0), (0xC4, 0xC5, 0xC6))
        out += value
    elif isinstance(value, (list, tuple)):
        _pack_size(len(value), out, (0x90, 16), (0, 0xDC, 0xDD))
        for item in value:
            _pack(item, out)
    elif isinstance(value, dict):
        _pack_size(len(value), out, (0x80, 16), (0, 0xDE, 0xDF))
        for key, item in value.items():
            _pack(key, out)
            _pack(item, out)
    else:
        raise ClientError(f"{type(value).__name__} can't be sent: {value!r}"[:200])


def _pack_int(value: int, out: bytearray) -> None:
    if 0 <= value < 128:
        out.append(value)
    elif -32 <= value < 0:
        out.append(value & 0xFF)
    elif 0 <= value < 256:
        out += bytes((0xCC, value))
    elif 0 <= value < 65536:
        out += struct.pack(">BH", 0xCD, value)
    elif 0 <= value < 1 << 32:
        out += struct.pack(">BI", 0xCE, value)
    elif 0 <= value < 1 << 64:
        out += struct.pack(">BQ", 0xCF, value)
    elif -(1 << 63) <= value < 0:
        out += struct.pack(">Bq", 0xD3, value)
    else:
        raise ClientError(f"{value} does not fit 64 bits")


def _pack_size(size: int, out: bytearray, short: tuple[int, int], codes: tuple[int, int, int]) -> None:
    if size < short[1]:
        out.append(short[0] | size)
    elif size < 256 and codes[0]:
        out += bytes((codes[0], size))
    elif size < 65536:
        out += struct.pack(">BH", codes[1], size)
    else:
        out += struct.pack(">BI", codes[2], size)


_FIXED = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"} | {
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_NUMBERS = {code: struct.Struct(form) for code, form in _FIXED.items()}
_SIZES = {
    code: (kind, struct.Struct(form))
    for kind, codes in {
        "bytes": {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"},
        "str": {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"},
        "list": {0xDC: ">H", 0xDD: ">I"},
        "dict": {0xDE: ">H", 0xDF: ">I"},
    }.items()
    for code, form in codes.items()
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def unpack_value(data: bytes) -> Any:  # noqa: ANN401  # any value of the protocol
    """The value that msgpack bytes stand for; ClientError where they are cut off, or unknown."""
    try:
        value, at = _unpack(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise ClientError(f"the gateway sent a header that is not msgpack: {error}") from None
    if at != len(data):
        raise ClientError("the gateway sent a header with something after it")
    return value


def _unpack(data: bytes, at: int) -> tuple[Any, int]:
    code = data[at]
    at += 1
    if code < 0x80 or code >= 0xE0:
        return code - 256 * (code >> 7), at
    if code < 0xC0:
        kind, bits = _SHORT[code >> 4]
        return _READERS[kind](data, at, code & bits)
    if code in _CONSTANTS:
        return _CONSTANTS[code], at
    if code in _NUMBERS:
        number = _NUMBERS[code]
        return number.unpack_from(data, at)[0], at + number.size
    if code not in _SIZES:
        raise ClientError(f"the gateway sent msgpack of a kind that the protocol lacks: {code:#x}")
    kind, form = _SIZES[code]
    (size,) = form.unpack_from(data, at)
    return _READERS[kind](data, at + form.size, size)


def _bytes(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise IndexError("bytes are cut off")
    return data[at : at + size], at + size


def _text(data: bytes, at: int, size: int) -> tuple[str, int]:
    if at + size > len(data):
        raise IndexError("text is cut off")
    return data[at : at + size].decode(), at + size


def _unpack_list(data: bytes, at: int, size: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(size):
        item, at = _unpack(data, at)
        items.append(item)
    return items, at


def _unpack_dict(data: bytes, at: int, size: int) -> tuple[dict[Any, Any], int]:
    items = {}
    for _ in range(size):
        key, at = _unpack(data, at)
        items[key], at = _unpack(data, at)
    return items, at


_READERS: dict[str, Callable[[bytes, int, int], tuple[Any, int]]] = {
    "bytes": _bytes,
    "str": _text,
    "list": _unpack_list,
    "dict": _unpack_dict,
}
_SHORT = {8: ("dict", 0x0F), 9: ("list", 0x0F), 10: ("str", 0x1F), 11: ("str", 0x1F)}


# Framing.


def pack_message(header: dict[str, Any], frames: Sequence[bytes] = ()) -> bytes:
    """One message: u32le body length, u8 count, u32le lengths, header, raw frames."""
    parts = [pack_value(header), *frames]
    sizes = [len(part) for part in parts]
    prefix = struct.pack(f"<IB{len(parts)}I", 1 + 4 * len(parts) + sum(sizes), len(parts), *sizes)
    return prefix + b"".join(parts)


def split_body(body: bytes) -> list[bytes]:
    """The frames of a body."""
    count = body[0] if body else 0
    if not count or len(body) < 1 + 4 * count:
        raise ClientError("the gateway sent a body without frames")
    sizes = struct.unpack_from(f"<{count}I", body, 1)
    at = 1 + 4 * count
    if at + sum(sizes) != len(body):
        raise ClientError("the gateway sent frames whose lengths do not add up")
    frames = []
    for size in sizes:
        frames.append(body[at : at + size])
        at += size
    return frames


# Spaces.


def array_lists(data: bytes, dtype: str, shape: Sequence[int]) -> Any:  # noqa: ANN401  # a number or nested lists
    """Raw little-endian bytes as nested lists; a single number for shape []."""
    count = len(data) // int(dtype[1])
    flat: list[Any] = list(struct.unpack(f"<{count}{CODES[dtype]}", data))
    if not shape:
        return flat[0]
    for axis in range(len(shape) - 1, 0, -1):
        length = shape[axis]
        flat = [flat[i * length : (i + 1) * length] for i in range(math.prod(shape[:axis]))]
    return flat


def array_numpy(data: bytes, dtype: str, shape: Sequence[int]) -> Any:  # noqa: ANN401  # a numpy array
    """Raw little-endian bytes as a numpy array of its own memory."""
    numpy = importlib.import_module("numpy")
    return numpy.frombuffer(data, "?" if dtype == "b1" else f"<{dtype}").reshape(shape).copy()


def restore(space: dict[str, Any], leaves: list[Any]) -> Any:  # noqa: ANN401  # a value of the space
    """The value of a space from its leaves, depth first; takes them out of the list."""
    kind = space["k"]
    if kind == "dict":
        return {key: restore(part, leaves) for key, part in space["v"]}
    if kind == "tuple":
        return tuple(restore(part, leaves) for part in space["v"])
    value = leaves.pop(0)
    return int(value) if kind == "disc" else value


def flatten(space: dict[str, Any], value: Any, entries: list[Any], frames: list[bytes]) -> None:  # noqa: ANN401
    """An action of a space as entries and raw frames; ClientError where it can't be one."""
    kind = space["k"]
    if kind in {"dict", "tuple"}:
        parts = space["v"] if kind == "dict" else list(enumerate(space["v"]))
        for key, part in parts:
            try:
                below = value[key]
            except (KeyError, IndexError, TypeError):
                raise ClientError(f"the action lacks {key!r}: {value!r}"[:200]) from None
            flatten(part, below, entries, frames)
        return
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (bool, int, float)):
        entries.append(int(plain) if isinstance(plain, bool) else plain)
        return
    flat, shape = _flat(plain)
    dtype = {"disc": "i8", "mdisc": "i8", "mbin": "i1"}.get(kind) or space["d"]
    try:
        frames.append(struct.pack(f"<{len(flat)}{CODES[dtype]}", *flat))
    except (struct.error, OverflowError, TypeError) as error:
        # Numbers that are no whole ones, or too large, are for the gateway to judge.
        if not all(isinstance(number, (int, float)) for number in flat):
            raise ClientError(f"the action is {value!r}"[:200] + f": {error}") from None
        dtype = "f8"
        frames.append(struct.pack(f"<{len(flat)}d", *flat))
    entries.append([dtype, shape])


def _flat(value: Any) -> tuple[list[Any], list[int]]:  # noqa: ANN401  # nested lists of numbers
    if not isinstance(value, (list, tuple)):
        raise ClientError(f"the action is no number and no list: {value!r}"[:200])
    if not value or not isinstance(value[0], (list, tuple)):
        return list(value), [len(value)]
    parts = [_flat(part) for part in value]
    if any(shape != parts[0][1] for _, shape in parts):
        raise ClientError("the action is a ragged list")
    return [number for flat, _ in parts for number in flat], [len(value), *parts[0][1]]


# The session.


@dataclass(frozen=True)
class Role:
    """What the gateway says about a role: seats, spaces, length of a mask (0: none), time control."""

    name: str
    arena: str
    seats: dict[str, int]
    observation: dict[str, Any]
    action: dict[str, Any]
    mask_size: int
    time_control: dict[str, int]


@dataclass(frozen=True)
class Start:
    """A match begins: `play` is this seat's number in the session."""

    play: int
    role: Role
    seat: str
    seed: int


@dataclass(frozen=True)
class Turn:
    """A decision that is asked for now: answer it with `Session.act` within `time_s`."""

    play: int
    number: int
    role: Role
    observation: Any
    mask: list[int] | None
    time_s: float


@dataclass(frozen=True)
class Verdict:
    """A move that was not ours: late or illegal. `retry`: try again now, within the same time."""

    play: int
    number: int
    source: str
    reason: str
    strikes: int
    retry: bool


@dataclass(frozen=True)
class End:
    """The match is over for this seat; `reason` is over, or why the seat lost by rule."""

    play: int
    reason: str


Event = Start | Turn | Verdict | End


class Session:
    """A connection that is ready to play; iterate over its events, and answer each Turn with `act`.

    Made by `connect`. Iteration ends when the gateway says goodbye; ClientError where the connection
    ends in any other way.
    """

    def __init__(self, sock: socket.socket, array: Callable[[bytes, str, Sequence[int]], Any]) -> None:
        self.roles: dict[str, Role] = {}
        self.player = ""
        self._sock = sock
        self._array = array
        self._data = b""
        self._at = 0
        self._out: list[bytes] = []
        self._out_since_s = 0.0
        self._sent = 0
        self._plays: dict[int, Role] = {}
        self._goodbye = False

    def __iter__(self) -> Session:
        return self

    def __next__(self) -> Event:
        while True:
            message = self._message()
            if message is None and self._goodbye:
                raise StopIteration
            if message is None:
                raise ClientError("the connection to the gateway broke")
            event = self._event(*message)
            if event is not None:
                return event

    def act(self, turn: Turn, action: Any) -> None:  # noqa: ANN401  # an action of the role's space
        """Answer a turn; what is written leaves before the next read that has to wait, or after 2 ms."""
        entries: list[Any] = []
        frames: list[bytes] = []
        flatten(turn.role.action, action, entries, frames)
        self._send({"t": "act", "s": turn.play, "n": turn.number, "a": entries}, frames)
        if time.monotonic() - self._out_since_s > _FLUSH_S:
            self.flush()

    def leave(self, reason: str = "") -> None:
        """Say goodbye; the seats still played are lost."""
        self._send({"t": "leave", "reason": reason[:100]})
        self.flush()
        self._sock.close()

    def flush(self) -> None:
        """Write what waits."""
        if self._out:
            data = b"".join(self._out)
            self._out.clear()
            try:
                self._sock.sendall(data)
            except OSError:
                return  # Why the gateway closed is still to be read.

    def log_in(self, token: str, agent: str) -> None:
        """Hello, join, and everything the gateway tells before the first match; ready when it returns."""
        self._send(
            {
                "t": "hello",
                "v": [MAJOR],
                "impl": "marl client.py 1",
                "cred": {"kind": "token", "token": token},
            }
        )
        self._send({"t": "join", "role": "play", "agent": agent[:128]})
        while True:
            message = self._message()
            if message is None:
                raise ClientError("the gateway closed the connection before the agent was seated")
            header = message[0]
            if header["t"] == "welcome":
                self.player = header["player"]
            elif header["t"] == "seat":
                self._learn_role(header)
                if header["left"] == 0:
                    return
            else:
                self._event(*message)

    def ready(self) -> None:
        """Say that the agent is warmed up: from now on it is seated."""
        self._send({"t": "ready"})
        self.flush()

    def _send(self, header: dict[str, Any], frames: Sequence[bytes] = ()) -> None:
        if not self._out:
            self._out_since_s = time.monotonic()
        self._sent += 1
        header["m"] = self._sent
        self._out.append(pack_message(header, frames))

    def _message(self) -> tuple[dict[str, Any], list[bytes]] | None:
        """The next message; None when the gateway closed the connection."""
        while True:
            left = len(self._data) - self._at
            if left >= 4:
                (size,) = struct.unpack_from("<I", self._data, self._at)
                if size > _BODY_BYTES:
                    raise ClientError(f"the gateway announced a message of {size} bytes")
                if left >= 4 + size:
                    body = self._data[self._at + 4 : self._at + 4 + size]
                    self._at += 4 + size
                    header, *frames = split_body(body)
                    return unpack_value(header), frames
                self._fill(4 + size)
            else:
                self._fill(4)
            if not self._data:
                return None

    def _fill(self, need: int) -> None:
        """Read until `need` bytes of the current message are there; no data at all once the peer closed."""
        self.flush()
        parts = [self._data[self._at :]]
        have = len(parts[0])
        self._data, self._at = b"", 0
        while have < need:
            try:
                part = self._sock.recv(_READ_BYTES)
            except TimeoutError:
                raise ClientError("the gateway did not answer in time") from None
            except ConnectionResetError:
                part = b""
            if not part:
                return
            parts.append(part)
            have += len(part)
        self._data = b"".join(parts)

    def _learn_role(self, header: dict[str, Any]) -> None:
        self.roles[header["role"]] = Role(
            header["role"],
            header["arena"],
            header["seats"],
            header["observation"],
            header["action"],
            header["mask"],
            header["tc"],
        )

    def _event(self, header: dict[str, Any], frames: list[bytes]) -> Event | None:
        kind = header["t"]
        if kind == "obs":
            return self._turn(header, frames)
        if kind == "start":
            role = self._plays[header["s"]] = self.roles[header["role"]]
            return Start(header["s"], role, header["seat"], header["seed"])
        if kind == "verdict":
            retry = bool(header.get("retry"))
            return Verdict(
                header["s"], header["n"], header["src"], header["reason"], header["strikes"], retry
            )
        if kind == "end":
            self._plays.pop(header["s"], None)
            return End(header["s"], header["reason"])
        if kind == "ping":
            self._send({"t": "pong", "n": header["n"], "t_us": header["t_us"]})
        elif kind == "error":
            raise ClientError(f"the gateway refused: {header['code']}: {header['text']}")
        elif kind == "bye":
            self._goodbye = True
            if header["reason"] not in {"shutdown", "left"}:
                raise ClientError(f"the gateway ended the session: {header['reason']}")
        # Messages of later versions are none of our business.
        return None

    def _turn(self, header: dict[str, Any], frames: list[bytes]) -> Turn:
        role = self._plays[header["s"]]
        mask = list(frames.pop()) if "mask" in header else None
        leaves = [self._array(data, *entry) for entry, data in zip(header["a"], frames, strict=True)]
        observation = restore(role.observation, leaves)
        return Turn(header["s"], header["n"], role, observation, mask, header["dl_ms"] / 1e3)


def connect(
    address: str, *, token: str, name: str = "", numpy: bool = False, timeout_s: float = 10.0
) -> Session:
    """Log in at HOST:PORT; the Session knows its roles, and plays once you call `ready()`.

    Args:
        address: "127.0.0.1:4000" or "tcp://127.0.0.1:4000".
        token: the join token of your player.
        name: what your agent calls itself, with its version.
        numpy: arrays as numpy arrays rather than nested lists.
        timeout_s: how long to wait for the gateway's answers while logging in.
    """
    host, colon, port = address.removeprefix("tcp://").rpartition(":")
    if not colon or not port.isdecimal():
        raise ClientError(f"{address!r} is no address: HOST:PORT is")
    try:
        sock = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), timeout_s)
    except OSError as error:
        raise ClientError(f"no gateway at {address}: {error}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = Session(sock, array_numpy if numpy else array_lists)
    try:
        session.log_in(token, name)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)
    return session


# Agents.


class _Agents:
    """Who acts for each seat of each match: a class is called for each, a function or an object is shared."""

    def __init__(self, agent: Any) -> None:  # noqa: ANN401  # a function, an object or a class
        self._agent = agent
        self._live: dict[int, Callable[[Any, Any], Any]] = {}

    def begin(self, start: Start) -> None:
        """A match begins."""
        agent = self._agent() if isinstance(self._agent, type) else self._agent
        if hasattr(agent, "reset"):
            agent.reset(start.seat, start.seed)
        self._live[start.play] = _takes_mask(agent.act if hasattr(agent, "act") else agent)

    def act(self, turn: Turn) -> Any:  # noqa: ANN401  # an action of the role's space
        """The agent's action."""
        return self._live[turn.play](turn.observation, turn.mask)

    def end(self, play: int) -> None:
        """The match is over."""
        self._live.pop(play, None)


def _takes_mask(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """A function of (observation, mask), also where the agent's own takes the observation only."""
    try:
        inspect.signature(function).bind(None, None)
    except ValueError:
        return function  # A builtin that does not tell.
    except TypeError:
        return lambda observation, mask: function(observation)  # noqa: ARG005  # the mask is what it does not take
    return function


def run(
    agent: Any,  # noqa: ANN401  # a function, an object or a class
    address: str,
    *,
    token: str,
    name: str = "",
    numpy: bool = False,
    log: Callable[[str], None] | None = None,
) -> int:
    """Play until the gateway says goodbye; returns how many turns were answered.

    Args:
        agent: a function `observation, mask -> action` (or of the observation only); or a class whose objects
            have `reset(seat, seed)` and `act(observation, mask)`, one for each seat of each match. An object
            is shared by all matches that run at the same time: give its class where it remembers anything.
        address: HOST:PORT of the gateway.
        token: the join token of your player.
        name: what your agent calls itself, with its version.
        numpy: arrays as numpy arrays rather than nested lists.
        log: told about late and illegal moves and lost seats; None is silent.
    """
    session = connect(address, token=token, name=name, numpy=numpy)
    agents = _Agents(agent)
    session.ready()
    turns: dict[int, Turn] = {}
    answered = 0
    try:
        for event in session:
            if isinstance(event, Turn):
                turns[event.play] = event
                session.act(event, agents.act(event))
                answered += 1
            elif isinstance(event, Start):
                agents.begin(event)
            elif isinstance(event, End):
                agents.end(event.play)
                turns.pop(event.play, None)
                if event.reason != "over" and log is not None:
                    log(f"a seat was lost: {event.reason}")
            else:
                if log is not None:
                    log(f"{event.source} move {event.number}: {event.reason} (strike {event.strikes})")
                turn = turns.get(event.play)
                if event.retry and turn is not None and turn.number == event.number:
                    session.act(turn, agents.act(turn))
    except BaseException:
        session.leave("the agent ended with an error")
        raise
    session.leave()
    return answered


def load(spec: str) -> Any:  # noqa: ANN401  # a function, an object or a class
    """The agent that `path/to/file.py:name` or `package.module:name` names."""
    where, _, name = spec.rpartition(":")
    if not where:
        raise ClientError(f"{spec!r} names no agent: agent.py:act does")
    if where.endswith(".py"):
        path = Path(where)
        found = importlib.util.spec_from_file_location(path.stem, path)
        if found is None or found.loader is None or not path.is_file():
            raise ClientError(f"there is no file {where}")
        module = importlib.util.module_from_spec(found)
        sys.modules[path.stem] = module
        found.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    if not hasattr(module, name):
        raise ClientError(f"{where} has no {name!r}")
    return getattr(module, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when the gateway said goodbye, 1 on a fault, 2 on wrong usage, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(description="Play in a league with your own agent.")
    parser.add_argument("address", help="HOST:PORT of the gateway")
    parser.add_argument("agent", help="agent.py:act or package.module:Agent")
    parser.add_argument("--token", required=True, help="your player's join token, or @FILE that holds it")
    parser.add_argument("--name", default="", help="what your agent calls itself")
    parser.add_argument(
        "--numpy", action="store_true", help="arrays as numpy arrays rather than nested lists"
    )
    options = parser.parse_args(arguments)
    token = options.token
    try:
        if token.startswith("@"):
            token = Path(token[1:]).read_text(encoding="utf-8").strip()
        agent = load(options.agent)
        answered = run(
            agent, options.address, token=token, name=options.name, numpy=options.numpy, log=print_line
        )
    except (ClientError, OSError) as error:
        print_line(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        print_line("interrupted: the seats still played are lost")
        return 130
    print_line(f"the gateway said goodbye after {answered} turns")
    return 0


def print_line(text: str) -> None:
    """One line on standard error, at once."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
