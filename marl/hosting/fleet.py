"""The hosts of a pool: started, heard, suspected, given up on, replaced. `HostPool` does the stepping."""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from marl.errors import HostError, MarlError
from marl.frame import Frame, Orders, over_memory
from marl.hosting import plane, wire
from marl.hosting.keys import connect_with
from marl.hosting.link import HostProcess, RemoteHost, sweep
from marl.hosting.log import LOG
from marl.spec import PARKED, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.hosting.peer import Peer
    from marl.hosting.plan import Plan

TRIES = 3
"""A host that dies so often without completing a step is given up."""

_TICK_MS = 10
"""How long a wait goes on before processes and deadlines are looked at: a dead host is noticed within it."""

_SUSPECT_S = 1.5
"""A host that is silent for longer in a step is told about: stopped, looping, or only slow."""

_PATIENCE_S = 2.0
"""How long a host may take to end by itself when the pool closes."""

_FAREWELL_MS = 500
"""How long goodbyes to other machines may take to leave this one."""

# As plain numbers: masking an enumeration's members takes microseconds.
_STATE, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)
_EVENTS = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH


class Fleet:
    """Hosts and the block that their copies fill.

    `teams[g]`: the hosts that play group g; `waiting[g]`: those whose step of it is under way; `lost[g]`:
    those that died in it; `faults[g]`: what they raised in it. `refusal`: why nothing can be done any more
    (closed, or a host given up).
    """

    spec: Spec

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.step = [0] * plan.groups
        self.sent_s = [0.0] * plan.groups
        self.waiting: list[set[Peer]] = [set() for _ in range(plan.groups)]
        self.lost: list[set[Peer]] = [set() for _ in range(plan.groups)]
        self.faults: list[list[MarlError]] = [[] for _ in range(plan.groups)]
        self.variants: list[dict[str, Any]] = []
        self.answers: dict[int, Any] = {}
        self.frames: list[Frame] = []
        self.orders: list[Orders] = []
        self.refusal: HostError | None = None
        self._asked = 0
        self._looked_s = 0.0
        self._open = False
        self._token = secrets.token_hex(8).encode()
        self.peers = plan.peers()
        self.teams = [[peer for peer in self.peers if g in peer.groups] for g in range(plan.groups)]
        self._by_name: dict[bytes, Peer] = {}
        self._shared = plane.Shared() if plan.plane != plane.FRAMES and not plan.addresses else None
        self._context: zmq.Context[Any] = zmq.Context()
        self.router = wire.socket(self._context, zmq.ROUTER, plan.groups)
        self.router.rcvtimeo = _TICK_MS
        self._monitor: zmq.Socket[Any] | None = None
        if plan.addresses:
            wire.guard(self.router)
            self._monitor = self.router.get_monitor_socket(_EVENTS)
        if plan.keys is not None:
            connect_with(self.router, plan.keys)
        try:
            sweep()
            for peer in self.peers:
                self._start(peer)
            while not all(peer.ready for peer in self.peers):
                self.hear()
        except BaseException:
            self.close()
            raise
        self._open = True

    def hear(self, *, wait: bool = True) -> bool:
        """Take in one message, or look after the hosts where none came; HostError where one is given up.

        Says whether a message came; `wait`: for a moment, if there is none yet.
        """
        if self.refusal is not None:
            raise self.refusal
        # An exception costs as much as the message that did not come: who does not wait looks first.
        if not wait and not int(self.router.get(_STATE)) & _READABLE:
            if time.monotonic() - self._looked_s > _TICK_MS / 1000:
                self._look()
            return False
        try:
            name = self.router.recv()
        except zmq.Again:
            self._look()
            return False
        header = wire.unpack(self.router.recv())
        peer = self._by_name.get(name)
        bodies = []
        if peer is None or not peer.memory:
            while self.router.get(zmq.RCVMORE):
                bodies.append(self.router.recv(copy=False).buffer)
        # Else an earlier incarnation: what it said died with it.
        if peer is not None:
            self._take(peer, header, bodies)
        return True

    def _take(self, peer: Peer, header: list[Any], bodies: list[memoryview]) -> None:
        kind = header[0]
        if kind == wire.BEAT:
            return
        peer.heard_s = time.monotonic()
        if kind == wire.DONE:
            self._done(peer, header, bodies)
        elif kind == wire.ANSWER:
            if peer.asked.pop(header[2], None) is not None:
                self.answers[header[2]] = header[3]
        elif kind == wire.FAULT:
            self._fault(peer, header[2])
        elif kind == wire.READY:
            peer.ready = True
        elif kind == wire.STRANGE:
            self._bury(peer, "a new process answers in its place")
        else:
            self._introduced(peer, header[2])

    def ask(self, peer: Peer, kind: int, *what: object) -> int:
        """Send a request; its answer, or its refusal (a MarlError), will lie in `answers` by this number."""
        if self.refusal is not None:
            raise self.refusal
        self._asked += 1
        peer.asked[self._asked] = wire.pack([kind, peer.incarnation, self._asked, *what])
        peer.heard_s = time.monotonic()
        self.router.send_multipart([peer.name, peer.asked[self._asked]])
        return self._asked

    def order(self, peer: Peer, group: int) -> None:
        """Send the present step of a group to one of its hosts."""
        header = wire.pack([wire.STEP, peer.incarnation, group, self.step[group]])
        self.router.send(peer.name, zmq.SNDMORE)
        if peer.memory:
            self.router.send(header)
        else:
            self.router.send(header, zmq.SNDMORE)
            self.router.send(plane.gather(peer.own[group].orders), copy=False)

    def close(self) -> None:
        """End all hosts, kindly where they listen, and give everything back."""
        if self.refusal is None:
            self.refusal = HostError(
                "pool", got="a request", expected="an open pool", remedy="It was closed."
            )
        if self._shared is not None:
            self._shared.close()
        if self._context.closed:
            return
        started = [peer for peer in self.peers if peer.link is not None and (peer.ready or peer.address)]
        for peer in started:
            with contextlib.suppress(zmq.ZMQError):
                self.router.send_multipart([peer.name, wire.pack([wire.BYE, peer.incarnation])], zmq.NOBLOCK)
        until_s = time.monotonic() + _PATIENCE_S
        for peer in started:
            if peer.link is not None:
                peer.link.wait(max(0.0, until_s - time.monotonic()))
        for peer in self.peers:
            if peer.link is not None:
                peer.link.kill()
        if self._monitor is not None:
            self.router.disable_monitor()
            self._monitor.close()
        self.router.close(linger=_FAREWELL_MS if self.plan.addresses else 0)
        self._context.term()

    def _start(self, peer: Peer) -> None:
        """Start the next incarnation of a host and greet it; nothing waits for it here."""
        plan = self.plan
        peer.incarnation += 1
        peer.name = b"%d.%d" % (peer.index, peer.incarnation)
        peer.ready = peer.suspect = peer.cut = False
        peer.reported_busy_s = 0.0
        peer.asked.clear()
        if peer.address:
            peer.link = RemoteHost(peer.address)
            # A slot tells its owner's connections apart by this name, and owners by its beginning.
            self.router.routing_id = b"%s/%s" % (self._token, peer.name)
        else:
            peer.link = HostProcess(peer.incarnation, self._shared.fd if self._shared is not None else -1)
        peer.heard_s = time.monotonic()
        self.router.connect_routing_id = peer.name
        self.router.connect(peer.link.endpoint)
        self._by_name[peer.name] = peer
        hello = {
            "protocol": wire.PROTOCOL,
            "arena": plan.ref.to_json(),
            "groups": list(peer.groups),
            "variants": self.variants,
            "limits_s": [plan.step_timeout_s, plan.start_timeout_s],
        }
        peer.greeting.clear()
        self._greet(peer, [wire.HELLO, peer.incarnation, hello])
        if self._open:
            self._attach(peer)

    def _greet(self, peer: Peer, message: list[Any]) -> None:
        peer.greeting.append(wire.pack(message))
        self.router.send_multipart([peer.name, peer.greeting[-1]])

    def _introduced(self, peer: Peer, said: dict[str, Any]) -> None:
        """A host built its arena: lay the block out (the first one's spec decides) and agree on the plane."""
        if self._open or len(peer.greeting) > 1:
            return
        if not self.frames:
            self.spec = Spec.from_json(said["spec"])
            self._lay_out()
        wish = self.plan.plane
        if wish == plane.MEMORY and not said["memory"]:
            raise HostError(str(peer), got="no access to this machine's memory", expected="the memory plane")
        peer.memory = said["memory"] and wish != plane.FRAMES
        if not peer.memory:
            peer.own = {
                group: plane.slices(self.spec, self.plan.copies, self._blocks[group], peer.start, peer.stop)
                for group in peer.groups
            }
        self._attach(peer)

    def _attach(self, peer: Peer) -> None:
        order = {
            "plane": plane.MEMORY if peer.memory else plane.FRAMES,
            "hash": self.spec.hash,
            "copies": self.plan.copies,
            "groups": self.plan.groups,
            "start": peer.start,
            "stop": peer.stop,
        }
        self._greet(peer, [wire.ATTACH, peer.incarnation, order])

    def _lay_out(self) -> None:
        groups = self.plan.groups
        size = plane.group_bytes(self.spec, self.plan.copies)
        if self.plan.addresses and size > wire.LARGEST:
            raise HostError(
                "hosting: frames",
                got=f"{size / 2**20:.0f} MiB a group",
                expected=f"at most {wire.LARGEST / 2**20:.0f} MiB between machines",
                remedy="Use fewer copies a group.",
            )
        whole = (
            self._shared.grow(size * groups)
            if self._shared is not None
            else memoryview(bytearray(size * groups))
        )
        self._blocks = [whole[g * size : (g + 1) * size] for g in range(groups)]
        for block in self._blocks:
            frame, orders = over_memory(self.spec, self.plan.copies, block)
            for tickets in (frame.ticket_B, frame.ended_B, orders.next_B):
                tickets.fill(PARKED)
            self.frames.append(frame)
            self.orders.append(orders)

    def _done(self, peer: Peer, header: list[Any], bodies: list[memoryview]) -> None:
        _, _, group, step, busy_s = header
        if step != self.step[group] or peer not in self.waiting[group]:
            return
        if not peer.memory:
            parts = peer.own[group]
            plane.scatter(bodies[0], parts.frame, str(peer))
            if len(bodies) > 1:
                plane.scatter(bodies[1], parts.last, str(peer))
        self.waiting[group].discard(peer)
        peer.done(busy_s)
        if peer.suspect:
            peer.suspect = False
            LOG.warning(
                "%s answers again, %.1f s after the step began", peer, peer.heard_s - self.sent_s[group]
            )

    def _fault(self, peer: Peer, said: dict[str, Any]) -> None:
        error = wire.error_from_wire(said["error"], str(peer))
        if said["number"] != wire.NEVER:
            if peer.asked.pop(said["number"], None) is not None:
                self.answers[said["number"]] = error
            return
        if not self._open:
            raise error
        if said["group"] != wire.NEVER:
            self.faults[said["group"]].append(error)
        self._bury(peer, str(error), error)

    def _look(self) -> None:
        """Replace hosts that ended, and those that were to answer and did not for too long."""
        if self._monitor is not None:
            while self._monitor.poll(0):
                self._notice(recv_monitor_message(self._monitor))
        now_s = self._looked_s = time.monotonic()
        for peer in self.peers:
            assert peer.link is not None
            if peer.link.ended():
                self._bury(peer, "")
                continue
            awaited = [self.sent_s[group] for group, peers in enumerate(self.waiting) if peer in peers]
            limit_s = self.plan.step_timeout_s if peer.ready else self.plan.start_timeout_s
            if peer.ready and not awaited and not peer.asked:
                continue
            silent_s = now_s - max(peer.heard_s, min(awaited, default=0.0))
            if silent_s > limit_s:
                self._bury(peer, f"no {'answer' if peer.ready else 'start'} within {limit_s:g} s")
            elif peer.ready and silent_s > _SUSPECT_S and not peer.suspect:
                peer.suspect = True
                peer.suspicions += 1
                how = peer.link.condition() or ("cut off" if peer.cut else "silent")
                LOG.warning("%s is suspect: %s, no answer for %.1f s", peer, how, silent_s)

    def _notice(self, event: Mapping[str, Any]) -> None:
        """A connection broke or is back; then what is open is sent again: it may have been on its way."""
        endpoint = event["endpoint"].decode()
        peer = next((p for p in self.peers if p.link is not None and p.link.endpoint == endpoint), None)
        if peer is None:
            return
        if event["event"] == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            raise HostError(
                str(peer),
                got="keys that it does not admit",
                expected="the owner's half of its own keys",
                remedy="Hosts take NAME/host, pools take NAME/owner, of one `marl keys NAME`.",
            )
        if event["event"] == zmq.EVENT_DISCONNECTED:
            peer.cut = True
        elif peer.cut:
            peer.cut = False
            LOG.warning("%s: the connection broke and is back", peer)
            for message in [*([] if peer.ready else peer.greeting), *peer.asked.values()]:
                self.router.send_multipart([peer.name, message])
            for group, waiting in enumerate(self.waiting):
                if peer in waiting:
                    self.order(peer, group)

    def _bury(self, peer: Peer, why: str, cause: MarlError | None = None) -> None:
        """End a host for good, note what is lost with it, and start its successor."""
        assert peer.link is not None
        peer.link.kill()
        self.router.disconnect(peer.link.endpoint)
        del self._by_name[peer.name]
        why = why or peer.link.last_words()
        for group in peer.groups:
            waiting = self.waiting[group]
            if peer in waiting:
                waiting.discard(peer)
                self.lost[group].add(peer)
            elif peer not in self.lost[group]:
                peer.owes.add(group)
        peer.failures += 1
        if not self._open or peer.failures >= TRIES:
            times = (
                f"ended {peer.failures} times without completing a step"
                if self._open
                else "ended while starting"
            )
            self.refusal = HostError(
                f"{self.plan.ref.arena}: {peer}",
                got=f"a process that {times} ({why})",
                expected="a host that stays",
                remedy="Run with --hosts 0 to see the arena's own error.",
            )
            raise self.refusal from cause
        LOG.warning("%s (incarnation %d) is replaced: %s", peer, peer.incarnation, why)
        peer.restarts += 1
        self._start(peer)
