"""`Hooked`: copies of an `Arena` as a BatchArena.

Its hooks are called directly and write straight into the frame.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from marl.arena import Arena
from marl.errors import ArenaFaultError
from marl.looped import ObjectArena
from marl.observations import as_mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marl.loading import ArenaRef


class Hooked(ObjectArena):
    """Copies of an `Arena`.

    The same matches as through its PettingZoo face, without the dictionaries and copies of it.
    """

    _envs: list[Arena]

    def __init__(self, ref: ArenaRef, env: Arena) -> None:
        super().__init__(ref, env)
        self._sizes = {
            seat: sum(leaf.size for leaf in self.spec.role_of(seat).observation)
            for seat in env.possible_agents
        }

    def _begin(self, copy: int, seed: int) -> None:
        arena = self._envs[copy]
        arena._begin_match(seed)  # noqa: SLF001  # two halves of one contract
        for seat in arena.agents:
            role, i = self._seat_at[seat]
            held = self.frame.roles[role.name]
            held.alive_BN[copy, i] = held.acting_BN[copy, i] = True
        self._observe(copy, arena.agents)

    def _advance(self, copy: int) -> bool:
        arena = self._envs[copy]
        at, roles = self._seat_at, self.frame.roles
        actions = {}
        for seat in arena.agents:
            role, i = at[seat]
            actions[seat] = self._actions[role.name][copy][i]
        came = arena._play_step(actions)  # noqa: SLF001  # two halves of one contract
        for seat, reward in zip(came.seats, came.reward, strict=True):
            role, i = at[seat]
            roles[role.name].reward_BN[copy, i] = reward
        over = not arena.agents
        if len(arena.agents) < len(came.seats):
            for seat, ended, cut in zip(came.seats, came.terminated, came.truncated, strict=True):
                if ended or cut:
                    role, i = at[seat]
                    held = roles[role.name]
                    held.terminated_BN[copy, i], held.truncated_BN[copy, i] = ended, cut
                    held.alive_BN[copy, i] = held.acting_BN[copy, i] = False
            if over and len(came.seats) < len(self._seat_at):
                self._keep_last(copy)
        self._observe(copy, came.seats, last=over)
        return over

    def _observe(self, copy: int, seats: Sequence[str], *, last: bool = False) -> None:
        arena = self._envs[copy]
        for seat in seats:
            role, i = self._seat_at[seat]
            held = self.frame.roles[role.name]
            targets = held.last_observation if last else held.observation
            self._lenses[role.name].write(arena.observe(seat), targets, copy, i, self._where[seat])
            if role.masked:
                mask_A = as_mask(arena.mask(seat), role.mask_size, self._where[seat])
                (held.last_mask_BNA if last else held.mask_BNA)[copy, i] = mask_A

    def _state(self, copy: int) -> Any:  # noqa: ANN401  # an array
        """The arena's state; the default one holds all seats of the capacities."""
        arena = self._envs[copy]
        if not self._fits_state(arena):
            return arena.state()
        return arena._observed(self._sizes)  # noqa: SLF001  # two halves of one contract

    def _fits_state(self, env: Arena) -> bool:
        return type(env).state is Arena.state

    def _scores(self, copy: int) -> Mapping[str, float]:
        arena = self._envs[copy]
        scores = arena.scores()
        for seat in arena.present():
            if not math.isfinite(scores.get(seat, math.nan)):
                raise ArenaFaultError(
                    f"{self.spec.arena}: score of {seat}",
                    got=str(scores.get(seat, "none")),
                    expected="a finite number for each seat of the match",
                    remedy="Mend scores().",
                )
        return dict(scores)
