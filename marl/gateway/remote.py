"""A player behind the gateway, as a policy: rows go out in one message and come back in one when all are in.

Rows R of one ask; K numbers of an action, A choices of a mask. Substitutes for late, illegal and absent rows
are chosen here, from the row's own key, so that the gateway's process never sees a match's seed.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgpack
import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

from marl.errors import GatewayError
from marl.policy import POLICY, Decision, RandomLegal, Rows
from marl.spaces import from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.gateway.clock import Substitute
    from marl.spec import Role

SILENCE_S = 10.0
"""The gateway's main loop beats twice a second while rows are open; this long without a beat, it hangs."""

GOODBYE_MS = 100


Reason = Literal["timeout", "illegal", "error"]


@dataclass(frozen=True)
class Forfeit:
    """A seat that lost by rule: why (timeout, illegal, error), and at which of its decisions."""

    match: int
    seat: int
    reason: Reason
    decision: int


class Link:
    """A DEALER to the gateway's control socket; GatewayError at once when the gateway's process is gone."""

    def __init__(self, endpoint: str) -> None:
        self._numbers = itertools.count(1)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        # Bound before the gateway says that it is ready: whoever must try again has lost it.
        lost = zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED
        self._monitor = self._socket.get_monitor_socket(lost)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._lost = False
        self._socket.connect(endpoint)

    def send(self, header: dict[str, Any], frames: Sequence[Any] = ()) -> int:
        """Send one request and return its number."""
        if self._lost:
            raise _lost()
        number = next(self._numbers)
        self._socket.send_multipart([msgpack.packb({**header, "id": number}), *frames])
        return number

    def receive(self, timeout_s: float) -> tuple[dict[str, Any], list[bytes]] | None:
        """The next message, or None when `timeout_s` passed."""
        ready = dict(self._poller.poll(max(0, int(timeout_s * 1e3))))
        if self._socket in ready:
            head, *frames = self._socket.recv_multipart()
            return msgpack.unpackb(head), frames
        if self._monitor in ready:
            recv_monitor_message(self._monitor)
            self._lost = True
            raise _lost()
        return None

    def close(self) -> None:
        """Say goodbye and close the sockets; safe to call twice."""
        if not self._socket.closed:
            if not self._lost:
                self.send({"t": "close"})
            self._socket.disable_monitor()
            self._monitor.close(0)
            self._socket.close(GOODBYE_MS)
            self._context.term()


def _lost() -> GatewayError:
    return GatewayError(
        "gateway",
        got="no process at its end any more",
        expected="it running",
        remedy="Its matches are void; start another Gateway. Gateway.log() may say more.",
    )


@dataclass
class _Asked:
    number: int
    role: Role
    mask_RA: NDArray[np.uint8]
    rows: Rows


class RemotePolicy:
    """Plays for one external player. Several may share the gateway, each in a thread or process of its own.

    Args:
        endpoint: the gateway's control endpoint (`Gateway.endpoint`).
        player: whose agent answers.
        substitute: the action in place of a late, illegal or absent one.
    """

    memory_size = 0

    def __init__(self, endpoint: str, player: str, substitute: Substitute) -> None:
        self.player = player
        self.forfeits: dict[tuple[int, int], Forfeit] = {}
        self._substitute = substitute
        self._link = Link(endpoint)
        self._asked: deque[_Asked] = deque()
        self._answers: dict[int, tuple[dict[str, Any], list[bytes]]] = {}
        # Agents get seeds that do not give away the match's own.
        self._salt = secrets.token_bytes(16)

    def ask(
        self, role: Role, observation: Sequence[NDArray[Any]], mask_RA: NDArray[np.uint8], rows: Rows
    ) -> None:
        """Send all rows at once; does not wait."""
        begin = np.flatnonzero(rows.decision_R == 0)
        agent_seed_R = np.zeros(len(rows), np.int64)
        for row in begin:
            seat = int(rows.seat_R[row])
            self.forfeits.pop((int(rows.match_R[row]), seat), None)
            agent_seed_R[row] = self._agent_seed(int(rows.seed_R[row]), seat)
        frames = [
            rows.match_R,
            rows.seat_R.astype(np.int64),
            rows.decision_R.astype(np.int64),
            agent_seed_R,
            mask_RA,
            *observation,
        ]
        header = {"t": "ask", "player": self.player, "role": role.name}
        number = self._link.send(header, [np.ascontiguousarray(frame).tobytes() for frame in frames])
        self._asked.append(_Asked(number, role, mask_RA.copy(), rows))

    def collect(self) -> Decision:
        """The answers to the oldest `ask`; the gateway's clocks bound the wait.

        Raises GatewayError when the gateway's process is gone, or hangs.
        """
        asked = self._asked.popleft()
        heard_s = time.monotonic()
        while asked.number not in self._answers:
            wait_s = heard_s + SILENCE_S - time.monotonic()
            message = self._link.receive(wait_s) if wait_s > 0 else None
            if message is None:
                raise GatewayError(
                    f"gateway, rows of {self.player}",
                    got=f"no sign of life for {SILENCE_S:g} s",
                    expected="a beat twice a second",
                    remedy="Its matches are void; close this Gateway and start another.",
                )
            heard_s = time.monotonic()
            header, frames = message
            if header["t"] == "answer":
                self._answers[header["id"]] = (header, frames)
        return self._decision(asked, *self._answers.pop(asked.number))

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """`ask` and `collect` in one."""
        del memory_RM, greedy
        self.ask(role, observation, mask_RA, rows)
        return self.collect()

    def ended(self, match_R: NDArray[np.int64]) -> None:
        """Tell the agent that these matches are over."""
        self._link.send({"t": "ended", "player": self.player}, [match_R.astype(np.int64).tobytes()])

    def forfeits_of(self, match: int) -> dict[int, Forfeit]:
        """The seats of a match that lost by rule, until the match's number is used again."""
        return {seat: forfeit for (number, seat), forfeit in self.forfeits.items() if number == match}

    def close(self) -> None:
        """Give up what is still being played; safe to call twice."""
        self._link.close()

    def _agent_seed(self, seed: int, seat: int) -> int:
        text = f"{seed} {seat}".encode()
        return int.from_bytes(hashlib.blake2b(text, key=self._salt, digest_size=8).digest()) >> 11

    def _decision(self, asked: _Asked, header: dict[str, Any], frames: list[bytes]) -> Decision:
        for match, seat, reason, decision in header["forfeits"]:
            self.forfeits[match, seat] = Forfeit(match, seat, reason, decision)
        source_R = np.frombuffer(frames[0], np.uint8)
        shape = (len(source_R), asked.role.action_size)
        action_RK = np.frombuffer(frames[1], asked.role.action_dtype).reshape(shape).copy()
        other = np.flatnonzero(source_R != POLICY)
        if len(other):
            choose = _random if self._substitute == "random" else _first
            action_RK[other] = choose(asked.role, asked.mask_RA[other], asked.rows.take(other))
        return Decision(action_RK, source_R=source_R.copy())


def _random(role: Role, mask_RA: NDArray[np.uint8], rows: Rows) -> NDArray[Any]:
    """Uniform among the legal actions, by the row's key: the replay gives the same."""
    memory_RM = np.zeros((len(rows), 0), np.float32)
    return RandomLegal().act(role, (), mask_RA, memory_RM, rows, greedy=False).action_RK


def _first(role: Role, mask_RA: NDArray[np.uint8], rows: Rows) -> NDArray[Any]:
    """The first legal choice; 0, moved into its bounds, for boxes."""
    action_RK = np.zeros((len(rows), role.action_size), role.action_dtype)
    number = offset = 0
    spaces = list(_leaf_spaces(role.action_space))
    for leaf, space in zip(role.action, spaces, strict=True):
        if leaf.kind == "box":
            box = from_json(space)
            zero = np.clip(0, box.low.ravel(), box.high.ravel())  # type: ignore[attr-defined]  # a Box, by its kind
            action_RK[:, number : number + leaf.size] = zero
        for i, size in enumerate(leaf.choices):
            if role.mask_size:
                action_RK[:, number + i] = mask_RA[:, offset : offset + size].argmax(1)
            offset += size
        number += leaf.size
    return action_RK


def _leaf_spaces(space: Any) -> list[Any]:  # noqa: ANN401  # JSON
    if space["k"] == "dict":
        return [leaf for _, sub in space["v"] for leaf in _leaf_spaces(sub)]
    if space["k"] == "tuple":
        return [leaf for sub in space["v"] for leaf in _leaf_spaces(sub)]
    return [space]
