"""One connection of an agent: states, limits, clock, open moves. What comes in is hostile until decoded."""

from __future__ import annotations

import asyncio
import secrets
import struct
from typing import TYPE_CHECKING, cast

from msgspec import UNSET

from marl.gateway import protocol as wire
from marl.gateway.actions import IllegalActionError
from marl.gateway.clock import SessionClock
from marl.gateway.protocol import ProtocolError

if TYPE_CHECKING:
    from marl.gateway.hub import Hub
    from marl.gateway.plays import Play, Player, RoleTable

HELLO_S = 2.0
CLOSING_S = 1.0
LAG_S = 0.002
UNREAD_S = 0.1
BUFFER_BYTES = 65536
RATE, BURST = 5.0, 20.0
STATE_FAULTS = 3
MISSED_BEATS = 3


class Session(asyncio.Protocol):
    """From accept to close: new -> idle (logged in) -> joined (told its roles) -> ready -> closed."""

    def __init__(self, hub: Hub) -> None:
        self.state = "new"
        self.agent = ""
        self.address = ""
        self.player: Player | None = None
        self.plays: dict[int, Play] = {}
        self.clock = SessionClock()
        self._hub = hub
        self._loop = hub.loop
        self._transport: asyncio.Transport | None = None
        self._rest = bytearray()
        self._need = 4
        self._out: list[bytes] = []
        self._sent = 0
        self._handles = 0
        self._acts_due = 0
        self._tokens, self._filled_s = BURST, self._loop.time()
        self._state_faults = 0
        self._heard_s = self._pinged_s = self._loop.time()
        self._batch_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._credited = False
        self._hello_timer: asyncio.TimerHandle | None = None

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or refuse it where the gateway is full."""
        self._transport = cast("asyncio.Transport", transport)
        self.address = str((transport.get_extra_info("peername") or ("?",))[0])
        if not self._hub.admit(self):
            self._transport.abort()
            return
        self._hello_timer = self._loop.call_later(
            HELLO_S, self.cut, "timeout", "hello was not complete in time"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Seats of a session that is gone forfeit at once."""
        del exc
        self._closed()

    def data_received(self, data: bytes) -> None:
        """Take every complete message out of what came; lengths are checked before a body is waited for."""
        if self.state == "closed":
            return
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        self._heard_s = self._loop.time()
        try:
            at = self._take(data)
        except ProtocolError as error:
            self.cut(error.code, str(error))
            return
        if self.state != "closed":
            self._rest += data[at:]
            self.flush()

    def _take(self, data: bytes) -> int:
        at = 0
        while len(data) - at >= 4:
            (size,) = struct.unpack_from("<I", data, at)
            limit = wire.PRE_AUTH_BYTES if self.state == "new" else self._hub.body_bytes
            if size > limit:
                raise ProtocolError("size", f"a body has at most {limit} bytes here")
            self._need = 4 + size
            if len(data) - at < self._need:
                return at
            frames = wire.split(data[at + 4 : at + self._need])
            at += self._need
            self._need = 4
            self._handle(wire.decode(frames[0]), frames[1:])
            if self.state == "closed":
                return at
        self._need = 4
        return at

    # What the agent says.

    def _handle(self, message: wire.Message, frames: list[bytes]) -> None:
        if isinstance(message, wire.Act) and self.state == "ready":
            self._act(message, frames)
            return
        if frames:
            raise ProtocolError("frame", "only acts carry frames")
        self._spend()
        match message:
            case wire.Hello() if self.state == "new":
                self._login(message)
            case wire.Join() if self.state == "idle":
                self.agent = message.agent if isinstance(message.agent, str) else ""
                self.state = "joined"
                self._tell_roles()
            case wire.Ready() if self.state == "joined":
                self.state = "ready"
                self._hub.ready(self)
            case wire.Ping() if self.state != "new":
                self.send(wire.PongOut(m=0, r=message.m, n=message.n, t_us=message.t_us))
            case wire.Pong() if self.state != "new":
                pass
            case wire.Leave() if self.state != "new":
                self.close("left")
            case _:
                self._out_of_state(message)

    def _login(self, message: wire.Hello) -> None:
        if wire.MAJOR not in message.v:
            self.cut("version", "no major in common", [wire.MAJOR])
            return
        player = self._hub.login(self, wire.decode_credential(message.cred).token)
        if player is None:
            raise ProtocolError("auth", "the token is not known here")
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        self.state, self.player = "idle", player
        limits = {"header": wire.HEADER_BYTES, "body": self._hub.body_bytes, "frames": wire.FRAMES}
        self.send(
            wire.Welcome(
                m=0,
                r=message.m,
                v=wire.MAJOR,
                caps=[],
                sid=secrets.token_hex(8),
                inc=self._hub.incarnation,
                player=player.name,
                limits=limits,
                hb_ms=int(self._hub.heartbeat_s * 1e3),
                now_us=int(self._loop.time() * 1e6),
            )
        )

    def _tell_roles(self) -> None:
        for seat in self._hub.seat_messages:
            self.send(seat)

    def _act(self, message: wire.Act, frames: list[bytes]) -> None:
        self._acts_due -= 1
        if self._acts_due < 0:
            self._acts_due = 0
            self._spend()
        play = self._play_of(message)
        if play is None or message.n < play.n or (message.n == play.n and play.ask is None):
            return
        if message.n > play.n:
            raise ProtocolError("act", "an act for a move that was not asked for")
        try:
            row = play.role.reader.read(message.a, frames, play.mask)
        except IllegalActionError as error:
            self._hub.illegal(play, str(error))
        else:
            self._hub.decided(play, row)

    def _play_of(self, message: wire.Act) -> Play | None:
        """The seat that an act is for; only seats of this session can be named at all."""
        if isinstance(message.s, int):
            if message.s > self._handles:
                raise ProtocolError("act", "an act for a seat that this session was never given")
            play = self.plays.get(message.s)
            if play is not None and isinstance(message.ep, bytes) and message.ep != play.ep:
                raise ProtocolError("act", "s and ep name different matches")
            return play
        if not isinstance(message.ep, bytes):
            raise ProtocolError("act", "an act names its seat by s or by ep")
        named = [play for play in self.plays.values() if play.ep == message.ep]
        if len(named) > 1:
            raise ProtocolError("act", "ep names several seats of this session: use s")
        return named[0] if named else None

    def _out_of_state(self, message: wire.Message) -> None:
        self._state_faults += 1
        if self._state_faults >= STATE_FAULTS or self.state == "new":
            raise ProtocolError("state", "a message that does not fit the session's state")
        self.send(wire.Error(m=0, r=message.m, code="state", fatal=False, text=f"not in state {self.state}"))

    def _spend(self) -> None:
        """Everything but the acts that were asked for is paced: RATE a second, BURST at once."""
        now = self._loop.time()
        self._tokens = min(BURST, self._tokens + RATE * (now - self._filled_s)) - 1.0
        self._filled_s = now
        if self._tokens < 0:
            raise ProtocolError("rate", f"more than {BURST:.0f} messages at once, or {RATE:.0f} a second")

    # What the gateway says.

    def begin(self, play: Play, seat: str, seat_index: int, seed: int) -> None:
        """Seat the agent in a match."""
        self._handles += 1
        play.handle = self._handles
        self.plays[play.handle] = play
        start = wire.Start(
            m=0, s=play.handle, ep=play.ep, role=play.role.name, seat=seat, seat_index=seat_index, seed=seed
        )
        self.send(start)

    def observe(self, play: Play, role: RoleTable, frames: list[memoryview], allowance_s: float) -> None:
        """Ask for a move; its clock starts now, or UNREAD_S later where earlier bytes are still unread."""
        self._sent += 1
        mask = role.mask_entry if role.mask_size else UNSET
        header = wire.encode(
            wire.Obs(
                m=self._sent, s=play.handle, n=play.n, dl_ms=int(allowance_s * 1e3), a=role.entries, mask=mask
            )
        )
        self._out.append(wire.pack(header, frames))
        backlog = self._transport is not None and self._transport.get_write_buffer_size() > 0
        start_s = self._loop.time() + (UNREAD_S if backlog else 0.0)
        self._acts_due += 2
        self._arm(self.clock.opened(play.handle, start_s, allowance_s))

    def send(self, message: wire.ToAgent) -> None:
        """Queue a message; `flush` hands the queue to the socket in one piece."""
        self._sent += 1
        message.m = self._sent
        self._out.append(wire.pack(wire.encode(message)))

    def flush(self) -> None:
        """Write what is queued; a peer that leaves too much unread is cut."""
        if self._transport is None or self.state == "closed":
            self._out.clear()
            return
        if not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        if self._transport.get_write_buffer_size() > BUFFER_BYTES + 2 * max(self._batch_bytes, len(data)):
            self.close("", abort=True)
            return
        self._batch_bytes = max(self._batch_bytes, len(data))
        self._transport.write(data)

    def _arm(self, due_s: float) -> None:
        """Wake at `due_s` at the latest; a timer that comes too early arms itself again."""
        if self._timer is not None:
            if self._due_s <= due_s:
                return
            self._timer.cancel()
        self._due_s = due_s
        self._timer = self._loop.call_at(due_s, self._on_time)

    def wakes_by(self, due_s: float) -> bool:
        """Whether the session looks at its clock by then."""
        return self._timer is not None and self._due_s <= due_s + LAG_S

    def _on_time(self) -> None:
        """Moves are late here and nowhere else. A timer that comes late credits the agent, and comes again.

        By then the loop has read what arrived: after a pause of this process timers come before bytes.
        """
        self._timer = None
        now = self._loop.time()
        lag_s = now - self._due_s
        self._credited = lag_s > LAG_S and not self._credited
        if self._credited:
            self.clock.credit(lag_s)
            self._arm(now)
            return
        for handle in self.clock.expired(now):
            self._hub.late(self.plays[handle])
        due_s = self.clock.due_s()
        if due_s is not None:
            self._arm(due_s)
        self.flush()

    def beat(self, now_s: float) -> None:
        """Ping an agent that has been silent with nothing to do; drop one that never answers."""
        if self.state == "new":
            return
        if len(self.clock):
            self._heard_s = now_s
            return
        silent_s = now_s - self._heard_s
        if silent_s > MISSED_BEATS * self._hub.heartbeat_s:
            self.close("silent", abort=True)
        elif silent_s > self._hub.heartbeat_s and now_s - self._pinged_s > self._hub.heartbeat_s:
            self._pinged_s = now_s
            self.send(wire.PingOut(m=0, n=self._sent, t_us=int(now_s * 1e6)))
            self.flush()

    def cut(self, code: wire.ErrorCode, text: str, versions: list[int] | None = None) -> None:
        """Tell the peer its fault and end the connection."""
        if self.state != "closed":
            self.send(wire.Error(m=0, code=code, fatal=True, text=text, v=versions or UNSET))
            self.close("")

    def close(self, reason: str, *, abort: bool = False) -> None:
        """End the session: seats forfeit, the peer is told why, and has CLOSING_S to read it."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if reason:
            self.send(wire.Bye(m=0, reason=reason))
        out = b"".join(self._out)
        if abort:
            transport.abort()
        else:
            transport.write(out)
            transport.close()
            self._loop.call_later(CLOSING_S, transport.abort)
        self._closed()

    def _closed(self) -> None:
        if self.state == "closed":
            return
        self.state = "closed"
        self._transport = None
        self._rest.clear()
        self._out.clear()
        for timer in (self._timer, self._hello_timer):
            if timer is not None:
                timer.cancel()
        self._hub.gone(self)
