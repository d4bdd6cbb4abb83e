"""BenchMARL's PPO on VMAS's simple_spread, run by `.venv-peers/benchmarl`.

A line with a number comes in, so many iterations are trained, and agent-steps per second go out (the median
iteration, three of warm-up left out); until the end of input.
"""

from __future__ import annotations

import os

os.environ["RL_LOGGING_LEVEL"] = "ERROR"  # torchrl's logger writes to standard output

import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from typing import Any

import torch
from benchmarl.algorithms import IppoConfig
from benchmarl.environments import VmasTask
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig

AGENTS, COPIES, STEPS = 3, 256, 32
EPOCHS, MINIBATCH, HIDDEN = 4, 4096, [64, 64]
WARM_UP = 3


class Clock(Callback):  # type: ignore[misc]  # not typed
    """When each iteration was over."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s: list[float] = []

    def on_train_end(self, training_td: Any, group: str) -> None:  # noqa: ANN401  # theirs
        """One group: once an iteration."""
        del training_td, group
        self.at_s.append(time.perf_counter())


def configuration(iterations: int, folder: str) -> ExperimentConfig:
    """On one thread of a CPU, without evaluation, logs or checkpoints."""
    config = ExperimentConfig.get_from_yaml()
    config.train_device = config.sampling_device = config.buffer_device = "cpu"
    config.on_policy_n_envs_per_worker = COPIES
    config.on_policy_collected_frames_per_batch = COPIES * STEPS
    config.on_policy_n_minibatch_iters = EPOCHS
    # theirs counts environment steps, each of three agents
    config.on_policy_minibatch_size = MINIBATCH // AGENTS
    config.max_n_frames, config.max_n_iters = COPIES * STEPS * iterations, iterations
    config.gamma, config.lr = 0.95, 1e-3
    config.evaluation = config.render = config.create_json = False
    config.loggers, config.checkpoint_interval = [], 0
    config.save_folder = folder
    return config


def rate(iterations: int) -> float:
    """Agent-steps per second of the median iteration, collecting and learning."""
    model = MlpConfig(num_cells=HIDDEN, layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
    task = VmasTask.SIMPLE_SPREAD.get_from_yaml()
    task.config |= {"n_agents": AGENTS, "max_steps": 25}
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        Experiment(
            task=task,
            algorithm_config=IppoConfig.get_from_yaml(),
            model_config=model,
            critic_model_config=model,
            seed=0,
            config=configuration(iterations + WARM_UP, folder),
            callbacks=[clock],
        ).run()
    spans = [b - a for a, b in itertools.pairwise(clock.at_s[WARM_UP - 1 :])]
    return float(COPIES * STEPS * AGENTS / statistics.median(spans))


def main() -> None:
    """Answer line by line."""
    torch.set_num_threads(1)
    print("ready", flush=True)
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            found = rate(int(line))
        print(found, flush=True)


if __name__ == "__main__":
    main()
