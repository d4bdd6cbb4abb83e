"""The forms of tournaments: pure functions from entrants and the rounds so far to the next round."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from league.formats.adaptive import Adaptive
from league.formats.cross_play import CrossPlay, Scenarios
from league.formats.duel import Duel
from league.formats.elimination import Elimination
from league.formats.ladder import Hill, Ladder, Pyramid
from league.formats.meeting import Format, Meeting, Met, Round, conclude, walkover
from league.formats.round_robin import Gauntlet, RoundRobin
from league.formats.swiss import Swiss
from league.formats.tie_breaks import Place, places

__all__ = [
    "FORMATS",
    "AnyFormat",
    "CrossPlay",
    "Duel",
    "Format",
    "Meeting",
    "Met",
    "Place",
    "Round",
    "Scenarios",
    "by_scores",
    "conclude",
    "places",
    "walkover",
]

AnyFormat = Annotated[
    RoundRobin
    | Gauntlet
    | Swiss
    | Elimination
    | Ladder
    | Pyramid
    | Hill
    | Adaptive
    | Duel
    | CrossPlay
    | Scenarios,
    Field(discriminator="kind"),
]
"""The settings of a format; `kind` says which."""

FORMATS = {
    "adaptive": Adaptive,
    "cross_play": CrossPlay,
    "duel": Duel,
    "elimination": Elimination,
    "gauntlet": Gauntlet,
    "hill": Hill,
    "ladder": Ladder,
    "pyramid": Pyramid,
    "round_robin": RoundRobin,
    "scenarios": Scenarios,
    "swiss": Swiss,
}
"""Name to settings."""


def by_scores(form: Format) -> bool:
    """Whether scores are compared, not ranks: who is judged so has no rating."""
    return isinstance(form, CrossPlay | Scenarios) or (isinstance(form, Duel) and form.alone)
