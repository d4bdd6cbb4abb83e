"""A host: the process that owns copies of an arena, steps them when told to, and knows nothing of leagues.

`Host` turns one message into its answer and can be driven in one thread; `main` is the program around it.
Messages: `marl.hosting.wire`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zmq

from marl.errors import ArenaFaultError, HostError, MarlError, SpecError
from marl.frame import layout, over_memory, part
from marl.hosting import plane, wire
from marl.hosting.orphan import Watch
from marl.loading import ArenaRef, build
from marl.spec import PARKED, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from marl.batch import BatchArena

_FEW = 8


@dataclass
class _Slot:
    """One group's copies in this host; `own`: None on the memory plane; `seed_B`: of the matches in play."""

    arena: BatchArena
    own: plane.Slices | None
    seed_B: NDArray[np.uint64]
    tickets: bytes = b""
    step: int = -1
    answer: list[bytes] | None = None


class Host:
    """One incarnation of a host, from HELLO on; `fd` is the shared memory that it inherited (-1: none)."""

    def __init__(self, incarnation: int, fd: int = -1) -> None:
        self._incarnation = incarnation
        self._fd = fd
        self._arenas: dict[int, BatchArena] = {}
        self._slots: dict[int, _Slot] = {}
        self._variants: dict[int, int] = {}
        self._busy_s = 0.0
        self.over = False
        self._handlers = {
            wire.STEP: self._step,
            wire.HELLO: self._hello,
            wire.ATTACH: self._attach,
            wire.VARIANT: self._variant,
            wire.VIEW: self._view,
            wire.BYE: self._bye,
        }

    def answer(self, message: Sequence[bytes]) -> list[bytes]:
        """The answer to a message: header and raw frames; empty: none is due. Errors are answers, too."""
        header = wire.unpack(message[0])
        kind = header[0]
        try:
            return self._handler(header)(header, message)
        except Exception as error:  # noqa: BLE001  # whatever an arena raises is handed to the owner, with its traceback
            group = header[2] if kind == wire.STEP else wire.NEVER
            number = header[2] if kind in {wire.VARIANT, wire.VIEW} else wire.NEVER
            # Copies that a fault interrupted are in no known state; a refused request changes nothing.
            self.over = number == wire.NEVER
            return [
                wire.pack(
                    [
                        wire.FAULT,
                        self._incarnation,
                        {"group": group, "number": number, "error": wire.error_to_wire(error)},
                    ]
                )
            ]

    def _handler(self, header: list[Any]) -> Callable[[list[Any], Sequence[bytes]], list[bytes]]:
        handler = self._handlers.get(header[0])
        if header[1] != self._incarnation or handler is None:
            raise HostError(
                "host",
                got=f"message {header[:3]}",
                expected=f"a known kind for incarnation {self._incarnation}",
            )
        return handler

    def close(self) -> None:
        """Close the arenas."""
        for arena in self._arenas.values():
            arena.close()

    def _hello(self, header: list[Any], _: Sequence[bytes]) -> list[bytes]:
        hello = header[2]
        if hello["protocol"] != wire.PROTOCOL:
            raise HostError(
                "host: hello", got=f"protocol {hello['protocol']}", expected=f"protocol {wire.PROTOCOL}"
            )
        if not self._arenas:
            ref = ArenaRef.from_json(hello["arena"])
            self._arenas = {group: build(ref) for group in hello["groups"]}
            for options in hello["variants"]:
                self._add_variant(options)
        spec = self._spec
        return [wire.pack([wire.SPEC, self._incarnation, {"spec": spec.to_json(), "memory": self._fd >= 0}])]

    @property
    def _spec(self) -> Spec:
        return next(iter(self._arenas.values())).spec

    def _attach(self, header: list[Any], _: Sequence[bytes]) -> list[bytes]:
        ready = [wire.pack([wire.READY, self._incarnation])]
        if self._slots:
            return ready
        order = header[2]
        spec = self._spec
        if order["hash"] != spec.hash:
            raise SpecError(
                f"arena {spec.arena}",
                got=f"spec {spec.hash} in this host",
                expected=f"spec {order['hash']}, as in the others",
                remedy="Its spec must be the same each time it is built.",
            )
        start, stop = order["start"], order["stop"]
        size = plane.group_bytes(spec, order["copies"])
        whole = plane.mapped(self._fd, size * order["groups"]) if order["plane"] == plane.MEMORY else None
        for group, arena in self._arenas.items():
            if whole is not None:
                frame, orders = over_memory(spec, order["copies"], whole[group * size : (group + 1) * size])
                arena.attach(*part(frame, orders, start, stop))
                own = None
            else:
                block = bytearray(layout(spec, stop - start)[1])
                frame, orders = over_memory(spec, stop - start, block)
                frame.ticket_B.fill(PARKED)
                frame.ended_B.fill(PARKED)
                arena.attach(frame, orders)
                own = plane.slices(spec, stop - start, memoryview(block), 0, stop - start)
            self._slots[group] = _Slot(arena, own, np.zeros(stop - start, np.uint64))
        return ready

    def _step(self, header: list[Any], message: Sequence[bytes]) -> list[bytes]:
        group, step = header[2], header[3]
        slot = self._slots[group]
        if step <= slot.step:
            return slot.answer or [] if step == slot.step else []
        arena, own = slot.arena, slot.own
        if own is not None:
            plane.scatter(message[1], own.orders, f"host: orders of group {group}")
        began_s = time.perf_counter()
        try:
            arena.step()
        except MarlError:
            raise
        except Exception as error:
            raise self._fault(slot, step, error) from error
        self._busy_s += time.perf_counter() - began_s
        slot.step = step
        tickets = arena.frame.ticket_B.tobytes()
        if tickets != slot.tickets:
            _note_seeds(slot, tickets)
        answer = [wire.pack([wire.DONE, self._incarnation, group, step, self._busy_s])]
        if own is not None:
            answer.append(plane.gather(own.frame))
            if arena.frame.over_B.any():
                answer.append(plane.gather(own.last))
        slot.answer = answer
        return answer

    def _fault(self, slot: _Slot, step: int, error: Exception) -> ArenaFaultError:
        """What raised, and the matches among which it did: a batched arena does not say which copy it was."""
        matches = np.frombuffer(slot.tickets, np.int64) if slot.tickets else np.full(0, PARKED)
        steps_B = slot.arena.frame.steps_B
        playing = [
            f"match {matches[b]} (seed {slot.seed_B[b]}, step {steps_B[b]})"
            for b in np.flatnonzero(matches != PARKED)
        ]
        more = f" and {len(playing) - _FEW} more" if len(playing) > _FEW else ""
        orders = slot.arena.orders
        starting = sorted({int(seed) for seed in orders.seed_B[orders.next_B != PARKED]})[:_FEW]
        return ArenaFaultError(
            f"{slot.arena.spec.arena}, step {step} of its copies",
            got=f"{type(error).__name__}: {error}; in play: {', '.join(playing[:_FEW]) or 'none'}{more}; "
            f"next seeds {starting}",
            expected="a step without an exception",
            remedy="Run it with that seed and --hosts 0 under a debugger.",
        )

    def _variant(self, header: list[Any], _: Sequence[bytes]) -> list[bytes]:
        number = header[2]
        if number not in self._variants:
            self._variants[number] = self._add_variant(header[3])
        return [wire.pack([wire.ANSWER, self._incarnation, number, self._variants[number]])]

    def _add_variant(self, options: dict[str, Any]) -> int:
        indices = {arena.add_variant(options) for arena in self._arenas.values()}
        if len(indices) > 1:
            raise HostError(
                "host: variant", got=f"indices {sorted(indices)}", expected="one index in all groups"
            )
        return indices.pop()

    def _view(self, header: list[Any], _: Sequence[bytes]) -> list[bytes]:
        _, _, number, group, copy = header
        return [wire.pack([wire.ANSWER, self._incarnation, number, self._slots[group].arena.view(copy)])]

    def _bye(self, _: list[Any], __: Sequence[bytes]) -> list[bytes]:
        self.over = True
        return []


def _note_seeds(slot: _Slot, tickets: bytes) -> None:
    """Remember the seeds of the matches that began in this step."""
    now = np.frombuffer(tickets, np.int64)
    before = np.frombuffer(slot.tickets, np.int64) if slot.tickets else np.full_like(now, PARKED)
    began = now != before
    slot.seed_B[began] = slot.arena.orders.seed_B[began]
    slot.tickets = tickets


def listen(context: zmq.Context[Any], endpoint: str) -> zmq.Socket[Any]:
    """A DEALER bound where `wire.check_endpoint` allows; an `ipc://` folder is made, for this user only."""
    wire.check_endpoint(endpoint)
    socket = wire.socket(context, zmq.DEALER, 0)
    try:
        if endpoint.startswith("ipc://"):
            Path(endpoint.removeprefix("ipc://")).parent.mkdir(mode=0o700)
        socket.bind(endpoint)
    except (OSError, zmq.ZMQError) as error:
        socket.close()
        raise HostError(
            f"hosting: {endpoint}", got=str(error), expected="an endpoint that can be bound"
        ) from error
    return socket


def serve(socket: zmq.Socket[Any], host: Host, watch: Watch) -> None:
    """Answer messages until BYE or a fault; the first proves the connection, and the socket's file goes."""
    settled = False
    while not host.over:
        message = socket.recv_multipart()
        if not settled:
            settled = True
            watch.settle()
        answer = host.answer(message)
        if answer:
            # Arrays are bytes that nobody changes: they need no copy on their way.
            socket.send_multipart(answer, copy=len(answer) == 1)


def main(argument: str) -> None:
    """Run a host; the argument is JSON: endpoint, incarnation, owner (process), memory (descriptor or -1)."""
    order = json.loads(argument)
    endpoint = order["endpoint"]
    folder = str(Path(endpoint.removeprefix("ipc://")).parent) if endpoint.startswith("ipc://") else ""
    watch = Watch(order["owner"], folder)
    context: zmq.Context[Any] = zmq.Context()
    host = Host(order["incarnation"], order["memory"])
    try:
        with watch.steady:
            socket = listen(context, endpoint)
        serve(socket, host, watch)
        # The last answer may be a fault: it must be out before the process ends.
        socket.close(linger=1000)
        context.term()
        host.close()
    except HostError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    finally:
        with contextlib.suppress(ValueError):
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
    # Threads that an arena left behind must not keep the process.
    os._exit(0)
