"""`check_arena`: everything that an arena promises, whichever way it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.arena import Arena
from marl.batch import BatchArena, LocalPool
from marl.errors import ActionError, MarlError, UnknownNameError
from marl.loading import ArenaRef, build, load, make_env
from marl.policy import RandomLegal, Rows
from marl.single import Single
from marl.spec import PARKED, Spec, Ticket
from marl.testing import face
from marl.testing.traces import Trace, Tracer, same

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEEDS = (11, 12, 13, 14, 15, 16)


def check_arena(
    arena: str | type | ArenaRef, options: Mapping[str, Any] | None = None, *, seeded: bool | None = None
) -> None:
    """Check an arena, named by full spec, class or reference, under its options.

    PettingZoo's own API test, and ours: whole matches are equal bit for bit for equal seeds and actions,
    whatever the arena played before, and whatever it is batched with; other seeds differ (`seeded=False`,
    or the arena's own `seeded`, says that they do not); observations, masks, rewards, ends and scores
    keep the contract of `marl.frame`; a restart comes in the same step; options stay within capacities;
    bad actions and unknown options are refused by name; the PettingZoo face shares no memory.

    Raises AssertionError, or the MarlError that the arena raised where it should not have.
    """
    ref = reference(arena, options)
    target = load(ref.arena)
    batched = isinstance(target, type) and issubclass(target, BatchArena)
    spec = _check_spec(ref)
    own = batched or (isinstance(target, type) and issubclass(target, Arena) and not ref.wrap)
    if seeded is None:
        seeded = _declared(ref, target)
    _check_matches(ref, seeded=seeded)
    _check_restart(ref)
    _check_variants(ref)
    if not batched:
        _check_orders(ref, spec)
    env = Single(build(ref)) if batched else make_env(ref, ref.options)
    try:
        if own:
            _check_options(ref)
            face.check_refusals(env, spec)
            face.check_memory(env, spec)
        if not spec.turns:
            face.check_same(env, _traces(ref, [[Ticket(0, SEEDS[0])]])[0], spec)
        face.pettingzoo_test(env, spec)
    finally:
        env.close()


def reference(arena: str | type | ArenaRef, options: Mapping[str, Any] | None = None) -> ArenaRef:
    """An arena, however it was named, as a reference."""
    if isinstance(arena, ArenaRef):
        return arena
    if isinstance(arena, str):
        return ArenaRef(arena, dict(options or {}))
    spec = f"{arena.__module__}:{arena.__qualname__}"
    load(spec)
    return ArenaRef(spec, dict(options or {}))


def _declared(ref: ArenaRef, target: Any) -> bool:  # noqa: ANN401  # what a spec names
    """Whether the arena says that seeds make a difference."""
    if isinstance(target, type) and issubclass(target, Arena):
        return bool(target(**ref.options).seeded)
    return bool(getattr(target, "seeded", True))


def _check_spec(ref: ArenaRef) -> Spec:
    arena = build(ref)
    spec = arena.spec
    arena.close()
    data = json.loads(json.dumps(spec.to_json(), allow_nan=False))
    assert Spec.from_json(data) == spec, f"{ref.arena}: its Spec does not survive JSON"
    assert len(set(spec.seats)) == len(spec.seats) > 0, f"{ref.arena}: seats {spec.seats}"
    for team, seats in spec.teams.items():
        assert set(seats) <= set(spec.seats), f"{ref.arena}: team {team} has seats {seats}"
    return spec


def _pool(ref: ArenaRef, copies: int) -> LocalPool:
    return LocalPool([build(ref)], copies)


def _traces(ref: ArenaRef, queues: Sequence[Sequence[Ticket]]) -> dict[int, Trace]:
    with _pool(ref, len(queues)) as pool:
        return Tracer(pool).play(queues)


def _check_matches(ref: ArenaRef, *, seeded: bool) -> None:
    """Determinism over whole matches: with a past, in a batch, alone; and other seeds."""
    tickets = [Ticket(i, seed) for i, seed in enumerate(SEEDS)]
    alone: dict[int, Trace] = {}
    for ticket in tickets[:3]:
        alone |= _traces(ref, [[ticket]])
    with _pool(ref, 3) as pool:
        batch = Tracer(pool).play([tickets[0::3], tickets[1::3], tickets[2::3]])
        first = {i: batch[i] for i in range(3)}
        same(alone, first, f"{ref.arena}: alone and in a batch of 3")
        again = Tracer(pool).play([tickets[1::3], tickets[2::3], tickets[0::3]])
        same(batch, again, f"{ref.arena}: the same match after another past")
        json.dumps(pool.view(0, 0), allow_nan=False)
    with _pool(ref, 1) as pool:
        others = [Tracer(pool, action_seed=5).play([[Ticket(0, seed)]])[0] for seed in SEEDS]
    moved = [seed for seed, other in zip(SEEDS[1:], others[1:], strict=True) if others[0].differs(other)]
    if seeded:
        assert moved, (
            f"{ref.arena}: seeds {SEEDS} all give the same match; declare `seeded = False` if that is meant"
        )
    else:
        assert not moved, f"{ref.arena}: it says that seeds make no difference, but seed {moved[0]} does"


def _check_restart(ref: ArenaRef) -> None:
    """A restart in mid-match begins the next ticket at once, as if nothing had been."""
    wanted = _traces(ref, [[Ticket(7, SEEDS[1])]])
    with _pool(ref, 1) as pool:
        tracer = Tracer(pool)
        tracer.begin(Ticket(6, SEEDS[0]))
        if tracer.step() is not None:
            tracer.begin(Ticket(6, SEEDS[0]))
        tracer.begin(Ticket(7, SEEDS[1]))
        trace = None
        while trace is None:
            trace = tracer.step()
        same(wanted, {7: trace}, f"{ref.arena}: a match begun by a restart")
        assert pool.frames[0].ticket_B[0] == PARKED, (
            f"{ref.arena}: a copy without a next ticket is not parked"
        )


def _check_variants(ref: ArenaRef) -> None:
    """The reference's own options, made known again, play the same matches; spaces do not change."""
    with _pool(ref, 2) as pool:
        variant = pool.add_variant(dict(ref.options))
        assert variant > 0, f"{ref.arena}: add_variant gave {variant}; 0 is what the reference names"
        traces = Tracer(pool).play([[Ticket(0, SEEDS[0], 0)], [Ticket(1, SEEDS[0], variant)]])
    difference = traces[0].differs(traces[1])
    assert not difference, f"{ref.arena}: the same options as a variant of their own: {difference}"
    capacity = ArenaRef(ref.arena, ref.options, dict(ref.capacity or ref.options), ref.wrap)
    same(
        _traces(ref, [[Ticket(0, SEEDS[0])]]),
        _traces(capacity, [[Ticket(0, SEEDS[0])]]),
        f"{ref.arena}: capacities",
    )


def _check_options(ref: ArenaRef) -> None:
    """A wrong option is one error that lists the right ones, the nearest first."""
    known = list(build(ref).spec.options)
    wrong = f"{known[0]}x" if known else "no_such_option"
    try:
        build(ArenaRef(ref.arena, {**ref.options, wrong: 1}))
    except UnknownNameError as error:
        said = str(error)
    else:
        raise AssertionError(f"{ref.arena}: option {wrong!r}, which does not exist, is accepted")
    listed = all(name in said for name in known)
    assert listed, f"{ref.arena}: the error of an unknown option does not list {known}: {said}"


def _check_orders(ref: ArenaRef, spec: Spec) -> None:
    """Rows out of the space or masked, in the orders of a batch: refused by seat, before anything moves."""
    for role in spec.roles:
        for what, make in face.bad_rows(role).items():
            with _pool(ref, 2) as pool:
                tracer = Tracer(pool)
                tracer.begin(Ticket(0, SEEDS[0]))
                held = pool.frames[0].roles[role.name]
                for _ in range(face.SEARCH_STEPS):
                    acting = np.flatnonzero(held.acting_BN[0])
                    if len(acting) and (row_K := make(held.mask_BNA[0, acting[0]])) is not None:
                        _refused(pool, spec, role.name, int(acting[0]), row_K, what)
                        break
                    if tracer.step() is not None:
                        break


def _refused(pool: LocalPool, spec: Spec, role: str, seat: int, row_K: Any, what: str) -> None:  # noqa: ANN401
    frame, orders = pool.frames[0], pool.orders[0]
    before = 0
    for other in spec.roles:
        held = frame.roles[other.name]
        acting = np.flatnonzero(held.acting_BN[0])
        if len(acting):
            zero = np.zeros(len(acting), np.int32)
            asked = Rows(
                zero.astype(np.int64), zero.astype(np.uint64), (acting + before).astype(np.int32), zero
            )
            memory = np.zeros((len(acting), 0), np.float32)
            mask_RA = held.mask_BNA[0, acting]
            legal = RandomLegal().act(other, (), mask_RA, memory, asked, greedy=False)
            orders.action[other.name][0, acting] = legal.action_RK
        before += len(other.seats)
    orders.action[role][0, seat] = row_K
    name = spec.role(role).seats[seat]
    try:
        pool.send(0)
    except ActionError as error:
        said = str(error)
    except MarlError as error:
        raise AssertionError(f"{spec.arena}: {what} is refused as {type(error).__name__}: {error}") from error
    else:
        raise AssertionError(f"{spec.arena}: {what} of {name} is played; refuse it with an ActionError")
    assert name in said, f"{spec.arena}: the error of {what} does not name {name}: {said}"
