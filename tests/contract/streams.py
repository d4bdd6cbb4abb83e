"""Decisions of every seat, one after another: as fragments tell them, and as whole matches have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from marl.fragment import Fragment
    from marl.spec import Spec
    from marl.testing.traces import Trace

Key = tuple[int, str]
"""A copy and a seat."""


@dataclass
class Made:
    """One decision and what came of it. `after`: the observation's leaves that it led to."""

    seen: tuple[Any, ...]
    mask: list[int]
    action: list[float]
    reward: float
    terminated: bool
    truncated: bool
    first: bool
    after: tuple[Any, ...]
    after_mask: list[int]
    state: list[float]


def of_fragments(fragments: Iterable[Fragment]) -> dict[Key, list[Made]]:
    """The decisions that fragments hold, by copy and seat."""
    streams: dict[Key, list[Made]] = {}
    for fragment in fragments:
        after, after_mask_TRA = fragment.next_observation(), fragment.next_mask_TRA()
        for row, (copy, seat) in enumerate(zip(fragment.copy_R, fragment.seat_R, strict=True)):
            stream = streams.setdefault((int(copy), fragment.role.seats[seat]), [])
            for t in np.flatnonzero(fragment.valid_TR[:, row]):
                stream.append(
                    Made(
                        seen=tuple(leaf[t, row].tolist() for leaf in fragment.observation),
                        mask=fragment.mask_TRA[t, row].tolist(),
                        action=fragment.action_TRK[t, row].tolist(),
                        reward=float(fragment.reward_TR[t, row]),
                        terminated=bool(fragment.terminated_TR[t, row]),
                        truncated=bool(fragment.truncated_TR[t, row]),
                        first=bool(fragment.first_TR[t, row]),
                        after=tuple(leaf[t, row].tolist() for leaf in after),
                        after_mask=after_mask_TRA[t, row].tolist(),
                        state=fragment.state_TRS[t, row].tolist(),
                    )
                )
    return streams


def of_trace(spec: Spec, trace: Trace, seat: str) -> list[Made]:
    """The decisions of a seat in a whole match, from its moments, one by one."""
    role = spec.role_of(seat)
    i = role.seats.index(seat)
    made: list[Made] = []

    def leaves(moment: dict[str, Any]) -> tuple[tuple[Any, ...], list[int]]:
        row = moment[f"{role.name}.seats"].tolist().index(i)
        count = len(role.observation)
        seen = tuple(moment[f"{role.name}.observation.{k}"][row].tolist() for k in range(count))
        return seen, moment[f"{role.name}.mask"][row].tolist()

    for step, moment in enumerate(trace.moments):
        if i not in moment[f"{role.name}.seats"]:
            break
        seen, mask = leaves(moment)
        ended = False
        if step and made:
            row = moment[f"{role.name}.seats"].tolist().index(i)
            made[-1].reward += float(moment[f"{role.name}.reward_BN"][row])
            made[-1].terminated = bool(moment[f"{role.name}.terminated_BN"][row])
            made[-1].truncated = bool(moment[f"{role.name}.truncated_BN"][row])
            ended = made[-1].terminated or made[-1].truncated
        acts = f"{role.name}.acting_BN" in moment and bool(moment[f"{role.name}.acting_BN"][i]) and not ended
        if made and (acts or ended):
            made[-1].after, made[-1].after_mask = seen, mask
        if ended:
            break
        if acts:
            action = trace.actions[step][role.name][i].tolist()
            state = moment["state"].tolist()
            made.append(Made(seen, mask, action, 0.0, False, False, not made, (), [], state))
    for one in made:
        one.reward = float(np.float32(one.reward))
    return made
