"""Arenas with one difficulty each, whose answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from pydantic import Field

from arenas.matrix import MatrixGame
from arenas.one_seat import OneSeat, OneSeatOptions
from marl.arena import Arena, Options, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Ticker(Arena):
    """One state, reward 1, truncated every 10 steps: V = 1 / (1 - gamma), whatever the time limit."""

    seats: tuple[str, ...] = ("clock_0",)
    observation = spaces.Box(0, 1, (1,), np.float32)
    action = spaces.Discrete(2)
    max_steps = 10

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Always the same."""
        return np.ones(1, np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """One point."""
        return Step(reward=1.0)


class Tickers(Ticker):
    """Two seats of one team with a state, else as `Ticker`."""

    seats = ("clock_0", "clock_1")
    teams: Mapping[str, tuple[str, ...]] | None = {"team": ("clock_0", "clock_1")}

    def state(self) -> NDArray[np.float32]:
        """Always the same."""
        return np.array([1.0, 0.5], np.float32)


class RecallOptions(Options):
    """How long the cue must be kept in mind."""

    steps: int = Field(4, ge=2, description="steps of a match")


class Recall(Arena):
    """A cue is shown at step 0 and must be answered at the last step: 1 if right. Without memory: 1/2."""

    Options = RecallOptions
    options: RecallOptions
    seats = ("pupil_0", "pupil_1")
    observation = spaces.Box(-1, 1, (2,), np.float32)
    action = spaces.Discrete(2)

    def declare(self) -> None:
        """Length follows the option."""
        self.max_steps = self.options.steps

    def setup(self, rng: np.random.Generator) -> None:
        """Draw a cue for each seat."""
        self._cue = dict(zip(self.seats, rng.integers(2, size=2).tolist(), strict=True))
        self._now = 0

    def observe(self, seat: str) -> NDArray[np.float32]:
        """The cue at step 0, then nothing; and whether the answer is due."""
        shown = 2.0 * self._cue[seat] - 1 if self._now == 0 else 0.0
        return np.array([shown, self._now == self.max_steps - 1], np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pay at the last step."""
        self._now += 1
        if self._now < self.max_steps:
            return Step()
        return Step(
            reward={seat: float(action == self._cue[seat]) for seat, action in actions.items()},
            terminated=True,
        )


class Weather(Arena):
    """Hidden weather adds +-20 to what choosing well pays, 1: only the state explains the return."""

    seats = ("farmer_0", "farmer_1")
    observation = spaces.Box(0, 1, (4,), np.float32)
    action = spaces.Discrete(4)
    max_steps = 1
    noise = 20.0

    def setup(self, rng: np.random.Generator) -> None:
        """Draw each seat's weather, and what it should choose."""
        self._weather = rng.choice([-1.0, 1.0], 2)
        self._best = rng.integers(4, size=2)

    def observe(self, seat: str) -> NDArray[np.float32]:
        """What to choose; nothing of the weather."""
        seen: NDArray[np.float32] = np.eye(4, dtype=np.float32)[self._best[self.seats.index(seat)]]
        return seen

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Weather and choice pay."""
        reward = {
            seat: self.noise * self._weather[i] + float(actions[seat] == self._best[i])
            for i, seat in enumerate(self.seats)
        }
        return Step(reward=reward, terminated=True)

    def state(self) -> NDArray[np.float32]:
        """The weather and the best choices."""
        return np.concatenate([self._weather, *np.eye(4)[self._best]]).astype(np.float32)

    def scores(self) -> Mapping[str, float]:
        """What choosing brought, the weather left out."""
        return {
            seat: self._returns[seat] - self.noise * self._weather[i] for i, seat in enumerate(self.seats)
        }


class Aim(Arena):
    """A target in [-0.1, 0.1] is shown; reward 1 - ((action - target) / 0.1)**2, so 1 at best."""

    seats = ("archer_0",)
    observation = spaces.Box(-0.1, 0.1, (1,), np.float32)
    action = spaces.Box(-0.1, 0.1, (1,), np.float32)
    max_steps = 5

    def setup(self, rng: np.random.Generator) -> None:
        """Draw the first target."""
        self._rng_match = rng
        self._target = float(rng.uniform(-0.1, 0.1))

    def observe(self, seat: str) -> NDArray[np.float32]:
        """The target."""
        return np.array([self._target], np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pay by the distance, and draw the next target."""
        off = (float(actions["archer_0"][0]) - self._target) / 0.1
        self._target = float(self._rng_match.uniform(-0.1, 0.1))
        return Step(reward=1 - off**2)

    def scores(self) -> Mapping[str, float]:
        """The mean reward of a step."""
        return {"archer_0": self._returns["archer_0"] / self.max_steps}


class Leavers(Arena):
    """`guest_0` is terminated at its 3rd step with reward 1, `guest_1` at its 6th with 2."""

    seats = ("guest_0", "guest_1")
    observation = spaces.Box(0, 1, (8,), np.float32)
    action = spaces.Discrete(2)
    max_steps = 6

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""
        self._now = 0

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Which seat, and the step."""
        seen: NDArray[np.float32] = np.eye(8, dtype=np.float32)[min(self._now, 6)] * np.float32(
            1.0 if seat == "guest_0" else 0.5
        )
        return seen

    def state(self) -> NDArray[np.float32]:
        """The step."""
        step: NDArray[np.float32] = np.eye(8, dtype=np.float32)[min(self._now, 6)]
        return step

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """The ends."""
        self._now += 1
        ends = {"guest_0": self._now == 3, "guest_1": self._now == 6}
        return Step(
            reward={"guest_0": 1.0 * ends["guest_0"], "guest_1": 2.0 * ends["guest_1"]}, terminated=ends
        )


class Saddle(MatrixGame):
    """Zero-sum, 3 by 3, with a saddle where both choose 1: the first seat gets 1.

    The second one answers uniform play with 2, and the first one's answer with 1.
    """

    payoff = ((0, 0, -4), (2, 1, 3), (4, 0, -2))


class LakeOptions(OneSeatOptions):
    """How slippery it is."""

    slippery: bool = Field(default=True, description="whether two of three steps go astray")


class Lake(OneSeat):
    """Gymnasium's FrozenLake of 4 by 4 whose matches begin anywhere: its values, seen as often everywhere."""

    Options = LakeOptions
    options: LakeOptions

    def declare(self) -> None:
        """Free fields are starts."""
        fields = ["SSSS", "SHSH", "SSSH", "HSSG"]
        self._env = gymnasium.make("FrozenLake-v1", desc=fields, is_slippery=self.options.slippery)
        self.observation, self.action = self._env.observation_space, self._env.action_space
        self.max_steps = 100


class Pole(OneSeat):
    """CartPole-v1 without velocities: where cart and pole are, which says nothing of where they go."""

    def declare(self) -> None:
        """Two of four numbers."""
        super().declare()
        self.observation = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def observe(self, seat: str) -> NDArray[np.float32]:
        """The cart's place and the pole's angle."""
        seen: NDArray[np.float32] = super().observe(seat)[::2]
        return seen


class TwoStep(Arena):
    """Rashid et al. 2018, section 5.1: the first seat picks a game, then both play it.

    Game A pays 7 whatever they do; game B pays [[0, 1], [1, 8]]. Mixtures that only add reach 7.
    """

    seats = ("player_0", "player_1")
    observation = spaces.Box(0, 1, (3,), np.float32)
    action = spaces.Discrete(2)
    max_steps = 2
    teams: Mapping[str, tuple[str, ...]] | None = {"team": ("player_0", "player_1")}

    def setup(self, rng: np.random.Generator) -> None:
        """Nobody has picked yet."""
        self._game = 0

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Nothing yet, game A or game B, one-hot."""
        seen: NDArray[np.float32] = np.eye(3, dtype=np.float32)[self._game]
        return seen

    def state(self) -> NDArray[np.float32]:
        """The same."""
        return self.observe(self.seats[0])

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pick, or pay."""
        first, second = (int(actions[seat]) for seat in self.seats)
        if not self._game:
            self._game = 1 + first
            return Step()
        paid = 7.0 if self._game == 1 else float(((0, 1), (1, 8))[first][second])
        return Step(reward=paid, terminated=True)


class SumToOne(Arena):
    """Two seats name numbers in [-1, 1] that should add up to 1: both get -(a + b - 1)**2."""

    seats = ("left_0", "right_0")
    observation = spaces.Box(0, 1, (1,), np.float32)
    action = spaces.Box(-1, 1, (1,), np.float32)
    max_steps = 1

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Always the same."""
        return np.ones(1, np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pay by the distance."""
        total = sum(float(action[0]) for action in actions.values())
        return Step(reward=-((total - 1) ** 2), terminated=True)


class Partner(Arena):
    """Each seat gets 1 where the other one chooses 1: what it does itself is of no matter to it."""

    seats = ("dancer_0", "dancer_1")
    observation = spaces.Box(0, 1, (1,), np.float32)
    action = spaces.Discrete(2)
    max_steps = 1

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""

    def observe(self, seat: str) -> NDArray[np.float32]:
        """Always the same."""
        return np.ones(1, np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pay by what the other one does."""
        first, second = (float(actions[seat]) for seat in self.seats)
        return Step(reward={"dancer_0": second, "dancer_1": first}, terminated=True)


class Lookout(Arena):
    """A light in the left or right half of a noisy picture: 1 for its side, or for the other if asked so."""

    seats = ("watch_0", "watch_1")
    observation = spaces.Dict(
        {"camera": spaces.Box(0, 255, (12, 12, 1), np.uint8), "other": spaces.Discrete(2)}
    )
    action = spaces.Discrete(2)
    max_steps = 4

    def setup(self, rng: np.random.Generator) -> None:
        """Draw the first pictures."""
        self._rng_match = rng
        self._look()

    def observe(self, seat: str) -> dict[str, Any]:
        """The seat's picture, and what is asked."""
        number = self.seats.index(seat)
        return {"camera": self._picture[number], "other": int(self._other[number])}

    def state(self) -> NDArray[np.float32]:
        """The answers."""
        return np.asarray(self._right ^ self._other, np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """Pay the right answers, and draw the next pictures."""
        answer = self._right ^ self._other
        reward = {seat: float(actions[seat] == answer[i]) for i, seat in enumerate(self.seats)}
        self._look()
        return Step(reward=reward)

    def scores(self) -> Mapping[str, float]:
        """The mean reward of a step."""
        return {seat: self._returns[seat] / self.max_steps for seat in self.seats}

    def _look(self) -> None:
        rng, count = self._rng_match, len(self.seats)
        self._right, self._other = rng.integers(2, size=count), rng.integers(2, size=count)
        self._picture = rng.integers(0, 120, (count, 12, 12, 1), np.uint8)
        for picture, right in zip(self._picture, self._right, strict=True):
            top, left = rng.integers(0, 10), rng.integers(0, 4) + 6 * right
            picture[top : top + 3, left : left + 3] += 120
