"""Scripted players of connect four see what there is to see, and the stronger beat the weaker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.scripted.connect_four import SCRIPTED, Blocker, Board, Player, Searcher, Winner, four
from league.findings import Findings
from league.league import Tournament


def _observation(rows: str) -> np.ndarray:
    """From a picture, top row first: x own, o the other's."""
    cells = np.array([list(row) for row in rows.split()])
    full = np.full((6, 7), ".")
    full[6 - len(cells) :] = cells
    return np.stack([full == "x", full == "o"], axis=-1).astype(np.int8)


def _move(player: Player, rows: str) -> int:
    player.reset("player_0", 1)
    return player.act(_observation(rows), np.ones(7, np.uint8))


def test_four_in_a_row_are_found_in_every_direction() -> None:
    """Across, up, and both diagonals; not around the edge of the board."""
    pictures = [
        "xxxx...",
        "x...... x...... x...... x......",
        "x...... .x..... ..x.... ...x...",
        "...x... ..x.... .x..... x......",
    ]
    for rows in pictures:
        assert four(Board(_observation(rows)).own), rows
    assert not four(Board(_observation("x...... x...... x...... .......")).own)
    assert not four(Board(_observation("....xxx x......")).own)


def test_players_take_and_block() -> None:
    """A win is taken before anything else, a threat is blocked, a fork two moves ahead is seen by search."""
    assert _move(Winner(), "ooo.... xxx....") == 3
    assert _move(Blocker(), "ooo...x") == 3
    assert _move(Blocker(), "ooo.xxx") == 3
    assert _move(Searcher(2), "ooo...x") == 3
    assert _move(Searcher(3), "..xx...") in {1, 4}


def test_all_are_legal_and_ordered(tmp_path: Path) -> None:
    """A round robin: searchers above the blocker, the blocker above the leftmost column."""
    names = ["leftmost", "blocker", "alpha_beta_2"]
    assert set(names) < set(SCRIPTED)
    arena = "pettingzoo.classic.connect_four_v3"
    found = Tournament(arena, names, out=tmp_path, blocks=10, pool={"copies": 16}).run()
    assert isinstance(found, Findings)
    assert [row.player for row in found.standings.rows] == names[::-1]
    with pytest.raises(NotImplementedError):
        Player().worth(Board(_observation("x......")))
