"""PPO from several seeds at once: learners of their own whose networks are evaluated in one product.

Each learner has its own weights, optimiser, normalisers, random numbers and matches, and learns what it does
by itself; but its tensors are views of stacked ones, which one product moves for all. Small networks and
minibatches gain by it, large ones do not (tests/bench/seeds.py). Axes as in `agents.ppo`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agents.adam import Adam
from agents.minibatches import how_many
from agents.netpolicy import NetPolicy, act_side_by_side
from agents.networks import stacked
from agents.ppo import PPO
from agents.ppo_batch import Batch
from marl.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from agents.actorcritic import ActorCritic
    from agents.networks import ActorNet, Net
    from agents.ppo_settings import PPOSettings
    from marl.acting import Call
    from marl.fragment import Fragment
    from marl.policy import Decision
    from marl.spec import Spec


LARGEST = 2000
"""Minibatches of more decisions are learned one seed after the other: one product gains nothing by then, and
loses up to a fifth (tests/bench/seeds.py)."""


class Seed(PPO):
    """One of the learners; snapshots, checkpoints and `restore` are its own."""

    asks: tuple[str, Batch] | None = None
    """The role and the batch that it is to learn from next."""
    told: dict[str, float] | None = None
    """What learning together found; None: it learns from its batch by itself."""

    @property
    def parts(self) -> Mapping[str, ActorCritic]:
        """What it keeps for each role."""
        return self._parts

    @property
    def optimiser(self) -> Adam:
        """That of all its parameters."""
        return self._optimiser

    @property
    def warming(self) -> bool:
        """Whether only its critic learns."""
        return self._warming

    @property
    def pace(self) -> tuple[float, float]:
        """Step size and weight of the entropy."""
        return self._optimiser.lr, self._entropy

    @property
    def minibatch(self) -> float:
        """Decisions of a minibatch of what it asks for."""
        return self._units(self.asks[1]) * self._length(self.asks[1]) if self.asks else 0

    @property
    def stand(self) -> object:
        """What must agree where learners move together, beside the settings."""
        if self.asks is None:
            return None
        role, batch = self.asks
        count = how_many(batch.pools, self._units(batch))
        return role, count, self.warming, *self.pace, *self._optimiser.steps.tolist()

    def tables(self, batch: Batch) -> Iterator[NDArray[np.int64]]:
        """One pass over its own batch, in its own order."""
        return self._tables(batch)

    def _learn(self, part: ActorCritic, batch: Batch) -> Generator[dict[str, float], None, dict[str, float]]:
        self.asks = part.role.name, batch
        yield {}
        self.asks = None
        if self.told is None:
            return (yield from super()._learn(part, batch))
        return self.told


class SeedPolicy(NetPolicy):
    """What a seed has learned; all seeds act in one product, of the nets `joint`."""

    def __init__(
        self, spec: Spec, nets: Mapping[str, ActorNet], joint: Mapping[str, ActorNet], number: int
    ) -> None:
        super().__init__(spec, nets)
        self.joint, self.number = joint, number
        self.stack_key = f"seeds {id(joint)}"

    @staticmethod
    def act_together(calls: Sequence[Call]) -> list[Decision]:
        """The decisions of several seeds for one role."""
        role = calls[0].role.name
        # their stack keys are equal, so they are all of this class
        policies: list[SeedPolicy] = [call.policy for call in calls]  # type: ignore[misc]
        first_models = [policy.number * policy.nets[role].models for policy in policies]
        return act_side_by_side(calls, policies[0].joint[role], first_models)


class Seeds:
    """Learners of `seeds` in `each`, whose policies play as those of any learner.

    Matches are each one's own: where their seeds are those that a learner of this seed would play by itself,
    it learns the same, but for rounding.
    """

    def __init__(
        self, spec: Spec, settings: PPOSettings, seeds: Sequence[int], roles: Sequence[str] = ()
    ) -> None:
        if settings.target_kl:
            raise SpecError(
                f"seeds of ppo on {spec.arena}",
                got=f"target_kl = {settings.target_kl}",
                expected="updates of equal length",
                remedy="Set target_kl = 0, or train the seeds one after the other.",
            )
        self.each = [Seed(spec, settings, seed, roles) for seed in seeds]
        self._joint = _Joint(self.each)

    def update(self, fragments: Sequence[Sequence[Fragment]]) -> list[dict[str, float]]:
        """Let each learn from its own fragments; returns what each `PPO.update` does, in order.

        What is measured in minibatches is a mean over all seeds where they moved together. They do so while
        their step sizes agree, and until their batches make different numbers of minibatches, as those of
        seats that leave early can; else each goes on by itself. DivergenceError as in `PPO.update`.
        """
        going = [seed.updating(own) for seed, own in zip(self.each, fragments, strict=True)]
        found: list[dict[str, float]] = [{} for _ in self.each]
        while True:
            for i, (seed, steps) in enumerate(zip(self.each, going, strict=True)):
                for figures in steps:
                    found[i] = figures
                    if seed.asks is not None:
                        break
            stands = {seed.stand for seed in self.each}
            if stands == {None}:
                return found
            together = len(stands) == 1 and self.each[0].minibatch <= LARGEST
            told = self._joint.learn() if together else None
            for seed in self.each:
                seed.told = told


class _Joint(PPO):
    """Seeds side by side, each as models of one network; from now on their tensors are views of its own."""

    def __init__(self, seeds: Sequence[Seed]) -> None:
        first, self._seeds = seeds[0], seeds
        super().__init__(first.spec, first.settings, 0, list(first.parts))
        for name, part in self._parts.items():
            part.actor = _side_by_side([seed.parts[name].actor for seed in seeds])
            part.critic = _side_by_side([seed.parts[name].critic for seed in seeds])
        parameters = [parameter for part in self._parts.values() for parameter in part.parameters()]
        self._optimiser = Adam(parameters, first.settings.lr, decay=first.settings.momentum)
        for i, (mean, square) in enumerate(zip(self._optimiser.mean, self._optimiser.square, strict=True)):
            views = zip(mean.chunk(len(seeds)), square.chunk(len(seeds)), strict=True)
            for seed, view in zip(seeds, views, strict=True):
                seed.optimiser.mean[i], seed.optimiser.square[i] = view
        nets = {name: part.actor for name, part in self._parts.items()}
        for number, seed in enumerate(seeds):
            seed.policy = SeedPolicy(seed.spec, seed.policy.nets, nets, number)

    def learn(self) -> dict[str, float]:
        """Learn from what all seeds ask for, who agree; returns figures that are means over them."""
        first = self._seeds[0]
        role, batches = _asked(self._seeds)
        self._optimiser.lr, self._entropy = first.pace
        self._optimiser.steps = first.optimiser.steps.copy()
        self._parts[role].actor.requires_grad_(not first.warming)
        try:
            *_, figures = self._learning(self._parts[role], _joined(batches))
        finally:  # where one diverges, too: the moments have moved as often
            for seed in self._seeds:
                seed.optimiser.steps = self._optimiser.steps.copy()
        return figures

    def _learning(self, part: ActorCritic, batch: Batch) -> Iterator[dict[str, float]]:
        yield (yield from self._learn(part, batch))

    def _tables(self, batch: Batch) -> Iterator[NDArray[np.int64]]:
        """Each seed's own tables, one below the other."""
        del batch  # that of all
        _, batches = _asked(self._seeds)
        starts = np.cumsum([0, *(len(own.actor_NF) for own in batches)])
        passes = [seed.tables(own) for seed, own in zip(self._seeds, batches, strict=True)]
        for tables in zip(*passes, strict=True):
            widest = max(table.shape[1] for table in tables)
            yield np.concatenate(
                [
                    np.pad(
                        np.where(table < 0, table, table + start),
                        ((0, 0), (0, widest - table.shape[1])),
                        constant_values=-1,
                    )
                    for table, start in zip(tables, starts, strict=False)
                ]
            )


def _asked(seeds: Sequence[Seed]) -> tuple[str, list[Batch]]:
    """The role that all are to learn next, and each one's batch."""
    asked = [seed.asks for seed in seeds if seed.asks is not None]
    return asked[0][0], [batch for _, batch in asked]


def _joined(batches: Sequence[Batch]) -> Batch:
    """The units of all batches, one behind the other."""
    starts = np.cumsum([0, *(len(batch.actor_NF) for batch in batches)])

    def joined(name: str) -> Any:  # noqa: ANN401  # a tensor, or None where there are none
        parts = [getattr(batch, name) for batch in batches]
        return None if parts[0] is None else torch.cat(parts)

    pools = [pool + start for batch, start in zip(batches, starts, strict=False) for pool in batch.pools]
    tensors = {field.name: joined(field.name) for field in fields(Batch) if field.name != "pools"}
    return Batch(pools, **tensors)


def _side_by_side(nets: Sequence[Net]) -> Net:
    """Networks as one along P, of which their parameters and buffers become views."""
    joint = stacked(nets).requires_grad_()
    for module, *parts in zip(joint.modules(), *[net.modules() for net in nets], strict=True):
        for name, whole in module.named_parameters(recurse=False):
            for part, view in zip(parts, whole.data.chunk(len(parts)), strict=True):
                part.get_parameter(name).data = view
        for name, whole in module.named_buffers(recurse=False):
            for part, view in zip(parts, whole.chunk(len(parts)), strict=True):
                setattr(part, name, view)
    return joint
