"""Where each player stands while a Swiss tournament goes on: what pairing reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from league.formats.meeting import every

if TYPE_CHECKING:
    from collections.abc import Sequence

    from league.formats.meeting import Round


@dataclass
class Standing:
    """What pairing reads of a player.

    `lead` is first seats less others, `run` how often it had the same lately.
    """

    points: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    rests: int = 0
    lead: int = 0
    run: int = 0

    @property
    def must(self) -> int:
        """1: it has to have the first seat, -1: it must not, 0: either."""
        strict = abs(self.lead) >= 2 or abs(self.run) >= 2
        side = self.run if abs(self.run) >= 2 else self.lead
        return 0 if not strict else -1 if side > 0 else 1


def standings(entrants: Sequence[str], rounds: Sequence[Round]) -> dict[str, Standing]:
    """The standing of every player; who rested alone at a table got a whole point."""
    found = {player: Standing() for player in entrants}
    for met in every(rounds):
        players = met.meeting.players
        for seat, player in enumerate(players):
            own = found[player]
            own.points += met.points[player]
            own.met.update(other for other in players if other != player)
            if len(players) == 1:
                own.rests += 1
            elif len(players) == 2:
                side = 1 if seat == 0 else -1
                own.lead += side
                own.run = own.run + side if own.run * side > 0 else side
    return found
