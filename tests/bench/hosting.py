"""Environment processes beside their peers: the same environments, in turns, in one run.

python tests/bench/hosting.py [--quick] [--json]

Where other work keeps the cores busy, a ratio of wall-clock rates says little about processes side by side;
the rows "per CPU-second" count what each side really got. The rows "2 processes alone" say what two processes
of the same arena get from this machine without hosting; two hosts share the cores with their driver besides.
PufferLib 3.0.0 does not install from its index (it builds against a library that it fetches from elsewhere,
and pins numpy < 2), so its row stays empty.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from marl.bare import bare
from marl.errors import MarlError
from marl.hosting import HostPool, make_pool
from marl.hosting.keeper import Keeper
from marl.hosting.keys import make_keys
from marl.loading import ArenaRef
from tests.bench.hosting_programs import Alone, Echo
from tests.bench.hosting_runners import (
    Plain,
    PlainTurns,
    Pool,
    Runner,
    baselines_cart_pole,
    close_all,
    gymnasium_cart_pole,
    supersuit_spread,
)
from tests.bench.table import Row, options, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SPREAD = ArenaRef("mpe2.simple_spread_v3")
CART_POLE = ArenaRef("tests.bench.hosting_worlds:CartPole")
BOARD = ArenaRef("pettingzoo.classic.connect_four_v3")
MARKET = ArenaRef("arenas.trading:TradingBatch", {"seats": 8})
SITE = ArenaRef("arenas.construction:ConstructionBatch")
PIXELS = "tests.bench.hosting_worlds:Pixels"


class Measured:
    """Rates of runners that took turns: each round one after the other, so that all see the same weather."""

    def __init__(self, runners: Mapping[str, Runner], rounds: int, seconds: float) -> None:
        self._rates: dict[str, list[float]] = {name: [] for name in runners}
        self._costs: dict[str, list[float]] = {name: [] for name in runners}
        try:
            pids = _family()
            for runner in runners.values():
                runner.rate(min(0.2, seconds))
            for _ in range(rounds):
                for name, runner in runners.items():
                    before_s = _cpu_seconds(pids)
                    rate, took_s = runner.rate(seconds)
                    self._rates[name].append(rate)
                    self._costs[name].append((_cpu_seconds(pids) - before_s) / (rate * took_s))
        finally:
            close_all(list(runners.values()))

    def rate(self, name: str) -> float:
        """Median steps a second."""
        return statistics.median(self._rates[name])

    def efficiency(self, name: str) -> float:
        """Median steps a CPU-second of all processes together."""
        return 1 / statistics.median(self._costs[name])

    def row(self, work: str, ours: str, peer: str, bar: float | None = None, unit: str = "steps/s") -> Row:
        """Ours beside a peer; the ratio is the median of the rounds' ratios."""
        ratios = [a / b for a, b in zip(self._rates[ours], self._rates[peer], strict=True)]
        ratio = statistics.median(ratios)
        return Row(work, peer, self.rate(peer), self.rate(peer) * ratio, unit, bar)

    def cpu_row(self, work: str, ours: str, peer: str) -> Row:
        """The same, per CPU-second."""
        return Row(
            f"{work}, per CPU-second", peer, self.efficiency(peer), self.efficiency(ours), "steps/CPU-s"
        )


def spread(rounds: int, seconds: float) -> list[Row]:
    """mpe2's simple_spread, 32 copies in all."""
    from mpe2 import simple_spread_v3

    runners: dict[str, Runner] = {
        "plain Python loop": Plain(simple_spread_v3.parallel_env, 32),
        "the same, without PettingZoo's checks": Plain(lambda: bare(simple_spread_v3.parallel_env()), 32),
        "SuperSuit, 0 processes": supersuit_spread(32, 0),
        "SuperSuit, 2 processes": supersuit_spread(32, 2),
        "in process": Pool(make_pool(SPREAD, hosts=0, copies=32, groups=2)),
        "1 host": Pool(HostPool(SPREAD, hosts=1, copies=32, groups=2)),
        "2 hosts": Pool(HostPool(SPREAD, hosts=2, copies=32, groups=4, split=False), by_ready=True),
    }
    measured = Measured(runners, rounds, seconds)
    best = max(("SuperSuit, 0 processes", "SuperSuit, 2 processes"), key=measured.rate)
    work = "simple_spread, 32 copies"
    return [
        measured.row(f"{work}, 2 hosts", "2 hosts", "plain Python loop", 1.7),
        measured.cpu_row(f"{work}, 2 hosts", "2 hosts", "plain Python loop"),
        measured.row(f"{work}, 2 hosts", "2 hosts", best, 1.45),
        measured.cpu_row(f"{work}, 2 hosts", "2 hosts", best),
        measured.row(f"{work}, 2 hosts", "2 hosts", "the same, without PettingZoo's checks"),
        measured.row(f"{work}, 1 host", "1 host", "plain Python loop"),
        measured.row(f"{work}, in process", "in process", "plain Python loop"),
        Row(work, "PufferLib multiprocessing (does not install)", None, measured.rate("2 hosts"), "steps/s"),
    ]


def cart_pole(rounds: int, seconds: float) -> list[Row]:
    """CartPole as an arena of one seat, 64 copies a host."""
    runners: dict[str, Runner] = {
        "Gymnasium sync": gymnasium_cart_pole(128, processes=False),
        "Gymnasium async, 2 processes": gymnasium_cart_pole(2, processes=True),
        "SB3 dummy": baselines_cart_pole(128, processes=False),
        "SB3 subproc, 2 processes": baselines_cart_pole(2, processes=True),
        "1 host": Pool(HostPool(CART_POLE, hosts=1, copies=64, groups=2)),
        "2 hosts": Pool(HostPool(CART_POLE, hosts=2, copies=128, groups=2, split=False), by_ready=True),
    }
    measured = Measured(runners, rounds, seconds)
    work = "CartPole, 64 copies a host"
    return [
        measured.row(f"{work}, 2 hosts", "2 hosts", "Gymnasium sync", 1.4),
        measured.cpu_row(f"{work}, 2 hosts", "2 hosts", "Gymnasium sync"),
        *(measured.row(f"{work}, 2 hosts", "2 hosts", peer) for peer in list(runners)[1:4]),
        measured.row(f"{work}, 1 host", "1 host", "Gymnasium sync"),
    ]


def board(rounds: int, seconds: float) -> list[Row]:
    """A classic AEC game with masks, turn by turn; no peer takes AEC games as they are."""
    make = importlib.import_module(BOARD.arena).env
    runners: dict[str, Runner] = {
        "plain Python loop": PlainTurns(make),
        "the same, without PettingZoo's checks": PlainTurns(lambda: bare(make())),
        "2 hosts": Pool(HostPool(BOARD, hosts=2, copies=64, groups=2, split=False), by_ready=True),
    }
    measured = Measured(runners, rounds, seconds)
    work = "connect_four (AEC), 64 copies, 2 hosts"
    return [
        measured.row(work, "2 hosts", "plain Python loop", unit="moves/s"),
        measured.cpu_row(work, "2 hosts", "plain Python loop"),
        measured.row(work, "2 hosts", "the same, without PettingZoo's checks", unit="moves/s"),
    ]


def batched(name: str, ref: ArenaRef, rounds: int, seconds: float) -> list[Row]:
    """A batched arena of ours, with copies enough that a group's step takes over a millisecond.

    Each host has two groups: it steps one while the other is acted for.
    """
    copies = _enough_copies(ref)
    runners: dict[str, Runner] = {
        "itself, in process": Pool(make_pool(ref, hosts=0, copies=copies, groups=2)),
        "1 host": Pool(HostPool(ref, hosts=1, copies=copies, groups=2)),
        "2 hosts": Pool(HostPool(ref, hosts=2, copies=copies, groups=4, split=False), by_ready=True),
        "1 process alone": Alone(ref, copies=copies // 2, processes=1),
        "2 processes alone": Alone(ref, copies=copies // 2, processes=2),
    }
    measured = Measured(runners, rounds, seconds)
    work = (
        f"{name}, {copies} copies ({1e3 * copies / 2 / measured.rate('itself, in process'):.1f} ms a group)"
    )
    return [
        measured.row(f"{work}, 1 host", "1 host", "itself, in process", 0.85),
        measured.row(f"{work}, 2 hosts", "2 hosts", "1 host", 1.7),
        measured.cpu_row(f"{work}, 2 hosts", "2 hosts", "1 host"),
        measured.row(f"{work}, 2 processes alone", "2 processes alone", "1 process alone"),
        measured.row(f"{work}, 2 hosts", "2 hosts", "2 processes alone"),
    ]


def _enough_copies(ref: ArenaRef) -> int:
    """So many that a step of half of them takes about 3 ms of this process."""
    tried, steps = 128, 20
    runner = Pool(make_pool(ref, hosts=0, copies=tried, groups=2))
    runner.turn()
    began_s = time.process_time()
    for _ in range(steps):
        runner.turn()
    step_s = (time.process_time() - began_s) / steps / 2
    runner.close()
    return max(16, round(tried * 3e-3 / step_s / 16) * 16)


def pixels(rounds: int, seconds: float) -> list[Row]:
    """What hosting a step costs with large observations; they are written and read in place."""
    runners: dict[str, Runner] = {
        "4 numbers": Pool(HostPool(ArenaRef(PIXELS), hosts=1, copies=32, groups=2)),
        "images": Pool(HostPool(ArenaRef(PIXELS, {"size": 84}), hosts=1, copies=32, groups=2)),
        "painted here": Pool(make_pool(_painted(), hosts=0, copies=32, groups=2)),
        "painted there": Pool(HostPool(_painted(), hosts=1, copies=32, groups=2)),
    }
    measured = Measured(runners, rounds, seconds)
    work = "84x84x4 uint8, 16 copies a step"
    return [
        measured.row(f"{work}: hosting a step", "images", "4 numbers", 1 / 1.15),
        measured.cpu_row(f"{work}: hosting a step", "images", "4 numbers"),
        measured.row(f"{work}, each painted anew: 1 host", "painted there", "painted here"),
    ]


def _painted() -> ArenaRef:
    return ArenaRef(PIXELS, {"size": 84, "paint": True})


def round_trip(rounds: int, seconds: float) -> list[Row]:
    """An empty step there and back, one at a time."""
    runners: dict[str, Runner] = {
        "raw DEALER/ROUTER": Echo(),
        "ours": _Bare(HostPool(ArenaRef(PIXELS), hosts=1, copies=4, groups=1)),
    }
    measured = Measured(runners, rounds, seconds)
    work = "an empty step, round trip"
    return [
        measured.row(work, "ours", "raw DEALER/ROUTER", 1 / 1.3, "round trips/s"),
        measured.cpu_row(work, "ours", "raw DEALER/ROUTER"),
    ]


class _Bare(Runner):
    """Steps of one group, without actions or tickets."""

    def __init__(self, pool: HostPool) -> None:
        self._pool = pool

    def turn(self) -> int:
        """One step."""
        self._pool.send(0)
        self._pool.receive(0)
        return 1

    def close(self) -> None:
        """End the host."""
        self._pool.close()


def wire(rounds: int, seconds: float) -> list[Row]:
    """TCP with CURVE: images of 16 copies a step, two steps under way; raw ZeroMQ moves as many bytes."""
    with tempfile.TemporaryDirectory() as folder:
        host_half, owner_half = make_keys(Path(folder) / "keys")
        keeper = Keeper(f"tcp://127.0.0.1:{_free_port()}", 1, host_half)
        keeper.look()
        try:
            pool = HostPool(
                ArenaRef(PIXELS, {"size": 84}), hosts=keeper.endpoints, copies=32, groups=2, keys=owner_half
            )
            back = 16 * 84 * 84 * 4
            runners: dict[str, Runner] = {
                "raw ZeroMQ": Echo(there=600, back=back, ahead=2, keys=owner_half.parent),
                "ours": Pool(pool),
            }
            measured = Measured(runners, rounds, seconds)
        finally:
            keeper.close()
    work = "wire plane, tcp + CURVE, 441 KiB a step"
    raw, ours = measured.rate("raw ZeroMQ"), measured.row(work, "ours", "raw ZeroMQ").ours or 0.0
    # A round trip of the raw side is a step of 16 copies.
    return [Row(work, "raw ZeroMQ", raw, ours / 16, "steps/s", 0.7)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family() -> list[int]:
    """This process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [os.getpid()]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _cpu_seconds(pids: list[int]) -> float:
    """What these processes have used so far, in all their threads."""
    spent = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def main() -> None:
    """Print the table."""
    chosen = options(str(__doc__).partition("\n")[0])
    warnings.simplefilter("ignore")
    rounds, seconds = (3, 0.4) if chosen.quick else (7, 1.0)
    parts: dict[str, Callable[[int, float], list[Row]]] = {
        "simple_spread": spread,
        "CartPole": cart_pole,
        "connect_four": board,
        "market": lambda rounds, seconds: batched("market, 8 seats", MARKET, rounds, seconds),
        "construction site": lambda rounds, seconds: batched("construction site", SITE, rounds, seconds),
        "84x84x4 uint8": pixels,
        "an empty step": round_trip,
        "wire plane": wire,
    }
    rows: list[Row] = []
    for name, part in parts.items():
        try:
            rows += part(rounds, seconds)
        except MarlError as error:
            rows.append(Row(name, f"not run: {error}", None, None, "steps/s"))
    show(rows, as_json=chosen.json)


if __name__ == "__main__":
    main()
