"""A ledger of millions of rows, as a long run would leave it: written in bulk, with its totals."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from league.config import LeagueSettings
from league.league import settings_of_tournament
from league.player import Player
from league.runs import LEDGER, Run

RUN = "big"


def run_of(folder: Path, rows: int, players: int = 100) -> None:
    """Make the folder of a run whose ledger has so many rows of seats."""
    values = settings_of_tournament("biased_rps", ["random", "tests.league.toys:rock"]) | {"name": RUN}
    names = [f"p{i:03d}" for i in range(players)]
    with Run.create(folder, LeagueSettings.read("big", values)) as run:
        run.ledger.add_players([Player(name, "scripted", name) for name in names])
    with sqlite3.connect(folder / LEDGER) as raw:
        _fill(raw, names, rows)
    raw.close()


def _fill(raw: sqlite3.Connection, players: list[str], rows: int) -> None:
    """Rows as blocks of two matches of two seats would leave them, written in bulk, and their totals."""
    raw.execute("PRAGMA synchronous=OFF")
    rng = np.random.default_rng(0)
    blocks = rows // 4
    one = rng.integers(0, len(players), blocks)
    two = (one + rng.integers(1, len(players), blocks)) % len(players)
    won = rng.integers(0, 2, (blocks, 2))
    raw.execute("CREATE TEMP TABLE drawn (b INTEGER, one TEXT, two TEXT, w0 INTEGER, w1 INTEGER)")
    raw.executemany(
        "INSERT INTO drawn VALUES (?,?,?,?,?)",
        zip(
            range(blocks),
            np.take(players, one).tolist(),
            np.take(players, two).tolist(),
            *won.T.tolist(),
            strict=True,
        ),
    )
    raw.execute("CREATE TEMP TABLE bits (v INTEGER)")
    raw.execute("INSERT INTO bits VALUES (0), (1)")
    raw.execute("INSERT INTO options VALUES ('o', '{}')")
    raw.execute(
        "INSERT INTO blocks (id, run, task, position, arena, version, options, stage, purpose, seed, roles, "
        "teams, lineups, digest, committed_at) SELECT printf('%016x', b), 'big', b / 1000, b % 1000, 'toy', "
        "'1', 'o', '', 'tournament', 0, '[]', '[]', '[]', 'd', 0 FROM drawn"
    )
    raw.execute("INSERT INTO matches SELECT printf('%016x', b), v, 2 * b + v, 0, 7, NULL, 0 FROM drawn, bits")
    raw.execute(
        "INSERT INTO seats SELECT printf('%016x', b), k.v, p.v, 's_' || p.v, 'p', iif(k.v <> p.v, two, one), "
        "iif(k.v, w1, w0) = p.v, 2 - (iif(k.v, w1, w0) = p.v), 'ok' FROM drawn, bits AS k, bits AS p"
    )
    for i in range(len(players)):
        for j in range(i + 1, len(players)):
            row = ("big", "tournament", "", "toy", players[i], players[j])
            for s, t in (("s_0", "s_1"), ("s_1", "s_0")):
                games = int(rng.integers(400, 600))
                raw.execute(
                    "INSERT INTO pair_totals VALUES (?,?,?,?,?,?,?,?,2,'p','p',?,?,0)",
                    (*row, s, t, games, games // 2),
                )
    for name in players:
        raw.execute(
            "INSERT INTO player_totals VALUES ('big', 'tournament', '', 'toy', ?, 1000, 500, 1000, 500, 500)",
            (name,),
        )
    raw.execute("INSERT INTO scope_totals VALUES ('big', 'tournament', '', 'toy', ?, 0)", (blocks,))
