"""How the tests here drive pools, and how they see what is left on the machine."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marl.hosting.keeper import Keeper
from marl.loading import ArenaRef
from marl.spec import Ticket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from marl.batch import ArenaPool
    from marl.frame import Frame

COUNTER = "tests.hosting.toys:Counter"


def counter(**options: Any) -> ArenaRef:  # the toy's options
    """The toy arena with options."""
    return ArenaRef(COUNTER, options)


class Driver:
    """Steps a pool with numbered tickets and seeded actions; a copy that starts a match gets the next one."""

    def __init__(self, pool: ArenaPool, variants: int = 1) -> None:
        self.pool = pool
        self._variants = variants
        self._rng = [np.random.default_rng(group) for group in range(pool.groups)]
        self._given = [0] * pool.groups
        for group in range(pool.groups):
            pool.orders[group].want_state.fill(True)
            for copy in range(len(pool.frames[group].ticket_B)):
                self.give(group, copy)

    def give(self, group: int, copy: int) -> None:
        """Order a fresh ticket for a copy."""
        number = 1000 * group + self._given[group]
        self._given[group] += 1
        self.pool.orders[group].follow(copy, Ticket(number, 7 * number + 1, number % self._variants))

    def act(self, group: int, most: int = 9) -> None:
        """Draw actions below `most` and start the step."""
        for action in self.pool.orders[group].action.values():
            action[...] = self._rng[group].integers(0, most, action.shape)
        self.pool.send(group)

    def take(self, group: int) -> Frame:
        """Receive, and order fresh tickets for the copies that started one."""
        frame = self.pool.receive(group)
        for copy in np.flatnonzero(frame.ticket_B == self.pool.orders[group].next_B):
            self.give(group, int(copy))
        return frame

    def step(self, group: int = 0, most: int = 9) -> Frame:
        """`act` and `take`."""
        self.act(group, most)
        return self.take(group)


def copied(frame: Frame) -> dict[str, Any]:
    """The bytes of all that a frame says, by name; `last_*` arrays where a match is over."""
    over_B = frame.over_B
    kept: dict[str, Any] = {"last_state": frame.last_state_BS[over_B].tobytes()}
    for name, array in vars(frame).items():
        if name not in {"roles", "last_state_BS"}:
            kept[name] = array.tobytes()
    for role_name, role in frame.roles.items():
        for name, value in vars(role).items():
            for i, array in enumerate(value if isinstance(value, tuple) else (value,)):
                kept[f"{role_name}.{name}.{i}"] = (
                    array[over_B] if name.startswith("last") else array
                ).tobytes()
    return kept


def history(
    pool: ArenaPool, steps: int, variants: tuple[Mapping[str, Any], ...] = (), most: int = 9
) -> list[dict[str, Any]]:
    """What all frames say over some steps of all groups, groups overlapping; actions are below `most`."""
    for options in variants:
        pool.add_variant(options)
    driver = Driver(pool, 1 + len(variants))
    told = []
    for _ in range(steps):
        for group in range(pool.groups):
            driver.act(group, most)
        told += [copied(driver.take(group)) for group in range(pool.groups)]
    return told


def host_processes(owner: int | None = None) -> set[int]:
    """The host processes on this machine that belong to an owner (this process by default)."""
    found = set()
    wanted = f'"owner": {os.getpid() if owner is None else owner},'.encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                running = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"marl.hosting.host" in command and wanted in command and running:
                found.add(int(entry.name))
    return found


def files(owner: int | None = None) -> set[Path]:
    """What pools of an owner (this process by default) could leave in the file system."""
    name = f"*marl-host*{os.getpid() if owner is None else owner}*"
    return {path for folder in (tempfile.gettempdir(), "/dev/shm") for path in Path(folder).glob(name)}


def descriptors() -> int:
    """How many descriptors this process has open, apart from those of forgotten objects."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def free_port(count: int = 1) -> int:
    """A port on loopback that is free now, and so are the next ones."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        try:
            for further in range(port, port + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", further))
        except OSError:
            continue
        return port
    pytest.fail("no free ports")


@contextmanager
def kept(slots: int = 1, keys: Path | None = None) -> Iterator[list[str]]:
    """Slots of this machine, kept by a thread; gives their addresses."""
    keeper = Keeper(f"tcp://127.0.0.1:{free_port(slots)}", slots, keys)
    over = threading.Event()

    def keep() -> None:
        while not over.wait(0.02):
            keeper.look()

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield keeper.endpoints
    finally:
        over.set()
        thread.join()
        keeper.close()
