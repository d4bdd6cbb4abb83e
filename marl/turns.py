"""`Turns`: any PettingZoo AEC environment as a BatchArena: one seat decides a step, funerals are this file's business."""

from __future__ import annotations

from marl.errors import SpecError
from marl.looped import ObjectArena
from marl.spaces import decode_action


class Turns(ObjectArena):
    """Copies of a turn-based environment. A seat's reward is delivered when its turn comes, or at its end."""

    def _begin(self, copy: int, seed: int) -> None:
        env = self._envs[copy]
        env.reset(seed=seed)
        if not env.agents:
            raise SpecError(self.spec.arena, got="a match without a live seat", expected="at least one after reset")
        for seat in env.agents:
            role, i = self._seat_at[seat]
            self.frame.roles[role.name].alive_BN[copy, i] = True
            self._see(copy, seat, env.observe(seat), env.infos.get(seat, {}))
        self._next_turn(copy)

    def _advance(self, copy: int) -> bool:
        env = self._envs[copy]
        role, i = self._seat_at[env.agent_selection]
        self.frame.roles[role.name].acting_BN[copy, i] = False
        env.step(decode_action(role.action_space, self.orders.action[role.name][copy, i]))
        self._next_turn(copy)
        if env.agents:
            return False
        for frame in self.frame.roles.values():
            for last, leaf in zip(frame.last_observation, frame.observation, strict=True):
                last[copy] = leaf[copy]
            frame.last_mask_BNA[copy] = frame.mask_BNA[copy]
        return True

    def _next_turn(self, copy: int) -> None:
        """Go on to the next live seat; seats that ended on the way get their last reward and observation."""
        env = self._envs[copy]
        while env.agents:
            seat = env.agent_selection
            role, i = self._seat_at[seat]
            frame = self.frame.roles[role.name]
            observation, reward, terminated, truncated, info = env.last()
            frame.reward_BN[copy, i] += reward
            self._returns[copy][seat] += reward
            self._see(copy, seat, observation, info)
            if not (terminated or truncated):
                frame.acting_BN[copy, i] = True
                return
            frame.terminated_BN[copy, i] = bool(terminated)
            frame.truncated_BN[copy, i] = bool(truncated) and not terminated
            frame.alive_BN[copy, i] = False
            env.step(None)
