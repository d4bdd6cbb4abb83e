"""What spectators get of a site: JSON, and a chart in text at the end of a replay."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from arenas.construction.options import preset
from marl.cli import replay
from tests.arenas.construction.driving import attached, begin, random_choice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

pytestmark = pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout


def views(rounds: int) -> Iterator[dict[str, Any]]:
    """Views of a site under random foremen."""
    arena, frame, orders = attached(preset("site", activities=8), 1)
    begin(arena, orders, [5])
    rng = np.random.default_rng(5)
    for _ in range(rounds):
        yield arena.view(0)
        orders.action["foreman"][:, :, 0] = random_choice(rng, frame.roles["foreman"].mask_BNA)
        arena.step()


def test_a_view_is_plain_json() -> None:
    """Days, activities, loads, weather, stocks and money survive JSON as they are."""
    for view in views(20):
        assert json.loads(json.dumps(view)) == view


def test_a_replay_ends_with_a_chart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`marl replay show` prints a line a step without the lists, then a line an activity."""
    monkeypatch.setattr("league.standings.views", lambda _run, _match: views(40))
    monkeypatch.setattr(replay, "_opened", lambda _folder: contextlib.nullcontext())
    replay.show(Path("run"), 1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines[:40]) == 40
    assert all("earliest_completion: " in line and "activities" not in line for line in lines[:40])
    chart = "\n".join(lines[40:])
    assert "one column is" in chart
    assert "=" in chart
    assert "trade 3: " in chart
    assert sum("|" in line for line in lines[40:]) == 8
