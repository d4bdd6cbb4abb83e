"""A learner that goes on from a checkpoint ends, bit for bit, where an uninterrupted one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from marl.errors import SnapshotError
from tests.agents.material import assert_same, fragments_of, learner_of, role_of, spec_of, weights_of

if TYPE_CHECKING:
    from pathlib import Path

KINDS: list[dict[str, Any]] = [
    {},
    {"separate": True},
    {"memory": 4},
    {"critic": "state"},
    {"lr_end": 0.1, "anneal_decisions": 200},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_resumed_equals_uninterrupted(kind: dict[str, Any], tmp_path: Path) -> None:
    """Weights, optimiser, moments, value scale, random state, step size, after three more updates of each."""
    spec = spec_of(role_of("a", masked=True), role_of("b", "box"), state_size=4)
    going, rng = learner_of(spec, minibatch=8, **kind), np.random.default_rng(0)
    for _ in range(2):
        going.update(fragments_of(going, rng))
    folder = going.checkpoint(tmp_path)
    resumed = learner_of(spec, seed=99, minibatch=8, **kind)
    resumed.restore(folder)
    assert_same(weights_of(going), weights_of(resumed))
    again = np.random.default_rng(1)
    figures = [going.update(fragments_of(going, again)) for _ in range(3)]
    again = np.random.default_rng(1)
    assert [resumed.update(fragments_of(resumed, again)) for _ in range(3)] == figures
    assert_same(weights_of(going), weights_of(resumed))
    assert going.checkpoint(tmp_path).name == resumed.checkpoint(tmp_path).name


def test_a_fresh_learner_can_be_kept(tmp_path: Path) -> None:
    """Before the first update the optimiser has no state yet."""
    spec = spec_of(role_of())
    fresh, other = learner_of(spec), learner_of(spec, seed=1)
    other.restore(fresh.checkpoint(tmp_path))
    for learner in (fresh, other):
        learner.update(fragments_of(learner, np.random.default_rng(0)))
    assert_same(weights_of(fresh), weights_of(other))


def test_a_checkpoint_does_not_follow_the_learner(tmp_path: Path) -> None:
    """Restored after another update, the learner is back where it was."""
    learner = learner_of(spec_of(role_of()))
    rng = np.random.default_rng(0)
    learner.update(fragments_of(learner, rng))
    folder, before = learner.checkpoint(tmp_path), weights_of(learner)
    learner.update(fragments_of(learner, rng))
    learner.restore(folder)
    assert_same(before, weights_of(learner))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"hidden": (8, 9)}, "architecture"),
        ({"separate": True}, "architecture"),
        ({"memory": 4}, "architecture"),
        ({"critic": "state"}, "critic"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_settings_are_refused(change: dict[str, Any], key: str, tmp_path: Path) -> None:
    """SnapshotError names what differs, and the learner stays as it was."""
    spec = spec_of(role_of(), state_size=4)
    folder = learner_of(spec).checkpoint(tmp_path)
    learner = learner_of(spec, **change)
    before = weights_of(learner)
    with pytest.raises(SnapshotError, match=key):
        learner.restore(folder)
    assert_same(before, weights_of(learner))


def test_another_arena_or_other_roles_are_refused(tmp_path: Path) -> None:
    """A checkpoint belongs to one spec, and to the roles that its learner owned."""
    spec = spec_of(role_of("a"), role_of("b"))
    folder = learner_of(spec).checkpoint(tmp_path)
    with pytest.raises(SnapshotError, match="spec"):
        learner_of(spec_of(role_of("a"))).restore(folder)
    with pytest.raises(SnapshotError, match="roles"):
        PPO(spec, PPOSettings(hidden=(8, 8)), 0, ["a"]).restore(folder)


def test_step_size_may_change_between_runs(tmp_path: Path) -> None:
    """Settings that shape nothing are the new learner's own."""
    spec = spec_of(role_of())
    old = learner_of(spec, lr=0.1)
    old.update(fragments_of(old, np.random.default_rng(0)))
    new = learner_of(spec, lr=0.001)
    new.restore(old.checkpoint(tmp_path))
    assert new.update(fragments_of(new, np.random.default_rng(0)))["lr"] == 0.001
