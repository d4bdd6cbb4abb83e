"""`ObjectArena`: environment objects as a BatchArena, one a copy; what all kinds of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from marl.bare import bare
from marl.batch import BatchArena
from marl.describe import check_fits, spec_of
from marl.errors import ArenaFaultError, MarlError, ObservationError, SpecError
from marl.loading import ArenaRef, make_env
from marl.spec import PARKED
from marl.writing import RoleWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.frame import Frame, Orders

FOREIGN_SEEDS = 2**31
"""Seeds of environments that are not ours stay below this: some hand them to generators of 32 bits."""


class ObjectArena(BatchArena):
    """What looping over environment objects needs, whatever their API.

    Copies, variants, checks of what goes in and out.

    Subclasses say how one copy begins (`_begin`) and how it goes on (`_advance`). Actions are judged and
    decoded for all copies at once before a step, observations, masks and rewards after it.
    """

    def __init__(self, ref: ArenaRef, env: Any) -> None:  # noqa: ANN401  # a PettingZoo environment
        self._ref = ref
        self._spare: Any = bare(env)
        self.spec = spec_of(ref, env)
        self._variants: list[Mapping[str, Any]] = [dict(ref.options)]
        if ref.capacity is not None:
            self._spare = None
            env.close()
            self._check_fits(ref.options)
        self._envs: list[Any] = []

    def attach(self, frame: Frame, orders: Orders) -> None:
        """Take the arrays to read and write; the number of copies is theirs."""
        super().attach(frame, orders)
        self._envs = [None] * self.copies
        self._variant_of = [-1] * self.copies
        self._seeds = [0] * self.copies
        self._steps_B = np.zeros(self.copies, np.int32)
        self._returns: list[dict[str, float]] = [{} for _ in range(self.copies)]
        roles = self.spec.roles
        self._cleared: list[np.ndarray[Any, Any]] = [frame.over_B, frame.lost_B]
        for held in frame.roles.values():
            self._cleared += [held.reward_BN, held.terminated_BN, held.truncated_BN]
        self._writers = [RoleWriter(self.spec.arena, role, frame.roles[role.name]) for role in roles]
        # By copy: where each seat is written, and in which row.
        self._places: list[dict[str, tuple[RoleWriter, int]]] = [
            {
                seat: (writer, copy * len(writer.role.seats) + i)
                for writer in self._writers
                for i, seat in enumerate(writer.role.seats)
            }
            for copy in range(self.copies)
        ]

    def add_variant(self, options: Mapping[str, Any]) -> int:
        """Make options known; SpecError where they do not fit the capacities."""
        self._check_fits(options)
        self._variants.append(dict(options))
        return len(self._variants) - 1

    def step(self) -> None:
        """Advance every copy by one step, in place; faults of an arena carry its seed and step."""
        frame, orders = self.frame, self.orders
        starting = orders.restart_B | (frame.ticket_B == PARKED)
        self._read_actions(starting)
        for array in self._cleared:
            array.fill(0)
        frame.ended_B.fill(PARKED)
        # `_start` sets the count of a match that begins to 0; the frame tells that of the one that ended.
        self._steps_B += 1
        self._steps_B[starting] = 0
        np.copyto(frame.steps_B, self._steps_B)
        copy = 0
        try:
            for copy, starts in enumerate(starting.tolist()):
                if starts:
                    self._start(copy)
                else:
                    self._play(copy)
        except MarlError as error:
            error.add_note(self._when(copy))
            raise
        except Exception as error:
            raise ArenaFaultError(
                f"{self.spec.arena}, copy {copy}",
                got=f"{type(error).__name__}: {error} {self._when(copy)}",
                expected="a step without an exception",
                remedy="Run it with that seed and --hosts 0 under a debugger.",
            ) from error
        self._check()

    def view(self, copy: int) -> dict[str, Any]:
        """What a spectator may see of a copy; {} where its environment shows nothing."""
        env = self._envs[copy]
        view = getattr(getattr(env, "unwrapped", env), "view", None)
        return dict(view()) if callable(view) else {}

    def close(self) -> None:
        """Close every environment; safe to call twice."""
        for env in [*self._envs, self._spare]:
            if env is not None:
                env.close()
        self._envs, self._spare = [], None

    def _begin(self, copy: int, seed: int) -> None:
        raise NotImplementedError

    def _advance(self, copy: int) -> bool:
        """One step of a copy that plays; returns whether its match is over."""
        raise NotImplementedError

    def _check_fits(self, options: Mapping[str, Any]) -> None:
        env = make_env(self._ref, options)
        try:
            other = spec_of(self._ref, env)
            check_fits(self.spec, other, options)
            if other.state_size != self.spec.state_size and not self._fits_state(env):
                raise SpecError(
                    f"{self.spec.arena}: options {dict(options)}",
                    got=f"a state of {other.state_size} numbers",
                    expected=f"{self.spec.state_size}, as under the capacities",
                    remedy="Write state() so that its size is that of the largest stage.",
                )
        finally:
            env.close()

    def _state(self, copy: int) -> Any:  # noqa: ANN401  # an array
        return self._envs[copy].state()

    def _fits_state(self, env: Any) -> bool:  # noqa: ANN401  # a PettingZoo environment
        """Whether a state of another size than the capacities' is brought to theirs."""
        del env
        return False

    def _when(self, copy: int) -> str:
        return f"(seed {self._seeds[copy]}, step {self._steps_B[copy]})"

    def _start(self, copy: int) -> None:
        """Begin the next ticket of a copy, or park it."""
        frame, orders = self.frame, self.orders
        for role in frame.roles.values():
            role.alive_BN[copy] = False
            role.acting_BN[copy] = False
        ticket = frame.ticket_B[copy] = orders.next_B[copy]
        if ticket == PARKED:
            return
        variant = int(orders.variant_B[copy])
        if variant != self._variant_of[copy]:
            self._renew(copy, variant)
        self._seeds[copy] = int(orders.seed_B[copy])
        self._steps_B[copy] = 0
        self._begin(copy, self._seeds[copy])
        self._fill_state(copy)

    def _renew(self, copy: int, variant: int) -> None:
        if not 0 <= variant < len(self._variants):
            known = f"0 to {len(self._variants) - 1}, as add_variant gave them"
            raise SpecError(f"{self.spec.arena}: variant of a ticket", got=str(variant), expected=known)
        if self._envs[copy] is not None:
            self._envs[copy].close()
        fresh = None
        if variant == 0:
            fresh, self._spare = self._spare, None
        self._envs[copy] = fresh if fresh is not None else bare(make_env(self._ref, self._variants[variant]))
        self._variant_of[copy] = variant

    def _play(self, copy: int) -> None:
        frame = self.frame
        if not self._advance(copy):
            self._fill_state(copy)
            return
        frame.over_B[copy] = True
        frame.ended_B[copy] = frame.ticket_B[copy]
        scores = self._scores(copy)
        for seat, (writer, row) in self._places[copy].items():
            writer.score[row] = scores.get(seat, 0.0)
        if self.spec.state_size and self.orders.want_state[copy]:
            frame.last_state_BS[copy] = np.asarray(self._state(copy), np.float32).ravel()
        self._start(copy)

    def _scores(self, copy: int) -> Mapping[str, float]:
        """The seats' scores; those that were absent may be missing."""
        return self._returns[copy]

    def _fill_state(self, copy: int) -> None:
        if self.spec.state_size and self.orders.want_state[copy]:
            self.frame.state_BS[copy] = np.asarray(self._state(copy), np.float32).ravel()

    def _keep_last(self, copy: int) -> None:
        """Seats that left earlier have their last observation in `observation`.

        The match's end carries it over.
        """
        for frame in self.frame.roles.values():
            for last, leaf in zip(frame.last_observation, frame.observation, strict=True):
                last[copy] = leaf[copy]
            frame.last_mask_BNA[copy] = frame.mask_BNA[copy]

    def _read_actions(self, starting: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        """Judge the actions of all acting seats and decode them; ActionError before any copy is touched."""
        if starting.all():
            return
        for writer in self._writers:
            role, held = writer.role, writer.frame
            action_BNK = self.orders.action[role.name]
            mask_BNA = held.mask_BNA if role.masked else None
            illegal_BN = role.codec.illegal(action_BNK, mask_BNA)
            if illegal_BN is not None:
                # Rows of seats that do not act are stale, and nobody plays them.
                for copy, i in np.argwhere(illegal_BN & held.acting_BN & ~starting[:, None]).tolist():
                    mask_A = mask_BNA[copy, i] if mask_BNA is not None else None
                    role.codec.refuse(
                        action_BNK[copy, i], mask_A, f"{self.spec.arena}: action of {role.seats[i]}"
                    )
                action_BNK = np.where(illegal_BN[:, :, None], 0, action_BNK)
            writer.actions = role.codec.decode_all(action_BNK.reshape(1, -1, role.action_size))[0]

    def _check(self) -> None:
        """What the arena said: observations in their spaces, a legal choice for who acts, finite rewards."""
        for writer in self._writers:
            held, lens, where = writer.frame, writer.lens, writer.where
            outside_BN = lens.outside_BN(held.observation)
            if outside_BN is not None:
                for copy, i in np.argwhere(outside_BN & held.alive_BN).tolist():
                    values = [leaf[copy, i] for leaf in held.observation]
                    lens.complain(values, where[i], f" {self._when(copy)}")
            if writer.role.masked:
                self._check_masks(writer)
            if not np.isfinite(held.reward_BN).all():
                copy, i = np.argwhere(~np.isfinite(held.reward_BN))[0].tolist()
                got = f"{held.reward_BN[copy, i]} {self._when(copy)}"
                at = f"{self.spec.arena}: reward of {writer.role.seats[i]}"
                raise ArenaFaultError(at, got=got, expected="a finite number")

    def _check_masks(self, writer: RoleWriter) -> None:
        held = writer.frame
        for mask_BNA in (held.mask_BNA, held.last_mask_BNA):
            if mask_BNA.max() > 1:
                copy, i = np.argwhere(mask_BNA.max(-1) > 1)[0].tolist()
                got = f"other numbers {self._when(copy)}"
                raise ObservationError(f"{writer.where[i]}: action mask", got=got, expected="numbers 0 or 1")
        stuck_BN = np.asarray(held.acting_BN & ~held.mask_BNA.any(-1))
        if stuck_BN.any():
            copy, i = np.argwhere(stuck_BN)[0].tolist()
            where = f"{writer.where[i]}: action mask"
            raise ObservationError(where, got=f"zeros only {self._when(copy)}", expected="a legal choice")
