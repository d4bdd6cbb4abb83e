"""The hosts of a pool: started, heard, given up on, replaced. `HostPool` does the stepping."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import zmq

from marl.errors import HostError, MarlError
from marl.frame import Frame, Orders, over_memory
from marl.hosting import plane, wire
from marl.hosting.log import LOG
from marl.hosting.peer import HostProcess, Peer
from marl.spec import PARKED, Spec

if TYPE_CHECKING:
    from marl.loading import ArenaRef

TRIES = 3
"""A host that dies so often without completing a step is given up."""

_TICK_MS = 10
"""How long a wait goes on before processes and deadlines are looked at: a dead host is noticed within it."""

_PATIENCE_S = 2.0
"""How long a host may take to end by itself when the pool closes."""


@dataclass(frozen=True)
class Plan:
    """Which arena, split how, over which plane, and how long to wait for a step and a start."""

    ref: ArenaRef
    hosts: int
    copies: int
    groups: int
    plane: str
    step_timeout_s: float
    start_timeout_s: float


class Fleet:
    """Host processes and the block that their copies fill; `copies` of the plan are those of one group.

    `waiting[g]`: hosts whose step of group g is under way; `lost[g]`: those that died in it; `faults[g]`:
    what they raised in it. `refusal`: why nothing can be done any more (closed, or a host given up).
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
        self._open = False
        bounds = [plan.copies * i // plan.hosts for i in range(plan.hosts + 1)]
        self.peers = [Peer(i, bounds[i], bounds[i + 1]) for i in range(plan.hosts)]
        self._by_name: dict[bytes, Peer] = {}
        self._shared = plane.Shared() if plan.plane != plane.FRAMES else None
        self._context: zmq.Context[Any] = zmq.Context()
        self.router = wire.socket(self._context, zmq.ROUTER, plan.groups)
        self.router.rcvtimeo = _TICK_MS
        try:
            for peer in self.peers:
                self._start(peer)
            while not all(peer.ready for peer in self.peers):
                self.hear()
        except BaseException:
            self.close()
            raise
        self._open = True

    def hear(self) -> None:
        """Take in one message, or look after the hosts where none came; HostError where one is given up."""
        if self.refusal is not None:
            raise self.refusal
        try:
            name = self.router.recv()
        except zmq.Again:
            self._look()
            return
        header = wire.unpack(self.router.recv())
        peer = self._by_name.get(name)
        bodies = []
        if peer is None or not peer.memory:
            while self.router.get(zmq.RCVMORE):
                bodies.append(self.router.recv(copy=False).buffer)
        if peer is None:
            # An earlier incarnation: what it said died with it.
            return
        peer.heard_s = time.monotonic()
        if header[0] == wire.DONE:
            self._done(peer, header, bodies)
        elif header[0] == wire.ANSWER:
            peer.asked.discard(header[2])
            self.answers[header[2]] = header[3]
        elif header[0] == wire.FAULT:
            self._fault(peer, header[2])
        elif header[0] == wire.READY:
            peer.ready = True
        else:
            self._introduced(peer, header[2])

    def ask(self, peer: Peer, kind: int, *what: object) -> int:
        """Send a request; its answer, or its refusal (a MarlError), will lie in `answers` by this number."""
        if self.refusal is not None:
            raise self.refusal
        self._asked += 1
        peer.asked.add(self._asked)
        peer.heard_s = time.monotonic()
        self.router.send_multipart([peer.name, wire.pack([kind, peer.incarnation, self._asked, *what])])
        return self._asked

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
        ready = [peer for peer in self.peers if peer.ready and peer.process is not None]
        for peer in ready:
            with contextlib.suppress(zmq.ZMQError):
                self.router.send_multipart([peer.name, wire.pack([wire.BYE, peer.incarnation])], zmq.NOBLOCK)
        until_s = time.monotonic() + _PATIENCE_S
        for peer in ready:
            if peer.process is not None:
                peer.process.wait(max(0.0, until_s - time.monotonic()))
        for peer in self.peers:
            if peer.process is not None:
                peer.process.kill()
        self.router.close()
        self._context.term()

    def _start(self, peer: Peer) -> None:
        """Start the next incarnation of a host and greet it; nothing waits for it here."""
        plan = self.plan
        peer.incarnation += 1
        peer.name = b"%d.%d" % (peer.index, peer.incarnation)
        peer.ready = False
        peer.reported_busy_s = 0.0
        peer.asked.clear()
        peer.process = HostProcess(
            peer.index, peer.incarnation, self._shared.fd if self._shared is not None else -1
        )
        peer.heard_s = time.monotonic()
        self.router.connect_routing_id = peer.name
        self.router.connect(peer.process.endpoint)
        self._by_name[peer.name] = peer
        hello = {
            "protocol": wire.PROTOCOL,
            "arena": plan.ref.to_json(),
            "groups": plan.groups,
            "variants": self.variants,
        }
        self.router.send_multipart([peer.name, wire.pack([wire.HELLO, peer.incarnation, hello])])
        if self._open:
            self._attach(peer)

    def _introduced(self, peer: Peer, said: dict[str, Any]) -> None:
        """A host built its arena: lay the block out (the first one's spec decides) and agree on the plane."""
        if self._open:
            return
        if not self.frames:
            self.spec = Spec.from_json(said["spec"])
            self._lay_out()
        wish = self.plan.plane
        if wish == plane.MEMORY and not said["memory"]:
            raise HostError(str(peer), got="no access to this machine's memory", expected="the memory plane")
        peer.memory = said["memory"] and wish != plane.FRAMES
        if not peer.memory:
            peer.own = [
                plane.slices(self.spec, self.plan.copies, block, peer.start, peer.stop)
                for block in self._blocks
            ]
        self._attach(peer)

    def _attach(self, peer: Peer) -> None:
        order = {
            "plane": plane.MEMORY if peer.memory else plane.FRAMES,
            "hash": self.spec.hash,
            "copies": self.plan.copies,
            "start": peer.start,
            "stop": peer.stop,
        }
        self.router.send_multipart([peer.name, wire.pack([wire.ATTACH, peer.incarnation, order])])

    def _lay_out(self) -> None:
        groups = self.plan.groups
        size = plane.group_bytes(self.spec, self.plan.copies)
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

    def _fault(self, peer: Peer, said: dict[str, Any]) -> None:
        error = wire.error_from_wire(said["error"], str(peer))
        if said["number"] != wire.NEVER:
            peer.asked.discard(said["number"])
            self.answers[said["number"]] = error
            return
        if not self._open:
            raise error
        if said["group"] != wire.NEVER:
            self.faults[said["group"]].append(error)
        self._bury(peer, str(error), error)

    def _look(self) -> None:
        """Replace hosts that ended, and those that were to answer and did not for too long."""
        now_s = time.monotonic()
        for peer in self.peers:
            assert peer.process is not None
            if peer.process.ended():
                self._bury(peer, "")
                continue
            awaited = [self.sent_s[group] for group, peers in enumerate(self.waiting) if peer in peers]
            limit_s = self.plan.step_timeout_s if peer.ready else self.plan.start_timeout_s
            if peer.ready and not awaited and not peer.asked:
                continue
            if now_s - max(peer.heard_s, min(awaited, default=0.0)) > limit_s:
                self._bury(peer, f"no {'answer' if peer.ready else 'start'} within {limit_s:g} s")

    def _bury(self, peer: Peer, why: str, cause: MarlError | None = None) -> None:
        """End a host for good, note what is lost with it, and start its successor."""
        assert peer.process is not None
        peer.process.kill()
        self.router.disconnect(peer.process.endpoint)
        del self._by_name[peer.name]
        why = why or peer.process.last_words()
        for group, waiting in enumerate(self.waiting):
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
