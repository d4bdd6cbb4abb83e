"""BenchMARL's PPO on VMAS's simple_spread, run by the Python of `.venv-peers/benchmarl`; prints JSON.

python benchmarl_spread.py COPIES STEPS EPOCHS MINIBATCH ITERATIONS WIDTH
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from typing import Any

import torch
from benchmarl.algorithms import IppoConfig
from benchmarl.environments import VmasTask
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig

AGENTS = 3


class Clock(Callback):  # type: ignore[misc]  # not typed
    """When each iteration was over."""

    def __init__(self) -> None:
        super().__init__()
        self.at_s: list[float] = []

    def on_train_end(self, training_td: Any, group: str) -> None:  # noqa: ANN401  # theirs
        """One group: once an iteration."""
        del training_td, group
        self.at_s.append(time.perf_counter())


def main() -> None:
    """Train for some iterations; the first three are warm-up."""
    copies, steps, epochs, minibatch, iterations, width = (int(word) for word in sys.argv[1:7])
    torch.set_num_threads(1)
    config = ExperimentConfig.get_from_yaml()
    config.train_device = config.sampling_device = config.buffer_device = "cpu"
    config.on_policy_n_envs_per_worker = copies
    config.on_policy_collected_frames_per_batch = copies * steps
    config.on_policy_n_minibatch_iters = epochs
    # theirs counts environment steps, each of three agents
    config.on_policy_minibatch_size = minibatch // AGENTS
    config.max_n_frames = copies * steps * iterations
    config.max_n_iters = iterations
    config.gamma, config.lr = 0.95, 1e-3
    config.evaluation = config.render = False
    config.loggers = []
    config.create_json = False
    config.checkpoint_interval = 0
    model = MlpConfig(num_cells=[width, width], layer_class=torch.nn.Linear, activation_class=torch.nn.Tanh)
    task = VmasTask.SIMPLE_SPREAD.get_from_yaml()
    task.config |= {"n_agents": AGENTS, "max_steps": 25}
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        config.save_folder = folder
        Experiment(
            task=task,
            algorithm_config=IppoConfig.get_from_yaml(),
            model_config=model,
            critic_model_config=model,
            seed=0,
            config=config,
            callbacks=[clock],
        ).run()
    spans = [b - a for a, b in itertools.pairwise(clock.at_s[2:])]
    rates = sorted(copies * steps * AGENTS / span for span in spans)
    print(json.dumps({"agent_steps_per_s": rates[len(rates) // 2], "iterations": len(rates)}))


if __name__ == "__main__":
    main()
