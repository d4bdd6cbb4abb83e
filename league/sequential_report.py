"""What a duel says in the end: the verdict of its test, and by how much one is better."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from league.brownian import estimate
from league.formats.duel import Duel
from league.formats.meeting import Round

_WORDS = {
    "better": "{candidate} is better than {champion}",
    "not better": "{candidate} is not better than {champion}",
    "open": "It stays open whether {candidate} is better than {champion}",
}


@dataclass(frozen=True)
class DuelVerdict:
    """The verdict after `blocks` blocks, the mean share of the points, the ratio with its bounds.

    `elo` with its 95 % interval is median-unbiased for the stopping; None for normalised Elo, where all
    blocks ended alike, and where an end lies beyond all bounds.
    """

    status: str
    blocks: int
    mean: float
    llr: float
    low: float
    high: float
    elo0: float
    elo1: float
    elo: float | None
    elo_low: float | None
    elo_high: float | None

    def text(self, candidate: str, champion: str) -> str:
        """The verdict in a sentence or two."""
        said = _WORDS[self.status].format(candidate=candidate, champion=champion)
        text = (
            f"{said}: {self.blocks} blocks, {100 * self.mean:.1f} % of the points, log-likelihood ratio "
            f"{self.llr:.2f} between {self.low:.2f} and {self.high:.2f}, for {self.elo0:g} against "
            f"{self.elo1:g} Elo."
        )
        if self.elo is None:
            return text
        ends = ("open" if end is None else f"{end:+.0f}" for end in (self.elo_low, self.elo_high))
        return f"{text} Elo difference {self.elo:+.0f} [{', '.join(ends)}]."


def verdict_of(duel: Duel, rounds: Sequence[Round]) -> DuelVerdict:
    """The verdict from all rounds; blocks after the decision do not count."""
    look = duel.look(rounds)
    values = duel.values(rounds)[: look.blocks]
    counts = Counter(values)
    found = None
    if duel.model == "logistic" and len(counts) > 1:
        found = estimate(list(counts), list(counts.values()), duel.hypotheses())
    return DuelVerdict(
        status=look.status,
        blocks=look.blocks,
        mean=look.mean,
        llr=look.llr,
        low=look.low,
        high=look.high,
        elo0=duel.elo0,
        elo1=duel.elo1,
        elo=_finite(found.elo) if found else None,
        elo_low=_finite(found.low) if found else None,
        elo_high=_finite(found.high) if found else None,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
