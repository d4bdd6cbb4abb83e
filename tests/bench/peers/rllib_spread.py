"""RLlib's PPO on mpe2's simple_spread, run by the Python of `.venv-peers/rllib`.

Arguments: copies, and the env runners that share them in processes of their own (0: this one). A line
with a number comes in, so many updates are played and learned, and agent-steps per second go out; until the
end of input. One module decides all agents; samples are cut into fragments, not complete episodes. RLlib
adds a row to each piece of an episode and so learns from some 6 % more than it played, which is not counted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import time
from typing import Any

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "PYTHONWARNINGS": "ignore"}

import ray
import torch
from mpe2 import simple_spread_v3
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

AGENTS, STEPS, EPOCHS, MINIBATCHES, GAMMA = 3, 1024, 4, 4, 0.9
BATCH = AGENTS * STEPS


def environment(_: Any) -> ParallelPettingZooEnv:  # noqa: ANN401  # RLlib's
    """25 steps, discrete actions, as in ours."""
    return ParallelPettingZooEnv(simple_spread_v3.parallel_env(max_cycles=25))


def configuration(copies: int, runners: int) -> PPOConfig:
    """Settings equal to the others'."""
    return (
        PPOConfig()
        .environment("spread")
        .env_runners(
            num_env_runners=runners,
            num_envs_per_env_runner=copies // max(1, runners),
            rollout_fragment_length=STEPS // copies,
            batch_mode="truncate_episodes",
        )
        .learners(num_learners=0)
        .multi_agent(policies={"all"}, policy_mapping_fn=lambda *_, **__: "all")
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False
            )
        )
        .training(
            train_batch_size_per_learner=STEPS,
            minibatch_size=BATCH // MINIBATCHES,
            num_epochs=EPOCHS,
            gamma=GAMMA,
            lambda_=0.95,
            lr=1e-3,
            clip_param=0.2,
            entropy_coeff=0.01,
            use_kl_loss=False,
            grad_clip=0.5,
        )
        .reporting(min_sample_timesteps_per_iteration=0, min_time_s_per_iteration=0)
        .debugging(log_level="ERROR")
    )


def main() -> None:
    """Answer line by line; a first update is trained before."""
    torch.set_num_threads(1)
    copies, runners = map(int, sys.argv[1:3])
    register_env("spread", environment)
    with tempfile.TemporaryDirectory(prefix="ray") as folder, contextlib.redirect_stdout(sys.stderr):
        ray.init(
            num_cpus=max(2, runners + 1),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=200_000_000,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        algorithm = configuration(copies, runners).build_algo()

        def iterate() -> float:
            learned = algorithm.train()["learners"]["all"]
            return float(learned["num_module_steps_trained"])

        print(f"rows learned from in an epoch: {iterate() / EPOCHS:,.0f}", flush=True)
        print("ready", file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            began_s = time.perf_counter()
            for _ in range(int(line)):
                iterate()
            rate = int(line) * BATCH / (time.perf_counter() - began_s)
            print(rate, file=sys.__stdout__, flush=True)
        algorithm.stop()
        ray.shutdown()


if __name__ == "__main__":
    main()
