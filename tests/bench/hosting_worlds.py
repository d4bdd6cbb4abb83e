"""The toy arenas of the hosting benchmark: a microsecond environment, pixels, and steps that do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from marl.batch import BatchArena
from marl.spaces import to_json
from marl.spec import PARKED, Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders


_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835


class CartPole(BatchArena):
    """Gymnasium's CartPole-v1 as an arena of one seat: the same object that the peers step, one a copy."""

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        del options, capacity
        one = gymnasium.make("CartPole-v1")
        role = Role(
            "cart", ("cart_0",), to_json(one.observation_space), to_json(one.action_space), masked=False
        )
        self.spec = Spec("cart_pole", "1", {}, (role,), {"all": role.seats})

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Make the copies."""
        super().attach(frame, orders)
        self._envs = [gymnasium.make("CartPole-v1") for _ in range(self.copies)]
        self._steps: list[Any] = [env.step for env in self._envs]
        self._generators = [env.unwrapped.np_random.bit_generator for env in self._envs]
        self._return_B = np.zeros(self.copies)

    def step(self) -> None:
        """Step each copy, then write all of them at once."""
        frame, orders, role = self.frame, self.orders, self.frame.roles["cart"]
        playing_B = (frame.ticket_B != PARKED) & ~orders.restart_B
        frame.ended_B.fill(PARKED)
        frame.over_B.fill(0)
        if playing_B.all():
            came = [step(action) for step, action in zip(self._steps, self._actions(), strict=True)]
            rows, reward, ended, cut, _ = zip(*came, strict=True)
            np.concatenate(rows, out=role.observation[0].reshape(-1))
            role.reward_BN[:, 0] = reward
            role.terminated_BN[:, 0] = ended
            role.truncated_BN[:, 0] = cut
            self._return_B += role.reward_BN[:, 0]
            frame.steps_B += 1
            np.logical_or(role.terminated_BN[:, 0], role.truncated_BN[:, 0], out=frame.over_B)
            if frame.over_B.any():
                self._begin(frame.over_B)
            return
        role.reward_BN.fill(0)
        role.terminated_BN.fill(0)
        role.truncated_BN.fill(0)
        for copy in np.flatnonzero(playing_B).tolist():
            row, reward, ended, cut, _ = self._steps[copy](self._actions()[copy])
            role.observation[0][copy, 0] = row
            role.reward_BN[copy], role.terminated_BN[copy], role.truncated_BN[copy] = reward, ended, cut
            self._return_B[copy] += reward
            frame.over_B[copy] = ended or cut
        frame.steps_B[playing_B] += 1
        self._begin(~playing_B | frame.over_B)

    def _actions(self) -> NDArray[np.int64]:
        """As Gymnasium's own vector environments hand them on: its spaces judge Python's numbers slowly."""
        return self.orders.action["cart"][:, 0, 0].astype(np.int64)

    def _begin(self, began_B: Any) -> None:  # noqa: ANN401  # a mask of copies
        frame, orders, role = self.frame, self.orders, self.frame.roles["cart"]
        over_B = frame.over_B
        frame.ended_B[over_B] = frame.ticket_B[over_B]
        role.score_BN[over_B, 0] = self._return_B[over_B]
        role.last_observation[0][over_B] = role.observation[0][over_B]
        frame.ticket_B[began_B] = orders.next_B[began_B]
        frame.steps_B[began_B & ~over_B] = 0
        self._return_B[began_B] = 0
        live_B = frame.ticket_B != PARKED
        role.alive_BN[:, 0] = role.acting_BN[:, 0] = live_B
        for copy in np.flatnonzero(began_B & live_B).tolist():
            # Seeding anew costs as much as ten steps; setting the generator's state says the same for less.
            seed = int(orders.seed_B[copy])
            state = {"state": (seed + 1) * _ODD % 2**128, "inc": 2 * seed + 1}
            self._generators[copy].state = {
                "bit_generator": "PCG64",
                "state": state,
                "has_uint32": 0,
                "uinteger": 0,
            }
            role.observation[0][copy, 0] = self._envs[copy].reset()[0]


class Pixels(BatchArena):
    """Observes `size` x `size` x 4 bytes (4 numbers where size is 0); with `paint`, each step writes all."""

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        del capacity
        size = int(options.get("size", 0))
        self._paint = bool(options.get("paint"))
        seen = spaces.Box(0, 255, (size, size, 4), np.uint8) if size else spaces.Box(0, 1, (4,), np.float32)
        role = Role("eye", ("eye_0",), to_json(seen), to_json(spaces.Discrete(4)), masked=False)
        self.spec = Spec("pixels", "1", {}, (role,), {"all": role.seats})

    def step(self) -> None:
        """Write in place what is observed: all of it, or a number a copy."""
        frame, orders = self.frame, self.orders
        seen = frame.roles["eye"].observation[0]
        frame.ticket_B[...] = orders.next_B
        if self._paint:
            seen[...] = orders.action["eye"].reshape(-1, 1, *(1,) * (seen.ndim - 2))
        else:
            seen.reshape(len(seen), -1)[:, 0] = orders.action["eye"][:, 0, 0]
