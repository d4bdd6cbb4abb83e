"""`Hooked`: copies of an `Arena` as a BatchArena.

Its hooks are called directly and write straight into the frame.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from marl.arena import Arena
from marl.errors import ArenaFaultError
from marl.objects import ObjectArena

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.loading import ArenaRef
    from marl.writing import RoleWriter


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
        places = self._places[copy]
        for seat in arena.agents:
            writer, row = places[seat]
            writer.alive[row] = writer.acting[row] = True
            self._observe(arena, seat, writer, row)

    def _advance(self, copy: int) -> bool:
        arena, places = self._envs[copy], self._places[copy]
        actions = {seat: writer.actions[row] for seat in arena.agents for writer, row in (places[seat],)}
        came = arena._play_step(actions)  # noqa: SLF001  # two halves of one contract
        over = not arena.agents
        if over and len(came.seats) < len(places):
            self._keep_last(copy)
        for seat, reward in zip(came.seats, came.reward, strict=True):
            writer, row = places[seat]
            writer.reward[row] = reward
            self._observe(arena, seat, writer, row, last=over)
        if len(arena.agents) < len(came.seats):
            for seat, ended, cut in zip(came.seats, came.terminated, came.truncated, strict=True):
                if ended or cut:
                    writer, row = places[seat]
                    writer.terminated[row], writer.truncated[row] = ended, cut
                    writer.alive[row] = writer.acting[row] = False
        return over

    def _observe(self, arena: Arena, seat: str, writer: RoleWriter, row: int, *, last: bool = False) -> None:
        writer.observe(row, arena.observe(seat), last=last)
        if writer.role.masked:
            writer.mask(row, arena.mask(seat), last=last)

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
