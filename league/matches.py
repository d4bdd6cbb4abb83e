"""From planned blocks to results: many matches of one arena in one pool, and who of them lost by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from league.block import BlockPlan, BlockResult, MatchPlan, MatchResult, SeatResult, plan_matches, rank_seats
from marl.gateway import RemotePolicy
from marl.play import Match, Outcome, Play, Player, in_order
from marl.spec import Ticket

if TYPE_CHECKING:
    from marl.batch import ArenaPool
    from marl.spec import Spec


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
    """Play all matches of the blocks; returns the results in the order given, and the actions by match."""
    planned = [(block, plan_matches(block)) for block in blocks]
    matches = [
        Match(Ticket(plan.match, plan.seed, variants.number(plan.options)), plan.lineup)
        for _, plans in planned
        for plan in plans
    ]
    play = Play(pool, in_order(matches, pool.copies), players, keep_actions=True)
    outcomes = {outcome.match.ticket.match: outcome for outcome in play.run()}
    results = []
    for block, plans in planned:
        found = []
        for plan in plans:
            outcome = outcomes[plan.match]
            found.append(result_of(pool.spec, block, plan, outcome, _forfeits(pool.spec, outcome, players)))
        results.append(BlockResult(block, tuple(found)))
    return results, {number: outcome.action for number, outcome in outcomes.items()}


def result_of(
    spec: Spec,
    block: BlockPlan,
    plan: MatchPlan,
    outcome: Outcome,
    forfeits: Mapping[str, Literal["timeout", "illegal", "error"]],
) -> MatchResult:
    """A match's result; a match that the infrastructure failed is void for all its seats.

    A seat that lost by rule is ranked last, and its score is the arena's `forfeit_score`, or its own where
    that is worse: whoever falls behind gains nothing by staying away.
    """
    if outcome.void:
        seats = tuple(
            SeatResult(seat, block.roles[seat], player, None, 1, "void")
            for seat, player in plan.lineup.items()
        )
        return MatchResult(plan.match, plan.index, plan.seed, 0, seats)
    teams: dict[str, list[str]] = {}
    for seat in plan.lineup:
        if seat in block.teams:
            teams.setdefault(block.teams[seat], []).append(seat)
    score = {
        # 0.0 turns -0.0, which a data base does not keep apart, into 0.0
        seat: (min(value, spec.forfeit_score) if seat in forfeits else value) + 0.0
        for seat, value in outcome.score.items()
    }
    ranks = rank_seats(score, tuple(forfeits), teams)
    seats = tuple(
        SeatResult(seat, block.roles[seat], player, score[seat], ranks[seat], forfeits.get(seat, "ok"))
        for seat, player in plan.lineup.items()
    )
    return MatchResult(plan.match, plan.index, plan.seed, outcome.steps, seats)


def _forfeits(
    spec: Spec, outcome: Outcome, players: Mapping[str, Player]
) -> dict[str, Literal["timeout", "illegal", "error"]]:
    """The seats that lost by rule, and why, as the gateway ruled; earlier strikes cost no more."""
    found: dict[str, Literal["timeout", "illegal", "error"]] = {}
    for seat, name in outcome.match.lineup.items():
        policy = players[name].policy
        if isinstance(policy, RemotePolicy):
            ruling = policy.forfeits_of(outcome.match.ticket.match).get(spec.seats.index(seat))
            if ruling is not None:
                found[seat] = ruling.reason
    return found
