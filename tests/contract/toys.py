"""Arenas that strain the contracts, one strain each, with results that can be told in advance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv
from pydantic import Field

from marl.arena import Arena, Options, Step
from marl.batch import LocalPool
from marl.spec import PARKED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import BatchArena

    Seen = dict[str, NDArray[np.float64]]
    Infos = dict[str, dict[str, Any]]


class Leavers(Arena):
    """Seat i leaves after step i + 2; the last one is cut off by the time limit.

    Observation: (seat, step, a number of the match); reward: 10 step + seat, to the live.
    """

    seats = ("leaver_0", "leaver_1", "leaver_2", "leaver_3")
    observation = spaces.Box(0, 100, (3,), np.float32)
    action = spaces.Discrete(3)
    max_steps = 5

    def setup(self, rng: np.random.Generator) -> None:
        self.number = float(rng.integers(100))
        self.clock = 0

    def observe(self, seat: str) -> list[float]:
        return [float(seat[-1]), float(self.clock), self.number]

    def advance(self, actions: Mapping[str, Any]) -> Step:
        self.clock += 1
        reward = {seat: 10.0 * self.clock + int(seat[-1]) for seat in actions}
        return Step(reward=reward, terminated={seat: self.clock >= int(seat[-1]) + 2 for seat in actions})


class TwoRoles(Arena):
    """Scouts with a camera and buttons, a runner with a stick: spaces of their own, Dict, an image."""

    seats = ("scout_0", "scout_1", "runner_0")
    observation = {  # noqa: RUF012  # declared once, as authors do
        "scout": spaces.Dict(
            {"camera": spaces.Box(0, 255, (3, 3, 1), np.uint8), "pace": spaces.Discrete(4, start=1)}
        ),
        "runner": spaces.Box(-np.inf, np.inf, (2,), np.float32),
    }
    action = {  # noqa: RUF012  # see above
        "scout": spaces.Discrete(5, start=-2),
        "runner": spaces.Box(
            np.array([-1, 0], np.float32), np.array([1, np.inf], np.float32), dtype=np.float32
        ),
    }
    max_steps = 4

    def setup(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.xy = rng.normal(size=2)
        self.picture = rng.integers(0, 256, (3, 3, 1), np.uint8)

    def observe(self, seat: str) -> NDArray[np.float64] | dict[str, object]:
        if seat == "runner_0":
            return self.xy
        return {"camera": self.picture, "pace": 1 + int(self.picture[0, 0, 0]) % 4}

    def advance(self, actions: Mapping[str, Any]) -> Step:
        assert actions["runner_0"].dtype == np.float32
        self.xy += actions["runner_0"]
        self.picture[...] = self.rng.integers(0, 256, (3, 3, 1), np.uint8)
        pushed = actions["scout_0"] + actions["scout_1"]
        return Step(reward={"scout_0": pushed, "scout_1": pushed, "runner_0": -pushed})


class Diggers(Arena):
    """Scouts and a digger that see, choose and leave in ways of their own: all strains at once, all Discrete.

    1 for choosing what is best, which each is shown and never masked; `scout_1` leaves after step 3.
    """

    seats = ("scout_0", "scout_1", "digger_0")
    observation = {  # noqa: RUF012  # declared once, as authors do
        "scout": spaces.Dict({"card": spaces.Discrete(3), "place": spaces.Box(-1, 1, (2,), np.float32)}),
        "digger": spaces.Tuple((spaces.Box(-5, 5, (5,), np.float32), spaces.MultiBinary(2))),
    }
    action = {"scout": spaces.Discrete(4), "digger": spaces.Discrete(2)}  # noqa: RUF012  # see above
    max_steps = 6

    def setup(self, rng: np.random.Generator) -> None:
        self.rng, self.clock = rng, 0
        self._draw()

    def observe(self, seat: str) -> object:
        best = self.best[seat]
        if seat == "digger_0":
            return np.full(5, self.clock - 1, np.float32), np.array([best, 1 - best], np.int8)
        return {"card": best, "place": self.place[seat]}

    def mask(self, seat: str) -> NDArray[np.bool_]:
        return self.legal[seat]

    def advance(self, actions: Mapping[str, Any]) -> Step:
        assert all(self.legal[seat][action] for seat, action in actions.items())
        self.clock += 1
        reward = {seat: float(action == self.best[seat]) for seat, action in actions.items()}
        self._draw()
        return Step(
            reward=reward, terminated={seat: seat == "scout_1" and self.clock == 3 for seat in actions}
        )

    def state(self) -> NDArray[np.float32]:
        return np.array([self.clock, *self.best.values()], np.float32)

    def _draw(self) -> None:
        choices = {"scout_0": 4, "scout_1": 4, "digger_0": 2}
        self.best = {seat: int(self.rng.integers(min(3, count))) for seat, count in choices.items()}
        self.place = {seat: self.rng.uniform(-1, 1, 2).astype(np.float32) for seat in choices}
        self.legal = {}
        for seat, count in choices.items():
            legal = self.rng.random(count) < 0.7
            legal[3:], legal[self.best[seat]] = False, True
            self.legal[seat] = legal


class Blind(Arena):
    """Two seats that see nothing: a box without a number is a legal observation. 1 for choosing 1."""

    seats = ("mole_0", "mole_1")
    observation = spaces.Box(0, 1, (0,), np.float32)
    action = spaces.Discrete(2)
    max_steps = 4
    seeded = False

    def setup(self, rng: np.random.Generator) -> None:
        """Nothing is drawn."""

    def observe(self, seat: str) -> NDArray[np.float32]:
        return np.zeros(0, np.float32)

    def state(self) -> NDArray[np.float32]:
        return np.ones(1, np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        return Step(reward={seat: float(action) for seat, action in actions.items()})


class StageOptions(Options):
    """How many play."""

    seats: int = Field(4, ge=1, le=8, description="seats there are")
    active: int = Field(4, ge=1, le=8, description="seats that are present, the first ones")
    length: int = Field(3, ge=1, le=50, description="steps of a match")


class Stages(Arena):
    """As many seats as the stage says; the others are dead from step 0. Reward: how many are present."""

    Options = StageOptions
    options: StageOptions
    seeded = False

    def declare(self) -> None:
        self.seats = tuple(f"worker_{i}" for i in range(self.options.seats))
        self.observation = spaces.Box(0, 50, (2,), np.float32)
        self.action = spaces.Discrete(2)
        self.max_steps = self.options.length

    def setup(self, rng: np.random.Generator) -> None:
        self.clock = 0

    def present(self) -> tuple[str, ...]:
        return self.seats[: self.options.active]

    def observe(self, seat: str) -> NDArray[np.float32]:
        return np.array([self.clock, self.options.active], np.float32)

    def advance(self, actions: Mapping[str, Any]) -> Step:
        self.clock += 1
        return Step(reward=float(len(actions)))


class Doors(Arena):
    """Two doors a step, of which the mask leaves some open. `Pairs` chooses two numbers at once."""

    seats = ("guest_0", "guest_1")
    observation = spaces.Box(0, 1, (4,), np.float32)
    action: Any = spaces.Discrete(4)
    max_steps = 6

    def setup(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._open()

    def observe(self, seat: str) -> NDArray[np.float32]:
        return self.open.astype(np.float32)

    def mask(self, seat: str) -> NDArray[np.bool_]:
        return self.open

    def advance(self, actions: Mapping[str, Any]) -> Step:
        assert all(self.open[action] for action in actions.values())
        self._open()
        return Step(reward={seat: float(action) for seat, action in actions.items()})

    def _open(self) -> None:
        self.open = self.rng.random(4) < 0.5
        self.open[self.rng.integers(4)] = True


class Pairs(Doors):
    """Doors of which one of the first two and one of the last two is chosen."""

    action = spaces.MultiDiscrete([2, 2])

    def advance(self, actions: Mapping[str, Any]) -> Step:
        assert all(self.open[pair[0]] and self.open[2 + pair[1]] for pair in actions.values())
        self._open()
        return Step(reward={seat: float(pair.sum()) for seat, pair in actions.items()})

    def _open(self) -> None:
        self.open = self.rng.random(4) < 0.5
        self.open[self.rng.integers(2)] = self.open[2 + self.rng.integers(2)] = True


class InfoMasked(ParallelEnv[str, Any, Any]):
    """Somebody else's environment, with its masks in the info, float64 observations and no seat numbers."""

    metadata = {"name": "info_masked"}  # noqa: RUF012  # PettingZoo's way

    def __init__(self) -> None:
        self.possible_agents = ["north", "south"]
        self._box, self._discrete = spaces.Box(0, 1, (3,), np.float64), spaces.Discrete(3)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._box

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._discrete

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, Infos]:
        self.rng = np.random.default_rng(seed)
        self.agents, self.clock = list(self.possible_agents), 0
        return self._seen()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[Seen, dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        self.clock += 1
        assert all(self.legal[action] for action in actions.values())
        over = self.clock == 4
        live, self.agents = self.agents, [] if over else self.agents
        observations, infos = self._seen(live)
        ends = dict.fromkeys(live, over)
        return observations, dict.fromkeys(live, 0.5), ends, dict.fromkeys(live, False), infos

    def _seen(self, seats: Sequence[str] | None = None) -> tuple[Seen, Infos]:
        self.legal = np.array([1, self.rng.integers(2), self.rng.integers(2)], np.int8)
        seats = self.agents if seats is None else seats
        return {s: self.rng.random(3) for s in seats}, {s: {"action_mask": self.legal} for s in seats}


class Nim(AECEnv[str, Any, Any]):
    """Players take one to three of a pile; who takes the last wins 1, the others lose 1 while he moves.

    Every taken stone also pays 0.25 to each other player at once. Observation: the pile, the mover's index.
    """

    metadata = {"name": "nim", "is_parallelizable": False, "render_modes": []}  # noqa: RUF012  # PettingZoo's way

    def __init__(self, players: int = 2, render_mode: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PettingZoo's
        self.render_mode = render_mode
        self.possible_agents = [f"player_{i}" for i in range(players)]
        box = spaces.Box(0, 20, (2,), np.float32)
        outer = spaces.Dict({"observation": box, "action_mask": spaces.Box(0, 1, (3,), np.int8)})
        self._outer = dict.fromkeys(self.possible_agents, outer)
        self._take = {seat: spaces.Discrete(3) for seat in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._outer[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._take[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self.pile = int(np.random.default_rng(seed).integers(5, 21))
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {seat: {} for seat in self.agents}
        self.agent_selection = self.agents[0]

    def observe(self, agent: str) -> dict[str, object]:
        legal = np.arange(1, 4) <= self.pile if agent == self.agent_selection else np.zeros(3)
        seen = np.array([self.pile, self.possible_agents.index(self.agent_selection)], np.float32)
        return {"observation": seen, "action_mask": legal.astype(np.int8)}

    def step(self, action: int) -> None:
        seat = self.agent_selection
        if self.terminations[seat]:
            self._was_dead_step(action)
            return
        self.pile -= action + 1
        self._cumulative_rewards[seat] = 0.0
        self.rewards = {other: 0.0 if other == seat else 0.25 * (action + 1) for other in self.agents}
        if self.pile == 0:
            self.rewards = {other: paid - 1 for other, paid in self.rewards.items()}
            self.rewards[seat] = 1.0
            self.terminations = dict.fromkeys(self.agents, True)
        self.agent_selection = self.agents[(self.agents.index(seat) + 1) % len(self.agents)]
        self._accumulate_rewards()
        self._deads_step_first()

    def render(self) -> None:
        """Nothing to draw."""

    def close(self) -> None:
        """Nothing to give back."""


class Losing(LocalPool):
    """A pool whose copies are lost, as if their host had died, in given steps of its first group."""

    def __init__(self, arenas: Sequence[BatchArena], copies: int, losses: Mapping[int, list[int]]) -> None:
        super().__init__(arenas, copies)
        self._losses = losses
        self._steps_sent = 0

    def send(self, group: int = 0) -> None:
        frame = self.frames[group]
        playing: NDArray[np.int64] = frame.ticket_B.copy()
        super().send(group)
        for copy in self._losses.get(self._steps_sent, ()):
            for role in frame.roles.values():
                for value in vars(role).values():
                    for array in value if isinstance(value, tuple) else (value,):
                        array[copy] = 0
            for name, array in vars(frame).items():
                if name != "roles":
                    array[copy] = 0
            frame.ticket_B[copy] = PARKED
            frame.ended_B[copy], frame.lost_B[copy] = playing[copy], True
        self._steps_sent += 1
