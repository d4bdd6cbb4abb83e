"""What a pool is made of, as plain data: which arena, how copies are split over hosts, how long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from marl.errors import ConfigError
from marl.hosting import wire
from marl.hosting.link import resolved
from marl.hosting.peer import Peer
from marl.hosting.plane import FRAMES, MEMORY

if TYPE_CHECKING:
    from marl.hosting.keys import Keys
    from marl.loading import ArenaRef

_PLANES = ("auto", MEMORY, FRAMES)


@dataclass(frozen=True)
class Plan:
    """`copies` are those of one group; `addresses` names slots of `marl host`, or nothing: hosts start here.

    `split`: each group is spread over all hosts; else group g lives in host g % hosts alone.
    """

    ref: ArenaRef
    hosts: int
    addresses: tuple[str, ...]
    keys: Keys | None
    copies: int
    groups: int
    split: bool
    plane: str
    step_timeout_s: float
    start_timeout_s: float

    def peers(self) -> list[Peer]:
        """The hosts' places, with their copies."""
        addresses = self.addresses or ("",) * self.hosts
        every = tuple(range(self.groups))
        if not self.split:
            return [
                Peer(i, 0, self.copies, every[i :: self.hosts], address)
                for i, address in enumerate(addresses)
            ]
        bounds = [self.copies * i // self.hosts for i in range(self.hosts + 1)]
        return [Peer(i, bounds[i], bounds[i + 1], every, address) for i, address in enumerate(addresses)]


def copies_per_group(copies: int, groups: int, hosts: int, *, split: bool = True) -> int:
    """How many copies a group has; ConfigError where copies, groups and hosts do not fit one another."""
    if groups < 1 or copies < groups or copies % groups:
        raise ConfigError(
            "pool: copies",
            got=f"{copies} in {groups} groups",
            expected="groups of one size, of one copy at least",
        )
    if not split and hosts > 0 and groups % hosts:
        raise ConfigError(
            "pool: hosts",
            got=f"{hosts} for {groups} groups",
            expected="as many groups for each host where groups are not split",
            remedy="Take a multiple of the hosts as groups, or split groups over hosts.",
        )
    if hosts < 0 or (split and hosts > copies // groups):
        raise ConfigError(
            "pool: hosts",
            got=f"{hosts} for groups of {copies // groups} copies",
            expected="at most one host a copy of a group",
            remedy="Every group is split over all hosts: use more copies, fewer groups, or fewer hosts.",
        )
    return copies // groups


def check_plane(plane: str, addresses: tuple[str, ...]) -> None:
    """ConfigError for a plane that there is not, or not between machines."""
    if plane not in _PLANES:
        raise ConfigError("pool: plane", got=repr(plane), expected=f"one of {', '.join(_PLANES)}")
    if addresses and plane == MEMORY:
        raise ConfigError(
            "pool: plane",
            got="'memory' for hosts by address",
            expected="'frames' or 'auto'",
            remedy="Hosts that a pool starts itself (hosts=2) share memory with it.",
        )


def check_addresses(addresses: tuple[str, ...], *, keys: bool) -> None:
    """ConfigError for no address or one named twice; HostError where it can't be found or needs keys."""
    numbers = [resolved(address) for address in addresses]
    if len(set(numbers)) != len(numbers) or not numbers:
        raise ConfigError(
            "pool: hosts",
            got=", ".join(addresses) or "no address",
            expected="addresses that differ: each is one host",
            remedy="`marl host --slots 2` gives two, on ports that follow one another.",
        )
    for number in numbers:
        wire.check_endpoint(number, keys=keys)
