"""A course of one policy through stages of the assembly arena, with exams; all arms share it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agents import learner_class
from agents.cloning import Cloning, CloningSettings, demonstrations
from agents.tuned import read_preset, read_scale
from arenas import full_spec
from marl.batch import LocalPool
from marl.fragment import join
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.rng import seed_of
from marl.spec import Ticket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COPIES, ROLLOUT, ROOMS = 16, 64, 8
ME = "learner"


@dataclass(frozen=True)
class Point:
    """How much was learned from, in how many CPU seconds, and what an exam said (percent)."""

    actions: int
    cpu_s: float
    success: float


class Course:
    """`learn` trains; `points` is the curve. Actions are of all arms at once; CPU seconds leave exams out."""

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any],
        seed: int,
        learner: str = "ppo",
        tuned: str = "",
        changed: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        torch.set_num_threads(1)
        self.name, self._seed = name, seed
        with self._pool([options], 1) as pool:
            self.spec = pool.spec
        made = learner_class(learner)
        tuned = f"assembly/{tuned or learner}"
        self._preset = {**read_preset(tuned), **changed}
        self._rollout = read_scale(tuned).rollout or ROLLOUT
        self.learner = made(self.spec, made.Settings.read(learner, self._preset), seed)
        self._lineup = dict.fromkeys(self.spec.seats, ME)
        self.actions, self.cpu_s = 0, 0.0
        self.points: list[Point] = []

    def learn(
        self,
        starts: Sequence[Mapping[str, Any]],
        actions: int,
        *,
        exam: Mapping[str, Any],
        each: int,
    ) -> None:
        """Train for so many actions, an equal part of the copies with each of some options.

        An exam of 50 matches each so many.
        """
        with self._pool(starts, COPIES // len(starts)) as pool:
            me = {ME: Player(self.learner.policy, record=True)}
            play = Play(pool, self._match, me, want_state=self.learner.want_state)
            before = self.actions
            while self.actions - before < actions:
                began = time.process_time()
                fragments = play.collect(self._rollout)
                self.learner.update(fragments)
                self.cpu_s += time.process_time() - began
                due = self.actions // each
                self.actions += sum(fragment.decisions for fragment in fragments)
                play.take_outcomes()
                if self.actions // each > due:
                    self.examine(exam, 50)

    def clone(  # what a clone is made of
        self,
        options: Mapping[str, Any],
        steps: int,
        noises: Sequence[float],
        epochs: int,
        explore: float,
        folder: Path,
    ) -> int:
        """Begin as a clone of the scripted arms; returns from how many matches."""
        began = time.process_time()
        parts, matches = [], 0
        for number, noise in enumerate(noises):
            with self._pool([options], COPIES) as pool:
                parts += demonstrations(pool, "scripted", steps, seed_of(self._seed, -2, number), noise)
            ends = parts[-1].terminated_TR | parts[-1].truncated_TR
            matches += int(ends[:, parts[-1].seat_R == 0].sum())
        fit = {"epochs": epochs, "explore": explore, "lr": 1e-3, "minibatch": 512}
        cloning = Cloning(self.spec, CloningSettings.read("cloning", {**self._preset, **fit}), self._seed)
        cloning.update([join(parts, [COPIES * number for number in range(len(parts))])])
        self.learner.restore(cloning.checkpoint(folder))
        self.cpu_s += time.process_time() - began
        return matches

    def examine(self, options: Mapping[str, Any], matches: int) -> float:
        """Percent of matches of other seeds in which the greedy policy succeeds; a point of the curve."""
        plan = [Match(Ticket(i, seed_of(self._seed, -1, i)), self._lineup) for i in range(matches)]
        with self._pool([options], ROOMS) as pool:
            players = {ME: Player(self.learner.policy, greedy=True)}
            outcomes = Play(pool, in_order(plan, pool.copies), players).run()
        found = 100 * float(np.mean([max(outcome.score.values()) for outcome in outcomes]))
        self.points.append(Point(self.actions, self.cpu_s, found))
        spent = f"{self.actions} actions, {self.cpu_s:.0f} s of CPU"
        print(f"{self.name}, seed {self._seed}: {spent}, {found:.0f} %", file=sys.stderr, flush=True)
        return found

    def _match(self, copy: int, episode: int) -> Match:
        return Match(Ticket(copy + episode * 10**6, seed_of(self._seed, copy, episode)), self._lineup)

    def _pool(self, starts: Sequence[Mapping[str, Any]], copies: int) -> LocalPool:
        """A group of copies for each of some options."""
        refs = [ArenaRef(full_spec("assembly"), dict(options)) for options in starts]
        return LocalPool([build(ref) for ref in refs], copies)
