"""How the arrays of a group travel between owner and host: mapped memory, or raw frames behind the header.

Both lie over the same block (`marl.frame.layout`). On the memory plane owner and hosts map the same block and
nothing travels. On the frames plane a host has a block for its own copies: orders travel as one raw frame
(the rows of its copies, array after array in the order of the layout), and back come one frame with what each
step leaves and, where a match ended, a second one with the `last_*` arrays. `lost_B` is the owner's alone and
never travels.
"""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marl.errors import HostError
from marl.frame import layout
from marl.memory import available_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from marl.spec import Spec

MEMORY = "memory"
FRAMES = "frames"

_ORDERS = frozenset({"action", "next", "seed", "variant", "restart", "want_state"})
_LAST = frozenset({"last_observation", "last_mask", "last_state"})
_OWNERS = frozenset({"lost"})


@dataclass(frozen=True)
class Slices:
    """The bytes of some copies in a block: what goes to a host, what comes back, and what rarely does."""

    orders: tuple[memoryview, ...]
    frame: tuple[memoryview, ...]
    last: tuple[memoryview, ...]


def slices(spec: Spec, copies: int, block: memoryview, start: int, stop: int) -> Slices:
    """The bytes of the copies from `start` to `stop` in a block of `copies`."""
    orders: list[memoryview] = []
    frame: list[memoryview] = []
    last: list[memoryview] = []
    places, _ = layout(spec, copies)
    for name, place in places.items():
        row_bytes = place.dtype.itemsize
        for size in place.shape[1:]:
            row_bytes *= size
        stem = re.sub(r"\.\d+$", "", name).rpartition(".")[2]
        if not row_bytes or stem in _OWNERS:
            continue
        part = block[place.offset + start * row_bytes : place.offset + stop * row_bytes]
        (orders if stem in _ORDERS else last if stem in _LAST else frame).append(part)
    return Slices(tuple(orders), tuple(frame), tuple(last))


def gather(parts: Iterable[memoryview]) -> bytes:
    """One raw frame of the parts, one after another."""
    return b"".join(parts)


def scatter(body: memoryview | bytes, parts: Iterable[memoryview], where: str) -> None:
    """Write a raw frame into the parts that `gather` took it from; HostError where its length differs."""
    view = memoryview(body)
    at = 0
    for part in parts:
        size = part.nbytes
        if at + size > view.nbytes:
            break
        part[:] = view[at : at + size]
        at += size
    expected = sum(part.nbytes for part in parts)
    if expected != view.nbytes:
        raise HostError(where, got=f"{view.nbytes} bytes of arrays", expected=f"{expected} bytes")


def group_bytes(spec: Spec, copies: int) -> int:
    """What one group takes in the shared block: whole pages, so that groups share no cache line."""
    _, size = layout(spec, copies)
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class Shared:
    """Memory without a name that hosts inherit by its descriptor: when the last process ends, it is gone.

    It is made empty, so that hosts can be started before the owner knows how much is needed (`grow`).
    """

    def __init__(self) -> None:
        try:
            if hasattr(os, "memfd_create"):
                self.fd = os.memfd_create("marl-hosting")
            else:
                with tempfile.TemporaryFile() as file:
                    self.fd = os.dup(file.fileno())
        except OSError as error:
            raise HostError(
                "hosting: shared memory", got=str(error), expected="a descriptor that hosts can inherit"
            ) from error

    def grow(self, size: int) -> memoryview:
        """Reserve `size` zeroed bytes and map them; HostError where there is no room for them."""
        # The system would not refuse, but look for a process to end.
        left = available_bytes()
        if size > left:
            raise HostError(
                "hosting: shared memory",
                got=f"{left / 2**20:.0f} MiB of memory left, of {size / 2**20:.0f} MiB asked for",
                expected="room for the arrays of all groups",
                remedy="Use fewer copies, or free memory.",
            )
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self.fd, 0, size)
            else:
                os.ftruncate(self.fd, size)
            return mapped(self.fd, size)
        except OSError as error:
            raise HostError(
                "hosting: shared memory",
                got=f"{error.strerror} for {size / 2**20:.0f} MiB",
                expected="room for the arrays of all groups",
                remedy="Use fewer copies, or free memory.",
            ) from error

    def close(self) -> None:
        """Give the descriptor back; what is mapped stays mapped until its arrays are gone."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def mapped(fd: int, size: int) -> memoryview:
    """The first `size` bytes of a descriptor, mapped and shared."""
    return memoryview(mmap.mmap(fd, size))
