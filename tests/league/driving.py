"""A small league that trains, examines and plays a tournament in a second, and what to compare of its run."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import tomli_w

from league.config import LeagueSettings
from league.league import League
from league.runs import LEDGER, Run
from league.standings import standings_of
from league.tables import to_json
from marl.settings import override

TOY: dict[str, Any] = {
    "name": "toy",
    "seed": 3,
    "arena": "biased_rps",
    "options": {"steps": 4},
    "pool": {"copies": 8, "groups": 2, "hosts": 0},
    "learner": {"rollout": 16, "settings": {"hidden": [16]}},
    "stages": [
        {
            "name": "one",
            "steps": 400,
            "max_tasks": 2,
            "opponents": {"latest": 0.5, "past": 0.2, "scripted": 0.3, "players": ["random"]},
            "gate": {"against": ["random"], "threshold": 0.3, "min_blocks": 8, "max_blocks": 16},
        },
        {
            "name": "two",
            "steps": 400,
            "max_tasks": 2,
            "options": {"steps": 6},
            "gate": {"against": ["past"], "threshold": 0.2, "min_blocks": 4, "max_blocks": 8},
        },
    ],
    "tournament": {
        "blocks": 6,
        "players": ["random"],
        "anchors": {"random": 1000.0},
        "ancestors": 2,
        "resamples": 100,
    },
}
"""A league of two stages with gates: self-play, past selves and a scripted player, then a tournament."""

DUEL: dict[str, Any] = {
    "name": "duel",
    "arena": "biased_rps",
    "options": {"steps": 3},
    "pool": {"copies": 4, "groups": 2, "hosts": 0},
    "workers": 1,
    "tournament": {
        "blocks": 4,
        "players": ["random", "tests.league.toys:rock", "tests.league.toys:paper"],
        "resamples": 100,
    },
}
"""A tournament of three scripted players: no torch, so that processes start at once."""

_SHARES = ("act_share", "env_share", "wait_share", "learn_share")
_CLOCK = ("wall_s", "play_s", "learn_s", "decisions_per_s", *_SHARES)


def toy(*assignments: str, of: dict[str, Any] = TOY) -> LeagueSettings:
    """The settings of a small league, with `a.b=v` assignments put in."""
    return LeagueSettings.read("toy", override(of, assignments))


def written(folder: Path, settings: LeagueSettings) -> Path:
    """A TOML file with the settings, as a user writes it."""
    path = folder / f"{settings.name}.toml"
    path.write_text(tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    return path


def carried_out(settings: LeagueSettings, folder: Path, backend: str = "inline") -> Path:
    """Run a league to its end; returns its folder."""
    with League(settings, folder, backend="inline" if backend == "inline" else "process") as league:
        league.run()
    return folder


def trace(folder: Path) -> dict[str, Any]:
    """Everything that a run found, without clocks: two runs of the same settings must agree in all of it."""
    with Run.open(folder) as run:
        name, ledger = run.settings.name, run.ledger
        rated, pairs, names, notes = standings_of(run, "tournament")
        return {
            "blocks": [(block.plan.id, block.digest) for block in ledger.blocks(run=name)],
            "tasks": [
                (task.index, task.kind, task.hash, _timeless(task.result)) for task in ledger.tasks(name)
            ],
            "training": ledger.training(name),
            "players": [player.to_json() for player in ledger.players().values()],
            "standings": json.loads(json.dumps(to_json(rated, pairs, "difference", names))),
            "notes": notes,
            "files": {
                kind: sorted(path.name for path in (folder / kind).glob("[!.]*"))
                for kind in ("snapshots", "checkpoints", "replays")
            },
        }


def assert_whole(folder: Path) -> None:
    """The ledger is sound, and every block is in it once, with all its matches and seats."""
    connection = sqlite3.connect(folder / LEDGER)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        places = connection.execute("SELECT run, task, position FROM blocks").fetchall()
        assert len(set(places)) == len(places) > 0
    finally:
        connection.close()
    with Run.open(folder) as run:
        # read whole: a block without one of its matches or seats raises
        assert len(run.ledger.blocks(run=run.settings.name)) == len(places)


def tasks_recorded(folder: Path) -> int:
    """How many tasks the ledger of a run holds now, which somebody else may be writing."""
    path = folder / LEDGER
    if not path.is_file():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        found: tuple[int] = connection.execute("SELECT count(*) FROM tasks").fetchone()
    except sqlite3.OperationalError:  # the tables are not there yet
        return 0
    finally:
        connection.close()
    return found[0]


def _timeless(result: Any) -> Any:  # noqa: ANN401  # JSON
    if isinstance(result, dict):
        # What a clock says, and how host processes fared.
        return {
            key: _timeless(value)
            for key, value in result.items()
            if key not in _CLOCK and not key.startswith(("host_", "pool/"))
        }
    return [_timeless(value) for value in result] if isinstance(result, list) else result
