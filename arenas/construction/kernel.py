"""The step of a whole batch: one serial loop over copies, written straight into the frame's arrays.

Axes: B copies, N seats (capacity), A choices, K = 1, O observation, S state, V variants, X ready activities,
F features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arenas.construction import site
from arenas.construction.forecast import write_forecasts
from arenas.construction.generator import generate
from arenas.construction.slots import FEATURES, describe, fill_slots, mark_startable
from arenas.construction.task import HEAD, write_blueprint, write_general, write_mask, write_own
from arenas.construction.world import (
    NONE,
    begin,
    earliest_completion,
    fits,
    outlook,
    start,
    start_unstaffed,
    work_on,
)
from arenas.draws import below, uniform, word
from arenas.jit import compiled

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


class Scratch(NamedTuple):
    """Memory that outlives no step.

    What trades see, which ready activities can start, their features, a draft.
    """

    general_O: NDArray[np.float32]
    startable_X: NDArray[np.bool_]
    table_XF: NDArray[np.float32]
    draft_1: NDArray[np.void]


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
) -> None:
    """Advance every copy by one step.

    `variant_B` is whose rules each plays, `jobs` the capacity for activities.
    """
    for copy in range(len(worlds_B)):
        world = worlds_B[copy]
        _forget(faces, copy)
        if faces.restart_B[copy] or faces.ticket_B[copy] == PARKED:
            faces.steps_B[copy] = 0
            _start(world, rules_V, variant_B, faces, copy, projects_P, sky_D, scratch, jobs)
        else:
            rules = rules_V[variant_B[copy]]
            points = _play(world, rules, faces.action_BNK[copy], faces.mask_BNA[copy], faces, copy, sky_D)
            _pay(world, rules, points, faces, copy)
            faces.steps_B[copy] = world["step"]
            if world["over"]:
                _finish(world, rules, faces, copy, scratch, jobs)
                _start(world, rules_V, variant_B, faces, copy, projects_P, sky_D, scratch, jobs)
        if faces.ticket_B[copy] == PARKED:
            continue
        rules = rules_V[variant_B[copy]]
        _show(
            world,
            rules,
            faces.observation_BNO[copy],
            faces.mask_BNA[copy],
            faces.acting_BN[copy],
            scratch,
            jobs,
        )
        if not faces.over_B[copy]:
            _leave(world, rules, faces.acting_BN[copy])
        for seat in range(faces.alive_BN.shape[1]):
            faces.alive_BN[copy, seat] = world["alive"][seat] > 0
        if faces.want_state_B[copy]:
            _write_state(world, faces.state_BS[copy], jobs)


@compiled
def _forget(faces: Faces, copy: int) -> None:
    """What only holds for one step."""
    faces.over_B[copy] = False
    faces.lost_B[copy] = False
    faces.ended_B[copy] = PARKED
    for seat in range(faces.reward_BN.shape[1]):
        faces.reward_BN[copy, seat] = 0.0
        faces.terminated_BN[copy, seat] = False
        faces.truncated_BN[copy, seat] = False


@compiled
def _play(
    world: np.void,
    rules: np.void,
    action_NK: NDArray[np.int32],
    mask_NA: NDArray[np.uint8],
    faces: Faces,
    copy: int,
    sky_D: NDArray[np.int8],
) -> float:
    """One round of signatures; where nobody signs, work goes on until somebody can.

    Returns the team's points.
    """
    world["step"] += 1
    points = 0.0
    for seat in range(rules["seats"]):
        world["own"][seat] = 0.0
        world["leaving"][seat] = 0
    if not _sign_all(world, rules, action_NK, mask_NA) and not (rules["consent"] and _agree(world, rules)):
        working = True
        while working:
            if rules["site"]:
                points += site.work_day(world, rules, sky_D)
                _start_signed(world, rules)
            else:
                work_on(world)
            over = world["done"] == world["project"]["jobs"] or (
                rules["site"] and world["day"] >= rules["max_days"]
            )
            working = not over and not rules["site"] and not _somebody_can(world)
            world["over"] = over
        world["bound"] = earliest_completion(world)
        now = outlook(world)
        if world["project"]["critical"] > 0:
            points -= rules["delay_weight"] * (now - world["outlook"]) / world["project"]["critical"]
        world["outlook"] = now
    elif world["done"] == world["project"]["jobs"]:
        world["over"] = 1
    if rules["site"]:
        points += site.reckon(world, rules)
    _demobilise(world, rules)
    staying = 0
    for seat in range(rules["seats"]):
        if world["leaving"][seat]:
            faces.terminated_BN[copy, seat] = True
        elif world["alive"][seat]:
            staying += 1
    if staying == 0:
        world["over"] = 1
    return points


@compiled
def _sign_all(
    world: np.void,
    rules: np.void,
    action_NK: NDArray[np.int32],
    mask_NA: NDArray[np.uint8],
) -> bool:
    """Foremen sign, order and brief; what is signed by all starts. False: nobody did anything."""
    some, crews, modes = False, rules["crews"], rules["modes"]
    choices = 1 + rules["slots"] * modes
    for seat in range(rules["seats"]):
        action = action_NK[seat, 0]
        if not world["alive"][seat] or action <= 0 or action >= mask_NA.shape[1] or not mask_NA[seat, action]:
            continue
        some = True
        if action >= choices:
            site.command(world, rules, action - choices)
            continue
        trade, slot = seat // crews, (action - 1) // modes
        job = world["ready"][world["slot"][trade, slot]]
        if (world["signed"][job] >> trade) & 1:
            continue
        if world["signed"][job] == 0 and modes > 1:
            world["mode"][job] = (action - 1) % modes
        world["signed"][job] |= 1 << trade
        world["lead"][job, trade] = seat
    if some:
        _start_signed(world, rules)
    return some


@compiled
def _start_signed(world: np.void, rules: np.void) -> None:
    """What all its trades have signed starts, in order of latest finish."""
    at = 0
    while at < world["ready_count"]:
        job = world["ready"][at]
        wanted = world["wanted"][job]
        for trade in range(world["project"]["trades"]):
            if world["agency"][trade]:
                wanted &= ~(1 << trade)
        if wanted & ~world["signed"][job] == 0 and fits(world, job) and site.allowed(world, rules, job):
            _begin_work(world, rules, job)
            at = 0
        else:
            at += 1


@compiled
def _begin_work(world: np.void, rules: np.void, job: int) -> None:
    """Start an activity with its materials, and what follows at once."""
    if rules["site"]:
        site.take_materials(world, rules, job)
    start(world, job)
    start_unstaffed(world)


@compiled
def _agree(world: np.void, rules: np.void) -> bool:
    """Start the most urgent activity that a trade has signed and that can start; False: there is none."""
    for at in range(world["ready_count"]):
        job = world["ready"][at]
        if world["signed"][job] > 0 and fits(world, job) and site.allowed(world, rules, job):
            for trade in range(world["project"]["trades"]):
                if (world["wanted"][job] & ~world["signed"][job]) >> trade & 1:
                    world["lead"][job, trade] = trade * rules["crews"]
            _begin_work(world, rules, job)
            return True
    return False


@compiled
def _somebody_can(world: np.void) -> bool:
    """Whether an activity could start now."""
    some = False
    for at in range(world["ready_count"]):
        some = some or fits(world, world["ready"][at])
    return some


@compiled
def _demobilise(world: np.void, rules: np.void) -> None:
    """Trades with no work left leave."""
    for seat in range(rules["seats"]):
        if world["alive"][seat] and world["open"][seat // rules["crews"]] == 0:
            world["leaving"][seat] = 1


@compiled
def _pay(world: np.void, rules: np.void, points: float, faces: Faces, copy: int) -> None:
    """Rewards: `alpha` of the team's points, the rest of a seat's own."""
    world["points"] += points
    alpha = rules["alpha"]
    for seat in range(rules["seats"]):
        if world["alive"][seat]:
            reward = alpha * points + (1.0 - alpha) * world["own"][seat]
            faces.reward_BN[copy, seat] = reward / rules["reward_scale"]


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
        for i in range(faces.observation_BNO.shape[2]):
            faces.last_observation_BNO[copy, seat, i] = faces.observation_BNO[copy, seat, i]
        for choice in range(faces.mask_BNA.shape[2]):
            faces.last_mask_BNA[copy, seat, choice] = faces.mask_BNA[copy, seat, choice]
    _show(
        world,
        rules,
        faces.last_observation_BNO[copy],
        faces.last_mask_BNA[copy],
        faces.acting_BN[copy],
        scratch,
        jobs,
    )
    if faces.want_state_B[copy]:
        _write_state(world, faces.last_state_BS[copy], jobs)
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
    for seat in range(seats):
        for i in range(faces.observation_BNO.shape[2]):
            faces.observation_BNO[copy, seat, i] = 0.0
        for choice in range(faces.mask_BNA.shape[2]):
            faces.mask_BNA[copy, seat, choice] = choice == 0
        faces.alive_BN[copy, seat] = faces.acting_BN[copy, seat] = False
    if rules["blueprint"]:
        base = faces.observation_BNO.shape[2] - _blueprint_length(jobs)
        for seat in range(rules["seats"]):
            write_blueprint(world, jobs, faces.observation_BNO[copy, seat], base, True)


@compiled
def _blueprint_length(jobs: int) -> int:
    return 9 + jobs * (13 + jobs)


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
    generate(rng, jobs, rules["trades"], complexity, factor, strength, scratch.draft_1[0], world["project"])


@compiled
def _show(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    acting_N: NDArray[np.bool_],
    scratch: Scratch,
    jobs: int,
) -> None:
    """Observations and masks of the live seats; who has nothing to choose is not asked."""
    startable_X = scratch.startable_X
    count = mark_startable(world, startable_X)
    if rules["site"]:
        count = site.restrict(world, rules, startable_X)
    fill_slots(world, rules, startable_X)
    describe(world, startable_X, count, scratch.table_XF)
    write_general(world, scratch.general_O)
    if rules["forecast"]:
        late = write_forecasts(world, startable_X, count, scratch.table_XF)
        scratch.general_O[HEAD - 1] = late
    else:
        scratch.general_O[HEAD - 1] = 0.0
    crews, slots, modes = rules["crews"], rules["slots"], rules["modes"]
    base = HEAD + slots * FEATURES
    if rules["site"]:
        site.write_common(world, rules, scratch.general_O, HEAD)
    for trade in range(world["project"]["trades"]):
        first = NONE
        for seat in range(trade * crews, (trade + 1) * crews):
            if not world["alive"][seat]:
                continue
            out_O = observation_NO[seat]
            if first == NONE:
                first = seat
                write_own(world, trade, slots, startable_X, scratch.general_O, scratch.table_XF, out_O)
            else:
                for i in range(base):
                    out_O[i] = observation_NO[first, i]
            some = write_mask(world, trade, slots, modes, startable_X, mask_NA[seat])
            if rules["site"]:
                more = site.write_site(
                    world, rules, seat, trade, scratch.general_O, HEAD, out_O, base, mask_NA[seat]
                )
                some = some or more
            if rules["blueprint"]:
                write_blueprint(world, jobs, out_O, len(out_O) - _blueprint_length(jobs), False)
            acting_N[seat] = some


@compiled
def _leave(world: np.void, rules: np.void, acting_N: NDArray[np.bool_]) -> None:
    """Seats that are done leave, after they have seen the last of it."""
    for seat in range(rules["seats"]):
        if world["leaving"][seat] and world["alive"][seat]:
            world["alive"][seat] = acting_N[seat] = 0
            world["live"] -= 1


@compiled
def _write_state(world: np.void, out_S: NDArray[np.float32], jobs: int) -> None:
    """The whole network and its progress, then bound and stocks."""
    write_blueprint(world, jobs, out_S, 0, True)
    base = _blueprint_length(jobs)
    out_S[base] = world["bound"]
    out_S[base + 1] = world["cash"]
    out_S[base + 2] = world["cost"]
    out_S[base + 3] = world["sky"][0]
    for material in range(3):
        out_S[base + 4 + material] = world["stock"][material]
