"""PPO without any arena: passes over decisions, and acting, beside a plain torch loop in the same run.

python tests/bench/learner.py [--quick] [--json]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from marl.fragment import Cuts, Fragment
from marl.policy import Rows
from marl.spaces import to_json
from marl.spec import Role, Spec
from tests.bench.table import Row, in_turns, options, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

STEPS, COPIES, SEATS, FEATURES, CHOICES = 64, 64, 4, 24, 5
EPOCHS, MINIBATCH, ACTING = 4, 4096, 128
ENTRIES = STEPS * COPIES * SEATS


def spec() -> Spec:
    """Four seats of one role with plain spaces."""
    seats = tuple(f"a_{i}" for i in range(SEATS))
    observation = to_json(spaces.Box(-1, 1, (FEATURES,), np.float32))
    role = Role("a", seats, observation, to_json(spaces.Discrete(CHOICES)))
    return Spec("bench", "1", {}, (role,), {seat: (seat,) for seat in seats})


def rows_at(step: int, count: int) -> Rows:
    """All seats of some copies at a step."""
    number_R = np.arange(count)
    seat_R = (number_R % SEATS).astype(np.int32)
    return Rows(number_R // SEATS, number_R.astype(np.uint64), seat_R, np.full(count, step, np.int32))


def fragment_of(learner: PPO) -> Fragment:
    """A fragment of random observations, decided by the learner as it is."""
    rng, role, rows = np.random.default_rng(0), learner.spec.roles[0], COPIES * SEATS
    x_TRF = rng.normal(size=(STEPS, rows, FEATURES)).astype(np.float32)
    memory = np.zeros((rows, learner.policy.memory_size), np.float32)
    masks = np.zeros((rows, 0), np.uint8)
    made = [
        learner.policy.act(role, [x_RF], masks, memory, rows_at(t, rows), greedy=False)
        for t, x_RF in enumerate(x_TRF)
    ]
    no = np.zeros((STEPS, rows), np.bool_)
    last = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    none = np.zeros((rows, 0), np.float32)
    return Fragment(
        player="learner",
        role=role,
        observation=(x_TRF,),
        mask_TRA=np.zeros((STEPS, rows, 0), np.uint8),
        action_TRK=np.stack([decision.action_RK for decision in made]),
        extras={"logp": np.stack([decision.extras["logp"] for decision in made])},
        reward_TR=rng.normal(size=(STEPS, rows)).astype(np.float32),
        terminated_TR=no,
        truncated_TR=no.copy(),
        valid_TR=~no,
        first_TR=no.copy(),
        source_TR=no.astype(np.uint8),
        time_TR=no.astype(np.int32),
        copy_R=np.arange(rows) // SEATS,
        seat_R=np.arange(rows) % SEATS,
        memory_RM=memory,
        state_TRS=np.zeros((STEPS, rows, 0), np.float32),
        cuts=Cuts(np.full(rows, STEPS - 1), np.arange(rows), (last,), masks, none),
    )


def net(outputs: int) -> nn.Sequential:
    """Two hidden layers, as torch's users write them."""
    return nn.Sequential(
        nn.Linear(FEATURES, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)
    )


class Plain:
    """The same passes as anybody would write them: advantages are given, only the minibatches are timed."""

    def __init__(self) -> None:
        self.actor, self.critic = net(CHOICES), net(1)
        parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=1e-3, fused=True)
        self._x, self._target = torch.randn(ENTRIES, FEATURES), torch.randn(ENTRIES)
        self._action, self._logp = torch.randint(CHOICES, (ENTRIES,)), torch.full((ENTRIES,), -1.6)
        self._parameters = parameters

    def update(self) -> None:
        """All epochs."""
        for _ in range(EPOCHS):
            for chosen in torch.randperm(ENTRIES).split(MINIBATCH):  # type: ignore[no-untyped-call]
                x, target = self._x[chosen], self._target[chosen]
                drawn = torch.distributions.Categorical(logits=self.actor(x), validate_args=False)
                ratio = (drawn.log_prob(self._action[chosen]) - self._logp[chosen]).exp()  # type: ignore[no-untyped-call]
                gain = torch.minimum(ratio * target, ratio.clamp(0.8, 1.2) * target).mean()
                error = nn.functional.huber_loss(self.critic(x).squeeze(-1), target)
                loss = 0.5 * error - gain - 0.01 * drawn.entropy().mean()  # type: ignore[no-untyped-call]
                self.optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self._parameters, 1.0)
                self.optimiser.step()

    def act(self, x_RF: NDArray[np.float32]) -> NDArray[np.int64]:
        """Draw actions for rows."""
        with torch.inference_mode():
            drawn = torch.distributions.Categorical(
                logits=self.actor(torch.from_numpy(x_RF)), validate_args=False
            )
            action: Any = drawn.sample()  # type: ignore[no-untyped-call]
            drawn.log_prob(action)  # type: ignore[no-untyped-call]
            result: NDArray[np.int64] = action.numpy()
        return result


def per_second(work: Callable[[], object], units: int) -> Callable[[], float]:
    """Units a second of a piece of work, run once."""

    def measure() -> float:
        start_s = time.perf_counter()
        work()
        return units / (time.perf_counter() - start_s)

    return measure


def main() -> None:
    """Measure and print."""
    given = options("PPO's updates and acting without an arena")
    torch.set_num_threads(1)
    runs, times = (3, 20) if given.quick else (15, 100)
    plain = Plain()
    table: list[Row] = []
    for name, settings in (("shared", {}), ("separate", {"separate": True}), ("GRU of 32", {"memory": 32})):
        learner = PPO(
            spec(), PPOSettings.read("bench", {"epochs": EPOCHS, "minibatch": MINIBATCH, **settings}), 0
        )
        fragment = fragment_of(learner)
        learner.update([fragment])
        plain.update()
        theirs, ours = in_turns(
            runs,
            per_second(plain.update, ENTRIES * EPOCHS),
            per_second(lambda: learner.update([fragment]), ENTRIES * EPOCHS),  # noqa: B023  # measured here
        )
        table.append(
            Row(
                f"PPO update, {name}",
                "plain torch, shared",
                theirs / 1e3,
                ours / 1e3,
                "k decisions x epochs/s",
            )
        )
        x_RF = fragment.observation[0][0, :ACTING]
        masks, memory = np.zeros((ACTING, 0), np.uint8), fragment.memory_RM[:ACTING]

        def act(learner: PPO = learner, x_RF: Any = x_RF, masks: Any = masks, memory: Any = memory) -> None:  # noqa: ANN401  # arrays
            for t in range(times):
                learner.policy.act(
                    learner.spec.roles[0], [x_RF], masks, memory, rows_at(t, ACTING), greedy=False
                )

        def act_plainly(x_RF: Any = x_RF) -> None:  # noqa: ANN401  # an array
            for _ in range(times):
                plain.act(x_RF)

        theirs, ours = in_turns(
            runs, per_second(act_plainly, times * ACTING), per_second(act, times * ACTING)
        )
        table.append(
            Row(
                f"acting for {ACTING} rows, {name}",
                "plain torch, shared",
                theirs / 1e3,
                ours / 1e3,
                "k rows/s",
            )
        )
    show(table, as_json=given.json)


if __name__ == "__main__":
    main()
