"""The trusted plane's messages: msgpack headers over ZeroMQ, errors as data, and where a host may listen.

A message is a header, and behind it raw frames where arrays travel (`marl.hosting.plane`). A header is a
msgpack list: its kind, the incarnation of the host it concerns, and what the kind brings:

    HELLO    {protocol, arena, groups, variants, limits_s} owner to host, first; the host answers SPEC
    ATTACH   {plane, hash, copies, groups, start, stop}   owner to host; the host answers READY
    STEP     group, step            [+ orders]            owner to host; the host answers DONE
    VARIANT  number, options                              owner to host; the host answers ANSWER: index
    VIEW     number, group, copy                          owner to host; the host answers ANSWER: plain JSON
    BYE                                                   owner to host: end
    SPEC     {spec, memory}                               host to owner; memory: it can map the owner's block
    READY                                                 host to owner
    DONE     group, step, busy_s    [+ frame [+ last]]    host to owner; busy_s: seconds spent in steps so far
    ANSWER   number, value                                host to owner
    FAULT    {group, number, error}                       host to owner; both -1: while starting
    BEAT                                                  host to owner, over TCP: is the connection there?
    STRANGE                                               host to owner: greet first (a new process, over TCP)
    TAKEN                                                 host to owner: another one has this slot (over TCP)

Each message can be sent again: a host that hears one again repeats its answer and does nothing twice. Steps
are so by (incarnation, step), requests by their number. Over TCP the owner sends again what is open when a
connection is back.
"""

from __future__ import annotations

import ipaddress
import traceback
from typing import TYPE_CHECKING, Any

import msgpack
import zmq

from marl import errors
from marl.errors import HostError, MarlError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROTOCOL = 1
"""Version of the messages above."""

HELLO, ATTACH, STEP, VARIANT, VIEW, BYE = range(6)
SPEC, READY, DONE, ANSWER, FAULT, BEAT, STRANGE, TAKEN = range(16, 24)

NEVER = -1
"""The group or request of a FAULT that concerns none."""

pack = msgpack.Packer(autoreset=True).pack
_SOCKET_FOLDER_MODE = 0o700
_LONGEST_PATH = 100

LARGEST = 64 * 2**20
"""Most bytes of one frame between machines; a peer that announces more is cut off before it is believed."""

_CURVE_BOX = 33


def unpack(header: bytes) -> list[Any]:
    """The list that `pack` wrote; HostError where it is anything else."""
    try:
        message = msgpack.unpackb(header)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise HostError("hosting: header", got=f"{header[:32]!r}", expected="a msgpack list") from error
    if not isinstance(message, list) or len(message) < 2:
        raise HostError("hosting: header", got=f"{message!r}"[:80], expected="[kind, incarnation, ...]")
    return message


def socket(context: zmq.Context[Any], kind: int, outstanding: int) -> zmq.Socket[Any]:
    """A socket that never waits when it closes and has room for `outstanding` messages to each peer."""
    made: zmq.Socket[Any] = context.socket(kind)
    made.linger = 0
    made.sndhwm = made.rcvhwm = 16 + outstanding
    # A host takes a while to bind; the first attempts to reach it fail.
    made.reconnect_ivl = 5
    made.handshake_ivl = 10_000
    if kind == zmq.ROUTER:
        made.router_mandatory = 1
    return made


def guard(socket: zmq.Socket[Any]) -> None:
    """What a socket between machines needs: limits, beats (lost after 4 s), patient reconnection."""
    # The limit counts the box that CURVE puts around a frame.
    socket.maxmsgsize = LARGEST + _CURVE_BOX
    socket.heartbeat_ivl, socket.heartbeat_timeout, socket.heartbeat_ttl = 1000, 3000, 3000
    socket.handshake_ivl = 2000
    socket.reconnect_ivl, socket.reconnect_ivl_max = 20, 2000
    # The system's own patience doubles with each packet that is lost: a link that is back would wait for it.
    socket.connect_timeout = 2000


def on_loopback(endpoint: str) -> bool:
    """Whether only this machine can reach a TCP endpoint, which is given by number."""
    host = endpoint.partition("://")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_endpoint(endpoint: str, *, keys: bool = False) -> None:
    """Raise HostError unless a host may listen there: `ipc://`, TCP on loopback, anywhere with keys."""
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc":
        if len(rest) > _LONGEST_PATH:
            raise HostError(
                f"hosting: {endpoint}",
                got=f"a path of {len(rest)} characters",
                expected=f"at most {_LONGEST_PATH}, as the system's sockets demand",
                remedy="Set TMPDIR to a shorter path.",
            )
        return
    if scheme != "tcp":
        raise HostError(f"hosting: {endpoint}", got=f"transport {scheme!r}", expected="ipc:// or tcp://")
    if not keys and not on_loopback(endpoint):
        raise HostError(
            f"hosting: {endpoint}",
            got="an address that others can reach, without CURVE keys",
            expected="keys, or a loopback address by number",
            remedy="Make keys with `marl keys NAME` and name them, or use tcp://127.0.0.1:PORT.",
        )


def error_to_wire(error: BaseException) -> dict[str, str]:
    """An error as data: its class by name, its parts, its traceback."""
    if isinstance(error, MarlError):
        parts = {"where": error.where, "got": error.got, "expected": error.expected, "remedy": error.remedy}
    else:
        parts = {"where": "", "got": f"{type(error).__name__}: {error}", "expected": "", "remedy": ""}
    return {"code": type(error).__name__, **parts, "traceback": "".join(traceback.format_exception(error))}


def error_from_wire(data: Mapping[str, str], where: str) -> MarlError:
    """The error that `error_to_wire` wrote, with its traceback as a note; HostError for classes not ours."""
    kind = getattr(errors, data["code"], None)
    if isinstance(kind, type) and issubclass(kind, MarlError):
        error = kind.__new__(kind)
        MarlError.__init__(
            error, data["where"], got=data["got"], expected=data["expected"], remedy=data["remedy"]
        )
    else:
        error = HostError(where, got=data["got"], expected="a host without an error of its own")
    error.add_note(f"{where} said:\n{data['traceback']}")
    return error
