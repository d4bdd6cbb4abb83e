"""`Turns`: any PettingZoo AEC environment as a BatchArena.

One seat decides a step, funerals are this file's business.
"""

from __future__ import annotations

from marl.errors import SpecError
from marl.looped import FOREIGN_SEEDS, ObjectArena


class Turns(ObjectArena):
    """Copies of a turn-based environment. A seat's reward is delivered when its turn comes, or at its end."""

    def _begin(self, copy: int, seed: int) -> None:
        env = self._envs[copy]
        env.reset(seed=seed % FOREIGN_SEEDS)
        self._returns[copy] = dict.fromkeys(env.agents, 0.0)
        for seat in env.agents:
            role, i = self._seat_at[seat]
            self.frame.roles[role.name].alive_BN[copy, i] = True
            self._see(copy, seat, env.observe(seat), env.infos.get(seat, {}))
        self._next_turn(copy)
        if not env.agents:
            got = "a match without a live seat"
            raise SpecError(self.spec.arena, got=got, expected="at least one after reset")

    def _advance(self, copy: int) -> bool:
        env = self._envs[copy]
        role, i = self._seat_at[env.agent_selection]
        self.frame.roles[role.name].acting_BN[copy, i] = False
        env.step(self._actions[role.name][copy][i])
        self._next_turn(copy)
        over = not env.agents
        if over:
            self._keep_last(copy)
        return over

    def _next_turn(self, copy: int) -> None:
        """Go on to the next live seat; seats that ended on the way get their last reward and observation."""
        env = self._envs[copy]
        while env.agents:
            seat = env.agent_selection
            role, i = self._seat_at[seat]
            frame = self.frame.roles[role.name]
            observation, reward, terminated, truncated, info = env.last()
            frame.reward_BN[copy, i] += reward
            self._returns[copy][seat] += float(reward)
            over = bool(terminated or truncated)
            frame.alive_BN[copy, i] = not over
            self._see(copy, seat, observation, info)
            if not over:
                frame.acting_BN[copy, i] = True
                return
            frame.terminated_BN[copy, i] = bool(terminated)
            frame.truncated_BN[copy, i] = bool(truncated) and not terminated
            env.step(None)
