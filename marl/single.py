"""`Single`: a BatchArena shown as a plain PettingZoo `ParallelEnv`, of one copy.

What it hands out is copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from marl.errors import ActionError, SpecError
from marl.frame import over_memory
from marl.spaces import from_json, restore
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.batch import BatchArena
    from marl.spec import Role


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
        self._at = {seat: (role, i) for role in arena.spec.roles for i, seat in enumerate(role.seats)}
        self._observation_spaces = {seat: _outer_space(role) for seat, (role, _) in self._at.items()}
        self._action_spaces = {seat: from_json(role.action_space) for seat, (role, _) in self._at.items()}
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
        self.agents = [
            seat for seat, (role, i) in self._at.items() if self._frame.roles[role.name].alive_BN[0, i]
        ]
        return {seat: self._observe(seat) for seat in self.agents}, {seat: {} for seat in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One step; `score` holds the seats' scores once the match is over."""
        seats = self.agents
        if not seats or set(actions) != set(seats):
            raise ActionError(
                self.spec.arena,
                got=f"actions for {sorted(actions)}",
                expected=f"one for each of {seats}",
                remedy="" if seats else "Call reset: no seat is alive.",
            )
        for seat, action in actions.items():
            role, i = self._at[seat]
            row_K = self._orders.action[role.name][0, i]
            where = f"{self.spec.arena}: action of {seat}"
            role.codec.encode(action, row_K, where)
            if role.masked:
                role.codec.refuse(row_K, self._frame.roles[role.name].mask_BNA[0, i], where)
        self._arena.step()
        over = bool(self._frame.over_B[0])

        def of(seat: str, name: str) -> Any:  # noqa: ANN401  # one number of the frame
            role, i = self._at[seat]
            return getattr(self._frame.roles[role.name], name)[0, i]

        rewards = {seat: float(of(seat, "reward_BN")) for seat in seats}
        terminated = {seat: bool(of(seat, "terminated_BN")) for seat in seats}
        truncated = {seat: bool(of(seat, "truncated_BN")) for seat in seats}
        self.agents = [seat for seat in seats if not terminated[seat] and not truncated[seat]]
        if over:
            self.score = {seat: float(of(seat, "score_BN")) for seat in self.possible_agents}
        observations = {seat: self._observe(seat, last=over) for seat in seats}
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

    def _observe(self, seat: str, *, last: bool = False) -> Any:  # noqa: ANN401  # the arena's space
        role, i = self._at[seat]
        frame = self._frame.roles[role.name]
        leaves: Sequence[NDArray[Any]] = frame.last_observation if last else frame.observation
        observation = restore(role.observation_space, [leaf[0, i] for leaf in leaves])
        if not role.masked:
            return observation
        mask_A = (frame.last_mask_BNA if last else frame.mask_BNA)[0, i]
        return {"observation": observation, "action_mask": mask_A.astype(np.int8)}


def _outer_space(role: Role) -> spaces.Space[Any]:
    space = from_json(role.observation_space)
    if not role.masked:
        return space
    return spaces.Dict({"observation": space, "action_mask": spaces.Box(0, 1, (role.mask_size,), np.int8)})
