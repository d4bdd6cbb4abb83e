"""Where tasks are done: pools that stay open between tasks, policies that stay loaded, two kinds of work."""

from __future__ import annotations

import math
import sys
import time
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from agents import learner_class, load_snapshot, make_policy
from agents.rounds import rounds
from agents.snapshot import begun_with
from arenas.yardsticks import yardstick
from league.matches import Variants, play_blocks
from league.matchmaking import OpponentMix, Pool, draw_lineup
from league.records import TrainingRow
from league.replay import write_replays
from league.tasks import PlayTask, PoolPlan, Task, TrainTask
from marl.errors import DivergenceError, LedgerError
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.play import Match, Outcome, Play
from marl.play import Player as Seated
from marl.rng import seed_of
from marl.spec import Ticket, content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from league.player import Player
    from marl.batch import ArenaPool
    from marl.play import Schedule
    from marl.policy import Policy
    from marl.spec import Spec

SNAPSHOTS, CHECKPOINTS, REPLAYS = "snapshots", "checkpoints", "replays"
_POOLS_OPEN = 2
"""How many arenas stay open between tasks."""


class Workshop:
    """Does tasks for a run's folder. `external` are policies of players that came in over a socket."""

    def __init__(self, folder: Path, external: Mapping[str, Policy] | None = None) -> None:
        self._folder = folder
        self._external = dict(external or {})
        self._pools: OrderedDict[str, tuple[ArenaPool, Variants]] = OrderedDict()
        self._policies: dict[tuple[str, str], Policy] = {}

    def close(self) -> None:
        """End the pools."""
        for pool, _ in self._pools.values():
            pool.close()
        self._pools.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def do(self, task: Task) -> dict[str, Any]:
        """The task's result, as plain JSON."""
        _one_thread()
        return self._train(task) if isinstance(task, TrainTask) else self._play(task)

    def spec(self, plan: PoolPlan) -> Spec:
        """The spec of an arena."""
        return self._pool(plan)[0].spec

    def _pool(self, plan: PoolPlan) -> tuple[ArenaPool, Variants]:
        key = content_hash(plan.to_json())
        if key not in self._pools:
            # a slot of another machine serves one pool at a time
            most = _POOLS_OPEN if isinstance(plan.hosts, int | str) else 1
            while len(self._pools) >= most:
                self._pools.popitem(last=False)[1][0].close()
            pool = make_pool(
                ArenaRef.from_json(plan.arena),
                hosts=plan.hosts,
                copies=plan.copies,
                groups=plan.groups,
                keys=plan.keys,
            )
            self._pools[key] = (pool, Variants(pool))
        self._pools.move_to_end(key)
        return self._pools[key]

    def _policy(self, player: Player, spec: Spec) -> Policy:
        if player.kind == "external":
            if player.id not in self._external:
                raise LedgerError(
                    f"player {player.id}",
                    got="an external player",
                    expected="its agent connected to this process",
                )
            return self._external[player.id]
        key = (player.id, spec.hash)
        if key not in self._policies:
            self._policies[key] = (
                load_snapshot(self._folder / SNAPSHOTS / player.spec["snapshot"], spec)
                if player.kind == "snapshot"
                else make_policy(player.spec["player"], spec)
            )
        return self._policies[key]

    def _seated(self, players: Sequence[Player], spec: Spec, *, greedy: bool) -> dict[str, Seated]:
        return {
            player.id: Seated(self._policy(player, spec), greedy=greedy and player.kind == "snapshot")
            for player in players
        }

    # matches

    def _play(self, task: PlayTask) -> dict[str, Any]:
        began_s = time.perf_counter()
        pool, variants = self._pool(task.pool)
        players = self._seated(task.players, pool.spec, greedy=task.greedy)
        results, actions = play_blocks(pool, variants, task.blocks, players)
        replay = write_replays(self._folder / REPLAYS, task.pool.arena, task.blocks, actions)
        matches = sum(len(block.matches) for block in results)
        return {
            "blocks": [block.to_json() for block in results],
            "replay": replay,
            "matches": matches,
            "wall_s": time.perf_counter() - began_s,
        }

    # training

    def _train(self, task: TrainTask) -> dict[str, Any]:
        pool, variants = self._pool(task.pool)
        kind = learner_class(task.learner)
        given, kept = dict(task.settings), None
        if task.checkpoint is not None:
            kept = self._folder / CHECKPOINTS / task.checkpoint
            given = begun_with(kept) | given  # a later version may have other defaults
        learner = kind(pool.spec, kind.Settings.read(f"learner {task.learner}", given), task.learner_seed)
        if kept is not None:
            learner.restore(kept)
        players = self._seated(task.opponents, pool.spec, greedy=False)
        players[task.player] = Seated(learner.policy, record=True)
        play = Play(pool, _lineups(task, pool, variants), players, want_state=learner.want_state)
        tally = _Tally(task, pool.spec)
        metrics: list[dict[str, float]] = []
        began_s = time.perf_counter()
        decided = 0
        try:
            for one in rounds(play, learner, task.player, task.rollout, task.steps, overlap=task.overlap):
                decided += one.decisions
                figures = {**one.figures, **tally.take(one.outcomes), **pool.metrics(), **one.speed()}
                figures["decisions"] = float(learner.decisions)
                # a figure that is not finite says nothing, and the ledger's JSON has no word for it
                metrics.append({name: value for name, value in figures.items() if math.isfinite(value)})
        except DivergenceError as error:
            raise _diverged(task, error, learner.decisions) from error
        return {
            "checkpoint": learner.checkpoint(self._folder / CHECKPOINTS).name,
            "snapshot": learner.snapshot(self._folder / SNAPSHOTS, task.lineage).name,
            "decisions": decided,
            "env_steps": play.steps,
            "metrics": metrics,
            "training": [asdict(row) for row in tally.rows()],
            "wall_s": time.perf_counter() - began_s,
        }


def _diverged(task: TrainTask, error: DivergenceError, decisions: int) -> DivergenceError:
    """The error, with the stage that it happened in and what is left to go on from."""
    kept = "none: this was the first task"
    if task.checkpoint is not None:
        kept = f"{CHECKPOINTS}/{task.checkpoint} in the run's folder"
    return DivergenceError(
        f"{error.where}; stage {task.stage}, after {decisions:,} decisions",
        got=error.got,
        expected=error.expected,
        remedy=f"{error.remedy} Last good checkpoint: {kept}.",
    )


def _lineups(task: TrainTask, pool: ArenaPool, variants: Variants) -> Schedule:
    """Who sits where in the e-th match of copy c: the learner's side rotates, the mix fills the rest."""
    spec = pool.spec
    copies, variant = pool.copies, variants.number(task.options)
    mix = OpponentMix.model_validate_json(msgspec.json.encode(task.mix))
    known = Pool(task.player, task.past, task.past_win_rates, mix.players)
    sides = list(spec.teams.values())
    side_of = {seat: team for team, seats in spec.teams.items() for seat in seats}

    def schedule(copy: int, episode: int) -> Match:
        rng = np.random.default_rng(seed_of(task.seed, copy, episode))
        own = sides[(copy + episode) % len(sides)]
        lineup = draw_lineup(mix, known, rng, seats=spec.seats, own=own, learner=task.player, teams=side_of)
        return Match(Ticket(copy + episode * copies, seed_of(task.seed, copy, episode, 1), variant), lineup)

    return schedule


class _Tally:
    """One aggregate a lineup: how the learner's side scored, and how often it beat the others."""

    def __init__(self, task: TrainTask, spec: Spec) -> None:
        self._task, self._spec = task, spec
        self._yardstick = yardstick(spec.arena, task.options)
        self._lineups: dict[str, tuple[Mapping[str, str], list[float], list[int]]] = {}

    def take(self, outcomes: Sequence[Outcome]) -> dict[str, float]:
        """Take ended matches in; returns what to log of them."""
        own_scores, steps = [], []
        for outcome in outcomes:
            if outcome.void:
                continue
            lineup = outcome.match.lineup
            own = [outcome.score[seat] for seat, player in lineup.items() if player == self._task.player]
            others = [outcome.score[seat] for seat, player in lineup.items() if player != self._task.player]
            steps.append(outcome.steps)
            own_scores.append(math.fsum(own) / len(own))
            met = dict(zip(self._spec.seats, sorted(lineup.values()), strict=False))
            key = content_hash(sorted(lineup.values()))
            _, scores, results = self._lineups.setdefault(key, (met, [], [0, 0, 0]))
            scores.append(own_scores[-1])
            if others:
                rival = math.fsum(others) / len(others)
                results[0 if own_scores[-1] > rival else 1 if own_scores[-1] == rival else 2] += 1
        if not own_scores:
            return {}
        score = float(np.mean(own_scores))
        return {
            "score": score,
            **({} if self._yardstick is None else {"score_share": self._yardstick.share(score)}),
            "match_steps": float(np.mean(steps)),
            "matches": float(len(steps)),
        }

    def rows(self) -> list[TrainingRow]:
        """The aggregates, by lineup."""
        rows = []
        for _, (lineup, scores, (wins, draws, losses)) in sorted(self._lineups.items()):
            mean = math.fsum(scores) / len(scores)
            m2 = math.fsum((score - mean) ** 2 for score in scores)
            rows.append(
                TrainingRow(
                    self._task.player, lineup, self._task.stage, len(scores), mean, m2, wins, draws, losses
                )
            )
        return rows


def _one_thread() -> None:
    """Results are bit-equal for equal numbers of threads only; one a process is fastest on small networks."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
