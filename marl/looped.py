"""`Looped`: any PettingZoo parallel environment as a BatchArena, one object a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.arena import Arena, role_name
from marl.batch import BatchArena
from marl.errors import ArenaFaultError, MarlError, ObservationError, SpecError
from marl.loading import ArenaRef, make_env
from marl.spaces import decode_action, flatten, to_json
from marl.spec import PARKED, Role, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from marl.frame import Frame, Orders

FOREIGN_SEEDS = 2**31
"""Seeds of environments that are not ours stay below this: some hand them to generators of 32 bits."""


class ObjectArena(BatchArena):
    """What looping over environment objects needs, whatever their API: copies, variants, spaces, checks.

    Subclasses say how one copy begins (`_begin`) and how it goes on (`_advance`).
    """

    def __init__(self, ref: ArenaRef, env: Any) -> None:  # noqa: ANN401  # a PettingZoo environment
        self._ref = ref
        self._spare: Any = env
        self._variants: list[Mapping[str, Any]] = [dict(ref.options)]
        self.spec = _spec_of(ref, env, turns=hasattr(env, "agent_iter"))
        self._seat_at = {seat: (role, i) for role in self.spec.roles for i, seat in enumerate(role.seats)}
        self._bounds = {role.name: [_bounds_of(leaf) for leaf in _leaves(role)] for role in self.spec.roles}

    def attach(self, frame: Frame, orders: Orders) -> None:
        super().attach(frame, orders)
        self._envs: list[Any] = [None] * self.copies
        self._variant_of = [-1] * self.copies
        self._seeds = [0] * self.copies
        self._returns = [dict.fromkeys(self.spec.seats, 0.0) for _ in range(self.copies)]

    def add_variant(self, options: Mapping[str, Any]) -> int:
        env = make_env(self._ref, options)
        check_fits(self.spec, _spec_of(self._ref, env, turns=self.spec.turns), options)
        self._variants.append(dict(options))
        return len(self._variants) - 1

    def step(self) -> None:
        frame, orders = self.frame, self.orders
        for role in frame.roles.values():
            role.reward_BN.fill(0)
            role.terminated_BN.fill(0)
            role.truncated_BN.fill(0)
        frame.over_B.fill(0)
        frame.lost_B.fill(0)
        frame.ended_B.fill(PARKED)
        for copy in range(self.copies):
            try:
                if orders.restart_B[copy] or frame.ticket_B[copy] == PARKED:
                    frame.steps_B[copy] = 0
                    self._start(copy)
                else:
                    frame.steps_B[copy] += 1
                    self._play(copy)
            except MarlError:
                raise
            except Exception as error:
                raise ArenaFaultError(
                    f"{self.spec.arena}, copy {copy}",
                    got=f"{type(error).__name__}: {error} (seed {self._seeds[copy]}, step {frame.steps_B[copy]})",
                    expected="a step without an exception",
                    remedy="Run it with that seed and --hosts 0 under a debugger.",
                ) from error
        self._check()

    def view(self, copy: int) -> dict[str, Any]:
        env = self._envs[copy]
        view = getattr(getattr(env, "unwrapped", env), "view", None)
        return dict(view()) if callable(view) else {}

    def close(self) -> None:
        for env in [*getattr(self, "_envs", []), self._spare]:
            if env is not None:
                env.close()
        self._envs, self._spare = [], None

    def _begin(self, copy: int, seed: int) -> None:
        raise NotImplementedError

    def _advance(self, copy: int) -> bool:
        """One step of a copy that plays; returns whether its match is over."""
        raise NotImplementedError

    def _start(self, copy: int) -> None:
        """Begin the next ticket of a copy, or park it."""
        frame, orders = self.frame, self.orders
        for role in frame.roles.values():
            role.alive_BN[copy] = False
            role.acting_BN[copy] = False
        frame.ticket_B[copy] = orders.next_B[copy]
        if frame.ticket_B[copy] == PARKED:
            return
        variant = int(orders.variant_B[copy])
        if variant != self._variant_of[copy]:
            self._renew(copy, variant)
        self._seeds[copy] = int(orders.seed_B[copy])
        self._returns[copy] = dict.fromkeys(self.spec.seats, 0.0)
        own = isinstance(self._envs[copy], Arena)
        self._begin(copy, self._seeds[copy] if own else self._seeds[copy] % FOREIGN_SEEDS)
        self._fill_state(copy)

    def _renew(self, copy: int, variant: int) -> None:
        if self._envs[copy] is not None:
            self._envs[copy].close()
        fresh = None
        if self._spare is not None and variant == 0 and self._ref.capacity is None:
            fresh, self._spare = self._spare, None
        self._envs[copy] = fresh if fresh is not None else make_env(self._ref, self._variants[variant])
        self._variant_of[copy] = variant

    def _play(self, copy: int) -> None:
        frame = self.frame
        if not self._advance(copy):
            self._fill_state(copy)
            return
        frame.over_B[copy] = True
        frame.ended_B[copy] = frame.ticket_B[copy]
        scores = self._scores(copy)
        for seat, (role, i) in self._seat_at.items():
            frame.roles[role.name].score_BN[copy, i] = scores.get(seat, 0.0)
        if self.spec.state_size and self.orders.want_state[copy]:
            frame.last_state_BS[copy] = np.asarray(self._envs[copy].state(), np.float32).ravel()
        self._start(copy)

    def _scores(self, copy: int) -> Mapping[str, float]:
        env = self._envs[copy]
        return env.scores() if isinstance(env, Arena) else self._returns[copy]

    def _fill_state(self, copy: int) -> None:
        if self.spec.state_size and self.orders.want_state[copy]:
            self.frame.state_BS[copy] = np.asarray(self._envs[copy].state(), np.float32).ravel()

    def _see(self, copy: int, seat: str, value: Any, info: Mapping[str, Any], *, last: bool = False) -> None:  # noqa: ANN401
        """Write one observation and its mask into the frame."""
        role, i = self._seat_at[seat]
        frame = self.frame.roles[role.name]
        mask = None
        if role.masked:
            value, mask = _split_mask(value, info)
        targets = frame.last_observation if last else frame.observation
        try:
            for target, leaf in zip(targets, flatten(role.observation_space, value), strict=True):
                target[copy, i] = leaf
        except (ValueError, TypeError, KeyError) as error:
            got = getattr(value, "shape", None)
            raise ObservationError(
                f"{self.spec.arena}: observation of {seat}",
                got=f"{type(value).__name__}{'' if got is None else f' of shape {got}'}",
                expected=str(role.observation_space),
                remedy=f"({error})",
            ) from error
        if mask is not None:
            (frame.last_mask_BNA if last else frame.mask_BNA)[copy, i] = mask

    def _check(self) -> None:
        """Every observation lies in its space; one comparison a leaf for all copies together."""
        live = self.frame.ticket_B != PARKED
        for role in self.spec.roles:
            frame = self.frame.roles[role.name]
            for leaf, bounds in zip(frame.observation, self._bounds[role.name], strict=True):
                if bounds is None:
                    continue
                inside = (leaf >= bounds[0]) & (leaf <= bounds[1])
                if inside.all():
                    continue
                bad = ~inside.reshape(*leaf.shape[:2], -1).all(-1) & frame.alive_BN & live[:, None]
                if bad.any():
                    copy, seat = (int(k) for k in np.argwhere(bad)[0])
                    values = leaf[copy, seat]
                    raise ObservationError(
                        f"{self.spec.arena}: observation of {role.seats[seat]}",
                        got=f"values in [{values.min()}, {values.max()}] (seed {self._seeds[copy]}, "
                        f"step {self.frame.steps_B[copy]})",
                        expected=f"values in [{bounds[0].min()}, {bounds[1].max()}]",
                        remedy="Widen the space, or keep the observation in it.",
                    )

    def _actions(self, copy: int) -> dict[str, Any]:
        """The actions of the live seats of a copy, in their own spaces."""
        actions = {}
        for role in self.spec.roles:
            alive_N = self.frame.roles[role.name].alive_BN[copy]
            action_NK = self.orders.action[role.name][copy]
            for i, seat in enumerate(role.seats):
                if alive_N[i]:
                    actions[seat] = decode_action(role.action_space, action_NK[i])
        return actions


class Looped(ObjectArena):
    """Copies of a PettingZoo parallel environment."""

    def _begin(self, copy: int, seed: int) -> None:
        env = self._envs[copy]
        observations, infos = env.reset(seed=seed)
        if not env.agents:
            raise SpecError(self.spec.arena, got="a match without a live seat", expected="at least one after reset")
        for seat in env.agents:
            role, i = self._seat_at[seat]
            frame = self.frame.roles[role.name]
            frame.alive_BN[copy, i] = frame.acting_BN[copy, i] = True
            self._see(copy, seat, observations[seat], infos.get(seat, {}))

    def _advance(self, copy: int) -> bool:
        env = self._envs[copy]
        actions = self._actions(copy)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        over = not env.agents
        if over:
            self._keep_last(copy)
        for seat in actions:
            role, i = self._seat_at[seat]
            frame = self.frame.roles[role.name]
            frame.reward_BN[copy, i] = rewards[seat]
            self._returns[copy][seat] += rewards[seat]
            ended = bool(terminated[seat])
            cut = bool(truncated[seat]) and not ended
            if over and not ended and not cut:
                cut = True
            frame.terminated_BN[copy, i], frame.truncated_BN[copy, i] = ended, cut
            if ended or cut:
                frame.alive_BN[copy, i] = frame.acting_BN[copy, i] = False
            self._see(copy, seat, observations[seat], infos.get(seat, {}), last=over)
        return over

    def _keep_last(self, copy: int) -> None:
        """Seats that left earlier have their last observation in `observation`: carry it over to the `last_` arrays."""
        for frame in self.frame.roles.values():
            for last, leaf in zip(frame.last_observation, frame.observation, strict=True):
                last[copy] = leaf[copy]
            frame.last_mask_BNA[copy] = frame.mask_BNA[copy]


def check_fits(spec: Spec, other: Spec, options: Mapping[str, Any]) -> None:
    """Raise SpecError unless `other` (the arena under other options) has the capacities' spaces and no further seats."""
    for role in other.roles:
        known = next((r for r in spec.roles if r.name == role.name), None)
        if known is None or not set(role.seats) <= set(known.seats):
            raise SpecError(
                f"{spec.arena}: options {dict(options)}",
                got=f"seats {list(role.seats)}",
                expected=f"seats among {list(known.seats) if known else [r.name for r in spec.roles]}",
                remedy="Declare the largest stage as capacity.",
            )
        same = role.observation_space == known.observation_space and role.action_space == known.action_space
        if not same:
            raise SpecError(
                f"{spec.arena}: options {dict(options)}",
                got=f"other spaces for role {role.name}",
                expected="the spaces of the capacities",
                remedy="Spaces never change within a pool: pad to the largest stage, or start another pool.",
            )


def _spec_of(ref: ArenaRef, env: Any, *, turns: bool) -> Spec:  # noqa: ANN401  # a PettingZoo environment
    roles: dict[str, list[str]] = {}
    for seat in env.possible_agents:
        roles.setdefault(role_name(seat), []).append(seat)
    split: list[Role] = []
    for name, seats in roles.items():
        by_space: dict[str, list[str]] = {}
        for seat in seats:
            key = f"{env.observation_space(seat)} {env.action_space(seat)}"
            by_space.setdefault(key, []).append(seat)
        for group in by_space.values():
            split.append(_role(name if len(by_space) == 1 else group[0], tuple(group), env))
    own = isinstance(env, Arena)
    teams = (env.teams if own else None) or {seat: (seat,) for seat in env.possible_agents}
    options = ref.capacity if ref.capacity is not None else ref.options
    version = env.version if own else "1"
    return Spec(
        arena=ref.arena,
        version=version,
        options=env.options.model_dump(mode="json") if own else dict(options),
        roles=tuple(split),
        teams={team: tuple(seats) for team, seats in teams.items()},
        state_size=_state_size(env),
        turns=turns,
        max_steps=env.max_steps if own else 0,
        scores=env.higher_is if own else "higher is better",
        forfeit_score=env.forfeit_score if own else 0.0,
    )


def _role(name: str, seats: tuple[str, ...], env: Any) -> Role:  # noqa: ANN401  # a PettingZoo environment
    outer = to_json(env.observation_space(seats[0]))
    inner, masked = _without_mask(outer)
    own = isinstance(env, Arena)
    return Role(name, seats, inner, to_json(env.action_space(seats[0])), masked or (own and env.masked))


def _without_mask(outer: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The described space without PettingZoo's mask, and whether there was one."""
    if outer["k"] != "dict":
        return outer, False
    rest = [[key, sub] for key, sub in outer["v"] if key != "action_mask"]
    if len(rest) == len(outer["v"]):
        return outer, False
    return (rest[0][1] if [key for key, _ in rest] == ["observation"] else {"k": "dict", "v": rest}), True


def _split_mask(value: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[Any, Any]:
    if isinstance(value, dict) and "action_mask" in value:
        rest = {key: part for key, part in value.items() if key != "action_mask"}
        return (rest["observation"] if list(rest) == ["observation"] else rest), value["action_mask"]
    return value, info.get("action_mask")


def _state_size(env: Any) -> int:  # noqa: ANN401  # a PettingZoo environment
    if isinstance(env, Arena):
        env.reset(seed=0)
        return int(np.asarray(env.state()).size)
    space = getattr(env, "state_space", None)
    return int(np.prod(space.shape)) if space is not None and getattr(space, "shape", None) else 0


def _leaves(role: Role) -> list[Mapping[str, Any]]:
    def walk(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        if data["k"] == "dict":
            return [leaf for _, sub in data["v"] for leaf in walk(sub)]
        if data["k"] == "tuple":
            return [leaf for sub in data["v"] for leaf in walk(sub)]
        return [data]

    return walk(role.observation_space)


def _bounds_of(leaf: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The bounds of a leaf; None where no value of its dtype can lie outside."""
    from marl.spaces import from_json  # noqa: PLC0415

    space = from_json(leaf)
    if leaf["k"] == "disc":
        return np.asarray(space.start), np.asarray(space.start + space.n - 1)  # type: ignore[attr-defined]
    if leaf["k"] != "box":
        return None
    low, high = space.low, space.high  # type: ignore[attr-defined]
    if np.issubdtype(low.dtype, np.integer):
        limits = np.iinfo(low.dtype)
        if np.all(low == limits.min) and np.all(high == limits.max):
            return None
    return low, high
