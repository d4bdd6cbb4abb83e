"""A step of trading on bars, for a whole batch.

Axes: B copies, N seats, K = 1, R rows of bars, W windows, V variants.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arenas.draws import below, word
from arenas.jit import compiled
from arenas.trading.faces import Faces
from arenas.trading.options import MAX_SEATS

PARKED = -1
CHOICES = 7
FRACTIONS = np.array([0.0, 0.25, 0.5, 1.0, -0.25, -0.5, -1.0])
"""What each choice trades: a part of the cash (above 0), or of the shares."""
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)
LOGS = 5
"""Columns of a bar: prices, volume, and from LOGS on the prices' logarithms."""

RULES = np.dtype(
    [(name, np.int64) for name in ("seats", "horizon", "lookback", "window", "windows", "continuous")]
    + [("cost", np.float64)]
)
WORLD = np.dtype(
    [("rng", np.uint64, (1,)), ("step", np.int64), ("row", np.int64)]
    + [(name, np.float64, (MAX_SEATS,)) for name in ("cash", "shares", "worth")],
    align=True,
)
"""One copy: the row of the bar that all see last, and each seat's cash, shares and worth (1 at the start)."""


@compiled
def step_copies(
    worlds_B: NDArray[np.void],
    faces: Faces,
    rules_V: NDArray[np.void],
    variant_B: NDArray[np.int64],
    bars_R9: NDArray[np.float64],
    windows_W2: NDArray[np.int64],
) -> bool:
    """Advance every copy by one bar; `variant_B` is whose rules each plays.

    Nothing is done where a copy asks for a variant that does not exist; returns whether it was done.
    """
    for copy in range(len(worlds_B)):
        if not 0 <= faces.variant_B[copy] < len(rules_V):
            return False
    for copy in range(len(worlds_B)):
        world = worlds_B[copy]
        faces.over_B[copy] = faces.lost_B[copy] = False
        faces.ended_B[copy] = PARKED
        for seat in range(faces.alive_BN.shape[1]):
            faces.reward_BN[copy, seat] = 0.0
            faces.terminated_BN[copy, seat] = faces.truncated_BN[copy, seat] = False
        if faces.restart_B[copy] or faces.ticket_B[copy] == PARKED:
            faces.steps_B[copy] = 0
            _start(world, rules_V, variant_B, faces, copy, windows_W2)
        else:
            rules = rules_V[variant_B[copy]]
            for seat in range(rules["seats"]):
                faces.reward_BN[copy, seat] = _trade(
                    world, rules, seat, faces.action_BNK[copy, seat, 0], bars_R9
                )
            world["step"] += 1
            world["row"] += 1
            faces.steps_B[copy] = world["step"]
            if world["step"] == rules["horizon"]:
                _finish(world, rules, faces, copy, bars_R9)
                _start(world, rules_V, variant_B, faces, copy, windows_W2)
        if faces.ticket_B[copy] != PARKED:
            rules = rules_V[variant_B[copy]]
            _show(world, rules, bars_R9, faces.observation_BNO[copy], faces.mask_BNA[copy])
            if faces.want_state_B[copy]:
                _write_state(world, rules, faces.state_BS[copy])
    return True


@compiled
def _start(
    world: np.void,
    rules_V: NDArray[np.void],
    variant_B: NDArray[np.int64],
    faces: Faces,
    copy: int,
    windows_W2: NDArray[np.int64],
) -> None:
    """Begin the next ticket of a copy, or park it."""
    faces.ticket_B[copy] = faces.next_B[copy]
    parked = faces.ticket_B[copy] == PARKED
    if not parked:
        variant_B[copy] = faces.variant_B[copy]
        rules = rules_V[variant_B[copy]]
        world["rng"][0] = faces.seed_B[copy]
        world["rng"][0] = word(world["rng"])
        _choose_window(world, rules, windows_W2)
        world["step"] = 0
        for seat in range(MAX_SEATS):
            world["cash"][seat] = world["worth"][seat] = 1.0
            world["shares"][seat] = 0.0
    for seat in range(faces.alive_BN.shape[1]):
        alive = not parked and seat < rules_V[variant_B[copy]]["seats"]
        faces.alive_BN[copy, seat] = faces.acting_BN[copy, seat] = alive
        if parked:
            continue
        for i in range(faces.observation_BNO.shape[2]):
            faces.observation_BNO[copy, seat, i] = 0.0
        for choice in range(faces.mask_BNA.shape[2]):
            faces.mask_BNA[copy, seat, choice] = choice == 0


@compiled
def _choose_window(world: np.void, rules: np.void, windows_W2: NDArray[np.int64]) -> None:
    """The last bar seen at the start, uniform among those with a lookback before and a match behind them."""
    need, starts = rules["lookback"] + rules["horizon"], 0
    for window in range(rules["window"], rules["window"] + rules["windows"]):
        starts += max(windows_W2[window, 1] - windows_W2[window, 0] - need + 1, 0)
    start = below(world["rng"], starts)
    for window in range(rules["window"], rules["window"] + rules["windows"]):
        here = max(windows_W2[window, 1] - windows_W2[window, 0] - need + 1, 0)
        if start < here:
            world["row"] = windows_W2[window, 0] + rules["lookback"] - 1 + start
            return
        start -= here


@compiled
def _trade(world: np.void, rules: np.void, seat: int, action: float, bars_R9: NDArray[np.float64]) -> float:
    """Trade at the last close seen, hold until the next: the return of the bar."""
    close, after = bars_R9[world["row"], CLOSE], bars_R9[world["row"] + 1, CLOSE]
    fraction = 0.0
    if rules["continuous"]:
        if -1.0 <= action <= 1.0:
            fraction = float(action)
    elif 0 <= action < CHOICES:
        fraction = FRACTIONS[int(action)]
    if fraction > 0.0:
        spent = fraction * world["cash"][seat]
        world["cash"][seat] -= spent
        world["shares"][seat] += spent * (1.0 - rules["cost"]) / close
    else:
        sold = -fraction * world["shares"][seat]
        world["shares"][seat] -= sold
        world["cash"][seat] += sold * (1.0 - rules["cost"]) * close
    before = world["worth"][seat]
    world["worth"][seat] = world["cash"][seat] + world["shares"][seat] * after
    return float(world["worth"][seat] / before - 1.0)


@compiled
def _finish(world: np.void, rules: np.void, faces: Faces, copy: int, bars_R9: NDArray[np.float64]) -> None:
    """Write scores and the last observations."""
    for seat in range(faces.score_BN.shape[1]):
        inside = seat < rules["seats"]
        faces.score_BN[copy, seat] = world["worth"][seat] - 1.0 if inside else 0.0
        faces.truncated_BN[copy, seat] = inside
    _show(world, rules, bars_R9, faces.last_observation_BNO[copy], faces.last_mask_BNA[copy])
    if faces.want_state_B[copy]:
        _write_state(world, rules, faces.last_state_BS[copy])
    faces.over_B[copy] = True
    faces.ended_B[copy] = faces.ticket_B[copy]


@compiled
def _show(
    world: np.void,
    rules: np.void,
    bars_R9: NDArray[np.float64],
    observation_NO: NDArray[np.float32],
    mask_NA: NDArray[np.uint8],
) -> None:
    """Bars relative to the last close and to their mean volume, oldest first; then the portfolio."""
    row, lookback = world["row"], rules["lookback"]
    close, volume = bars_R9[row, CLOSE], 0.0
    for past in range(row - lookback + 1, row + 1):
        volume += bars_R9[past, VOLUME] / lookback
    first_O, at = observation_NO[0], 0
    for past in range(row - lookback + 1, row + 1):
        for column in range(VOLUME):
            first_O[at] = bars_R9[past, LOGS + column] - bars_R9[row, LOGS + CLOSE]
            at += 1
        first_O[at] = bars_R9[past, VOLUME] / volume - 1.0 if volume > 0.0 else 0.0
        at += 1
    for seat in range(rules["seats"]):
        out_O = observation_NO[seat]
        if seat > 0:
            for i in range(at):
                out_O[i] = first_O[i]
        out_O[at] = world["cash"][seat] / world["worth"][seat]
        out_O[at + 1] = world["shares"][seat] * close / world["worth"][seat]
        out_O[at + 2] = world["worth"][seat] - 1.0
        out_O[at + 3] = 1.0 - world["step"] / rules["horizon"]
        for choice in range(mask_NA.shape[1]):
            fraction = FRACTIONS[choice]
            held = world["cash"][seat] if fraction > 0.0 else world["shares"][seat] * close
            mask_NA[seat, choice] = fraction == 0.0 or held > 1e-9


@compiled
def _write_state(world: np.void, rules: np.void, out_S: NDArray[np.float32]) -> None:
    """Time left, then cash, shares' part and return of each seat."""
    for i in range(len(out_S)):
        out_S[i] = 0.0
    out_S[0] = 1.0 - world["step"] / rules["horizon"]
    for seat in range(rules["seats"]):
        out_S[1 + 2 * seat] = world["cash"][seat] / world["worth"][seat]
        out_S[2 + 2 * seat] = world["worth"][seat] - 1.0
