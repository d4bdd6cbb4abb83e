"""An arena as a PettingZoo environment: PettingZoo's own tests, refusals, memory that is nobody else's."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pettingzoo.test.api_test import api_test
from pettingzoo.test.parallel_test import parallel_api_test
from pettingzoo.utils.conversions import aec_to_parallel_wrapper

from marl.errors import ActionError
from marl.policy import RandomLegal, Rows
from marl.spaces import flatten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.spec import Role, Spec
    from marl.testing.traces import Trace

API_CYCLES = 300
"""How many steps PettingZoo's tests take at most."""

SEARCH_STEPS = 50
"""How many steps into a match a masked choice is looked for."""

BadRow = Callable[["NDArray[np.uint8]"], "NDArray[Any] | None"]


def pettingzoo_test(env: Any, spec: Spec) -> None:  # noqa: ANN401  # a PettingZoo environment
    """PettingZoo's API test of the kind of the environment.

    It refuses environments that PettingZoo converted from turns itself: there the one inside is tested.
    It can't draw from masks of several numbers, nor from masks in the info: such arenas are left to our
    own checks. Its warnings are ours to judge, too.
    """
    for role in spec.roles:
        seen = env.observation_space(role.seats[0])
        shown = isinstance(seen, spaces.Dict) and "action_mask" in seen.spaces
        if role.masked and (not shown or [leaf.kind for leaf in role.action] != ["discrete"]):
            return
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        inside = env.unwrapped
        if isinstance(inside, aec_to_parallel_wrapper):
            api_test(inside.aec_env, num_cycles=API_CYCLES)  # type: ignore[no-untyped-call]  # PettingZoo's
        elif hasattr(env, "agent_iter"):
            api_test(env, num_cycles=API_CYCLES)  # type: ignore[no-untyped-call]  # PettingZoo's
        else:
            parallel_api_test(env, num_cycles=API_CYCLES)


def check_same(env: Any, trace: Trace, spec: Spec) -> None:  # noqa: ANN401  # a PettingZoo parallel environment
    """The same seed and actions as a PettingZoo environment and in a pool: the same match, bit for bit."""
    observations, _ = env.reset(seed=trace.ticket.seed)
    for step, moment in enumerate(trace.moments):
        where = f"{spec.arena} as a PettingZoo environment, step {step}"
        if step:
            actions = _decoded(spec, trace, step - 1)
            idle = [seat for seat in env.agents if seat not in actions]
            actions |= _legal(idle, spec, observations, step)
            observations, rewards, terminated, truncated, _ = env.step(actions)
            for name, said in (
                ("reward_BN", rewards),
                ("terminated_BN", terminated),
                ("truncated_BN", truncated),
            ):
                _assert_seats(where, spec, moment, name, said)
        for role in spec.roles:
            seats = [role.seats[i] for i in moment[f"{role.name}.seats"]]
            for row, seat in enumerate(seats):
                value, mask = split(observations[seat])
                assert env.observation_space(seat).contains(observations[seat]), (
                    f"{where}: {seat} sees {value!r}"
                )
                for i, leaf in enumerate(flatten(role.observation_space, value)):
                    expected = moment[f"{role.name}.observation.{i}"][row]
                    cast = np.asarray(leaf).astype(expected.dtype)
                    assert cast.tobytes() == expected.tobytes(), (
                        f"{where}: {seat} sees {leaf}, in a pool {expected}"
                    )
                if mask is not None:
                    expected = moment[f"{role.name}.mask"][row]
                    assert (np.asarray(mask) == expected).all(), (
                        f"{where}: another mask of {seat} than in a pool"
                    )
    assert not env.agents, f"{spec.arena}: {env.agents} live on as a PettingZoo environment, not in a pool"


def check_refusals(env: Any, spec: Spec) -> None:  # noqa: ANN401  # one of our own environments
    """Actions of a wrong shape, not finite, out of range, masked, missing, too many: each an ActionError."""
    observations, _ = env.reset(seed=3)
    seat = env.agents[0]
    role = spec.role_of(seat)
    legal = _legal(env.agents, spec, observations, 0)
    wrong: dict[str, Any] = {
        "an action of a wrong shape": {**legal, seat: np.zeros((3, 5, 7))},
        "no action": {name: action for name, action in legal.items() if name != seat},
        "an action of nobody": {**legal, "nobody_0": 0},
        "words for an action": {**legal, seat: "buy"},
        "NaN for an action": {**legal, seat: float("nan")},
    }
    mask = split(observations[seat])[1]
    mask_A = np.zeros(0, np.uint8) if mask is None else np.asarray(mask, np.uint8)
    for what, make in bad_rows(role).items():
        row_K = make(mask_A)
        if row_K is not None:
            wrong[what] = {**legal, seat: role.codec.decode(row_K)}
    for what, actions in wrong.items():
        try:
            env.step(actions)
        except ActionError as error:
            said = str(error)
        else:
            raise AssertionError(f"{spec.arena}: {what} of {seat} is played; refuse it with an ActionError")
        assert seat in said, f"{spec.arena}: the error of {what} does not name {seat}: {said}"
    env.step(legal)


def check_memory(env: Any, spec: Spec) -> None:  # noqa: ANN401  # one of our own environments
    """Whoever overwrites what he was handed changes nothing; what he keeps does not change."""
    runs = []
    for spoil in (False, True):
        observations, _ = env.reset(seed=4)
        seen, kept = [], []
        for step in range(SEARCH_STEPS):
            actions = _legal(env.agents, spec, observations, step)
            arrays = [array for value in observations.values() for array in _arrays(value)]
            seen.append([array.tobytes() for array in arrays])
            if spoil:
                for array in arrays:
                    array.fill(1)
            else:
                kept.append(arrays)
            if not env.agents:
                break
            observations, *_ = env.step(actions)
        late = [[array.tobytes() for array in arrays] for arrays in kept]
        assert spoil or late == seen, (
            f"{spec.arena}: an observation that was handed out changes in later steps"
        )
        runs.append(seen)
    assert runs[0] == runs[1], (
        f"{spec.arena}: overwriting an observation that was handed out changes the match"
    )


def bad_rows(role: Role) -> dict[str, BadRow]:
    """Kinds of illegal rows; each makes one for a mask, or None where this mask (or space) allows none."""
    codec = role.codec

    def at_top(mask_A: NDArray[np.uint8]) -> NDArray[Any] | None:
        del mask_A
        row_K: NDArray[Any] = np.clip(codec.low_K, 0, None).astype(codec.dtype)
        finite = np.flatnonzero(codec.high_K < np.finfo(np.float32).max / 2)
        if not len(finite):
            return None
        row_K[finite[-1]] = codec.high_K[finite[-1]] + 1
        return row_K

    def not_finite(mask_A: NDArray[np.uint8]) -> NDArray[Any] | None:
        del mask_A
        if codec.whole_K.all():
            return None
        row_K: NDArray[Any] = np.clip(codec.low_K, 0, None).astype(codec.dtype)
        row_K[~codec.whole_K] = np.nan
        return row_K

    def masked(mask_A: NDArray[np.uint8]) -> NDArray[Any] | None:
        if not role.masked or mask_A.all():
            return None
        row_K = np.zeros(codec.size, codec.dtype)
        for number, offset, choices in zip(codec.choice_K, codec.offset_K, codec.choices_K, strict=True):
            row_K[number] = int(mask_A[offset : offset + choices].argmin())
        return row_K

    return {"an action out of range": at_top, "a NaN action": not_finite, "a masked choice": masked}


def split(value: Any) -> tuple[Any, Any]:  # noqa: ANN401  # the arena's space
    """An observation without its mask, and the mask."""
    if not isinstance(value, dict) or "action_mask" not in value:
        return value, None
    rest = {key: part for key, part in value.items() if key != "action_mask"}
    return (rest["observation"] if list(rest) == ["observation"] else rest), value["action_mask"]


def _legal(seats: Sequence[str], spec: Spec, observations: Mapping[str, Any], step: int) -> dict[str, Any]:
    """A random legal action of each of some seats, the same for the same step."""
    actions = {}
    for seat in seats:
        role = spec.role_of(seat)
        mask = split(observations[seat])[1]
        mask_RA = np.zeros((1, 0), np.uint8) if mask is None else np.asarray(mask, np.uint8)[None]
        at = np.array([spec.seats.index(seat)], np.int32)
        asked = Rows(np.zeros(1, np.int64), np.full(1, 9, np.uint64), at, np.full(1, step, np.int32))
        decision = RandomLegal().act(role, (), mask_RA, np.zeros((1, 0), np.float32), asked, greedy=False)
        actions[seat] = role.codec.decode(decision.action_RK[0])
    return actions


def _decoded(spec: Spec, trace: Trace, step: int) -> dict[str, Any]:
    """What the acting seats did; rows of the others are stale."""
    return {
        seat: role.codec.decode(trace.actions[step][role.name][i])
        for role in spec.roles
        for i, seat in enumerate(role.seats)
        if trace.moments[step][f"{role.name}.acting_BN"][i]
    }


def _assert_seats(
    where: str, spec: Spec, moment: Mapping[str, Any], name: str, said: Mapping[str, Any]
) -> None:
    for role in spec.roles:
        for row, i in enumerate(moment[f"{role.name}.seats"]):
            got, expected = said[role.seats[i]], moment[f"{role.name}.{name}"][row]
            assert got == expected, f"{where}: {name} of {role.seats[i]} is {got}, in a pool {expected}"


def _arrays(value: Any) -> list[NDArray[Any]]:  # noqa: ANN401  # a value of an arbitrary space
    if isinstance(value, dict):
        return [array for part in value.values() for array in _arrays(part)]
    if isinstance(value, tuple):
        return [array for part in value for array in _arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []
