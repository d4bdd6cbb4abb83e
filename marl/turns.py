"""`Turns`: any PettingZoo AEC environment as a BatchArena.

One seat decides a step, funerals are this file's business.
"""

from __future__ import annotations

from marl.errors import SpecError
from marl.objects import FOREIGN_SEEDS, ObjectArena


class Turns(ObjectArena):
    """Copies of a turn-based environment. A seat's reward is delivered when its turn comes, or at its end."""

    def _begin(self, copy: int, seed: int) -> None:
        env, places = self._envs[copy], self._places[copy]
        env.reset(seed=seed % FOREIGN_SEEDS)
        self._returns[copy] = dict.fromkeys(env.agents, 0.0)
        for seat in env.agents:
            writer, row = places[seat]
            writer.alive[row] = True
            writer.see(row, env.observe(seat), env.infos.get(seat, {}))
        self._next_turn(copy)
        if not env.agents:
            got = "a match without a live seat"
            raise SpecError(self.spec.arena, got=got, expected="at least one after reset")

    def _advance(self, copy: int) -> bool:
        env = self._envs[copy]
        writer, row = self._places[copy][env.agent_selection]
        writer.acting[row] = False
        env.step(writer.actions[row])
        self._next_turn(copy)
        over = not env.agents
        if over:
            self._keep_last(copy)
        return over

    def _next_turn(self, copy: int) -> None:
        """Go on to the next live seat; seats that ended on the way get their last reward and observation."""
        env, places, returns = self._envs[copy], self._places[copy], self._returns[copy]
        while env.agents:
            seat = env.agent_selection
            writer, row = places[seat]
            observation, reward, terminated, truncated, info = env.last()
            reward = float(reward)
            writer.reward[row] += reward
            returns[seat] += reward
            over = terminated or truncated
            writer.alive[row] = not over
            writer.see(row, observation, info)
            if not over:
                writer.acting[row] = True
                return
            writer.terminated[row], writer.truncated[row] = terminated, not terminated
            env.step(None)
