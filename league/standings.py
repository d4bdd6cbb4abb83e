"""What is read of a run that is over or still going: standings, matches, replays; all computed from its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from league.payoff import HeadToHead, head_to_head
from league.rating import Standings, rate
from league.replay import find_match, read_replay, step_again, verify
from league.workshop import REPLAYS
from marl.errors import LedgerError
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from league.runs import Run


def standings_of(run: Run, purpose: str) -> tuple[Standings, HeadToHead, dict[str, str]]:
    """Standings and head to head of a run's blocks of one purpose, and the names of its players."""
    blocks = run.ledger.blocks(run=run.settings.name, purpose=purpose)
    if not blocks:
        raise LedgerError(
            f"run {run.folder}", got=f"no {purpose} blocks", expected="some", remedy="Has it come so far? See its ledger."
        )
    roster = run.ledger.players()
    rules = run.settings.tournament
    here = {player for block in blocks for player in block.players}
    anchors = {name: elo for name, elo in (rules.anchors if rules else {}).items() if name in here}
    rng = np.random.default_rng(seed_of(rules.seed if rules else 0, 1))
    resamples = rules.resamples if rules else 1000
    rated = rate(blocks, rng, anchors=anchors, resamples=resamples)
    pairs = head_to_head(blocks, rng, measure="difference", resamples=resamples)
    return rated, pairs, {name: player.name for name, player in roster.items()}


def matches_of(run: Run, purpose: str) -> list[dict[str, Any]]:
    """The recorded matches of one purpose, a row each."""
    return [
        {
            "match": match.match,
            "block": block.plan.id,
            "seed": match.seed,
            "players": [seat.player for seat in match.seats],
            "scores": ["-" if seat.score is None else f"{seat.score:.3f}" for seat in match.seats],
            "steps": match.steps,
            "outcome": ", ".join(sorted({seat.outcome for seat in match.seats})),
        }
        for block in run.ledger.blocks(run=run.settings.name, purpose=purpose)
        for match in block.matches
    ]


def verified(run: Run, match: int | None, most: int) -> dict[int, list[str]]:
    """What differs where recorded matches are stepped again: match to problems, none where all agrees."""
    blocks = run.ledger.blocks(run=run.settings.name)
    numbers = [m.match for block in blocks for m in block.matches if not m.void and block.plan.purpose == "tournament"]
    chosen = numbers if match is None else [match]
    if most and len(chosen) > most:
        chosen = [chosen[i * len(chosen) // most] for i in range(most)]
    files = _files(run)
    ref, found = run.settings.ref(), {}
    for number in chosen:
        plan, result = find_match(blocks, number)
        actions = read_replay(run.folder / REPLAYS, files[plan.id], number)
        found[number] = verify(ref, plan, result, actions)
    return found


def views(run: Run, match: int) -> Iterator[dict[str, Any]]:
    """What a spectator saw of a match: a view at its start and after each step."""
    plan, result = find_match(run.ledger.blocks(run=run.settings.name), match)
    actions = read_replay(run.folder / REPLAYS, _files(run)[plan.id], match)
    for _, view in step_again(run.settings.ref(), plan, result, actions):
        yield view


def _files(run: Run) -> Mapping[str, str]:
    """Block to the file that holds its replays."""
    name = run.settings.name
    files = {}
    for task in run.ledger.tasks(name):
        if "replay" in task.result:
            for block in run.ledger.blocks(run=name, tasks=[task.index]):
                files[block.plan.id] = str(task.result["replay"])
    return files
