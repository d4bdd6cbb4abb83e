"""`Looped`: any PettingZoo parallel environment as a BatchArena."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marl.arena import Arena
from marl.errors import ArenaFaultError, SpecError
from marl.objects import FOREIGN_SEEDS, ObjectArena

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.frame import Frame, Orders
    from marl.writing import RoleWriter

_NOTHING: Mapping[str, Any] = {}


class Looped(ObjectArena):
    """Copies of a PettingZoo parallel environment."""

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write; the number of copies is theirs."""
        super().attach(frame, orders)
        # By copy: the seats that are alive, in the order of the spec.
        self._live: list[dict[str, tuple[RoleWriter, int]]] = [{} for _ in range(self.copies)]

    def _begin(self, copy: int, seed: int) -> None:
        env = self._envs[copy]
        observations, infos = env.reset(seed=seed % FOREIGN_SEEDS)
        if not env.agents:
            got = "a match without a live seat"
            raise SpecError(self.spec.arena, got=got, expected="at least one after reset")
        self._returns[copy] = dict.fromkeys(env.agents, 0.0)
        self._enter(copy, set(env.agents), self._places[copy])
        for seat, (writer, row) in self._live[copy].items():
            writer.alive[row] = writer.acting[row] = True
            writer.see(row, observations[seat], infos.get(seat, _NOTHING))

    def _advance(self, copy: int) -> bool:
        env, live, returns = self._envs[copy], self._live[copy], self._returns[copy]
        actions = {seat: writer.actions[row] for seat, (writer, row) in live.items()}
        observations, rewards, terminated, _, infos = env.step(actions)
        over = not env.agents
        if over:
            self._keep_last(copy)
        remaining = set(env.agents)
        if remaining != live.keys():
            self._enter(copy, remaining, live)
            for seat in live.keys() - remaining:
                writer, row = live[seat]
                # A seat that is gone without a flag was cut off, not ended.
                writer.terminated[row], writer.truncated[row] = terminated[seat], not terminated[seat]
                writer.alive[row] = writer.acting[row] = False
        for seat, (writer, row) in live.items():
            reward = float(rewards[seat])
            writer.reward[row] = reward
            returns[seat] += reward
            writer.see(row, observations[seat], infos.get(seat, _NOTHING), last=over)
        return over

    def _enter(self, copy: int, seats: set[str], among: Mapping[str, tuple[RoleWriter, int]]) -> None:
        """Remember which seats are alive from here on; a fault where one was not before."""
        strange = seats - among.keys()
        if strange:
            raise ArenaFaultError(
                self.spec.arena,
                got=f"seats {sorted(strange)} that came to life in mid-match",
                expected="seats that are there from reset on, or absent for the whole match",
            )
        self._live[copy] = {seat: place for seat, place in among.items() if seat in seats}


def is_plain(env: Any) -> bool:  # noqa: ANN401  # a PettingZoo environment
    """Whether an environment is an Arena whose hooks may be called directly: its own reset and step stand."""
    return isinstance(env, Arena) and type(env).step is Arena.step and type(env).reset is Arena.reset
