"""`Arena`: a PettingZoo `ParallelEnv` written as a few hooks; the bookkeeping lives here, once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from marl.actions import ActionCodec
from marl.errors import ActionError, ArenaFaultError, SpecError
from marl.observations import Lens, as_mask
from marl.rng import reseed
from marl.settings import Settings
from marl.spaces import restore, to_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

BySeat = Mapping[str, Any]


class Options(Settings):
    """The difficulty knobs of an arena, with a default each. Subclass it; unknown names are errors."""


class Step(NamedTuple):
    """What one step brings: each a value for all seats, or a mapping by seat (seats left out: 0 or False)."""

    reward: float | BySeat = 0.0
    terminated: bool | BySeat = False
    truncated: bool | BySeat = False
    info: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


class Turnout(NamedTuple):
    """What came of one step for the seats that were alive in it, in seat order."""

    seats: list[str]
    reward: list[float]
    terminated: list[bool]
    truncated: list[bool]
    info: Mapping[str, Mapping[str, Any]]


class Arena(ParallelEnv[str, Any, Any]):
    """A world in a few hooks.

    Write `seats`, `observation`, `action`, `max_steps`, and `setup`, `observe`, `advance`.

    `seats`: their names; a seat's role is its name without the number. `observation`, `action`: a
    gymnasium space, or a mapping from role to space. `max_steps`: the time limit, which truncates (0:
    none). `teams`: team name to seats; default one team a seat. `slices`: by role, the named spans of
    its observation. `version`: change it when scores change.
    `seeded`: whether seeds make a difference at all. Any of these that follow `self.options` are set in
    `declare()`. Optional: `Options`, and the hooks `present()`, `mask(seat)`, `state()`, `scores()`,
    `view()`. What `observe` gives is cast to the space's dtype.
    """

    seats: tuple[str, ...] = ()
    observation: Any = None
    action: Any = None
    max_steps: int = 0
    teams: Mapping[str, tuple[str, ...]] | None = None
    slices: Mapping[str, Mapping[str, tuple[int, int]]] = MappingProxyType({})
    version: str = "1"
    higher_is: str = "higher is better"
    forfeit_score: float = 0.0
    seeded: bool = True

    Options: type[Any] = Options
    options: Any
    render_mode: str | None = None

    def __init__(self, **options: Any) -> None:  # the fields of Options
        self.options = self.Options.read(f"{type(self).__name__}: option", options)
        self.declare()
        self.metadata = {"name": type(self).__name__, "render_modes": [], "is_parallelizable": True}
        self.possible_agents = list(self.seats)
        self.agents: list[str] = []
        self.masked = type(self).mask is not Arena.mask
        self._rng: np.random.Generator | None = None
        inner = {seat: self._by_role(self.observation, seat) for seat in self.possible_agents}
        self._action_spaces = {seat: self._by_role(self.action, seat) for seat in self.possible_agents}
        self._codecs = {seat: ActionCodec(to_json(space)) for seat, space in self._action_spaces.items()}
        self._lenses = {seat: Lens(to_json(space)) for seat, space in inner.items()}
        self._observation_spaces = {seat: self._outer_space(seat, space) for seat, space in inner.items()}
        self._masks: dict[str, NDArray[np.uint8]] = {}
        self._returns: dict[str, float] = {}
        self._steps = 0

    def declare(self) -> None:
        """Set those of `seats`, `observation`, `action`, `max_steps`, `teams` that follow `self.options`."""

    def setup(self, rng: np.random.Generator) -> None:
        """Begin a match: put the world in a start drawn from `rng`.

        Keep `rng` for the match's own randomness.
        """
        raise NotImplementedError

    def observe(self, seat: str) -> Any:  # noqa: ANN401  # the arena's space
        """What a seat sees now: a value of its observation space."""
        raise NotImplementedError

    def advance(self, actions: Mapping[str, Any]) -> Step:
        """One step of the world: the actions of the live seats in, rewards and ends out."""
        raise NotImplementedError

    def present(self) -> tuple[str, ...]:
        """The seats of this match; the others are dead from its first step. Default: all."""
        return self.seats

    def mask(self, seat: str) -> Any:  # noqa: ANN401  # an array of 0 and 1
        """Which choices are legal for a seat now: one number 0 or 1 a choice."""
        raise NotImplementedError

    def state(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """What a centralised critic may see: one flat float32 array, of constant size.

        Default: all observations in seat order, zeros for seats that are not in this match.
        """
        sizes = {seat: sum(leaf.size for leaf in self._lenses[seat].leaves) for seat in self.possible_agents}
        return self._observed(sizes)

    def scores(self) -> Mapping[str, float]:
        """What the league ranks by, when a match is over. Default: each seat's undiscounted return."""
        return self._returns

    def view(self) -> dict[str, Any]:
        """What a spectator may see, as plain JSON."""
        return {}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's observations, the mask included where there is one."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's actions."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin a match; without a seed the arena goes on with the randomness that it has."""
        del options
        self._begin_match(seed)
        return {seat: self._outer(seat) for seat in self.agents}, {seat: {} for seat in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One step; every dict holds the seats that were alive in it, also those that end with it.

        ActionError names the seat whose action is missing, outside its space, or masked.
        """
        self._check_actions(actions)
        came = self._play_step({seat: actions[seat] for seat in self.agents})
        return (
            {seat: self._outer(seat) for seat in came.seats},
            dict(zip(came.seats, came.reward, strict=True)),
            dict(zip(came.seats, came.terminated, strict=True)),
            dict(zip(came.seats, came.truncated, strict=True)),
            {seat: dict(came.info.get(seat, {})) for seat in came.seats},
        )

    def render(self) -> None:
        """Nothing to draw; `view` is for spectators."""

    def close(self) -> None:
        """Nothing to give back."""

    def _begin_match(self, seed: int | None) -> None:
        """Seed, set up, and count anew; the observations are the caller's to ask for."""
        if self._rng is None:
            self._rng = np.random.default_rng()
        if seed is not None:
            reseed(self._rng, seed)
        self._steps = 0
        self._returns = dict.fromkeys(self.possible_agents, 0.0)
        self.setup(self._rng)
        present = self.present()
        self.agents = [seat for seat in self.possible_agents if seat in present]
        if len(self.agents) != len(present) or not present:
            raise SpecError(
                type(self).__name__,
                got=f"present() = {present}",
                expected=f"at least one of {self.possible_agents}, each once",
            )

    def _play_step(self, actions: Mapping[str, Any]) -> Turnout:
        """Advance the world with actions that were checked, and keep the books."""
        seats, returns = self.agents, self._returns
        reward, ends, cuts, info = self.advance(actions)
        self._steps += 1
        rewards = list(map(float, self._by_seat(reward)))
        for seat, value in zip(seats, rewards, strict=True):
            if not math.isfinite(value):
                raise ArenaFaultError(self._where("reward", seat), got=str(value), expected="a finite number")
            returns[seat] += value
        late = 0 < self.max_steps <= self._steps
        if not late and ends is False and cuts is False:
            none = [False] * len(seats)
            return Turnout(seats, rewards, none, none, info)
        terminated = list(map(bool, self._by_seat(ends)))
        truncated = list(map(bool, self._by_seat(late or cuts)))
        for i, ended in enumerate(terminated):
            truncated[i] = truncated[i] and not ended
        self.agents = [
            seat for seat, ended, cut in zip(seats, terminated, truncated, strict=True) if not (ended or cut)
        ]
        return Turnout(seats, rewards, terminated, truncated, info)

    def _by_seat(self, value: Any) -> list[Any]:  # noqa: ANN401  # of a Step
        """What a Step says for each live seat; SpecError where it names an unknown one."""
        if not isinstance(value, Mapping):
            return [value] * len(self.agents)
        if not value.keys() <= self._codecs.keys():
            raise SpecError(
                f"{type(self).__name__}: Step of advance()",
                got=f"seat {min(value.keys() - self._codecs.keys(), key=str)!r}",
                expected=f"seats among {self.possible_agents}",
            )
        return [value.get(seat, 0) for seat in self.agents]

    def _observed(self, sizes: Mapping[str, int]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The observations of seats of so many numbers each, one after another; zeros for absent ones."""
        present = self.present()
        parts = []
        for seat, size in sizes.items():
            if seat in present:
                read = self._lenses[seat].read(self.observe(seat), self._where("observation", seat))
                parts += [np.ravel(leaf).astype(np.float32) for leaf in read]
            else:
                parts.append(np.zeros(size, np.float32))
        return np.concatenate(parts)

    def _outer(self, seat: str) -> Any:  # noqa: ANN401  # the arena's space
        """A seat's observation, cast and detached from the world; with its mask where there are masks."""
        lens = self._lenses[seat]
        observation = restore(lens.space, lens.read(self.observe(seat), self._where("observation", seat)))
        if not self.masked:
            return observation
        mask_A = self._mask(seat)
        self._masks[seat] = mask_A
        return {"observation": observation, "action_mask": mask_A.astype(np.int8)}

    def _mask(self, seat: str) -> NDArray[np.uint8]:
        return as_mask(
            self.mask(seat), int(self._codecs[seat].choices_K.sum()), self._where("observation", seat)
        )

    def _where(self, what: str, seat: str) -> str:
        return f"{type(self).__name__}: {what} of {seat}"

    def _by_role(self, declared: Any, seat: str) -> spaces.Space[Any]:  # noqa: ANN401  # a space or a mapping
        role = role_name(seat)
        if isinstance(declared, spaces.Space):
            return declared
        if isinstance(declared, Mapping) and isinstance(declared.get(role), spaces.Space):
            return declared[role]  # type: ignore[no-any-return]  # a space, as just seen
        raise SpecError(
            type(self).__name__, got=f"no space for role {role!r}", expected="a space, or one for each role"
        )

    def _outer_space(self, seat: str, inner: spaces.Space[Any]) -> spaces.Space[Any]:
        if not self.masked:
            return inner
        choices = int(self._codecs[seat].choices_K.sum())
        return spaces.Dict({"observation": inner, "action_mask": spaces.Box(0, 1, (choices,), np.int8)})

    def _check_actions(self, actions: Mapping[str, Any]) -> None:
        if not self.agents or set(actions) != set(self.agents):
            raise ActionError(
                type(self).__name__,
                got=f"actions for {sorted(actions)}",
                expected=f"one for each of {self.agents}",
                remedy="" if self.agents else "Call reset: no seat is alive.",
            )
        for seat, action in actions.items():
            codec = self._codecs[seat]
            where = self._where("action", seat)
            codec.check(action, where)
            if self.masked:
                row_K = np.empty(codec.size, codec.dtype)
                codec.encode(action, row_K, where)
                codec.refuse(row_K, self._masks[seat], where)


def role_name(seat: str) -> str:
    """A seat's role: its name without the number ("trader_0" -> "trader")."""
    stem, _, number = seat.rpartition("_")
    return stem if stem and number.isdigit() else seat
