"""From planned blocks to results: many matches of one arena in one pool, and the rules of who loses by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from league.block import BlockPlan, BlockResult, MatchPlan, MatchResult, SeatResult, plan_matches, rank_seats
from marl.play import Match, Outcome, Play, Player, in_order
from marl.spec import Ticket

if TYPE_CHECKING:
    from marl.batch import ArenaPool

FAULTS = ("timeout", "illegal", "error")
"""What a seat's outcome is called, by which kind of fault it has: late, illegal, absent."""


class Variants:
    """The option sets that a pool knows already."""

    def __init__(self, pool: ArenaPool) -> None:
        self._pool = pool
        self._known: list[tuple[Mapping[str, Any], int]] = []

    def number(self, options: Mapping[str, Any]) -> int:
        """The index of a set of options; made known to the pool the first time."""
        for known, number in self._known:
            if known == options:
                return number
        number = self._pool.add_variant(options)
        self._known.append((dict(options), number))
        return number


def play_blocks(
    pool: ArenaPool, variants: Variants, blocks: Sequence[BlockPlan], players: Mapping[str, Player]
) -> tuple[list[BlockResult], dict[int, Mapping[str, Any]]]:
    """Play all matches of the blocks; returns the results in the order given, and the recorded actions by match."""
    plans = [plan for block in blocks for plan in plan_matches(block)]
    matches = [
        Match(Ticket(plan.match, plan.seed, variants.number(plan.options)), plan.lineup) for plan in plans
    ]
    play = Play(pool, in_order(matches, pool.copies), players, keep_actions=True)
    outcomes = {outcome.match.ticket.match: outcome for outcome in play.run()}
    results = []
    for block in blocks:
        found = [result_of(block, plan, outcomes[plan.match]) for plan in plan_matches(block)]
        results.append(BlockResult(block, tuple(found)))
    return results, {number: outcome.action for number, outcome in outcomes.items()}


def result_of(block: BlockPlan, plan: MatchPlan, outcome: Outcome) -> MatchResult:
    """A match's result. A seat whose agent was absent, or that broke a rule, is ranked last whatever its score.

    A match that the infrastructure failed is void for all its seats.
    """
    if outcome.void:
        seats = tuple(
            SeatResult(seat, block.roles[seat], player, None, 1, "void") for seat, player in plan.lineup.items()
        )
        return MatchResult(plan.match, plan.index, plan.seed, 0, seats)
    forfeits = {seat: kind for seat in plan.lineup if (kind := fault_of(outcome.faults[seat])) is not None}
    teams: dict[str, list[str]] = {}
    for seat in plan.lineup:
        if seat in block.teams:
            teams.setdefault(block.teams[seat], []).append(seat)
    ranks = rank_seats(outcome.score, tuple(forfeits), teams)
    seats = tuple(
        SeatResult(seat, block.roles[seat], player, outcome.score[seat], ranks[seat], forfeits.get(seat, "ok"))  # type: ignore[arg-type]  # FAULTS are outcomes
        for seat, player in plan.lineup.items()
    )
    return MatchResult(plan.match, plan.index, plan.seed, outcome.steps, seats)


def fault_of(counts: tuple[int, int, int]) -> str | None:
    """The outcome of a seat that lost by rule: its agent stayed away for a decision. Single late or illegal moves that
    were replaced by rule are recorded in the replay, and cost what they cost."""
    late, illegal, absent = counts
    if not absent:
        return None
    if late >= illegal and late:
        return "timeout"
    return "illegal" if illegal else "error"
