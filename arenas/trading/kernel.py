"""The step of a whole batch: one serial loop over copies, written straight into the frame's arrays.

Axes: B copies, N seats (capacity), A choices, K = 1, O observation, S state, V variants, W windows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arenas.draws import below, word
from arenas.jit import compiled
from arenas.trading.actions import CHOICES, obey, steer, write_mask
from arenas.trading.book import BUY, SELL, T_LOTS, T_SIDE, TAPE, TRADES
from arenas.trading.faces import Faces
from arenas.trading.flow import background
from arenas.trading.options import CENTS, LATE
from arenas.trading.task import pay, remember, write_private, write_public, write_state
from arenas.trading.world import (
    CASH,
    COST,
    EQUITY,
    SHARES,
    begin,
    blur,
    close_out,
    cross,
    look,
    margin_call,
    move_value,
)

PARKED = -1


@compiled
def step_copies(
    worlds_B: NDArray[np.void],
    faces: Faces,
    rules_V: NDArray[np.void],
    variant_B: NDArray[np.int64],
    series: NDArray[np.float64],
    windows_W2: NDArray[np.int64],
    public_O: NDArray[np.float32],
    depth: int,
) -> bool:
    """Advance every copy by one step; `variant_B` is whose rules each plays, `public_O` is scratch.

    Nothing is done where a copy asks for a variant that does not exist; returns whether it was done.
    """
    for copy in range(len(worlds_B)):
        if not 0 <= faces.variant_B[copy] < len(rules_V):
            return False
    for copy in range(len(worlds_B)):
        world = worlds_B[copy]
        _forget(faces, copy)
        if faces.restart_B[copy] or faces.ticket_B[copy] == PARKED:
            faces.steps_B[copy] = 0
            _start(world, rules_V, variant_B, faces, copy, series, windows_W2)
        else:
            rules = rules_V[variant_B[copy]]
            _play(
                world,
                rules,
                series,
                faces.action_BNK[copy],
                faces.mask_BNA[copy],
                faces.reward_BN[copy],
                faces.terminated_BN[copy],
            )
            faces.steps_B[copy] = world["step"]
            if world["over"]:
                _finish(world, rules, faces, copy, depth, public_O)
                _start(world, rules_V, variant_B, faces, copy, series, windows_W2)
        if faces.ticket_B[copy] == PARKED:
            continue
        rules = rules_V[variant_B[copy]]
        _show(world, rules, faces.observation_BNO[copy], faces.mask_BNA[copy], depth, public_O)
        if not faces.over_B[copy]:
            _leave(world, rules, faces.terminated_BN[copy])
        for seat in range(faces.alive_BN.shape[1]):
            faces.alive_BN[copy, seat] = world["alive"][seat] > 0
            faces.acting_BN[copy, seat] = world["alive"][seat] > 0
        if faces.want_state_B[copy]:
            write_state(world, rules, depth, faces.state_BS[copy])
    return True


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
    series: NDArray[np.float64],
    action_NK: NDArray[np.generic],
    mask_NA: NDArray[np.uint8],
    reward_N: NDArray[np.float64],
    terminated_N: NDArray[np.bool_],
) -> None:
    """One step of a match: orders in their turn, the value moves, the background trades, margin, pay."""
    world["step"] += 1
    world["top"][TRADES] = 0
    count = _line_up(world, rules)
    for latency in range(min(rules["slowest"], LATE - 1) + 1):
        _hear(world, rules, count, latency, action_NK, mask_NA)
    move_value(world, rules, series)
    if rules["informed"]:
        blur(world, rules)
    halted = world["halt"] > 0
    if not halted:
        background(world, rules)
    if rules["slowest"] == LATE:
        _hear(world, rules, count, LATE, action_NK, mask_NA)
    previous_mid2 = world["mid2"]
    look(world)
    for seat in range(rules["liquidator_seats"]):
        if world["alive"][seat]:
            _pursue(world, rules, seat, terminated_N)
    for seat in range(rules["seats"]):
        called = world["alive"][seat] and not halted and not terminated_N[seat]
        if called and margin_call(world, rules, seat):
            terminated_N[seat] = True
            world["live"] -= 1
            look(world)
    if halted:
        world["halt"] -= 1
    elif rules["halt_move"] > 0 and abs(world["mid2"] - previous_mid2) >= 2 * rules["halt_move"]:
        world["halt"] = rules["halt_steps"]
    remember(world, rules, previous_mid2, _flow(world))
    world["over"] = world["step"] >= rules["horizon"] or world["live"] == 0
    seen = mark_of(world, rules)
    shown = rules["mark_value"] and not world["over"]
    pay(world, rules, seen, math.floor(CENTS * world["value"]) if shown else seen, reward_N)


@compiled
def _pursue(world: np.void, rules: np.void, seat: int, terminated_N: NDArray[np.bool_]) -> None:
    """Who has sold all leaves; what is left in the last step is sold into the book, as far as it goes."""
    account = world["accounts"][seat + 1]
    if world["step"] >= rules["horizon"] and account[SHARES] > 0:
        close_out(world, seat + 1)
        cross(world, rules, seat + 1, SELL, account[SHARES])
        look(world)
    if account[SHARES] == 0:
        close_out(world, seat + 1)
        terminated_N[seat] = True
        world["live"] -= 1
        look(world)


@compiled
def _line_up(world: np.void, rules: np.void) -> int:
    """The live seats in random order, in the world's `turn`; returns how many."""
    count, turn = 0, world["turn"]
    for seat in range(rules["seats"]):
        if world["alive"][seat]:
            turn[count] = seat
            count += 1
    for place in range(count - 1, 0, -1):
        other = below(world["rng"], place + 1)
        turn[place], turn[other] = turn[other], turn[place]
    return count


@compiled
def _hear(
    world: np.void,
    rules: np.void,
    count: int,
    latency: int,
    action_NK: NDArray[np.generic],
    mask_NA: NDArray[np.uint8],
) -> None:
    """Carry out what the seats of a latency class chose; masked and unknown choices do nothing."""
    for place in range(count):
        seat = world["turn"][place]
        if rules["latency"][seat] != latency:
            continue
        if rules["continuous"]:
            steer(world, rules, seat, action_NK[seat])
            continue
        action = int(action_NK[seat, 0])
        if 0 <= action < CHOICES and mask_NA[seat, action]:
            obey(world, rules, seat, action)


@compiled
def _flow(world: np.void) -> int:
    """Signed volume of this step's trades: lots bought less lots sold by those who came in."""
    total, tape = 0, world["tape"]
    for trade in range(min(world["top"][TRADES], TAPE)):
        total += tape[trade, T_LOTS] if tape[trade, T_SIDE] == BUY else -tape[trade, T_LOTS]
    return total


@compiled
def mark_of(world: np.void, rules: np.void) -> int:
    """What a lot counts, in hundredths: the mid, or at the end the value to the nearest half tick."""
    if world["over"] and rules["settle_value"]:
        mark: int = math.floor(2.0 * world["value"] + 0.5) * (CENTS // 2)
        return mark
    return int(world["mid2"]) * (CENTS // 2)


@compiled
def _finish(
    world: np.void, rules: np.void, faces: Faces, copy: int, depth: int, public_O: NDArray[np.float32]
) -> None:
    """Settle all positions; write scores and the last observations, which show settled accounts."""
    mark, capital = mark_of(world, rules), rules["capital"] * CENTS
    for seat in range(rules["seats"]):
        account = world["accounts"][seat + 1]
        close_out(world, seat + 1)
        account[CASH] += account[SHARES] * mark
        account[SHARES] = account[COST] = 0
        account[EQUITY] = account[CASH]
        faces.score_BN[copy, seat] = (account[CASH] - capital) / CENTS
        if world["alive"][seat] and not faces.terminated_BN[copy, seat]:
            faces.truncated_BN[copy, seat] = True
    look(world)
    for seat in range(faces.score_BN.shape[1]):
        if seat >= rules["seats"]:
            faces.score_BN[copy, seat] = 0.0
        for i in range(len(public_O)):
            faces.last_observation_BNO[copy, seat, i] = faces.observation_BNO[copy, seat, i]
        for choice in range(faces.mask_BNA.shape[2]):
            faces.last_mask_BNA[copy, seat, choice] = faces.mask_BNA[copy, seat, choice]
    _show(world, rules, faces.last_observation_BNO[copy], faces.last_mask_BNA[copy], depth, public_O)
    if faces.want_state_B[copy]:
        write_state(world, rules, depth, faces.last_state_BS[copy])
    faces.over_B[copy] = True
    faces.ended_B[copy] = faces.ticket_B[copy]


@compiled
def _start(
    world: np.void,
    rules_V: NDArray[np.void],
    variant_B: NDArray[np.int64],
    faces: Faces,
    copy: int,
    series: NDArray[np.float64],
    windows_W2: NDArray[np.int64],
) -> None:
    """Begin the next ticket of a copy, or park it."""
    faces.ticket_B[copy] = faces.next_B[copy]
    seats = faces.alive_BN.shape[1]
    if faces.ticket_B[copy] == PARKED:
        for seat in range(seats):
            faces.alive_BN[copy, seat] = faces.acting_BN[copy, seat] = False
        return
    variant_B[copy] = faces.variant_B[copy]
    world["rng"][0] = faces.seed_B[copy]
    world["rng"][0] = word(world["rng"])
    begin(world, rules_V[variant_B[copy]], series, windows_W2)
    for seat in range(seats):
        for i in range(faces.observation_BNO.shape[2]):
            faces.observation_BNO[copy, seat, i] = 0.0
        for choice in range(faces.mask_BNA.shape[2]):
            faces.mask_BNA[copy, seat, choice] = choice == 0


@compiled
def _show(
    world: np.void,
    rules: np.void,
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
    depth: int,
    public_O: NDArray[np.float32],
) -> None:
    """Observations and masks of the live seats; the rows of the others stay as they were."""
    private = write_public(world, rules, depth, public_O)
    for seat in range(rules["seats"]):
        if not world["alive"][seat]:
            continue
        for i in range(private):
            observation_NO[seat, i] = public_O[i]
        write_private(world, rules, seat, observation_NO[seat], private)
        if not rules["continuous"]:
            write_mask(world, rules, seat, mask_NA[seat])


@compiled
def _leave(world: np.void, rules: np.void, terminated_N: NDArray[np.bool_]) -> None:
    """Seats that were called leave, after they have seen the last of it."""
    for seat in range(rules["seats"]):
        if terminated_N[seat]:
            world["alive"][seat] = False
