"""The gateway's middle: which player is connected, who plays where, which rows of the owner's asks are open.

It runs in one thread and touches no socket: sessions hand it judged actions, the control plane hands it asks,
and `reply` carries whole answers back. Rows R of one ask belong to one player and one role.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from marl.gateway import protocol as wire
from marl.gateway.clock import TimeControl
from marl.gateway.plays import Ask, Play, Player, RoleConfig, RoleTable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from marl.gateway.plays import Reason
    from marl.gateway.session import Session

POLICY, LATE, ILLEGAL, ABSENT = 0, 1, 2, 3
SOURCES = ("policy", "late", "illegal", "absent")
"""As in `marl.policy`, which this process does not import (it would bring numpy)."""

CONNECTIONS, PRE_AUTH, PRE_AUTH_PER_IP = 256, 64, 16


class Config(Struct, forbid_unknown_fields=True):
    """The gateway's arguments: a line of JSON; `players` maps names to the sha256 of their tokens, in hex."""

    host: str
    port: int
    control: str
    arena: str
    rules_hash: str
    players: dict[str, str]
    roles: list[RoleConfig]
    time: TimeControl
    heartbeat_s: float = 5.0


class Hub:
    """Players, plays and open asks. `reply(identity, header, frames)` must not block."""

    def __init__(
        self,
        config: Config,
        loop: asyncio.AbstractEventLoop,
        reply: Callable[[bytes, dict[str, Any], Sequence[bytes]], None],
    ) -> None:
        self.loop = loop
        self.incarnation = secrets.token_bytes(8)
        self.heartbeat_s = config.heartbeat_s
        self.roles = {role.name: RoleTable(role) for role in config.roles}
        action_bytes = max((role.reader.wire_bytes for role in self.roles.values()), default=0)
        self.body_bytes = min(wire.HEADER_BYTES + 2 * action_bytes, wire.BODY_BYTES)
        self.seat_messages = list(_seat_messages(config, self.roles))
        self.connections: set[Session] = set()
        self.open_asks: set[Ask] = set()
        self._time = config.time
        self._reply = reply
        self._players = {name: Player(name, digest) for name, digest in config.players.items()}
        self._plays: dict[tuple[bytes, str, int, int], Play] = {}

    # Connections.

    def admit(self, session: Session) -> bool:
        """Whether there is room: in all, not yet logged in, and not yet logged in from one address."""
        fresh = [other for other in self.connections if other.state == "new"]
        from_there = sum(other.address == session.address for other in fresh)
        if len(self.connections) >= CONNECTIONS or len(fresh) >= PRE_AUTH or from_there >= PRE_AUTH_PER_IP:
            return False
        self.connections.add(session)
        return True

    def login(self, session: Session, token: str) -> Player | None:
        """The player of a token; a session that the player already had is superseded."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = [player for player in self._players.values() if hmac.compare_digest(player.digest, digest)]
        if not found:
            return None
        previous, found[0].session = found[0].session, session
        if previous is not None:
            previous.close("superseded")
        return found[0]

    def ready(self, session: Session) -> None:
        """Tell whoever waits for this player."""
        if session.player is not None:
            waiting, session.player.waiting = session.player.waiting, []
            for identity, number in waiting:
                self.standing(identity, number, session.player.name)

    def gone(self, session: Session) -> None:
        """A session ended: what it played is forfeited, open rows are answered now."""
        self.connections.discard(session)
        if session.player is not None and session.player.session is session:
            session.player.session = None
        for play in list(session.plays.values()):
            self._forfeit(play, "error")

    # The owner.

    def ask(self, identity: bytes, header: dict[str, Any], frames: Sequence[memoryview]) -> None:
        """Send each row to its player; rows of seats that nobody plays are answered as absent."""
        role = self.roles[header["role"]]
        match_R, seat_R, decision_R, seed_R = (frame.cast("q") for frame in frames[:4])
        mask_RA, leaves = frames[4], frames[5:]
        rows = len(match_R)
        ask = Ask(identity, header["id"], rows, role.reader.row_bytes)
        self.open_asks.add(ask)
        session = self._players[header["player"]].ready
        for row in range(rows):
            key = (identity, header["player"], match_R[row], seat_R[row])
            play = self._plays.get(key)
            if play is None or decision_R[row] == 0:
                play = self._begin(role, key, session, seed_R[row])
            play.ask, play.row, play.n, play.tried = ask, row, decision_R[row], False
            if play.session is None:
                self._decide(play, ABSENT)
                continue
            play.mask = mask_RA[row * role.mask_size : (row + 1) * role.mask_size]
            parts = [
                leaf[row * size : (row + 1) * size]
                for leaf, size in zip(leaves, role.leaf_bytes, strict=True)
            ]
            if role.mask_size:
                parts.append(memoryview(play.mask))
            first = decision_R[row] == 0
            play.session.observe(play, role, parts, self._time.first_s if first else self._time.move_s)
        if session is not None:
            session.flush()

    def ended(self, identity: bytes, player: str, match_R: Sequence[int]) -> None:
        """Matches are over: tell the agent, and forget them."""
        over = set(match_R)
        self._drop(
            [play for key, play in self._plays.items() if key[:2] == (identity, player) and key[2] in over]
        )

    def vanished(self, identity: bytes) -> None:
        """A policy was closed, or its process is gone."""
        self.open_asks = {ask for ask in self.open_asks if ask.identity != identity}
        self._drop([play for key, play in self._plays.items() if key[0] == identity])

    def wait(self, identity: bytes, number: int, player: str) -> None:
        """Answer with the player's standing as soon as it is ready."""
        if self._players[player].ready is not None:
            self.standing(identity, number, player)
        else:
            self._players[player].waiting.append((identity, number))

    def standing(self, identity: bytes, number: int, player: str) -> None:
        """Answer with how the player is connected."""
        session = self._players[player].session
        state = "absent" if session is None else "ready" if session.state == "ready" else "connected"
        header = {
            "t": "standing",
            "id": number,
            "state": state,
            "agent": session.agent if session is not None else "",
            "seats": len(session.plays) if session is not None else 0,
        }
        self._reply(identity, header, ())

    def check(self) -> None:
        """Raise RuntimeError unless every open row has a clock that runs: owners would wait for ever."""
        sessions = list(self.connections)
        waiting, clocked = (
            sum(ask.left for ask in self.open_asks),
            sum(len(session.clock) for session in sessions),
        )
        if waiting != clocked:
            raise RuntimeError(f"{waiting} rows are open, and {clocked} have a clock")
        for session in sessions:
            due_s = session.clock.due_s()
            if due_s is not None and not session.wakes_by(due_s):
                raise RuntimeError("a clock has stopped")

    # Moves.

    def decided(self, play: Play, row: bytes) -> None:
        """The agent answered in time and within the rules."""
        session = play.session
        if session is not None:
            session.clock.answered_s = self.loop.time()
        self._decide(play, POLICY, row)

    def illegal(self, play: Play, reason: str) -> None:
        """A first illegal try may be mended within the same time; the second is substituted."""
        if not play.tried:
            play.tried = True
            self._tell_verdict(play, ILLEGAL, reason, retry=True)
            return
        if play.session is not None:
            play.session.clock.answered_s = self.loop.time()
        self._strike(play, ILLEGAL, reason)

    def late(self, play: Play) -> None:
        """The time of a move is over."""
        self._strike(play, ILLEGAL if play.tried else LATE, "the time for this move is over")

    def _strike(self, play: Play, source: int, reason: str) -> None:
        play.strikes += 1
        self._tell_verdict(play, source, reason, retry=False)
        if play.strikes >= self._time.strikes:
            ask, play.ask = play.ask, None
            self._forfeit(play, "timeout" if source == LATE else "illegal")
            play.ask = ask
        self._decide(play, source)

    def _tell_verdict(self, play: Play, source: int, reason: str, *, retry: bool) -> None:
        if play.session is not None:
            play.session.send(
                wire.Verdict(
                    m=0,
                    s=play.handle,
                    n=play.n,
                    src=SOURCES[source],
                    strikes=play.strikes,
                    reason=reason,
                    retry=retry,
                )
            )

    def _begin(
        self, role: RoleTable, key: tuple[bytes, str, int, int], session: Session | None, seed: int
    ) -> Play:
        previous = self._plays.get(key)
        if previous is not None:
            self._drop([previous])
        ep = hashlib.sha256(self.incarnation + key[0] + struct.pack("<q", key[2])).digest()[:16]
        play = self._plays[key] = Play(role, key, ep)
        if session is None:
            play.forfeit = "error"
        else:
            play.session = session
            session.begin(play, role.names[key[3]], key[3], seed)
        return play

    def _forfeit(self, play: Play, reason: Reason) -> None:
        """The seat loses by rule: from now on it is absent, and nobody waits for it."""
        play.forfeit = reason
        self._unseat(play, reason)
        if play.ask is not None:
            self._decide(play, ABSENT)

    def _unseat(self, play: Play, reason: str) -> None:
        session, play.session = play.session, None
        if session is not None:
            session.plays.pop(play.handle, None)
            session.clock.closed(play.handle)
            session.send(wire.End(m=0, s=play.handle, ep=play.ep, reason=reason))

    def _decide(self, play: Play, source: int, row: bytes | None = None) -> None:
        ask, play.ask = play.ask, None
        if ask is None:
            return
        if play.session is not None:
            play.session.clock.closed(play.handle)
        if play.forfeit is not None and not play.told:
            play.told = True
            ask.forfeits.append((play.key[2], play.key[3], play.forfeit, play.n))
        ask.source_R[play.row] = source
        if row is not None:
            ask.action_R[play.row] = row
        ask.left -= 1
        if ask.left == 0:
            self.open_asks.discard(ask)
            header = {"t": "answer", "id": ask.number, "forfeits": ask.forfeits}
            self._reply(ask.identity, header, (bytes(ask.source_R), b"".join(ask.action_R)))

    def _drop(self, plays: list[Play]) -> None:
        sessions = {play.session for play in plays if play.session is not None}
        for play in plays:
            self._unseat(play, "over")
            self._plays.pop(play.key, None)
            if play.ask in self.open_asks:
                self._decide(play, ABSENT)
        for session in sessions:
            session.flush()


def _seat_messages(config: Config, roles: dict[str, RoleTable]) -> list[wire.Seat]:
    time = config.time
    control = {
        "move_ms": int(time.move_s * 1e3),
        "first_ms": int(time.first_s * 1e3),
        "strikes": time.strikes,
    }
    messages = []
    for left, role in zip(reversed(range(len(roles))), roles.values(), strict=True):
        spaces = (role.config.observation_space, role.config.action_space)
        messages.append(
            wire.Seat(
                m=0,
                arena=config.arena,
                role=role.name,
                seats=role.config.seats,
                observation=Raw(wire.encode(spaces[0])),
                action=Raw(wire.encode(spaces[1])),
                mask=role.mask_size,
                space_hash=hashlib.sha256(msgspec.json.encode(spaces, order="sorted")).hexdigest()[:16],
                rules_hash=config.rules_hash,
                tc=control,
                default=time.substitute,
                left=left,
            )
        )
    return messages
