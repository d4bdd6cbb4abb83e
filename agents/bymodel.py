"""Rows dealt to the models that own them, as one table for a batched product. Axes: P models, R rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agents.devices import CPU, to_tensor

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


class ByModel:
    """Where each of R rows goes in a table (P, most): its model, and its place among that model's rows.

    Padding repeats row 0: it is computed and never read. `model_R` None: all rows belong to the one model.
    """

    def __init__(
        self, model_R: NDArray[np.integer[Any]] | None, models: int, device: torch.device = CPU
    ) -> None:
        self._models = models
        if model_R is None or models == 1:
            self._source = None
            return
        order_R = np.argsort(model_R, kind="stable")
        counts = np.bincount(model_R, minlength=models)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        within_R = np.empty(len(model_R), np.int64)
        within_R[order_R] = np.arange(len(model_R)) - np.repeat(starts, counts)
        source = np.zeros((models, int(counts.max()) if len(model_R) else 0), np.int64)
        source[model_R, within_R] = np.arange(len(model_R))
        self._source = to_tensor(source, device)
        self._place_R = to_tensor(model_R * source.shape[1] + within_R, device)

    def table(self, rows: Tensor) -> Tensor:
        """(R, ...) to (P, most, ...)."""
        if self._source is None:
            return rows.unsqueeze(0)
        return rows.index_select(0, self._source.flatten()).view(*self._source.shape, *rows.shape[1:])

    def rows(self, table: Tensor) -> Tensor:
        """(P, most, ...) back to (R, ...)."""
        if self._source is None:
            return table.squeeze(0)
        return table.flatten(0, 1).index_select(0, self._place_R)
