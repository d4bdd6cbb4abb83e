"""`HostPool`: copies of an arena in host processes, stepped as if they were here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import zmq

from marl.batch import ArenaPool
from marl.errors import ConfigError, HostError, MarlError
from marl.frame import part
from marl.hosting import plane as planes
from marl.hosting import wire
from marl.hosting.fleet import Fleet, Plan
from marl.spec import PARKED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.frame import Frame
    from marl.hosting.peer import Peer
    from marl.loading import ArenaRef

_PLANES = ("auto", planes.MEMORY, planes.FRAMES)


def copies_per_group(copies: int, groups: int, hosts: int) -> int:
    """How many copies a group has; ConfigError where copies, groups and hosts do not fit one another."""
    if groups < 1 or copies < groups or copies % groups:
        raise ConfigError(
            "pool: copies",
            got=f"{copies} in {groups} groups",
            expected="groups of one size, of one copy at least",
        )
    if hosts < 0 or hosts > copies // groups:
        raise ConfigError(
            "pool: hosts",
            got=f"{hosts} for groups of {copies // groups} copies",
            expected="at most one host a copy of a group",
            remedy="Every group is split over all hosts: use more copies, fewer groups, or fewer hosts.",
        )
    return copies // groups


class HostPool(ArenaPool):
    """An `ArenaPool` whose copies live in host processes; its frames are those of a `LocalPool`, bit for bit.

    Group g has copies // groups copies in one block of memory, of which each host owns a slice. `plane`:
    "memory" (mapped memory), "frames" (arrays in messages), or "auto" (memory where the host can map it).
    `step_timeout_s`: a host that is silent for longer in a step is killed; `start_timeout_s`: the same for
    its start. A pool is used by one thread at a time; frames and orders of a group are the hosts' between
    `send` and `receive`, and what orders do there is undefined. The `last_*` arrays are valid where `over_B`;
    elsewhere the planes may differ in them.

    A host that dies is replaced. In the frame of the step in which it died (for a group that was not being
    stepped: of the group's next step) its copies are lost: `lost_B` true, `ended_B` the match that became
    void (PARKED: none was in play), `over_B` false, `ticket_B` PARKED, everything else zero. That step
    consumed none of the orders of these copies: their new host starts what `next_B` says at the next step.
    Each death is told once to each group.

    Raises ConfigError for numbers that do not fit; HostError where a host can't be started, or died three
    times without completing a step; what building the arena raised; and from `receive` what stepping raised
    (ArenaFaultError with seeds and step, or the arena's own MarlError; the host's traceback is a note on it):
    whoever calls `receive` again goes on, with the copies of that host lost.
    """

    def __init__(
        self,
        ref: ArenaRef,
        *,
        hosts: int = 2,
        copies: int = 64,
        groups: int = 2,
        plane: str = "auto",
        step_timeout_s: float = 60.0,
        start_timeout_s: float = 60.0,
    ) -> None:
        if hosts < 1:
            raise ConfigError(
                "pool: hosts", got=str(hosts), expected="at least 1", remedy="For 0, use make_pool."
            )
        if plane not in _PLANES:
            raise ConfigError("pool: plane", got=repr(plane), expected=f"one of {', '.join(_PLANES)}")
        each = copies_per_group(copies, groups, hosts)
        self._fleet = Fleet(Plan(ref, hosts, each, groups, plane, step_timeout_s, start_timeout_s))
        self.spec = self._fleet.spec
        self.frames = self._fleet.frames
        self.orders = self._fleet.orders
        self._playing = [frame.ticket_B.copy() for frame in self.frames]
        self._flagged = [False] * groups
        self._waited_s = 0.0
        self._metered_s = time.perf_counter()
        self._metered = {peer.index: (0, 0.0) for peer in self._fleet.peers}
        self._metered_wait_s = 0.0

    def send(self, group: int = 0) -> None:
        """Start a step of a group in all hosts; HostError where one is under way."""
        fleet = self._fleet
        waiting = fleet.waiting[group]
        if fleet.refusal is not None:
            raise fleet.refusal
        if waiting:
            raise HostError(f"pool: group {group}", got="a second send", expected="receive after each send")
        frame = self.frames[group]
        np.copyto(self._playing[group], frame.ticket_B)
        if self._flagged[group]:
            frame.lost_B.fill(False)
            self._flagged[group] = False
        step = fleet.step[group] = fleet.step[group] + 1
        fleet.sent_s[group] = time.monotonic()
        router = fleet.router
        for peer in fleet.peers:
            if group in peer.owes:
                peer.owes.discard(group)
                fleet.lost[group].add(peer)
                continue
            waiting.add(peer)
            router.send(peer.name, zmq.SNDMORE)
            header = wire.pack([wire.STEP, peer.incarnation, group, step])
            if peer.memory:
                router.send(header)
            else:
                router.send(header, zmq.SNDMORE)
                router.send(planes.gather(peer.own[group].orders), copy=False)

    def receive(self, group: int = 0) -> Frame:
        """Wait for the step that `send` started; see the class for what a death or a fault brings."""
        fleet = self._fleet
        waiting = fleet.waiting[group]
        if waiting:
            began_s = time.perf_counter()
            while waiting:
                fleet.hear()
            self._waited_s += time.perf_counter() - began_s
        if fleet.faults[group]:
            raise fleet.faults[group].pop(0)
        if fleet.lost[group]:
            for peer in fleet.lost[group]:
                self._mark_lost(group, peer)
            fleet.lost[group].clear()
            self._flagged[group] = True
        return self.frames[group]

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known in all hosts, under one index; what the arena raises where they do not fit."""
        fleet = self._fleet
        # A host that is replaced meanwhile hears of it in its greeting.
        fleet.variants.append(dict(options))
        asked = [(peer, fleet.ask(peer, wire.VARIANT, dict(options))) for peer in fleet.peers]
        answers = [self._answer(peer, number) for peer, number in asked]
        indices = {answer for answer in answers if answer is not None and not isinstance(answer, MarlError)}
        refused = next((answer for answer in answers if isinstance(answer, MarlError)), None)
        if refused is not None:
            fleet.variants.pop()
            raise refused
        if len(indices) != 1:
            got = f"indices {sorted(indices)}"
            raise HostError("pool: variant", got=got, expected="the same index from all hosts")
        return int(indices.pop())

    def view(self, group: int, copy: int) -> dict[str, Any]:
        """What a spectator may see of a copy; HostError where its host dies over the question."""
        peer = next(peer for peer in self._fleet.peers if peer.start <= copy < peer.stop)
        answer = self._answer(peer, self._fleet.ask(peer, wire.VIEW, group, copy - peer.start))
        if answer is None:
            raise HostError(f"pool: view of copy {copy}", got=f"{peer} died", expected="a host that plays it")
        if isinstance(answer, MarlError):
            raise answer
        return dict(answer)

    def metrics(self) -> dict[str, float]:
        """Per host, since the last call: steps per second, share of time without work; replacements in all.

        `pool/wait_share` is the share of time that the owner spent waiting in `receive`.
        """
        now_s = time.perf_counter()
        span_s = now_s - self._metered_s
        metrics = {"pool/wait_share": (self._waited_s - self._metered_wait_s) / span_s}
        for peer in self._fleet.peers:
            steps, busy_s = self._metered[peer.index]
            metrics[f"host_{peer.index}/steps_per_s"] = (peer.steps - steps) / span_s
            metrics[f"host_{peer.index}/wait_share"] = 1.0 - min(1.0, (peer.busy_s - busy_s) / span_s)
            metrics[f"host_{peer.index}/restarts"] = float(peer.restarts)
            self._metered[peer.index] = (peer.steps, peer.busy_s)
        self._metered_s, self._metered_wait_s = now_s, self._waited_s
        return metrics

    def close(self) -> None:
        """End all hosts; what was received stays readable."""
        self._fleet.close()

    def _answer(self, peer: Peer, number: int) -> Any:  # noqa: ANN401  # plain JSON, or an error
        """The answer to a request (a MarlError where it was refused); None where the host died over it."""
        answers = self._fleet.answers
        while number in peer.asked:
            self._fleet.hear()
        return answers.pop(number, None)

    def _mark_lost(self, group: int, peer: Peer) -> None:
        frame, _ = part(self.frames[group], self.orders[group], peer.start, peer.stop)
        for role in frame.roles.values():
            for value in vars(role).values():
                for array in value if isinstance(value, tuple) else (value,):
                    array.fill(0)
        for name, array in vars(frame).items():
            if name != "roles":
                array.fill(0)
        frame.ticket_B.fill(PARKED)
        np.copyto(frame.ended_B, self._playing[group][peer.start : peer.stop])
        frame.lost_B.fill(True)
