"""How long PPO takes to the return -34 in mpe2's simple_spread, beside Stable-Baselines3, in turns.

python tests/bench/time_to_return.py [--quick] [--json]

All: Stable-Baselines3's own nets, 64x64 tanh, gamma 0.9, a step of 2e-3 that falls to its fiftieth over 800 k
environment steps, one torch thread, two environment processes. Copies, minibatches and epochs are each side's
choice, chosen on seeds from 100 on; docs/reference/learners.md says what was tried. Ours plays the next
fragment while it learns (`overlap`), and runs once more on the batched arena `spread`, which equals
simple_spread to 1e-6. After each chunk of 32 k steps the greedy policy plays 500 episodes of `spread`, and
300 of mpe2 itself where it did well; exams cost nobody time. The first mean of -34 or more in both ends a
side's run; so does CAP times the time of the slower one of ours, and LIMIT. Wall seconds and CPU seconds of
all processes; the median of three seeds.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import itertools
import math
import statistics
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np
import torch

from agents import learner_class
from agents.ppo_settings import PPOSettings
from agents.rounds import rounds
from arenas import full_spec
from marl.batch import LocalPool
from marl.hosting import make_pool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import Decision
from marl.rng import seed_of
from marl.spec import Ticket
from tests.bench.cpu import family_cpu_s
from tests.bench.learning_tasks import SHORT
from tests.bench.spread_ppo import supersuit_envs
from tests.bench.table import Row, options, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marl.policy import Policy, Rows
    from marl.spec import Role

MPE, SPREAD = ArenaRef("mpe2.simple_spread_v3", SHORT), ArenaRef(full_spec("spread"), {})
ROLLOUT, CHUNK, LIMIT, CAP = 25, 32_000, 1_056_000, 3.2
HIDDEN, GAMMA, LR, LR_END, HORIZON = (64, 64), 0.9, 2e-3, 0.02, 800_000
ASKED, BAR = -34.0, 3.0


@dataclass(frozen=True)
class Choice:
    """What a side may choose; a minibatch is of single decisions."""

    copies: int
    minibatch: int
    epochs: int


OURS = Choice(copies=256, minibatch=600, epochs=4)
THEIRS = Choice(copies=256, minibatch=600, epochs=8)


def exam(policy: Policy, seed: int, ref: ArenaRef, episodes: int) -> float:
    """The mean return, summed over agents, of greedy play."""
    with LocalPool([build(ref)], 50) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "one")
        plan = [Match(Ticket(i, seed_of(seed, -1, i)), lineup) for i in range(episodes)]
        outcomes = Play(pool, in_order(plan, 50), {"one": Player(policy, greedy=True)}).run()
    return float(np.mean([sum(outcome.score.values()) for outcome in outcomes]))


def examined(policy: Policy, seed: int) -> float:
    """The mean return; that on mpe2 itself where it would do."""
    found = exam(policy, seed, SPREAD, 500)
    return found if found < ASKED else exam(policy, seed, MPE, 300)


class Ours:
    """Our PPO, on mpe2 in two processes or on `spread` in this one."""

    def __init__(self, ref: ArenaRef, seed: int, choice: Choice) -> None:
        hosts = 2 if ref is MPE else 0
        self._fragment = choice.copies * ROLLOUT
        self._pool = make_pool(ref, hosts=hosts, copies=choice.copies, groups=2 if hosts else 1)
        settings = PPOSettings(
            hidden=HIDDEN,
            gamma=GAMMA,
            lr=LR,
            lr_end=LR_END,
            anneal_decisions=3 * HORIZON,
            minibatch=choice.minibatch,
            epochs=choice.epochs,
            lam=0.95,
            clip=0.2,
            entropy=0.01,
            entropy_end=0.1,
            max_grad_norm=10.0,
        )
        learner = learner_class("ppo")(self._pool.spec, settings, seed)
        self.policy: Policy = learner.policy
        seats = dict.fromkeys(self._pool.spec.seats, "main")
        play = Play(
            self._pool,
            lambda c, e: Match(Ticket(c + e * choice.copies, seed_of(seed, c, e)), seats),
            {"main": Player(self.policy, record=True)},
        )
        self._rounds = rounds(play, learner, "main", ROLLOUT, math.inf, overlap=hosts > 0)

    def train(self, steps: int) -> int:
        """Play and learn; returns the steps."""
        made = itertools.islice(self._rounds, max(1, steps // self._fragment))
        return sum(one.decisions for one in made) // 3

    def close(self) -> None:
        """End its processes."""
        self._pool.close()


def truncating(envs: Any) -> Any:  # noqa: ANN401  # SuperSuit's
    """Let Stable-Baselines3 know that mpe2's time limit ends no value, which SuperSuit does not tell it."""
    step_wait = envs.step_wait

    def told() -> Any:  # noqa: ANN401  # Stable-Baselines3's
        observation, reward, done, infos = step_wait()
        for info in infos:
            info["TimeLimit.truncated"] = "terminal_observation" in info
        return observation, reward, done, infos

    envs.step_wait = told
    return envs


class StableBaselines:
    """Its PPO through SuperSuit, and its model as a policy of ours, so that all sit the same exam."""

    memory_size: int = 0

    def __init__(self, seed: int, choice: Choice) -> None:
        import stable_baselines3
        from stable_baselines3.common.utils import set_random_seed
        from stable_baselines3.common.vec_env import VecNormalize

        set_random_seed(seed)  # its `seed` asks SuperSuit's processes for what they do not have
        envs = truncating(supersuit_envs(choice.copies, 2, "stable_baselines3"))
        self._envs = VecNormalize(envs, gamma=GAMMA)
        self._fragment = choice.copies * ROLLOUT
        self._model = stable_baselines3.PPO(
            "MlpPolicy",
            self._envs,
            learning_rate=lambda _: self._lr(),
            n_steps=ROLLOUT,
            batch_size=choice.minibatch,
            n_epochs=choice.epochs,
            gamma=GAMMA,
            gae_lambda=0.95,
            clip_range=0.2,
            ent_coef=0.01,
            max_grad_norm=10.0,
            policy_kwargs={"net_arch": list(HIDDEN)},
            device="cpu",
            verbose=0,
        )
        self.policy: Policy = self

    def _lr(self) -> float:
        """Falls as ours does; counts environment steps."""
        share = min(1.0, self._model.num_timesteps / 3 / HORIZON) if hasattr(self, "_model") else 0.0
        return LR * (1 - (1 - LR_END) * share)

    def train(self, steps: int) -> int:
        """Play and learn; returns the steps."""
        steps = max(1, steps // self._fragment) * self._fragment
        self._model.learn(3 * steps, reset_num_timesteps=False)
        return steps

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
        action_R, _ = self._model.predict(self._envs.normalize_obs(observation[0]), deterministic=greedy)
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

    @property
    def arrived(self) -> bool:
        """Whether it need not go on."""
        return self.reached >= ASKED


def race(seed: int, limit: int) -> list[Spent]:
    """All sides, a chunk each in turns, until each has arrived or has been given long enough."""
    sides: list[Ours | StableBaselines] = [
        Ours(MPE, seed, OURS),
        Ours(SPREAD, seed, OURS),
        StableBaselines(seed, THEIRS),
    ]
    spent = [Spent() for _ in sides]

    def on(i: int) -> bool:
        ours = spent[:2]
        slowest_s = max(one.wall_s for one in ours) if all(one.arrived for one in ours) else np.inf
        return not spent[i].arrived and spent[i].steps < limit and spent[i].wall_s < CAP * slowest_s

    while any(map(on, range(len(sides)))):
        for i, (side, one) in enumerate(zip(sides, spent, strict=True)):
            if on(i):
                began_s, cpu_s = time.perf_counter(), family_cpu_s()
                steps = one.steps + side.train(CHUNK)
                wall_s, cpu_s = time.perf_counter() - began_s, family_cpu_s() - cpu_s
                spent[i] = Spent(one.wall_s + wall_s, one.cpu_s + cpu_s, steps, examined(side.policy, seed))
                print(f"seed {seed}, {type(side).__name__} {i}: {spent[i]}", file=sys.stderr, flush=True)
    for side in sides:
        side.close()
    return spent


def row(place: str, ours: Sequence[Spent], theirs: Sequence[Spent]) -> Row:
    """Medians over seeds of who may not have arrived: then the ratio is a bound, and the unit says so."""

    def told(spent: Sequence[Spent]) -> str:
        each = ", ".join(f"{'' if one.arrived else '> '}{one.wall_s:.0f}" for one in spent)
        steps, cpu_s = (statistics.median(getattr(one, name) for one in spent) for name in ("steps", "cpu_s"))
        return f"{each} s ({steps / 1e3:.0f} k steps, {cpu_s:.0f} CPU s)"

    wall_s, cpu_s = (
        [statistics.median(getattr(one, name) for one in spent) for spent in (ours, theirs)]
        for name in ("wall_s", "cpu_s")
    )
    arrived = all(one.arrived for one in ours)  # else it says nothing in our favour
    return Row(
        f"PPO to {ASKED:g}, {place}",
        "Stable-Baselines3 + SuperSuit",
        1 / wall_s[1],
        1 / wall_s[0] if arrived else 0.0,
        f"1 / wall s; {told(ours)} to {told(theirs)}; by CPU s {cpu_s[1] / cpu_s[0]:.2f}",
        BAR,
    )


def main() -> None:
    """Race and print."""
    asked = options(__doc__)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    seeds, limit = (1, CHUNK) if asked.quick else (3, LIMIT)
    on_mpe, on_spread, theirs = zip(*(race(seed, limit) for seed in range(seeds)), strict=True)
    rows = [row("on mpe2, 2 hosts", on_mpe, theirs), row("trained on spread", on_spread, theirs)]
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
