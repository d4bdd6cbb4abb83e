"""PPO on mpe2's simple_spread, playing and learning, beside its peers in turns.

python tests/bench/spread_ppo.py [--quick] [--json]

All: nets of 64x64 tanh, 1,024 environment steps of three agents an update, 4 epochs of 4 minibatches, one
torch thread; how many copies play is each side's choice, and all that are tried here stand in the table.
Ours learn and play in turn, and with `overlap` side by side (`agents.rounds`).
The unit also holds agent-steps per CPU second of all processes, which other load on the machine hardly moves.
Peers in environments of their own (`make peers`) that are not installed are rows without a figure.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import importlib.util
import itertools
import math
import statistics
import sys
import time
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch

from agents import learner_class
from agents.ppo_settings import PPOSettings
from agents.rounds import rounds
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.play import Match, Play, Player
from marl.rng import seed_of
from marl.spec import Ticket
from tests.bench.cpu import family_cpu_s
from tests.bench.piped import Piped
from tests.bench.plain_ppo import PlainPPO
from tests.bench.table import Row, options, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

SPREAD = ArenaRef("mpe2.simple_spread_v3", {"max_cycles": 25})
AGENTS, STEPS, EPOCHS, MINIBATCHES, GAMMA = 3, 1024, 4, 4, 0.9
BATCH = AGENTS * STEPS
BAR = 2.0


class Ours:
    """PPO with copies in so many environment processes (0: in this one); `overlap` as in `agents.rounds`."""

    def __init__(self, copies: int, hosts: int, groups: int = 2, *, overlap: bool = False) -> None:
        self.label = f"{copies} copies, {hosts} hosts{', overlap' if overlap else ''}"
        self._pool = make_pool(SPREAD, hosts=hosts, copies=copies, groups=groups)
        settings = PPOSettings(minibatch=BATCH // MINIBATCHES, epochs=EPOCHS, gamma=GAMMA)
        learner = learner_class("ppo")(self._pool.spec, settings, seed=0)
        seats = dict.fromkeys(self._pool.spec.seats, "main")
        self._play = Play(
            self._pool,
            lambda c, e: Match(Ticket(c + e * copies, seed_of(c, e)), seats),
            {"main": Player(learner.policy, record=True)},
        )
        self._rounds = rounds(self._play, learner, "main", STEPS // copies, math.inf, overlap=overlap)

    def work(self, updates: int) -> int:
        """Play and learn; returns agent-steps."""
        return sum(made.decisions for made in itertools.islice(self._rounds, updates))

    def close(self) -> None:
        """End its processes."""
        self._pool.close()


def supersuit_envs(copies: int, processes: int, base: str) -> Any:  # noqa: ANN401  # SuperSuit's
    """SuperSuit's vectorised copies."""
    import supersuit
    from mpe2 import simple_spread_v3

    single = supersuit.pettingzoo_env_to_vec_env_v1(simple_spread_v3.parallel_env(max_cycles=25))
    return supersuit.concat_vec_envs_v1(single, copies, num_cpus=processes, base_class=base)


class StableBaselines:
    """Stable-Baselines3's PPO through SuperSuit."""

    def __init__(self, copies: int, processes: int) -> None:
        import stable_baselines3

        self.label = f"Stable-Baselines3 + SuperSuit, {copies} copies, {processes} processes"
        self._envs = supersuit_envs(copies, processes, "stable_baselines3")
        self._model = stable_baselines3.PPO(
            "MlpPolicy",
            self._envs,
            n_steps=STEPS // copies,
            batch_size=BATCH // MINIBATCHES,
            n_epochs=EPOCHS,
            gamma=GAMMA,
            learning_rate=1e-3,
            policy_kwargs={"net_arch": [64, 64]},
            device="cpu",
            verbose=0,
        )

    def work(self, updates: int) -> int:
        """Play and learn; returns agent-steps."""
        self._model.learn(BATCH * updates, reset_num_timesteps=False)
        return BATCH * updates

    def close(self) -> None:
        """End its processes."""
        self._envs.close()


class Plain:
    """A plain loop in CleanRL's manner."""

    def __init__(self, copies: int, processes: int) -> None:
        self.label = f"plain loop as CleanRL's + SuperSuit, {copies} copies, {processes} processes"
        self._envs = supersuit_envs(copies, processes, "gymnasium")
        self._loop = PlainPPO(
            self._envs, copies * AGENTS, STEPS // copies, epochs=EPOCHS, minibatches=MINIBATCHES
        )

    def work(self, updates: int) -> int:
        """Play and learn; returns agent-steps."""
        for _ in range(updates):
            self._loop.iterate()
        return BATCH * updates

    def close(self) -> None:
        """End its processes."""
        self._envs.close()


class Elsewhere:
    """A peer with a Python of its own."""

    def __init__(self, peer: tuple[str, str], label: str, copies: int, processes: int, updates: int) -> None:
        name, script = peer
        self.label = f"{label}, {copies} copies, {processes} processes"
        self._updates = updates
        self._peer = Piped(name, script, updates, (str(copies), str(processes)))
        self.here = self._peer.measure is not None

    @property
    def process(self) -> int:
        """The number of its process."""
        return self._peer.process

    def work(self, updates: int) -> int:
        """Play and learn, always as many updates as it was made for; returns agent-steps."""
        del updates
        assert self._peer.measure is not None  # asked before
        self._peer.measure()
        return BATCH * self._updates

    def close(self) -> None:
        """End it."""
        self._peer.close()


@dataclass
class Speed:
    """Agent-steps per second and per CPU second, of each turn."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def take(self, work: Callable[[int], int], updates: int, cpu_s: Callable[[], float]) -> None:
        """Measure a turn."""
        began_s, spent_s = time.perf_counter(), cpu_s()
        done = work(updates)
        self.wall.append(done / (time.perf_counter() - began_s))
        self.cpu.append(done / (cpu_s() - spent_s))


def clock_of(side: object, elsewhere: Sequence[int]) -> Callable[[], float]:
    """The CPU seconds of a side: its own processes, or all but those of peers elsewhere, which never rest."""
    if isinstance(side, Elsewhere):
        return partial(family_cpu_s, side.process)
    return partial(family_cpu_s, without=elsewhere)


def compare(ours: list[Ours], theirs: list[Any], runs: int, updates: int) -> list[Row]:
    """All sides in turns, each with an update before; the best of ours beside every other."""
    everybody: list[Any] = [*ours, *theirs]
    speeds = [Speed() for _ in everybody]
    elsewhere = [side.process for side in everybody if isinstance(side, Elsewhere)]
    clocks = [clock_of(side, elsewhere) for side in everybody]
    for side in everybody:
        side.work(1)
    for _ in range(runs):
        for side, speed, clock in zip(everybody, speeds, clocks, strict=True):
            speed.take(side.work, updates, clock)
    for side in everybody:
        side.close()
    rates = [(statistics.median(speed.wall), statistics.median(speed.cpu)) for speed in speeds]
    rows = [
        Row(f"PPO, {side.label}", "-", None, wall, f"agent-steps/s; {cpu:,.0f} per CPU second")
        for side, (wall, cpu) in zip(ours, rates, strict=False)
    ]
    best, best_cpu = max(rates[: len(ours)])
    return rows + [
        Row(
            "PPO, the best of these",
            side.label,
            wall,
            best,
            f"agent-steps/s; per CPU second {best_cpu:,.0f} to {cpu:,.0f}, {best_cpu / cpu:.2f} times",
            BAR,
        )
        for side, (wall, cpu) in zip(theirs, rates[len(ours) :], strict=True)
    ]


def stable_baselines(*choices: tuple[int, int]) -> list[Any]:
    """Stable-Baselines3 with (copies, processes); nothing where it is not installed."""
    if importlib.util.find_spec("stable_baselines3") is None:
        return []
    return [StableBaselines(copies, processes) for copies, processes in choices]


def main() -> None:
    """Measure and print."""
    asked = options(__doc__)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    runs, updates = (2, 2) if asked.quick else (5, 6)
    choices = ((8, 0), (64, 2), (256, 2), (512, 2))
    here = [*stable_baselines(*choices), *(Plain(*many) for many in choices)]
    tianshou, rllib = ("tianshou", "tianshou_spread.py"), ("rllib", "rllib_spread.py")
    elsewhere = [
        *(Elsewhere(tianshou, "Tianshou + SuperSuit", *many, updates) for many in choices),
        *(Elsewhere(rllib, "RLlib", *many, updates) for many in ((8, 0), (64, 2))),
    ]
    installed = [peer for peer in elsewhere if peer.here]
    ours = [Ours(copies, 2, overlap=overlap) for overlap in (False, True) for copies in (64, 128, 256, 512)]
    rows = compare(ours, here + installed, runs, updates)
    for peer in elsewhere:
        if not peer.here:
            rows.append(
                Row("PPO", f"{peer.label}: not installed (make peers)", None, None, "agent-steps/s", BAR)
            )
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
