"""Games of PettingZoo between random-legal players, ours in two processes beside three other loops."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable

import numpy as np

from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.spec import Ticket
from tests.bench.piped import Piped
from tests.bench.table import Row, in_turns

THEIRS = {
    "tic-tac-toe": ("tictactoe_v3", "tic_tac_toe"),
    "connect four": ("connect_four_v3", "connect_four"),
}
"""PettingZoo's classic games, and what OpenSpiel calls them."""


def our_boards(module: str, matches: int) -> Callable[[], float]:
    """Matches per second of a PettingZoo game between random-legal players, 64 copies in two processes."""
    pool = make_pool(ArenaRef(f"pettingzoo.classic.{module}"), hosts=2, copies=64, groups=2)
    players = {"random": Player(RandomLegal())}
    lineup = dict.fromkeys(pool.spec.seats, "random")

    def measure() -> float:
        plan = [Match(Ticket(i, i), lineup) for i in range(matches)]
        began_s = time.perf_counter()
        Play(pool, in_order(plan, 64), players).run()
        return matches / (time.perf_counter() - began_s)

    return measure


def plain_boards(module: str, matches: int) -> Callable[[], float]:
    """The same in PettingZoo's own AEC loop, as its documentation writes it."""
    env = importlib.import_module(f"pettingzoo.classic.{module}").env()
    rng = np.random.default_rng(0)

    def measure() -> float:
        began_s = time.perf_counter()
        for match in range(matches):
            env.reset(seed=match)
            for _ in env.agent_iter():
                seen, _, ended, cut, _ = env.last()
                env.step(None if ended or cut else int(rng.choice(np.flatnonzero(seen["action_mask"]))))
        return matches / (time.perf_counter() - began_s)

    return measure


def openspiel_boards(game: str, matches: int) -> Callable[[], float] | None:
    """The same game in OpenSpiel, its states driven from Python; None where it is not installed."""
    try:
        pyspiel = importlib.import_module("pyspiel")
    except ModuleNotFoundError:
        return None
    loaded = pyspiel.load_game(game)
    rng = np.random.default_rng(0)

    def measure() -> float:
        began_s = time.perf_counter()
        for _ in range(matches):
            state = loaded.new_initial_state()
            while not state.is_terminal():
                state.apply_action(int(rng.choice(state.legal_actions())))
        return matches / (time.perf_counter() - began_s)

    return measure


def board_rows(game: str, module: str, theirs_name: str, runs: int, boards: int) -> list[Row]:
    """Random-legal players on a third-party board in two processes, beside each loop that is installed."""
    peers: list[tuple[str, Callable[[], float] | None, float | None]] = [
        ("PettingZoo's AEC loop", plain_boards(module, boards // 8), 1.5),
        ("OpenSpiel's Python loop", openspiel_boards(theirs_name, boards), None),
    ]
    kaggle = Piped("kaggle", "kaggle_connectx.py", 16) if game == "connect four" else None
    if kaggle is not None:
        peers.append(("kaggle-environments", kaggle.measure, None))
    ours = our_boards(module, boards)
    ours()
    found = in_turns(runs, ours, *(peer for _, peer, _ in peers if peer is not None))
    if kaggle is not None:
        kaggle.close()
    rest = iter(found[1:])
    rows = []
    for name, peer, bar in peers:
        theirs = None if peer is None else next(rest)
        label = name if peer is not None else f"{name}: not installed (make peers)"
        rows.append(Row(f"{game}, random-legal, 2 processes", label, theirs, found[0], "matches/s", bar))
    return rows
