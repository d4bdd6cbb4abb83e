"""The one stepping loop: policies act in the copies of a pool, as the lineups say.

Results and fragments come out.

Axes: B copies of a group, N seats of a role, R rows, K numbers of an action.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from marl.acting import Call, Cast, Stackable
from marl.errors import ConfigError, HostError, UnknownNameError
from marl.fragment import Fragment, join
from marl.match import Match, Outcome, Player, Schedule, in_order
from marl.policy import ABSENT, Decision, Rows
from marl.recording import ActionLog, JointLog
from marl.spec import PARKED
from marl.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import ArenaPool
    from marl.frame import Frame
    from marl.spec import Role

__all__ = ["VOID_RETRIES", "Call", "Match", "Outcome", "Play", "Player", "Schedule", "Stackable", "in_order"]

VOID_RETRIES = 3
"""How often a match whose host died is played again with its seed before it is reported as void."""


class _Group:
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


class Play:
    """Plays the matches of a schedule in a pool.

    `players` are all whom lineups may name. `run()` plays until every copy is parked and returns the
    outcomes in the order (copy, episode); `collect(steps)` plays that many steps in every copy and
    returns a fragment for each recorded player and role, besides the outcomes of the matches that ended.
    Use one of the two.
    """

    def __init__(
        self,
        pool: ArenaPool,
        schedule: Schedule,
        players: Mapping[str, Player],
        *,
        want_state: bool = False,
        want_joint: bool = False,
        keep_actions: bool = False,
    ) -> None:
        self._pool, self._spec, self._schedule, self._cast = (
            pool,
            pool.spec,
            schedule,
            Cast(pool.spec, players),
        )
        self._want_joint, self._keep_actions = want_joint, keep_actions
        self._state_size = pool.spec.state_size if want_state else 0
        self._roles = {role.name: role for role in pool.spec.roles}
        self._place_of = {
            seat: (role.name, i) for role in pool.spec.roles for i, seat in enumerate(role.seats)
        }
        self._seats_before = _seat_offsets(pool)
        self._outcomes: list[tuple[int, int, Outcome]] = []
        self._joint: JointLog | None = None
        self._length = 0
        self.steps = 0
        self.decisions = 0
        self._times_s = dict.fromkeys(("act", "env", "wait"), 0.0)
        self._groups = [_Group(pool, g) for g in range(pool.groups)]
        for group in self._groups:
            group.orders.want_state.fill(want_state)
            np.not_equal(pool.frames[group.number].ticket_B, PARKED, out=group.orders.restart_B)
            for copy in range(group.copies):
                self._follow(group, copy, self._next(group, copy))
            pool.send(group.number)
        for group in self._groups:
            frame = pool.receive(group.number)
            group.orders.restart_B.fill(0)
            self._absorb(group, frame)

    def run(self) -> list[Outcome]:
        """Play the schedule to its end."""
        active = [group for group in self._groups if self._busy(group)]
        for group in active:
            self._step(group)
        while active:
            still = []
            for group in active:
                self._absorb(group, self._receive(group))
                if self._busy(group):
                    self._step(group)
                    still.append(group)
            active = still
        return self.take_outcomes()

    def collect(self, steps: int) -> list[Fragment]:
        """Play that many steps in every copy.

        Fragments of the recorded players (ended matches: `take_outcomes`).
        """
        self._open_tapes(steps)
        for t in range(steps):
            for group in self._groups:
                if t:
                    self._absorb(group, self._receive(group))
                self._step(group, t)
        for group in self._groups:
            self._absorb(group, self._receive(group))
        return self._close_tapes()

    def take_outcomes(self) -> list[Outcome]:
        """The matches that ended since the last call, ordered by (copy, episode)."""
        outcomes = [outcome for _, _, outcome in sorted(self._outcomes, key=lambda entry: entry[:2])]
        self._outcomes.clear()
        return outcomes

    def take_times(self) -> dict[str, float]:
        """Seconds since the last call: of decisions (`act`), of steps here (`env`) or elsewhere (`wait`).

        What is left of the wall time is bookkeeping.
        """
        times_s, self._times_s = self._times_s, dict.fromkeys(self._times_s, 0.0)
        return times_s

    def _busy(self, group: _Group) -> bool:
        return any(match is not None for match in (*group.matches, *group.following))

    def _step(self, group: _Group, time: int = 0) -> None:
        self._decide(group, self._pool.frames[group.number], time)
        began_s = perf_counter()
        self._pool.send(group.number)
        self._times_s["env"] += perf_counter() - began_s

    def _receive(self, group: _Group) -> Frame:
        began_s = perf_counter()
        frame = self._pool.receive(group.number)
        self._times_s["wait"] += perf_counter() - began_s
        return frame

    # what comes in

    def _absorb(self, group: _Group, frame: Frame) -> None:
        """Take in a step: rewards to the tapes, ended matches to the outcomes, new lineups to the seats."""
        for (player, role), tape in group.tapes.items():
            tape.absorb(frame, group.player_BN[role] == self._cast.index[player])
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

    def _begin(self, group: _Group, frame: Frame, copies: Sequence[int]) -> None:
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

    def _seat(self, group: _Group, copy: int, match: Match) -> None:
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

    def _next(self, group: _Group, copy: int) -> Match | None:
        match = self._schedule(group.first_copy + copy, group.episodes[copy])
        group.episodes[copy] += 1
        return match

    def _follow(self, group: _Group, copy: int, match: Match | None) -> None:
        group.following[copy] = match
        group.orders.follow(copy, None if match is None else match.ticket)

    def _replay_lost(self, group: _Group, copies: Sequence[int]) -> None:
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

    def _conclude(self, group: _Group, frame: Frame, copies: Sequence[int]) -> None:
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

    # what goes out

    def _decide(self, group: _Group, frame: Frame, time: int) -> None:
        calls: list[tuple[str, Call]] = []
        asked: list[NDArray[np.int64]] = []
        for role in self._spec.roles:
            acting = np.flatnonzero(frame.roles[role.name].acting_BN)
            player_R = group.player_BN[role.name].ravel()[acting]
            seated = np.flatnonzero(np.bincount(player_R + 1, minlength=1)).tolist()
            if seated and seated[0] == 0:
                self._refuse_vacancy(group, role, int(acting[player_R < 0][0]))
            for index in seated:
                rows = acting if len(seated) == 1 else acting[player_R == index - 1]
                name = self._cast.names[index - 1]
                calls.append((name, self._call(group, frame, role, name, rows)))
                asked.append(rows)
        began_s = perf_counter()
        decisions = self._cast.act(calls)
        self._times_s["act"] += perf_counter() - began_s
        for (name, call), rows, decision in zip(calls, asked, decisions, strict=True):
            self._apply(group, frame, name, rows, call, decision, time)
        if self._keep_actions:
            group.actions.take(frame, group.orders.action)
        if self._joint is not None:
            self._joint.take(time, group.first_copy, frame, group.orders.action)
        self.steps += int(np.count_nonzero(frame.ticket_B != PARKED))

    def _refuse_vacancy(self, group: _Group, role: Role, row: int) -> None:
        copy, i = divmod(row, len(role.seats))
        match = group.matches[copy]
        raise ConfigError(
            f"{self._spec.arena}: lineup of match {None if match is None else match.ticket.match}",
            got=f"nobody in seat {role.seats[i]}, which plays",
            expected="a player in every seat that is alive",
            remedy="Name a player for it, or options under which it is absent.",
        )

    def _call(self, group: _Group, frame: Frame, role: Role, name: str, rows: NDArray[np.int64]) -> Call:
        player, held = self._cast.players[name], frame.roles[role.name]
        seats = len(role.seats)
        copy, seat = np.divmod(rows, seats)
        asked = Rows(
            frame.ticket_B[copy],
            group.seed_B[copy],
            (seat + self._seats_before[role.name]).astype(np.int32),
            group.decision_BN[role.name].ravel()[rows],
        )
        memory = self._memory_of(group, name, role)
        memory_RM = memory.reshape(group.copies * seats, memory.shape[2])[rows]
        observation = [leaf.reshape(group.copies * seats, *leaf.shape[2:])[rows] for leaf in held.observation]
        mask_RA = held.mask_BNA.reshape(group.copies * seats, role.mask_size)[rows]
        return Call(player.policy, role, observation, mask_RA, memory_RM, asked, player.greedy)

    def _memory_of(self, group: _Group, name: str, role: Role) -> NDArray[np.float32]:
        key = (name, role.name)
        if key not in group.memory:
            size = self._cast.players[name].policy.memory_size
            group.memory[key] = np.zeros((group.copies, len(role.seats), size), np.float32)
        return group.memory[key]

    def _apply(  # one decision has this many sides
        self,
        group: _Group,
        frame: Frame,
        name: str,
        rows: NDArray[np.int64],
        call: Call,
        decision: Decision,
        time: int,
    ) -> None:
        role = call.role
        group.orders.action[role.name].reshape(-1, role.action_size)[rows] = decision.action_RK
        if (name, role.name) in group.tapes:
            first_R = call.rows.decision_R == 0
            group.tapes[name, role.name].decide(
                rows, call.observation, call.mask_RA, call.memory_RM, first_R, decision, frame.state_BS, time
            )
        if decision.memory_RM is not None:
            memory = group.memory[name, role.name]
            memory.reshape(-1, memory.shape[2])[rows] = decision.memory_RM
        if decision.source_R is not None and decision.source_R.any():
            bad = np.flatnonzero(decision.source_R)
            faults = group.faults_BN3[role.name].reshape(-1, 3)
            faults[rows[bad], np.minimum(decision.source_R[bad], ABSENT) - 1] += 1
            for copy in (rows[bad] // len(role.seats)).tolist():
                group.faulty[copy] = True
        group.decision_BN[role.name].reshape(-1)[rows] += 1
        self.decisions += len(rows)

    # what is kept

    def _open_tapes(self, length: int) -> None:
        if length != self._length:
            self._length = length
            for group in self._groups:
                for name, player in self._cast.players.items():
                    for role in self._spec.roles if player.record else ():
                        old = group.tapes.get((name, role.name))
                        tape = group.tapes[name, role.name] = self._tape(group, name, role)
                        if old is not None:
                            old.hand_over(tape)
        if self._want_joint:
            self._joint = JointLog(self._spec, self._pool.copies, length)

    def _tape(self, group: _Group, name: str, role: Role) -> Tape:
        memory = self._cast.players[name].policy.memory_size
        return Tape(name, role, group.copies, self._length, memory, self._state_size)

    def _close_tapes(self) -> list[Fragment]:
        parts: dict[tuple[str, str], list[tuple[Fragment, int]]] = {}
        for group in self._groups:
            frame = self._pool.frames[group.number]
            for (name, role), tape in list(group.tapes.items()):
                fresh = self._tape(group, name, self._roles[role])
                fragment = tape.finish(frame, group.player_BN[role] == self._cast.index[name], fresh)
                group.tapes[name, role] = fresh
                if fragment is not None:
                    parts.setdefault((name, role), []).append((fragment, group.first_copy))
        fragments = [join([f for f, _ in found], [first for _, first in found]) for found in parts.values()]
        if self._joint is not None:
            for fragment in fragments:
                fragment.joint = self._joint.joint()
        return fragments


def _seat_offsets(pool: ArenaPool) -> dict[str, int]:
    """The index of each role's first seat in `Spec.seats`."""
    offsets, at = {}, 0
    for role in pool.spec.roles:
        offsets[role.name] = at
        at += len(role.seats)
    return offsets
