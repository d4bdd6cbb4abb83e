"""The markets' speed: kernel, PettingZoo face, matching, bars, warm start; each beside a peer in one run.

python tests/bench/trading.py [--quick] [--json]

Rates are per second of this process's CPU time, so that a busy machine does not count.
"""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from arenas import make
from arenas.jit import compiled
from arenas.trading import TradingBatch
from arenas.trading import book as engine
from arenas.trading.book import BOOK, BUY, NONE, NUMBERS, TICKS
from arenas.trading.options import Options
from arenas.trading.oracle import OracleBook
from marl.frame import over_memory
from marl.spec import Ticket
from tests.arenas.trading.twin.match import Twin
from tests.arenas.trading.twin.sight import mask, observation
from tests.bench.table import Row, in_turns, options, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from marl.batch import BatchArena

LIMIT, MARKET, CANCEL = range(3)
MARKET_BAR, FACE_BAR, MATCHING_BAR, WARM_BAR_S = 150_000, 50_000, 4_000_000, 1.0


def kernel_rate(arena: BatchArena, copies: int, seconds: float) -> float:
    """Steps of copies per CPU second, with legal choices drawn beforehand."""
    frame, orders = over_memory(arena.spec, copies)
    arena.attach(frame, orders)
    for copy in range(copies):
        orders.follow(copy, Ticket(copy, copy))
    arena.step()
    (role,) = arena.spec.roles
    held, rng = frame.roles[role.name], np.random.default_rng(0)
    steps, spent_s = 0, 0.0
    while spent_s < seconds:
        draw = rng.random(held.mask_BNA.shape, dtype=np.float32) * held.mask_BNA
        orders.action[role.name][...] = draw.argmax(-1)[..., None]
        began_s = time.process_time()
        arena.step()
        spent_s += time.process_time() - began_s
        steps += copies
    return steps / spent_s


def market_twin_rate(seconds: float) -> float:
    """Steps per CPU second of the market in plain Python: world, observations and masks of all seats."""
    chosen = Options.read("twin", {"seats": 8, "horizon": 1000})
    twin, rng = Twin(chosen, 0), np.random.default_rng(0)
    masks = [mask(twin, seat) for seat in range(8)]
    steps, spent_s = 0, 0.0
    while spent_s < seconds and not twin.over:
        actions = [[int((rng.random(30) * np.array(legal)).argmax())] for legal in masks]
        began_s = time.process_time()
        twin.step(actions, masks)
        seen = [observation(twin, seat) for seat in range(8)]
        masks = [mask(twin, seat) for seat in range(8)]
        spent_s += time.process_time() - began_s
        steps += 1
    assert len(seen) == 8
    return steps / spent_s


def face_rate(env: Any, seconds: float) -> float:  # noqa: ANN401  # a PettingZoo environment
    """Steps per CPU second through the dict API, masks included; the caller's choosing is not counted."""
    seen = env.reset(seed=0)[0]
    rng = np.random.default_rng(0)
    steps, spent_s = 0, 0.0
    while spent_s < seconds:
        actions = {
            seat: int((rng.random(len(value["action_mask"])) * value["action_mask"]).argmax())
            for seat, value in seen.items()
            if seat in env.agents
        }
        began_s = time.process_time()
        seen = env.step(actions)[0]
        if not env.agents:
            seen = env.reset()[0]
        spent_s += time.process_time() - began_s
        steps += 1
    return steps / spent_s


def stream(count: int) -> NDArray[np.int32]:
    """Orders (kind, side, price or order to cancel, lots): 60 % limit, 15 % market, 25 % cancel."""
    rng = np.random.default_rng(0)
    ops = np.empty((count, 4), np.int32)
    ops[:, 0] = rng.choice(3, count, p=[0.6, 0.15, 0.25])
    ops[:, 1] = rng.integers(2, size=count)
    centre = np.clip(500 + np.cumsum(rng.normal(0, 0.3, count)), 100, 900)
    ops[:, 2] = centre + rng.normal(0, 6, count)
    numbers = np.maximum(np.cumsum(ops[:, 0] != CANCEL) - 1 - rng.integers(0, 300, count), 0)
    ops[:, 2] = np.where(ops[:, 0] == CANCEL, numbers, ops[:, 2])
    ops[:, 3] = rng.integers(1, 12, count)
    return ops


@compiled
def feed(book: np.void, ops: NDArray[np.int32], slots: NDArray[np.int32]) -> None:
    """The stream through the engine, each order of another owner."""
    for i in range(len(ops)):
        kind, side, price, lots = ops[i]
        if kind == CANCEL:
            if slots[price] != NONE:
                engine.cancel(book, slots[price], price)
            continue
        number = book["top"][NUMBERS]
        if kind == MARKET:
            price = TICKS - 1 if side == BUY else 0
        slots[number] = engine.submit(book, 0, side, price, lots, kind == LIMIT)


def timed(work: Callable[[], None], count: int) -> float:
    """`count` per CPU second of one piece of work."""
    began_s = time.process_time()
    work()
    return count / (time.process_time() - began_s)


def engine_rate(ops: NDArray[np.int32]) -> float:
    """Orders per CPU second of the compiled engine."""
    book: Any = np.zeros(1, BOOK)[0]
    slots = np.full(len(ops) + 1, NONE, np.int32)
    engine.clear(book)
    feed(book, ops[:10], slots)
    engine.clear(book)
    return timed(lambda: feed(book, ops, slots), len(ops))


def twin_rate(ops: NDArray[np.int32]) -> float:
    """Orders per CPU second of the plain Python twin."""
    twin, listed = OracleBook(), ops.tolist()

    def work() -> None:
        for kind, side, price, lots in listed:
            if kind == CANCEL:
                twin.cancel(price)
            else:
                limit = price if kind == LIMIT else TICKS - 1 if side == BUY else 0
                twin.submit(0, side, limit, lots, rest=kind == LIMIT)

    return timed(work, len(ops))


def pyorderbook_rate(ops: NDArray[np.int32]) -> float:
    """Orders per CPU second of PyPI's pyorderbook on the same stream."""
    import pyorderbook

    logging.disable(logging.CRITICAL)
    book, listed = pyorderbook.Book(), ops.tolist()
    orders: list[Any] = []

    def work() -> None:
        for kind, side, price, lots in listed:
            if kind == CANCEL:
                if price < len(orders) and book.get_order(orders[price].id) is not None:
                    book.cancel(orders[price])
                continue
            limit = price if kind == LIMIT else TICKS - 1 if side == BUY else 1
            made = pyorderbook.bid if side == BUY else pyorderbook.ask
            order = made("X", float(limit), lots)
            orders.append(order)
            book.match(order)
            if kind == MARKET and book.get_order(order.id) is not None:
                book.cancel(order)

    return timed(work, len(ops))


def warm_start_s() -> float:
    """Seconds of CPU from nothing to the first step in a fresh process, the kernel compiled before."""
    code = "from arenas.trading import TradingBatch; TradingBatch({'seats': 8})"
    run = [sys.executable, "-c", f"import time; {code}; print(time.process_time())"]
    root = Path(__file__).resolve().parents[2]
    return float(subprocess.run(run, check=True, capture_output=True, text=True, cwd=root).stdout)


def bars_peers(seconds: float) -> list[tuple[str, Callable[[], float]]]:
    """The single-trader environments on bars that are installed."""
    found: list[tuple[str, Callable[[], float]]] = []
    if importlib.util.find_spec("gym_trading_env"):
        found.append(("gym-trading-env", lambda: _gym_rate(_gym_trading_env(), seconds)))
    if importlib.util.find_spec("gym_anytrading"):
        found.append(("gym-anytrading", lambda: _gym_rate(_gym_anytrading(), seconds)))
    return found


def _frame() -> Any:  # noqa: ANN401  # a pandas frame
    import pandas as pd

    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 3000)))
    index = pd.date_range("2000-01-01", periods=3000)
    columns = {"open": close, "high": 1.01 * close, "low": 0.99 * close, "close": close, "volume": 1e6}
    frame = pd.DataFrame(columns, index=index)
    frame["feature_close"] = frame["close"].pct_change().fillna(0.0)
    return frame


def _gym_trading_env() -> Any:  # noqa: ANN401  # a gymnasium environment
    from gym_trading_env.environments import TradingEnv

    return TradingEnv(_frame(), positions=[-1, 0, 1], windows=30, trading_fees=0.001, verbose=0)


def _gym_anytrading() -> Any:  # noqa: ANN401  # a gymnasium environment
    from gym_anytrading.envs import StocksEnv

    frame = _frame().rename(columns=str.capitalize)
    return StocksEnv(frame, window_size=30, frame_bound=(30, 3000))


def _gym_rate(env: Any, seconds: float) -> float:  # noqa: ANN401  # a gymnasium environment
    env.reset(seed=0)
    actions = env.action_space.n
    steps, began_s = 0, time.process_time()
    while time.process_time() - began_s < seconds:
        over = env.step(steps % actions)
        steps += 1
        if over[2] or over[3]:
            env.reset()
    return steps / (time.process_time() - began_s)


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "")
    warnings.filterwarnings("ignore")
    seconds, runs, count = (0.5, 3, 50_000) if asked.quick else (2.0, 5, 200_000)
    market = TradingBatch({"seats": 8, "horizon": 1000})
    face = make("trading", seats=8, horizon=1000)
    lone, many, dicts, plain = in_turns(
        runs,
        lambda: kernel_rate(market, 1, seconds),
        lambda: kernel_rate(market, 64, seconds),
        lambda: face_rate(face, seconds),
        lambda: market_twin_rate(seconds),
    )
    rows = [
        Row("market, 8 seats, 1 copy", "asked for", MARKET_BAR, lone, "env-steps/s"),
        Row("market, 8 seats, 64 copies", "asked for", MARKET_BAR, many, "env-steps/s", 1.0),
        Row("market, 8 seats, PettingZoo with masks", "asked for", FACE_BAR, dicts, "env-steps/s", 1.0),
        Row("market, 8 seats, 64 copies", "the twin in plain Python", plain, many, "env-steps/s"),
    ]
    ops = stream(count)
    fast, twin = in_turns(runs, lambda: engine_rate(ops), lambda: twin_rate(ops))
    rows.append(
        Row("matching, 60/15/25 limit/market/cancel", "asked for", MATCHING_BAR, fast, "orders/s", 1.0)
    )
    rows.append(Row("matching", "the twin in plain Python", twin, fast, "orders/s"))
    if importlib.util.find_spec("pyorderbook"):
        small = ops[: count // 10]
        theirs, ours = in_turns(runs, lambda: pyorderbook_rate(small), lambda: engine_rate(ops))
        rows.append(Row("matching", "pyorderbook", theirs, ours, "orders/s"))
    else:
        rows.append(Row("matching", "pyorderbook: not installed", None, fast, "orders/s"))
    bars = make("trading_ohlcv", prices="walk", seats=1)
    for name, measure in bars_peers(seconds):
        theirs, ours = in_turns(runs, measure, lambda: face_rate(bars, seconds))
        rows.append(Row("bars, 1 trader, PettingZoo", name, theirs, ours, "steps/s"))
    (start_s,) = in_turns(runs, warm_start_s)
    rows.append(
        Row("warm start of a process", "asked for, starts/s", 1 / WARM_BAR_S, 1 / start_s, "starts/s", 1.0)
    )
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
