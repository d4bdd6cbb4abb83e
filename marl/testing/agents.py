"""`check_agent` and `check_policy`: legal moves in whole matches, the same whatever they are batched with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.batch import LocalPool
from marl.errors import SpecError
from marl.loading import ArenaRef, build, load
from marl.match import Match, Outcome, Player, in_order
from marl.play import Play
from marl.policy import Attentive, Decision, PerRow, Policy, RandomLegal, Rows
from marl.spec import Spec, Ticket
from marl.testing.arenas import reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.spec import Role

MATCHES = 4
CLOSE = 1e-5
"""Batches of other sizes may change the last bits of a matrix product; whole numbers must not change."""


def check_agent(
    agent: Any,  # noqa: ANN401  # whatever can sit in a seat
    arena: str | type | ArenaRef,
    options: Mapping[str, Any] | None = None,
    *,
    seats: Sequence[str] | None = None,
) -> None:
    """Check an agent of one seat, or a policy class, in an arena.

    `agent`: a class with `reset(seat, seed)` and `act(observation, mask)`, a function of an observation
    (and mask, where there is one), a policy's class made with a Spec, or the full spec of one of these.
    `seats`: where it can sit (default: everywhere); the others play at random. See `check_policy` for
    what is checked.
    """
    target = load(agent, "agent") if isinstance(agent, str) else agent
    check_policy(lambda spec: _as_policy(target, spec), arena, options, seats=seats)


def check_policy(
    make: Callable[[Spec], Policy],
    arena: str | type | ArenaRef,
    options: Mapping[str, Any] | None = None,
    *,
    seats: Sequence[str] | None = None,
) -> None:
    """Check a policy: `make(spec)` gives a fresh one.

    It plays whole matches: one row of legal, finite numbers for each row asked, its inputs left as they were,
    memory and extras of the right shape. The same match (seed, seat, decision) is played alike alone, beside
    others, and again by the same policy; greedy play, too.

    Raises AssertionError, or the MarlError of an illegal move.
    """
    ref = reference(arena, options)
    for greedy in (False, True):
        policy = _Watched(make)
        alone: dict[int, Outcome] = {}
        for number in range(MATCHES):
            alone |= _play(ref, policy, [number], 1, seats, greedy=greedy)
        policy.renew()
        together = _play(ref, policy, range(MATCHES), MATCHES - 1, seats, greedy=greedy)
        again = _play(ref, policy, range(MATCHES), 2, seats, greedy=greedy)
        for claim, others in (("beside others", together), ("again", again)):
            for number, outcome in alone.items():
                _assert_alike(f"{ref.arena}: match {number}, alone and {claim}", outcome, others[number])


class _Watched:
    """A policy under the eyes of the suite; a fresh one for every new match in a pool of its own."""

    def __init__(self, make: Callable[[Spec], Policy]) -> None:
        self._make = make
        self._policy: Policy | None = None
        self.memory_size = 0

    def renew(self) -> None:
        """Begin anew with the next arena."""
        self._policy = None

    def sit(self, spec: Spec) -> None:
        """Be there for an arena."""
        if self._policy is None:
            self._policy = self._make(spec)
            self.memory_size = self._policy.memory_size
            assert self.memory_size >= 0, f"memory_size is {self.memory_size}"

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """Act, and check what came."""
        assert self._policy is not None
        given = [array.copy() for array in (*observation, mask_RA, memory_RM)]
        decision = self._policy.act(role, observation, mask_RA, memory_RM, rows, greedy=greedy)
        for before, after in zip(given, (*observation, mask_RA, memory_RM), strict=True):
            assert before.tobytes() == after.tobytes(), (
                f"role {role.name}: act() changes the arrays it is given"
            )
        for name, values in decision.extras.items():
            assert len(values) == len(rows), (
                f"role {role.name}: {len(values)} rows of {name} for {len(rows)} asked"
            )
        size = (len(rows), self.memory_size)
        memory = decision.memory_RM
        assert memory is None or memory.shape == size, (
            f"role {role.name}: memory of another shape than {size}"
        )
        assert memory is not None or not self.memory_size, f"role {role.name}: no memory, but memory_size > 0"
        return decision

    def ended(self, match_R: NDArray[np.int64]) -> None:
        """Pass it on."""
        if isinstance(self._policy, Attentive):
            self._policy.ended(match_R)


def _play(
    ref: ArenaRef,
    policy: _Watched,
    numbers: Sequence[int],
    copies: int,
    seats: Sequence[str] | None,
    *,
    greedy: bool,
) -> dict[int, Outcome]:
    with LocalPool([build(ref)], copies) as pool:
        spec = pool.spec
        policy.sit(spec)
        for seat in seats or ():
            spec.role_of(seat)
        lineup = {seat: "it" if seats is None or seat in seats else "random" for seat in spec.seats}
        matches = [Match(Ticket(number, 1000 + number), lineup) for number in numbers]
        players = {"it": Player(policy, greedy=greedy), "random": Player(RandomLegal())}
        outcomes = Play(pool, in_order(matches, copies), players, keep_actions=True).run()
    return {outcome.match.ticket.match: outcome for outcome in outcomes}


def _assert_alike(claim: str, one: Outcome, other: Outcome) -> None:
    for role, action_TNK in one.action.items():
        theirs_TNK = other.action[role]
        for step, (mine, theirs) in enumerate(zip(action_TNK, theirs_TNK, strict=False)):
            alike = (
                np.allclose(mine, theirs, rtol=CLOSE, atol=CLOSE)
                if mine.dtype.kind == "f"
                else (mine == theirs).all()
            )
            assert alike, (
                f"{claim}: role {role} does {mine.tolist()} and {theirs.tolist()} at step {step}; "
                "draw from rows.key_R, and let a row depend on nothing but its own observation and memory"
            )
    assert one.steps == other.steps, f"{claim}: {one.steps} and {other.steps} steps"


def _as_policy(target: Any, spec: Spec) -> Policy:  # noqa: ANN401  # whatever can sit in a seat
    if isinstance(target, type):
        if hasattr(target, "memory_size"):
            policy: Policy = target(spec)
            return policy
        return PerRow(spec, target)
    if hasattr(target, "memory_size"):
        return target  # type: ignore[no-any-return]  # a policy that is there already
    if callable(target):
        return PerRow(spec, target, function=True)
    raise SpecError(
        "agent", got=type(target).__name__, expected="a class, a function of an observation, or a policy"
    )
