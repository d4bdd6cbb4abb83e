"""The hosts of a pool: started, heard, suspected, given up on, replaced. `HostPool` does the stepping."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from marl.errors import HostError, MarlError
from marl.hosting import plane, wire
from marl.hosting.block import Block
from marl.hosting.link import HostProcess, RemoteHost, sweep
from marl.hosting.log import LOG
from marl.hosting.round import Round
from marl.hosting.router import BROKE, REFUSED, Router
from marl.spec import Spec

if TYPE_CHECKING:
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

_TAKEN_S = 15.0
"""How long a slot that has another owner is asked again: an owner that was killed keeps it for 10 s."""

_ASK_AGAIN_S = 0.2


class Fleet:
    """Hosts and the block that their copies fill.

    `rounds`: the latest step of each group. `refusal`: why nothing can be done any more (closed, or a host
    given up).
    """

    spec: Spec

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.variants: list[dict[str, Any]] = []
        self.answers: dict[int, Any] = {}
        self.refusal: HostError | None = None
        self._asked = 0
        self._looked_s = 0.0
        self._open = False
        self.peers = plan.peers()
        self.rounds = [Round([peer for peer in self.peers if g in peer.groups]) for g in range(plan.groups)]
        self.block = Block(plan)
        self._router = Router(plan, _TICK_MS)
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
        said = self._router.receive(wait=wait)
        if said is None:
            if wait or time.monotonic() - self._looked_s > _TICK_MS / 1000:
                self._look()
            return False
        peer, header, bodies = said
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
            self._strange(peer)
        elif kind == wire.TAKEN:
            self._taken(peer)
        else:
            self._introduced(peer, header[2])

    def ask(self, peer: Peer, kind: int, *what: object) -> int:
        """Send a request; its answer, or its refusal (a MarlError), will lie in `answers` by this number."""
        if self.refusal is not None:
            raise self.refusal
        self._asked += 1
        peer.asked[self._asked] = wire.pack([kind, peer.incarnation, self._asked, *what])
        peer.heard_s = time.monotonic()
        self._router.send(peer, peer.asked[self._asked])
        return self._asked

    def order(self, peer: Peer, group: int) -> None:
        """Send the present step of a group to one of its hosts."""
        header = wire.pack([wire.STEP, peer.incarnation, group, self.rounds[group].number])
        self._router.send(peer, header, None if peer.memory else plane.gather(peer.own[group].orders))

    def close(self) -> None:
        """End all hosts, kindly where they listen, and give everything back."""
        if self.refusal is None:
            self.refusal = HostError(
                "pool", got="a request", expected="an open pool", remedy="It was closed."
            )
        self.block.close()
        if self._router.closed:
            return
        started = [peer for peer in self.peers if peer.link is not None and (peer.ready or peer.address)]
        for peer in started:
            self._router.farewell(peer)
        until_s = time.monotonic() + _PATIENCE_S
        for peer in started:
            if peer.link is not None:
                peer.link.wait(max(0.0, until_s - time.monotonic()))
        for peer in self.peers:
            if peer.link is not None:
                peer.link.kill()
        self._router.close()

    def _start(self, peer: Peer) -> None:
        """Start the next incarnation of a host and greet it; nothing waits for it here."""
        plan = self.plan
        peer.incarnation += 1
        peer.ready = peer.suspect = peer.cut = False
        peer.reported_busy_s = 0.0
        peer.asked.clear()
        peer.taken_s = None
        peer.link = RemoteHost(peer.address) if peer.address else HostProcess(peer.incarnation, self.block.fd)
        peer.heard_s = time.monotonic()
        self._router.connect(peer, peer.link.endpoint)
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
        self._router.send(peer, peer.greeting[-1])

    def _greet_again(self, peer: Peer) -> None:
        for message in peer.greeting:
            self._router.send(peer, message)

    def _introduced(self, peer: Peer, said: dict[str, Any]) -> None:
        """A host built its arena: lay the block out (the first one's spec decides) and agree on the plane."""
        peer.taken_s = None
        if self._open or len(peer.greeting) > 1:
            return
        if not self.block.frames:
            self.spec = Spec.from_json(said["spec"])
            self.block.lay_out(self.spec)
        wish = self.plan.plane
        if wish == plane.MEMORY and not said["memory"]:
            raise HostError(str(peer), got="no access to this machine's memory", expected="the memory plane")
        peer.memory = said["memory"] and wish != plane.FRAMES
        if not peer.memory:
            peer.own = self.block.slices(self.spec, peer)
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

    def _done(self, peer: Peer, header: list[Any], bodies: list[memoryview]) -> None:
        _, _, group, step, busy_s = header
        under_way = self.rounds[group]
        if step != under_way.number or peer not in under_way.waiting:
            return
        if not peer.memory:
            parts = peer.own[group]
            plane.scatter(bodies[0], parts.frame, str(peer))
            if len(bodies) > 1:
                plane.scatter(bodies[1], parts.last, str(peer))
        under_way.waiting.discard(peer)
        peer.done(busy_s)
        if peer.suspect:
            peer.suspect = False
            LOG.warning(
                "%s answers again, %.1f s after the step began", peer, peer.heard_s - under_way.sent_s
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
            self.rounds[said["group"]].faults.append(error)
        self._bury(peer, str(error), error)

    def _taken(self, peer: Peer) -> None:
        """A slot serves another owner: it is asked again (`_look`), for a while."""
        if peer.ready:
            self._bury(peer, "its slot went to another owner")
        elif peer.taken_s is None:
            peer.taken_s = peer.heard_s
            LOG.warning("%s has another owner; asking again for %g s", peer, self._taken_limit_s)

    @property
    def _taken_limit_s(self) -> float:
        return min(_TAKEN_S, self.plan.start_timeout_s)

    def _ask_again(self, peer: Peer, since_s: float) -> None:
        """Greet a slot again that had another owner; HostError where it has kept that owner for too long."""
        now_s = time.monotonic()
        if now_s - since_s > self._taken_limit_s:
            self.refusal = HostError(
                str(peer),
                got=f"a slot that kept another owner for {self._taken_limit_s:g} s",
                expected="one owner a slot",
                remedy="Use another slot, or wait until that run has ended.",
            )
            raise self.refusal
        if now_s - peer.heard_s > _ASK_AGAIN_S:
            peer.heard_s = now_s
            self._greet_again(peer)

    def _look(self) -> None:
        """Replace hosts that ended, and those that were to answer and did not for too long."""
        for peer, event in self._router.events():
            self._notice(peer, event)
        now_s = self._looked_s = time.monotonic()
        for peer in self.peers:
            assert peer.link is not None
            if peer.link.ended():
                self._bury(peer, "")
                continue
            if peer.taken_s is not None:
                self._ask_again(peer, peer.taken_s)
                continue
            awaited = [under_way.sent_s for under_way in self.rounds if peer in under_way.waiting]
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

    def _notice(self, peer: Peer, event: int) -> None:
        """A connection broke or is back; then what is open is sent again: it may have been on its way."""
        if event == REFUSED:
            raise HostError(
                str(peer),
                got="keys that it does not admit",
                expected="the owner's half of its own keys",
                remedy="Hosts take NAME/host, pools take NAME/owner, of one `marl keys NAME`.",
            )
        if event == BROKE:
            peer.cut = True
        elif peer.cut:
            peer.cut = False
            LOG.warning("%s: the connection broke and is back", peer)
            self._repeat(peer)

    def _strange(self, peer: Peer) -> None:
        """A process that was not greeted answers.

        It took a host's place, or the process before it took our greeting along as it ended: no loss.
        """
        if peer.ready:
            self._bury(peer, "a new process answers in its place")
        else:
            self._repeat(peer)

    def _repeat(self, peer: Peer) -> None:
        """Send again what is open: it may have been lost on its way."""
        if not peer.ready:
            self._greet_again(peer)
        for message in peer.asked.values():
            self._router.send(peer, message)
        for group, under_way in enumerate(self.rounds):
            if peer in under_way.waiting:
                self.order(peer, group)

    def _bury(self, peer: Peer, why: str, cause: MarlError | None = None) -> None:
        """End a host for good, note what is lost with it, and start its successor."""
        assert peer.link is not None
        peer.link.kill()
        self._router.disconnect(peer, peer.link.endpoint)
        why = why or peer.link.last_words()
        for group in peer.groups:
            self.rounds[group].bury(peer, group)
        peer.failures += 1
        if not self._open or peer.failures >= TRIES:
            times = (
                f"ended {peer.failures} times without completing a step" if self._open else "did not start"
            )
            self.refusal = HostError(
                f"{self.plan.ref.arena}: {peer}",
                got=f"a process that {times} ({why})",
                expected="a host that stays",
                remedy=peer.link.advice,
            )
            raise self.refusal from cause
        LOG.warning("%s (incarnation %d) is replaced: %s", peer, peer.incarnation, why)
        peer.restarts += 1
        self._start(peer)
