"""Made-up specs and fragments: rows of every length, with ends, carried memory, masks and fallbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from marl.fragment import Cuts, Fragment
from marl.policy import ILLEGAL, Decision, Rows
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.policy import Policy

FEATURES = 5

ACTIONS: dict[str, spaces.Space[Any]] = {
    "discrete": spaces.Discrete(4),
    "multidiscrete": spaces.MultiDiscrete([3, 2, 4]),
    "multibinary": spaces.MultiBinary(3),
    "tuple": spaces.Tuple((spaces.MultiBinary(2), spaces.Discrete(3))),
    "box": spaces.Box(np.array([-0.1, 0.0], np.float32), np.array([0.1, 4.0], np.float32)),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
}


def role_of(
    name: str = "worker",
    action: str = "discrete",
    seats: int = 3,
    *,
    masked: bool = False,
    features: int = FEATURES,
) -> Role:
    """A role whose seats see `features` numbers."""
    observation = to_json(spaces.Box(-np.inf, np.inf, (features,), np.float32))
    names = tuple(f"{name}_{i}" for i in range(seats))
    return Role(name, names, observation, to_json(ACTIONS[action]), masked=masked)


def spec_of(*roles: Role, state_size: int = 0) -> Spec:
    """An arena of these roles, each seat for itself."""
    seats = [seat for role in roles for seat in role.seats]
    return Spec("toy", "1", {}, roles, {seat: (seat,) for seat in seats}, state_size=state_size)


def learner_of(spec: Spec, seed: int = 0, **settings: Any) -> PPO:
    """A small PPO."""
    return PPO(spec, PPOSettings(**{"hidden": (8, 8), **settings}), seed)


def rows_of(count: int, decision: int = 0, seats: int = 3, start: int = 0) -> Rows:
    """`count` rows, seat by seat of one match after another."""
    number_R = np.arange(start, start + count)
    match_R = number_R // seats
    seat_R = (number_R % seats).astype(np.int32)
    return Rows(match_R, match_R.astype(np.uint64) * 7919, seat_R, np.full(count, decision, np.int32))


def masks_of(role: Role, rows: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random masks that leave the first option of each choice legal."""
    mask_RA = (rng.random((rows, role.mask_size)) < 0.5).astype(np.uint8)
    at = 0
    for size in [size for leaf in role.action for size in leaf.choices] if role.masked else []:
        mask_RA[:, at] = 1
        at += size
    return mask_RA


def fragment_of(
    spec: Spec,
    role: Role,
    policy: Policy,
    rng: np.random.Generator,
    *,
    length: int = 6,
    copies: int = 5,
    faults: bool = False,
) -> Fragment:
    """What `policy` decides on random input; matches end at random, rows end early, memory is carried in."""
    seats = len(role.seats)
    rows, memory_size = copies * seats, policy.memory_size
    shape = (length, rows)
    observation = rng.normal(size=(*shape, FEATURES)).astype(np.float32)
    state = rng.normal(size=(*shape, spec.state_size)).astype(np.float32)
    mask = np.stack([masks_of(role, rows, rng) for _ in range(length)])
    count_R = rng.integers(1, length + 1, rows)
    count_R[0] = length
    valid = np.arange(length)[:, None] < count_R
    ended = valid & (rng.random(shape) < 0.3)
    terminated = ended & (rng.random(shape) < 0.5)
    first = np.concatenate([rng.random((1, rows)) < 0.5, ended[:-1]])
    memory = np.where(first[0][:, None], 0, rng.normal(size=(rows, memory_size)) / 2).astype(np.float32)
    start = memory.copy()
    decisions: list[Decision] = []
    for t in range(length):
        memory = np.where(first[t][:, None], np.float32(0), memory)
        asked = rows_of(rows, t, seats)
        asked.seat_R = (asked.seat_R + spec.seats.index(role.seats[0])).astype(np.int32)
        decision = policy.act(role, [observation[t]], mask[t], memory, asked, greedy=False)
        memory = memory if decision.memory_RM is None else decision.memory_RM
        decisions.append(decision)
    time_C, row_C = np.nonzero(ended | (valid & (np.arange(length)[:, None] == count_R - 1)))
    return Fragment(
        player="learner",
        role=role,
        observation=(observation,),
        mask_TRA=mask,
        action_TRK=np.stack([decision.action_RK for decision in decisions]),
        extras={name: np.stack([d.extras[name] for d in decisions]) for name in decisions[0].extras},
        reward_TR=rng.normal(size=shape).astype(np.float32),
        terminated_TR=terminated,
        truncated_TR=ended & ~terminated,
        valid_TR=valid,
        first_TR=first,
        source_TR=np.where(rng.random(shape) < 0.3 * faults, ILLEGAL, 0).astype(np.uint8),
        time_TR=np.zeros(shape, np.int32),
        copy_R=np.arange(rows) // seats,
        seat_R=np.arange(rows) % seats,
        memory_RM=start,
        state_TRS=state,
        cuts=_cuts(time_C, row_C, role, spec, rng),
    )


def fragments_of(learner: PPO, rng: np.random.Generator, **how: Any) -> list[Fragment]:
    """One fragment a role, decided by the learner as it is now."""
    return [fragment_of(learner.spec, role, learner.policy, rng, **how) for role in learner.spec.roles]


def _cuts(
    time_C: NDArray[np.int64], row_C: NDArray[np.int64], role: Role, spec: Spec, rng: np.random.Generator
) -> Cuts:
    count = len(time_C)
    observation = rng.normal(size=(count, FEATURES)).astype(np.float32)
    state = rng.normal(size=(count, spec.state_size)).astype(np.float32)
    return Cuts(time_C, row_C, (observation,), masks_of(role, count, rng), state)


def weights_of(learner: PPO) -> dict[str, NDArray[Any]]:
    """Copies of everything that a checkpoint would hold."""
    from agents.checkpoint import pack

    return pack(learner._kept())


def assert_same(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> None:
    """Equal bit for bit."""
    assert a.keys() == b.keys()
    for name, array in a.items():
        assert np.array_equal(array, b[name]), name
