"""Cooperation is measured with partners that one did not train with, in scenarios that stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from arenas import full_spec
from league.block import BlockResult
from league.cooperation import (
    Normaliser,
    Scenario,
    check_scenarios,
    cross_play,
    focal_score,
    partner_rates,
)
from marl.errors import ConfigError
from marl.loading import ArenaRef, build

Make = Callable[..., BlockResult]


def _lever(block_of: Make, choices: dict[str, int]) -> list[BlockResult]:
    """The lever game: two partners pull one of ten levers and are paid if it is the same.

    The tenth pays 0.9.
    """
    names = sorted(choices)
    blocks: list[BlockResult] = []
    for i, a in enumerate(names):
        for b in names[i:]:
            pay = 0.0 if choices[a] != choices[b] else 0.9 if choices[a] == 9 else 1.0
            blocks.append(block_of([{"s_0": a, "s_1": b}], [{"s_0": pay, "s_1": pay}], position=len(blocks)))
    return blocks


def test_lever_game_of_other_play(block_of: Make) -> None:
    """Vector V16: self-play finds 1.0 and crosses at 1/9 in expectation.

    Other-play's lever holds 0.9 in both.
    """
    rng = np.random.default_rng(2)
    found = [
        cross_play(_lever(block_of, {f"seed_{i}": int(rng.integers(9)) for i in range(12)}))
        for _ in range(12)
    ]
    assert all(table.self_play == 1.0 for table in found)
    assert np.mean([table.cross_play for table in found]) == pytest.approx(1 / 9, abs=0.03)
    assert found[0].gap == pytest.approx(1 - found[0].cross_play)
    other = cross_play(_lever(block_of, {f"seed_{i}": 9 for i in range(4)}))
    assert other.self_play == pytest.approx(0.9)
    assert other.cross_play == pytest.approx(0.9)
    assert other.gap == pytest.approx(0)


def test_partner_rates_stand_in_for_win_rates() -> None:
    """Scores are measured between the worst known and the best known with each partner."""
    assert partner_rates([5, 0, 12], [10, 10, 10], 0.0) == pytest.approx([0.5, 0, 1])
    assert partner_rates([1], [0], 0.0) == pytest.approx([1])


def test_scenarios_seat_focal_and_background_players(block_of: Make) -> None:
    """Focal seats hold those who are tested, others the background; its scores do not count."""
    spec = build(ArenaRef(full_spec("identity"), {"seats": 4})).spec
    scenario = Scenario("visit", ("reader_0",), {"reader": ("old_a", "old_b", "old_c")})
    lineup = scenario.lineup(spec, ["new"], np.random.default_rng(0))
    assert list(lineup) == list(spec.seats)
    assert lineup["reader_0"] == "new"
    assert set(lineup.values()) - {"new"} <= {"old_a", "old_b", "old_c"}
    assert scenario.kind == "visitor"
    assert replace(scenario, focal=spec.seats[:3]).kind == "resident"
    block = block_of([lineup], [{"reader_0": 4.0, "reader_1": 9.0, "reader_2": 9.0, "reader_3": 9.0}])
    assert focal_score([block], scenario) == 4.0
    with pytest.raises(ConfigError, match="nobody for seat"):
        Scenario("empty", ("reader_0",), {}).lineup(spec, ["new"], np.random.default_rng(0))
    with pytest.raises(ConfigError, match="reader_9"):
        Scenario("wrong", ("reader_9",), {}).lineup(spec, ["new"], np.random.default_rng(0))


def test_the_same_scenario_twice_is_refused() -> None:
    """A copy under another name is found by its content."""
    one = Scenario("a", ("s_0",), {"r": ("x",)})
    check_scenarios([one, Scenario("b", ("s_1",), {"r": ("x",)})])
    with pytest.raises(ConfigError, match="same as a"):
        check_scenarios([one, replace(one, name="b")])


def test_normalisers_are_frozen() -> None:
    """0 is the worst baseline, 1 the best; a normaliser serves its own scenario only."""
    scenario = Scenario("a", ("s_0",), {"r": ("x",)})
    normal = Normaliser.freeze(scenario, "2026-11", [2.0, 10.0, 4.0])
    assert normal(6.0, scenario) == 0.5
    assert normal(12.0, scenario) == 1.25
    with pytest.raises(ConfigError, match="its own scenario"):
        normal(1.0, Scenario("a", ("s_1",), {"r": ("x",)}))
    with pytest.raises(ConfigError, match="low below high"):
        Normaliser.freeze(scenario, "v", [1.0, 1.0])
