"""`League`: a run from its settings to its report, resumable at every task; `Tournament` is a small one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from agents import load_snapshot, make_policy
from league.config import LeagueSettings
from league.contest import Contest
from league.durable import HALF
from league.executor import Executor, InlineExecutor, ProcessExecutor
from league.external import Externals, WithExternals
from league.findings import Findings, conclude
from league.formats import Scenarios, by_scores
from league.leaders import Leaders
from league.player import Player
from league.requests import Requests
from league.review import is_snapshot, review, snapshot_label
from league.runs import REPORT, Run
from league.schedule import Done, drive
from league.selfplay import Candidate, SelfPlay, scripted_player
from league.sinks import Sinks
from league.tasks import TrainTask
from league.team_findings import TeamFindings, conclude_team
from league.workshop import SNAPSHOTS
from marl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from league.config import TournamentSettings

Backend = Literal["process", "inline"]


@dataclass(frozen=True)
class Progress:
    """What is told of a finished task: its number, and a line for people.

    Of a tournament also how many matches are on the disk, how many are planned so far (rounds that follow
    from results come on top), and who leads: (name, rating or mean score).
    """

    task: int
    line: str
    matches: int = 0
    expected: int = 0
    leaders: tuple[tuple[str, float], ...] = ()


def silent(_: Progress) -> None:
    """Tell nobody."""


class League:
    """A run. `run()` does all that is left of it; `train()` and `tournament()` are its two halves.

    Everything is recorded in the run's folder as it is done, so that a killed run goes on where it was. What
    the settings name is looked at first: raises what `review` raises, then what `Run.create` raises.
    """

    def __init__(
        self,
        settings: LeagueSettings,
        folder: str | Path,
        *,
        backend: Backend = "process",
        told: Callable[[Progress], None] = silent,
    ) -> None:
        self.settings = settings
        self.folder = Path(folder)
        self.spec = review(settings)
        self._told = told
        self._run = Run.create(self.folder, settings)
        self._executor: Executor = (
            InlineExecutor(self.folder)
            if backend == "inline"
            else ProcessExecutor(self.folder, settings.workers)
        )
        self.selfplay = SelfPlay(settings, self.spec)
        self.contest: Contest | None = None
        self._metrics: list[dict[str, Any]] = []
        self._sinks = Sinks(settings.sinks, self.folder, settings.name)
        self._tasks = self._recalled = self._matches = 0
        self._leaders: Leaders | None = None

    def run(self) -> Findings | TeamFindings:
        """Train, play the tournament, and conclude."""
        return self.tournament()

    def train(self) -> SelfPlay:
        """Carry the curriculum out; returns the candidates and verdicts."""
        self._carry_stages_out()
        self._tell_recalled()
        return self.selfplay

    def tournament(self) -> Findings | TeamFindings:
        """Play the tournament (training first, where some is left), write the report, conclude."""
        rules = self.settings.tournament
        if rules is None:
            raise ConfigError(
                f"league {self.settings.name}", got="no tournament", expected="[tournament] in its settings"
            )
        self._carry_stages_out()
        fewer = {entry.name: entry.blocks for entry in rules.external}
        requests = Requests(self.folder, self._run.ledger, self.settings.name, self._asked)
        plan = Contest(
            self.settings,
            self.spec,
            rules.form(self.spec),
            self.entrants(),
            background=self.background(),
            fewer=fewer,
            requests=requests,
        )
        self.contest = plan
        self._leaders = Leaders(
            self._run.ledger,
            self.settings.name,
            rules.anchors,
            by_scores=by_scores(plan.form),
        )
        executor = WithExternals(self._executor, self.folder, lambda: self._open_gateway(rules))
        try:
            self._tasks = drive(
                plan,
                executor,
                self._run.ledger,
                self.settings.name,
                first=self._tasks,
                window=max(
                    self.settings.window, 2 * self.settings.workers
                ),  # a round's meetings wait for nothing
                told=self._hear,
            )
        finally:
            executor.close()
        self._tell_recalled()
        findings = self._conclude(plan)
        findings.write(self.folder / REPORT)
        return findings

    def _conclude(self, plan: Contest) -> Findings | TeamFindings:
        given = (
            self.settings,
            self.selfplay,
            plan.entrants,
            plan.blocks,
            self._metrics,
            plan.gone,
            plan.rounds,
        )
        if by_scores(plan.form):
            return conclude_team(*given)
        findings = conclude(*given)
        self._run.ledger.keep_fit(self.settings.name, "tournament", findings.standings)
        return findings

    def entrants(self) -> list[Player]:
        """Who plays the tournament: the champion, its ancestors, scripted players, those from outside."""
        rules = self.settings.tournament
        assert rules is not None  # the caller looked
        players: list[Player] = []
        if self.selfplay.candidates:
            champion = self.selfplay.champion
            ancestors = _ancestors(self.selfplay.candidates, champion, rules.ancestors)
            players = [candidate.player for candidate in (champion, *ancestors)]
        players += [self._named(name) for name in rules.players]
        outsiders = [Player(id=entry.name, kind="external", name=entry.name) for entry in rules.external]
        return [*players, *outsiders]

    def background(self) -> list[Player]:
        """Who fills seats beside those who are tested."""
        form = None if self.settings.tournament is None else self.settings.tournament.format
        return [self._named(name) for name in form.background] if isinstance(form, Scenarios) else []

    def close(self) -> None:
        """End workers and sinks, and let others write in the folder."""
        self._executor.close()
        self._complain(self._sinks.close())
        self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _carry_stages_out(self) -> None:
        self._tasks = drive(
            self.selfplay,
            self._executor,
            self._run.ledger,
            self.settings.name,
            first=self._tasks,
            window=self.settings.window,
            told=self._hear,
        )
        self._run.write_metrics(self._metrics)

    def _named(self, name: str) -> Player:
        """A player by name: scripted, or a snapshot by its folder, which is copied into this run's."""
        if not is_snapshot(name, self.spec):
            assert self.settings.tournament is not None  # the caller looked
            return scripted_player(name, self.settings.tournament.anchors)
        folder = Path(name).resolve()
        label = snapshot_label(folder)
        target = self.folder / SNAPSHOTS / folder.name
        if not target.exists():
            half = target.with_name(f"{HALF}{folder.name}")
            shutil.copytree(folder, half)
            half.rename(target)
        return Player(id=label, kind="snapshot", name=label, spec={"snapshot": folder.name})

    def _asked(self, name: str) -> Player:
        """A player that somebody names while the tournament runs: one of its own, or one that can be made."""
        known = self.contest.roster if self.contest is not None else {}
        if name in known:
            return known[name]
        player = self._named(name)
        if player.kind == "scripted":
            make_policy(name, self.spec)
        else:
            load_snapshot(self.folder / SNAPSHOTS / player.spec["snapshot"], self.spec)
        return player

    def _open_gateway(self, rules: TournamentSettings) -> Externals:
        self._tell_recalled()
        return Externals(self.spec, rules, lambda line: self._told(Progress(self._tasks, line)))

    def _hear(self, done: Done) -> None:
        if isinstance(done.task, TrainTask):
            rows = [{"task": done.index, "stage": done.task.stage, **row} for row in done.result["metrics"]]
            self._metrics.extend(rows)
        if self._leaders is not None:
            self._matches += sum(len(block.matches) for block in done.blocks)
            self._leaders.take(done.blocks)
        if done.recalled:
            self._recalled += 1
            return
        self._tell_recalled()
        if isinstance(done.task, TrainTask):
            self._run.write_metrics(self._metrics)
            self._sinks.put(done.result["metrics"])
        self._complain(self._sinks.complaints())
        self._told(self._progress(done.index, _line(done, self.selfplay)))

    def _complain(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._told(Progress(self._tasks, line))

    def _progress(self, task: int, line: str) -> Progress:
        if self.contest is None or self._leaders is None:
            return Progress(task, line)
        names = {player.id: player.name for player in self.contest.entrants}
        expected = self.contest.expected_matches
        found = self._leaders.now(last=self._matches == expected)
        leaders = tuple((names.get(player, player), value) for player, value in found)
        return Progress(task, line, self._matches, expected, leaders)

    def _tell_recalled(self) -> None:
        if self._recalled:
            self._told(Progress(self._recalled, f"{self._recalled} tasks are recorded already"))
            self._recalled = 0


def _ancestors(candidates: Sequence[Candidate], champion: Candidate, most: int) -> list[Candidate]:
    """The first snapshot, those that passed a gate, and the newest others; all older than the champion."""
    older = [candidate for candidate in candidates if candidate.decisions < champion.decisions]
    passed = [candidate for candidate in older if candidate.verdict is not None and candidate.verdict.passed]
    chosen = {candidate.player.id: candidate for candidate in (*older[:1], *passed, *older[::-1])}
    return sorted(list(chosen.values())[:most], key=lambda candidate: candidate.decisions)


def _line(done: Done, selfplay: SelfPlay) -> str:
    """A finished task in a line."""
    task, result = done.task, done.result
    if isinstance(task, TrainTask):
        last = result["metrics"][-1]
        score = f", score {last['score']:.2f}" if "score" in last else ""
        rate = result["decisions"] / max(result["wall_s"], 1e-9)
        if not last.get("updates", 1.0):  # those who learn from replay count them
            return (
                f"learned nothing from {result['decisions']:,} decisions in stage {task.stage}: "
                f"{_trained(done, selfplay)} plays as it began, as learner.settings.warmup or every is longer"
            )
        return (
            f"trained {_trained(done, selfplay)} in stage {task.stage}: "
            f"{result['decisions']:,} decisions, {rate:,.0f}/s{score}, entropy {_figure(last, 'entropy')}"
        )
    if not any(block.plan.purpose == "gate" for block in done.blocks):
        names = " - ".join(player.name for player in task.players)
        rate = result["matches"] / max(result["wall_s"], 1e-9)
        return f"played {names}: {result['matches']} matches, {rate:,.0f}/s"
    verdict = next(v for v in reversed(selfplay.verdicts) if v.candidate == task.players[0].id)
    return (
        f"examined {task.players[0].name} in stage {verdict.stage}: {verdict.mean:.2f}, "
        f"lower bound {verdict.lower:.2f}, needs {verdict.threshold:.2f}: {verdict.status}"
    )


def _trained(done: Done, selfplay: SelfPlay) -> str:
    """The snapshot that a task made; others may have been made since."""
    made = [c.player for c in selfplay.candidates if c.player.spec["snapshot"] == done.result["snapshot"]]
    return made[-1].name


def _figure(figures: dict[str, float], name: str) -> str:
    found = [value for key, value in figures.items() if key.rpartition("/")[2] == name]
    return f"{float(np.mean(found)):.2f}" if found else "-"


def settings_of_tournament(
    arena: str,
    players: Sequence[str],
    *,
    blocks: int = 32,
    seed: int = 1,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The settings of a round robin by itself as plain data, for `LeagueSettings`."""
    return {
        "name": "tournament",
        "arena": arena,
        "options": options or {},
        "pool": {"copies": 64, "hosts": 0},
        "tournament": {"players": list(players), "blocks": blocks, "seed": seed},
    }


class Tournament:
    """A round robin by itself: `Tournament("trading", ["hold", "random", SNAPSHOT], out=FOLDER).run()`.

    `settings` are other fields of `LeagueSettings`; those of tables are put into the tables.
    """

    def __init__(
        self,
        arena: str,
        players: Sequence[str],
        *,
        out: str | Path,
        blocks: int = 32,
        seed: int = 1,
        options: dict[str, Any] | None = None,
        backend: Backend = "inline",
        told: Callable[[Progress], None] = silent,
        **settings: Any,
    ) -> None:
        values = settings_of_tournament(arena, players, blocks=blocks, seed=seed, options=options)
        self._settings = LeagueSettings.read("tournament", put_in(values, settings))
        self._out, self._backend, self._told = Path(out), backend, told

    def run(self) -> Findings | TeamFindings:
        """Play what is left of it, and conclude."""
        with League(self._settings, self._out, backend=self._backend, told=self._told) as league:
            return league.tournament()


def put_in(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Settings with others put in, table by table."""
    known = {name: values[name] for name in more if isinstance(values.get(name), dict)}
    return values | {
        name: {**known.get(name, {}), **value} if name in known else value for name, value in more.items()
    }
