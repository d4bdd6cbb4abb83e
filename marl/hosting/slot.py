"""The process behind one slot of `marl host`: a host over TCP, for one owner at a time and one only.

The first to greet is served until it says goodbye, stays away, or greets with another incarnation; then this
process ends, and the slot's keeper (`marl.hosting.keeper`) starts the next one. Nothing is reused between
owners. A step's beginning is written where the keeper sees it: it ends a process that holds on to one.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from marl.errors import HostError, MarlError
from marl.hosting import plane, wire
from marl.hosting.host import Host
from marl.hosting.keys import bind_with, load_keys
from marl.hosting.orphan import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT = struct.Struct("=dd")
"""What the keeper sees: since when a message is at work (0: none is), and how long it may be."""

REFUSED = 2
"""The exit code of a process that could not even listen: another try would end alike.

The last line of its output is the error's parts as JSON.
"""

_AWAY_S = 10.0
"""How long an owner whose connection broke may take to come back."""

_DOUBT_S = 2.0
"""For so long after some connection broke it is tried whether the owner's is still there."""

_TOKEN_BYTES = 16
_LOOK_EVERY_MS = 500


class Slot:
    """Serves one owner on a ROUTER, message by message; `beat` is the keeper's view of it."""

    def __init__(self, socket: zmq.Socket[Any], beat: memoryview) -> None:
        self._socket = socket
        self._beat = beat
        self._host: Host | None = None
        self._owner = b""
        self._limits_s: list[float] = []
        self._doubt_s = -_DOUBT_S
        self._away_s: float | None = None
        self._monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)

    def run(self) -> None:
        """Serve until the owner is done."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        while not self._over():
            for socket, _ in poller.poll(_LOOK_EVERY_MS):
                if socket is self._monitor:
                    self._notice()
                elif not self._take():
                    return

    def close(self) -> None:
        """Take no more messages; what was answered goes on its way."""
        self._socket.disable_monitor()
        self._monitor.close()
        self._socket.close(linger=1000)

    def _over(self) -> bool:
        host = self._host
        if host is None or host.over:
            return host is not None
        now_s = time.monotonic()
        if self._away_s is None and now_s - self._doubt_s > _DOUBT_S:
            return False
        # Connections are told apart by trying: a name without one can't be sent to.
        if self._send(self._owner, [wire.pack([wire.BEAT, 0])]):
            self._away_s = None
            return False
        self._away_s = now_s if self._away_s is None else self._away_s
        return now_s - self._away_s > _AWAY_S

    def _notice(self) -> None:
        """Some connection broke: whose, is to be found out."""
        recv_monitor_message(self._monitor)
        self._doubt_s = time.monotonic()

    def _take(self) -> bool:
        """Answer one message; false where a new incarnation is wanted."""
        who, *message = self._socket.recv_multipart()
        header = wire.unpack(message[0])
        if self._host is None and header[0] == wire.HELLO:
            self._owner = who
            self._limits_s = header[2]["limits_s"]
            self._host = Host(header[1])
        if who != self._owner:
            if self._host is not None and who[:_TOKEN_BYTES] == self._owner[:_TOKEN_BYTES]:
                return False
            self._refuse(who, header)
            return True
        assert self._host is not None
        self._away_s = None
        step_s, start_s = self._limits_s
        BEAT.pack_into(self._beat, 0, time.monotonic(), step_s if header[0] == wire.STEP else start_s)
        answer = self._host.answer(message)
        BEAT.pack_into(self._beat, 0, 0.0, 0.0)
        if answer:
            # Undeliverable where the connection broke meanwhile: the owner will ask again.
            self._send(who, answer)
        return True

    def _send(self, who: bytes, answer: list[bytes]) -> bool:
        """Send to a name; says whether there is a connection behind it."""
        try:
            self._socket.send_multipart([who, *answer], copy=False)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def _refuse(self, who: bytes, header: list[Any]) -> None:
        if header[0] != wire.BYE:
            self._send(who, [wire.pack([wire.STRANGE if self._host is None else wire.TAKEN, header[1]])])


def main(argument: str) -> None:
    """Run a slot's process; the argument is JSON: endpoint, keys (a folder, or ""), owner, beat, at."""
    order = json.loads(argument)
    Watch(order["owner"], "").settle()
    beat = plane.mapped(order["beat"], order["beats"])[order["at"] : order["at"] + BEAT.size]
    context: zmq.Context[Any] = zmq.Context()
    try:
        socket, stop = listen(context, order["endpoint"], order["keys"])
        slot = Slot(socket, beat)
        slot.run()
        slot.close()
        stop()
        # The last answer may be a fault: this waits until it is out.
        context.term()
    except MarlError as error:
        parts = {"got": error.got, "expected": error.expected, "remedy": error.remedy}
        sys.stderr.write(f"{json.dumps(parts)}\n")
        sys.stderr.flush()
        os._exit(REFUSED)


def listen(context: zmq.Context[Any], endpoint: str, keys: str) -> tuple[zmq.Socket[Any], Callable[[], None]]:
    """A guarded ROUTER bound at a TCP endpoint, and what ends the checking of its keys."""
    wire.check_endpoint(endpoint, keys=bool(keys))
    socket = wire.socket(context, zmq.ROUTER, 0)
    wire.guard(socket)
    # An owner whose connection broke comes back under its name, before the loss was noticed here.
    socket.router_handover = 1
    stop: Callable[[], None] = _nothing
    if keys:
        stop = bind_with(socket, load_keys(Path(keys)))
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        stop()
        socket.close()
        raise HostError(
            f"hosting: {endpoint}",
            got=str(error),
            expected="an endpoint that can be bound",
            remedy="Is another `marl host` running there?",
        ) from error
    return socket, stop


def _nothing() -> None:
    """Without keys there is no checking to end."""


if __name__ == "__main__":
    main(sys.argv[1])
    # Threads that an arena left behind must not keep the process.
    os._exit(0)
