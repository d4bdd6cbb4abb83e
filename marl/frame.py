"""What one step leaves behind (Frame) and what goes into it (Orders), as views of one block of memory.

Axes: B copies, N seats of a role, A choices (the length of a mask), K numbers of an action, S state,
`...` the shape of an observation leaf. A copy plays one ticket at a time; when its match is over it
starts the next ticket within the same step: reward, termination, truncation, score, steps, over and the
`last_*` arrays speak of the match that ended; observation, mask, state, alive, acting and ticket of the
one that began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import SpecError
from marl.spec import PARKED, Role, Spec, Ticket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


@dataclass
class RoleFrame:
    """What a step leaves for the N seats of one role.

    See the module's head for which match each array speaks of.

    `reward_BN`, `terminated_BN`, `truncated_BN`: of the step, for the seats that were alive in it.
    `alive_BN`: in the match; `acting_BN`: its decision counts now (one seat where the arena has turns,
    and rows of the others are stale). `score_BN`: what the league ranks by, valid where the match is
    over. A seat that left earlier has its last observation in `observation`; one that left as its match
    ended, in `last_observation`.
    """

    observation: tuple[NDArray[Any], ...]
    mask_BNA: NDArray[np.uint8]
    reward_BN: NDArray[np.float64]
    terminated_BN: NDArray[np.bool_]
    truncated_BN: NDArray[np.bool_]
    alive_BN: NDArray[np.bool_]
    acting_BN: NDArray[np.bool_]
    score_BN: NDArray[np.float64]
    last_observation: tuple[NDArray[Any], ...]
    last_mask_BNA: NDArray[np.uint8]


@dataclass
class Frame:
    """What one step of B copies leaves behind; valid until the next `send` of its group.

    `ticket_B`: the match each copy plays now (PARKED: none). `ended_B`: the match that ended in this
    step, where `over_B`. `steps_B`: steps of the match that the step belonged to. `lost_B`: its host
    died, the match is void.
    """

    roles: dict[str, RoleFrame]
    state_BS: NDArray[np.float32]
    last_state_BS: NDArray[np.float32]
    steps_B: NDArray[np.int32]
    ticket_B: NDArray[np.int64]
    ended_B: NDArray[np.int64]
    over_B: NDArray[np.bool_]
    lost_B: NDArray[np.bool_]


@dataclass
class Orders:
    """What goes into one step of B copies.

    Actions per role (0-based, K numbers) and the next ticket of each copy.

    `next_B` is PARKED where no match should follow. `restart_B` drops the match in play and starts the
    next one now. `want_state`: whether state arrays should be filled at all (they can be costly).
    """

    action: dict[str, NDArray[Any]]
    next_B: NDArray[np.int64]
    seed_B: NDArray[np.uint64]
    variant_B: NDArray[np.int32]
    restart_B: NDArray[np.bool_]
    want_state: NDArray[np.bool_]

    def follow(self, copy: int, ticket: Ticket | None) -> None:
        """Set the ticket that `copy` plays next."""
        self.next_B[copy] = PARKED if ticket is None else ticket.match
        if ticket is not None:
            self.seed_B[copy] = ticket.seed
            self.variant_B[copy] = ticket.variant


@dataclass(frozen=True)
class Array:
    """The place of one array in a block of memory.

    Every one starts on a cache line and leads with the copies.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


def layout(spec: Spec, copies: int) -> tuple[dict[str, Array], int]:
    """Where each array of a Frame and its Orders lies in one block, by name, and the bytes of the block."""
    places: dict[str, Array] = {}
    at = 0
    for name, dtype, shape in _arrays(spec):
        array = Array(name, np.dtype(dtype), (copies, *shape), at)
        places[name] = array
        at += -(-max(array.dtype.itemsize * int(np.prod(array.shape)), 1) // 64) * 64
    return places, at


def _arrays(spec: Spec) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    for role in spec.roles:
        seats = len(role.seats)
        for prefix in ("observation", "last_observation"):
            for i, leaf in enumerate(role.observation):
                yield f"{role.name}.{prefix}.{i}", leaf.numpy_dtype, (seats, *leaf.shape)
        yield f"{role.name}.mask", np.uint8, (seats, role.mask_size)
        yield f"{role.name}.last_mask", np.uint8, (seats, role.mask_size)
        for name in ("reward", "score"):
            yield f"{role.name}.{name}", np.float64, (seats,)
        for name in ("terminated", "truncated", "alive", "acting"):
            yield f"{role.name}.{name}", np.bool_, (seats,)
        yield f"{role.name}.action", role.action_dtype, (seats, role.action_size)
    yield "state", np.float32, (spec.state_size,)
    yield "last_state", np.float32, (spec.state_size,)
    yield "steps", np.int32, ()
    for name in ("ticket", "ended", "next"):
        yield name, np.int64, ()
    yield "seed", np.uint64, ()
    yield "variant", np.int32, ()
    for name in ("over", "lost", "restart", "want_state"):
        yield name, np.bool_, ()


def over_memory(spec: Spec, copies: int, block: memoryview | bytearray | None = None) -> tuple[Frame, Orders]:
    """A Frame and its Orders as views of one block of memory: zeroed and parked when none is given."""
    places, size = layout(spec, copies)
    fresh = block is None
    memory = bytearray(size) if block is None else block
    if len(memory) < size:
        raise SpecError("memory of a frame", got=f"{len(memory)} bytes", expected=f"{size} bytes")
    arrays = {
        name: np.ndarray(place.shape, place.dtype, memory, offset=place.offset)
        for name, place in places.items()
    }
    if fresh:
        for name in ("ticket", "ended", "next"):
            arrays[name].fill(PARKED)
    return _frame(spec, arrays), _orders(spec, arrays)


def _frame(spec: Spec, arrays: Mapping[str, NDArray[Any]]) -> Frame:
    def role_frame(role: Role) -> RoleFrame:
        name = role.name
        leaf_range = range(len(role.observation))
        return RoleFrame(
            observation=tuple(arrays[f"{name}.observation.{i}"] for i in leaf_range),
            mask_BNA=arrays[f"{name}.mask"],
            reward_BN=arrays[f"{name}.reward"],
            terminated_BN=arrays[f"{name}.terminated"],
            truncated_BN=arrays[f"{name}.truncated"],
            alive_BN=arrays[f"{name}.alive"],
            acting_BN=arrays[f"{name}.acting"],
            score_BN=arrays[f"{name}.score"],
            last_observation=tuple(arrays[f"{name}.last_observation.{i}"] for i in leaf_range),
            last_mask_BNA=arrays[f"{name}.last_mask"],
        )

    return Frame(
        roles={role.name: role_frame(role) for role in spec.roles},
        state_BS=arrays["state"],
        last_state_BS=arrays["last_state"],
        steps_B=arrays["steps"],
        ticket_B=arrays["ticket"],
        ended_B=arrays["ended"],
        over_B=arrays["over"],
        lost_B=arrays["lost"],
    )


def _orders(spec: Spec, arrays: Mapping[str, NDArray[Any]]) -> Orders:
    return Orders(
        action={role.name: arrays[f"{role.name}.action"] for role in spec.roles},
        next_B=arrays["next"],
        seed_B=arrays["seed"],
        variant_B=arrays["variant"],
        restart_B=arrays["restart"],
        want_state=arrays["want_state"],
    )


def part(frame: Frame, orders: Orders, start: int, stop: int) -> tuple[Frame, Orders]:
    """The copies from `start` to `stop` of a frame and its orders, as views: a host's slice of a group."""

    def cut(role: RoleFrame) -> RoleFrame:
        parts: dict[str, Any] = {
            name: tuple(leaf[start:stop] for leaf in value) if isinstance(value, tuple) else value[start:stop]
            for name, value in vars(role).items()
        }
        return RoleFrame(**parts)

    arrays = {name: value[start:stop] for name, value in vars(frame).items() if name != "roles"}
    ordered = {name: value[start:stop] for name, value in vars(orders).items() if name != "action"}
    action = {name: array[start:stop] for name, array in orders.action.items()}
    return (
        Frame(roles={name: cut(role) for name, role in frame.roles.items()}, **arrays),
        Orders(action=action, **ordered),
    )
