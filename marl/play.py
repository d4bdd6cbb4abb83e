"""The one stepping loop: policies act in the copies of a pool, as the lineups say.

Results and fragments come out.

Axes: B copies of a group, N seats of a role, R rows, K numbers of an action.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from marl.acting import Call, Cast, Stackable
from marl.errors import ConfigError
from marl.fragment import Fragment, join
from marl.match import Match, Outcome, Player, Schedule, in_order
from marl.policy import ABSENT, Decision, Rows
from marl.recording import JointLog
from marl.seating import VOID_RETRIES, Group, Seating
from marl.spec import PARKED
from marl.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import ArenaPool
    from marl.frame import Frame
    from marl.spec import Role

__all__ = ["VOID_RETRIES", "Call", "Match", "Outcome", "Play", "Player", "Schedule", "Stackable", "in_order"]


class Play:
    """Plays the matches of a schedule in a pool.

    `players` are all whom lineups may name. `run()` plays until every copy is parked and returns the
    outcomes in the order (copy, episode); `collect(steps)` plays that many steps in every copy and
    returns a fragment for each recorded player and role, besides the outcomes of the matches that ended.
    Use one of the two. `steps` and `decided` count environment steps, and decisions by player.
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
        self._pool, self._spec, self._cast = pool, pool.spec, Cast(pool.spec, players)
        self._seating = Seating(pool, schedule, self._cast, keep_actions=keep_actions)
        self._want_joint, self._keep_actions = want_joint, keep_actions
        self._state_size = pool.spec.state_size if want_state else 0
        self._roles = {role.name: role for role in pool.spec.roles}
        self._seats_before = _seat_offsets(pool)
        self._joint: JointLog | None = None
        self._length = 0
        self._under_way = False
        self._turns: deque[tuple[Group, int]] = deque()
        self.steps = 0
        self.decided = dict.fromkeys(players, 0)
        self._times_s = dict.fromkeys(("act", "env", "wait"), 0.0)
        self._groups = [Group(pool, g) for g in range(pool.groups)]
        for group in self._groups:
            group.orders.want_state.fill(want_state)
            self._seating.open(group, pool.frames[group.number])
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
        self.begin(steps)
        return self.finish()

    def begin(self, steps: int) -> list[Fragment]:
        """Start a fragment of that many steps in every copy; `go_on` and `finish` play the rest of it.

        One that is under way ends; each group starts the next as soon as it has ended its part. Returns what
        `finish` would have.
        """
        self.go_on(wait=True)
        self._length, joint = steps, self._joint
        self._joint = JointLog(self._spec, self._pool.copies, steps) if self._want_joint else None
        ended = []
        for group in self._groups:
            if self._under_way:
                ended += self._end(group)
            else:
                self._open_tapes(group)
            self._step(group)
        self._under_way = True
        self._turns.extend((group, time) for time in range(1, steps) for group in self._groups)
        return _joined(ended, joint)

    def go_on(self, *, wait: bool) -> None:
        """Play on: to the fragment's last decision, or without `wait` as far as no step has to be awaited.

        Groups keep their turns.
        """
        while self._turns and (wait or self._turns[0][0].number in self._pool.ready()):
            group, time = self._turns.popleft()
            self._absorb(group, self._receive(group))
            self._step(group, time)

    def finish(self) -> list[Fragment]:
        """End the fragment that is under way; see `collect`."""
        self.go_on(wait=True)
        self._under_way = False
        return _joined([part for group in self._groups for part in self._end(group)], self._joint)

    def take_outcomes(self) -> list[Outcome]:
        """The matches that ended since the last call, ordered by (copy, episode)."""
        return self._seating.take_outcomes()

    @property
    def decisions(self) -> int:
        """How many all players have made."""
        return sum(self.decided.values())

    def take_times(self) -> dict[str, float]:
        """Seconds since the last call: of decisions (`act`), of steps here (`env`) or elsewhere (`wait`).

        What is left of the wall time is bookkeeping.
        """
        times_s, self._times_s = self._times_s, dict.fromkeys(self._times_s, 0.0)
        return times_s

    def _busy(self, group: Group) -> bool:
        return any(match is not None for match in (*group.matches, *group.following))

    def _step(self, group: Group, time: int = 0) -> None:
        self._decide(group, self._pool.frames[group.number], time)
        began_s = perf_counter()
        self._pool.send(group.number)
        self._times_s["env"] += perf_counter() - began_s

    def _receive(self, group: Group) -> Frame:
        began_s = perf_counter()
        frame = self._pool.receive(group.number)
        self._times_s["wait"] += perf_counter() - began_s
        return frame

    # what comes in

    def _absorb(self, group: Group, frame: Frame) -> None:
        """Take in a step: rewards to the tapes, ended matches to the outcomes, new lineups to the seats."""
        for (player, role), tape in group.tapes.items():
            tape.absorb(frame, group.player_BN[role] == self._cast.index[player])
        self._seating.absorb(group, frame)

    # what goes out

    def _decide(self, group: Group, frame: Frame, time: int) -> None:
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

    def _refuse_vacancy(self, group: Group, role: Role, row: int) -> None:
        copy, i = divmod(row, len(role.seats))
        match = group.matches[copy]
        raise ConfigError(
            f"{self._spec.arena}: lineup of match {None if match is None else match.ticket.match}",
            got=f"nobody in seat {role.seats[i]}, which plays",
            expected="a player in every seat that is alive",
            remedy="Name a player for it, or options under which it is absent.",
        )

    def _call(self, group: Group, frame: Frame, role: Role, name: str, rows: NDArray[np.int64]) -> Call:
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

    def _memory_of(self, group: Group, name: str, role: Role) -> NDArray[np.float32]:
        key = (name, role.name)
        if key not in group.memory:
            size = self._cast.players[name].policy.memory_size
            group.memory[key] = np.zeros((group.copies, len(role.seats), size), np.float32)
        return group.memory[key]

    def _apply(  # one decision has this many sides
        self,
        group: Group,
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
        self.decided[name] += len(rows)

    # what is kept

    def _open_tapes(self, group: Group) -> None:
        """Have tapes of the fragment's length; open decisions stay."""
        for name, player in self._cast.players.items():
            for role in self._spec.roles if player.record else ():
                old = group.tapes.get((name, role.name))
                if old is None or old.length != self._length:
                    tape = group.tapes[name, role.name] = self._tape(group, name, role)
                    if old is not None:
                        old.hand_over(tape)

    def _tape(self, group: Group, name: str, role: Role) -> Tape:
        memory = self._cast.players[name].policy.memory_size
        return Tape(name, role, group.copies, self._length, memory, self._state_size)

    def _end(self, group: Group) -> list[tuple[Fragment, int]]:
        """Take in a fragment's last step; what the group's tapes hold, and the group's first copy."""
        frame = self._receive(group)
        self._absorb(group, frame)
        parts = []
        for (name, role), tape in list(group.tapes.items()):
            fresh = group.tapes[name, role] = self._tape(group, name, self._roles[role])
            fragment = tape.finish(frame, group.player_BN[role] == self._cast.index[name], fresh)
            if fragment is not None:
                parts.append((fragment, group.first_copy))
        return parts


def _joined(parts: Sequence[tuple[Fragment, int]], joint: JointLog | None) -> list[Fragment]:
    """One fragment for each player and role, of those of all groups."""
    found: dict[tuple[str, str], list[tuple[Fragment, int]]] = {}
    for fragment, first_copy in parts:
        found.setdefault((fragment.player, fragment.role.name), []).append((fragment, first_copy))
    fragments = [join([f for f, _ in same], [first for _, first in same]) for same in found.values()]
    if joint is not None:
        for fragment in fragments:
            fragment.joint = joint.joint()
    return fragments


def _seat_offsets(pool: ArenaPool) -> dict[str, int]:
    """The index of each role's first seat in `Spec.seats`."""
    offsets, at = {}, 0
    for role in pool.spec.roles:
        offsets[role.name] = at
        at += len(role.seats)
    return offsets
