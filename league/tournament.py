"""Round robin: every pair of entrants meets in the same number of blocks, each pair on the same seeds."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from league.block import BlockPlan, plan_block
from league.selfplay import two_sides
from league.tasks import PlayTask, PoolPlan, Task
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from league.block import BlockResult
    from league.config import LeagueSettings
    from league.player import Player
    from league.schedule import Done
    from marl.spec import Spec


class RoundRobin:
    """Keeps `schedule.Plan`: a task a pair, external players last. `blocks` are the results so far."""

    def __init__(
        self,
        settings: LeagueSettings,
        spec: Spec,
        entrants: Sequence[Player],
        fewer: Mapping[str, int] | None = None,
    ) -> None:
        """`fewer` names players that play fewer blocks a pair, because they are slow."""
        assert settings.tournament is not None  # the caller looked
        self._settings, self._rules, self._spec = settings, settings.tournament, spec
        self.entrants = list(entrants)
        self._fewer = dict(fewer or {})
        self.pairs = sorted(
            combinations(self.entrants, 2), key=lambda pair: any(p.id in self._fewer for p in pair)
        )
        self.blocks: list[BlockResult] = []
        self._issued = 0
        self._taken = 0
        pool = settings.pool
        self._pool = PoolPlan(settings.ref().to_json(), pool.copies, pool.groups, pool.hosts)

    @property
    def planned_blocks(self) -> int:
        """How many blocks there are in all."""
        return sum(self._count(a, b) for a, b in self.pairs)

    def next(self, index: int) -> Task | None:
        """The next pair."""
        if self._issued == len(self.pairs):
            return None
        number, self._issued = self._issued, self._issued + 1
        first, second = self.pairs[number]
        plans = tuple(self._block(index, first, second, i) for i in range(self._count(first, second)))
        return PlayTask(self._pool, plans, (first, second), self._rules.greedy)

    def take(self, done: Done) -> Sequence[Player]:
        """Take a pair's results; the first one brings all entrants into the roster."""
        self.blocks.extend(done.blocks)
        self._taken += 1
        return self.entrants if self._taken == 1 else []

    def _count(self, first: Player, second: Player) -> int:
        return min(self._fewer.get(player.id, self._rules.blocks) for player in (first, second))

    def _block(self, index: int, first: Player, second: Player, position: int) -> BlockPlan:
        return plan_block(
            self._spec,
            two_sides(self._spec, first.id, second.id),
            seed=seed_of(self._rules.seed, position),
            run=self._settings.name,
            task=index,
            position=position,
            purpose="tournament",
            stage="tournament",
            options=self._settings.tournament_options(),
        )
