"""Which match each copy of a pool plays, who sits where in it, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marl.errors import HostError, UnknownNameError
from marl.match import Outcome
from marl.recording import ActionLog
from marl.spec import PARKED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.acting import Cast
    from marl.batch import ArenaPool
    from marl.frame import Frame
    from marl.match import Match, Schedule
    from marl.tape import Tape

VOID_RETRIES = 3
"""How often a match whose host died is played again with its seed before it is reported as void."""


class Group:
    """What play keeps about the copies of one group."""

    def __init__(self, pool: ArenaPool, number: int) -> None:
        roles = pool.spec.roles
        self.number = number
        self.orders = pool.orders[number]
        self.copies = len(pool.frames[number].ticket_B)
        self.first_copy = sum(len(frame.ticket_B) for frame in pool.frames[:number])
        self.matches: list[Match | None] = [None] * self.copies
        self.following: list[Match | None] = [None] * self.copies
        self.episodes = [0] * self.copies
        self.retries = [0] * self.copies
        self.seed_B = np.zeros(self.copies, np.uint64)
        self.player_BN = {r.name: np.full((self.copies, len(r.seats)), -1, np.int64) for r in roles}
        self.decision_BN = {r.name: np.zeros((self.copies, len(r.seats)), np.int32) for r in roles}
        self.faults_BN3 = {r.name: np.zeros((self.copies, len(r.seats), 3), np.int32) for r in roles}
        self.faulty = [False] * self.copies
        self.memory: dict[tuple[str, str], NDArray[np.float32]] = {}
        self.tapes: dict[tuple[str, str], Tape] = {}
        self.actions = ActionLog(self.copies)


class Seating:
    """Deals the matches of a schedule to the copies of a pool; `cast` are all whom lineups may name."""

    def __init__(self, pool: ArenaPool, schedule: Schedule, cast: Cast, *, keep_actions: bool) -> None:
        self._spec, self._schedule, self._cast, self._keep_actions = pool.spec, schedule, cast, keep_actions
        self._place_of = {
            seat: (role.name, i) for role in pool.spec.roles for i, seat in enumerate(role.seats)
        }
        self._outcomes: list[tuple[int, int, Outcome]] = []

    def open(self, group: Group, frame: Frame) -> None:
        """Order the first match of every copy of a group."""
        np.not_equal(frame.ticket_B, PARKED, out=group.orders.restart_B)
        for copy in range(group.copies):
            self._follow(group, copy, self._next(group, copy))

    def absorb(self, group: Group, frame: Frame) -> None:
        """Take in what a step brought: ended matches to the outcomes, new lineups to the seats."""
        if frame.lost_B.any():
            self._replay_lost(group, np.flatnonzero(frame.lost_B).tolist())
        if frame.over_B.any():
            self._conclude(group, frame, np.flatnonzero(frame.over_B).tolist())
        begun = [
            copy
            for copy, match in enumerate(group.matches)
            if match is None and group.following[copy] is not None
        ]
        if begun:
            self._begin(group, frame, begun)
        if self._keep_actions:
            group.actions.forget([copy for copy, match in enumerate(group.matches) if match is not None])

    def take_outcomes(self) -> list[Outcome]:
        """The matches that ended since the last call, ordered by (copy, episode)."""
        outcomes = [outcome for _, _, outcome in sorted(self._outcomes, key=lambda entry: entry[:2])]
        self._outcomes.clear()
        return outcomes

    def _begin(self, group: Group, frame: Frame, copies: Sequence[int]) -> None:
        """Where a copy has begun the match that was to follow.

        Seat its players and set what comes after it.
        """
        for copy in copies:
            match = group.following[copy]
            if match is None or frame.ticket_B[copy] != match.ticket.match:
                continue
            group.matches[copy] = match
            group.seed_B[copy] = match.ticket.seed
            self._seat(group, copy, match)
            group.actions.begin(copy)
            self._follow(group, copy, self._next(group, copy))

    def _seat(self, group: Group, copy: int, match: Match) -> None:
        index = self._cast.index
        for players in group.player_BN.values():
            players[copy] = -1
        for seat, name in match.lineup.items():
            if seat not in self._place_of:
                raise UnknownNameError(f"lineup of match {match.ticket.match}: seat", seat, self._place_of)
            if name not in index:
                raise UnknownNameError(f"lineup of match {match.ticket.match}, seat {seat}", name, index)
            role, i = self._place_of[seat]
            group.player_BN[role][copy, i] = index[name]
        for decisions in group.decision_BN.values():
            decisions[copy] = 0
        if group.faulty[copy]:
            group.faulty[copy] = False
            for faults in group.faults_BN3.values():
                faults[copy] = 0
        for memory in group.memory.values():
            memory[copy] = 0

    def _next(self, group: Group, copy: int) -> Match | None:
        match = self._schedule(group.first_copy + copy, group.episodes[copy])
        group.episodes[copy] += 1
        return match

    def _follow(self, group: Group, copy: int, match: Match | None) -> None:
        group.following[copy] = match
        group.orders.follow(copy, None if match is None else match.ticket)

    def _replay_lost(self, group: Group, copies: Sequence[int]) -> None:
        """A match whose host died is played again with its seed.

        After VOID_RETRIES it is reported as void.
        """
        for copy in copies:
            match = group.matches[copy]
            group.matches[copy] = None
            for held in group.player_BN.values():
                held[copy] = -1
            if match is None:
                continue
            group.retries[copy] += 1
            if group.retries[copy] <= VOID_RETRIES:
                # Of what was to follow nothing is lost: the schedule is asked for it again.
                group.episodes[copy] -= 1
                self._follow(group, copy, match)
            else:
                group.retries[copy] = 0
                where = (group.first_copy + copy, group.episodes[copy])
                self._outcomes.append((*where, Outcome(match, 0, {}, {}, void=True)))
                self._cast.ended({name: [match.ticket.match] for name in set(match.lineup.values())})

    def _conclude(self, group: Group, frame: Frame, copies: Sequence[int]) -> None:
        scores = {role: held.score_BN.tolist() for role, held in frame.roles.items()}
        over: dict[str, list[int]] = {}
        for copy in copies:
            match = group.matches[copy]
            if match is None or match.ticket.match != frame.ended_B[copy]:
                got = f"the end of match {frame.ended_B[copy]}"
                raise HostError(f"{self._spec.arena}, copy {copy}", got=got, expected=f"that of {match}")
            score, faults = {}, dict.fromkeys(match.lineup, (0, 0, 0))
            for seat in match.lineup:
                role, i = self._place_of[seat]
                score[seat] = scores[role][copy][i]
                if group.faulty[copy]:
                    late, illegal, absent = group.faults_BN3[role][copy, i].tolist()
                    faults[seat] = (late, illegal, absent)
            action = group.actions.of(copy) if self._keep_actions else {}
            outcome = Outcome(match, int(frame.steps_B[copy]), score, faults, action=action)
            self._outcomes.append((group.first_copy + copy, group.episodes[copy], outcome))
            group.matches[copy], group.retries[copy] = None, 0
            for name in set(match.lineup.values()):
                over.setdefault(name, []).append(match.ticket.match)
        for players in group.player_BN.values():
            players[copies] = -1
        self._cast.ended(over)
