"""The arena that hosts are tried on: a counter that is exactly predictable and misbehaves on request."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from marl.batch import BatchArena
from marl.errors import SpecError
from marl.spaces import to_json
from marl.spec import PARKED, Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders


class Counter(BatchArena):
    """Two seats add their actions to a counter that the seed starts; a match takes `length` steps.

    Options: `length`; `pause_s` (the least a step takes), `sleep_s` (before it starts), `talk` (words a
    step), `fault` (raise, kill, spin, hold) and `at` (the action number that sets it off), or `faults` (such
    numbers by fault), `size` of an image that is observed, too.
    """

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        if options.get("refuse"):
            raise SpecError("Counter", got="refuse", expected="no such option", remedy="Leave it out.")
        if options.get("crash"):
            sys.stderr.write("the counter crashed\n")
            os._exit(3)
        if "sleep_s" in options:
            time.sleep(options["sleep_s"])
        self._lengths = [int(options.get("length", 5))]
        self._faults = dict(options.get("faults") or {options.get("fault", ""): options.get("at", 9)})
        self._talk = "talk " * int(options.get("talk", 0))
        self._pause_s = float(options.get("pause_s", 0))
        size = int(options.get("size", 2))
        outer = spaces.Dict(
            {
                "count": spaces.Box(-np.inf, np.inf, (3,), np.float32),
                "image": spaces.Box(0, 255, (size, size), np.uint8),
            }
        )
        role = Role(
            "adder", ("adder_0", "adder_1"), to_json(outer), to_json(spaces.Discrete(10)), masked=True
        )
        self.spec = Spec("counter", "1", {}, (role,), {"all": role.seats}, state_size=2)

    def add_variant(self, options: Mapping[str, Any]) -> int:
        if "length" not in options:
            raise SpecError("Counter", got=f"{dict(options)}", expected="a length")
        self._lengths.append(int(options["length"]))
        return len(self._lengths) - 1

    def attach(self, frame: Frame, orders: Orders) -> None:
        super().attach(frame, orders)
        self._count_B = np.zeros(self.copies)
        self._length_B = np.zeros(self.copies, int)
        self._steps_B = np.zeros(self.copies, int)

    def step(self) -> None:
        frame, orders, role = self.frame, self.orders, self.frame.roles["adder"]
        added_BN = orders.action["adder"][:, :, 0].astype(float)
        self._misbehave(added_BN)
        if self._talk:
            sys.stdout.write(f"{self._talk}\n")
        until_s = time.perf_counter() + self._pause_s
        while time.perf_counter() < until_s:
            pass
        playing_B = (frame.ticket_B != PARKED) & ~orders.restart_B
        self._steps_B = np.where(playing_B, self._steps_B + 1, 0)
        frame.steps_B[...] = self._steps_B
        self._count_B[playing_B] += added_BN.sum(1)[playing_B]
        over_B = playing_B & (self._steps_B >= self._length_B)
        role.reward_BN[...] = np.where(playing_B[:, None], added_BN, 0)
        role.terminated_BN[...] = over_B[:, None]
        role.score_BN[over_B] = self._count_B[over_B, None]
        role.last_observation[0][over_B, :, 0] = self._count_B[over_B, None]
        frame.over_B[...] = over_B
        frame.ended_B[...] = np.where(over_B, frame.ticket_B, PARKED)
        began_B = ~playing_B | over_B
        frame.ticket_B[began_B] = orders.next_B[began_B]
        self._steps_B[began_B] = 0
        self._count_B[began_B] = (orders.seed_B[began_B] % 1000).astype(float)
        self._length_B[began_B] = np.asarray(self._lengths)[orders.variant_B[began_B]]
        live_B = frame.ticket_B != PARKED
        role.alive_BN[...] = role.acting_BN[...] = live_B[:, None]
        role.observation[0][:, :, 0] = np.where(live_B, self._count_B, 0)[:, None]
        role.observation[1][...] = (self._count_B % 256).astype(np.uint8)[:, None, None, None]
        role.mask_BNA[...] = 1
        frame.state_BS[...] = np.where(orders.want_state, self._count_B, 0)[:, None]

    def view(self, copy: int) -> dict[str, Any]:
        heavy = [name for name in ("torch", "league", "agents") if name in sys.modules]
        return {"count": float(self._count_B[copy]), "process": os.getpid(), "heavy": heavy}

    def _misbehave(self, added_BN: NDArray[np.float64]) -> None:
        for fault, at in self._faults.items():
            if fault and (added_BN == at).any():
                misbehave(fault)


def misbehave(fault: str) -> None:
    """Raise, end, hang with the interpreter's lock (hold), or hang without (spin)."""
    if fault == "raise":
        raise ZeroDivisionError("the counter was told to")
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hold":
        # Called through PyDLL, the function keeps the interpreter's lock.
        ctypes.PyDLL(None).sleep(3600)
    while fault == "spin":
        time.monotonic()


class Empty(Counter):
    """A step of it does nothing at all: what remains is the cost of hosting."""

    def step(self) -> None:
        """Nothing."""
