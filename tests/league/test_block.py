"""A block is one seed and the distinct seat rotations of a lineup, as frozen data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from gymnasium.spaces import Discrete

from league.block import (
    BlockPlan,
    BlockResult,
    MatchPlan,
    SeatResult,
    plan_block,
    plan_matches,
    rank_seats,
)
from league.rotation import rotations
from marl.errors import ConfigError, LedgerError
from marl.spaces import to_json
from marl.spec import Role, Spec

DISCRETE = to_json(Discrete(2))


def _lineups(found: tuple[dict[str, str], ...]) -> list[str]:
    return ["".join(lineup.values()) for lineup in found]


def _seated(players: str, role: str = "s") -> tuple[dict[str, str], dict[str, list[str]]]:
    seats = [f"{role}_{i}" for i in range(len(players))]
    return dict(zip(seats, players, strict=True)), {role: seats}


@pytest.mark.parametrize(
    ("players", "expected"),
    [
        ("AB", ["AB", "BA"]),
        ("AA", ["AA"]),
        ("ABC", ["ABC", "BCA", "CAB"]),
        ("AABB", ["AABB", "ABBA", "BBAA", "BAAB"]),
        ("ABAB", ["ABAB", "BABA"]),
    ],
)
def test_rotations_are_cyclic_and_distinct(players: str, expected: list[str]) -> None:
    """Every cyclic rotation occurs once, the lineup itself first; self-play is a single match."""
    assert _lineups(rotations(*_seated(players))) == expected


def test_each_player_sits_in_each_seat_equally_often() -> None:
    """Over a block, seat advantages cancel out."""
    found = rotations(*_seated("ABCA"))
    for seat in ("s_0", "s_1", "s_2", "s_3"):
        assert sorted(lineup[seat] for lineup in found) == ["A", "A", "B", "C"]


def test_roles_rotate_within_themselves() -> None:
    """Traders change places among traders only, makers among makers: the product of both."""
    lineup = {"trader_0": "A", "trader_1": "B", "maker_0": "M", "maker_1": "N"}
    roles = {"trader": ["trader_0", "trader_1"], "maker": ["maker_0", "maker_1"]}
    assert _lineups(rotations(lineup, roles)) == ["ABMN", "ABNM", "BAMN", "BANM"]


def test_roles_are_swapped_only_where_both_players_cover_both() -> None:
    """Hunters and evader change sides when each player can play both roles, and only then."""
    lineup = {"hunter_0": "A", "hunter_1": "A", "evader_0": "B"}
    roles = {"hunter": ["hunter_0", "hunter_1"], "evader": ["evader_0"]}
    both = {"A": ["hunter", "evader"], "B": ["hunter", "evader"]}
    assert _lineups(rotations(lineup, roles)) == ["AAB"]
    assert _lineups(rotations(lineup, roles, covers=both)) == ["AAB", "BBA"]
    assert _lineups(rotations(lineup, roles, covers=both | {"B": ["evader"]})) == ["AAB"]
    mixed = lineup | {"hunter_1": "C"}
    assert _lineups(rotations(mixed, roles, covers=both | {"C": ["hunter", "evader"]})) == ["ACB", "CAB"]


def test_team_mates_stay_team_mates() -> None:
    """No rotation mixes two teams; rotations that move whole teams stay."""
    lineup, roles = _seated("AABB")
    assert _lineups(rotations(lineup, roles, {"red": ["s_0", "s_1"], "blue": ["s_2", "s_3"]})) == [
        "AABB",
        "BBAA",
    ]
    lineup, roles = _seated("ABAB")
    assert _lineups(rotations(lineup, roles, {"red": ["s_0", "s_2"], "blue": ["s_1", "s_3"]})) == [
        "ABAB",
        "BABA",
    ]


def _plan(lineup: Mapping[str, str], **changes: Any) -> BlockPlan:
    spec = Spec("toy", "1", {"size": 3}, (Role("s", ("s_0", "s_1"), DISCRETE, DISCRETE),), {})
    fixed: dict[str, Any] = {"seed": 9, "run": "r", "task": 1, "position": 2, "purpose": "gate", "stage": "x"}
    fixed.update(changes)
    return plan_block(spec, lineup, **fixed)


def test_matches_share_the_seed_and_have_numbers_of_their_own() -> None:
    """The matches of a block: one seed, one number each, from the plan but not the run's name."""
    plan = _plan({"s_0": "A", "s_1": "B"})
    matches = plan_matches(plan)
    assert [match.seed for match in matches] == [9, 9]
    assert [match.lineup for match in matches] == [{"s_0": "A", "s_1": "B"}, {"s_0": "B", "s_1": "A"}]
    assert len({match.match for match in matches}) == 2
    assert all(0 <= match.match < 2**63 for match in matches)
    renamed = _plan({"s_0": "A", "s_1": "B"}, run="other")
    assert renamed.id != plan.id
    assert [match.match for match in plan_matches(renamed)] == [match.match for match in matches]
    for change in ({"seed": 8}, {"task": 2}, {"position": 3}, {"stage": "y"}, {"options": {"size": 4}}):
        changed = _plan({"s_0": "A", "s_1": "B"}, **change)
        assert changed.id != plan.id, change
        assert {m.match for m in plan_matches(changed)}.isdisjoint(m.match for m in matches), change


def test_everything_is_json_both_ways(duel: Callable[..., BlockResult]) -> None:
    """Plans and results survive JSON, the order of seats included, and keep their id and digest."""
    plan = _plan({"s_0": "B", "s_1": "A"})
    again = BlockPlan.from_json(json.loads(json.dumps(plan.to_json(), sort_keys=True)))
    assert again == plan
    assert again.id == plan.id
    assert [list(lineup) for lineup in again.lineups] == [["s_0", "s_1"]] * 2
    match = plan_matches(plan)[0]
    assert MatchPlan.from_json(json.loads(json.dumps(match.to_json()))) == match
    block = duel("A", "B", 1, 0.5)
    restored = BlockResult.from_json(json.loads(json.dumps(block.to_json())))
    assert restored == block
    assert restored.digest == block.digest


def test_a_lineup_must_fill_the_seats() -> None:
    """A seat too few, and an unknown purpose, are errors that say which."""
    with pytest.raises(ConfigError, match="s_1"):
        _plan({"s_0": "A"})
    with pytest.raises(ConfigError, match="purpose"):
        _plan({"s_0": "A", "s_1": "B"}, purpose="fun")


def test_results_must_fit_their_plan(duel: Callable[..., BlockResult]) -> None:
    """A missing match, another lineup, a score that is not finite, a void seat with a score: all refused."""
    block = duel("A", "B", 1, 0)
    with pytest.raises(LedgerError, match="rotations"):
        BlockResult(block.plan, block.matches[:1])
    with pytest.raises(LedgerError, match="lineup"):
        BlockResult(block.plan, (block.matches[0], replace(block.matches[0], index=1)))
    with pytest.raises(LedgerError, match="finite"):
        SeatResult("s_0", "s", "A", float("nan"), 1)
    with pytest.raises(LedgerError, match="void"):
        SeatResult("s_0", "s", "A", 1.0, 1, "void")
    with pytest.raises(LedgerError, match="outcome"):
        SeatResult("s_0", "s", "A", 1.0, 1, "lost")  # type: ignore[arg-type]  # that is the point


def test_one_void_seat_voids_the_block(duel: Callable[..., BlockResult]) -> None:
    """A block counts whole or not at all."""
    block = duel("A", "B", 1, 0)
    first = block.matches[0]
    dead = replace(first, seats=tuple(replace(seat, score=None, outcome="void") for seat in first.seats))
    assert not block.void
    assert BlockResult(block.plan, (dead, block.matches[1])).void


def test_ranks_share_draws_and_put_faults_last() -> None:
    """Higher scores first, equal ones share the better rank, a seat at fault is last whatever it scored."""
    assert rank_seats({"a": 3, "b": 5, "c": 3, "d": 1}) == {"a": 2, "b": 1, "c": 2, "d": 4}
    assert rank_seats({"a": 3, "b": 5}, faults=["b"]) == {"a": 1, "b": 2}
    teams = {"red": ["a", "b"], "blue": ["c", "d"]}
    assert rank_seats({"a": 9, "b": 0, "c": 5, "d": 5}, teams=teams) == {"a": 3, "b": 3, "c": 1, "d": 1}
    assert rank_seats({"a": 0, "b": 0, "c": 5, "d": 5}, faults=["d"], teams=teams) == {
        "a": 1,
        "b": 1,
        "c": 3,
        "d": 3,
    }
    assert rank_seats({"a": 1, "b": 2}, teams={"all": ["a", "b"]}) == {"a": 1, "b": 1}
