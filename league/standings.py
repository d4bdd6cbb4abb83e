"""What is read of a run, over or still going: standings, matches, replays; all computed from its ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from league.analysis import Analysis, Vote, analyse, vote
from league.block import PURPOSES
from league.formats import Scenarios
from league.payoff import HeadToHead, head_to_head
from league.rating import Standings, rate
from league.replay import Replays, Stepper
from league.report_parts import forfeit_notes
from league.team_findings import judged
from league.teamwork import Teamwork, one_team
from league.workshop import REPLAYS
from marl.errors import LedgerError, UnknownNameError
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from league.block import BlockPlan, BlockResult, MatchResult
    from league.runs import Run
    from league.source import Source


def standings_of(run: Source, purpose: str) -> tuple[Standings, HeadToHead, dict[str, str], list[str]]:
    """Standings and head to head of a run's blocks of one purpose, its players' names, and who forfeited."""
    blocks = blocks_of(run, purpose)
    rules = run.rules
    rng = _rng(run)
    resamples = rules.resamples if rules else 1000
    here = {player for block in blocks for player in block.players}
    rated = rate(blocks, rng, anchors=run.anchors(here), resamples=resamples)
    pairs = head_to_head(blocks, rng, measure="difference", resamples=resamples)
    names = names_of(run)
    return rated, pairs, names, forfeit_notes(blocks, names)


def scores_of(run: Source, purpose: str) -> Teamwork | None:
    """The table of a run that goes by scores: a cooperative arena, or scenarios; None for others."""
    blocks = blocks_of(run, purpose)
    rules = run.rules
    scenes = rules is not None and isinstance(rules.format, Scenarios) and purpose == "tournament"
    staged = sorted({block.plan.stage for block in blocks if block.plan.stage.startswith("scenario ")})
    if staged and not scenes:
        raise LedgerError(
            run.where,
            got=", ".join(staged),
            expected="the settings of these scenarios, which are none of a ledger",
            remedy="Name the run's folder.",
        )
    return judged(rules, blocks) if scenes or one_team(blocks) else None


def analysed(run: Source, purpose: str, measure: str) -> tuple[Analysis, dict[str, str]]:
    """The game theory of a run, and its players' names; UnknownNameError for other measures."""
    if measure not in {"win", "difference"}:
        raise UnknownNameError("--measure", measure, ["win", "difference"])
    return analyse(blocks_of(run, purpose), "win" if measure == "win" else "difference"), names_of(run)


def voted(runs: Sequence[Source], purpose: str) -> tuple[Vote, list[str]]:
    """The vote of several runs over the players that they call by the same names, and who votes alone.

    Raises LedgerError where no two runs have two players in common: such votes would not meet.
    """
    ratings = []
    for run in runs:
        scores, names = scores_of(run, purpose), names_of(run)
        found = (
            {row.player: row.rating for row in rate(blocks_of(run, purpose), _rng(run), resamples=0).rows}
            if scores is None
            else {row.player: row.score.mean for row in scores.rows}
        )
        ratings.append({names[player]: value for player, value in found.items()})
    alone = [
        run.where
        for i, run in enumerate(runs)
        if all(len(ratings[i].keys() & other.keys()) < 2 for k, other in enumerate(ratings) if k != i)
    ]
    if len(alone) == len(runs):
        raise LedgerError(
            "vote of " + ", ".join(run.where for run in runs),
            got="no two players that two of them have in common",
            expected="runs of the same players, called by the same names",
        )
    return vote(ratings), [
        f"{where} shares fewer than two players with each other run: it says nothing about theirs."
        for where in alone
    ]


def blocks_of(run: Source, purpose: str) -> list[BlockResult]:
    """A run's blocks of one purpose; LedgerError where there are none."""
    if purpose not in PURPOSES:
        raise UnknownNameError("--purpose", purpose, PURPOSES)
    blocks = run.ledger.blocks(run=run.name, purpose=purpose)
    if not blocks:
        raise _nothing(run.where, purpose)
    return blocks


def _nothing(where: str, purpose: str) -> LedgerError:
    return LedgerError(
        where,
        got=f"no {purpose} blocks",
        expected="some",
        remedy="Has it come so far? `marl ledger list` says what is there.",
    )


def names_of(run: Source) -> dict[str, str]:
    """What people call the players of a run."""
    return {name: player.name for name, player in run.ledger.players().items()}


def _rng(run: Source) -> np.random.Generator:
    return np.random.default_rng(seed_of(run.rules.seed if run.rules else 0, 1))


def matches_of(run: Run, purpose: str) -> list[dict[str, Any]]:
    """The recorded matches of one purpose, a row each; LedgerError where there are none."""
    return [
        {
            "match": match.match,
            "block": block.plan.id,
            "seed": match.seed,
            "players": [seat.player for seat in match.seats],
            "scores": [seat.score for seat in match.seats],
            "outcomes": [seat.outcome for seat in match.seats],
            "steps": match.steps,
        }
        for block in blocks_of(run, purpose)
        for match in block.matches
    ]


def verified(run: Run, match: int | None, most: int) -> dict[int, list[str]]:
    """Step a match again, or `most` of the tournament's (0: all): match to what differs, if anything.

    Raises LedgerError for a match that is not recorded, and for a replay that is missing or was altered.
    """
    kept = _Recorded(run)
    chosen = [match] if match is not None else kept.played("tournament")
    if not chosen:
        raise _nothing(run.where, "tournament")
    if most and len(chosen) > most:
        chosen = [chosen[i * len(chosen) // most] for i in range(most)]
    with Stepper(run.settings.ref()) as stepper:
        return {number: stepper.verify(*kept.match(number)) for number in chosen}


def views(run: Run, match: int) -> Iterator[dict[str, Any]]:
    """What a spectator saw of a match: a view at its start and after each step but the last."""
    found = _Recorded(run).match(match)
    with Stepper(run.settings.ref()) as stepper:
        for frame, view in stepper.frames(*found):
            if not frame.over_B[0]:
                yield view


class _Recorded:
    """The matches of a run with their recorded actions; files are read when they are first needed."""

    def __init__(self, run: Run) -> None:
        self._folder = run.folder / REPLAYS
        tasks = {task.index: task.result.get("replay") for task in run.ledger.tasks(run.settings.name)}
        self._matches = {
            match.match: (block.plan, match, str(tasks[block.plan.task]))
            for block in run.ledger.blocks(run=run.settings.name)
            for match in block.matches
        }
        self._open: tuple[str, Replays] | None = None

    def played(self, purpose: str) -> list[int]:
        """The numbers of the matches of one purpose that are not void, in the order of their plans."""
        return [n for n, (plan, m, _) in self._matches.items() if plan.purpose == purpose and not m.void]

    def match(self, number: int) -> tuple[BlockPlan, MatchResult, dict[str, NDArray[Any]]]:
        """A match's block, result and actions."""
        if number not in self._matches:
            raise LedgerError(
                f"match {number}",
                got="no such match in the ledger",
                expected="a number that `marl replay list` prints",
            )
        plan, match, name = self._matches[number]
        if self._open is None or self._open[0] != name:
            self._open = name, Replays(self._folder / name)
        return plan, match, self._open[1].actions(number)
