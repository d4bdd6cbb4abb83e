"""What random play and the best known reach, where both are known, so that a score says how far one is.

Scores as training's figures have them: of a match, the mean over the learner's seats, who have one interest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Options = Mapping[str, Any]


@dataclass(frozen=True)
class Yardstick:
    """Mean scores of uniformly random play, and of the best that is known."""

    random: float
    best: float

    def share(self, score: float) -> float:
        """How much of the way from random play to the best: 0 to 1, below 0 where it is worse than random."""
        return (score - self.random) / (self.best - self.random)


def yardstick(arena: str, options: Options) -> Yardstick | None:
    """Of an arena by its full spec and the options that were given; None where none is known."""
    found = _KNOWN.get(arena)
    return None if found is None else found(options)


def _fixed(random: float, best: float, **defaults: Any) -> Callable[[Options], Yardstick | None]:
    """A yardstick that holds for these options, whichever of them are said, and for no others."""

    def known(options: Options) -> Yardstick | None:
        same = all(name in defaults and defaults[name] == value for name, value in options.items())
        return Yardstick(random, best) if same else None

    return known


def _identity(options: Options) -> Yardstick:
    """One of so many symbols is right by chance."""
    steps = options.get("steps", 10)
    return Yardstick(steps / options.get("symbols", 4), steps)


def _climbing(_: Options) -> Yardstick:
    """The mean of the table, and its greatest entry, whatever the number of rounds."""
    return Yardstick(-31 / 9, 11.0)


def _one_seat(options: Options) -> Yardstick | None:
    """CartPole-v1 ends after 500 steps of reward 1."""
    return Yardstick(22.0, 500.0) if dict(options) == {"id": "CartPole-v1"} else None


_KNOWN: Mapping[str, Callable[[Options], Yardstick | None]] = {
    "arenas.identity:Identity": _identity,
    "arenas.matrix:Climbing": _climbing,
    "arenas.one_seat:OneSeat": _one_seat,
    # the best known: agents on their way to landmarks assigned to them never touch
    "arenas.spread:SpreadBatch": _fixed(
        -80.9 / 3, -22.1 / 3, agents=3, local_ratio=0.5, cycles=25, continuous=False
    ),
    "mpe2.simple_spread_v3": _fixed(
        -80.9 / 3, -22.1 / 3, N=3, local_ratio=0.5, max_cycles=25, continuous_actions=False
    ),
    # the best known: a beam search over the listener's thrusts, told the goal
    "mpe2.simple_speaker_listener_v4": _fixed(-79.3 / 2, -15.6 / 2, max_cycles=25, continuous_actions=False),
}
