"""Conduct: who fails too often is put on probation, then disqualified; judged from recorded results alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from league.block import BlockResult
from marl.settings import Settings

Standing = Literal["fit", "probation", "disqualified"]


class FaultRules(Settings):
    """When a player that loses by its own fault is no longer scheduled; half of each limit is probation."""

    all_failed: int = Field(30, ge=2, description="matches after which one that failed in all of them is out")
    timeouts: float = Field(0.1, gt=0, le=1, description="share of matches lost on time that is too many")
    timeouts_after: int = Field(20, ge=1, description="matches before the share of timeouts counts")
    errors: int = Field(3, ge=0, description="crashes that are borne")


class Conduct:
    """The faults of every player, over the blocks that were taken."""

    def __init__(self, rules: FaultRules) -> None:
        self._rules = rules
        self._matches: Counter[str] = Counter()
        self._faults: dict[str, Counter[str]] = defaultdict(Counter)

    def take(self, blocks: Iterable[BlockResult]) -> None:
        """Count; void matches are nobody's fault."""
        for block in blocks:
            for match in block.matches:
                if match.void:
                    continue
                for player in {seat.player for seat in match.seats}:
                    self._matches[player] += 1
                    found = {seat.outcome for seat in match.seats if seat.player == player} - {"ok"}
                    self._faults[player].update(found)
                    self._faults[player]["any"] += bool(found)

    def judge(self, player: str) -> tuple[Standing, str]:
        """The standing of a player, and why."""
        for standing, share in (("disqualified", 1.0), ("probation", 0.5)):
            reason = self._breaks(player, share)
            if reason:
                return ("disqualified" if standing == "disqualified" else "probation"), reason
        return "fit", ""

    def _breaks(self, player: str, share: float) -> str:
        """Which rule a player breaks, with limits scaled by `share`."""
        rules, matches, faults = self._rules, self._matches[player], self._faults[player]
        if matches >= share * rules.all_failed and faults["any"] == matches:
            return f"failed in all of {matches} matches"
        if matches > rules.timeouts_after and faults["timeout"] > share * rules.timeouts * matches:
            return f"{faults['timeout']} of {matches} matches lost on time"
        if faults["error"] > share * rules.errors:
            return f"{faults['error']} crashes"
        return ""
