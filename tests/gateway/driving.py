"""What the tests of the gateway share: small arenas, rows, agent processes, a peer of raw bytes."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgpack
import numpy as np
from gymnasium import spaces

import marl.client
from marl.policy import Decision, Rows
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from marl.gateway import RemotePolicy

TOKEN, OTHER = "t" * 43, "u" * 43
WAIT_S = 20.0

PLAIN = Role(
    "trader",
    ("trader_0", "trader_1"),
    to_json(spaces.Box(-1, 1, (3,), np.float32)),
    to_json(spaces.Discrete(4)),
    masked=True,
)
SPEC = Spec("toy", "1", {}, (PLAIN,), {"all": PLAIN.seats})

RICH = Role(
    "robot",
    ("robot_0",),
    to_json(
        spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (2, 3, 1), np.uint8),
                "goal": spaces.Tuple([spaces.Discrete(5), spaces.Box(-np.inf, np.inf, (), np.float64)]),
                "flags": spaces.MultiBinary(3),
            }
        )
    ),
    to_json(
        spaces.Dict(
            {
                "arm": spaces.Box(-2, 2, (2,), np.float32),
                "grip": spaces.Discrete(3, start=1),
                "mode": spaces.MultiDiscrete([2, 3]),
            }
        )
    ),
)
RICH_SPEC = Spec("rich", "1", {}, (RICH,), {"all": RICH.seats})


def rows(matches: Sequence[int], n: int = 0, seat: int = 0) -> Rows:
    """One row for each match, all at their `n`-th decision."""
    count = len(matches)
    return Rows(
        np.asarray(matches, np.int64),
        np.arange(count, dtype=np.uint64) + np.uint64(7),
        np.full(count, seat, np.int32),
        np.full(count, n, np.int32),
    )


def ask(policy: RemotePolicy, who: Rows, mask: Sequence[int] = (1, 1, 1, 1)) -> None:
    """Ask for moves of the plain role."""
    observation = np.tile(np.array([0.5, -1.0, 0.25], np.float32), (len(who), 1))
    policy.ask(PLAIN, (observation,), np.tile(np.array(mask, np.uint8), (len(who), 1)), who)


def sources(decision: Decision) -> list[int]:
    """Who decided each row."""
    assert decision.source_R is not None
    found: list[int] = decision.source_R.tolist()
    return found


def actions(decision: Decision) -> list[Any]:
    """The actions, flat."""
    flat: NDArray[Any] = decision.action_RK.ravel()
    return list(flat.tolist())


def turns(session: marl.client.Session, count: int = 1) -> list[marl.client.Turn]:
    """The next turns of a session, whatever else comes between."""
    found: list[marl.client.Turn] = []
    while len(found) < count:
        event = next(session)
        if isinstance(event, marl.client.Turn):
            found.append(event)
    return found


def answer(session: marl.client.Session, action: Any, count: int = 1) -> None:  # noqa: ANN401  # of the role's space
    """Answer the next turns with one action."""
    for turn in turns(session, count):
        session.act(turn, action)
    session.flush()


def event_of(session: marl.client.Session, kind: type[Any]) -> Any:  # noqa: ANN401  # an event of that kind
    """The next event of a kind."""
    while True:
        event = next(session)
        if isinstance(event, kind):
            return event


@contextlib.contextmanager
def seated(address: str, token: str = TOKEN) -> Iterator[marl.client.Session]:
    """A session in this thread, ready to play."""
    session = marl.client.connect(address, token=token, name="driver 1")
    session.ready()
    # Nothing in these tests may wait for ever.
    session._sock.settimeout(WAIT_S)
    try:
        yield session
    finally:
        session.leave()


@contextlib.contextmanager
def agent_process(
    address: str, agent: str, *options: str, token: str = TOKEN
) -> Iterator[subprocess.Popen[str]]:
    """`python client.py ADDRESS agent` as a process of its own."""
    command = [sys.executable, str(marl.client.__file__), address, agent, "--token", token, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def write_agent(folder: Path, text: str) -> Path:
    """An agent's file."""
    path = folder / "my_agent.py"
    path.write_text(text, encoding="utf-8")
    return path


class Peer:
    """A peer that writes what it likes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self.sock = socket.create_connection((host, int(port)), WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, header: Any, frames: Sequence[bytes] = ()) -> None:  # noqa: ANN401  # anything at all
        """One framed message."""
        self.raw(framed(msgpack.packb(header), frames))

    def raw(self, data: bytes) -> None:
        """Bytes as they are; the other side may have hung up already."""
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(data)

    def log_in(self, token: str = TOKEN) -> None:
        """Become ready."""
        self.send({"t": "hello", "m": 1, "v": [1], "cred": {"kind": "token", "token": token}})
        self.send({"t": "join", "m": 2, "role": "play"})
        self.send({"t": "ready", "m": 3})

    def receive(self) -> dict[str, Any] | None:
        """The next message's header; None when the other side hung up."""
        head = self._exactly(4)
        body = self._exactly(struct.unpack("<I", head)[0]) if head else None
        if not body:
            return None
        header: dict[str, Any] = msgpack.unpackb(marl.client.split_body(body)[0])
        return header

    def until(self, kind: str) -> dict[str, Any]:
        """The next message of a kind."""
        while True:
            message = self.receive()
            assert message is not None, f"hung up before {kind}"
            if message["t"] == kind:
                return message

    def error(self) -> str:
        """The code of the fatal error that ends the connection; "" where it ends without one."""
        code = ""
        while (message := self.receive()) is not None:
            if message["t"] == "error" and message["fatal"]:
                code = message["code"]
        return code

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                part = self.sock.recv(count - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            data += part
        return data


def framed(header: bytes, frames: Sequence[bytes] = ()) -> bytes:
    """A message of raw parts."""
    parts = [header, *frames]
    sizes = [len(part) for part in parts]
    return struct.pack(f"<IB{len(parts)}I", 1 + 4 * len(parts) + sum(sizes), len(parts), *sizes) + b"".join(
        parts
    )
