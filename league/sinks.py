"""Where figures go besides ledger and `metrics.jsonl`: TensorBoard, W&B, MLflow. None can stop a run.

Each sink has a thread and a queue of its own: a slow one delays nobody, and one that fails is reported once
and left out from then on.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SinkName = Literal["tensorboard", "wandb", "mlflow"]
_MOST = 20_000
"""Rows that may wait for a slow sink: bounds the memory."""
_PATIENCE_S = 30.0
"""How long the end of a run waits for what sinks still hold."""


class Sink(Protocol):
    """Takes the figures of one update after the other."""

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        """Figures of the update after which the learner had learned from so many decisions."""
        ...

    def close(self) -> None:
        """Hand on what is left."""
        ...


class TensorBoard:
    """Event files in `tensorboard/` of the run's folder."""

    def __init__(self, folder: Path, name: str) -> None:
        from tensorboardX import SummaryWriter

        del name
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        """One scalar a figure."""
        for figure, value in figures.items():
            self._writer.add_scalar(figure, value, decisions)

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()


class WandB:
    """A run of Weights & Biases; project, mode and account are its environment variables'."""

    def __init__(self, folder: Path, name: str) -> None:
        import wandb

        quiet = wandb.Settings(silent=True, console="off")
        self._run = wandb.init(dir=str(folder), name=name, settings=quiet)

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        """One row."""
        self._run.log({**figures, "decisions": decisions})

    def close(self) -> None:
        """Wait for what is under way."""
        self._run.finish()


class MLflow:
    """A run of MLflow; where MLFLOW_TRACKING_URI is not set, in `mlflow.db` of the run's folder."""

    def __init__(self, folder: Path, name: str) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric

        uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        self._client, self._metric = MlflowClient(tracking_uri=uri), Metric
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        self._run = self._client.create_run(experiment, run_name=name).info.run_id

    def write(self, decisions: int, figures: Mapping[str, float]) -> None:
        """One batch."""
        now_ms = time.time_ns() // 10**6
        rows = [self._metric(figure, value, now_ms, decisions) for figure, value in figures.items()]
        self._client.log_batch(self._run, metrics=rows)

    def close(self) -> None:
        """Mark the run as finished."""
        self._client.set_terminated(self._run)


SINKS: Mapping[str, Callable[[Path, str], Sink]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
}
"""By the names that settings have; each is an extra of the same name."""


class Sinks:
    """Feeds the sinks of a run; `complaints()` says what was reported since the last call."""

    def __init__(
        self,
        names: Sequence[str],
        folder: Path,
        run: str,
        known: Mapping[str, Callable[[Path, str], Sink]] = SINKS,
    ) -> None:
        self._feeds = [_Feed(name, partial(known[name], folder, run)) for name in names]

    def put(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Hand rows on that hold `decisions` and other figures; returns at once."""
        for feed in self._feeds:
            for row in rows:
                feed.put(row)

    def complaints(self) -> list[str]:
        """A line for each sink that has failed since the last call."""
        found = [feed.complaint for feed in self._feeds if feed.complaint]
        for feed in self._feeds:
            feed.complaint = ""
        return found

    def close(self, patience_s: float = _PATIENCE_S) -> list[str]:
        """End them, waiting so long for all together; returns the last complaints."""
        for feed in self._feeds:
            feed.end()
        until_s = time.monotonic() + patience_s
        for feed in self._feeds:
            feed.join(max(0.0, until_s - time.monotonic()))
        self._feeds, ended = [], self._feeds
        return [feed.complaint for feed in ended if feed.complaint]


class _Feed:
    """One sink and its thread."""

    def __init__(self, name: str, make: Callable[[], Sink]) -> None:
        self._name, self._make = name, make
        self._rows: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._over = False
        self.complaint = ""
        self._thread = threading.Thread(target=self._serve, name=f"sink {name}", daemon=True)
        self._thread.start()

    def put(self, row: Mapping[str, Any]) -> None:
        if self._over:
            return
        if self._rows.qsize() >= _MOST:
            self._drop(f"{_MOST} rows wait for it")
            return
        self._rows.put(row)

    def end(self) -> None:
        self._rows.put(None)

    def join(self, patience_s: float) -> None:
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._drop(f"it has not ended within {patience_s:.0f} s")

    def _drop(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self.complaint = (
                f"figures no longer go to {self._name}: {reason}; ledger and metrics.jsonl have them all"
            )

    def _serve(self) -> None:
        try:
            sink = self._make()
            while (row := self._rows.get()) is not None and not self._over:
                figures = {name: value for name, value in row.items() if isinstance(value, float)}
                sink.write(int(figures.pop("decisions")), figures)
            sink.close()
        except ModuleNotFoundError as error:
            self._drop(f"no package {error.name!r}, which pip install 'marl-league[{self._name}]' brings")
        except Exception as error:  # noqa: BLE001  # whatever somebody else's library raises is told, once
            self._drop(f"{type(error).__name__}: {error}")
