"""Hosts do not outlive their owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.hosting.driving import files, host_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWNER = """
import sys
from marl.hosting import HostPool
from tests.hosting.driving import Driver, counter
sys.path.insert(0, ".")
pool = HostPool(counter({options}), hosts=2, copies=4, groups=2, plane="{plane}")
driver = Driver(pool)
driver.step()
if {busy}:
    driver.act(0, 10)
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def owner(root: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts owners; those that a test leaves are killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        with process:
            pass


def wait_until(claim: Callable[[], bool], seconds: float) -> bool:
    """Whether the claim comes true in time."""
    until_s = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.005)
    return True


@pytest.mark.parametrize("plane", ["memory", "frames"])
@pytest.mark.parametrize("state", ["idle", "spinning", "stopped"])
def test_hosts_end_with_a_killed_owner(
    owner: Callable[[str], subprocess.Popen[bytes]], plane: str, state: str
) -> None:
    """Kill -9 of the owner: within 2 s no host, shared memory or socket file is left, whatever hosts do."""
    options = 'fault="spin", at=9' if state == "spinning" else ""
    process = owner(OWNER.format(options=options, plane=plane, busy=state == "spinning"))
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    hosts = host_processes(process.pid)
    assert len(hosts) == 2
    if state == "stopped":
        for host in hosts:
            os.kill(host, signal.SIGSTOP)
    process.kill()
    assert wait_until(lambda: not host_processes(process.pid), 2)
    assert files(process.pid) == set()


def test_hosts_that_are_starting_end_with_a_killed_owner(
    owner: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    """An owner killed while its hosts start leaves neither them nor their socket's folder."""
    process = owner(OWNER.format(options="sleep_s=20", plane="auto", busy=False))
    assert wait_until(lambda: len(host_processes(process.pid)) == 2, 20)
    process.kill()
    assert wait_until(lambda: not host_processes(process.pid), 2)
    assert wait_until(lambda: not files(process.pid), 1)


def test_hosts_end_with_an_owner_that_forgets_to_close(
    owner: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    """An owner that ends without closing its pool takes its hosts along."""
    process = owner(OWNER.format(options="", plane="auto", busy=False))
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert process.stdin is not None
    process.stdin.close()
    process.wait(10)
    assert wait_until(lambda: not host_processes(process.pid), 2)


def test_hosts_outlive_the_thread_that_started_them() -> None:
    """A pool made in a thread works on after that thread has ended."""
    import threading

    from marl.hosting import HostPool
    from tests.hosting.driving import Driver, counter

    made: list[HostPool] = []
    thread = threading.Thread(target=lambda: made.append(HostPool(counter(), hosts=1, copies=2, groups=1)))
    thread.start()
    thread.join()
    with made[0] as pool:
        driver = Driver(pool)
        for _ in range(3):
            assert not driver.step().lost_B.any()
