"""The owner's socket: a ROUTER that is connected to all its hosts."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from marl.hosting import wire
from marl.hosting.keys import connect_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marl.hosting.peer import Peer
    from marl.hosting.plan import Plan

_FAREWELL_MS = 500
"""How long goodbyes to other machines may take to leave this one."""

# As plain numbers: masking an enumeration's members takes microseconds.
_STATE, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)
BROKE, BACK, REFUSED = zmq.EVENT_DISCONNECTED, zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH
"""What may happen to a connection between machines; the last: the host does not admit our keys."""


class Router:
    """Tells hosts apart by the names that it gave them; what an earlier incarnation says is nobody's word.

    `wait_ms`: how long `receive` waits for a message.
    """

    def __init__(self, plan: Plan, wait_ms: int) -> None:
        self._token = secrets.token_hex(8).encode()
        self._by_name: dict[bytes, Peer] = {}
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = wire.socket(self._context, zmq.ROUTER, plan.groups)
        self._socket.rcvtimeo = wait_ms
        self._monitor: zmq.Socket[Any] | None = None
        if plan.addresses:
            wire.guard(self._socket)
            self._monitor = self._socket.get_monitor_socket(BROKE | BACK | REFUSED)
        if plan.keys is not None:
            connect_with(self._socket, plan.keys)

    def connect(self, peer: Peer, endpoint: str) -> None:
        """Connect to the present incarnation of a host, under a name of its own."""
        peer.name = b"%d.%d" % (peer.index, peer.incarnation)
        if peer.address:
            # A slot tells its owner's connections apart by this name, and owners by its beginning.
            self._socket.routing_id = b"%s/%s" % (self._token, peer.name)
        self._socket.connect_routing_id = peer.name
        self._socket.connect(endpoint)
        self._by_name[peer.name] = peer

    def disconnect(self, peer: Peer, endpoint: str) -> None:
        """Hear no more of this incarnation."""
        self._socket.disconnect(endpoint)
        del self._by_name[peer.name]

    def send(self, peer: Peer, header: bytes, body: bytes | None = None) -> None:
        """Send a message, with a raw frame behind it or without."""
        self._socket.send(peer.name, zmq.SNDMORE)
        if body is None:
            self._socket.send(header)
        else:
            self._socket.send(header, zmq.SNDMORE)
            self._socket.send(body, copy=False)

    def receive(self, *, wait: bool) -> tuple[Peer | None, list[Any], list[memoryview]] | None:
        """The next message, if there is one: whose it is (None: nobody's), its header, its raw frames."""
        # An exception costs as much as the message that did not come: who does not wait looks first.
        if not wait and not int(self._socket.get(_STATE)) & _READABLE:
            return None
        try:
            name = self._socket.recv()
        except zmq.Again:
            return None
        header = wire.unpack(self._socket.recv())
        peer = self._by_name.get(name)
        bodies = []
        if peer is None or not peer.memory:
            while self._socket.get(zmq.RCVMORE):
                bodies.append(self._socket.recv(copy=False).buffer)
        return peer, header, bodies

    def events(self) -> Iterator[tuple[Peer, int]]:
        """What happened to connections between machines since the last call: BROKE, BACK, REFUSED."""
        while self._monitor is not None and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            endpoint = event["endpoint"].decode()
            for peer in self._by_name.values():
                if peer.link is not None and peer.link.endpoint == endpoint:
                    yield peer, event["event"]
                    break

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._context.closed

    def farewell(self, peer: Peer) -> None:
        """Tell a host to end, if it can be told at all."""
        with contextlib.suppress(zmq.ZMQError):
            header = wire.pack([wire.BYE, peer.incarnation])
            self._socket.send_multipart([peer.name, header], zmq.NOBLOCK)

    def close(self) -> None:
        """Give the socket back, once goodbyes to other machines had time to leave."""
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close()
        self._socket.close(linger=0 if self._monitor is None else _FAREWELL_MS)
        self._context.term()
