"""`League`: a run carried out from its settings to its report, resumable at every task; `train` and `Tournament` are leagues too."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from agents.snapshot import read as read_snapshot
from league.config import LeagueSettings
from league.executor import Executor, InlineExecutor, ProcessExecutor
from league.external import Externals, WithExternals
from league.findings import Findings, conclude
from league.player import Player
from league.runs import REPORT, Run
from league.schedule import Done, drive
from league.selfplay import SelfPlay, scripted_player
from league.tasks import TrainTask
from league.tournament import RoundRobin
from league.workshop import SNAPSHOTS
from marl.errors import ConfigError
from marl.loading import build
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marl.spec import Spec

Backend = Literal["process", "inline"]


@dataclass(frozen=True)
class Progress:
    """What is told of a finished task: its number, and a line for people."""

    task: int
    line: str


def _silent(_: Progress) -> None:
    """Tell nobody."""


class League:
    """A run. `run()` does all that is left of it; `train()` and `tournament()` are its two halves.

    Everything is recorded in the run's folder as it is done, so that a killed run goes on where it was.
    """

    def __init__(
        self,
        settings: LeagueSettings,
        folder: str | Path,
        *,
        backend: Backend = "process",
        told: Callable[[Progress], None] = _silent,
    ) -> None:
        self.settings = settings
        self.folder = Path(folder)
        self._told = told
        self._open = Run.create(self.folder, settings)
        try:
            self.spec: Spec = build(settings.ref()).spec
            self._check_players()
        except BaseException:
            self._open.close()
            raise
        workers = settings.workers
        self._executor: Executor = (
            InlineExecutor(self.folder) if backend == "inline" else ProcessExecutor(self.folder, workers)
        )
        self.selfplay = SelfPlay(settings, self.spec)
        self._metrics: list[dict[str, Any]] = []
        self._tasks = 0

    def run(self) -> Findings:
        """Train, play the tournament, and conclude."""
        self.train()
        return self.tournament()

    def train(self) -> SelfPlay:
        """Carry the curriculum out; returns the candidates and verdicts."""
        self._tasks = drive(
            self.selfplay,
            self._executor,
            self._open.ledger,
            self.settings.name,
            first=self._tasks,
            window=self.settings.window,
            told=self._hear,
        )
        return self.selfplay

    def tournament(self) -> Findings:
        """Play the round robin, write the report, and return what it all says."""
        rules = self.settings.tournament
        if rules is None:
            raise ConfigError(f"league {self.settings.name}", got="no tournament", expected="[tournament] in its settings")
        entrants = self.entrants()
        with ExitStack() as stack:
            executor = self._executor
            fewer: dict[str, int] = {}
            if rules.external:
                externals = stack.enter_context(
                    Externals(self.spec, rules.external, lambda line: self._told(Progress(self._tasks, line)))
                )
                executor = WithExternals(executor, self.folder, externals)
                entrants += externals.players
                fewer = {entry.name: entry.blocks for entry in rules.external}
            plan = RoundRobin(self.settings, self.spec, entrants, fewer)
            self._tasks = drive(
                plan,
                executor,
                self._open.ledger,
                self.settings.name,
                first=self._tasks,
                window=max(self.settings.window, 2 * self.settings.workers),
                told=self._hear,
            )
        findings = conclude(self.settings, self.selfplay, plan.entrants, plan.blocks, self._metrics)
        findings.write(self.folder / REPORT)
        return findings

    def entrants(self) -> list[Player]:
        """Who plays the tournament, external players apart: the champion, its ancestors, scripted players."""
        rules = self.settings.tournament
        assert rules is not None  # noqa: S101  # the caller looked
        players: list[Player] = []
        if self.selfplay.candidates:
            champion = self.selfplay.champion
            passed = [c for c in self.selfplay.candidates if c.verdict is not None and c.verdict.passed]
            older = [c for c in self.selfplay.candidates if c.decisions < champion.decisions]
            first = older[:1]
            chosen = {c.player.id: c for c in [*first, *[c for c in passed if c in older]]}
            for candidate in older[::-1]:
                if len(chosen) >= rules.ancestors:
                    break
                chosen.setdefault(candidate.player.id, candidate)
            ancestors = sorted(chosen.values(), key=lambda c: c.decisions)[: rules.ancestors]
            players = [champion.player, *[c.player for c in ancestors]]
        return [*players, *[self._named(name) for name in rules.players]]

    def close(self) -> None:
        """End workers, and let others write in the folder."""
        self._executor.close()
        self._open.close()

    def __enter__(self) -> League:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _named(self, name: str) -> Player:
        """A player by name: scripted, or somebody's snapshot by its folder, which is copied into this run's."""
        path = Path(name)
        if not (path / "manifest.json").is_file():
            assert self.settings.tournament is not None  # noqa: S101  # the caller looked
            return scripted_player(name, self.settings.tournament.anchors)
        manifest, _ = read_snapshot(path)
        target = self.folder / SNAPSHOTS / path.name
        if not target.exists():
            shutil.copytree(path, target)
        lineage = manifest.get("lineage", {})
        label = f"{lineage.get('run', 'snapshot')}-{path.name[:8]}"
        return Player(id=label, kind="snapshot", name=label, spec={"snapshot": path.name})

    def _check_players(self) -> None:
        """Every scripted player that the settings name can be made: known now, not in the middle of the run."""
        from agents import make_policy  # noqa: PLC0415

        rules = self.settings.tournament
        names = {n for stage in self.settings.stages for n in stage.opponents.players}
        names |= {n for s in self.settings.stages if s.gate for n in s.gate.against if n != "past"}
        names |= {n for n in (rules.players if rules else ()) if not (Path(n) / "manifest.json").is_file()}
        for name in sorted(names):
            make_policy(name, self.spec)

    def _hear(self, done: Done) -> None:
        if isinstance(done.task, TrainTask):
            rows = [{"task": done.index, "stage": done.task.stage, **row} for row in done.result["metrics"]]
            self._metrics.extend(rows)
            self._open.write_metrics(self._metrics)
        self._told(Progress(done.index, _line(done, self.selfplay)))


def _line(done: Done, selfplay: SelfPlay) -> str:
    """A finished task in a line."""
    task, result = done.task, done.result
    if isinstance(task, TrainTask):
        last = result["metrics"][-1]
        score = f", score {last['score']:.2f}" if "score" in last else ""
        rate = result["decisions"] / max(result["wall_s"], 1e-9)
        return (
            f"trained {selfplay.candidates[-1].player.name} in stage {task.stage}: {result['decisions']:,} decisions, "
            f"{rate:,.0f}/s{score}, entropy {_figure(last, 'entropy')}"
        )
    names = " - ".join(player.name for player in task.players) if len(task.players) == 2 else task.players[0].name  # noqa: PLR2004
    rate = result["matches"] / max(result["wall_s"], 1e-9)
    gated = any(block.plan.purpose == "gate" for block in done.blocks)
    if not gated:
        return f"played {names}: {result['matches']} matches, {rate:,.0f}/s"
    verdict = selfplay.verdicts[-1]
    return (
        f"examined {names} in stage {verdict.stage}: {verdict.mean:.2f}, lower bound {verdict.lower:.2f}, "
        f"needs {verdict.threshold:.2f}: {verdict.status}"
    )


def _figure(figures: dict[str, float], name: str) -> str:
    found = [value for key, value in figures.items() if key.rpartition("/")[2] == name]
    return f"{float(np.mean(found)):.2f}" if found else "-"


def train(  # noqa: PLR0913  # one argument a thing that a notebook wants to say
    arena: str,
    *,
    learner: str = "ppo",
    steps: int = 100_000,
    seed: int = 0,
    out: str | Path,
    options: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    tasks: int = 1,
    backend: Backend = "inline",
    told: Callable[[Progress], None] = _silent,
    **more: Any,  # noqa: ANN401  # other fields of LeagueSettings
) -> Path:
    """Train a learner by self-play in an arena: a league of one, without gates. Returns the snapshot's folder.

    `settings` are the learner's own; `tasks` is how many parts the `steps` are cut into, each of which is a snapshot that
    the later ones may meet again.
    """
    stage = {
        "name": "training",
        "steps": max(1, steps // tasks),
        "max_tasks": tasks,
        "opponents": {"latest": 0.8, "past": 0.2} if tasks > 1 else {"latest": 1.0, "past": 0.0},
    }
    rollout = more.pop("rollout", 64)
    league = LeagueSettings.read(
        "train",
        {
            "name": f"train-{seed_of(seed) % 10**6}",
            "seed": seed,
            "arena": arena,
            "options": options or {},
            "learner": {"name": learner, "rollout": rollout, "settings": settings or {}},
            "stages": [stage],
            "pool": {"hosts": 0},
            **more,
        },
    )
    with League(league, out, backend=backend, told=told) as opened:
        done = opened.train()
        return opened.folder / SNAPSHOTS / done.candidates[-1].player.spec["snapshot"]


class Tournament:
    """A round robin by itself: `Tournament("trading", ["hold", "random", "runs/x/snapshots/..."], out=...).run()`."""

    def __init__(  # noqa: PLR0913  # one argument a thing that a notebook wants to say
        self,
        arena: str,
        players: Sequence[str],
        *,
        out: str | Path,
        blocks: int = 32,
        seed: int = 1,
        options: dict[str, Any] | None = None,
        backend: Backend = "inline",
        told: Callable[[Progress], None] = _silent,
        **more: Any,  # noqa: ANN401  # other fields of LeagueSettings
    ) -> None:
        rules = {"players": list(players), "blocks": blocks, "seed": seed, **more.pop("tournament", {})}
        values = {"name": "tournament", "arena": arena, "options": options or {}, "stages": [], "tournament": rules}
        self._settings = LeagueSettings.read("tournament", {"pool": {"hosts": 0}, **values, **more})
        self._out, self._backend, self._told = Path(out), backend, told

    def run(self) -> Findings:
        """Play what is left of it, and conclude."""
        with League(self._settings, self._out, backend=self._backend, told=self._told) as league:
            return league.tournament()
