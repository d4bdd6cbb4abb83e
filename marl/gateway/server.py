"""The gateway's process: `python -m marl.gateway.server`; a line of JSON (`hub.Config`) in, one out.

The latter says where it listens, or what is wrong. The process ends when stdin ends, or its parent is gone.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import os
import resource
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from marl.gateway import protocol as wire
from marl.gateway.hub import Config, Hub
from marl.gateway.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMORY_BYTES = 1 << 30
FILES = 1024
BACKLOG, ACCEPT_BATCH = 128, 16
BEAT_S = 0.5


class StartError(Exception):
    """Why the gateway can't start: where, got, expected, remedy."""

    def __init__(self, where: str, got: str, expected: str, remedy: str) -> None:
        self.fields = {"where": where, "got": got, "expected": expected, "remedy": remedy}
        super().__init__(where)


def limit_resources() -> None:
    """Cap memory and files; this process parses what strangers send."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    files = min(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; StartError where it can't be had."""
    where = f"gateway {host}:{port}"
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise StartError(where, repr(host), "a numeric IP address", "Use 127.0.0.1 or ::1.") from None
    if not address.is_loopback:
        remedy = "Bind 127.0.0.1 and let agents come in through an SSH tunnel."
        raise StartError(where, "an address that others can reach, without TLS", "a loopback address", remedy)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((str(address), port))
        sock.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        sock.close()
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        got = "a port that is taken" if taken else str(error)
        raise StartError(where, got, "a free port", "Choose another port, or 0 for any free one.") from None
    return sock


class Control:
    """The owner's plane: a ROUTER in a private folder; asks come in, whole answers go out."""

    def __init__(self, endpoint: str, loop: asyncio.AbstractEventLoop) -> None:
        self.hub: Hub | None = None
        self.failure: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.router_mandatory = True
        self._socket.bind(endpoint)
        self._fd = int(self._socket.getsockopt(zmq.FD))
        loop.add_reader(self._fd, self.drain)

    def reply(self, identity: bytes, header: dict[str, Any], frames: Sequence[bytes]) -> None:
        """Send one answer; a policy that is gone takes its matches with it."""
        if self._socket.closed:
            return
        try:
            self._socket.send_multipart([identity, msgspec.msgpack.encode(header), *frames], zmq.NOBLOCK)
        except zmq.ZMQError:
            if self.hub is not None:
                self._loop.call_soon(self.hub.vanished, identity)
        # Sending may take the wake-up of a message that came in meanwhile.
        self._loop.call_soon(self.drain)

    def drain(self) -> None:
        """Handle everything that is there: the socket's descriptor only tells of changes."""
        try:
            self._drain()
        except Exception as error:  # noqa: BLE001  # whatever it is, owners must not wait for rows that were lost
            if not self.failure.done():
                self.failure.set_exception(error)

    def _drain(self) -> None:
        while not self._socket.closed and int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            identity, head, *frames = self._socket.recv_multipart(copy=False)
            self._handle(
                identity.bytes, msgspec.msgpack.decode(head.buffer), [frame.buffer for frame in frames]
            )

    def _handle(self, identity: bytes, header: dict[str, Any], frames: list[memoryview]) -> None:
        hub = self.hub
        if hub is None:
            return
        match header["t"]:
            case "ask":
                hub.ask(identity, header, frames)
            case "ended":
                hub.ended(identity, header["player"], frames[0].cast("q"))
            case "wait":
                hub.wait(identity, header["id"], header["player"])
            case "standing":
                hub.standing(identity, header["id"], header["player"])
            case "close":
                hub.vanished(identity)

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._fd)
        self._socket.close(0)
        self._context.term()


async def _until_orphaned(stdin: int) -> None:
    """Return when stdin ends: the owner closed it, or died."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def on_stdin() -> None:
        if not os.read(stdin, 4096) and not over.done():
            over.set_result(None)

    loop.add_reader(stdin, on_stdin)
    await over


async def _beat(hub: Hub, control: Control, parent: int) -> None:
    """Prove to waiting owners that the main loop runs; ping idle agents; notice a parent that died."""
    while os.getppid() == parent:
        await asyncio.sleep(BEAT_S)
        hub.check()
        for identity in {ask.identity for ask in hub.open_asks}:
            control.reply(identity, {"t": "beat"}, ())
        for session in list(hub.connections):
            session.beat(hub.loop.time())


async def serve(config: Config, parent: int) -> int:
    """Listen, say so, and serve until the owner is gone; 1 after a fault of ours, which is printed."""
    loop = asyncio.get_running_loop()
    sock = listen(config.host, config.port)
    control = Control(config.control, loop)
    hub = control.hub = Hub(config, loop, control.reply)
    _check_wire(hub)
    loop.set_exception_handler(functools.partial(_on_fault, control))
    # asyncio takes `backlog` for its accept batch, too: a small one keeps a flood from stalling those who
    # play.
    server = await loop.create_server(lambda: Session(hub), sock=sock, backlog=ACCEPT_BATCH)
    socket.socket.listen(sock, BACKLOG)
    host, port = sock.getsockname()[:2]
    _say({"address": f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"})
    tasks = [asyncio.create_task(_until_orphaned(0)), asyncio.create_task(_beat(hub, control, parent))]
    done, _ = await asyncio.wait([*tasks, control.failure], return_when=asyncio.FIRST_COMPLETED)
    faults = [fault for over in done if (fault := over.exception()) is not None]
    for fault in faults:
        traceback.print_exception(fault)
    server.close()
    # First the owner's plane: seats that end with this process are not forfeited by their agents.
    control.close()
    for session in list(hub.connections):
        session.close("shutdown")
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    return 1 if faults else 0


def _on_fault(control: Control, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A fault in reading one agent's bytes costs that agent its connection; any other ends the process."""
    loop.default_exception_handler(context)
    if "protocol" not in context and not control.failure.done():
        control.failure.set_exception(context.get("exception") or RuntimeError(context["message"]))


def _check_wire(hub: Hub) -> None:
    """StartError where a role does not fit into the wire's messages."""
    for role, seat in zip(hub.roles.values(), hub.seat_messages, strict=True):
        frames = 1 + len(role.leaf_bytes) + (role.mask_size > 0)
        if frames > wire.FRAMES:
            remedy = "Join observation leaves into fewer arrays."
            raise StartError(f"role {role.name}", f"{frames} frames", f"{wire.FRAMES} at most", remedy)
        header = len(wire.encode(seat))
        if header > wire.TO_AGENT_HEADER_BYTES:
            remedy = "Give boxes bounds that are one number."
            expected = f"{wire.TO_AGENT_HEADER_BYTES} bytes at most"
            raise StartError(f"role {role.name}", f"a description of {header} bytes", expected, remedy)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Read the configuration, serve; 0 when the owner ended it, 1 when it could not start or go on."""
    parent = os.getppid()
    # Ctrl-C on a terminal reaches this process, too; the owner decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = msgspec.json.decode(sys.stdin.buffer.readline(), type=Config)
    limit_resources()
    try:
        return asyncio.run(serve(config, parent))
    except StartError as error:
        _say({"error": error.fields})
        return 1


if __name__ == "__main__":
    sys.exit(main())
