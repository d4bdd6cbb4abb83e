"""`spread`: discs that share out landmarks among them, after mpe2's `simple_spread_v3`, for whole batches.

A match equals that of mpe2 with the same seed and actions to 1e-6 (`tests/arenas/test_spread.py`). Axes: N
agents, L = N landmarks, P pairs of agents, B copies (last, so that every operation runs over contiguous
copies and a copy of a batch equals a lone one), 2 for x and y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from pydantic import Field

from marl.arena import Options as ArenaOptions
from marl.batch import BatchArena
from marl.errors import SpecError
from marl.frame import over_memory
from marl.spaces import to_json
from marl.spec import PARKED, Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders

NAME = "arenas.spread:SpreadBatch"
ROLE = "agent"
REACH = 0.3
"""Two discs of radius 0.15 touch."""
STIFFNESS, MARGIN, THRUST, DAMPING, SECONDS = 100.0, 1e-3, 5.0, 0.25, 0.1
"""Constants of the particle world (Lowe et al. 2017; mpe2 1.1.1, `core.py`)."""
PUSHES_A2 = THRUST * np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]], np.float64)


class SpreadOptions(ArenaOptions):
    """The arguments of `simple_spread_v3` that matter to agents, with its defaults."""

    agents: int = Field(3, ge=2, le=16, description="Agents, and as many landmarks (capacity).")
    local_ratio: float = Field(
        0.5, ge=0, le=1, description="Weight of an agent's own collisions against the team's coverage."
    )
    cycles: int = Field(25, ge=1, le=10_000, description="Steps of a match.")
    continuous: bool = Field(
        default=False, description="Five thrusts from 0 to 1 instead of one of five (capacity)."
    )


class SpreadBatch(BatchArena):
    """Agents cover landmarks and keep apart.

    Observation: float32 (6 N,): velocity 2, position 2, landmarks relative to the agent 2 N, other agents
    likewise 2 (N - 1), and 2 (N - 1) zeros where mpe2 has messages. Action: Discrete(5): stay, left, right,
    down, up; or Box(0, 1, (5,)) whose differences thrust. Reward: -(1 - local_ratio) x the sum over landmarks
    of the nearest agent's distance, -local_ratio for each agent touched. State: all observations in a row.
    Ends: truncated after `cycles`. Score: the return; one team.
    """

    options_type = SpreadOptions

    def __init__(self, options: Mapping[str, Any], capacity: Mapping[str, Any] | None = None) -> None:
        first = SpreadOptions.read(NAME, options)
        self._capacity = first if capacity is None else SpreadOptions.read(NAME, capacity)
        self.spec = _spec(self._capacity)
        self._cycles_V, self._local_V = np.zeros(0, np.int32), np.zeros(0)
        seats = np.arange(self._capacity.agents)
        self._pairs = [(int(i), int(j)) for i in seats for j in seats if i < j]
        self._left_P, self._right_P = np.array(self._pairs).T
        self._others_NM = np.array([[j for j in seats if j != i] for i in seats])
        self._add(first)
        self.attach(*over_memory(self.spec, 1))

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; SpecError where they ask for other spaces or more steps than the capacities."""
        return self._add(SpreadOptions.read(NAME, options))

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write, and make the state of their copies."""
        super().attach(frame, orders)
        agents = self._capacity.agents
        # apart, so that nothing is divided by zero in copies that play nothing yet
        self._position_N2B = np.zeros((agents, 2, self.copies)) + np.arange(agents)[:, None, None]
        self._velocity_N2B = np.zeros((agents, 2, self.copies))
        self._landmark_L2B = np.zeros((agents, 2, self.copies))
        self._return_NB = np.zeros((agents, self.copies))
        self._variant_B = np.zeros(self.copies, np.int32)
        self._steps_B = np.zeros(self.copies, np.int32)
        self._measure()

    def step(self) -> None:
        """Advance every copy by one step, in place."""
        frame, role = self.frame, self.frame.roles[ROLE]
        frame.lost_B[:] = False
        frame.ended_B[:] = PARKED
        playing_B = (frame.ticket_B != PARKED) & ~self.orders.restart_B
        self._move()
        reward_NB = np.where(playing_B, self._rewards(), 0.0)
        self._return_NB += reward_NB
        role.reward_BN[:] = reward_NB.T
        self._steps_B += 1
        frame.steps_B[:] = np.where(playing_B, self._steps_B, 0)
        over_B = playing_B & (self._steps_B >= self._cycles_V[self._variant_B])
        frame.over_B[:] = over_B
        role.truncated_BN[:] = over_B[:, None]
        if over_B.any():
            self._finish(over_B)
        starting_B = over_B | ~playing_B
        if starting_B.any():
            self._start(np.flatnonzero(starting_B))
        self._show()

    def view(self, copy: int) -> dict[str, Any]:
        """Positions of agents and landmarks, as plain JSON."""
        return {
            "agents": self._position_N2B[..., copy].round(4).tolist(),
            "landmarks": self._landmark_L2B[..., copy].round(4).tolist(),
        }

    # physics

    def _move(self) -> None:
        """Thrust, collisions, damping; a position moves by the velocity before them, as in mpe2."""
        force_N2B = self._thrust()
        penetration_PB = MARGIN * np.logaddexp(0.0, (REACH - self._apart_PB) / MARGIN)
        repulsion_P2B = (STIFFNESS * penetration_PB / self._apart_PB)[:, None] * self._gap_P2B
        for (left, right), push_2B in zip(self._pairs, repulsion_P2B, strict=True):
            force_N2B[left] += push_2B
            force_N2B[right] -= push_2B
        self._position_N2B += self._velocity_N2B * SECONDS
        self._velocity_N2B *= 1 - DAMPING
        self._velocity_N2B += force_N2B * SECONDS
        self._measure()

    def _thrust(self) -> NDArray[np.float64]:
        action_BNK = self.orders.action[ROLE]
        if not self._capacity.continuous:
            return np.ascontiguousarray(PUSHES_A2[action_BNK[..., 0]].transpose(1, 2, 0))
        thrust_BN2 = THRUST * (action_BNK[..., 2::2].astype(np.float64) - action_BNK[..., 1::2])
        return np.ascontiguousarray(thrust_BN2.transpose(1, 2, 0))

    def _measure(self) -> None:
        """Gaps between agents, and from agents to landmarks."""
        self._gap_P2B = self._position_N2B[self._left_P] - self._position_N2B[self._right_P]
        self._apart_PB = _length(self._gap_P2B)
        self._way_NL2B = self._landmark_L2B[None] - self._position_N2B[:, None]

    def _rewards(self) -> NDArray[np.float64]:
        touched_NB = np.zeros((self._capacity.agents, self.copies))
        for (left, right), touching_B in zip(self._pairs, self._apart_PB < REACH, strict=True):
            touched_NB[left] += touching_B
            touched_NB[right] += touching_B
        uncovered_B = _length(self._way_NL2B).min(0).sum(0)
        local_B = self._local_V[self._variant_B]
        reward_NB: NDArray[np.float64] = -uncovered_B * (1 - local_B) - touched_NB * local_B
        return reward_NB

    # matches

    def _finish(self, over_B: NDArray[np.bool_]) -> None:
        """Write what is said of the matches that end now."""
        frame, role = self.frame, self.frame.roles[ROLE]
        frame.ended_B[over_B] = frame.ticket_B[over_B]
        role.score_BN[over_B] = self._return_NB.T[over_B]
        self._show()
        role.last_observation[0][over_B] = role.observation[0][over_B]
        frame.last_state_BS[over_B] = frame.state_BS[over_B]

    def _start(self, copies: NDArray[np.int64]) -> None:
        """Begin the next tickets of these copies, or park them."""
        frame, orders, role = self.frame, self.orders, self.frame.roles[ROLE]
        frame.ticket_B[copies] = orders.next_B[copies]
        starting = copies[orders.next_B[copies] != PARKED]
        for array_BN in (role.alive_BN, role.acting_BN):
            array_BN[copies] = False
            array_BN[starting] = True
        asked = orders.variant_B[starting]
        unknown = asked[(asked < 0) | (asked >= len(self._cycles_V))]
        if len(unknown):
            raise SpecError(NAME, got=f"variant {unknown[0]}", expected=f"below {len(self._cycles_V)}")
        self._variant_B[starting] = asked
        agents = self._capacity.agents
        for copy in starting:  # the draws of mpe2: agents first, then landmarks
            place_X2 = np.random.default_rng(orders.seed_B[copy]).uniform(-1.0, 1.0, (2 * agents, 2))
            self._position_N2B[..., copy], self._landmark_L2B[..., copy] = (
                place_X2[:agents],
                place_X2[agents:],
            )
        self._velocity_N2B[..., starting] = 0.0
        self._return_NB[:, starting] = 0.0
        self._steps_B[starting] = 0
        self._measure()

    def _show(self) -> None:
        """Write what agents see now, and the state where somebody wants it."""
        observation_BNO = self.frame.roles[ROLE].observation[0]
        landmarks = 4 + 2 * self._capacity.agents
        observation_BNO[..., 0:2] = self._velocity_N2B.transpose(2, 0, 1)
        observation_BNO[..., 2:4] = self._position_N2B.transpose(2, 0, 1)
        observation_BNO[..., 4:landmarks] = _in_a_row(self._way_NL2B)
        other_NM2B = self._position_N2B[self._others_NM] - self._position_N2B[:, None]
        messages = landmarks + 2 * other_NM2B.shape[1]
        observation_BNO[..., landmarks:messages] = _in_a_row(other_NM2B)
        if self.orders.want_state.any():
            self.frame.state_BS[:] = observation_BNO.reshape(self.copies, -1)

    def _add(self, options: SpreadOptions) -> int:
        for name, most in (("agents", False), ("continuous", False), ("cycles", True)):
            got, held = getattr(options, name), getattr(self._capacity, name)
            if (got > held) if most else (got != held):
                raise SpecError(
                    f"{NAME}: option {name}",
                    got=str(got),
                    expected=f"{'at most ' if most else ''}{held}, the capacity's",
                    remedy="Declare the largest stage as capacity; spaces never change within a pool.",
                )
        self._cycles_V = np.append(self._cycles_V, np.int32(options.cycles))
        self._local_V = np.append(self._local_V, options.local_ratio)
        return len(self._cycles_V) - 1


def _length(vector_X2B: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean length over the axis before the last."""
    length: NDArray[np.float64] = np.sqrt(vector_X2B[..., 0, :] ** 2 + vector_X2B[..., 1, :] ** 2)
    return length


def _in_a_row(vector_NM2B: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, M, 2, B) to (B, N, 2 M)."""
    agents, others, _, copies = vector_NM2B.shape
    return vector_NM2B.reshape(agents, 2 * others, copies).transpose(2, 0, 1)


def _spec(capacity: SpreadOptions) -> Spec:
    seats = tuple(f"{ROLE}_{i}" for i in range(capacity.agents))
    size = 6 * capacity.agents
    action = spaces.Box(0.0, 1.0, (5,), np.float32) if capacity.continuous else spaces.Discrete(5)
    at = 4 + 2 * capacity.agents
    slices = {"velocity": (0, 2), "position": (2, 4), "landmarks": (4, at)} | {
        "others": (at, at + 2 * (capacity.agents - 1))
    }
    box = spaces.Box(-np.inf, np.inf, (size,), np.float32)
    return Spec(
        arena=NAME,
        version="1",
        options=capacity.model_dump(mode="json"),
        roles=(Role(ROLE, seats, to_json(box), to_json(action), slices=slices),),
        teams={"team": seats},
        state_size=size * len(seats),
        max_steps=capacity.cycles,
        scores="return, higher is better",
    )
