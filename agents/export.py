"""Snapshots as ONNX files, for use without torch or this project; each is checked against the policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch

from agents import snapshot
from agents.bymodel import ByModel
from agents.features import features
from agents.frozen import KIND, load_policy
from agents.onnx_graph import ACTION, MASK, MEMORY, NEXT_MEMORY, OBSERVATION, OUT, SEAT, graph_of
from marl.errors import SnapshotError
from marl.policy import Rows
from marl.spec import Role, Spec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from agents.frozen import FrozenPolicy
    from marl.spaces import Leaf

ROWS = 257
TOLERANCE = 1e-4
"""Between outputs of torch and of onnxruntime, relative to the largest; they add in other orders."""


def export(folder: Path, target: Path) -> list[Path]:
    """Write ROLE.onnx below `target` for each role of a snapshot; returns the files.

    The graph holds normaliser, mask and memory. Every file is run on random rows and compared with the
    policy; SnapshotError where they differ.
    """
    manifest, _ = snapshot.read(folder)
    if manifest["kind"] != KIND:
        raise SnapshotError(str(folder), got=f"a {manifest['kind']}", expected=f"a {KIND}")
    spec = _spec(manifest)
    policy = load_policy(folder, spec)
    written = []
    target.mkdir(parents=True, exist_ok=True)
    for role in spec.roles:
        told = {
            "snapshot": folder.name,
            "arena": manifest["arena"],
            "role": role.name,
            "seats": json.dumps(role.seats),
            "observation_space": json.dumps(role.observation_space),
            "action_space": json.dumps(role.action_space),
        }
        model = graph_of(policy.nets[role.name], role, told).SerializeToString()
        _compare(
            spec,
            policy,
            role,
            onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]),
            folder,
        )
        written.append(target / f"{role.name}.onnx")
        written[-1].write_bytes(model)
    return written


def _spec(manifest: dict[str, Any]) -> Spec:
    """What the manifest says of the arena: its roles, and no more."""
    roles = tuple(
        Role(
            name, tuple(held["seats"]), held["observation_space"], held["action_space"], masked=held["masked"]
        )
        for name, held in manifest["roles"].items()
    )
    seats = [seat for role in roles for seat in role.seats]
    return Spec(manifest["arena"], manifest["version"], {}, roles, {seat: (seat,) for seat in seats})


def _compare(spec: Spec, policy: FrozenPolicy, role: Role, session: Any, folder: Path) -> None:  # noqa: ANN401  # onnxruntime's
    """Random rows through both; SnapshotError where actions differ."""
    rng = np.random.default_rng(0)
    net = policy.nets[role.name]
    seat_R = rng.integers(len(role.seats), size=ROWS)
    observation = [_random(leaf, rng) for leaf in role.observation]
    mask_RA = (rng.random((ROWS, role.mask_size)) < 0.5).astype(np.uint8)
    for part in policy.heads[role.name].counted:
        if role.mask_size and part.mask_at is not None:  # something is always legal
            mask_RA[np.arange(ROWS), part.mask_at + rng.integers(part.size, size=ROWS)] = 1
    memory_RM = rng.normal(size=(ROWS, net.memory_size)).astype(np.float32)
    given: dict[str, NDArray[Any]] = {f"{OBSERVATION}.{i}": leaf for i, leaf in enumerate(observation)}
    given |= {SEAT: seat_R, MASK: mask_RA, MEMORY: memory_RM}
    wanted = {one.name for one in session.get_inputs()}
    outputs = [one.name for one in session.get_outputs()]
    got = dict(
        zip(outputs, session.run(outputs, {k: v for k, v in given.items() if k in wanted}), strict=True)
    )
    with torch.inference_mode():
        deal = ByModel(seat_R, net.models)
        x_RF = torch.from_numpy(features(role, observation))
        out, after = net(deal.table(x_RF), deal.table(torch.from_numpy(memory_RM)))
    rows = Rows(
        np.arange(ROWS),
        np.arange(ROWS, dtype=np.uint64),
        (seat_R + spec.seats.index(role.seats[0])).astype(np.int32),
        np.zeros(ROWS, np.int32),
    )
    best = policy.act(role, observation, mask_RA, memory_RM, rows, greedy=True)
    expected = {OUT: deal.rows(out).numpy(), NEXT_MEMORY: deal.rows(after).numpy(), ACTION: best.action_RK}
    for name in outputs:
        apart = float(np.abs(got[name].astype(np.float64) - expected[name]).max())
        if apart > TOLERANCE * max(1.0, float(np.abs(expected[name]).max())):
            raise SnapshotError(
                f"{folder}, role {role.name}: {name} of the ONNX graph",
                got=f"{apart:.2g} away from the policy's",
                expected=f"at most {TOLERANCE:g}, relative to its size",
                remedy="Nothing was written for this role; please report it with your versions.",
            )


def _random(leaf: Leaf, rng: np.random.Generator) -> NDArray[Any]:
    """Rows that the leaf could hold."""
    shape, dtype = (ROWS, *leaf.shape), leaf.numpy_dtype
    if leaf.choices:
        return rng.integers(np.array(leaf.choices).reshape(leaf.shape), size=shape).astype(dtype)
    if leaf.kind == "multibinary" or dtype.kind == "b":
        return rng.integers(2, size=shape).astype(dtype)
    if dtype.kind in "iu":
        return rng.integers(100, size=shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)
