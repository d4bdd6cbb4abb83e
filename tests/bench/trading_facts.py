"""What the markets are judged by: Gode-Sunder, Cliff-Bruten, classic traders, stylised facts of prices.

python tests/bench/trading_facts.py [--quick] [--json]

Real series come from the folder named by MARL_DATA (prices/bokeh_wiki_stocks.csv.gz); else they are left out.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from arenas.trading import TradingBatch
from arenas.trading.book import FILLED
from arenas.trading.presets import CONVEX, CROWD_ONLY, EXCHANGE, SHAPES
from marl.frame import over_memory
from marl.spec import Ticket
from tests.arenas.trading.laboratory import Laboratory
from tests.bench.table import options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Line = dict[str, Any]

BAR = 64
LONG = {**EXCHANGE, "prices": "bokeh:IBM,MSFT", "scale_low": 1.0, "scale_high": 1.0, "mirror": False}
"""`exchange` over a thousand days of 64 steps, with the real returns of two firms that stay on the ladder."""
PUBLISHED = {"1": (90.0, 99.9), "2": (90.0, 99.2), "3": (76.7, 99.0), "4": (48.8, 98.2), "5": (86.0, 97.1)}
"""Gode, Sunder 1993, table 2: mean allocative efficiency of ZI-U and ZI-C, per cent."""

OPEN_BOOK = {**SHAPES["symmetric"], "periods": 5, "improve": False, "clear": False, "events": 64}
KINDS = ("zi_c", "zip", "gdx", "aa")
BSE = {
    "zi_c": (87.1, 19.5),
    "gvwy": (67.3, 24.5),
    "shvr": (0.2, None),
    "snpr": (19.5, 29.9),
    "zip": (61.3, 12.2),
}
"""Efficiency and Smith's alpha, per cent, of its own program: mean of 40 seeds, 30 s (660 quotes)."""


def gode_sunder(copies: int, steps: int) -> list[Line]:
    """Efficiency of ZI-U and ZI-C in the five convex markets, and ZI-U's exact limit."""
    lines: list[Line] = []
    for name, schedule in CONVEX.items():
        line: Line = {"market": name}
        for trader, published in zip(("zi_u", "zi_c"), PUBLISHED[name], strict=True):
            lab = Laboratory({**schedule, "periods": 6, "period_steps": steps}, range(copies))
            lab.run(trader)
            line["P0"] = lab.options.equilibrium[0]
            line[f"{trader} published"] = published
            line[trader] = 100 * float(lab.efficiency_B.mean())
            line[f"{trader} sd"] = 100 * float(lab.efficiency_B.std())
        whole = sum(map(sum, lab.options.values)) - sum(map(sum, lab.options.costs))
        line["zi_u limit"] = 100 * whole / lab.options.equilibrium[2]
        line["ok"] = line["zi_c"] >= 97 and abs(line["zi_u"] - line["zi_u limit"]) < 1e-9
        lines.append(line)
    return lines


def cliff_bruten(copies: int, steps: int) -> list[Line]:
    """Mean price and Smith's alpha of ZI-C and ZIP by shouts, last half of ten periods.

    By the shape of the curves, one unit each; then the schedules of several units.
    """
    lines: list[Line] = []
    named = {**SHAPES, **{f"units, market {name}": schedule for name, schedule in CONVEX.items()}}
    for name, schedule in named.items():
        line: Line = {"shape": name}
        for trader in ("zi_c", "zip"):
            shouts = {"arrival": "shout", "periods": 10, "period_steps": steps}
            lab = Laboratory({**schedule, **shouts}, range(copies))
            lab.run(trader)
            line["P0"] = lab.options.equilibrium[0]
            line[f"{trader} price"] = float(lab.mean_T[5:].mean())
            line[f"{trader} alpha"] = float(lab.alpha_T[5:].mean())
            line[f"{trader} efficiency"] = 100 * float(lab.efficiency_B.mean())
        off = {trader: abs(line[f"{trader} price"] - line["P0"]) for trader in ("zi_c", "zip")}
        comes_back = off["zip"] < off["zi_c"] or name not in {"flat_supply", "box"}
        line["ok"] = line["zip alpha"] < line["zi_c alpha"] and comes_back
        lines.append(line)
    return lines


def bse(copies: int) -> list[Line]:
    """Traders of Cliff's Bristol Stock Exchange among their like: 660 quotes, limits from 50 to 150."""
    lines: list[Line] = []
    free = {"price_max": 500, "improve": False, "clear": False, "periods": 1, "period_steps": 660}
    for trader, (efficiency, alpha) in BSE.items():
        lab = Laboratory({**SHAPES["symmetric"], **free}, range(copies))
        lab.run(trader)
        ours = 100 * lab.efficiency_B
        line: Line = {"trader": trader, "efficiency": float(ours.mean()), "sd": float(ours.std())}
        line |= {"BSE": efficiency, "alpha": float(lab.alpha_T[0]), "BSE alpha": alpha}
        lines.append(line)
    return lines


def traders(copies: int, steps: int) -> list[Line]:
    """Each classic trader among its like: efficiency and Smith's alpha after two periods."""
    lines: list[Line] = []
    free = {**OPEN_BOOK, "period_steps": steps}
    for trader in ("zi_u", "zi_c", "gvwy", "shvr", "snpr", "zip", "gdx", "aa"):
        lab = Laboratory(free, range(4 if trader == "gdx" else copies))
        lab.run(trader)
        alpha = float(lab.alpha_T[2:].mean())
        lines.append({"trader": trader, "efficiency": 100 * float(lab.efficiency_B.mean()), "alpha": alpha})
    return lines


def meetings(copies: int, steps: int) -> list[Line]:
    """Two kinds in one market, half the seats each, limits dealt anew in each match.

    How much more surplus the first kind earned than the second, in per cent of the mean, with its error.
    """
    lines: list[Line] = []
    for first, second in itertools.combinations(KINDS, 2):
        edges = []
        for sign, names in ((1.0, (first, second)), (-1.0, (second, first))):
            lab = Laboratory({**OPEN_BOOK, "period_steps": steps, "deal": True}, range(copies))
            lab.run(*names)
            score_BN = lab.role.score_BN
            edge_B = score_BN[:, 0::2].mean(1) - score_BN[:, 1::2].mean(1)
            edges.append(sign * 100 * edge_B / score_BN.mean())
        # Both seatings of one seed are one sample.
        edge_B = np.mean(edges, 0)
        error = float(edge_B.std() / copies**0.5)
        lines.append({"kind": first, "than": second, "more": float(edge_B.mean()), "error": error})
    return lines


def paths(changes: Mapping[str, Any], copies: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mid and the lots traded so far of each copy after each step, its seat idle: (copies, steps)."""
    arena, steps = TradingBatch({"seats": 1, **changes}), int(changes["horizon"])
    frame, orders = over_memory(arena.spec, copies)
    arena.attach(frame, orders)
    for copy in range(copies):
        orders.follow(copy, Ticket(copy, copy))
    arena.step()
    mid, lots = np.empty((copies, steps - 1)), np.empty((copies, steps - 1))
    for step in range(steps - 1):
        arena.step()
        mid[:, step] = 0.5 * arena.worlds_B["mid2"]
        lots[:, step] = arena.worlds_B["top"][:, FILLED]
    return mid, lots


def facts(return_T: NDArray[np.float64], volume_T: NDArray[np.float64]) -> Line:
    """Of a series' returns and volumes, what Cont (2001) lists.

    Excess kurtosis, of 20 days' returns, too; autocorrelation of returns and of their size; Hill's tail index
    of the largest 5 %; correlation of the size with the logarithm of the volume.
    """
    r = return_T - return_T.mean()
    size = np.abs(r)
    top = np.sort(size)[::-1][: max(len(size) // 20, 10)]
    hill = 1.0 / np.mean(np.log(top[:-1] / top[-1]))
    line = {"kurtosis": float((r**4).mean() / (r**2).mean() ** 2 - 3.0), "acf1": _correlation(r, 1)}
    line |= {f"acf|r| {lag}": _correlation(size, lag) for lag in (1, 5, 20)}
    month = r[: len(r) // 20 * 20].reshape(-1, 20).sum(1)
    line["kurtosis 20"] = float((month**4).mean() / (month**2).mean() ** 2 - 3.0)
    line["volume"] = float(np.corrcoef(size, np.log(np.maximum(volume_T, 1.0)))[0, 1])
    return {**line, "hill": float(hill), "returns": len(r)}


def _correlation(x: NDArray[np.float64], lag: int) -> float:
    y = x - x.mean()
    return float((y[lag:] * y[:-lag]).mean() / (y * y).mean())


def stylised(copies: int, bars: int) -> list[Line]:
    """Cont's facts, a return a bar: the market the crowd alone, the whole ecology, real days."""
    steps = {"horizon": BAR * bars, "bar_steps": BAR, "band": 60}
    lines: list[Line] = []
    for name, changes in (("crowd alone", CROWD_ONLY), ("exchange", {})):
        mid, lots = (path[:, BAR - 1 :: BAR] for path in paths({**LONG, **changes, **steps}, copies))
        each = [facts(*pair) for pair in zip(np.diff(np.log(mid)), np.diff(lots), strict=True)]
        lines.append({"series": name, **{key: float(np.mean([one[key] for one in each])) for key in each[0]}})
    crowd, exchange = lines
    crowd["ok"] = abs(crowd["acf|r| 1"]) < 0.05
    exchange["ok"] = (
        exchange["kurtosis"] > 3
        and abs(exchange["acf1"]) < 0.1
        and exchange["acf|r| 1"] > 0.05
        and 2 < exchange["hill"] < 5
    )
    return lines + [{**line, "ok": True} for line in real()]


def real() -> list[Line]:
    """The facts of the real series, where they are."""
    path = Path(os.environ.get("MARL_DATA", "")) / "prices" / "bokeh_wiki_stocks.csv.gz"
    if not path.is_file():
        return []
    rows: dict[str, list[tuple[float, float]]] = {}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["Ticker"], []).append((float(row["Adj Close"]), float(row["Volume"])))
    lines: list[Line] = []
    for ticker, found in rows.items():
        if len(found) > 1000:
            close_T, volume_T = np.array(found).T
            lines.append({"series": f"{ticker} daily", **facts(np.diff(np.log(close_T)), volume_T[1:])})
    return lines


def show(title: str, lines: Sequence[Line]) -> None:
    """Print one table."""
    print(f"\n{title}")
    heads = list(lines[0])
    cells = [heads, *([_cell(line[head]) for head in heads] for line in lines)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        print("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "")
    copies, steps = (4, 700) if asked.quick else (16, 1000)
    found = {
        "Gode, Sunder 1993: allocative efficiency, %": gode_sunder(copies, steps),
        "Cliff, Bruten 1997: price and Smith's alpha by shape": cliff_bruten(copies, 500),
        "Bristol Stock Exchange: the same traders there": bse(40),
        "Classic traders among their like, symmetric, one unit each": traders(copies, 300),
        "Two kinds in one market: surplus over the other's, % of the mean": meetings(4 * copies, 300),
        "Stylised facts (Cont 2001)": stylised(4 if asked.quick else 12, 1000),
    }
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    for title, lines in found.items():
        show(title, lines)


if __name__ == "__main__":
    main()
