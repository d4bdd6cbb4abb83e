"""Who leads a tournament that is going on, for those who watch: nothing is decided by it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from league.live import quick_standings
from marl.errors import LedgerError

if TYPE_CHECKING:
    from league.block import BlockResult
    from league.ledger import Ledger

_EVERY_S = 2.0
"""How long a fit is shown before the next one: hundreds of players take a tenth of a second."""


class Leaders:
    """The first three, by the ratings of the totals on the disk, or by mean scores."""

    def __init__(self, ledger: Ledger, run: str, anchors: Mapping[str, float], *, by_scores: bool) -> None:
        self._ledger, self._run, self._anchors, self._by_scores = ledger, run, dict(anchors), by_scores
        self._scores: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._known: tuple[tuple[str, float], ...] = ()
        self._fitted_s = -_EVERY_S

    def take(self, blocks: Sequence[BlockResult]) -> None:
        """Count scores in."""
        if not self._by_scores:
            return
        for block in blocks:
            for match in block.matches:
                for seat in match.seats:
                    if seat.score is not None:
                        self._scores[seat.player][0] += seat.score
                        self._scores[seat.player][1] += 1

    def now(self, *, last: bool = False) -> tuple[tuple[str, float], ...]:
        """(player, rating or mean score), best first; fitted anew every other second, and at the last."""
        if last or time.monotonic() - self._fitted_s >= _EVERY_S:
            self._known = self._by_mean() if self._by_scores else self._by_rating()
            self._fitted_s = time.monotonic()
        return self._known

    def _by_mean(self) -> tuple[tuple[str, float], ...]:
        mean = [(player, total / count) for player, (total, count) in self._scores.items()]
        return tuple(sorted(mean, key=lambda entry: (-entry[1], entry[0]))[:3])

    def _by_rating(self) -> tuple[tuple[str, float], ...]:
        kept = self._ledger.totals(self._run, "tournament")
        here = {player for pair in kept.pairs for player in pair[:2]}
        try:
            table = quick_standings(
                kept, anchors={name: elo for name, elo in self._anchors.items() if name in here}
            )
        except LedgerError:  # nobody has met yet
            return ()
        return tuple((row.player, row.rating) for row in table.rows[:3])
