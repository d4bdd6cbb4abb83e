"""Tianshou's PPO on mpe2's simple_spread, run by the Python of `.venv-peers/tianshou`.

Arguments: copies, and the processes that step them (0: this one). A line with a number comes in, so many
updates are played and learned, and agent-steps per second go out; until the end of input.

One policy decides all agents, each a row of Tianshou's vector environment, as SuperSuit hands them over; its
own way to many agents (an AEC wrapper and a learner for each agent) asks one agent at a time and is slower.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import numpy as np
import supersuit
import torch
from mpe2 import simple_spread_v3
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import BaseVectorEnv
from tianshou.utils.net.common import Net
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic
from tianshou.utils.torch_utils import policy_within_training_step, torch_train_mode

AGENTS, STEPS, EPOCHS, MINIBATCHES, GAMMA = 3, 1024, 4, 4, 0.9
BATCH = AGENTS * STEPS
WARM_UP = 2
"""Updates in which it compiles what it needs."""


class Rows(BaseVectorEnv):  # type: ignore[misc]  # not typed
    """SuperSuit's rows as Tianshou's environments; it has begun anew when a reset is asked for."""

    def __init__(self, copies: int, processes: int) -> None:
        single = supersuit.pettingzoo_env_to_vec_env_v1(simple_spread_v3.parallel_env(max_cycles=25))
        self._envs = supersuit.concat_vec_envs_v1(single, copies, num_cpus=processes, base_class="gymnasium")
        self.env_num, self.is_async, self.is_closed = copies * AGENTS, False, False
        self._spaces = {"action_space": single.action_space, "observation_space": single.observation_space}
        self._nothing = np.array([{} for _ in range(self.env_num)], object)
        self._seen, _ = self._envs.reset()

    def get_env_attr(self, key: str, id: Any = None) -> list[Any]:  # noqa: A002, ANN401  # theirs
        """The spaces; nothing else is asked for."""
        del id
        return [self._spaces[key]] * self.env_num

    def reset(self, env_id: Any = None, **options: Any) -> tuple[Any, Any]:  # noqa: ANN401  # theirs
        """What these rows see now."""
        del options
        rows = slice(None) if env_id is None else env_id
        return self._seen[rows], self._nothing[rows]

    def step(self, action: Any, id: Any = None) -> tuple[Any, ...]:  # noqa: A002, ANN401  # theirs
        """All rows go on."""
        del id
        self._seen, reward, ended, cut, _ = self._envs.step(action)
        self._seen = np.array(self._seen)
        return self._seen, np.asarray(reward), np.asarray(ended, bool), np.asarray(cut, bool), self._nothing

    def close(self) -> None:
        """End its processes."""
        self._envs.close()


def learner(observation: Any, action: Any) -> Any:  # noqa: ANN401  # gymnasium's spaces, Tianshou's algorithm
    """PPO with an actor and a critic of 64x64 tanh."""

    def body() -> Any:  # noqa: ANN401  # Tianshou's
        return Net(state_shape=observation.shape, hidden_sizes=[64, 64], activation=torch.nn.Tanh)

    actor = DiscreteActor(preprocess_net=body(), action_shape=action.n, softmax_output=False)
    policy = DiscreteActorPolicy(actor=actor, action_space=action, observation_space=observation)
    return PPO(
        policy=policy,
        critic=DiscreteCritic(preprocess_net=body()),
        optim=AdamOptimizerFactory(lr=1e-3, eps=1e-5),
        ent_coef=0.01,
        max_grad_norm=0.5,
        max_batchsize=BATCH,
        gamma=GAMMA,
    )


def main() -> None:
    """Answer line by line."""
    torch.set_num_threads(1)
    envs = Rows(*map(int, sys.argv[1:3]))
    algorithm = learner(envs.observation_space[0], envs.action_space[0])
    buffer = VectorReplayBuffer(math.ceil(BATCH / envs.env_num) * envs.env_num, envs.env_num)
    collector = Collector(algorithm, envs, buffer)
    collector.reset()

    def iterate() -> None:
        with policy_within_training_step(algorithm.policy):
            collector.collect(n_step=BATCH)
            with torch_train_mode(algorithm):
                algorithm.update(buffer, batch_size=BATCH // MINIBATCHES, repeat=EPOCHS)
        collector.reset_buffer(keep_statistics=True)

    for _ in range(WARM_UP):
        iterate()
    print("ready", flush=True)
    for line in sys.stdin:
        began_s = time.perf_counter()
        for _ in range(int(line)):
            iterate()
        print(int(line) * BATCH / (time.perf_counter() - began_s), flush=True)
    envs.close()


if __name__ == "__main__":
    main()
