"""`serve`: keeps the slots of one machine filled; what `marl host` runs."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from marl.errors import ConfigError, HostError
from marl.hosting import plane, wire
from marl.hosting.keys import load_keys
from marl.hosting.link import Program
from marl.hosting.log import LOG
from marl.hosting.slot import BEAT, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOOK_EVERY_S = 0.05
_MARGIN_S = 1.0
"""The owner's deadline comes first; then this."""


class Keeper:
    """The slots of one machine: a process each, replaced when it has ended or sits on a message too long."""

    def __init__(self, bind: str, slots: int, keys: Path | None) -> None:
        self.endpoints = endpoints(bind, slots)
        for endpoint in self.endpoints:
            wire.check_endpoint(endpoint, keys=keys is not None)
        if keys is not None:
            load_keys(keys)
        self._keys = "" if keys is None else str(keys.absolute())
        self._shared = plane.Shared()
        self._beats = self._shared.grow(mmap.PAGESIZE)
        self._programs: list[Program | None] = [None] * slots

    def look(self) -> None:
        """Replace what has ended; HostError where a slot cannot start at all."""
        now_s = time.monotonic()
        for at, program in enumerate(self._programs):
            if program is None:
                self._start(at)
                continue
            since_s, limit_s = BEAT.unpack_from(self._beats, at * BEAT.size)
            if since_s and now_s - since_s > limit_s + _MARGIN_S:
                LOG.warning(
                    "%s: a message is at work for %.1f s; replaced", self.endpoints[at], now_s - since_s
                )
                program.kill()
            if not program.ended():
                continue
            program.kill()
            if program.code() == REFUSED:
                told = program.last_words().splitlines()[-1]
                raise HostError(f"marl host: {self.endpoints[at]}", **json.loads(told[told.index("{") :]))
            how = program.last_words() if program.code() else "its owner is done"
            LOG.info("%s: %s; the next process starts", self.endpoints[at], how)
            self._start(at)

    def close(self) -> None:
        """End all slots."""
        for program in self._programs:
            if program is not None:
                program.kill()
        self._shared.close()

    def _start(self, at: int) -> None:
        BEAT.pack_into(self._beats, at * BEAT.size, 0.0, 0.0)
        self._programs[at] = Program(
            "marl.hosting.slot",
            {
                "endpoint": self.endpoints[at],
                "keys": self._keys,
                "owner": os.getpid(),
                "beat": self._shared.fd,
                "beats": mmap.PAGESIZE,
                "at": at * BEAT.size,
            },
            (self._shared.fd,),
        )


def endpoints(bind: str, slots: int) -> list[str]:
    """One address a slot, on ports that follow one another; ConfigError where they can't be."""
    place, _, port = bind.rpartition(":")
    most = mmap.PAGESIZE // BEAT.size
    if not place.startswith("tcp://") or not port.isdigit() or not 0 < int(port) <= 65535 - slots:
        raise ConfigError(
            "marl host: bind", got=repr(bind), expected="tcp://ADDRESS:PORT, the address by number"
        )
    if not 1 <= slots <= most:
        raise ConfigError("marl host: slots", got=str(slots), expected=f"1 to {most}")
    return [f"{place}:{int(port) + at}" for at in range(slots)]


def serve(bind: str, *, slots: int, keys: Path | None, started: Callable[[list[str]], None]) -> None:
    """Keep `slots` hosts at `bind` and the ports after it until SIGINT or SIGTERM comes.

    `started` hears the addresses. ConfigError or HostError where keys, address or port do not do.
    """
    keeper = Keeper(bind, slots, keys)
    try:
        with _told_to_end() as over:
            keeper.look()
            started(keeper.endpoints)
            while not over.wait(_LOOK_EVERY_S):
                keeper.look()
    finally:
        keeper.close()


@contextlib.contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; the handlers before are put back."""
    over = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: over.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield over
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
