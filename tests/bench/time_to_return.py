"""How long PPO takes to the return -34 in mpe2's simple_spread, beside Stable-Baselines3, in turns.

python tests/bench/time_to_return.py [--quick] [--json]

All: nets of 128x128 tanh, gamma 0.9, a step of 1e-3 that falls to its fiftieth over 600 k environment steps,
10 epochs of minibatches of 1,200 decisions, 64 copies of 25 steps, a torch thread, two environment processes.
Ours once more on the batched arena `spread`, which equals simple_spread to 1e-6. After each chunk of 40 k
steps the greedy policy plays 100 episodes of mpe2 itself, which costs nobody time; the first mean of -34 or
more ends a side's run, and so does LIMIT. The median of three seeds: wall seconds, and CPU seconds of all
processes.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import statistics
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch

from agents.ppo import PPO
from arenas import full_spec
from marl.batch import LocalPool
from marl.hosting import make_pool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import Decision
from marl.rng import seed_of
from marl.settings import read_toml
from marl.spec import Ticket
from tests.bench.cpu import family_cpu_s
from tests.bench.learning_tasks import PRESETS, SHORT
from tests.bench.spread_ppo import supersuit_envs
from tests.bench.table import Row, options, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.policy import Policy, Rows
    from marl.spec import Role

MPE = ArenaRef("mpe2.simple_spread_v3", SHORT)
COPIES, ROLLOUT, CHUNK, HORIZON, LIMIT = 64, 25, 40_000, 600_000, 1_200_000
ASKED, EPISODES, BAR = -34.0, 100, 3.0


def exam(policy: Policy, seed: int) -> float:
    """The mean return, summed over agents, of greedy play."""
    with LocalPool([build(MPE)], 50) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "one")
        plan = [Match(Ticket(i, seed_of(seed, -1, i)), lineup) for i in range(EPISODES)]
        outcomes = Play(pool, in_order(plan, 50), {"one": Player(policy, greedy=True)}).run()
    return float(np.mean([sum(outcome.score.values()) for outcome in outcomes]))


class Ours:
    """Our PPO with its preset, on mpe2 in two processes or on `spread` in this one."""

    def __init__(self, arena: str, seed: int, hosts: int) -> None:
        ref = MPE if hosts else ArenaRef(full_spec(arena), {})
        self._pool = make_pool(ref, hosts=hosts, copies=COPIES, groups=2 if hosts else 1)
        settings = PPO.Settings.read("bench", read_toml(PRESETS / "mpe2" / "simple_spread_v3" / "ppo.toml"))
        self._learner = PPO(self._pool.spec, settings, seed)
        self.policy: Policy = self._learner.policy
        seats = dict.fromkeys(self._pool.spec.seats, "main")
        self._play = Play(
            self._pool,
            lambda c, e: Match(Ticket(c + e * COPIES, seed_of(seed, c, e)), seats),
            {"main": Player(self.policy, record=True)},
        )

    def train(self, steps: int) -> None:
        """Play and learn."""
        for _ in range(steps // (COPIES * ROLLOUT)):
            self._learner.update(self._play.collect(ROLLOUT))
            self._play.take_outcomes()

    def close(self) -> None:
        """End its processes."""
        self._pool.close()


class StableBaselines:
    """Its PPO through SuperSuit, and its model as a policy of ours, so that all sit the same exam."""

    memory_size: int = 0

    def __init__(self, seed: int) -> None:
        import stable_baselines3
        from stable_baselines3.common.utils import set_random_seed

        set_random_seed(seed)  # its `seed` asks SuperSuit's processes for what they do not have
        self._envs = supersuit_envs(COPIES, 2, "stable_baselines3")
        self._done = 0
        self._model = stable_baselines3.PPO(
            "MlpPolicy",
            self._envs,
            learning_rate=lambda _: self._lr(),
            n_steps=ROLLOUT,
            batch_size=1200,
            n_epochs=10,
            gamma=0.9,
            ent_coef=0.01,
            max_grad_norm=10.0,
            policy_kwargs={"net_arch": [128, 128]},
            device="cpu",
            verbose=0,
        )
        self.policy: Policy = self

    def _lr(self) -> float:
        """Falls as ours does; counts environment steps."""
        share = min(1.0, self._model.num_timesteps / 3 / HORIZON) if hasattr(self, "_model") else 0.0
        return 1e-3 * (1 - 0.98 * share)

    def train(self, steps: int) -> None:
        """Play and learn."""
        self._model.learn(3 * steps, reset_num_timesteps=False)

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """Its likeliest action, or a draw."""
        del role, mask_RA, memory_RM, rows
        action_R, _ = self._model.predict(observation[0], deterministic=greedy)
        return Decision(action_R[:, None])

    def close(self) -> None:
        """End its processes."""
        self._envs.close()


@dataclass(frozen=True)
class Spent:
    """What a side has needed so far, and the return that it reached."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    steps: int = 0
    reached: float = -np.inf


def race(seed: int, limit: int) -> list[Spent]:
    """All sides, a chunk each in turns, until each has arrived."""
    sides: list[Ours | StableBaselines] = [
        Ours("mpe2.simple_spread_v3", seed, 2),
        Ours("spread", seed, 0),
        StableBaselines(seed),
    ]
    spent = [Spent() for _ in sides]
    while any(one.reached < ASKED and one.steps < limit for one in spent):
        for i, (side, one) in enumerate(zip(sides, spent, strict=True)):
            if one.reached >= ASKED or one.steps >= limit:
                continue
            began_s, cpu_s = time.perf_counter(), family_cpu_s()
            side.train(CHUNK)
            wall_s, cpu_s = time.perf_counter() - began_s, family_cpu_s() - cpu_s
            spent[i] = Spent(
                one.wall_s + wall_s, one.cpu_s + cpu_s, one.steps + CHUNK, exam(side.policy, seed)
            )
            print(f"seed {seed}, {type(side).__name__} {i}: {spent[i]}", file=sys.stderr, flush=True)
    for side in sides:
        side.close()
    return spent


def main() -> None:
    """Race and print."""
    asked = options(__doc__)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    seeds, limit = (1, CHUNK) if asked.quick else (3, LIMIT)
    races = [race(seed, limit) for seed in range(seeds)]
    # who has not arrived counts as if it never did
    races = [[one if one.reached >= ASKED else replace(one, wall_s=np.inf) for one in each] for each in races]
    wall, cpu, steps = (
        [statistics.median(getattr(each[i], name) for each in races) for i in range(3)]
        for name in ("wall_s", "cpu_s", "steps")
    )
    rows = [
        Row(
            f"PPO to -34, {place}",
            "Stable-Baselines3 + SuperSuit",
            1 / wall[2],
            1 / wall[i],
            f"1 / wall s; {wall[i]:.0f} s after {steps[i] / 1e3:.0f} k steps to {wall[2]:.0f} s after "
            f"{steps[2] / 1e3:.0f} k; CPU s {cpu[i]:.0f} to {cpu[2]:.0f}",
            BAR,
        )
        for i, place in enumerate(("on mpe2, 2 hosts", "trained on spread"))
    ]
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
