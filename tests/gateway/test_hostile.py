"""Peers that do not keep to the protocol are cut; the gateway goes on serving those who do."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from marl.gateway import Gateway, TimeControl
from marl.policy import ABSENT, POLICY
from tests.gateway.driving import OTHER, SPEC, TOKEN, WAIT_S, Peer, answer, ask, framed, rows, seated, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO: dict[str, Any] = {"t": "hello", "m": 1, "v": [1], "cred": {"kind": "token", "token": TOKEN}}
GROWTH_KIB = 32 * 1024


def memory_kib(pid: int) -> int:
    """Peak resident memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """One gateway for all attacks: it must survive every one of them."""
    control = TimeControl(move_s=WAIT_S, first_s=WAIT_S)
    with Gateway(SPEC, {"bob": TOKEN, "eve": OTHER}, time_control=control) as running:
        yield running
        with seated(running.address, OTHER) as session:
            still_serves(running, session)


def still_serves(gateway: Gateway, session: Any) -> None:  # noqa: ANN401  # a Session
    """One whole move of another player."""
    gateway.wait_for("eve", WAIT_S)
    policy = gateway.policy("eve")
    ask(policy, rows([1]))
    answer(session, 1)
    assert sources(policy.collect()) == [POLICY]
    policy.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "size"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500, "size"),
        (struct.pack("<I", 2**31), "size"),
        (struct.pack("<I", 513), "size"),
        (struct.pack("<IB", 1, 0), "frame"),
        (struct.pack("<IB", 101, 200) + b"\0" * 100, "frame"),
        (framed(b"\x90" * 400), "header"),
        (framed(b"\xc1"), "header"),
        (b"\0\0\0\0", "frame"),
    ],
)
def test_garbage_before_login_is_cut(gateway: Gateway, data: bytes, code: str) -> None:
    """Other protocols, absurd sizes and malformed frames end the connection with one code."""
    with Peer(gateway.address) as peer:
        peer.raw(data)
        assert peer.error() == code


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({**HELLO, "v": [0, 9]}, "version"),
        ({**HELLO, "cred": {"kind": "token", "token": "wrong"}}, "auth"),
        ({**HELLO, "cred": {"kind": "token", "token": ""}}, "auth"),
        ({**HELLO, "cred": {"kind": "password", "token": TOKEN}}, "header"),
        ({"t": "join", "m": 1, "role": "play"}, "state"),
        ({"t": "act", "m": 1, "s": 1, "n": 0, "a": [1]}, "state"),
        ({"t": "leave", "m": 1}, "state"),
    ],
)
def test_wrong_first_messages_are_refused(gateway: Gateway, header: dict[str, Any], code: str) -> None:
    """Another major, a wrong token, or anything else but a hello: refused, with a code that says which."""
    with Peer(gateway.address) as peer:
        peer.send(header)
        assert peer.error() == code


def test_a_version_error_lists_ours(gateway: Gateway) -> None:
    """An agent of another major is told which we speak."""
    with Peer(gateway.address) as peer:
        peer.send({**HELLO, "v": [7]})
        message = peer.until("error")
        assert (message["code"], message["v"]) == ("version", [1])


def test_a_slow_hello_is_cut(gateway: Gateway) -> None:
    """A hello that never ends is cut after 2 s, and holds nobody up meanwhile."""
    with Peer(gateway.address) as peer, seated(gateway.address, OTHER) as session:
        peer.raw(struct.pack("<IBI", 300, 1, 295) + b"\x84")
        still_serves(gateway, session)
        assert peer.error() == "timeout"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (struct.pack("<I", 1 << 20), "size"),
        (framed(b"\x90" * 4097), "size"),
        (framed(b"\x90" * 4000), "header"),
        (framed(b"\x81\xa1t\xa4pong", [b""]), "header"),
    ],
)
def test_garbage_after_login_is_cut(gateway: Gateway, data: bytes, code: str) -> None:
    """The limits hold for players, too; their seats are lost."""
    with Peer(gateway.address) as peer:
        peer.log_in()
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1]))
        peer.until("obs")
        peer.raw(data)
        assert peer.error() == code
        assert sources(policy.collect()) == [ABSENT]


@pytest.mark.parametrize(
    "act",
    [
        {"s": 2, "n": 0},
        {"s": 2**53, "n": 0},
        {"s": 1, "n": 1},
        {"n": 0},
        {"s": 1, "n": 0, "ep": b"\0" * 16},
    ],
)
def test_acts_for_other_seats_or_future_moves_are_cut(gateway: Gateway, act: dict[str, Any]) -> None:
    """A session can only name its own seats, and only moves that it was asked for."""
    with Peer(gateway.address) as peer:
        peer.log_in()
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1]))
        peer.until("obs")
        peer.send({"t": "act", "m": 4, "a": [1], **act})
        assert peer.error() == "act"
        assert sources(policy.collect()) == [ABSENT]


def test_floods_are_cut(gateway: Gateway) -> None:
    """Pings, stale acts and messages out of state without end: the connection ends, memory stays."""
    before = memory_kib(gateway.pid)
    with Peer(gateway.address) as peer:
        peer.log_in()
        peer.raw(framed(b"\x84\xa1t\xa4ping\xa1m\x01\xa1n\x01\xa4t_us\x01") * 20000)
        assert peer.error() == "rate"
    with Peer(gateway.address) as peer:
        peer.log_in()
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1]))
        peer.until("obs")
        for _ in range(200):
            peer.send({"t": "act", "m": 4, "s": 1, "n": 0, "a": [1]})
        assert peer.error() == "rate"
        assert sources(policy.collect()) == [POLICY]
    with Peer(gateway.address) as peer:
        peer.log_in()
        for _ in range(3):
            peer.send({"t": "join", "m": 9, "role": "play"})
        assert peer.error() == "state"
    assert memory_kib(gateway.pid) - before < GROWTH_KIB


def test_a_reader_that_never_reads_is_cut(gateway: Gateway) -> None:
    """Matches begun for an agent that does not read: its connection is cut, and memory stays."""
    before = memory_kib(gateway.pid)
    with Peer(gateway.address) as peer:
        peer.log_in()
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        absent = False
        for start in range(0, 400_000, 1000):
            # The same matches again, from their start: rows that were open are dropped.
            ask(policy, rows(range(start, start + 1000)))
            if gateway.standing_of("bob").state == "absent":
                absent = True
                break
        assert absent
    assert memory_kib(gateway.pid) - before < 4 * GROWTH_KIB
    policy.close()


def test_one_address_holds_16_connections_before_login(gateway: Gateway) -> None:
    """The 17th connection that has not logged in is refused; players who are in go on."""
    with seated(gateway.address, OTHER) as session:
        still_serves(gateway, session)
        peers = [Peer(gateway.address) for _ in range(24)]
        try:
            refused = [peer for peer in peers if peer.error() == ""]
            assert len(refused) == 24 - 16
            still_serves(gateway, session)
        finally:
            for peer in peers:
                peer.sock.close()


def test_mutated_sessions_do_not_stop_it(gateway: Gateway) -> None:
    """Hundreds of damaged sessions, cut into odd pieces: the gateway serves on and its memory stays."""
    before = memory_kib(gateway.pid)
    session = b"".join(
        framed(header)
        for header in (
            b"\x84\xa1t\xa5hello\xa1m\x01\xa1v\x91\x01\xa4cred\x82\xa4kind\xa5token\xa5token\xd9\x2b"
            + TOKEN.encode(),
            b"\x83\xa1t\xa4join\xa1m\x02\xa4role\xa4play",
            b"\x82\xa1t\xa5ready\xa1m\x03",
            b"\x85\xa1t\xa3act\xa1m\x04\xa1s\x01\xa1n\x00\xa1a\x91\x01",
        )
    )
    rng = random.Random(11)
    with seated(gateway.address, OTHER) as good:
        for trial in range(300):
            data = bytearray(session)
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            with Peer(gateway.address) as peer:
                cut = rng.randrange(len(data))
                peer.raw(bytes(data[:cut]))
                peer.raw(bytes(data[cut:]))
            if trial % 100 == 0:
                still_serves(gateway, good)
    assert memory_kib(gateway.pid) - before < GROWTH_KIB
    assert "Traceback" not in gateway.log()
