"""What the tests of the site share: batches over memory, actions for them, networks for planners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.scripted.scheduling import Network
from arenas.construction.arena import ConstructionBatch
from marl.frame import over_memory
from marl.policy import Rows
from marl.spec import PARKED, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from arenas.construction.project import Project
    from marl.frame import Frame, Orders
    from marl.policy import Policy

    Choose = Callable[[Frame], NDArray[Any]]


def attached(options: Mapping[str, Any], copies: int) -> tuple[ConstructionBatch, Frame, Orders]:
    """A batch with its arrays, parked."""
    arena = ConstructionBatch(options, None)
    frame, orders = over_memory(arena.spec, copies)
    arena.attach(frame, orders)
    return arena, frame, orders


def begin(
    arena: ConstructionBatch, orders: Orders, seeds: Sequence[int], variants: Sequence[int] = ()
) -> None:
    """Start one match in each copy, and none after it."""
    for copy, seed in enumerate(seeds):
        orders.follow(copy, Ticket(copy, seed, variants[copy] if variants else 0))
    arena.step()
    orders.next_B.fill(PARKED)


def random_choice(rng: np.random.Generator, mask_BNA: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A uniform legal choice for each seat."""
    return np.asarray((rng.random(mask_BNA.shape) * mask_BNA).argmax(-1))


def play(
    policy: Policy,
    options: Mapping[str, Any],
    variants: Sequence[Mapping[str, Any]],
    *,
    greedy: bool = True,
    first_seed: int = 0,
) -> NDArray[np.float64]:
    """The score of each variant, all seats played by one policy."""
    arena, frame, orders = attached(options, len(variants))
    numbers = [arena.add_variant(variant) for variant in variants]
    begin(arena, orders, range(first_seed, first_seed + len(variants)), numbers)
    role = arena.spec.roles[0]
    held, seats = frame.roles["foreman"], len(role.seats)
    score_B = np.zeros(len(variants))
    decision = np.zeros(len(variants) * seats, np.int32)
    while (frame.ticket_B != PARKED).any():
        asked = np.flatnonzero(held.acting_BN)
        copy = asked // seats
        rows = Rows(
            frame.ticket_B[copy],
            (frame.ticket_B[copy] + first_seed).astype(np.uint64),
            (asked % seats).astype(np.int32),
            decision[asked],
        )
        decided = policy.act(
            role,
            [held.observation[0].reshape(len(decision), -1)[asked]],
            held.mask_BNA.reshape(len(decision), -1)[asked],
            np.zeros((len(asked), 0), np.float32),
            rows,
            greedy=greedy,
        )
        orders.action["foreman"].reshape(-1, 1)[asked] = decided.action_RK
        decision[asked] += 1
        arena.step()
        for copy_over in np.flatnonzero(frame.over_B):
            score_B[frame.ended_B[copy_over]] = held.score_BN[copy_over, 0]
    return score_B


def network(project: Project) -> Network:
    """The project as planners see it."""
    jobs = len(project.duration_J)
    after_JJ = np.zeros((jobs, jobs), np.bool_)
    after_JJ[project.arc_A2[:, 0], project.arc_A2[:, 1]] = True
    return Network(project.duration_J, project.demand_JK, project.capacity_K, after_JJ)


def spans(score_B: NDArray[np.float64], critical_B: NDArray[np.int64]) -> NDArray[np.int64]:
    """Makespans from scores of the pure problem."""
    return np.rint(critical_B * (1 - score_B / 100)).astype(np.int64)
