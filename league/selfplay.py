"""The plan of a self-play league: train in the current stage, examine every snapshot, go on past a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from league.block import BlockPlan, Purpose, plan_block
from league.curriculum import Stage, Verdict, exam_opponents, judge
from league.matchmaking import pfsp
from league.online import OnlineRatings
from league.player import Player
from league.tasks import PlayTask, Task, TrainTask
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from league.config import LeagueSettings
    from league.records import TrainingRow
    from league.schedule import Done
    from marl.spec import Spec

_LEARN, _MATCH, _EXAM, _START = 1, 2, 3, 4
"""Branches of the run's seed."""


@dataclass
class Candidate:
    """A snapshot of the main player, in which stage it was trained, and what its exam said."""

    player: Player
    stage: int
    decisions: int
    verdict: Verdict | None = None


@dataclass
class _StageRun:
    """How far the current stage has come."""

    index: int = 0
    trained: int = 0
    attempts: int = 0
    last: bool = False


def scripted_player(name: str, anchors: Mapping[str, float]) -> Player:
    """The roster's entry of a scripted player."""
    return Player(id=name, kind="scripted", name=name, spec={"player": name}, anchor=name in anchors)


class SelfPlay:
    """Keeps `schedule.Plan`.

    `candidates` are all snapshots in order, `timed_out` the stages that were left without a pass.
    """

    def __init__(self, settings: LeagueSettings, spec: Spec) -> None:
        self._settings, self._spec = settings, spec
        anchors = settings.tournament.anchors if settings.tournament else {}
        names = {
            n for s in settings.stages for n in (*s.opponents.players, *(s.gate.scripted if s.gate else ()))
        }
        self.scripted = {name: scripted_player(name, anchors) for name in sorted(names)}
        self.candidates: list[Candidate] = []
        self.verdicts: list[Verdict] = []
        self.timed_out: list[str] = []
        self._at = _StageRun()
        self._checkpoint: str | None = None
        self._training = False
        self._examining: dict[str, int] = {}
        self._waiting: list[Candidate] = []
        self._trained = 0
        self._wins: dict[str, list[float]] = {}
        self._online = OnlineRatings()
        self._pool = settings.pool_plan()

    @property
    def champion(self) -> Candidate:
        """The snapshot that passed the latest gate; the newest one where the last stage was not passed."""
        passed = [c for c in self.candidates if c.verdict is not None and c.verdict.passed]
        if passed and passed[-1].stage == len(self._settings.stages) - 1:
            return passed[-1]
        return self.candidates[-1]

    @property
    def stage(self) -> Stage | None:
        """The stage in play; None after the last."""
        return self._settings.stages[self._at.index] if self._at.index < len(self._settings.stages) else None

    def next(self, index: int) -> Task | None:
        """An exam where a snapshot waits for one, else training, else nothing."""
        stage = self.stage
        if stage is None:
            return None
        if self._waiting and not self._examining:
            return self._exam(index, stage, self._waiting.pop(0))
        if self._training or self._at.trained >= stage.max_tasks:
            return None
        return self._train(stage)

    def take(self, done: Done) -> Sequence[Player]:
        """Take a result."""
        if isinstance(done.task, TrainTask):
            return self._take_training(done)
        self._take_exam(done)
        return []

    # training

    def _train(self, stage: Stage) -> TrainTask:
        settings, number = self._settings, self._trained
        self._training = True
        past, rates = self._past(number)
        self._at.trained += 1
        newest = self.candidates[-1].player.id if self.candidates else None
        opponents = [self.scripted[name] for name in stage.opponents.players]
        known = {candidate.player.id: candidate.player for candidate in self.candidates}
        return TrainTask(
            pool=self._pool,
            learner=settings.learner.name,
            settings=settings.learner.settings,
            player=settings.player,
            checkpoint=self._checkpoint,
            lineage={"run": settings.name, "number": number, "stage": stage.name, "parent": newest},
            stage=stage.name,
            options=settings.stage_options(stage),
            mix=stage.opponents.model_dump(mode="json"),
            past=past,
            past_win_rates=rates,
            opponents=(*opponents, *(known[name] for name in past)),
            steps=stage.steps,
            rollout=settings.learner.rollout,
            overlap=settings.learner.overlap,
            seed=seed_of(settings.seed, _MATCH, number),
            learner_seed=seed_of(settings.seed, _LEARN),
        )

    def _past(self, number: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """The past snapshots that a training task can meet, drawn by PFSP, and the win rates against them."""
        ids = [candidate.player.id for candidate in self.candidates]
        if not ids:
            return (), ()
        weighting = self._settings.stages[self._at.index].opponents.weighting
        rate = self._predicted if weighting == "rating" else self._win_rate
        rates = np.array([rate(name) for name in ids])
        rng = np.random.default_rng(seed_of(self._settings.seed, _START, number))
        weights = pfsp(rates, weighting) + 1e-9
        count = min(len(ids), self._settings.past_pool)
        chosen = sorted(rng.choice(len(ids), count, replace=False, p=weights / weights.sum()).tolist())
        return tuple(ids[i] for i in chosen), tuple(float(rates[i]) for i in chosen)

    def _win_rate(self, player: str) -> float:
        games, points = self._wins.get(player, (0.0, 0.0))
        return points / games if games else 0.5

    def _predicted(self, player: str) -> float:
        """The chance that the newest snapshot beats an older one, by what exams were played so far."""
        return self._online.chance(self.candidates[-1].player.id, player)

    def _take_training(self, done: Done) -> Sequence[Player]:
        task = done.task
        assert isinstance(task, TrainTask)  # the caller looked
        self._training = False
        number, self._trained = self._trained, self._trained + 1
        self._checkpoint = done.result["checkpoint"]
        snapshot = done.result["snapshot"]
        player = Player(
            id=f"{self._settings.player}-{number + 1}-{snapshot[:8]}",
            kind="snapshot",
            name=f"{self._settings.player}-{number + 1}",
            spec={"snapshot": snapshot},
            parent=task.lineage["parent"],
        )
        decisions = (self.candidates[-1].decisions if self.candidates else 0) + int(done.result["decisions"])
        stages = [stage.name for stage in self._settings.stages]
        candidate = Candidate(player, stages.index(task.stage), decisions)
        self._note_wins(done.training)
        self.candidates.append(candidate)
        stage = self.stage
        # who was trained for an earlier stage is not examined in this one
        if stage is not None and candidate.stage == self._at.index and self._against(stage, candidate):
            self._waiting.append(candidate)
        self._leave_if_spent()
        return [player] if number else [*self.scripted.values(), player]

    def _note_wins(self, rows: Sequence[TrainingRow]) -> None:
        """How the learner fared against each past snapshot; older results fade to a half with every task."""
        for entry in self._wins.values():
            entry[0] *= 0.5
            entry[1] *= 0.5
        for row in rows:
            for name in set(row.lineup.values()) - {row.player}:
                entry = self._wins.setdefault(name, [0.0, 0.0])
                entry[0] += row.wins + row.draws + row.losses
                entry[1] += row.wins + row.draws / 2

    # exams

    def _earlier(self, candidate: Candidate) -> list[str]:
        return [c.player.id for c in self.candidates if c.decisions < candidate.decisions]

    def _against(self, stage: Stage, candidate: Candidate) -> list[str]:
        """Whom an exam is against: nobody without a gate, nor before there is the past that it asks for."""
        if stage.gate is None:
            return []
        ids = {name: name for name in self.scripted}
        return exam_opponents(stage.gate, candidate.player.id, self._earlier(candidate), ids)

    def _exam(self, index: int, stage: Stage, candidate: Candidate) -> PlayTask:
        settings = self._settings
        gate = stage.gate
        assert gate is not None  # only stages with gates have exams
        earlier, against = self._earlier(candidate), self._against(stage, candidate)
        recorded = settings.past_blocks and not gate.alone
        known_past = _spread(earlier, settings.past_pool) if recorded else []
        record = [player for player in known_past if player not in against]
        self._examining[candidate.player.id] = self._at.index
        self._at.attempts += 1
        plans: list[BlockPlan] = []
        kinds: tuple[tuple[list[str], int, Purpose], ...] = (
            (against, gate.max_blocks, "gate"),
            (record, settings.past_blocks, "eval"),
        )
        for opponents, count, purpose in kinds:
            for opponent in opponents:
                for _ in range(count):
                    position = len(plans)
                    plans.append(self._block(index, stage, candidate.player.id, opponent, position, purpose))
        known = {c.player.id: c.player for c in self.candidates} | self.scripted
        names = [candidate.player.id, *against, *record]
        players = tuple(known[name] for name in dict.fromkeys(names))
        return PlayTask(self._pool, tuple(plans), players, settings.greedy_exams)

    def _block(
        self, index: int, stage: Stage, candidate: str, opponent: str, position: int, purpose: Purpose
    ) -> BlockPlan:
        settings = self._settings
        return plan_block(
            self._spec,
            two_sides(self._spec, candidate, opponent),
            seed=seed_of(settings.seed, _EXAM, index, position),
            run=settings.name,
            task=index,
            position=position,
            purpose=purpose,
            stage=stage.name,
            options=settings.stage_options(stage),
        )

    def _take_exam(self, done: Done) -> None:
        assert isinstance(done.task, PlayTask)  # the caller looked
        (candidate_id,) = self._examining
        index = self._examining.pop(candidate_id)
        candidate = next(c for c in self.candidates if c.player.id == candidate_id)
        self._online.take(done.blocks)
        stage = self._settings.stages[index]
        gated = [block for block in done.blocks if block.plan.purpose == "gate"]
        opponents = self._against(stage, candidate)
        verdict = judge(stage, gated, candidate_id, opponents, self._at.attempts)
        candidate.verdict = verdict
        self.verdicts.append(verdict)
        if verdict.passed and index == self._at.index:
            candidate.stage = index
            self._enter(index + 1)
        self._leave_if_spent()

    def _leave_if_spent(self) -> None:
        """A stage whose training is spent ends when its last exam is over, passed or not."""
        stage = self.stage
        if stage is None or self._training or self._waiting or self._examining:
            return
        if self._at.trained >= stage.max_tasks:
            if stage.gate is not None:
                self.timed_out.append(stage.name)
            self._enter(self._at.index + 1)

    def _enter(self, index: int) -> None:
        self._at = _StageRun(index)
        self._waiting.clear()


def two_sides(spec: Spec, first: str, second: str) -> dict[str, str]:
    """A lineup of two players: teams (or single seats, where there are none) taken in turn."""
    lineup = {}
    for number, seats in enumerate(spec.teams.values()):
        for seat in seats:
            lineup[seat] = first if number % 2 == 0 else second
    return {seat: lineup[seat] for seat in spec.seats}


def _spread(items: Sequence[str], count: int) -> list[str]:
    """At most `count` of the items, evenly from first to last."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[-1]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
