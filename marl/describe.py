"""What is constant about a PettingZoo environment, as a Spec; and whether other options still fit it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.arena import Arena, role_name
from marl.errors import SpecError
from marl.spaces import to_json
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.loading import ArenaRef


def spec_of(ref: ArenaRef, env: Any) -> Spec:  # noqa: ANN401  # a PettingZoo environment
    """The Spec of an environment, which is reset for it.

    Masks and the size of its state may show then only.
    """
    own = env if isinstance(env, Arena) else None
    env.reset(seed=0)
    teams = (own.teams if own is not None else None) or {seat: (seat,) for seat in env.possible_agents}
    given = ref.capacity if ref.capacity is not None else ref.options
    return Spec(
        arena=ref.arena,
        version=own.version if own is not None else "1",
        options=own.options.model_dump(mode="json") if own is not None else dict(given),
        roles=_roles(env),
        teams={team: tuple(seats) for team, seats in teams.items()},
        state_size=_state_size(env),
        turns=hasattr(env, "agent_iter"),
        max_steps=own.max_steps if own is not None else 0,
        scores=own.higher_is if own is not None else "higher is better",
        forfeit_score=own.forfeit_score if own is not None else 0.0,
    )


def check_fits(spec: Spec, other: Spec, options: Mapping[str, Any]) -> None:
    """Raise SpecError unless `other`, under other options, has the capacities' spaces and no more seats."""
    where = f"{spec.arena}: options {dict(options)}"
    for role in other.roles:
        known = next((mine for mine in spec.roles if mine.name == role.name), None)
        if known is None or not set(role.seats) <= set(known.seats):
            raise SpecError(
                where,
                got=f"seats {list(role.seats)}",
                expected=f"seats among {list(known.seats) if known else [mine.name for mine in spec.roles]}",
                remedy="Declare the largest stage as capacity.",
            )
        mine = (known.observation_space, known.action_space, known.masked)
        if (role.observation_space, role.action_space, role.masked) != mine:
            raise SpecError(
                where,
                got=f"other spaces for role {role.name}",
                expected="the spaces of the capacities",
                remedy="Spaces never change within a pool: pad to the largest stage, or start another pool.",
            )


def _roles(env: Any) -> tuple[Role, ...]:  # noqa: ANN401  # a PettingZoo environment
    """Seats by name without number.

    Those of different spaces are roles of their own, named by their first seat.
    """
    named: dict[str, dict[str, list[str]]] = {}
    for seat in env.possible_agents:
        spaces = [to_json(env.observation_space(seat)), to_json(env.action_space(seat))]
        named.setdefault(role_name(seat), {}).setdefault(json.dumps(spaces), []).append(seat)
    return tuple(
        _role(name if len(by_spaces) == 1 else seats[0], tuple(seats), env)
        for name, by_spaces in named.items()
        for seats in by_spaces.values()
    )


def _role(name: str, seats: tuple[str, ...], env: Any) -> Role:  # noqa: ANN401  # a PettingZoo environment
    inner, masked = _without_mask(to_json(env.observation_space(seats[0])))
    masked = masked or _masked_by_info(env, seats)
    slices = env.slices.get(name, {}) if isinstance(env, Arena) else {}
    return Role(name, seats, inner, to_json(env.action_space(seats[0])), masked, slices)


def _masked_by_info(env: Any, seats: tuple[str, ...]) -> bool:  # noqa: ANN401  # a PettingZoo environment
    """Whether the environment, freshly reset, puts masks where PettingZoo's second place for them is."""
    infos = getattr(env, "infos", None) if hasattr(env, "agent_iter") else env.reset(seed=0)[1]
    return any("action_mask" in (infos or {}).get(seat, {}) for seat in seats)


def _without_mask(outer: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The described space without PettingZoo's mask, and whether there was one."""
    if outer["k"] != "dict":
        return outer, False
    rest = [[key, sub] for key, sub in outer["v"] if key != "action_mask"]
    if len(rest) == len(outer["v"]):
        return outer, False
    return (rest[0][1] if [key for key, _ in rest] == ["observation"] else {"k": "dict", "v": rest}), True


def _state_size(env: Any) -> int:  # noqa: ANN401  # a PettingZoo environment
    if isinstance(env, Arena):
        return int(np.asarray(env.state()).size)
    space = getattr(env, "state_space", None)
    return int(np.prod(space.shape)) if space is not None and getattr(space, "shape", None) else 0
