"""Policies: rows in, rows out.

Every agent runs as one; `PerRow` adapts functions and objects that see one seat.

Axes: R rows (one seat of one copy each), K numbers of an action, A choices, M memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from marl.rng import mix, uniforms
from marl.spaces import from_json, restore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from marl.spec import Role, Spec

POLICY, LATE, ILLEGAL, ABSENT = 0, 1, 2, 3
"""Who decided a row.

The policy itself, or a fallback because it was late, broke the rules, or was not there.
"""


@dataclass
class Rows:
    """Who is asked: the match of each row, its seed, the seat (index in `Spec.seats`), which decision."""

    match_R: NDArray[np.int64]
    seed_R: NDArray[np.uint64]
    seat_R: NDArray[np.int32]
    decision_R: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.match_R)

    @property
    def key_R(self) -> NDArray[np.uint64]:
        """The key of each row's random numbers: (match's seed, seat, decision)."""
        return mix(self.seed_R, self.seat_R, self.decision_R)

    def take(self, index: NDArray[Any]) -> Rows:
        """Some of the rows."""
        return Rows(self.match_R[index], self.seed_R[index], self.seat_R[index], self.decision_R[index])


@dataclass
class Decision:
    """What a policy answers.

    Actions, what the learner wants kept (`logp_R`, `value_R` ...), the next memory, who decided.
    """

    action_RK: NDArray[Any]
    extras: dict[str, NDArray[Any]] = field(default_factory=dict)
    memory_RM: NDArray[np.float32] | None = None
    source_R: NDArray[np.uint8] | None = None


@runtime_checkable
class Policy(Protocol):
    """Acts for many seats at once.

    `memory_size` is M, the numbers that play keeps for each of its seats (0: none).

    `observation` are the role's leaves, each with R rows; `mask_RA` has A = 0 where the arena has no masks;
    `memory_RM` is zero at a match's first decision. `greedy`: the best action rather than a draw.
    """

    memory_size: int

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """Actions for all rows."""
        ...


@runtime_checkable
class AsyncPolicy(Policy, Protocol):
    """A policy that thinks elsewhere.

    `play` asks all of these first, acts for the others, and then collects.
    """

    def ask(
        self, role: Role, observation: Sequence[NDArray[Any]], mask_RA: NDArray[np.uint8], rows: Rows
    ) -> None:
        """Hand the rows over without waiting."""
        ...

    def collect(self) -> Decision:
        """Wait, at most until the rows' deadline, for the answers to `ask`."""
        ...


@runtime_checkable
class Attentive(Protocol):
    """A policy that wants to hear when a match of its rows is over."""

    def ended(self, match_R: NDArray[np.int64]) -> None:
        """These matches are over."""
        ...


class Agent(Protocol):
    """What an author writes for one seat: called with one observation in the arena's own space."""

    def reset(self, seat: str, seed: int) -> None:
        """A match begins."""
        ...

    def act(self, observation: Any, mask: NDArray[np.uint8] | None) -> Any:  # noqa: ANN401  # the arena's spaces
        """The action for this observation, in the arena's own space."""
        ...


class _Function:
    """A plain function of an observation, as an Agent."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def reset(self, seat: str, seed: int) -> None:
        """Functions remember nothing."""

    def act(self, observation: Any, mask: NDArray[np.uint8] | None) -> Any:  # noqa: ANN401  # the arena's spaces
        """Call it, with the mask where there is one."""
        return self._function(observation) if mask is None else self._function(observation, mask)


class PerRow:
    """Runs an agent of one seat as a policy: `make()` gives a fresh agent for each seat of each match.

    `make` may also be a function `observation -> action` (or `observation, mask -> action`) when
    `function=True`. An action outside its space or masked raises ActionError naming the arena and the
    seat.
    """

    memory_size = 0

    def __init__(self, spec: Spec, make: Callable[..., Any], *, function: bool = False) -> None:
        self._spec = spec
        self._make: Callable[[], Agent] = (lambda: _Function(make)) if function else make
        self._agents: dict[tuple[int, int], Agent] = {}

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """One call of one agent a row."""
        del memory_RM, greedy
        action_RK = np.zeros((len(rows), role.action_size), role.action_dtype)
        for row in range(len(rows)):
            agent = self._agent(rows, row)
            mask = mask_RA[row].copy() if role.mask_size else None
            value = agent.act(restore(role.observation_space, [leaf[row] for leaf in observation]), mask)
            where = f"{self._spec.arena}: action of {self._spec.seats[rows.seat_R[row]]}"
            role.codec.encode(value, action_RK[row], where)
            if role.masked:
                role.codec.refuse(action_RK[row], mask_RA[row], where)
        return Decision(action_RK)

    def ended(self, match_R: NDArray[np.int64]) -> None:
        """Forget the agents of these matches."""
        over = set(match_R.tolist())
        for key in [key for key in self._agents if key[0] in over]:
            del self._agents[key]

    def _agent(self, rows: Rows, row: int) -> Agent:
        key = (int(rows.match_R[row]), int(rows.seat_R[row]))
        if rows.decision_R[row] == 0 or key not in self._agents:
            agent = self._agents[key] = self._make()
            agent.reset(self._spec.seats[key[1]], int(mix(rows.seed_R[row], rows.seat_R[row])) >> 1)
        return self._agents[key]


class RandomLegal:
    """Draws uniformly among the legal choices and from boxes.

    Exponentially or normally where a box has no bounds.
    """

    memory_size = 0

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        """One keyed draw a row; the same row draws the same in any batch."""
        del observation, memory_RM, greedy
        parts_RK: list[NDArray[Any]] = []
        choices, key_R = 0, rows.key_R
        for i, (part, leaf) in enumerate(zip(role.codec.parts, role.action, strict=True)):
            counts = list(leaf.choices)
            draw_RD = uniforms(mix(key_R, i) if i else key_R, sum(counts) if counts else 2 * leaf.size)
            if counts:
                span = mask_RA[:, choices : choices + sum(counts)] if role.mask_size else None
                parts_RK.append(_choices(draw_RD, counts, span))
                choices += sum(counts)
            elif leaf.kind == "multibinary":
                parts_RK.append(draw_RD[:, : leaf.size] > 0.5)
            else:
                parts_RK.append(_in_box(from_json(part), draw_RD))
        return Decision(np.concatenate(parts_RK, axis=1).astype(role.action_dtype))


def _choices(
    draw_RA: NDArray[np.float32], counts: Sequence[int], mask_RA: NDArray[np.uint8] | None
) -> NDArray[np.int64]:
    """For each counted number the legal choice with the largest of one uniform number a choice."""
    if mask_RA is not None:
        draw_RA = np.where(mask_RA > 0, draw_RA, np.float32(-1))
    ends = np.cumsum(counts)
    return np.stack(
        [draw_RA[:, end - n : end].argmax(1) for end, n in zip(ends, counts, strict=True)], axis=1
    )


def _in_box(box: Any, draw_RD: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ANN401  # a gymnasium Box
    """A number of each of the box's entries.

    From two uniform ones, of which the second is used where there are no bounds.
    """
    low_K, high_K = box.low.ravel().astype(np.float64), box.high.ravel().astype(np.float64)
    first_RK, second_RK = np.split(draw_RD.astype(np.float64), 2, axis=1)
    has_low_K, has_high_K = np.isfinite(low_K), np.isfinite(high_K)
    low_or_0_K, high_or_0_K = np.where(has_low_K, low_K, 0.0), np.where(has_high_K, high_K, 0.0)
    if box.dtype.kind in "biu":
        return np.asarray(np.floor(low_K + first_RK * (high_K - low_K + 1)))
    within_RK = low_or_0_K + first_RK * (high_or_0_K - low_or_0_K)
    tail_RK = -np.log(first_RK)
    normal_RK = np.sqrt(-2 * np.log(first_RK)) * np.cos(2 * np.pi * second_RK)
    open_RK = np.where(
        has_low_K, low_or_0_K + tail_RK, np.where(has_high_K, high_or_0_K - tail_RK, normal_RK)
    )
    drawn_RK: NDArray[np.float64] = np.where(has_low_K & has_high_K, within_RK, open_RK)
    return drawn_RK
