"""The batched contract: an arena over arrays (BatchArena) and groups of its copies (ArenaPool)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from marl.frame import Frame, Orders, over_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marl.arena import Options
    from marl.spec import Spec


class BatchArena:
    """An arena over arrays: what the author of a fast arena writes, and what `Looped` makes of any other.

    `attach` hands it the arrays of its copies; `step` reads `self.orders` and writes `self.frame` in
    place: it starts tickets on parked copies whose `next_B` is set, applies actions elsewhere, and where
    a match ends starts the next ticket at once (module's head). `variants[i]` are the options of tickets
    whose variant is i; `add_variant` is called with options already checked against the capacities.
    """

    options_type: ClassVar[type[Options] | None] = None
    """What options are read as, whose fields `marl arenas show` prints; None: they are not told."""
    spec: Spec
    frame: Frame
    orders: Orders
    copies: int

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write; the number of copies is theirs."""
        self.frame, self.orders, self.copies = frame, orders, len(frame.ticket_B)

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; returns their index. SpecError where they do not fit the capacities."""
        raise NotImplementedError

    def step(self) -> None:
        """Advance every copy by one step, in place."""
        raise NotImplementedError

    def view(self, copy: int) -> dict[str, Any]:
        """What a spectator may see of a copy, as plain JSON."""
        del copy
        return {}

    def close(self) -> None:
        """Give back what the arena holds."""


class ArenaPool:
    """Copies of one arena in groups that are stepped independently.

    Here (`LocalPool`) or in host processes (`HostPool`).

    `frames[g]` and `orders[g]` belong to group g. `send(g)` starts a step of its copies, `receive(g)`
    waits for it and returns the frame, valid until the next `send(g)`. The rest of the system can't tell
    the kinds apart.
    """

    spec: Spec
    frames: Sequence[Frame]
    orders: Sequence[Orders]

    @property
    def groups(self) -> int:
        """How many groups."""
        return len(self.frames)

    @property
    def copies(self) -> int:
        """How many copies in all groups together."""
        return sum(len(frame.ticket_B) for frame in self.frames)

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make a set of options known to all copies; returns the index that tickets carry."""
        raise NotImplementedError

    def send(self, group: int = 0) -> None:
        """Start a step of a group with what its orders say."""
        raise NotImplementedError

    def receive(self, group: int = 0) -> Frame:
        """Wait for the step that `send` started and return its frame."""
        raise NotImplementedError

    def ready(self, wait_s: float = 0.0) -> list[int]:
        """The groups that were sent and whose `receive` would not wait; waits at most `wait_s` for one.

        Which one comes first depends on the machine: a run that has to be repeatable takes groups in turn.
        """
        raise NotImplementedError

    def metrics(self) -> dict[str, float]:
        """How the copies' processes fared since the last call; nothing where there are none."""
        return {}

    def view(self, group: int, copy: int) -> dict[str, Any]:
        """What a spectator may see of a copy, between `receive` and the next `send` of its group."""
        raise NotImplementedError

    def close(self) -> None:
        """End the copies and give back what they hold; safe to call twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LocalPool(ArenaPool):
    """Groups stepped in this process, in `send`: one BatchArena a group, in the order given."""

    def __init__(self, arenas: Sequence[BatchArena], copies: int) -> None:
        self._arenas = list(arenas)
        self.spec = self._arenas[0].spec
        blocks = [over_memory(self.spec, copies) for _ in self._arenas]
        self.frames = [frame for frame, _ in blocks]
        self.orders = [orders for _, orders in blocks]
        for arena, frame, orders in zip(self._arenas, self.frames, self.orders, strict=True):
            arena.attach(frame, orders)
        self._sent: set[int] = set()

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make a set of options known to all groups."""
        return max(arena.add_variant(options) for arena in self._arenas)

    def send(self, group: int = 0) -> None:
        """Step a group now."""
        self._arenas[group].step()
        self._sent.add(group)

    def receive(self, group: int = 0) -> Frame:
        """The frame of the step that `send` made."""
        self._sent.discard(group)
        return self.frames[group]

    def ready(self, wait_s: float = 0.0) -> list[int]:
        """The groups that were sent: their step is done."""
        del wait_s
        return sorted(self._sent)

    def view(self, group: int, copy: int) -> dict[str, Any]:
        """What a spectator may see of a copy."""
        return self._arenas[group].view(copy)

    def close(self) -> None:
        """Close the arenas."""
        for arena in self._arenas:
            arena.close()
