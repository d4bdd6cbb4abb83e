"""Environments without the wrappers that only check what is checked here, for all copies at once."""

from __future__ import annotations

from typing import Any

from pettingzoo import AECEnv
from pettingzoo.utils.conversions import aec_to_parallel_wrapper
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper, OrderEnforcingWrapper, TerminateIllegalWrapper

from marl.errors import ArenaFaultError

_CHECKS = (OrderEnforcingWrapper, AssertOutOfBoundsWrapper, TerminateIllegalWrapper)


def bare(env: Any) -> Any:  # noqa: ANN401  # a PettingZoo environment
    """The same environment without PettingZoo's own checks, down to the first wrapper that does more.

    They change nothing where calls come in order and every action is in its space and legal, as those of a
    BatchArena are; but each read of an attribute passes through all of them, which takes more than half of a
    turn of a small game. Wrappers derived from them stay. A game of turns that is played in parallel observes
    only what is read.
    """
    if type(env) is aec_to_parallel_wrapper:
        env.aec_env = bare(env.aec_env)
        if type(env.aec_env).last is AECEnv.last:
            return _Cycle(env.aec_env)  # type: ignore[no-untyped-call]  # PettingZoo's constructor
        return env
    while type(env) in _CHECKS:
        env = env.env
    return env


class _Cycle(aec_to_parallel_wrapper[Any, Any, Any]):
    """PettingZoo's conversion, but for its second look at every observation: a sixth of a step of mpe2."""

    def step(self, actions: dict[Any, Any]) -> Any:  # noqa: ANN401  # PettingZoo's five dictionaries
        """All living agents' turns, in order."""
        env = self.aec_env
        rewards = dict.fromkeys(env.agents, 0.0)
        for agent in env.agents:
            if agent != env.agent_selection:
                raise ArenaFaultError(
                    f"{env}, turn of {agent}",
                    got=f"a turn of {env.agent_selection}",
                    expected="agents that take turns in a cycle and die only at its end",
                )
            env.step(actions[agent])
            for own in env.agents:
                rewards[own] = rewards.get(own, 0.0) + env.rewards[own]
        flags = dict(env.terminations), dict(env.truncations), dict(env.infos)
        observations = {agent: env.observe(agent) for agent in env.agents}
        while env.agents and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
            env.step(None)
        self.agents = env.agents
        return observations, rewards, *flags
