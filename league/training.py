"""`train`: a league of one, without gates. Nothing trains by a second path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from league.config import LeagueSettings
from league.league import Backend, League, Progress, put_in, silent
from league.tuning import tuned
from league.workshop import SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def settings_of_one(
    arena: str,
    *,
    learner: str = "ppo",
    steps: int = 100_000,
    tasks: int = 1,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The settings of a league of one as plain data, for `LeagueSettings`; arguments are those of `train`."""
    stage = {
        "name": "training",
        "steps": max(1, steps // tasks),
        "max_tasks": tasks,
        "opponents": {"latest": 0.8, "past": 0.2} if tasks > 1 else {"latest": 1.0, "past": 0.0},
    }
    return {
        "name": "train",
        "seed": seed,
        "arena": arena,
        "options": options or {},
        "learner": {"name": learner, "settings": settings or {}},
        "stages": [stage],
        "pool": {"hosts": 0},
    }


def train(
    arena: str,
    *,
    learner: str = "ppo",
    steps: int = 100_000,
    tasks: int = 1,
    seed: int = 0,
    out: str | Path,
    options: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    rollout: int | None = None,
    preset: str = "none",
    backend: Backend = "inline",
    told: Callable[[Progress], None] = silent,
    **more: Any,
) -> Path:
    """Train a learner by self-play in an arena; returns the last snapshot's folder.

    `settings` are the learner's own, `preset` what they stand on (`league.tuning.tuned`), `rollout` the
    environment steps of a fragment, `more` other fields of `LeagueSettings`. `tasks` is how many parts the
    `steps` are cut into; each ends in a snapshot, which later parts may meet.
    """
    values = settings_of_one(
        arena, learner=learner, steps=steps, tasks=tasks, seed=seed, options=options, settings=settings
    )
    if rollout is not None:
        values["learner"]["rollout"] = rollout
    values, _ = tuned(put_in(values, more), preset)
    return train_league(LeagueSettings.read("train", values), out, backend=backend, told=told)


def train_league(
    settings: LeagueSettings,
    out: str | Path,
    *,
    backend: Backend = "inline",
    told: Callable[[Progress], None] = silent,
) -> Path:
    """Carry out the stages of a league; returns the last snapshot's folder."""
    with League(settings, out, backend=backend, told=told) as league:
        player = league.train().candidates[-1].player
        return league.folder / SNAPSHOTS / str(player.spec["snapshot"])
