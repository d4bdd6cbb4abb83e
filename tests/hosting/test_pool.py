"""A pool's frames are the same wherever its copies live."""

from __future__ import annotations

import logging
import os
import signal

import numpy as np
import pytest

from marl.batch import LocalPool
from marl.errors import ConfigError, HostError, SpecError
from marl.frame import Frame
from marl.hosting import HostPool, make_pool
from marl.loading import ArenaRef, build
from marl.spec import PARKED
from tests.hosting.driving import Driver, copied, counter, descriptors, files, history, host_processes

GROUPS, COPIES, STEPS = 2, 10, 40
VARIANTS = ({"length": 3}, {"length": 11})


@pytest.mark.parametrize(
    ("hosts", "plane"), [(1, "memory"), (2, "memory"), (3, "auto"), (1, "frames"), (2, "frames")]
)
def test_hosts_and_planes_change_nothing(hosts: int, plane: str) -> None:
    """Frames are bit for bit those of a local pool, for any number of hosts, over both planes."""
    ref = counter(size=3)
    local = LocalPool([build(ref) for _ in range(GROUPS)], COPIES // GROUPS)
    expected = history(local, STEPS, VARIANTS)
    with HostPool(ref, hosts=hosts, copies=COPIES, groups=GROUPS, plane=plane) as pool:
        assert pool.spec == local.spec
        assert pool.copies == COPIES
        assert history(pool, STEPS, VARIANTS) == expected


def test_a_third_party_environment_is_the_same_in_hosts() -> None:
    """An mpe2 environment plays the same matches in two hosts as here."""
    ref = ArenaRef("mpe2.simple_spread_v3", {"max_cycles": 6})
    local = LocalPool([build(ref)], 4)
    expected = history(local, 15, most=5)
    local.close()
    with HostPool(ref, hosts=2, copies=4, groups=1) as pool:
        assert history(pool, 15, most=5) == expected


def test_groups_are_stepped_independently() -> None:
    """A group can be stepped while another one's step is under way or not begun."""
    with HostPool(counter(), hosts=2, copies=4, groups=2) as pool:
        driver = Driver(pool)
        driver.act(0)
        for _ in range(3):
            driver.step(1)
        frame = driver.take(0)
        assert list(frame.steps_B) == [0, 0]
        assert list(pool.frames[1].steps_B) == [2, 2]


def test_groups_that_live_in_one_host_change_nothing_but_who_waits() -> None:
    """Unsplit groups say the same bit for bit; a host that is stopped stalls its own groups only."""
    ref = counter(size=3, length=4)
    expected = history(LocalPool([build(ref) for _ in range(4)], 3), 20)
    with HostPool(ref, hosts=2, copies=12, groups=4, split=False) as pool:
        assert history(pool, 20) == expected
        processes = [int(pool.view(group, 0)["process"]) for group in range(4)]
        assert processes[0] == processes[2] != processes[1] == processes[3]
        os.kill(processes[0], signal.SIGSTOP)
        for group in range(4):
            pool.send(group)
        done: set[int] = set()
        while len(done) < 2:
            for group in pool.ready(5.0):
                pool.receive(group)
                done.add(group)
        assert done == {1, 3}
        assert pool.ready() == []
        os.kill(processes[0], signal.SIGCONT)
        while len(done) < 4:
            for group in pool.ready(5.0):
                assert not pool.receive(group).lost_B.any()
                done.add(group)
        assert pool.ready(5.0) == []
    with pytest.raises(ConfigError, match="as many groups for each host"):
        HostPool(ref, hosts=2, copies=12, groups=3, split=False)


def test_local_groups_are_ready_once_sent() -> None:
    """A pool without hosts says of each group that it is ready from `send` to `receive`."""
    pool = LocalPool([build(counter()) for _ in range(2)], 3)
    assert pool.ready() == []
    pool.send(1)
    assert pool.ready(1.0) == [1]
    pool.receive(1)
    assert pool.ready() == []
    assert pool.metrics() == {}


def test_a_frame_stays_until_the_next_send() -> None:
    """`receive` without a new `send` gives the same frame again, after closing, too."""
    with HostPool(counter(), hosts=1, copies=2, groups=1) as pool:
        driver = Driver(pool)
        told = copied(driver.step())
        assert copied(pool.receive(0)) == told
    assert copied(pool.frames[0]) == told


def test_variants_have_one_index_everywhere_and_bad_ones_are_refused() -> None:
    """Hosts agree on a variant's index; a refusal is the arena's own error and leaves the pool usable."""
    with HostPool(counter(), hosts=2, copies=4, groups=2) as pool:
        assert pool.add_variant({"length": 2}) == 1
        with pytest.raises(SpecError, match="expected a length"):
            pool.add_variant({"width": 2})
        assert pool.add_variant({"length": 3}) == 2
        driver = Driver(pool)
        assert not driver.step().lost_B.any()


def test_view_finds_the_copy_and_hosts_stay_light() -> None:
    """A view comes from the host that owns the copy; hosts import neither torch nor a league."""
    with HostPool(counter(), hosts=2, copies=4, groups=1) as pool:
        Driver(pool).step()
        views = [pool.view(0, copy) for copy in range(4)]
        assert [view["count"] for view in views] == [1.0, 8.0, 15.0, 22.0]
        assert len({view["process"] for view in views}) == 2
        assert {view["process"] for view in views} == host_processes()
        assert all(view["heavy"] == [] for view in views)


def test_metrics_tell_rates_waiting_and_restarts() -> None:
    """Per host: steps per second, share of waiting, replacements."""
    with HostPool(counter(), hosts=2, copies=4, groups=1) as pool:
        driver = Driver(pool)
        for _ in range(5):
            driver.step()
        metrics = pool.metrics()
        assert set(metrics) == {
            "pool/wait_share",
            *(
                f"host_{i}/{name}"
                for i in range(2)
                for name in ("steps_per_s", "wait_share", "restarts", "suspicions")
            ),
        }
        assert metrics["host_1/steps_per_s"] > 0
        assert 0 < metrics["host_1/wait_share"] <= 1
        assert 0 < metrics["pool/wait_share"] <= 1
        assert pool.metrics()["host_1/steps_per_s"] == 0


def test_two_pools_live_side_by_side() -> None:
    """Pools in one process do not disturb one another, and one's end leaves the other at work."""
    with HostPool(counter(), hosts=1, copies=2, groups=1) as first:
        with HostPool(counter(), hosts=1, copies=2, groups=1, plane="frames") as second:
            assert history(first, 12) == history(second, 12)
        assert not Driver(first).step().lost_B.any()


def test_nothing_is_left_after_close() -> None:
    """Processes, descriptors and files are given back; a running pool has no file of its own, either."""
    before = descriptors()
    for _ in range(2):
        pool = HostPool(counter(), hosts=2, copies=4, groups=2)
        assert len(host_processes()) == 2
        assert files() == set()
        Driver(pool).step()
        pool.close()
        pool.close()
        assert host_processes() == set()
    del pool
    assert descriptors() <= before


def test_misuse_is_named() -> None:
    """A second send, a closed pool, and numbers that do not fit one another are told, each in a sentence."""
    with HostPool(counter(), hosts=1, copies=2, groups=1) as pool:
        pool.send(0)
        with pytest.raises(HostError, match="a second send"):
            pool.send(0)
        pool.receive(0)
    with pytest.raises(HostError, match="It was closed"):
        pool.send(0)
    with pytest.raises(ConfigError, match="at most one host a copy"):
        HostPool(counter(), hosts=3, copies=4, groups=2)
    with pytest.raises(ConfigError, match="groups of one size"):
        HostPool(counter(), hosts=1, copies=5, groups=2)
    with pytest.raises(ConfigError, match="at least 1"):
        HostPool(counter(), hosts=0, copies=4, groups=2)
    with pytest.raises(ConfigError, match="auto, memory, frames"):
        HostPool(counter(), hosts=1, copies=4, groups=2, plane="paper")


def test_make_pool_takes_hosts_or_none() -> None:
    """0 hosts is a local pool, 2 a host pool; both say the same."""
    ref = counter()
    with (
        make_pool(ref, hosts=0, copies=4, groups=2) as local,
        make_pool(ref, hosts=2, copies=4, groups=2) as pool,
    ):
        assert isinstance(local, LocalPool)
        assert isinstance(pool, HostPool)
        assert history(local, 8) == history(pool, 8)


def test_auto_chooses_by_time_and_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fast arena stays here, a slow one gets hosts; the log says which and why."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    with caplog.at_level(logging.INFO, "marl.hosting"):
        with make_pool(counter(), hosts="auto", copies=4, groups=2) as pool:
            assert isinstance(pool, LocalPool)
        with make_pool(counter(pause_s=0.002), hosts="auto", copies=4, groups=2) as pool:
            assert isinstance(pool, HostPool)
    assert [
        record.getMessage().split("; ")[1] for record in caplog.records if "us here" in record.getMessage()
    ] == [
        "0 hosts",
        "2 hosts",
    ]


def test_a_fresh_pool_is_parked() -> None:
    """Before the first step no copy plays anything and no order is open."""
    with HostPool(counter(), hosts=1, copies=4, groups=2) as pool:
        for frame, orders in zip(pool.frames, pool.orders, strict=True):
            assert isinstance(frame, Frame)
            assert np.all(frame.ticket_B == PARKED)
            assert np.all(orders.next_B == PARKED)
