"""Whole matches, step by step, as they are seen through a pool: what the suites compare.

The actions are random and legal, and follow from their own seed, the seat and the decision alone: two
traces of one ticket differ only where the arena does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.policy import RandomLegal, Rows
from marl.spaces import from_json, restore
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import ArenaPool
    from marl.frame import Frame, RoleFrame
    from marl.spec import Role, Spec

Moment = dict[str, "NDArray[Any]"]
"""What one step said of one match, by name: arrays of the seats that were alive in it."""

MOST_STEPS = 20_000
"""A match that has not ended by then is taken for endless."""


class Trace:
    """One match: its moments (the first is its start), and what every seat did at each."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.moments: list[Moment] = []
        self.actions: list[dict[str, NDArray[Any]]] = []
        self.score: dict[str, float] = {}

    def differs(self, other: Trace) -> str:
        """Where two traces part, in words; empty where they are equal bit for bit."""
        for step, (mine, theirs) in enumerate(zip(self.moments, other.moments, strict=False)):
            if mine.keys() != theirs.keys():
                return f"step {step}: {sorted(mine.keys() ^ theirs.keys())}"
            for name, array in mine.items():
                if array.dtype != theirs[name].dtype or array.tobytes() != theirs[name].tobytes():
                    return f"step {step}: {name} {array.tolist()} and {theirs[name].tolist()}"[:400]
        if len(self.moments) != len(other.moments):
            return f"one takes {len(self.moments) - 1} steps, the other {len(other.moments) - 1}"
        return "" if self.score == other.score else f"scores {self.score} and {other.score}"


class Tracer:
    """Plays tickets in the copies of a pool's first group, and checks every frame against the contract."""

    def __init__(self, pool: ArenaPool, *, action_seed: int | None = None) -> None:
        self.pool, self.spec = pool, pool.spec
        self._action_seed = action_seed
        self._copies = len(pool.frames[0].ticket_B)
        self._playing: list[Trace | None] = [None] * self._copies
        self._decision_BN = {
            r.name: np.zeros((self._copies, len(r.seats)), np.int32) for r in self.spec.roles
        }
        self._alive_BN = {r.name: np.zeros((self._copies, len(r.seats)), np.bool_) for r in self.spec.roles}
        self._random = RandomLegal()
        pool.orders[0].want_state.fill(self.spec.state_size > 0)

    def play(self, queues: Sequence[Sequence[Ticket]]) -> dict[int, Trace]:
        """Play a queue of tickets in each copy, one after another; the traces by match number."""
        orders, done = self.pool.orders[0], dict[int, Trace]()
        waiting = [list(queue) for queue in queues]
        wanted = sum(len(queue) for queue in queues)
        following: list[Ticket | None] = [queue.pop(0) if queue else None for queue in waiting]
        for copy, ticket in enumerate(following):
            orders.follow(copy, ticket)
        for _ in range(MOST_STEPS):
            self._act()
            self.pool.send(0)
            frame = self.pool.receive(0)
            for copy in range(self._copies):
                ended = self._take(copy, frame, following[copy])
                if ended is not None:
                    done[ended.ticket.match] = ended
                now = self._playing[copy]
                if now is not None and now.ticket is following[copy]:
                    following[copy] = waiting[copy].pop(0) if waiting[copy] else None
                    orders.follow(copy, following[copy])
            if len(done) == wanted and not any(self._playing):
                return done
        raise AssertionError(f"{self.spec.arena}: a match is not over after {MOST_STEPS} steps")

    def begin(self, ticket: Ticket) -> None:
        """Drop whatever copy 0 plays and begin a ticket there at once."""
        orders = self.pool.orders[0]
        orders.follow(0, ticket)
        orders.restart_B[0] = self.pool.frames[0].ticket_B[0] != PARKED
        self.pool.send(0)
        frame = self.pool.receive(0)
        orders.restart_B.fill(False)
        orders.follow(0, None)
        where = f"{self.spec.arena}: a restart in mid-match"
        assert frame.ticket_B[0] == ticket.match, (
            f"{where}: ticket {frame.ticket_B[0]} instead of {ticket.match}"
        )
        assert not frame.over_B[0], f"{where}: over is set; a match that is dropped does not end"
        self._playing[0] = None
        self._start(0, frame, ticket)

    def step(self) -> Trace | None:
        """One step of what `begin` began; the trace once it is over."""
        self._act()
        self.pool.send(0)
        return self._take(0, self.pool.receive(0), None)

    def _act(self) -> None:
        frame, orders = self.pool.frames[0], self.pool.orders[0]
        before = 0
        for role in self.spec.roles:
            held, seats = frame.roles[role.name], len(role.seats)
            rows = np.flatnonzero(held.acting_BN)
            copy, seat = np.divmod(rows, seats)
            if len(rows):
                fixed = self._action_seed
                seeds = [self._trace(c).ticket.seed if fixed is None else fixed for c in copy.tolist()]
                decision_R = self._decision_BN[role.name][copy, seat]
                asked = Rows(
                    frame.ticket_B[copy],
                    np.array(seeds, np.uint64),
                    (seat + before).astype(np.int32),
                    decision_R,
                )
                memory = np.zeros((len(rows), 0), np.float32)
                decision = self._random.act(role, (), held.mask_BNA[copy, seat], memory, asked, greedy=False)
                orders.action[role.name][copy, seat] = decision.action_RK
                self._decision_BN[role.name][copy, seat] += 1
            before += seats
        for copy_index, trace in enumerate(self._playing):
            if trace is not None:
                trace.actions.append(
                    {name: action[copy_index].copy() for name, action in orders.action.items()}
                )

    def _trace(self, copy: int) -> Trace:
        trace = self._playing[copy]
        assert trace is not None, f"{self.spec.arena}, copy {copy}: a seat acts in a copy that plays nothing"
        return trace

    def _take(self, copy: int, frame: Frame, following: Ticket | None) -> Trace | None:
        """Read a step of a copy; returns the trace of the match that ended in it."""
        trace, ended = self._playing[copy], None
        if trace is not None:
            self._read_step(copy, frame, trace)
            if frame.over_B[copy]:
                ended, self._playing[copy] = trace, None
        else:
            assert not frame.over_B[copy], (
                f"{self.spec.arena}: a copy that played nothing says that a match is over"
            )
        if self._playing[copy] is None:
            expected = PARKED if following is None else following.match
            got = int(frame.ticket_B[copy])
            assert got == expected, (
                f"{self.spec.arena}: ticket {got} instead of {expected} where one was to follow"
            )
            if following is None:
                for role in self.spec.roles:
                    held = frame.roles[role.name]
                    idle = not held.alive_BN[copy].any() and not held.acting_BN[copy].any()
                    assert idle, f"{self.spec.arena}: seats of role {role.name} live in a parked copy"
            else:
                self._start(copy, frame, following)
        return ended

    def _start(self, copy: int, frame: Frame, ticket: Ticket) -> None:
        trace = self._playing[copy] = Trace(ticket)
        moment: Moment = {}
        for role in self.spec.roles:
            held = frame.roles[role.name]
            self._decision_BN[role.name][copy] = 0
            self._alive_BN[role.name][copy] = held.alive_BN[copy]
            seats = np.flatnonzero(held.alive_BN[copy])
            self._read_seats(copy, role, held, seats, moment, last=False)
        self._read_now(copy, frame, moment)
        assert any(alive_BN[copy].any() for alive_BN in self._alive_BN.values()), (
            f"{self.spec.arena}: nobody is alive at the start (seed {ticket.seed})"
        )
        trace.moments.append(moment)

    def _read_step(self, copy: int, frame: Frame, trace: Trace) -> None:
        over, step = bool(frame.over_B[copy]), len(trace.moments)
        where = f"{self.spec.arena} (seed {trace.ticket.seed}, step {step})"
        moment: Moment = {"over": np.array(over)}
        assert frame.steps_B[copy] == step, f"{where}: steps_B says {frame.steps_B[copy]}"
        assert not over or frame.ended_B[copy] == trace.ticket.match, f"{where}: ended_B names another match"
        for role in self.spec.roles:
            held, before_N = frame.roles[role.name], self._alive_BN[role.name][copy].copy()
            seats = np.flatnonzero(before_N)
            ended_N = held.terminated_BN[copy] | held.truncated_BN[copy]
            _check_ends(where, role, held, copy, before_N, over=over)
            for name in ("reward_BN", "terminated_BN", "truncated_BN"):
                moment[f"{role.name}.{name}"] = getattr(held, name)[copy, seats].copy()
            self._alive_BN[role.name][copy] = before_N & ~ended_N
            self._read_seats(copy, role, held, seats, moment, last=over)
            if over:
                present = trace.moments[0][f"{role.name}.seats"]
                scores = held.score_BN[copy, present]
                assert np.isfinite(scores).all(), f"{where}: scores {scores.tolist()} of role {role.name}"
                for i, score in zip(present.tolist(), scores.tolist(), strict=True):
                    trace.score[role.seats[i]] = score
        if over:
            moment["state"] = frame.last_state_BS[copy].copy()
        else:
            self._read_now(copy, frame, moment)
            assert any(alive_BN[copy].any() for alive_BN in self._alive_BN.values()), (
                f"{where}: nobody is alive, and the match is not over"
            )
        trace.moments.append(moment)

    def _read_now(self, copy: int, frame: Frame, moment: Moment) -> None:
        moment["state"] = frame.state_BS[copy].copy()
        assert np.isfinite(moment["state"]).all(), f"{self.spec.arena}: a state that is not finite"
        for role in self.spec.roles:
            held = frame.roles[role.name]
            for name in ("alive_BN", "acting_BN"):
                moment[f"{role.name}.{name}"] = getattr(held, name)[copy].copy()
            stray = held.acting_BN[copy] & ~held.alive_BN[copy]
            assert not stray.any(), (
                f"{self.spec.arena}: seats act that are not alive: {np.flatnonzero(stray)}"
            )
            same = (held.alive_BN[copy] == self._alive_BN[role.name][copy]).all()
            assert same, f"{self.spec.arena}: alive_BN of role {role.name} does not follow from who ended"
            stuck = (
                held.acting_BN[copy] & ~held.mask_BNA[copy].any(-1) if role.masked else np.zeros(1, np.bool_)
            )
            assert not stuck.any(), (
                f"{self.spec.arena}: a seat of role {role.name} acts, and its mask is all zero"
            )
        acting = sum(int(frame.roles[role.name].acting_BN[copy].sum()) for role in self.spec.roles)
        assert acting == 1 or not self.spec.turns, (
            f"{self.spec.arena}: {acting} seats act in an arena of turns"
        )

    def _read_seats(  # what is read depends on all of these
        self, copy: int, role: Role, held: RoleFrame, seats: NDArray[np.int64], moment: Moment, *, last: bool
    ) -> None:
        moment[f"{role.name}.seats"] = seats
        leaves = held.last_observation if last else held.observation
        for i, leaf in enumerate(leaves):
            moment[f"{role.name}.observation.{i}"] = leaf[copy, seats].copy()
        masks = held.last_mask_BNA if last else held.mask_BNA
        moment[f"{role.name}.mask"] = masks[copy, seats].copy()
        check_space(self.spec, role, [leaf[copy] for leaf in leaves], seats)


def check_space(spec: Spec, role: Role, leaves: Sequence[NDArray[Any]], seats: NDArray[np.int64]) -> None:
    """Assert that what seats see lies in their space."""
    space = from_json(role.observation_space)
    for i in seats.tolist():
        value = restore(role.observation_space, [leaf[i] for leaf in leaves])
        assert space.contains(value), (
            f"{spec.arena}: observation of {role.seats[i]} outside its space {space}: {value!r}"
        )


def _check_ends(
    where: str, role: Role, held: RoleFrame, copy: int, before_N: NDArray[np.bool_], *, over: bool
) -> None:
    terminated_N, truncated_N = held.terminated_BN[copy], held.truncated_BN[copy]
    for i, seat in enumerate(role.seats):
        reward = held.reward_BN[copy, i]
        assert np.isfinite(reward), f"{where}: {seat} is paid {reward}"
        assert not (terminated_N[i] and truncated_N[i]), (
            f"{where}: {seat} is terminated and truncated at once"
        )
        if before_N[i]:
            assert not over or terminated_N[i] or truncated_N[i], f"{where}: over, but {seat} has not ended"
        else:
            assert reward == 0, f"{where}: {seat} is paid {reward} after it left"
            ended = terminated_N[i] | truncated_N[i]
            assert not ended, f"{where}: {seat} ends a second time"


def same(first: Mapping[int, Trace], second: Mapping[int, Trace], claim: str) -> None:
    """Assert that all traces of two sets are equal bit for bit."""
    assert first.keys() == second.keys(), f"{claim}: other matches ended"
    for match, trace in first.items():
        difference = trace.differs(second[match])
        assert not difference, f"{claim} (seed {trace.ticket.seed}): {difference}"
