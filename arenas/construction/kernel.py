"""The step of a whole batch: one serial loop over copies, written straight into the frame's arrays.

Axes: B copies, N seats (capacity), A choices, K = 1, O observation, S state, V variants, P projects, D days.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arenas.construction import site
from arenas.construction.generator import generate
from arenas.construction.rounds import play
from arenas.construction.showing import Scratch, clear, show, write_state
from arenas.construction.world import begin
from arenas.draws import below, uniform, word
from arenas.jit import compiled, inlined

PARKED = -1


class Faces(NamedTuple):
    """The arrays of the frame and its orders that the kernel reads and writes."""

    observation_BNO: NDArray[np.float32]
    mask_BNA: NDArray[np.uint8]
    last_observation_BNO: NDArray[np.float32]
    last_mask_BNA: NDArray[np.uint8]
    reward_BN: NDArray[np.float64]
    score_BN: NDArray[np.float64]
    terminated_BN: NDArray[np.bool_]
    truncated_BN: NDArray[np.bool_]
    alive_BN: NDArray[np.bool_]
    acting_BN: NDArray[np.bool_]
    state_BS: NDArray[np.float32]
    last_state_BS: NDArray[np.float32]
    steps_B: NDArray[np.int32]
    ticket_B: NDArray[np.int64]
    ended_B: NDArray[np.int64]
    over_B: NDArray[np.bool_]
    lost_B: NDArray[np.bool_]
    action_BNK: NDArray[np.int32]
    next_B: NDArray[np.int64]
    seed_B: NDArray[np.uint64]
    variant_B: NDArray[np.int32]
    restart_B: NDArray[np.bool_]
    want_state_B: NDArray[np.bool_]


@compiled
def step_copies(
    worlds_B: NDArray[np.void],
    faces: Faces,
    rules_V: NDArray[np.void],
    variant_B: NDArray[np.int64],
    projects_P: NDArray[np.void],
    sky_D: NDArray[np.int8],
    scratch: Scratch,
    jobs: int,
) -> bool:
    """Advance every copy by one step; False, with nothing done: an order names a variant that is not there.

    `variant_B` is whose rules each plays, `jobs` the capacity for activities.
    """
    known = True
    for copy in range(len(worlds_B)):
        known &= 0 <= faces.variant_B[copy] < len(rules_V)
    if not known:
        return False
    faces.over_B[:] = False
    faces.lost_B[:] = False
    faces.ended_B[:] = PARKED
    faces.reward_BN[:] = 0.0
    faces.terminated_BN[:] = False
    faces.truncated_BN[:] = False
    for copy in range(len(worlds_B)):
        world = worlds_B[copy]
        if faces.restart_B[copy] or faces.ticket_B[copy] == PARKED:
            faces.steps_B[copy] = 0
            _start(world, rules_V, variant_B, faces, copy, projects_P, sky_D, scratch, jobs)
        else:
            rules = rules_V[variant_B[copy]]
            points = play(world, rules, faces.action_BNK[copy], faces.mask_BNA[copy], sky_D)
            _pay(world, rules, points, faces.reward_BN[copy], faces.terminated_BN[copy])
            faces.steps_B[copy] = world["step"]
            if world["over"]:
                _finish(world, rules, faces, copy, scratch, jobs)
                _start(world, rules_V, variant_B, faces, copy, projects_P, sky_D, scratch, jobs)
        if faces.ticket_B[copy] == PARKED:
            continue
        rules = rules_V[variant_B[copy]]
        show(
            world,
            rules,
            faces.observation_BNO[copy],
            faces.mask_BNA[copy],
            faces.acting_BN[copy],
            scratch,
            jobs,
        )
        if not faces.over_B[copy]:
            _leave(world, rules, faces.alive_BN[copy], faces.acting_BN[copy])
        if faces.want_state_B[copy]:
            write_state(world, faces.state_BS[copy], jobs)
    return True


@inlined
def _pay(
    world: np.void,
    rules: np.void,
    points: float,
    reward_N: NDArray[np.float64],
    terminated_N: NDArray[np.bool_],
) -> None:
    """Rewards: `alpha` of the team's points, the rest of a seat's own. Where all leave it is over."""
    world["points"] += points
    alpha, staying = rules["alpha"], 0
    for seat in range(rules["seats"]):
        if world["alive"][seat]:
            reward = alpha * points + (1.0 - alpha) * world["own"][seat]
            reward_N[seat] = reward / rules["reward_scale"]
            terminated_N[seat] = world["leaving"][seat] > 0
            staying += world["leaving"][seat] == 0
    if staying == 0:
        world["over"] = 1


@compiled
def _excess(world: np.void) -> float:
    """How far the makespan exceeds the critical path, in percent of it."""
    critical = world["project"]["critical"]
    return 100.0 * (world["day"] - critical) / critical if critical > 0 else 0.0


@compiled
def _finish(world: np.void, rules: np.void, faces: Faces, copy: int, scratch: Scratch, jobs: int) -> None:
    """Scores, ends and last observations."""
    done = world["done"] == world["project"]["jobs"]
    for seat in range(faces.score_BN.shape[1]):
        faces.score_BN[copy, seat] = 0.0
        if seat < rules["seats"]:
            alpha, points = rules["alpha"], world["points"]
            if not rules["site"]:
                points = -_excess(world)
            faces.score_BN[copy, seat] = alpha * points + (1.0 - alpha) * world["account"][seat]
            if world["alive"][seat]:
                if done:
                    faces.terminated_BN[copy, seat] = True
                elif not faces.terminated_BN[copy, seat]:
                    faces.truncated_BN[copy, seat] = True
    faces.last_observation_BNO[copy] = faces.observation_BNO[copy]
    faces.last_mask_BNA[copy] = faces.mask_BNA[copy]
    show(
        world,
        rules,
        faces.last_observation_BNO[copy],
        faces.last_mask_BNA[copy],
        faces.acting_BN[copy],
        scratch,
        jobs,
    )
    if faces.want_state_B[copy]:
        write_state(world, faces.last_state_BS[copy], jobs)
    faces.over_B[copy] = True
    faces.ended_B[copy] = faces.ticket_B[copy]


@compiled
def _start(
    world: np.void,
    rules_V: NDArray[np.void],
    variant_B: NDArray[np.int64],
    faces: Faces,
    copy: int,
    projects_P: NDArray[np.void],
    sky_D: NDArray[np.int8],
    scratch: Scratch,
    jobs: int,
) -> None:
    """Begin the next ticket of a copy, or park it."""
    faces.ticket_B[copy] = faces.next_B[copy]
    seats = faces.alive_BN.shape[1]
    if faces.ticket_B[copy] == PARKED:
        for seat in range(seats):
            faces.alive_BN[copy, seat] = faces.acting_BN[copy, seat] = False
        return
    variant_B[copy] = faces.variant_B[copy]
    rules = rules_V[variant_B[copy]]
    world["rng"][0] = faces.seed_B[copy]
    world["rng"][0] = word(world["rng"])
    _choose_project(world, rules, projects_P, scratch)
    begin(world, rules)
    site.begin_site(world, rules, sky_D)
    clear(world, rules, faces.observation_BNO[copy], faces.mask_BNA[copy], jobs)
    for seat in range(seats):
        faces.alive_BN[copy, seat] = seat < rules["seats"] and world["alive"][seat] > 0
        faces.acting_BN[copy, seat] = False


@compiled
def _choose_project(world: np.void, rules: np.void, projects_P: NDArray[np.void], scratch: Scratch) -> None:
    """One of the files' projects, or a generated one."""
    rng = world["rng"]
    if rules["projects"] > 0:
        row = rules["first"]
        if rules["projects"] > 1:
            row += below(rng, rules["projects"])
        world["project"] = projects_P[row]
        return
    jobs = rules["few"] + below(rng, rules["activities"] - rules["few"] + 1)
    low, spread = rules["complexity_low"], rules["complexity_high"] - rules["complexity_low"]
    complexity = low + spread * uniform(rng)
    factor = rules["factor_low"] + (rules["factor_high"] - rules["factor_low"]) * uniform(rng)
    strength = rules["strength_low"] + (rules["strength_high"] - rules["strength_low"]) * uniform(rng)
    generate(rng, jobs, rules["trades"], complexity, factor, strength, scratch.shop_1[0], world["project"])


@inlined
def _leave(world: np.void, rules: np.void, alive_N: NDArray[np.bool_], acting_N: NDArray[np.bool_]) -> None:
    """Seats that are done leave, after they have seen the last of it."""
    for seat in range(rules["seats"]):
        if world["leaving"][seat] and world["alive"][seat]:
            world["alive"][seat] = 0
            alive_N[seat] = acting_N[seat] = False
            world["live"] -= 1
            world["stale"] = 1
