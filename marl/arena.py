"""`Arena`: a PettingZoo `ParallelEnv` written as a few hooks; the bookkeeping lives here, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from marl.errors import ActionError, SpecError
from marl.settings import Settings
from marl.spaces import action_size, encode_action, leaves, mask_size, to_json

BySeat = Mapping[str, Any]


class Options(Settings):
    """The difficulty knobs of an arena, with a default each; subclass it for yours. Unknown names are errors."""


@dataclass(frozen=True)
class Step:
    """What one step brings: each a value for all seats, or a mapping by seat (seats left out: 0 or False)."""

    reward: float | BySeat = 0.0
    terminated: bool | BySeat = False
    truncated: bool | BySeat = False
    info: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Arena(ParallelEnv[str, Any, Any]):
    """A world in a few hooks. Write `seats`, `observation`, `action`, `max_steps`, and `setup`, `observe`, `advance`.

    `seats`: their names; a seat's role is its name without the number.
    `observation`, `action`: a gymnasium space, or a mapping from role to space. `max_steps`: the time limit, which
    truncates (0: none). `teams`: team name to seats; default one team a seat. `version`: change it when scores change.
    Any of these that follow `self.options` are set in `declare()`. Optional: `Options`, and the hooks `present()`,
    `mask(seat)`, `state()`, `scores()`, `view()`.
    """

    seats: tuple[str, ...] = ()
    observation: Any = None
    action: Any = None
    max_steps: int = 0
    teams: Mapping[str, tuple[str, ...]] | None = None
    version: str = "1"
    higher_is: str = "higher is better"
    forfeit_score: float = 0.0

    Options: type[Any] = Options
    options: Any
    render_mode: str | None = None

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # the fields of Options
        self.options = self.Options.read(f"{type(self).__name__}: option", options)
        self.declare()
        self.metadata = {"name": type(self).__name__, "render_modes": [], "is_parallelizable": True}
        self.possible_agents = list(self.seats)
        self.agents: list[str] = []
        self.masked = type(self).mask is not Arena.mask
        self._rng: np.random.Generator | None = None
        self._observation_spaces = {seat: self._outer_space(seat) for seat in self.possible_agents}
        self._action_spaces = {seat: self._by_role(self.action, seat) for seat in self.possible_agents}
        self._action_json = {seat: to_json(space) for seat, space in self._action_spaces.items()}
        self._action_rows = {seat: np.zeros(action_size(leaves(data))) for seat, data in self._action_json.items()}
        self._returns: dict[str, float] = {}
        self._steps = 0

    def declare(self) -> None:
        """Set those of `seats`, `observation`, `action`, `max_steps`, `teams` that follow `self.options`."""

    def setup(self, rng: np.random.Generator) -> None:
        """Begin a match: put the world in a start drawn from `rng`, and keep `rng` for the match's own randomness."""
        raise NotImplementedError

    def observe(self, seat: str) -> Any:  # noqa: ANN401  # the arena's space
        """What a seat sees now: a value of its observation space."""
        raise NotImplementedError

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """One step of the world: the actions of the live seats in, rewards and ends out."""
        raise NotImplementedError

    def present(self) -> tuple[str, ...]:
        """The seats of this match; the others are dead from its first step. Default: all."""
        return tuple(self.possible_agents)

    def mask(self, seat: str) -> Any:  # noqa: ANN401  # an array of 0 and 1
        """Which choices are legal for a seat now: one number 0 or 1 a choice."""
        raise NotImplementedError

    def state(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """What a centralised critic may see: one flat float32 array. Default: all observations, in seat order."""
        parts = [np.ravel(np.asarray(self.observe(seat), np.float32)) for seat in self.possible_agents]
        return np.concatenate(parts)

    def scores(self) -> Mapping[str, float]:
        """What the league ranks by, when a match is over. Default: each seat's undiscounted return."""
        return self._returns

    def view(self) -> dict[str, Any]:
        """What a spectator may see, as plain JSON."""
        return {}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's observations, as PettingZoo asks it (the mask included where there is one)."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's actions."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin a match; without a seed the arena goes on with the randomness that it has."""
        del options
        if seed is not None or self._rng is None:
            self._rng = np.random.default_rng(seed)
        self._steps = 0
        self.setup(self._rng)
        self.agents = [seat for seat in self.possible_agents if seat in self.present()]
        self._returns = dict.fromkeys(self.possible_agents, 0.0)
        return {seat: self._outer(seat) for seat in self.agents}, {seat: {} for seat in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One step; every dict holds the seats that were alive in it, also those that end with it."""
        seats = self.agents
        self._check_actions(actions)
        result = self.advance({seat: actions[seat] for seat in seats})
        self._steps += 1
        late = bool(self.max_steps) and self._steps >= self.max_steps
        rewards = {seat: float(_of(result.reward, seat, 0.0)) for seat in seats}
        terminated = {seat: bool(_of(result.terminated, seat, default=False)) for seat in seats}
        truncated = {
            seat: not terminated[seat] and (late or bool(_of(result.truncated, seat, default=False))) for seat in seats
        }
        for seat in seats:
            self._returns[seat] += rewards[seat]
        observations = {seat: self._outer(seat) for seat in seats}
        self.agents = [seat for seat in seats if not terminated[seat] and not truncated[seat]]
        return observations, rewards, terminated, truncated, {seat: dict(result.info.get(seat, {})) for seat in seats}

    def render(self) -> None:
        """Nothing to draw; `view` is for spectators."""

    def close(self) -> None:
        """Nothing to give back."""

    def _outer(self, seat: str) -> Any:  # noqa: ANN401  # the arena's space
        observation = _detached(self.observe(seat))
        if not self.masked:
            return observation
        return {"observation": observation, "action_mask": np.asarray(self.mask(seat), np.int8).copy()}

    def _by_role(self, declared: Any, seat: str) -> spaces.Space[Any]:  # noqa: ANN401  # a space or a mapping
        role = role_name(seat)
        if isinstance(declared, spaces.Space):
            return declared
        if isinstance(declared, Mapping) and role in declared:
            return declared[role]  # type: ignore[no-any-return]  # checked by to_json
        raise SpecError(type(self).__name__, got=f"no space for role {role!r}", expected="a space, or one for each role")

    def _outer_space(self, seat: str) -> spaces.Space[Any]:
        space = self._by_role(self.observation, seat)
        if not self.masked:
            return space
        choices = mask_size(leaves(to_json(self._by_role(self.action, seat))))
        return spaces.Dict({"observation": space, "action_mask": spaces.Box(0, 1, (choices,), np.int8)})

    def _check_actions(self, actions: Mapping[str, Any]) -> None:
        name = type(self).__name__
        if set(actions) != set(self.agents):
            got = f"actions for {sorted(actions)}"
            raise ActionError(name, got=got, expected=f"one for each of {self.agents}", remedy="Call reset when none lives.")
        for seat, action in actions.items():
            encode_action(self._action_json[seat], action, self._action_rows[seat], f"{name}: action of {seat}")


def role_name(seat: str) -> str:
    """A seat's role: its name without the number ("trader_0" -> "trader")."""
    stem, _, number = seat.rpartition("_")
    return stem if stem and number.isdigit() else seat


def _of(value: Any, seat: str, default: Any = None) -> Any:  # noqa: ANN401  # a reward or a flag
    return value.get(seat, default) if isinstance(value, Mapping) else value


def _detached(value: Any) -> Any:  # noqa: ANN401  # a value of an arbitrary space
    """A copy that shares no memory with the world."""
    if isinstance(value, Mapping):
        return {key: _detached(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_detached(part) for part in value)
    return value.copy() if isinstance(value, np.ndarray) else value
