"""Hosts behind TCP addresses: keys, planes, lost connections, owners that come and go."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from marl.batch import LocalPool
from marl.errors import ArenaFaultError, ConfigError, HostError
from marl.hosting import HostPool, wire
from marl.hosting.keeper import Keeper, endpoints
from marl.hosting.keys import load_keys, make_keys
from marl.hosting.link import resolved
from marl.hosting.router import Router
from marl.loading import build
from marl.spec import Ticket
from tests.hosting.driving import Driver, counter, descriptors, free_port, history, kept
from tests.hosting.relay import Relay

if TYPE_CHECKING:
    from pathlib import Path

    from marl.hosting.peer import Peer


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """Both halves of fresh keys."""
    return make_keys(tmp_path / "team")


def test_remote_hosts_change_nothing(halves: tuple[Path, Path]) -> None:
    """Over TCP with CURVE, frames are bit for bit those of a local pool, split or not."""
    host_half, owner_half = halves
    ref = counter(size=3)
    expected = history(LocalPool([build(ref) for _ in range(2)], 5), 30)
    with kept(2, host_half) as addresses:
        for split in (True, False):
            with HostPool(ref, hosts=addresses, copies=10, groups=2, keys=owner_half, split=split) as pool:
                assert history(pool, 30) == expected


def test_a_slot_serves_one_owner_after_another() -> None:
    """Who comes while a slot has an owner is told so after a while; when that one closes, the next is in."""
    with kept() as addresses:
        for _ in range(3):
            with HostPool(counter(), hosts=addresses, copies=2, groups=1) as pool:
                assert not Driver(pool).step().lost_B.any()
                with pytest.raises(HostError, match=r"kept another owner for 0\.5 s.*one owner a slot"):
                    HostPool(counter(), hosts=addresses, copies=2, groups=1, start_timeout_s=0.5)
                assert not Driver(pool).step().lost_B.any()


def test_a_slot_that_becomes_free_is_taken_at_once() -> None:
    """A pool that waits for a slot gets it when its owner closes, without a word from its user."""
    with kept() as addresses:
        first = HostPool(counter(), hosts=addresses, copies=2, groups=1)
        leaving = threading.Timer(0.5, first.close)
        leaving.start()
        with HostPool(counter(), hosts=addresses, copies=2, groups=1) as pool:
            assert not Driver(pool).step().lost_B.any()
        with pytest.raises(HostError, match="It was closed"):
            first.send(0)


def test_other_keys_are_refused_at_once(tmp_path: Path, halves: tuple[Path, Path]) -> None:
    """An owner with keys of another set, or a slot with them, is told so or kept waiting, never served."""
    _, stranger = make_keys(tmp_path / "strangers")
    with kept(1, halves[0]) as addresses:
        (stranger / "peer.key").write_bytes((halves[1] / "peer.key").read_bytes())
        with pytest.raises(HostError, match=r"keys that it does not admit.*NAME/owner"):
            HostPool(counter(), hosts=addresses, copies=2, groups=1, keys=stranger)
        with pytest.raises(HostError, match="no start within"):
            HostPool(counter(), hosts=addresses, copies=2, groups=1, start_timeout_s=0.7)
        with HostPool(counter(), hosts=addresses, copies=2, groups=1, keys=halves[1]) as pool:
            Driver(pool).step()


def test_something_else_at_a_port_is_told() -> None:
    """A port where no host of ours answers is given up, and the error names what it can be."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"tcp://127.0.0.1:{stranger.getsockname()[1]}"
        with pytest.raises(
            HostError, match=r"no start within 0\.5 s.*`marl host` there.*something else listen"
        ):
            HostPool(counter(), hosts=[address], copies=2, groups=1, start_timeout_s=0.5)


def test_a_remote_host_that_dies_is_replaced() -> None:
    """The slot's keeper starts a new process; the pool greets it, and the copies are lost once."""
    with (
        kept(2) as addresses,
        HostPool(counter(length=50), hosts=addresses, copies=4, groups=2) as pool,
    ):
        driver = Driver(pool)
        for group in (0, 1):
            driver.step(group)
        for how in (signal.SIGKILL, signal.SIGKILL):
            os.kill(int(pool.view(0, 1)["process"]), how)
            assert list(driver.step(0).lost_B) == [False, True]
            assert list(driver.step(1).lost_B) == [False, True]
            for group in (0, 1, 0, 1):
                assert not driver.step(group).lost_B.any()
        assert pool.metrics()["host_1/restarts"] == 2


def test_a_remote_host_that_hangs_is_ended_where_it_runs() -> None:
    """At the step's deadline the pool gives it up and the slot's keeper ends it; the run goes on."""
    ref = counter(length=50, fault="hold", at=9)
    with (
        kept() as addresses,
        HostPool(ref, hosts=addresses, copies=2, groups=1, step_timeout_s=0.5, start_timeout_s=6) as pool,
    ):
        driver = Driver(pool)
        driver.step()
        pool.orders[0].action["adder"][...] = 9
        pool.send(0)
        assert pool.receive(0).lost_B.all()
        assert not driver.step().lost_B.any()


def test_a_remote_arena_that_raises_tells_where_and_what() -> None:
    """The error leaves before its process ends: seed, step and traceback come as from a host here."""
    with (
        kept() as addresses,
        HostPool(counter(length=50, fault="raise", at=9), hosts=addresses, copies=2, groups=1) as pool,
    ):
        driver = Driver(pool)
        for _ in range(3):
            driver.step()
            pool.orders[0].action["adder"][...] = 9
            pool.send(0)
            with pytest.raises(ArenaFaultError, match=r"ZeroDivisionError.*seed 1, step 0"):
                pool.receive(0)
            assert pool.receive(0).lost_B.all()
            pool.orders[0].follow(0, Ticket(0, 1))


def test_a_greeting_that_a_dying_process_took_along_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process hears the rest of it first; that is no second death of the host."""
    send = Router.send
    lost: list[bytes] = []

    def lossy(router: Router, peer: Peer, header: bytes, body: bytes | None = None) -> None:
        if not lost and wire.unpack(header)[:2] == [wire.HELLO, 2]:
            lost.append(header)
        else:
            send(router, peer, header, body)

    monkeypatch.setattr(Router, "send", lossy)
    with (
        kept() as addresses,
        HostPool(counter(length=50, fault="raise", at=9), hosts=addresses, copies=2, groups=1) as pool,
    ):
        driver = Driver(pool)
        pool.orders[0].action["adder"][...] = 9
        pool.send(0)
        with pytest.raises(ArenaFaultError):
            pool.receive(0)
        assert pool.receive(0).lost_B.all()
        pool.orders[0].follow(0, Ticket(0, 1))
        assert not driver.step().lost_B.any()
        assert lost
        assert pool.metrics()["host_0/restarts"] == 1


def test_a_broken_connection_loses_nothing() -> None:
    """A connection that is reset in mid-step comes back; the step is sent again, and done once."""
    with kept() as addresses, Relay(addresses[0]) as relay:
        pool = HostPool(counter(length=50, pause_s=0.2), hosts=[relay.address], copies=2, groups=1)
        with pool:
            driver = Driver(pool)
            driver.step()
            for k in range(1, 4):
                driver.act(0)
                relay.cut()
                frame = driver.take(0)
                assert not frame.lost_B.any()
                assert list(frame.steps_B) == [k, k]
            assert pool.metrics()["host_0/restarts"] == 0


def test_keys_are_private_and_checked(tmp_path: Path) -> None:
    """Folders are 0700, files 0600; loose modes and missing or broken keys are told; none is overwritten."""
    for half in make_keys(tmp_path / "team"):
        assert stat.S_IMODE(half.stat().st_mode) == 0o700
        assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in half.iterdir())
        assert load_keys(half).secret.decode() not in repr(load_keys(half))
    with pytest.raises(ConfigError, match="never overwritten"):
        make_keys(tmp_path / "team")
    half = tmp_path / "team" / "owner"
    (half / "secret.key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"mode 0644.*chmod"):
        load_keys(half)
    (half / "secret.key").chmod(0o600)
    (half / "secret.key").write_text("short")
    with pytest.raises(HostError, match="no key"):
        load_keys(half)
    with pytest.raises(ConfigError, match="marl keys"):
        load_keys(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("hosts", "kind", "text"),
    [
        ([], ConfigError, "no address"),
        (["tcp://127.0.0.1:7000", "tcp://localhost:7000"], ConfigError, "addresses that differ"),
        (["tcp://127.0.0.1"], HostError, "tcp://NAME:PORT"),
        (["tcp://192.0.2.1:7000"], HostError, "without CURVE keys"),
        (["tcp://no-such-host.invalid:7000"], HostError, "a name that resolves"),
    ],
)
def test_addresses_are_checked(hosts: list[str], kind: type[Exception], text: str) -> None:
    """Addresses that are none, the same, unknown, or need keys are told before anything starts."""
    before = descriptors()
    with pytest.raises(kind, match=text):
        HostPool(counter(), hosts=hosts, copies=4, groups=2)
    assert descriptors() <= before


def test_binding_needs_keys_off_loopback(halves: tuple[Path, Path]) -> None:
    """A keeper refuses addresses that others can reach without keys, and says which ports it takes."""
    with pytest.raises(HostError, match=r"without CURVE keys.*marl keys NAME"):
        Keeper("tcp://0.0.0.0:7000", 1, None)
    Keeper("tcp://0.0.0.0:7000", 1, halves[0]).close()
    assert endpoints("tcp://[::1]:7000", 2) == ["tcp://[::1]:7000", "tcp://[::1]:7001"]
    for bind in ("tcp://0.0.0.0", "ipc:///x:1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65535"):
        with pytest.raises(ConfigError, match="ADDRESS:PORT"):
            endpoints(bind, 2)
    with pytest.raises(ConfigError, match="slots"):
        endpoints("tcp://127.0.0.1:7000", 0)
    assert resolved("tcp://localhost:7000") in {"tcp://127.0.0.1:7000", "tcp://[::1]:7000"}


def look_on(keeper: Keeper) -> None:
    """Keep slots for at most 10 s."""
    for _ in range(1000):
        keeper.look()
        threading.Event().wait(0.01)


def test_a_taken_port_is_told() -> None:
    """A slot that cannot bind ends the keeper with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        keeper = Keeper(f"tcp://127.0.0.1:{taken.getsockname()[1]}", 1, None)
        with pytest.raises(HostError, match=r"Address already in use.*another `marl host`"):
            look_on(keeper)
        keeper.close()


def test_the_program_serves_and_ends_when_told(root: Path) -> None:
    """`serve` gives a pool its hosts and leaves no process when SIGTERM comes."""
    port = free_port()
    code = (
        "from marl.hosting.keeper import serve\n"
        f"serve('tcp://127.0.0.1:{port}', slots=1, keys=None, started=lambda e: print(*e, flush=True))\n"
    )
    keeper = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE)
    with keeper:
        assert keeper.stdout is not None
        address = keeper.stdout.readline().decode().strip()
        with HostPool(counter(), hosts=[address], copies=2, groups=1) as pool:
            driver = Driver(pool)
            driver.step()
            process = int(pool.view(0, 0)["process"])
        keeper.terminate()
        assert keeper.wait(10) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
