"""Matches: a ticket with who sits where, how it ended, and who may be named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.policy import Policy
    from marl.spec import Ticket


@dataclass(frozen=True)
class Match:
    """A ticket with its lineup: seat to player. Seats that a match leaves out must be dead in it."""

    ticket: Ticket
    lineup: Mapping[str, str]


Schedule = Callable[[int, int], "Match | None"]
"""Which match copy c plays as its e-th; a function of the plan alone, never of arrival order.

None parks the copy.
"""


@dataclass(frozen=True)
class Outcome:
    """How a match ended.

    `score`: by seat. `faults`: by seat, how many decisions were (late, illegal, absent).

    `void`: its host died and its retries are used up. `action`: per role (steps, N, K), where recording
    was asked for.
    """

    match: Match
    steps: int
    score: Mapping[str, float]
    faults: Mapping[str, tuple[int, int, int]]
    void: bool = False
    action: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass
class Player:
    """Who may be named in a lineup. `record`: its decisions become fragments."""

    policy: Policy
    greedy: bool = False
    record: bool = False


def in_order(matches: Sequence[Match], copies: int) -> Schedule:
    """The schedule that deals a list of matches to copies like cards.

    Copy c plays matches c, c + copies, ...
    """

    def schedule(copy: int, episode: int) -> Match | None:
        index = copy + episode * copies
        return matches[index] if index < len(matches) else None

    return schedule
