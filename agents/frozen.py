"""Frozen policies: networks written to disk as a snapshot, and read back as a player."""

from __future__ import annotations

import functools
import itertools
import json
from typing import TYPE_CHECKING, Any

import torch

from agents import checkpoint, snapshot
from agents.netpolicy import Architecture, NetPolicy, act_side_by_side
from agents.networks import ActorNet, stacked
from marl.errors import SnapshotError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from marl.play import Call
    from marl.policy import Decision
    from marl.spec import Role, Spec

KIND = "policy"


class FrozenPolicy(NetPolicy):
    """A snapshot. Policies of equal `stack_key` are evaluated in one batched product."""

    def __init__(self, spec: Spec, nets: Mapping[str, ActorNet], architecture: Architecture) -> None:
        super().__init__(spec, nets)
        spaces = {name: _shape(spec.role(name)) for name in nets}
        self.stack_key = json.dumps([architecture.to_json(), spaces], sort_keys=True)

    @staticmethod
    def act_together(calls: Sequence[Call]) -> list[Decision]:
        """The decisions of several frozen policies for one role, each as by itself but for rounding."""
        role = calls[0].role.name
        # their stack keys are equal, so they are all of this class
        nets = [call.policy.nets[role] for call in calls]  # type: ignore[attr-defined]
        first_models = [0, *itertools.accumulate(net.models for net in nets)]
        return act_side_by_side(calls, _together(tuple(nets)), first_models[:-1])


@functools.lru_cache(maxsize=256)
def _together(nets: tuple[ActorNet, ...]) -> ActorNet:
    return nets[0] if len(nets) == 1 else stacked(nets)


def write_policy(
    folder: Path,
    spec: Spec,
    nets: Mapping[str, ActorNet],
    architecture: Architecture,
    lineage: Mapping[str, Any],
) -> Path:
    """Write networks as they are now below `folder`; returns the snapshot, named by its content hash."""
    manifest = {
        "kind": KIND,
        "arena": spec.arena,
        "version": spec.version,
        "architecture": architecture.to_json(),
        "roles": {name: _shape(spec.role(name)) for name in nets},
        "lineage": dict(lineage),
    }
    return snapshot.write(folder, manifest, checkpoint.pack(_parts(nets)))


def load_policy(folder: Path, spec: Spec) -> FrozenPolicy:
    """The policy of a snapshot; SnapshotError where the arena, or its spaces, are not as they were then."""
    manifest, arrays = snapshot.read(folder)
    checkpoint.check(folder, manifest, {"kind": KIND})
    _check_version(folder, spec, manifest)
    architecture = Architecture.from_json(manifest["architecture"])
    nets: dict[str, ActorNet] = {}
    for role in spec.roles:
        if role.name not in manifest["roles"]:
            continue
        _check_role(folder, spec, role, manifest["roles"][role.name], separate=architecture.separate)
        net = architecture.build(role, torch.Generator().manual_seed(0))
        nets[role.name] = net.requires_grad_(requires_grad=False)
    if not nets:
        known = f"one of {[role.name for role in spec.roles]} of {spec.arena}"
        raise SnapshotError(str(folder), got=f"roles {list(manifest['roles'])}", expected=known)
    checkpoint.unpack(_parts(nets), arrays, str(folder))
    return FrozenPolicy(spec, nets, architecture)


def _parts(nets: Mapping[str, ActorNet]) -> dict[str, checkpoint.Part]:
    return {f"{name}/actor": net for name, net in nets.items()}


def _shape(role: Role) -> dict[str, Any]:
    """What has to agree between the arena that a policy was trained in and the one that it plays in."""
    return {
        "observation_space": role.observation_space,
        "action_space": role.action_space,
        "masked": role.masked,
        "seats": list(role.seats),
    }


def _check_version(folder: Path, spec: Spec, manifest: Mapping[str, Any]) -> None:
    """Equal spaces may mean something else in another version of an arena."""
    if manifest["arena"] == spec.arena and manifest["version"] != spec.version:
        raise SnapshotError(
            str(folder),
            got=f"a policy trained in version {manifest['version']} of {spec.arena}",
            expected=f"version {spec.version}",
            remedy="Train it anew: what it sees, does or is paid for has changed since.",
        )


def _check_role(folder: Path, spec: Spec, role: Role, held: Mapping[str, Any], *, separate: bool) -> None:
    """Seats matter only where each has a model of its own."""
    for key, own in _shape(role).items():
        if held[key] != own and (key != "seats" or separate):
            raise SnapshotError(
                f"{folder}, role {role.name}",
                got=f"a policy trained on {key} {held[key]}",
                expected=f"{own}, as {spec.arena} has it",
                remedy="Play it in the arena and with the capacities that it was trained with.",
            )
