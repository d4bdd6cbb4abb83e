"""`gymnasium`: any single-agent Gymnasium environment as an arena of one seat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from pydantic import Field

from marl.arena import Arena, Options, Step
from marl.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping


class OneSeatOptions(Options):
    """Which environment."""

    id: str = Field("CartPole-v1", description="Gymnasium's id of the environment.")
    arguments: dict[str, float | int | str | bool] = Field(
        default_factory=dict, description="Keyword arguments of its constructor."
    )


class OneSeat(Arena):
    """One seat `player` in a Gymnasium environment.

    Observation, action, reward and ends are the environment's; its time limit truncates. Score: the return.
    Spaces that the platform does not know are refused by name.
    """

    Options = OneSeatOptions
    options: OneSeatOptions
    seats = ("player",)

    def declare(self) -> None:
        """Spaces and time limit are the environment's."""
        arguments: dict[str, Any] = dict(self.options.arguments)
        try:
            self._env = gymnasium.make(self.options.id, **arguments)
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise SpecError(
                f"Gymnasium environment {self.options.id!r}",
                got=f"{type(error).__name__}: {error}",
                expected="an environment that Gymnasium can make here",
                remedy="Look the id up in gymnasium.envs.registry; install what the environment needs.",
            ) from error
        self.observation, self.action = self._env.observation_space, self._env.action_space
        self.max_steps = (self._env.spec.max_episode_steps if self._env.spec else None) or 0

    def setup(self, rng: np.random.Generator) -> None:
        """Reset the environment with a seed of its own."""
        self._seen, _ = self._env.reset(seed=int(rng.integers(2**31)))

    def observe(self, seat: str) -> Any:  # noqa: ANN401  # the environment's space
        """What the environment shows."""
        del seat
        return self._seen

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Step the environment."""
        self._seen, reward, terminated, truncated, _ = self._env.step(actions["player"])
        return Step(reward=float(reward), terminated=terminated, truncated=truncated)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
