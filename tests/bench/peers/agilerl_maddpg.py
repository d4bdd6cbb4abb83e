"""AgileRL's MADDPG on mpe2's simple_spread, run by the Python of `.venv-peers/agilerl`.

A line with a number comes in, that many environment steps are played and learned from, and agent-steps per
second go out; until the end of input. The loop is that of its own `train_multi_agent_off_policy`,
without evolution, evaluation and logging: 8 environments in processes of their own, batches of 1,024, an
update every 96 steps.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from agilerl.algorithms import MADDPG
from agilerl.components.data import MultiAgentTransition, transition_to_tensordict
from agilerl.components.replay_buffer import ReplayBuffer
from agilerl.components.sampler import Sampler
from agilerl.vector.pz_async_vec_env import AsyncPettingZooVecEnv
from mpe2 import simple_spread_v3

COPIES, BATCH, EVERY, WIDTH = 8, 1024, 96, 64


def environment() -> Any:  # noqa: ANN401  # PettingZoo's
    """25 steps, discrete actions, as in ours."""
    return simple_spread_v3.parallel_env(max_cycles=25)


def main() -> None:
    """Fill the replay to a batch, then answer line by line."""
    torch.set_num_threads(1)
    single = environment()
    agents = single.possible_agents
    vec_env = AsyncPettingZooVecEnv([environment] * COPIES)
    layers = {
        "latent_dim": WIDTH,
        "encoder_config": {"hidden_size": [WIDTH]},
        "head_config": {"hidden_size": [WIDTH]},
    }
    learner = MADDPG(
        [single.observation_space(agent) for agent in agents],
        [single.action_space(agent) for agent in agents],
        agent_ids=agents,
        vect_noise_dim=COPIES,
        net_config=layers,
        batch_size=BATCH,
        learn_step=EVERY,
    )
    learner.set_training_mode(True)
    memory = ReplayBuffer(max_size=100_000)
    sampler = Sampler(memory=memory)
    seen, info = vec_env.reset()
    played = 0

    def play(steps: int) -> None:
        nonlocal seen, info, played
        for _ in range(steps // COPIES):
            action, raw_action = learner.get_action(obs=seen, infos=info)
            following, reward, terminated, _, info = vec_env.step(action)
            step = MultiAgentTransition(
                obs=seen, action=raw_action, reward=reward, next_obs=following, done=terminated
            )
            transition = transition_to_tensordict(step)
            transition.batch_size = torch.Size([COPIES])
            memory.add(transition)
            if played % EVERY == 0 and len(memory) >= BATCH:
                learner.learn(sampler.sample(BATCH))
            seen = following
            played += COPIES

    play(2 * BATCH)
    print("ready", flush=True)
    for line in sys.stdin:
        began_s = time.perf_counter()
        play(int(line))
        print(len(agents) * int(line) / (time.perf_counter() - began_s), flush=True)
    vec_env.close()


if __name__ == "__main__":
    main()
