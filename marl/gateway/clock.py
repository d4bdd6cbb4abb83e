"""Time control, and the clock of one session: pure arithmetic on monotonic seconds that are handed in."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Substitute = Literal["random", "first"]


class TimeControl(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a seat may think, and what happens when it does not answer.

    Args:
        move_s: time for a move, in seconds.
        first_s: time for the first move of a match, in seconds (models warm up).
        strikes: late or illegal moves that a seat may collect in a match; the last of them forfeits the seat.
        substitute: the action in place of a late or illegal one: `random` (uniform among the legal ones,
            keyed by match, seat and decision) or `first` (the first legal choice; 0, moved into bounds, for
            boxes).
    """

    move_s: Annotated[float, Meta(gt=0, le=86400)] = 0.5
    first_s: Annotated[float, Meta(gt=0, le=86400)] = 10.0
    strikes: Annotated[int, Meta(ge=1, le=1_000_000)] = 3
    substitute: Substitute = "random"


class SessionClock:
    """The open moves of one session.

    A move's time runs from when it was sent, or from the session's last answer where that is later: an agent
    that thinks about one seat after the other has `move_s` for each of them, however many were sent at once.
    An agent that is silent for `move_s` is late with every open move.
    """

    def __init__(self) -> None:
        self.answered_s = 0.0
        self._open: dict[int, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def opened(self, handle: int, start_s: float, allowance_s: float) -> float:
        """A move's time starts at `start_s`; returns when it is over."""
        self._open[handle] = (start_s, allowance_s)
        return max(start_s, self.answered_s) + allowance_s

    def closed(self, handle: int) -> None:
        """A move was decided or dropped."""
        self._open.pop(handle, None)

    def credit(self, lag_s: float) -> None:
        """Time that the gateway itself lost is nobody's: move all starts by it."""
        self.answered_s += lag_s
        self._open = {handle: (start + lag_s, allowed) for handle, (start, allowed) in self._open.items()}

    def expired(self, now_s: float) -> list[int]:
        """The handles of the moves whose time is over."""
        return [
            handle
            for handle, (start, allowed) in self._open.items()
            if max(start, self.answered_s) + allowed <= now_s
        ]

    def due_s(self) -> float | None:
        """When the next move can be late; None without open moves."""
        if not self._open:
            return None
        return min(max(start, self.answered_s) + allowed for start, allowed in self._open.values())
