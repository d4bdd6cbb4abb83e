"""Learners and players: short names, and how a name becomes a policy."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from marl.errors import MissingExtraError, SpecError, UnknownNameError
from marl.loading import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from marl.policy import Policy
    from marl.spec import Spec

__all__ = ["LEARNERS", "SCRIPTED", "learner_class", "load_snapshot", "make_policy", "scripted_names"]

LEARNERS: Mapping[str, str] = {
    "dqn": "agents.dqn:DQN",
    "iddpg": "agents.maddpg:IDDPG",
    "maddpg": "agents.maddpg:MADDPG",
    "mappo": "agents.ppo:MAPPO",
    "matd3": "agents.maddpg:MATD3",
    "ppo": "agents.ppo:PPO",
    "qmix": "agents.dqn:QMIX",
    "vdn": "agents.dqn:VDN",
}
"""Short name to full spec of a learner."""

SCRIPTED: Mapping[str, str] = {
    "pettingzoo.classic.connect_four_v3": "agents.scripted.connect_four:SCRIPTED",
    "arenas.assembly:Assembly": "agents.scripted.assembly:SCRIPTED",
    "arenas.construction:ConstructionBatch": "agents.scripted.construction:SCRIPTED",
    "arenas.trading.execution:ExecutionBatch": "agents.scripted.execution:SCRIPTED",
    "arenas.trading.induced:InducedBatch": "agents.scripted.laboratory:SCRIPTED",
    "arenas.trading:TradingBatch": "agents.scripted.trading:SCRIPTED",
}
"""An arena's full spec to its table of scripted players: name -> factory(spec)."""

RANDOM = "random"
"""The player that is at home in every arena: uniformly random among the legal actions."""


def learner_class(name: str) -> Any:  # noqa: ANN401  # a class that keeps agents.learner.Learner
    """The class of a learner, by short name or full spec."""
    if name not in LEARNERS and ":" not in name:
        raise UnknownNameError("learner", name, LEARNERS)
    try:
        return load(LEARNERS.get(name, name), "learner")
    except SpecError as error:
        if "torch" in error.got:
            raise MissingExtraError(f"learner {name!r}", "torch", "torch") from error
        raise


def scripted_names(arena: str) -> list[str]:
    """The names of an arena's scripted players, `random` first."""
    table = load(SCRIPTED[arena], "players") if arena in SCRIPTED else {}
    return [RANDOM, *[name for name in table if name != RANDOM]]


def make_policy(name: str, spec: Spec) -> Policy:
    """A scripted player by name, or somebody's own by full spec: a policy class, an agent class, a function.

    A policy class says its `memory_size` in its body and is made with the spec.
    """
    from marl.policy import PerRow, RandomLegal  # `import agents` stays light

    if name == RANDOM:
        return RandomLegal()
    if ":" not in name:
        table = load(SCRIPTED[spec.arena], "players") if spec.arena in SCRIPTED else {}
        if name not in table:
            raise UnknownNameError(f"player in {spec.arena}", name, [RANDOM, *table])
        made: Policy = table[name](spec)
        return made
    target = load(name, "player")
    if isinstance(target, type):
        if hasattr(target, "memory_size"):
            policy: Policy = target(spec)
            return policy
        return PerRow(spec, target)
    if callable(target):
        parameters = len(inspect.signature(target).parameters)
        masked = any(role.masked for role in spec.roles)
        if parameters not in ({1, 2} if masked else {1}):
            raise SpecError(
                f"player {name!r}",
                got=f"a function of {parameters} arguments",
                expected="observation (and mask, if any)",
            )
        return PerRow(spec, _of_observation(target) if masked and parameters == 1 else target, function=True)
    raise SpecError(f"player {name!r}", got=type(target).__name__, expected="a function or a class")


def _of_observation(function: Any) -> Any:  # noqa: ANN401  # a user's function
    def without_mask(observation: Any, mask: Any) -> Any:  # noqa: ANN401
        del mask
        return function(observation)

    return without_mask


def load_snapshot(folder: Path, spec: Spec) -> Policy:
    """The frozen policy of a snapshot's folder."""
    try:
        from agents.frozen import load_policy  # needs torch
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"snapshot {folder.name}", "torch", "torch") from error
    return load_policy(folder, spec)
