"""A trader that learns earns more than those that follow rules."""

from __future__ import annotations

import pytest

from arenas.trading.presets import VALIDATED
from tests.bench.trading_learning import measure


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_decisions_beat_every_trader_that_does_not_see_the_value() -> None:
    """After a million decisions PPO's gain over each rival is above zero, on years not trained on."""
    pytest.importorskip("bokeh_sampledata")
    rows = measure([0], 1_000_000, 100, VALIDATED)["rows"]
    assert [row["work"] for row in rows if row["asked"] and not row["ok"]] == []
