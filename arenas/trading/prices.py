"""Prices that the value may follow: bundled with `bokeh_sampledata`, or from a user's CSV or Parquet file.

A file has the columns date (ISO: 2008-12-31, or with a time) and close; trading on bars also needs open,
high, low and volume. With a column adj close all prices are those after splits and dividends. Others are
ignored.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from marl.errors import ConfigError, MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

COLUMNS = ("open", "high", "low", "close", "volume")
ADJUSTED = "adj close"
LONGEST_GAP = 10
"""How many median distances may lie between two rows: weekends and holidays do, missing months do not."""


@dataclass(frozen=True)
class Series:
    """Closes with their dates (ISO text, which sorts as dates do), oldest first; all COLUMNS if asked for."""

    name: str
    dates: tuple[str, ...]
    closes: NDArray[np.float64]
    bars_R5: NDArray[np.float64] | None = None


def load(prices: str, columns: Sequence[str] = ("close",)) -> list[Series]:
    """The series that an option names: "bokeh:AAPL,IBM", "csv:path" or "parquet:path"; "ou" has none.

    `columns`: ("close",), or COLUMNS for whole bars.
    """
    kind, _, rest = prices.partition(":")
    if prices == "ou":
        return []
    if kind == "bokeh" and rest:
        return _bundled([ticker.strip() for ticker in rest.split(",")], columns)
    if kind == "csv" and rest:
        path = Path(rest)
        try:
            text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin it with a mark
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"prices {prices!r}", got=str(error), expected="a CSV file that can be read"
            ) from error
        return [parse(path.stem, text.splitlines(), str(path), columns)]
    if kind == "parquet" and rest:
        return [parse(Path(rest).stem, _parquet(prices, Path(rest)), rest, columns)]
    raise ConfigError(
        "option prices", got=repr(prices), expected="'ou', 'bokeh:TICKER,...', 'csv:path' or 'parquet:path'"
    )


def _parquet(prices: str, path: Path) -> list[str]:
    """A Parquet file as lines of CSV, so that both are judged by the same rules."""
    try:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"prices {prices!r}", "pyarrow", "parquet") from error
    sink = io.BytesIO()
    try:
        arrow_csv.write_csv(parquet.read_table(path), sink)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            f"prices {prices!r}", got=str(error), expected="a Parquet file that can be read"
        ) from error
    return sink.getvalue().decode().splitlines()


def windows(series: Sequence[Series], dates: Iterable[tuple[str, str]], bars: int) -> list[tuple[int, int]]:
    """(first row, one past the last) of each window with more than `bars` + 1 rows, laid end to end."""
    spans, at = [], 0
    wanted = list(dates) or [("0000", "9999")]
    for first, last in wanted:
        if first > last:
            raise ConfigError("option windows", got=f"{first} to {last}", expected="first date <= last date")
    for one in series:
        for first, last in wanted:
            inside = [
                row
                for row, date in enumerate(one.dates)
                if first <= date[: len(first)] and date[: len(last)] <= last
            ]
            if len(inside) > bars + 1:
                spans.append((at + inside[0], at + inside[-1] + 1))
        at += len(one.dates)
    if series and not spans:
        spread = ", ".join(f"{one.name} {one.dates[0]} to {one.dates[-1]}" for one in series)
        raise ConfigError(
            "option windows",
            got=f"no window with more than {bars + 1} rows of prices",
            expected=f"dates within {spread}",
            remedy="Choose longer windows, a shorter horizon or more bar_steps.",
        )
    return spans


def parse(name: str, lines: Iterable[str], source: str, columns: Sequence[str] = ("close",)) -> Series:
    """A series from the lines of a CSV file; ConfigError names the file and the line of the first fault."""
    rows = csv.reader(lines)
    header = [cell.strip().lower() for cell in next(rows, [])]
    missing = [column for column in ("date", *columns) if column not in header]
    if missing:
        raise ConfigError(
            f"{source}, line 1",
            got=f"columns {header}",
            expected=f"a column {' and a column '.join(missing)}",
        )
    wanted = (*columns, ADJUSTED) if ADJUSTED in header else tuple(columns)
    at_date, at = header.index("date"), [header.index(column) for column in wanted]
    dates: list[str] = []
    times: list[float] = []
    values: list[list[float]] = []
    for row in rows:
        where = f"{source}, line {rows.line_num}"
        if not row:
            continue
        if len(row) <= max(at_date, *at):
            raise ConfigError(where, got=f"{len(row)} cells", expected=f"{len(header)}")
        when = _time(row[at_date].strip(), where)
        if times and when <= times[-1]:
            raise ConfigError(
                where, got=f"date {row[at_date]} after {dates[-1]}", expected="dates that increase"
            )
        dates.append(row[at_date].strip())
        times.append(when)
        values.append([_number(row[i].strip(), where, column) for i, column in zip(at, wanted, strict=True)])
    _check_gaps(dates, times, source)
    values_RC = _adjusted(np.array(values), wanted)
    closes = np.ascontiguousarray(values_RC[:, wanted.index("close")])
    return Series(name, tuple(dates), closes, values_RC if tuple(columns) == COLUMNS else None)


def _adjusted(values_RC: NDArray[np.float64], columns: Sequence[str]) -> NDArray[np.float64]:
    """Prices times adjusted close / close, volumes by as much less: a split is no fall. Without ADJUSTED."""
    if ADJUSTED not in columns:
        return values_RC
    factor_R = values_RC[:, -1] / values_RC[:, columns.index("close")]
    for column, name in enumerate(columns[:-1]):
        values_RC[:, column] *= 1.0 / factor_R if name == "volume" else factor_R
    return np.ascontiguousarray(values_RC[:, :-1])


def _time(cell: str, where: str) -> float:
    try:
        when = datetime.fromisoformat(cell)
    except ValueError as error:
        raise ConfigError(where, got=f"date {cell!r}", expected="an ISO date like 2008-12-31") from error
    return (when.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001  # only differences count


def _number(cell: str, where: str, column: str) -> float:
    try:
        number = float(cell)
    except ValueError as error:
        raise ConfigError(where, got=f"{column} {cell!r}", expected="a number") from error
    fits = number >= 0 if column == "volume" else number > 0
    if not math.isfinite(number) or not fits:
        least = "0 or above" if column == "volume" else "above 0"
        raise ConfigError(where, got=f"{column} {cell}", expected=f"a finite number {least}")
    return number


def _check_gaps(dates: Sequence[str], times: Sequence[float], source: str) -> None:
    if len(times) < 3:
        raise ConfigError(source, got=f"{len(times)} rows", expected="3 or more")
    steps = np.diff(times)
    allowed = LONGEST_GAP * float(np.median(steps))
    if steps.max() > allowed:
        row = int(steps.argmax())
        raise ConfigError(
            source,
            got=f"a gap from {dates[row]} to {dates[row + 1]}",
            expected=f"at most {LONGEST_GAP} times the median distance of two rows",
            remedy="Fill it, or split the file.",
        )


def _bundled(tickers: Sequence[str], columns: Sequence[str]) -> list[Series]:
    try:
        folder = resources.files("bokeh_sampledata")
    except ModuleNotFoundError as error:
        raise MissingExtraError("prices 'bokeh:...'", "bokeh_sampledata", "data") from error
    text = gzip.decompress(folder.joinpath("_data", "stocks.csv.gz").read_bytes()).decode()
    by_ticker: dict[str, list[str]] = {}
    reader = io.StringIO(text)
    header = reader.readline().partition(",")[2]
    for line in reader:
        ticker, _, rest = line.partition(",")
        by_ticker.setdefault(ticker, [header]).append(rest)
    for ticker in tickers:
        if ticker not in by_ticker:
            raise UnknownNameError("prices: ticker", ticker, by_ticker)
    return [parse(ticker, by_ticker[ticker], f"bokeh_sampledata {ticker}", columns) for ticker in tickers]
