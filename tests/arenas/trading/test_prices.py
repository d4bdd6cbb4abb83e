"""Price series: bundled ones by ticker and dates, a user's CSV with clear errors, replayed by the value."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from arenas.trading import TradingBatch
from arenas.trading.prices import COLUMNS, load, windows
from marl.errors import ConfigError, MissingExtraError, UnknownNameError
from tests.arenas.trading.market import Market

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "date,open,close\n"
ROWS = "2020-01-01,1,10\n2020-01-02,1,11\n2020-01-03,1,12\n2020-01-06,1,13\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,open\n2020-01-01,3\n", r"line 1: .*close"),
        ("", r"line 1: .*date and a column close"),
        (HEAD + ROWS + "2020-01-07,1,nan\n", r"line 6: .*nan"),
        (HEAD + ROWS + "2020-01-07,1,-4\n", r"line 6: .*-4.*above 0"),
        (HEAD + ROWS + "2020-01-07,1,\n", r"line 6: .*''.*a number"),
        (HEAD + ROWS + "2020-01-07\n", r"line 6: .*1 cells"),
        (HEAD + ROWS + "2020-01-06,1,9\n", r"line 6: .*increase"),
        (HEAD + ROWS + "soon,1,9\n", r"line 6: .*ISO date"),
        (HEAD + ROWS + "2020-03-01,1,9\n", r"gap from 2020-01-06 to 2020-03-01"),
        (HEAD + "2020-01-01,1,9\n", r"1 rows"),
    ],
)
def test_faults_of_a_csv_file_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    """Missing columns, NaN, negative prices, disorder and gaps are errors that name the file and the line."""
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        TradingBatch({"prices": f"csv:{path}"})
    assert "mine.csv" in str(caught.value)


def test_a_spreadsheets_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    """Excel's "CSV UTF-8" begins with U+FEFF, in front of the first column's name."""
    path = tmp_path / "excel.csv"
    path.write_text(HEAD + ROWS, encoding="utf-8-sig")
    assert load(f"csv:{path}")[0].dates[0].startswith("2020")


def test_unreadable_file_unknown_kind_and_ticker(tmp_path: Path) -> None:
    """No such file, an unknown kind of prices, and an unknown ticker each have their clear error."""
    with pytest.raises(ConfigError, match="can be read"):
        load(f"csv:{tmp_path / 'none.csv'}")
    with pytest.raises(ConfigError, match="'ou', 'bokeh"):
        load("yahoo:AAPL")
    pytest.importorskip("bokeh_sampledata")
    with pytest.raises(UnknownNameError, match="AAPL"):
        load("bokeh:APPL")


def test_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package of bundled prices the error says which extra holds it."""
    monkeypatch.setitem(sys.modules, "bokeh_sampledata", None)
    with pytest.raises(MissingExtraError, match=r"marl-league\[data\]"):
        load("bokeh:AAPL")


def test_parquet_is_read_as_csv_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same closes come out of both; a broken file and a missing package have their clear errors."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    (tmp_path / "a.csv").write_text(HEAD + ROWS)
    parquet.write_table(arrow_csv.read_csv(tmp_path / "a.csv"), tmp_path / "a.parquet")
    (ours,), (theirs,) = load(f"csv:{tmp_path / 'a.csv'}"), load(f"parquet:{tmp_path / 'a.parquet'}")
    assert ours.dates == theirs.dates
    assert ours.closes.tolist() == theirs.closes.tolist()
    parquet.write_table(pa.table({"date": ["2020-01-01"], "open": [3.0]}), tmp_path / "b.parquet")
    with pytest.raises(ConfigError, match="column close"):
        load(f"parquet:{tmp_path / 'b.parquet'}")
    with pytest.raises(ConfigError, match="can be read"):
        load(f"parquet:{tmp_path / 'a.csv'}")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"marl-league\[parquet\]"):
        load(f"parquet:{tmp_path / 'a.parquet'}")


def test_prices_are_scaled_to_an_adjusted_close(tmp_path: Path) -> None:
    """With a column of adjusted closes a split is no fall, and volume counts today's shares."""
    path = tmp_path / "split.csv"
    rows = ["2020-01-01,98,102,96,100,10,50", "2020-01-02,49,51,48,50,30,50", "2020-01-03,50,52,49,51,20,51"]
    path.write_text("Date,Open,High,Low,Close,Volume,Adj Close\n" + "\n".join(rows) + "\n")
    (series,) = load(f"csv:{path}")
    assert series.closes.tolist() == [50.0, 50.0, 51.0]
    (series,) = load(f"csv:{path}", COLUMNS)
    assert series.bars_R5 is not None
    assert series.bars_R5[0].tolist() == [49.0, 51.0, 48.0, 50.0, 20.0]
    pytest.importorskip("bokeh_sampledata")
    for one in load("bokeh:AAPL,IBM,MSFT,GOOG"):
        assert abs(np.diff(np.log(one.closes))).max() < (0.75 if one.name == "AAPL" else 0.2)


def test_windows_hold_whole_matches_only() -> None:
    """Windows are spans of rows by date; too short ones are left out, and none left is an error."""
    pytest.importorskip("bokeh_sampledata")
    series = load("bokeh:AAPL,IBM")
    spans = windows(series, [("2000-03-01", "2000-12-31"), ("2012", "2012")], 4)
    dates = [date for one in series for date in one.dates]
    assert [(dates[a], dates[b - 1]) for a, b in spans][:2] == [
        ("2000-03-01", "2000-12-29"),
        ("2012-01-03", "2012-12-31"),
    ]
    assert len(spans) == 4
    with pytest.raises(ConfigError, match="2000-03-01 to 2013-03-01"):
        windows(series, [("1990", "1991")], 4)
    with pytest.raises(ConfigError, match="first date <= last"):
        windows(series, [("2012", "2011")], 4)


def test_value_hits_the_closes_of_the_window(tmp_path: Path) -> None:
    """At every bar's end the value has moved by the closes' ratio, whatever the noise inside the bar."""
    path = tmp_path / "line.csv"
    closes = [100.0 * 1.01**k for k in range(8)]
    path.write_text("date,close\n" + "".join(f"2020-01-0{k + 1},{c}\n" for k, c in enumerate(closes)))
    options = {"prices": f"csv:{path}", "bar_steps": 5, "horizon": 20, "scale_low": 1.0, "mirror": False}
    market = Market(options)
    for step in range(1, 20):
        market.arena.step()
        if step % 5 == 0:
            assert float(market.world["value"]) == pytest.approx(512 * 1.01 ** (step // 5))
        else:
            assert float(market.world["value"]) != pytest.approx(512 * 1.01 ** (step // 5), abs=1e-6)


def test_mirrored_matches_fall_where_others_rise(tmp_path: Path) -> None:
    """With `mirror` about half the matches replay the series upside down, by factors within the scale."""
    path = tmp_path / "line.csv"
    path.write_text("date,close\n" + "".join(f"2020-01-{k + 1:02},{100 * 1.01**k}\n" for k in range(28)))
    market = Market({"prices": f"csv:{path}", "scale_low": 0.5, "scale_high": 2.0}, seeds=range(200))
    gains = market.arena.worlds_B["gain"]
    assert 0.35 < (gains > 0).mean() < 0.65
    assert abs(gains).min() >= 0.5
    assert abs(gains).max() <= 2.0
    assert np.std(abs(gains)) > 0.2


def test_variants_replay_their_own_windows() -> None:
    """Training and held-out windows are options: each variant's matches start inside its own."""
    pytest.importorskip("bokeh_sampledata")
    early = {"prices": "bokeh:AAPL,IBM", "windows": [["2000-03-01", "2004-12-31"]]}
    late = {"prices": "bokeh:IBM", "windows": [["2009-01-01", "2013-03-01"]]}
    for variant, low, high in ((0, "2000-03-01", "2004-12-31"), (1, "2009-01-01", "2013-03-01")):
        market = Market(early, seeds=range(100), variants=[late], variant=variant)
        dates = [
            "",
            *[d for name in ("bokeh:AAPL,IBM", "bokeh:IBM") for one in load(name) for d in one.dates],
        ]
        rows = market.arena.worlds_B["row"]
        found = [dates[row] for row in rows]
        assert low <= min(found) <= max(found) <= high
        assert len(set(found)) > 50
