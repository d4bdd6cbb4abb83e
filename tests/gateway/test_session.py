"""One session on a transport and a time that the test holds in its hands."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
import pytest

import marl.client
from marl.gateway.clock import TimeControl
from marl.gateway.hub import Config, Hub
from marl.gateway.plays import RoleConfig
from marl.gateway.session import Session
from tests.gateway.driving import OTHER, PLAIN, TOKEN, framed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.data = b""
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.data += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def take(self) -> list[dict[str, Any]]:
        """The headers written since the last call."""
        found, at = [], 0
        while at < len(self.data):
            size = int.from_bytes(self.data[at : at + 4], "little")
            found.append(msgpack.unpackb(marl.client.split_body(self.data[at + 4 : at + 4 + size])[0]))
            at += 4 + size
        self.data = b""
        return found


class Table:
    """A hub with two players, and what it replied to its owner."""

    def __init__(self, loop: asyncio.AbstractEventLoop, control: TimeControl) -> None:
        role = RoleConfig(
            name=PLAIN.name,
            seats={seat: i for i, seat in enumerate(PLAIN.seats)},
            observation_space=dict(PLAIN.observation_space),
            action_space=dict(PLAIN.action_space),
            mask_size=4,
            leaves=[("f4", [3])],
            action_dtype="i4",
        )
        digests = {
            name: hashlib.sha256(token.encode()).hexdigest()
            for name, token in (("bob", TOKEN), ("eve", OTHER))
        }
        config = Config("127.0.0.1", 0, "", "toy", "rules", digests, [role], control)
        self.replies: list[tuple[dict[str, Any], list[bytes]]] = []
        self.hub = Hub(config, loop, self._reply)

    def seat(self, token: str) -> tuple[Session, Wire]:
        """A session that is ready."""
        session, wire = Session(self.hub), Wire()
        session.connection_made(wire)
        say(session, {"t": "hello", "m": 1, "v": [1], "cred": {"kind": "token", "token": token}})
        say(session, {"t": "join", "m": 2, "role": "play"})
        say(session, {"t": "ready", "m": 3})
        assert [message["t"] for message in wire.take()] == ["welcome", "seat"]
        return session, wire

    def ask(self, player: str, seat: int, observation: Sequence[float], n: int = 0) -> None:
        """One row of match 1."""
        numbers = [np.array([value], np.int64).tobytes() for value in (1, seat, n, 99)]
        frames = [*numbers, b"\1\1\1\1", np.array(observation, np.float32).tobytes()]
        header = {"id": 1, "player": player, "role": PLAIN.name}
        self.hub.ask(b"owner", header, [memoryview(frame) for frame in frames])

    def _reply(self, identity: bytes, header: dict[str, Any], frames: Sequence[bytes]) -> None:
        assert identity == b"owner"
        self.replies.append((header, list(frames)))


def say(session: Session, header: dict[str, Any]) -> None:
    """A message from the agent, one byte after the other."""
    for byte in framed(msgpack.packb(header)):
        session.data_received(bytes([byte]))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that never runs."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_a_silent_agent_is_pinged_and_then_dropped(loop: asyncio.AbstractEventLoop) -> None:
    """With nothing to decide: a ping after 5 s, the end after 15 s; a pong in between starts anew."""
    table = Table(loop, TimeControl())
    session, wire = table.seat(TOKEN)
    now = loop.time()
    session.beat(now + 4)
    assert wire.take() == []
    session.beat(now + 6)
    (ping,) = wire.take()
    assert ping["t"] == "ping"
    say(session, {"t": "pong", "m": 4, "n": ping["n"], "t_us": ping["t_us"]})
    session.beat(now + 14)
    assert [message["t"] for message in wire.take()] == ["ping"]
    session.beat(now + 16)
    assert wire.ended == "aborted"
    assert session.state == "closed"


def test_an_agent_that_thinks_is_not_dropped_for_silence(loop: asyncio.AbstractEventLoop) -> None:
    """While a move is open its clock decides, however long it is."""
    table = Table(loop, TimeControl(first_s=3600))
    session, wire = table.seat(TOKEN)
    table.ask("bob", 0, (1, 2, 3))
    wire.take()
    session.beat(loop.time() + 1000)
    assert (wire.take(), session.state) == ([], "ready")
    table.hub.check()


def test_a_timer_that_comes_late_credits_the_agent(loop: asyncio.AbstractEventLoop) -> None:
    """After a pause of the process the first look at the clock judges nobody; the second does."""
    table = Table(loop, TimeControl(move_s=0.001, first_s=0.001))
    session, _ = table.seat(TOKEN)
    table.ask("bob", 0, (1, 2, 3))
    while loop.time() < session._due_s + 0.01:
        pass
    session._on_time()
    assert table.replies == []
    session._on_time()
    assert [header["t"] for header, _ in table.replies] == ["answer"]
    table.hub.check()


def test_a_seat_sees_its_own_observation_only(loop: asyncio.AbstractEventLoop) -> None:
    """Two players in one match: neither's bytes ever hold the other's observation, name or token."""
    table = Table(loop, TimeControl())
    bob, bob_wire = table.seat(TOKEN)
    eve, eve_wire = table.seat(OTHER)
    for n in range(2):
        table.ask("bob", 0, (0.123, 0.123, 0.123), n)
        table.ask("eve", 1, (0.456, 0.456, 0.456), n)
        say(bob, {"t": "act", "m": 4, "s": 1, "n": n, "a": [1]})
        say(eve, {"t": "act", "m": 4, "s": 1, "n": n, "a": [2]})
    secrets = {
        "bob": [np.float32(0.456).tobytes(), b"eve", OTHER.encode()],
        "eve": [np.float32(0.123).tobytes(), b"bob", TOKEN.encode()],
    }
    for player, wire in (("bob", bob_wire), ("eve", eve_wire)):
        assert len(wire.data) > 100
        assert not [secret for secret in secrets[player] if secret in wire.data]
    assert [frames[1][0] for _, frames in table.replies] == [1, 2, 1, 2]


def test_a_row_without_a_clock_is_a_fault(loop: asyncio.AbstractEventLoop) -> None:
    """The check that turns a lost row into an error rather than a hang can fail."""
    table = Table(loop, TimeControl())
    session, _ = table.seat(TOKEN)
    table.ask("bob", 0, (1, 2, 3))
    table.hub.check()
    session.clock.closed(1)
    with pytest.raises(RuntimeError, match="1 rows are open"):
        table.hub.check()
