"""What the hosting benchmark runs in turns: pools of ours, and each peer by its own advice."""

from __future__ import annotations

import contextlib
import time
import warnings
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

if TYPE_CHECKING:
    from marl.batch import ArenaPool
    from marl.frame import Frame


_BLOCK = 64
"""Random actions are drawn for so many steps at once."""


class Runner:
    """Something that makes steps; `rate` says how many a second over so many seconds."""

    def turn(self) -> int:
        """Make a few steps; says how many."""
        raise NotImplementedError

    def begin(self) -> None:
        """What is done before the first turn of a run."""

    def end(self) -> int:
        """What is done after the last one; says how many steps that were."""
        return 0

    def close(self) -> None:
        """Give everything back."""

    def rate(self, seconds: float) -> tuple[float, float]:
        """Steps per second, and the seconds from the first message to the last."""
        began_s = time.perf_counter()
        self.begin()
        steps = 0
        while time.perf_counter() - began_s < seconds:
            steps += self.turn()
        steps += self.end()
        took_s = time.perf_counter() - began_s
        return steps / took_s, took_s


class Pool(Runner):
    """A pool of ours under random legal actions, drawn here; groups are acted for while others step."""

    def __init__(self, pool: ArenaPool, *, by_ready: bool = False) -> None:
        self._pool = pool
        self._by_ready = by_ready
        self._rng = np.random.default_rng(0)
        self._match = 0
        self._masked = [role for role in pool.spec.roles if role.masked]
        self._choices = {
            role.name: np.array([n for leaf in role.action for n in leaf.choices]) for role in pool.spec.roles
        }
        self._noise = {
            role.name: self._rng.integers(
                1, 256, (16, *pool.frames[0].roles[role.name].mask_BNA.shape), np.uint8
            )
            for role in self._masked
        }
        self._turns = 0
        self._drawn: dict[str, Any] = {}
        for group in range(pool.groups):
            orders = pool.orders[group]
            for action in orders.action.values():
                action.fill(0)
            self._follow(group)
            pool.send(group)
            self._received(group)

    def begin(self) -> None:
        """All groups are under way."""
        for group in range(self._pool.groups):
            self._send(group)

    def turn(self) -> int:
        """One step of each group, or of those that are ready."""
        pool = self._pool
        groups = pool.ready(1.0) if self._by_ready else range(pool.groups)
        steps = 0
        for group in groups:
            steps += len(self._received(group).ticket_B)
            self._send(group)
        return steps

    def end(self) -> int:
        """Nothing is under way."""
        return sum(len(self._received(group).ticket_B) for group in range(self._pool.groups))

    def close(self) -> None:
        """End the hosts."""
        self._pool.close()

    def _received(self, group: int) -> Frame:
        frame = self._pool.receive(group)
        if (frame.ticket_B == self._pool.orders[group].next_B).any():
            self._follow(group)
        return frame

    def _follow(self, group: int) -> None:
        """Another match for each copy: which one it would have played next is nobody's business yet."""
        orders = self._pool.orders[group]
        first, self._match = self._match, self._match + len(orders.next_B)
        orders.next_B[...] = np.arange(first, self._match)
        orders.seed_B[...] = orders.next_B

    def _send(self, group: int) -> None:
        orders, frame = self._pool.orders[group], self._pool.frames[group]
        self._turns += 1
        for name, action_BNK in orders.action.items():
            if name in self._noise:
                wish_BNA = frame.roles[name].mask_BNA * self._noise[name][self._turns % 16]
                at = 0
                for k, choices in enumerate(self._choices[name]):
                    action_BNK[..., k] = wish_BNA[..., at : at + choices].argmax(-1)
                    at += choices
            elif len(self._choices[name]) == action_BNK.shape[-1]:
                if not self._turns % _BLOCK or name not in self._drawn:
                    self._drawn[name] = self._rng.integers(
                        0, self._choices[name], (_BLOCK, *action_BNK.shape)
                    )
                action_BNK[...] = self._drawn[name][self._turns % _BLOCK]
        self._pool.send(group)


class Plain(Runner):
    """A plain Python loop over PettingZoo parallel environments."""

    def __init__(self, make: Any, copies: int) -> None:  # noqa: ANN401  # a factory of environments
        self._envs = [make() for _ in range(copies)]
        self._seats = list(self._envs[0].possible_agents)
        self._numbers = int(self._envs[0].action_space(self._seats[0]).n)
        self._rng = np.random.default_rng(0)
        for seed, env in enumerate(self._envs):
            env.reset(seed=seed)

    def turn(self) -> int:
        """One step of each."""
        drawn = self._rng.integers(0, self._numbers, (len(self._envs), len(self._seats))).tolist()
        for env, actions in zip(self._envs, drawn, strict=True):
            env.step(dict(zip(self._seats, actions, strict=True)))
            if not env.agents:
                env.reset()
        return len(self._envs)


class PlainTurns(Runner):
    """A plain Python loop over one PettingZoo AEC game with masks: random legal moves."""

    def __init__(self, make: Any) -> None:  # noqa: ANN401  # a factory of games
        self._env = make()
        self._rng = np.random.default_rng(0)

    def turn(self) -> int:
        """One game."""
        env, moves = self._env, 0
        env.reset(seed=int(self._rng.integers(2**31)))
        for _ in env.agent_iter():
            observation, _, ended, cut, _ = env.last()
            over = ended or cut
            action = None if over else int((observation["action_mask"] * self._rng.random(7)).argmax())
            env.step(action)
            moves += not over
        return moves


class Vector(Runner):
    """A peer's vector environment: `step` and its rows; actions drawn at once from its own action space."""

    def __init__(self, env: Any, *, rows: int, numbers: int, each: int = 1) -> None:  # noqa: ANN401  # a peer's
        self._env, self._rows, self._numbers, self._each = env, rows, numbers, each
        self._rng = np.random.default_rng(0)
        env.reset()

    def turn(self) -> int:
        """One step of all rows; `each` of them make an environment."""
        self._env.step(self._rng.integers(0, self._numbers, self._rows))
        return self._rows // self._each

    def close(self) -> None:
        """End its processes."""
        self._env.close()


def supersuit_spread(copies: int, processes: int) -> Vector:
    """SuperSuit's `concat_vec_envs_v1` over mpe2's simple_spread: three rows an environment."""
    import supersuit
    from mpe2 import simple_spread_v3

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vector = supersuit.pettingzoo_env_to_vec_env_v1(simple_spread_v3.parallel_env())
        vector = supersuit.concat_vec_envs_v1(vector, copies, num_cpus=processes, base_class="gymnasium")
    return Vector(vector, rows=3 * copies, numbers=5, each=3)


def gymnasium_cart_pole(copies: int, *, processes: bool) -> Vector:
    """Gymnasium's vector environments of CartPole-v1: in this process, or a process each, memory shared."""
    kind = gymnasium.vector.AsyncVectorEnv if processes else gymnasium.vector.SyncVectorEnv
    return Vector(kind([_cart_pole] * copies), rows=copies, numbers=2)


def baselines_cart_pole(copies: int, *, processes: bool) -> Vector:
    """Stable-Baselines3's vector environments of CartPole-v1."""
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    kind = SubprocVecEnv if processes else DummyVecEnv
    return Vector(kind([_cart_pole] * copies), rows=copies, numbers=2)


def _cart_pole() -> Any:  # noqa: ANN401  # Gymnasium's
    return gymnasium.make("CartPole-v1")


def close_all(runners: list[Runner]) -> None:
    """Close them all; a peer that fails at its end has been measured all the same."""
    for runner in runners:
        with contextlib.suppress(ConnectionError, EOFError):
            runner.close()
