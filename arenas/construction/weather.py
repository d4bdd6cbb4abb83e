"""The sky over the site.

A monthly two-state chain calibrated on Seattle 2012-2015, independent days, or real years.

A day's code has two bits: WET, and BAD, a day on which exposed work stops: 10 mm of rain or more, frost,
snow, or wind of 10.8 m/s and more (Beaufort 6; after the no-work days of Appl. Sci. 2025, 15(19), 10759).
"""

from __future__ import annotations

import csv
import math
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arenas.construction.options import CHAIN, NO_WEATHER, REPLAY, UNIFORM
from arenas.construction.world import AHEAD
from arenas.draws import below, uniform
from arenas.jit import compiled
from marl.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable

WET, BAD = 1, 2
YEAR = 365
PERSISTENCE = 0.34
"""P(wet | wet) - P(wet | dry) within a month; with the months' shares it gives .67 and .24 over the year."""
WET_SHARE = np.array([0.532, 0.646, 0.589, 0.492, 0.274, 0.308, 0.089, 0.177, 0.292, 0.492, 0.592, 0.653])
BAD_IF_WET = np.array([0.318, 0.260, 0.342, 0.237, 0.206, 0.081, 0.182, 0.273, 0.229, 0.246, 0.296, 0.333])
BAD_IF_DRY = np.array([0.362, 0.125, 0.039, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.245, 0.349])
"""By month, of vega_datasets' seattle-weather (NOAA, public domain; 1,461 days)."""


@compiled
def next_day(rng_1: NDArray[np.uint64], calendar: int, code: int) -> int:
    """The code of a calendar day from the day before's.

    Richardson's chain (1981), then whether the day is bad.
    """
    month = min(calendar % YEAR * 12 // YEAR, 11)
    share = WET_SHARE[month]
    chance = share + PERSISTENCE * (1.0 - share) if code & WET else share * (1.0 - PERSISTENCE)
    wet = uniform(rng_1) < chance
    bad = uniform(rng_1) < (BAD_IF_WET[month] if wet else BAD_IF_DRY[month])
    return (WET if wet else 0) | (BAD if bad else 0)


@compiled
def begin_sky(world: np.void, rules: np.void, sky_D: NDArray[np.int8]) -> None:
    """A uniform first day of the year; today and the days ahead."""
    kind = rules["sky"]
    world["calendar"] = below(world["rng"], YEAR) if kind != NO_WEATHER else 0
    world["sky_at"] = below(world["rng"], max(rules["sky_days"], 1)) if kind == REPLAY else 0
    if kind == REPLAY:
        world["calendar"] = world["sky_at"] % YEAR
    for ahead in range(AHEAD):
        world["sky"][ahead] = 0
    for _ in range(AHEAD):
        _advance(world, rules, sky_D)
    _look_ahead(world, rules)


@compiled
def turn_sky(world: np.void, rules: np.void, sky_D: NDArray[np.int8]) -> None:
    """The next working day, and a new forecast."""
    if rules["sky"] != NO_WEATHER:
        _advance(world, rules, sky_D)
        _look_ahead(world, rules)


@compiled
def _advance(world: np.void, rules: np.void, sky_D: NDArray[np.int8]) -> None:
    """Shift the days by one; the last one ahead is new. Weekends pass between Friday and Monday."""
    kind, rng = rules["sky"], world["rng"]
    code = int(world["sky"][AHEAD - 1])
    for ahead in range(AHEAD - 1):
        world["sky"][ahead] = world["sky"][ahead + 1]
    days = 3 if (world["day"] + AHEAD) % 5 == 0 else 1
    if kind == CHAIN:
        for _ in range(days):
            world["calendar"] += 1
            code = next_day(rng, world["calendar"], code)
    elif kind == UNIFORM:
        code = WET | BAD if uniform(rng) < rules["weather_variability"] else 0
    elif kind == REPLAY:
        world["sky_at"] += days
        world["calendar"] += days
        code = int(sky_D[rules["sky_first"] + world["sky_at"] % rules["sky_days"]])
    world["sky"][AHEAD - 1] = code


@compiled
def _look_ahead(world: np.void, rules: np.void) -> None:
    """Each day ahead is seen as it will be, or with a chance that grows with the distance as a guess."""
    rng = world["rng"]
    world["forecast"][0] = world["sky"][0]
    for ahead in range(1, AHEAD):
        world["forecast"][ahead] = world["sky"][ahead]
        if uniform(rng) < rules["forecast_error"] * ahead:
            world["forecast"][ahead] = below(rng, 4)


def sky_codes(source: str) -> NDArray[np.int8]:
    """The days of "seattle" or "csv:path" as codes, oldest first.

    ConfigError names the line that does not fit.
    """
    if source == "seattle":
        try:
            folder = resources.files("vega_datasets")
        except ModuleNotFoundError as error:
            raise MissingExtraError("weather 'seattle'", "vega_datasets", "data") from error
        text = folder.joinpath("_data", "seattle-weather.csv").read_text(encoding="utf-8")
        return _codes("seattle-weather.csv", text.splitlines())
    kind, _, place = source.partition(":")
    if kind != "csv" or not place:
        raise ConfigError(
            "option weather", got=repr(source), expected="none, uniform, chain, seattle or csv:path"
        )
    try:
        lines = Path(place).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"option weather: {place}", got=str(error), expected="a readable CSV file"
        ) from error
    return _codes(place, lines)


def _codes(where: str, lines: Iterable[str]) -> NDArray[np.int8]:
    reader = csv.DictReader(lines)
    if not {"precipitation", "temp_min", "wind"} <= set(reader.fieldnames or ()):
        raise ConfigError(
            f"{where}: line 1",
            got=str(reader.fieldnames),
            expected="columns precipitation (mm), temp_min (C), wind (m/s)",
        )
    codes = []
    for row in reader:
        try:
            rain, frost, wind = (float(row[name]) for name in ("precipitation", "temp_min", "wind"))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{where}: line {reader.line_num}", got=str(row), expected="three numbers"
            ) from error
        if not all(math.isfinite(x) for x in (rain, frost, wind)):
            raise ConfigError(f"{where}: line {reader.line_num}", got=str(row), expected="finite numbers")
        bad = rain >= 10 or frost < 0 or wind >= 10.8 or row.get("weather") == "snow"
        codes.append((WET if rain > 0 else 0) | (BAD if bad else 0))
    if not codes:
        raise ConfigError(where, got="no days", expected="at least one")
    return np.array(codes, np.int8)
