"""Single and double elimination: brackets by seeding, walkovers for those who left."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Literal

from pydantic import Field

from league.formats.meeting import Meeting, Met, Round, best
from marl.settings import Settings

Bracket = Generator[list[tuple[str, str]], dict[frozenset[str], str], str]
"""Yields the pairs that meet next, is sent the winner of each, and returns the champion."""


class Elimination(Settings):
    """Who loses (twice, if `lives` is 2) is out; the best two seeds meet last.

    The better in points goes on, then in score, then in seed. With two lives losers go to a bracket of their
    own, whose winner meets the unbeaten one, and must beat it twice.
    """

    kind: Literal["elimination"] = "elimination"
    lives: Literal[1, 2] = Field(1, description="losses that end it: 1 single, 2 double elimination")
    blocks: int = Field(8, ge=1, description="blocks of each meeting")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """The next meetings of the bracket, which is played anew from the results so far."""
        del gone  # those who left lose by walkover, which the results say
        if len(entrants) < 2:
            return ()
        bracket = double(entrants) if self.lives == 2 else single(entrants)
        pairs = next(bracket)
        for entries in rounds:
            winners = {frozenset(met.meeting.players): self._winner(met, entrants) for met in entries}
            try:
                pairs = bracket.send(winners)
            except StopIteration:
                return ()
        return tuple(Meeting(pair, self.blocks, f"round {len(rounds) + 1}") for pair in pairs)

    def champion(self, entrants: Sequence[str], rounds: Sequence[Round]) -> str | None:
        """Who won it all; None while it is open."""
        bracket = double(entrants) if self.lives == 2 else single(entrants)
        next(bracket)
        for entries in rounds:
            try:
                bracket.send({frozenset(met.meeting.players): self._winner(met, entrants) for met in entries})
            except StopIteration as end:
                return str(end.value)
        return None

    @staticmethod
    def _winner(met: Met, entrants: Sequence[str]) -> str:
        return best(met, entrants)


def seeded(size: int) -> list[int]:
    """The places of seeds in a bracket of at least `size`: 0 meets the last, and the best two meet last."""
    order = [0]
    while len(order) < size:
        order = [place for i in order for place in (i, 2 * len(order) - 1 - i)]
    return order


def single(entrants: Sequence[str]) -> Bracket:
    """A bracket with one life."""
    line = _line(entrants)
    while len(line) > 1:
        line, _ = yield from _round(line)
    (champion,) = line
    assert champion is not None  # a line of two or more entrants has somebody in every half
    return champion


def double(entrants: Sequence[str]) -> Bracket:
    """A bracket with two lives."""
    upper, lower = _line(entrants), list[str | None]()
    while len(upper) > 1:
        upper, dropped = yield from _round(upper)
        if lower:
            # turned round: who met above meets as late as can be below
            lower, _ = yield from _round([p for pair in zip(lower, dropped[::-1], strict=True) for p in pair])
        else:
            lower = dropped
        if len(lower) > 1:
            lower, _ = yield from _round(lower)
    (unbeaten,), (other,) = upper, lower
    assert unbeaten is not None  # see `single`
    if other is None:
        return unbeaten
    for _ in range(2):
        winners = yield [(unbeaten, other)]
        if winners[frozenset((unbeaten, other))] == unbeaten:
            return unbeaten
    return other


def _line(entrants: Sequence[str]) -> list[str | None]:
    """Entrants in the order of the bracket, None where the best seeds have nobody to meet."""
    return [entrants[place] if place < len(entrants) else None for place in seeded(len(entrants))]


def _round(
    line: list[str | None],
) -> Generator[list[tuple[str, str]], dict[frozenset[str], str], tuple[list[str | None], list[str | None]]]:
    """Neighbours meet; returns who went on and who dropped out, in the order of the line."""
    couples = list(zip(line[::2], line[1::2], strict=True))
    pairs = [(one, two) for one, two in couples if one is not None and two is not None]
    winners = (yield pairs) if pairs else {}
    on: list[str | None] = []
    out: list[str | None] = []
    for one, two in couples:
        if one is None or two is None:
            on.append(one if two is None else two)
            out.append(None)
        else:
            winner = winners[frozenset((one, two))]
            on.append(winner)
            out.append(two if winner == one else one)
    return on, out
