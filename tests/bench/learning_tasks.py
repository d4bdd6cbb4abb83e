"""What learners are asked to reach: arenas, steps, returns of random play and the best that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NONE: Mapping[str, Any] = MappingProxyType({})
SHORT: Mapping[str, Any] = MappingProxyType({"max_cycles": 25})


@dataclass(frozen=True)
class Task:
    """A learner with a preset in an arena, and the return asked for, summed over its seats.

    `random` and `best` are the returns of random play and the best known (or published). `exam` names another
    arena of equal spaces that the trained policy is examined in. `needs`: a package besides our own.
    """

    learner: str
    preset: str
    arena: str
    random: float
    best: float
    steps: int
    asked: float
    copies: int = 16
    rollout: int = 25
    options: Mapping[str, Any] = field(default_factory=lambda: SHORT)
    exam: str = ""
    seeds: int = 3
    needs: str = "mpe2"

    def share(self, value: float) -> float:
        """How much of the way from random play to the best that is known."""
        return (value - self.random) / (self.best - self.random)


def spread(learner: str, steps: int, asked: float, copies: int = 16, preset: str = "") -> Task:
    """simple_spread_v3: the best known is the contact-free assignment bound."""
    preset = f"mpe2/simple_spread_v3/{preset or learner}"
    return Task(learner, preset, "mpe2.simple_spread_v3", -80.9, -22.1, steps, asked, copies)


def batched(preset: str) -> Task:
    """Trained on the arena `spread`, which equals simple_spread_v3 to 1e-6, and examined in the latter."""
    return Task(
        "ppo",
        f"spread/{preset}",
        "spread",
        -80.9,
        -22.1,
        4_000_000,
        -28.0,
        copies=256,
        options=NONE,
        exam="mpe2.simple_spread_v3",
    )


def talk(learner: str, steps: int, copies: int = 16) -> Task:
    """simple_speaker_listener_v4: -34.4 is the best without communication."""
    preset = f"mpe2/simple_speaker_listener_v4/{learner}"
    arena = "mpe2.simple_speaker_listener_v4"
    return Task(learner.replace("mappo", "ppo"), preset, arena, -79.3, -15.6, steps, -22.0, copies)


def one_seat(
    id_: str, learner: str, steps: int, random: float, zoo: float, copies: int, rollout: int
) -> Task:
    """A Gymnasium environment; asked is the figure that RL Zoo publishes (one agent, greedy play)."""
    return Task(
        learner,
        f"gymnasium/{id_}/{learner}",
        "gymnasium",
        random,
        zoo,
        steps,
        zoo,
        copies,
        rollout,
        options=MappingProxyType({"id": id_}),
        seeds=5,
        needs="Box2D" if id_.startswith("Lunar") else "gymnasium",
    )


TASKS = {
    "dqn": spread("dqn", 200_000, -50.0),
    "vdn": spread("vdn", 200_000, -50.0),
    "qmix": spread("qmix", 200_000, -50.0),
    "maddpg": spread("maddpg", 300_000, -46.0),
    "ppo": spread("ppo", 600_000, -34.0, copies=64),
    "mappo": spread("ppo", 600_000, -34.0, copies=64, preset="mappo"),
    "ppo_batched": batched("ppo"),
    "mappo_batched": batched("mappo"),
    "maddpg_talk": talk("maddpg", 300_000),
    "mappo_talk": talk("mappo", 200_000, copies=64),
    "ppo_cartpole": one_seat("CartPole-v1", "ppo", 100_000, 22.0, 500.0, copies=8, rollout=32),
    "dqn_cartpole": one_seat("CartPole-v1", "dqn", 50_000, 22.0, 500.0, copies=8, rollout=16),
    "ppo_lunarlander": one_seat("LunarLander-v3", "ppo", 1_000_000, -183.0, 242.1, copies=16, rollout=256),
    "ppo_pendulum": one_seat("Pendulum-v1", "ppo", 100_000, -1222.0, -172.2, copies=8, rollout=128),
}
"""By the names that `learners.py --only` takes."""
