"""Figures reach TensorBoard and the others as they are, and no sink can stop or delay a run."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from league import League, LeagueSettings
from league.runs import METRICS
from league.sinks import SINKS, Sinks
from league.training import settings_of_one

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from league.league import Progress

ROWS = [{"decisions": 100.0 * i, "loss": 1 / (i + 1), "worker/entropy": 0.5, "stage": "a"} for i in range(5)]
EXTRAS = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.rows, self.over = name, [], False  # type: ignore[var-annotated]
        MADE.append(self)

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        self.rows.append((decisions, dict(figures)))

    def close(self) -> None:
        self.over = True


MADE: list[Kept] = []


class Failing(Kept):
    """One whose service is gone after the first row."""

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        if self.rows:
            raise ConnectionError("no route to host")
        super().write(decisions, figures)


class Stuck(Kept):
    """One that never answers."""

    gate = threading.Event()

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        self.gate.wait(30)


def absent(folder: Path, name: str) -> Any:  # noqa: ANN401  # never returns
    """One whose package is not installed."""
    raise ModuleNotFoundError("No module named 'wandb'", name="wandb")


def test_figures_arrive_in_order(tmp_path: Path) -> None:
    """Each update's numbers with its decisions, what is no figure left out, all before the end."""
    MADE.clear()
    sinks = Sinks(["kept"], tmp_path, "run", {"kept": Kept})
    sinks.put(ROWS)
    assert sinks.close() == []
    (kept,) = MADE
    assert kept.over
    assert kept.rows == [(100 * i, {"loss": 1 / (i + 1), "worker/entropy": 0.5}) for i in range(5)]


def test_a_sink_that_fails_is_reported_once_and_harms_no_other(tmp_path: Path) -> None:
    """Its error is told, a missing package with its remedy; the others get everything."""
    MADE.clear()
    known = {"kept": Kept, "failing": Failing, "wandb": absent}
    sinks = Sinks(list(known), tmp_path, "run", known)
    sinks.put(ROWS)
    told = [*sinks.complaints(), *sinks.close()]
    assert len(told) == 2
    assert any("failing: ConnectionError: no route to host; ledger and" in line for line in told)
    assert any("pip install 'marl-league[wandb]'" in line for line in told)
    assert sinks.close() == []
    assert [len(made.rows) for made in MADE if type(made) is Kept] == [5]


def test_a_slow_sink_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are put without waiting, as many as fit; the end gives up on it, says so, and goes on."""
    monkeypatch.setattr("league.sinks._MOST", 10)
    Stuck.gate.clear()
    sinks = Sinks(["stuck", "late"], tmp_path, "run", {"stuck": Stuck, "late": Stuck})
    sinks.put(ROWS)
    assert sinks.complaints() == []
    sinks.put(ROWS * 4)
    assert ["10 rows wait" in line for line in sinks.complaints()] == [True, True]
    again = Sinks(["stuck"], tmp_path, "run", {"stuck": Stuck})
    again.put(ROWS)
    assert "has not ended within 0 s" in again.close(patience_s=0.0)[0]
    Stuck.gate.set()
    assert sinks.close() == []


@pytest.mark.parametrize("name", SINKS)
def test_the_real_ones_take_figures(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each without a network: nothing is complained of, and something is written."""
    pytest.importorskip(EXTRAS[name], reason=f"the extra `{name}`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    sinks = Sinks([name], tmp_path, "run")
    sinks.put(ROWS)
    assert sinks.close(patience_s=50.0) == []
    assert any(tmp_path.iterdir())


def test_a_league_feeds_tensorboard(tmp_path: Path) -> None:
    """Every figure of `metrics.jsonl` is in the event file at its decisions; sinks may change on resume."""
    events = pytest.importorskip("tensorboardX.proto.event_pb2", reason="the extra `tensorboard`")
    values = settings_of_one("identity", steps=600, settings={"hidden": [8]})
    values |= {"sinks": ["tensorboard"], "pool": {"copies": 4, "hosts": 0}}
    told: list[Progress] = []
    with League(LeagueSettings.read("test", values), tmp_path, backend="inline", told=told.append) as league:
        league.train()
    rows = [json.loads(line) for line in (tmp_path / METRICS).read_text(encoding="utf-8").splitlines()]
    (file,) = (tmp_path / "tensorboard").iterdir()
    found: dict[tuple[str, int], float] = {}
    for data in records(file.read_bytes()):
        event = events.Event.FromString(data)
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    for row in rows:
        step = int(row["decisions"])
        figures = {name: x for name, x in row.items() if isinstance(x, float) and name != "decisions"}
        assert len(figures) > 8
        assert {name: found[name, step] for name in figures} == pytest.approx(figures, rel=1e-6)
    other = LeagueSettings.read("test", {**values, "sinks": []})
    with League(other, tmp_path, backend="inline") as league:
        assert len(league.train().candidates) == 1
    assert not any("no longer go" in progress.line for progress in told)


def records(data: bytes) -> list[bytes]:
    """The records of a TFRecord file: length, its checksum, the record, its checksum."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        found.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return found
