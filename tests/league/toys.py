"""Players for tests, named by full spec as a user's own are."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
from gymnasium import spaces
from pydantic import Field

from marl.arena import Arena, Options, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class PaidOptions(Options):
    """What a step pays."""

    pay: float = Field(1.0, description="reward of a step")


class Paid(Arena):
    """Pays for nothing: too much for numbers of four bytes, once `pay` is large."""

    Options = PaidOptions
    options: PaidOptions
    seats = ("worker_0",)
    observation = spaces.Box(0, 1, (1,), np.float32)
    action = spaces.Discrete(2)
    max_steps = 4

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Always the same."""
        return np.zeros(1, np.float32)

    def advance(self, actions: Mapping[str, object]) -> Step:
        """Pay."""
        return Step(reward=self.options.pay)


def rock(observation: NDArray[np.float32]) -> int:
    """Always the first choice."""
    del observation
    return 0


def paper(observation: NDArray[np.float32]) -> int:
    """Always the second choice."""
    del observation
    return 1


def noisy(observation: NDArray[np.float32]) -> int:
    """Prints where workers answer."""
    print(f"I see {observation}")  # noqa: T201  # that is its fault
    sys.stdout.flush()
    os.write(1, b"and so do I\n")
    return 2


def raising(observation: NDArray[np.float32]) -> int:
    """Has a fault of its own."""
    raise ZeroDivisionError(f"of mine, at {observation.shape}")


def deadly(observation: NDArray[np.float32]) -> int:
    """Takes its process along, as a memory fault does."""
    del observation
    os._exit(9)


def deadly_once(observation: NDArray[np.float32]) -> int:
    """Takes its process along the first time; the folder of MARL_TEST_MARK remembers."""
    del observation
    try:
        os.mkdir(os.environ["MARL_TEST_MARK"])  # noqa: PTH102  # atomic, and light
    except FileExistsError:
        return 0
    os._exit(9)


def unlawful(observation: NDArray[np.float32]) -> int:
    """Plays what is no choice."""
    del observation
    return 99
