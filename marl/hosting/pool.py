"""`HostPool`: copies of an arena in host processes, stepped as if they were here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.batch import ArenaPool
from marl.errors import ConfigError, HostError, MarlError
from marl.frame import part
from marl.hosting import wire
from marl.hosting.fleet import Fleet
from marl.hosting.keys import load_keys
from marl.hosting.plan import Plan, check_addresses, check_plane, copies_per_group
from marl.spec import PARKED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marl.frame import Frame
    from marl.hosting.peer import Peer
    from marl.loading import ArenaRef


class HostPool(ArenaPool):
    """An `ArenaPool` whose copies live in host processes; its frames are those of a `LocalPool`, bit for bit.

    Group g has copies // groups copies in one block of memory, of which each host owns a slice. `plane`:
    "memory" (mapped memory), "frames" (arrays in messages), or "auto" (memory where the host can map it).
    `hosts`: how many to start here, or addresses of slots of `marl host` ("tcp://a:7000"), each one host;
    `keys`: the owner's half of their keys (a folder), needed where an address is not this machine's own.
    `split` false: group g lives in host g % hosts alone, so that a slow host stalls none but its own groups
    (see `ready`); frames do not depend on it.
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
        hosts: int | Sequence[str] = 2,
        copies: int = 64,
        groups: int = 2,
        split: bool = True,
        plane: str = "auto",
        keys: Path | str | None = None,
        step_timeout_s: float = 60.0,
        start_timeout_s: float = 60.0,
    ) -> None:
        addresses = () if isinstance(hosts, int) else tuple(hosts)
        number = hosts if isinstance(hosts, int) else len(addresses)
        if isinstance(hosts, int) and hosts < 1:
            raise ConfigError(
                "pool: hosts", got=str(hosts), expected="at least 1", remedy="For 0, use make_pool."
            )
        if not isinstance(hosts, int):
            check_addresses(addresses, keys=keys is not None)
        check_plane(plane, addresses)
        each = copies_per_group(copies, groups, number, split=split)
        half = None if keys is None else load_keys(Path(keys))
        self._fleet = Fleet(
            Plan(ref, number, addresses, half, each, groups, split, plane, step_timeout_s, start_timeout_s)
        )
        self.spec = self._fleet.spec
        self.frames = self._fleet.block.frames
        self.orders = self._fleet.block.orders
        self._playing = [frame.ticket_B.copy() for frame in self.frames]
        self._flagged = [False] * groups
        self._sent: set[int] = set()
        self._waited_s = 0.0
        self._metered_s = time.perf_counter()
        self._metered = {peer.index: (0, 0.0) for peer in self._fleet.peers}
        self._metered_wait_s = 0.0

    def send(self, group: int = 0) -> None:
        """Start a step of a group in all hosts; HostError where one is under way."""
        fleet, under_way = self._fleet, self._fleet.rounds[group]
        if fleet.refusal is not None:
            raise fleet.refusal
        if under_way.waiting:
            raise HostError(f"pool: group {group}", got="a second send", expected="receive after each send")
        frame = self.frames[group]
        np.copyto(self._playing[group], frame.ticket_B)
        if self._flagged[group]:
            frame.lost_B.fill(False)
            self._flagged[group] = False
        under_way.number += 1
        under_way.sent_s = time.monotonic()
        for peer in under_way.team:
            if group in peer.owes:
                peer.owes.discard(group)
                under_way.lost.add(peer)
                continue
            under_way.waiting.add(peer)
            fleet.order(peer, group)
        self._sent.add(group)

    def receive(self, group: int = 0) -> Frame:
        """Wait for the step that `send` started; see the class for what a death or a fault brings."""
        under_way = self._fleet.rounds[group]
        if under_way.waiting:
            began_s = time.perf_counter()
            while under_way.waiting:
                self._fleet.hear()
            self._waited_s += time.perf_counter() - began_s
        if under_way.faults:
            raise under_way.faults.pop(0)
        if under_way.lost:
            for peer in under_way.lost:
                self._mark_lost(group, peer)
            under_way.lost.clear()
            self._flagged[group] = True
        self._sent.discard(group)
        return self.frames[group]

    def ready(self, wait_s: float = 0.0) -> list[int]:
        """The groups whose step is complete (or lost, or at fault); see `ArenaPool.ready`."""
        fleet = self._fleet
        until_s = time.monotonic() + wait_s
        while True:
            ready = [group for group in sorted(self._sent) if not fleet.rounds[group].waiting]
            if ready or not self._sent:
                return ready
            late = time.monotonic() >= until_s
            if not fleet.hear(wait=not late) and late:
                return []

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
        peer = next(peer for peer in self._fleet.rounds[group].team if peer.start <= copy < peer.stop)
        answer = self._answer(peer, self._fleet.ask(peer, wire.VIEW, group, copy - peer.start))
        if answer is None:
            raise HostError(f"pool: view of copy {copy}", got=f"{peer} died", expected="a host that plays it")
        if isinstance(answer, MarlError):
            raise answer
        return dict(answer)

    def metrics(self) -> dict[str, float]:
        """Per host: steps per second and share of time without work since the last call; what befell it.

        `restarts` counts its replacements, `suspicions` how often a step was overdue. `pool/wait_share` is
        the share of time that the owner spent waiting in `receive`.
        """
        now_s = time.perf_counter()
        span_s = now_s - self._metered_s
        metrics = {"pool/wait_share": (self._waited_s - self._metered_wait_s) / span_s}
        for peer in self._fleet.peers:
            steps, busy_s = self._metered[peer.index]
            metrics[f"host_{peer.index}/steps_per_s"] = (peer.steps - steps) / span_s
            metrics[f"host_{peer.index}/wait_share"] = 1.0 - min(1.0, (peer.busy_s - busy_s) / span_s)
            metrics[f"host_{peer.index}/restarts"] = float(peer.restarts)
            metrics[f"host_{peer.index}/suspicions"] = float(peer.suspicions)
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
