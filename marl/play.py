"""The one stepping loop: policies act in the copies of a pool, seat by seat as the lineups say; results and fragments come out.

Axes: B copies of a group, N seats of a role, R rows, K numbers of an action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from marl.errors import HostError, UnknownNameError
from marl.fragment import Fragment, Tape, join
from marl.policy import ABSENT, AsyncPolicy, Attentive, Decision, Policy, Rows
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.batch import ArenaPool
    from marl.frame import Frame
    from marl.spec import Role

VOID_RETRIES = 3
"""How often a match whose host died is played again with its seed before it is reported as void."""


@dataclass(frozen=True)
class Match:
    """A ticket with its lineup: seat to player. Seats that a match leaves out must be dead in it."""

    ticket: Ticket
    lineup: Mapping[str, str]


Schedule = Callable[[int, int], "Match | None"]
"""Which match copy c plays as its e-th; a function of the plan alone, never of arrival order. None parks the copy."""


@dataclass(frozen=True)
class Outcome:
    """How a match ended. `score`: by seat. `faults`: by seat, how many decisions were (late, illegal, absent).

    `void`: its host died and its retries are used up. `action`: per role (steps, N, K), where recording was asked for.
    """

    match: Match
    steps: int
    score: Mapping[str, float]
    faults: Mapping[str, tuple[int, int, int]]
    void: bool = False
    action: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One request to a policy, for `Stackable.act_together`."""

    policy: Policy
    role: Role
    observation: Sequence[NDArray[Any]]
    mask_RA: NDArray[np.uint8]
    memory_RM: NDArray[np.float32]
    rows: Rows
    greedy: bool


@runtime_checkable
class Stackable(Protocol):
    """A policy that can be evaluated with others of equal `stack_key` in one batched product."""

    stack_key: str

    @staticmethod
    def act_together(calls: Sequence[Call]) -> list[Decision]:
        """The decisions of several policies, in order."""
        ...


@dataclass
class Player:
    """Who may be named in a lineup. `record`: its decisions become fragments."""

    policy: Policy
    greedy: bool = False
    record: bool = False


class _Group:
    """What play keeps about the copies of one group."""

    def __init__(self, pool: ArenaPool, number: int, names: Sequence[str]) -> None:
        spec = pool.spec
        self.number = number
        self.copies = len(pool.frames[number].ticket_B)
        self.first_copy = sum(len(frame.ticket_B) for frame in pool.frames[:number])
        self.names = list(names)
        self.matches: list[Match | None] = [None] * self.copies
        self.following: list[Match | None] = [None] * self.copies
        self.episode_B = np.zeros(self.copies, np.int64)
        self.retries = [0] * self.copies
        self.seed_B = np.zeros(self.copies, np.uint64)
        self.player_BN = {r.name: np.full((self.copies, len(r.seats)), -1, np.int16) for r in spec.roles}
        self.decision_BN = {r.name: np.zeros((self.copies, len(r.seats)), np.int32) for r in spec.roles}
        self.faults_BN3 = {r.name: np.zeros((self.copies, len(r.seats), 3), np.int32) for r in spec.roles}
        self.memory: dict[tuple[str, str], NDArray[np.float32]] = {}
        self.tapes: dict[tuple[str, str], Tape] = {}
        self.actions: list[dict[str, NDArray[Any]]] = []
        self.actions_from = 0
        self.began_B = np.zeros(self.copies, np.int64)
        self.clock = 0


class Play:
    """Plays the matches of a schedule in a pool.

    `players` are all whom lineups may name. `run()` plays until every copy is parked and returns the outcomes in
    the order (copy, episode); `collect(steps)` plays that many steps in every copy and returns a fragment for each
    recorded player and role, besides the outcomes of the matches that ended. Use one of the two.
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
        self._pool, self._schedule, self._players = pool, schedule, dict(players)
        self._want_state, self._want_joint, self._keep_actions = want_state, want_joint, keep_actions
        self._state_size = pool.spec.state_size if want_state else 0
        self._seats_before = _seat_offsets(pool)
        self._outcomes: list[tuple[int, int, Outcome]] = []
        self._joint: dict[str, tuple[list[list[NDArray[Any]]], list[NDArray[Any]]]] = {}
        self._length = 0
        self.steps = 0
        self.decisions = 0
        names = list(self._players)
        self._groups = [_Group(pool, g, names) for g in range(pool.groups)]
        for group in self._groups:
            orders = pool.orders[group.number]
            orders.want_state.fill(want_state)
            np.not_equal(pool.frames[group.number].ticket_B, PARKED, out=orders.restart_B)
            for copy in range(group.copies):
                self._follow(group, copy, self._next(group, copy))
            pool.send(group.number)
        for group in self._groups:
            frame = pool.receive(group.number)
            pool.orders[group.number].restart_B.fill(0)
            self._absorb(group, frame)

    def run(self) -> list[Outcome]:
        """Play the schedule to its end."""
        active = [group for group in self._groups if self._busy(group)]
        for group in active:
            self._step(group)
        while active:
            still = []
            for group in active:
                self._absorb(group, self._pool.receive(group.number))
                if self._busy(group):
                    self._step(group)
                    still.append(group)
            active = still
        return self.take_outcomes()

    def collect(self, steps: int) -> list[Fragment]:
        """Play `steps` steps in every copy; the fragments of the recorded players, ended matches in `take_outcomes`."""
        self._open_tapes(steps)
        for t in range(steps):
            for group in self._groups:
                if t:
                    self._absorb(group, self._pool.receive(group.number))
                self._step(group, t)
        for group in self._groups:
            self._absorb(group, self._pool.receive(group.number))
        return self._close_tapes()

    def take_outcomes(self) -> list[Outcome]:
        """The matches that ended since the last call, ordered by (copy, episode)."""
        outcomes = [outcome for _, _, outcome in sorted(self._outcomes, key=lambda entry: entry[:2])]
        self._outcomes.clear()
        return outcomes

    def _busy(self, group: _Group) -> bool:
        return any(match is not None for match in group.matches) or any(m is not None for m in group.following)

    def _step(self, group: _Group, time: int = 0) -> None:
        self._decide(group, self._pool.frames[group.number], time)
        self._pool.send(group.number)

    # what comes in

    def _absorb(self, group: _Group, frame: Frame) -> None:
        """Take in a step: rewards to the tapes, ended matches to the outcomes, new lineups to the seats."""
        for (player, role), tape in group.tapes.items():
            tape.absorb(frame, group.player_BN[role] == group.names.index(player))
        if frame.lost_B.any():
            self._replay_lost(group, np.flatnonzero(frame.lost_B))
        ended = np.flatnonzero(frame.over_B)
        if ended.size:
            self._conclude(group, frame, ended)
        for copy in range(group.copies) if ended.size or group.clock == 0 else _changed(group, frame):
            self._begin(group, copy, int(frame.ticket_B[copy]))
        group.clock += 1
        if self._keep_actions:
            self._forget_actions(group)

    def _begin(self, group: _Group, copy: int, ticket: int) -> None:
        """Where a copy has begun the match that was to follow: seat its players and set what comes after it."""
        match = group.following[copy]
        if match is None or ticket != match.ticket.match:
            return
        group.matches[copy] = match
        group.seed_B[copy] = match.ticket.seed
        group.began_B[copy] = group.clock
        self._seat(group, copy, match)
        self._follow(group, copy, self._next(group, copy))

    def _seat(self, group: _Group, copy: int, match: Match) -> None:
        for role in self._pool.spec.roles:
            for i, seat in enumerate(role.seats):
                name = match.lineup.get(seat)
                if name is not None and name not in self._players:
                    raise UnknownNameError(f"lineup of match {match.ticket.match}, seat {seat}", name, self._players)
                group.player_BN[role.name][copy, i] = -1 if name is None else group.names.index(name)
            group.decision_BN[role.name][copy] = 0
            group.faults_BN3[role.name][copy] = 0
        for memory in group.memory.values():
            memory[copy] = 0

    def _next(self, group: _Group, copy: int) -> Match | None:
        match = self._schedule(group.first_copy + copy, int(group.episode_B[copy]))
        group.episode_B[copy] += 1
        return match

    def _follow(self, group: _Group, copy: int, match: Match | None) -> None:
        group.following[copy] = match
        self._pool.orders[group.number].follow(copy, None if match is None else match.ticket)

    def _replay_lost(self, group: _Group, copies: NDArray[np.int64]) -> None:
        """A match whose host died is played again with its seed; after VOID_RETRIES it is reported as void."""
        for copy in copies.tolist():
            match = group.matches[copy]
            group.matches[copy] = None
            for held in group.player_BN.values():
                held[copy] = -1
            if match is None:
                continue
            group.retries[copy] += 1
            if group.retries[copy] <= VOID_RETRIES:
                group.episode_B[copy] -= 1
                self._follow(group, copy, match)
            else:
                group.retries[copy] = 0
                where = (group.first_copy + copy, int(group.episode_B[copy]))
                self._outcomes.append((*where, Outcome(match, 0, {}, {}, void=True)))

    def _conclude(self, group: _Group, frame: Frame, copies: NDArray[np.int64]) -> None:
        spec = self._pool.spec
        over: dict[int, list[int]] = {}
        for copy in copies.tolist():
            match = group.matches[copy]
            if match is None or match.ticket.match != frame.ended_B[copy]:
                raise HostError(
                    f"{spec.arena}, copy {copy}", got=f"the end of match {frame.ended_B[copy]}", expected=f"that of {match}"
                )
            score, faults = {}, {}
            for role in spec.roles:
                held = frame.roles[role.name]
                for i, seat in enumerate(role.seats):
                    if seat in match.lineup:
                        score[seat] = float(held.score_BN[copy, i])
                        late, illegal, absent = group.faults_BN3[role.name][copy, i].tolist()
                        faults[seat] = (late, illegal, absent)
            outcome = Outcome(match, int(frame.steps_B[copy]), score, faults, action=self._actions_of(group, copy))
            self._outcomes.append((group.first_copy + copy, int(group.episode_B[copy]), outcome))
            group.matches[copy], group.retries[copy] = None, 0
            for name in set(match.lineup.values()):
                over.setdefault(group.names.index(name), []).append(match.ticket.match)
            for players in group.player_BN.values():
                players[copy] = -1
        for index, numbers in over.items():
            policy = self._players[group.names[index]].policy
            if isinstance(policy, Attentive):
                policy.ended(np.asarray(numbers, np.int64))

    # what goes out

    def _decide(self, group: _Group, frame: Frame, time: int) -> None:
        calls: list[tuple[str, NDArray[np.int64], Call]] = []
        for role in self._pool.spec.roles:
            held, players = frame.roles[role.name], group.player_BN[role.name]
            for index in np.unique(players[held.acting_BN & (players >= 0)]).tolist():
                rows = np.flatnonzero(held.acting_BN & (players == index))
                calls.append((group.names[index], rows, self._call(group, frame, role, group.names[index], rows)))
        decisions = _act([call for _, _, call in calls])
        if self._want_joint:
            self._keep_joint(group, frame, time)
        for (name, rows, call), decision in zip(calls, decisions, strict=True):
            self._apply(group, frame, name, rows, call, decision, time)
        if self._keep_actions:
            orders = self._pool.orders[group.number]
            group.actions.append({role: action.copy() for role, action in orders.action.items()})
        if self._want_joint:
            for role, action in self._pool.orders[group.number].action.items():
                self._joint[role][1][time][group.first_copy : group.first_copy + group.copies] = action
        self.steps += int((frame.ticket_B != PARKED).sum())

    def _call(self, group: _Group, frame: Frame, role: Role, name: str, rows: NDArray[np.int64]) -> Call:
        player, held = self._players[name], frame.roles[role.name]
        seats = len(role.seats)
        copy = rows // seats
        asked = Rows(
            frame.ticket_B[copy],
            group.seed_B[copy],
            (rows % seats + self._seats_before[role.name]).astype(np.int32),
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
            size = self._players[name].policy.memory_size
            group.memory[key] = np.zeros((group.copies, len(role.seats), size), np.float32)
        return group.memory[key]

    def _apply(  # noqa: PLR0913  # one decision has this many sides
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
        action = self._pool.orders[group.number].action[role.name]
        action.reshape(-1, role.action_size)[rows] = decision.action_RK
        if (name, role.name) in group.tapes:
            first_R = call.rows.decision_R == 0
            group.tapes[name, role.name].decide(
                rows, call.observation, call.mask_RA, call.memory_RM, first_R, decision, frame.state_BS, time
            )
        if decision.memory_RM is not None:
            memory = group.memory[name, role.name]
            memory.reshape(-1, memory.shape[2])[rows] = decision.memory_RM
        if decision.source_R is not None:
            bad = decision.source_R > 0
            faults = group.faults_BN3[role.name].reshape(-1, 3)
            faults[rows[bad], np.minimum(decision.source_R[bad], ABSENT) - 1] += 1
        group.decision_BN[role.name].reshape(-1)[rows] += 1
        self.decisions += len(rows)

    # what is kept

    def _open_tapes(self, length: int) -> None:
        if length != self._length:
            self._length = length
            for group in self._groups:
                for name, player in self._players.items():
                    if player.record:
                        for role in self._pool.spec.roles:
                            old = group.tapes.get((name, role.name))
                            tape = group.tapes[name, role.name] = self._tape(group, name, role)
                            if old is not None:
                                old.hand_over(tape)
        if self._want_joint:
            self._joint = {
                role.name: (
                    [
                        [np.zeros((self._pool.copies, len(role.seats), *leaf.shape), leaf.numpy_dtype) for leaf in role.observation]
                        for _ in range(length)
                    ],
                    [np.zeros((self._pool.copies, len(role.seats), role.action_size), role.action_dtype) for _ in range(length)],
                )
                for role in self._pool.spec.roles
            }

    def _tape(self, group: _Group, name: str, role: Role) -> Tape:
        memory = self._players[name].policy.memory_size
        return Tape(name, role, group.copies, self._length, memory, self._state_size)

    def _close_tapes(self) -> list[Fragment]:
        parts: dict[tuple[str, str], list[tuple[Fragment, int]]] = {}
        for group in self._groups:
            frame = self._pool.frames[group.number]
            for (name, role), tape in list(group.tapes.items()):
                fresh = self._tape(group, name, self._pool.spec.role(role))
                fragment = tape.finish(frame, group.player_BN[role] == group.names.index(name), fresh)
                group.tapes[name, role] = fresh
                if fragment is not None:
                    parts.setdefault((name, role), []).append((fragment, group.first_copy))
        fragments = [join([f for f, _ in found], [first for _, first in found]) for found in parts.values()]
        for fragment in fragments:
            fragment.joint = {
                role: (tuple(np.stack(leaf) for leaf in zip(*seen, strict=True)), np.stack(done))
                for role, (seen, done) in self._joint.items()
            }
        return fragments

    def _keep_joint(self, group: _Group, frame: Frame, time: int) -> None:
        span = slice(group.first_copy, group.first_copy + group.copies)
        for role, held in frame.roles.items():
            for store, leaf in zip(self._joint[role][0][time], held.observation, strict=True):
                store[span] = leaf

    def _actions_of(self, group: _Group, copy: int) -> dict[str, NDArray[Any]]:
        if not self._keep_actions:
            return {}
        start = int(group.began_B[copy]) - group.actions_from
        steps = group.actions[start:]
        return {role: np.stack([step[role][copy] for step in steps]) for role in steps[0]} if steps else {}

    def _forget_actions(self, group: _Group) -> None:
        playing = [int(group.began_B[copy]) for copy, match in enumerate(group.matches) if match is not None]
        oldest = min(playing, default=group.clock)
        del group.actions[: oldest - group.actions_from]
        group.actions_from = max(group.actions_from, oldest)


def _changed(group: _Group, frame: Frame) -> list[int]:
    """Copies that were parked or lost and have begun a match."""
    return [copy for copy, match in enumerate(group.matches) if match is None and frame.ticket_B[copy] != PARKED]


def _act(calls: Sequence[Call]) -> list[Decision]:
    """All decisions: remote policies are asked first, equal architectures act together, remote answers come last."""
    decisions: list[Decision | None] = [None] * len(calls)
    remote = [i for i, call in enumerate(calls) if isinstance(call.policy, AsyncPolicy)]
    stacks: dict[tuple[str, str], list[int]] = {}
    for i in remote:
        call = calls[i]
        call.policy.ask(call.role, call.observation, call.mask_RA, call.rows)  # type: ignore[attr-defined]  # AsyncPolicy
    for i, call in enumerate(calls):
        if isinstance(call.policy, Stackable):
            stacks.setdefault((call.policy.stack_key, call.role.name), []).append(i)
        elif i not in remote:
            decisions[i] = call.policy.act(
                call.role, call.observation, call.mask_RA, call.memory_RM, call.rows, greedy=call.greedy
            )
    for members in stacks.values():
        policy = calls[members[0]].policy
        together = policy.act_together([calls[i] for i in members])  # type: ignore[attr-defined]  # Stackable
        for i, decision in zip(members, together, strict=True):
            decisions[i] = decision
    for i in remote:
        decisions[i] = calls[i].policy.collect()  # type: ignore[attr-defined]  # AsyncPolicy
    return [decision for decision in decisions if decision is not None]


def _seat_offsets(pool: ArenaPool) -> dict[str, int]:
    """The index of each role's first seat in `Spec.seats`."""
    offsets, at = {}, 0
    for role in pool.spec.roles:
        offsets[role.name] = at
        at += len(role.seats)
    return offsets


def in_order(matches: Sequence[Match], copies: int) -> Schedule:
    """The schedule that deals a list of matches to copies like cards: copy c plays matches c, c + copies, ..."""

    def schedule(copy: int, episode: int) -> Match | None:
        index = copy + episode * copies
        return matches[index] if index < len(matches) else None

    return schedule
