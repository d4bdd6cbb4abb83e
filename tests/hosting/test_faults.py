"""Hosts die, hang and raise; the pool goes on and says exactly what was lost."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from marl.errors import ArenaFaultError, HostError, SpecError
from marl.hosting import HostPool, plane
from marl.loading import ArenaRef
from marl.spec import PARKED
from tests.hosting.driving import Driver, counter, descriptors, files, host_processes

if TYPE_CHECKING:
    from pathlib import Path

    from marl.frame import Frame

FAULTY = 9
"""The action that sets the toy's fault off; drivers draw below it."""


def process_of(pool: HostPool, copy: int) -> int:
    """The process that plays a copy of group 0."""
    return int(pool.view(0, copy)["process"])


def assert_lost(frame: Frame, lost: slice, void: list[int]) -> None:
    """The slice and nothing else is lost, silent and parked, and names the matches that became void."""
    expected = np.zeros(len(frame.lost_B), bool)
    expected[lost] = True
    assert list(frame.lost_B) == list(expected)
    assert list(frame.ended_B[lost]) == void
    assert np.all(frame.ticket_B[lost] == PARKED)
    assert np.all(frame.ticket_B[~expected] != PARKED)
    assert not frame.over_B[lost].any()
    for role in frame.roles.values():
        assert not role.alive_BN[lost].any()
        assert not role.reward_BN[lost].any()
        assert not role.observation[0][lost].any()
        assert role.alive_BN[~expected].all()


@pytest.mark.parametrize("plane", ["memory", "frames"])
def test_a_killed_host_is_replaced_and_its_copies_are_lost_once(plane: str) -> None:
    """Kill -9: the dead host's copies are lost in each group's next frame, only there; the run goes on."""
    with HostPool(counter(length=50), hosts=2, copies=8, groups=2, plane=plane) as pool:
        driver = Driver(pool)
        for group in (0, 1):
            driver.step(group)
            driver.step(group)
        victim = process_of(pool, 3)
        playing = [list(frame.ticket_B[2:]) for frame in pool.frames]
        os.kill(victim, signal.SIGKILL)
        for group in (0, 1):
            assert_lost(driver.step(group), slice(2, 4), playing[group])
        # Their orders were not consumed: they start now what was ordered before the death.
        for group in (0, 1):
            waiting = list(pool.orders[group].next_B[2:])
            frame = driver.step(group)
            assert not frame.lost_B.any()
            assert list(frame.ticket_B[2:]) == waiting
            assert list(frame.steps_B) == [3, 3, 0, 0]
        assert process_of(pool, 3) not in {victim, process_of(pool, 0)}
        assert pool.metrics()["host_1/restarts"] == 1
        for _ in range(60):
            assert not driver.step(0).lost_B.any()


def test_a_death_in_mid_step_is_noticed_at_once() -> None:
    """A host that dies while others wait for it costs 50 ms at most, not the step's deadline."""
    ref = counter(fault="kill", at=FAULTY, length=50)
    with HostPool(ref, hosts=2, copies=4, groups=1, step_timeout_s=30) as pool:
        driver = Driver(pool)
        late_s: list[float] = []
        # Its successor is started besides; and a busy machine may be late, but not ten times in a row.
        while len(late_s) < 10 and min(late_s, default=1.0) > 0:
            began_s = time.monotonic()
            subprocess.run(["/bin/true"], check=True)
            limit_s = 0.05 + time.monotonic() - began_s
            playing = list(driver.step().ticket_B)
            pool.orders[0].action["adder"][...] = 1
            pool.orders[0].action["adder"][0] = FAULTY
            began_s = time.monotonic()
            pool.send(0)
            frame = pool.receive(0)
            late_s.append(time.monotonic() - began_s - limit_s)
            assert_lost(frame, slice(0, 2), playing[:2])
            driver.step()
        assert min(late_s) <= 0


def test_a_finished_step_is_kept_when_its_host_dies_afterwards() -> None:
    """A step that a host completed before it died is delivered whole; the loss is told in the next one."""
    with HostPool(counter(length=50), hosts=2, copies=8, groups=2) as pool:
        driver = Driver(pool)
        for group in (0, 1):
            driver.step(group)
        victim = process_of(pool, 0)
        driver.act(0)
        driver.act(1)
        driver.take(1)
        # Both groups were sent before: by now host 0 did both steps, in that order.
        os.kill(victim, signal.SIGKILL)
        frame = driver.take(0)
        assert not frame.lost_B.any()
        assert list(frame.steps_B) == [1] * 4
        assert list(driver.step(0).lost_B) == [True, True, False, False]
        assert list(driver.step(1).lost_B) == [True, True, False, False]


@pytest.mark.parametrize("how", ["stopped", "spinning", "holding"])
def test_a_host_that_hangs_is_replaced_at_the_deadline(how: str) -> None:
    """A host that is stopped, in an endless loop, or never lets go of its lock is killed when time is up."""
    ref = counter(length=50, fault="hold" if how == "holding" else "spin", at=FAULTY)
    with HostPool(ref, hosts=2, copies=4, groups=1, step_timeout_s=0.5) as pool:
        driver = Driver(pool)
        playing = list(driver.step().ticket_B)
        victim = process_of(pool, 2)
        pool.orders[0].action["adder"][...] = 1
        if how == "stopped":
            os.kill(victim, signal.SIGSTOP)
        else:
            pool.orders[0].action["adder"][2] = FAULTY
        began_s = time.monotonic()
        pool.send(0)
        frame = pool.receive(0)
        took_s = time.monotonic() - began_s
        assert_lost(frame, slice(2, 4), playing[2:])
        assert 0.4 < took_s < 3
        assert victim not in host_processes()
        assert not driver.step().lost_B.any()


def test_a_short_pause_loses_nothing() -> None:
    """A host that is stopped and continued within the deadline answers late and whole."""
    with HostPool(counter(length=50), hosts=2, copies=4, groups=1) as pool:
        driver = Driver(pool)
        driver.step()
        victim = process_of(pool, 0)
        os.kill(victim, signal.SIGSTOP)
        driver.act(0)
        assert pool.metrics()["host_0/restarts"] == 0
        os.kill(victim, signal.SIGCONT)
        frame = driver.take(0)
        assert not frame.lost_B.any()
        assert list(frame.steps_B) == [1] * 4


@pytest.mark.parametrize(("plane", "how"), [("memory", "stopped"), ("frames", "spinning")])
def test_a_host_that_hangs_is_suspect_before_it_is_given_up(
    plane: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Within 2 s of its silence a log line says which host, and whether it is stopped; it is not lost yet."""
    ref = counter(length=50, fault="spin", at=FAULTY)
    with HostPool(ref, hosts=2, copies=4, groups=1, plane=plane, step_timeout_s=2.5) as pool:
        driver = Driver(pool)
        driver.step()
        pool.orders[0].action["adder"][...] = 1
        if how == "stopped":
            os.kill(process_of(pool, 2), signal.SIGSTOP)
        else:
            pool.orders[0].action["adder"][2] = FAULTY
        began_s = time.monotonic()
        pool.send(0)
        while not pool.metrics()["host_1/suspicions"]:
            assert pool.ready(0.01) == []
        assert time.monotonic() - began_s < 2
        said = [record.getMessage() for record in caplog.records if "suspect" in record.getMessage()]
        assert len(said) == 1
        assert said[0].startswith("host 1 is suspect: " + ("stopped" if how == "stopped" else ""))
        assert pool.metrics()["host_1/restarts"] == 0
        assert list(pool.receive(0).lost_B) == [False, False, True, True]


def test_a_suspect_that_answers_is_cleared(caplog: pytest.LogCaptureFixture) -> None:
    """A pause longer than suspicion but shorter than the deadline loses nothing, and both are told."""
    with HostPool(counter(length=50), hosts=1, copies=2, groups=1) as pool:
        driver = Driver(pool)
        driver.step()
        victim = process_of(pool, 0)
        os.kill(victim, signal.SIGSTOP)
        driver.act(0)
        while not pool.metrics()["host_0/suspicions"]:
            pool.ready(0.01)
        os.kill(victim, signal.SIGCONT)
        frame = driver.take(0)
        assert not frame.lost_B.any()
        assert list(frame.steps_B) == [1, 1]
        assert "host 0 answers again" in caplog.records[-1].getMessage()
        assert pool.metrics()["host_0/restarts"] == 0


def test_an_arena_that_raises_tells_where_and_what() -> None:
    """The caller gets a typed error with seeds, step and traceback; receiving again goes on without it."""
    with HostPool(counter(length=50, fault="raise", at=FAULTY), hosts=2, copies=4, groups=1) as pool:
        driver = Driver(pool)
        playing = list(driver.step().ticket_B)
        driver.step()
        pool.orders[0].action["adder"][...] = 1
        pool.orders[0].action["adder"][3] = FAULTY
        pool.send(0)
        with pytest.raises(ArenaFaultError, match="ZeroDivisionError: the counter was told to") as caught:
            pool.receive(0)
        # Ticket 2 has seed 15, ticket 3 has seed 22; the fault came before step 2 of the matches was counted.
        assert "match 2 (seed 15, step 1), match 3 (seed 22, step 1)" in caught.value.got
        assert "toys.py" in caught.value.__notes__[0]
        assert_lost(pool.receive(0), slice(2, 4), playing[2:])
        assert not driver.step().lost_B.any()


def test_a_host_that_keeps_dying_is_given_up() -> None:
    """After three deaths without a completed step the pool raises, with the last words of the host."""
    with HostPool(counter(fault="kill", at=FAULTY), hosts=2, copies=4, groups=1) as pool:
        driver = Driver(pool)
        driver.step()
        pool.orders[0].action["adder"][...] = 1
        pool.orders[0].action["adder"][0] = FAULTY
        for _ in range(2):
            pool.send(0)
            assert list(pool.receive(0).lost_B) == [True, True, False, False]
        pool.send(0)
        with pytest.raises(HostError, match=r"host 0: got a process that ended 3 times .*signal SIGKILL"):
            pool.receive(0)
        with pytest.raises(HostError, match="ended 3 times"):
            pool.send(0)
    assert host_processes() == set()


def test_variants_reach_replaced_hosts() -> None:
    """A replaced host knows all variants under their old index."""
    with HostPool(counter(length=50), hosts=1, copies=2, groups=1) as pool:
        assert pool.add_variant({"length": 2}) == 1
        driver = Driver(pool, variants=2)
        driver.step()
        os.kill(process_of(pool, 0), signal.SIGKILL)
        assert driver.step().lost_B.all()
        pool.orders[0].variant_B.fill(1)
        driver.step()
        driver.step()
        assert driver.step().over_B.all()
        assert pool.add_variant({"length": 4}) == 2


def test_a_death_under_a_request_is_told() -> None:
    """A view that its host does not survive raises; a variant goes on with the replaced host."""
    with HostPool(counter(), hosts=2, copies=4, groups=1) as pool:
        driver = Driver(pool)
        driver.step()
        os.kill(process_of(pool, 0), signal.SIGKILL)
        with pytest.raises(HostError, match="host 0 died"):
            pool.view(0, 0)
        os.kill(process_of(pool, 2), signal.SIGKILL)
        assert pool.add_variant({"length": 4}) == 1
        assert driver.step().lost_B.all()
        assert not driver.step().lost_B.any()


@pytest.mark.parametrize(
    ("ref", "kind", "text"),
    [
        (counter(refuse=True), SpecError, "no such option"),
        (counter(crash=True), HostError, r"exit code 3; its output ends: the counter crashed"),
        (ArenaRef("tests.hosting.nowhere:Counter"), SpecError, "no module 'tests.hosting.nowhere'"),
        (ArenaRef("tests.hosting.toys:Nothing"), SpecError, "no 'Nothing'"),
        (counter(length="five"), HostError, "ValueError"),
    ],
)
def test_a_host_that_cannot_start_is_told_at_once(ref: ArenaRef, kind: type[Exception], text: str) -> None:
    """The reason comes as a typed error, long before the deadline, and nothing is left behind."""
    before = descriptors()
    began_s = time.monotonic()
    with pytest.raises(kind, match=text):
        HostPool(ref, hosts=2, copies=4, groups=1, start_timeout_s=50)
    assert time.monotonic() - began_s < 10
    assert host_processes() == set()
    assert files() == set()
    assert descriptors() <= before


def test_a_folder_name_too_long_for_sockets_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A temporary folder whose path no socket can have is one clear error, before any process is started."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 90)))
    with pytest.raises(HostError, match="Set TMPDIR to a shorter path"):
        HostPool(counter(), hosts=1, copies=2, groups=1)
    assert host_processes() == set()


def test_memory_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for the arrays is one clear error that names the size, and nothing is left."""

    def full(_: int, __: int, size: int) -> None:
        raise OSError(errno.ENOSPC, f"No space left for {size}")

    monkeypatch.setattr(os, "posix_fallocate", full)
    before = descriptors()
    with pytest.raises(HostError, match=r"No space left .*expected room for the arrays.*Use fewer copies"):
        HostPool(counter(), hosts=1, copies=2, groups=1)
    assert host_processes() == set()
    assert descriptors() <= before


def test_more_memory_than_is_left_is_never_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system would end some process to make room: the pool looks first, and says how much is left."""
    monkeypatch.setattr(plane, "available_bytes", lambda: 2**20)
    with pytest.raises(HostError, match=r"got 1 MiB of memory left, of 10 MiB asked for; .*Use fewer copies"):
        HostPool(counter(size=200), hosts=1, copies=64, groups=1)
    assert host_processes() == set()


def test_a_limit_on_memory_files_is_told(root: Path) -> None:
    """Where the system really refuses the room, the owner gets the same error, and ends without a host."""
    code = (
        "import resource\n"
        "from marl.hosting import HostPool\n"
        "from tests.hosting.driving import counter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "HostPool(counter(size=200), hosts=1, copies=64, groups=1)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=False, text=True
    )
    assert ended.returncode == 1
    assert "HostError: hosting: shared memory: got File too large for" in ended.stderr
    assert "expected room for the arrays of all groups. Use fewer copies" in ended.stderr


def test_leftovers_of_killed_runs_are_removed(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    """A folder of a process that is gone goes when the next pool starts; fresh ones and live ones stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    old, fresh, live = (
        short_path / f"marl-host-{name}" for name in (f"{gone.pid}-a", f"{gone.pid}-b", f"{os.getpid()}-c")
    )
    for folder in (old, fresh, live):
        folder.mkdir()
        (folder / "s").touch()
    for folder in (old, live):
        os.utime(folder, (0, 0))
    with HostPool(counter(), hosts=1, copies=2, groups=1):
        assert sorted(short_path.iterdir()) == sorted([fresh, live])


def test_an_arena_that_talks_a_lot_blocks_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Output of hosts is read as it comes and logged at DEBUG."""
    pool = HostPool(counter(talk=100_000), hosts=1, copies=2, groups=1)
    with caplog.at_level(logging.DEBUG, "marl.hosting"), pool:
        driver = Driver(pool)
        for _ in range(5):
            driver.step()
    assert sum("talk talk" in record.getMessage() for record in caplog.records) == 5


def test_a_start_that_takes_too_long_is_ended() -> None:
    """A host that is silent while it starts is killed at the deadline of starting."""
    with pytest.raises(HostError, match=r"no start within 0\.5 s"):
        HostPool(counter(sleep_s=30), hosts=1, copies=2, groups=1, start_timeout_s=0.5)
    assert host_processes() == set()
