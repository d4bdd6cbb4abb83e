"""Snapshots are immutable, named by what they hold, whole or refused, and play what the learner played."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agents import load_snapshot, snapshot
from agents.frozen import FrozenPolicy, load_policy
from marl.errors import SnapshotError, UnknownNameError
from marl.play import Call
from tests.agents.material import fragments_of, learner_of, masks_of, role_of, rows_of, spec_of

if TYPE_CHECKING:
    from pathlib import Path

    from agents.ppo import PPO
    from marl.policy import Decision, Policy
    from marl.spec import Role, Spec

LINEAGE = {"run": "test", "number": 3}
KINDS: list[dict[str, Any]] = [{}, {"separate": True}, {"memory": 4}, {"memory": 4, "separate": True}]


def asked(policy: Policy, role: Role, count: int, *, seed: int = 0, greedy: bool = False) -> Call:
    """A request of `count` rows."""
    rng = np.random.default_rng(seed)
    memory = rng.normal(size=(count, policy.memory_size)).astype(np.float32)
    seen = [rng.normal(size=(count, 5)).astype(np.float32)]
    return Call(policy, role, seen, masks_of(role, count, rng), memory, rows_of(count, start=seed), greedy)


def answer(call: Call) -> Decision:
    """What its policy says alone."""
    return call.policy.act(
        call.role, call.observation, call.mask_RA, call.memory_RM, call.rows, greedy=call.greedy
    )


def trained(spec: Spec, seed: int = 0, **kind: Any) -> PPO:
    """A learner after two updates, so that nothing is at its start."""
    learner = learner_of(spec, seed, lr=0.05, **kind)
    rng = np.random.default_rng(seed)
    for _ in range(2):
        learner.update(fragments_of(learner, rng))
    return learner


def assert_alike(a: Decision, b: Decision, *, exact: bool = False) -> None:
    """Actions equal, log-probabilities and memory to 1e-6."""
    assert np.array_equal(a.action_RK, b.action_RK)
    close = 0.0 if exact else 2e-6
    np.testing.assert_allclose(a.extras["logp"], b.extras["logp"], rtol=close, atol=close)
    assert (a.memory_RM is None) == (b.memory_RM is None)
    if a.memory_RM is not None and b.memory_RM is not None:
        np.testing.assert_allclose(a.memory_RM, b.memory_RM, rtol=close, atol=close)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("action", ["discrete", "multidiscrete", "box"])
def test_a_snapshot_plays_what_the_learner_plays(kind: dict[str, Any], action: str, tmp_path: Path) -> None:
    """Bit for bit, drawn and greedy; and it does not follow the learner's next update."""
    spec = spec_of(role_of(action=action, masked=action == "discrete"))
    learner = trained(spec, **kind)
    frozen = load_snapshot(learner.snapshot(tmp_path, LINEAGE), spec)
    calls = [asked(frozen, spec.roles[0], 30, greedy=greedy) for greedy in (False, True)]
    live = [asked(learner.policy, spec.roles[0], 30, greedy=greedy) for greedy in (False, True)]
    before = [answer(call) for call in calls]
    for ours, theirs in zip(before, [answer(call) for call in live], strict=True):
        assert_alike(ours, theirs, exact=True)
    learner.update(fragments_of(learner, np.random.default_rng(9)))
    assert not np.array_equal(answer(live[0]).extras["logp"], before[0].extras["logp"])
    for ours, theirs in zip(before, [answer(call) for call in calls], strict=True):
        assert_alike(ours, theirs, exact=True)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_stacked_policies_equal_each_alone(kind: dict[str, Any], tmp_path: Path) -> None:
    """Four frozen policies in one product, some greedy, with different numbers of rows; each as by itself."""
    spec = spec_of(role_of(masked=True))
    role = spec.roles[0]
    policies = [
        load_policy(trained(spec, seed, **kind).snapshot(tmp_path, LINEAGE), spec) for seed in range(4)
    ]
    assert len({policy.stack_key for policy in policies}) == 1
    calls = [asked(policy, role, 3 + 5 * i, seed=i, greedy=i == 2) for i, policy in enumerate(policies)]
    for together, call in zip(FrozenPolicy.act_together(calls), calls, strict=True):
        assert_alike(together, answer(call))
    (alone,) = FrozenPolicy.act_together(calls[1:2])
    assert_alike(alone, answer(calls[1]))


def test_other_architectures_are_not_stacked(tmp_path: Path) -> None:
    """Policies of another shape, or of another role set, have another key."""
    spec = spec_of(role_of())
    keys = {
        load_policy(trained(spec, **kind).snapshot(tmp_path, LINEAGE), spec).stack_key
        for kind in (*KINDS, {"hidden": (8, 9)}, {"activation": "relu"})
    }
    assert len(keys) == 6


def test_the_name_is_the_content(tmp_path: Path) -> None:
    """Written twice it is the same folder; another lineage or other weights are another."""
    learner = trained(spec_of(role_of()))
    first = learner.snapshot(tmp_path / "a", LINEAGE)
    assert learner.snapshot(tmp_path / "a", LINEAGE) == first
    assert learner.snapshot(tmp_path / "b", LINEAGE).name == first.name
    assert learner.snapshot(tmp_path / "a", {"run": "other"}).name != first.name
    learner.update(fragments_of(learner, np.random.default_rng(5)))
    assert learner.snapshot(tmp_path / "a", LINEAGE).name != first.name
    assert json.loads((first / "manifest.json").read_text())["lineage"] == LINEAGE


@pytest.mark.parametrize(
    "harm", ["manifest gone", "tensors gone", "cut short", "one bit", "renamed", "empty"]
)
def test_a_broken_folder_is_refused(harm: str, tmp_path: Path) -> None:
    """Half-written, half-copied or altered: SnapshotError that names the folder and what to do."""
    folder = trained(spec_of(role_of())).snapshot(tmp_path, LINEAGE)
    tensors, manifest = folder / "tensors.safetensors", folder / "manifest.json"
    body = bytearray(tensors.read_bytes())
    if harm == "manifest gone":
        manifest.unlink()
    elif harm == "tensors gone":
        tensors.unlink()
    elif harm == "cut short":
        tensors.write_bytes(body[: len(body) // 2])
    elif harm == "one bit":
        body[-1] ^= 1
        tensors.write_bytes(body)
    elif harm == "renamed":
        folder = folder.rename(tmp_path / "mine")
    else:
        folder = tmp_path / "nothing"
    with pytest.raises(SnapshotError, match=str(folder)) as caught:
        load_policy(folder, spec_of(role_of()))
    assert caught.value.remedy


def test_a_write_that_breaks_off_leaves_no_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle: the error comes out, and the folder holds nothing."""
    written = []

    def full(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(snapshot, "_write_synced", full)
    with pytest.raises(OSError, match="No space left"):
        learner_of(spec_of(role_of())).snapshot(tmp_path, LINEAGE)
    assert list(tmp_path.iterdir()) == []


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which format it found and which it reads."""
    with monkeypatch.context() as later:
        later.setattr(snapshot, "FORMAT", 99)
        folder = learner_of(spec_of(role_of())).snapshot(tmp_path, LINEAGE)
    with pytest.raises(SnapshotError, match="format 99"):
        load_policy(folder, spec_of(role_of()))


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A checkpoint is no policy, a policy no checkpoint."""
    learner = learner_of(spec_of(role_of()))
    with pytest.raises(SnapshotError, match="kind"):
        load_policy(learner.checkpoint(tmp_path), learner.spec)
    with pytest.raises(SnapshotError, match="kind"):
        learner.restore(learner.snapshot(tmp_path, LINEAGE))


@pytest.mark.parametrize(
    ("other", "kind", "key"),
    [
        (role_of(features=6), {}, "observation_space"),
        (role_of(action="box"), {}, "action_space"),
        (role_of(masked=True), {}, "masked"),
        (role_of(seats=2), {"separate": True}, "seats"),
        (role_of("stranger"), {}, "roles"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_arena_of_other_spaces_is_refused(
    other: Role, kind: dict[str, Any], key: str, tmp_path: Path
) -> None:
    """SnapshotError names what differs."""
    folder = learner_of(spec_of(role_of()), **kind).snapshot(tmp_path, LINEAGE)
    with pytest.raises(SnapshotError, match=key):
        load_policy(folder, spec_of(other))


def test_another_version_of_the_arena_is_refused(tmp_path: Path) -> None:
    """Spaces may be equal and mean something else; in another arena the number means nothing."""
    spec = spec_of(role_of())
    folder = learner_of(spec).snapshot(tmp_path, LINEAGE)
    with pytest.raises(SnapshotError, match=r"version 1 of toy(.|\n)*version 2") as caught:
        load_policy(folder, replace(spec, version="2"))
    assert caught.value.remedy
    load_policy(folder, replace(spec, arena="elsewhere", version="2"))


def test_shared_parameters_play_any_number_of_seats(tmp_path: Path) -> None:
    """An actor depends on its role's spaces only."""
    folder = learner_of(spec_of(role_of())).snapshot(tmp_path, LINEAGE)
    spec = spec_of(role_of(seats=2))
    assert len(answer(asked(load_policy(folder, spec), spec.roles[0], 4)).action_RK) == 4


def test_a_policy_asked_for_a_role_that_it_does_not_play(tmp_path: Path) -> None:
    """UnknownNameError lists the roles that it plays."""
    folder = learner_of(spec_of(role_of("a"))).snapshot(tmp_path, LINEAGE)
    spec = spec_of(role_of("a"), role_of("b"))
    with pytest.raises(UnknownNameError, match="'b'"):
        answer(asked(load_policy(folder, spec), spec.roles[1], 3))
