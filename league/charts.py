"""Charts as inline SVG: no file, no request, the page's own text colour and fonts."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#0b1a2c"
"""Stands for the page's text colour, which replaces it: charts suit light and dark pages."""
PALETTE = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2", "#64748b", "#be185d")
"""Of similar weight on light and dark ground, and far apart for colour-blind readers."""


@dataclass(frozen=True)
class Curve:
    """A line with an optional band: x, y and the band's edges, of equal length; None where unknown."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Level:
    """A horizontal reference line."""

    name: str
    y: float


@dataclass(frozen=True)
class Span:
    """A part of the x axis with a name: a stage."""

    name: str
    start: float
    end: float


def curves(
    lines: Sequence[Curve],
    *,
    x_label: str,
    y_label: str,
    levels: Sequence[Level] = (),
    spans: Sequence[Span] = (),
    markers: bool = False,
) -> str:
    """Lines with bands, reference lines labelled at the right edge, and named spans along the top."""
    from matplotlib.figure import Figure  # takes half a second, and most who read a ledger draw nothing
    from matplotlib.ticker import EngFormatter, MaxNLocator

    with _style():
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for place, span in enumerate(spans):
            if place % 2 == 0:
                axes.axvspan(span.start, span.end, color=_INK, alpha=0.045, lw=0)
            axes.text(
                (span.start + span.end) / 2,
                1.015,
                span.name,
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="bottom",
                size=9,
                alpha=0.75,
            )
        for colour, line in zip(_colours(len(lines)), lines, strict=True):
            axes.plot(
                line.x, line.y, color=colour, lw=1.9, marker="o" if markers else None, ms=4, label=line.name
            )
            band = [
                (x, a, b)
                for x, a, b in zip(line.x, line.low, line.high, strict=False)
                if a is not None is not b
            ]
            if band:
                x, low, high = zip(*band, strict=True)
                axes.fill_between(x, low, high, color=colour, alpha=0.16, lw=0)
        _levels(axes, levels)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.margins(x=0.02)
        if len(lines) > 1:
            axes.legend(frameon=False, loc="best", fontsize=9)
        return _svg(figure, f"{y_label} over {x_label}")


def _levels(axes: Axes, levels: Sequence[Level]) -> None:
    """Reference lines; labels that would overlap are pushed apart."""
    if not levels:
        return
    for level in levels:
        axes.axhline(level.y, color=_INK, alpha=0.35, lw=0.9, ls=(0, (4, 3)))
    low, high = axes.get_ylim()
    ordered = sorted(levels, key=lambda level: level.y)
    places = _apart([(level.y - low) / (high - low) for level in ordered], 0.066)
    for level, place in zip(ordered, places, strict=True):
        axes.annotate(level.name, (1.01, place), xycoords="axes fraction", va="center", size=8.5, alpha=0.75)


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Rising places moved to lie `gap` apart: neighbours that are too close become one group."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _start(groups[-1], gap) < _start(groups[-2], gap) + gap * len(groups[-2]):
            last = groups.pop()
            groups[-1] += last
    return [_start(group, gap) + gap * i for group in groups for i in range(len(group))]


def _start(group: Sequence[float], gap: float) -> float:
    """Where a group begins that is centred on the mean of its members."""
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _colours(count: int) -> Iterator[str]:
    return (PALETTE[i % len(PALETTE)] for i in range(count))


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    look: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "league",
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": _INK,
        "grid.alpha": 0.1,
        "grid.linewidth": 0.7,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "font.size": 10,
        "axes.labelsize": 10,
        "axes.unicode_minus": True,
    }
    with mpl.rc_context(look):
        yield


def _svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element that fills its column and can be read aloud."""
    stream = io.StringIO()
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    figure.savefig(
        stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = stream.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{label}">',
        text,
        count=1,
    )
    # The fonts of the page, whatever was measured here.
    return re.sub(r"font: ([\d.]+px) [^;\"]+", r"font-size: \1", text)
