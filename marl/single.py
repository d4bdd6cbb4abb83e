"""`Single`: a BatchArena shown as a plain PettingZoo `ParallelEnv`, of one copy.

What it hands out is copied: the arrays of all seats of a role at once, each seat gets its rows of the copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from marl.actions import ActionCodec
from marl.errors import ActionError, SpecError
from marl.frame import over_memory
from marl.spaces import from_json, restore
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import BatchArena
    from marl.frame import Frame, Orders
    from marl.spec import Role


class _Face:
    """The seats of one role in the frame and orders of one copy.

    A whole number among the choices, that its mask allows, is written without the codec: one step of an
    arena of microseconds is mostly spent here.
    """

    def __init__(self, arena: str, role: Role, frame: Frame, orders: Orders) -> None:
        self._arena, self.role, self.frame = arena, role, frame.roles[role.name]
        self.action_NK = orders.action[role.name][0]
        codec: ActionCodec = role.codec
        space = role.action_space
        discrete = space["k"] == "disc"
        self._choices: int = space["n"] if discrete else 0
        self._start: int = space["st"] if discrete else 0
        self._codec = codec
        self._array = role.observation_space["k"] == "box"
        # Rows of the only copy, looked up once: now, and of the match that is over.
        self._leaves = [
            [leaf[0] for leaf in leaves] for leaves in (self.frame.observation, self.frame.last_observation)
        ]
        self._mask_rows = (self.frame.mask_BNA[0], self.frame.last_mask_BNA[0])
        action: Any = self.action_NK.reshape(-1)
        self._actions = memoryview(action)
        mask: Any = self.frame.mask_BNA.reshape(-1)
        self._masks = memoryview(mask) if role.masked else None

    def put(self, actions: Mapping[str, Any], seats: Sequence[tuple[int, str]]) -> None:
        """Write the actions of live seats; ActionError where one is outside its space, or masked."""
        choices, start, masks, out = self._choices, self._start, self._masks, self._actions
        for i, seat in seats:
            action = actions[seat]
            if type(action) is int or type(action) is np.int64:
                choice = int(action) - start
                if 0 <= choice < choices and (masks is None or masks[i * choices + choice]):
                    out[i] = choice
                    continue
            row_K, where = self.action_NK[i], f"{self._arena}: action of {seat}"
            self._codec.encode(action, row_K, where)
            if masks is not None:
                self._codec.refuse(row_K, self.frame.mask_BNA[0, i], where)

    def observations(self, *, last: bool) -> list[Any]:
        """What every seat sees; the arrays share no memory with the frame."""
        role, leaves = self.role, self._leaves[last]
        if self._array:
            seen = list(leaves[0].copy())
        else:
            seats = range(len(role.seats))
            seen = [restore(role.observation_space, [leaf[i] for leaf in leaves]) for i in seats]
        if not role.masked:
            return seen
        mask_NA = self._mask_rows[last].astype(np.int8)
        return [
            {"observation": value, "action_mask": mask_A} for value, mask_A in zip(seen, mask_NA, strict=True)
        ]


class Single(ParallelEnv[str, Any, Any]):
    """One copy of a batched arena.

    Where it has masks, an observation is {"observation": ..., "action_mask": ...}.
    """

    render_mode: str | None = None

    def __init__(self, arena: BatchArena) -> None:
        if arena.spec.turns:
            raise SpecError(arena.spec.arena, got="an arena of turns", expected="seats that act together")
        self._arena = arena
        self.spec = arena.spec
        self._frame, self._orders = over_memory(arena.spec, 1)
        self._orders.want_state.fill(arena.spec.state_size > 0)
        arena.attach(self._frame, self._orders)
        self.metadata = {
            "name": arena.spec.arena.rpartition(":")[2],
            "render_modes": [],
            "is_parallelizable": True,
        }
        self.possible_agents = list(arena.spec.seats)
        self.agents: list[str] = []
        self._live: list[tuple[_Face, list[tuple[int, str]]]] = []
        self._faces = [_Face(arena.spec.arena, role, self._frame, self._orders) for role in arena.spec.roles]
        self._over = memoryview(self._frame.over_B.view(np.uint8))  # type: ignore[arg-type]  # an array is a buffer
        self._rows = {
            name: [getattr(face.frame, name)[0] for face in self._faces]
            for name in ("reward_BN", "terminated_BN", "truncated_BN", "alive_BN", "score_BN")
        }
        seats = [(face, i, seat) for face in self._faces for i, seat in enumerate(face.role.seats)]
        self._at = {seat: (face, i) for face, i, seat in seats}
        self._place = {seat: place for place, (_, _, seat) in enumerate(seats)}
        self._observation_spaces = {seat: _outer_space(face.role) for seat, (face, _) in self._at.items()}
        self._action_spaces = {
            seat: from_json(face.role.action_space) for seat, (face, _) in self._at.items()
        }
        self._random = np.random.default_rng()
        self._matches = 0
        self.score: dict[str, float] = {}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's observations."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The space of a seat's actions."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin a match."""
        del options
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self._matches += 1
        match_seed = seed if seed is not None else int(self._random.integers(2**62))
        self._orders.follow(0, Ticket(self._matches, match_seed))
        self._orders.restart_B[0] = self._frame.ticket_B[0] != PARKED
        self._arena.step()
        self._orders.restart_B[0] = False
        self._orders.follow(0, None)
        alive = self._all("alive_BN")
        self._admit([seat for seat in self.possible_agents if alive[self._place[seat]]])
        return self._observe(self.agents, last=False), {seat: {} for seat in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One step; `score` holds the seats' scores once the match is over."""
        seats = self.agents
        if not seats or actions.keys() != set(seats):
            raise ActionError(
                self.spec.arena,
                got=f"actions for {sorted(actions)}",
                expected=f"one for each of {seats}",
                remedy="" if seats else "Call reset: no seat is alive.",
            )
        for face, live in self._live:
            face.put(actions, live)
        self._arena.step()
        over = self._over[0] > 0
        observations = self._observe(seats, last=over)
        rewards = self._of(seats, "reward_BN")
        terminated, truncated = self._flags(seats, "terminated_BN"), self._flags(seats, "truncated_BN")
        if True in terminated.values() or True in truncated.values():
            self._admit([seat for seat in seats if not (terminated[seat] or truncated[seat])])
        if over:
            self.score = self._of(self.possible_agents, "score_BN")
        return observations, rewards, terminated, truncated, {seat: {} for seat in seats}

    def state(self) -> NDArray[np.float32]:
        """What a centralised critic may see."""
        over = bool(self._frame.over_B[0])
        state_BS = self._frame.last_state_BS if over else self._frame.state_BS
        return np.array(state_BS[0])

    def view(self) -> dict[str, Any]:
        """What a spectator may see."""
        return self._arena.view(0)

    def render(self) -> None:
        """Nothing to draw; `view` is for spectators."""

    def close(self) -> None:
        """Give back what the arena holds."""
        self._arena.close()

    def _observe(self, seats: Sequence[str], *, last: bool) -> dict[str, Any]:
        faces = self._faces
        seen = faces[0].observations(last=last)
        for face in faces[1:]:
            seen += face.observations(last=last)
        place = self._place
        return {seat: seen[place[seat]] for seat in seats}

    def _of(self, seats: Sequence[str], name: str) -> dict[str, Any]:
        """An array of the frame, as Python's numbers, by seat."""
        values, place = self._all(name), self._place
        return {seat: values[place[seat]] for seat in seats}

    def _flags(self, seats: Sequence[str], name: str) -> dict[str, bool]:
        values = self._all(name)
        if True not in values:
            return dict.fromkeys(seats, False)
        return {seat: values[self._place[seat]] for seat in seats}

    def _admit(self, seats: list[str]) -> None:
        """These are alive now."""
        self.agents = seats
        self._live = [
            (face, [(i, seat) for seat in seats for of, i in [self._at[seat]] if of is face])
            for face in self._faces
        ]

    def _all(self, name: str) -> list[Any]:
        rows = self._rows[name]
        if len(rows) == 1:
            only: list[Any] = rows[0].tolist()
            return only
        return [value for row in rows for value in row.tolist()]


def _outer_space(role: Role) -> spaces.Space[Any]:
    space = from_json(role.observation_space)
    if not role.masked:
        return space
    return spaces.Dict({"observation": space, "action_mask": spaces.Box(0, 1, (role.mask_size,), np.int8)})
