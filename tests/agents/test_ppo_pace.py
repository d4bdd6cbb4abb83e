"""PPO's care with a policy that is good already: the critic first, and a step size that follows the KL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydantic import ValidationError

from agents.ppo_settings import PPOSettings
from tests.agents.material import fragments_of, learner_of, role_of, spec_of, weights_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("memory", [0, 4])
def test_only_the_critic_learns_while_it_warms_up(memory: int) -> None:
    """The actor is the same to the bit until so many decisions were seen, and then moves; the critic does."""
    learner = learner_of(spec_of(role_of(action="box")), memory=memory, lr=0.01, normalise=False, warm_up=1)
    rng = np.random.default_rng(0)
    kept = [weights_of(learner)]
    for _ in range(2):
        learner.update(fragments_of(learner, rng))
        kept.append(weights_of(learner))
    for name in kept[0]:
        warm, after = (not np.array_equal(kept[i][name], kept[i + 1][name]) for i in range(2))
        if "/actor." in name and "inputs" not in name:
            assert not warm, name
            assert after, name
        if "/critic.head" in name:
            assert warm, name


def test_the_step_size_follows_the_kl(tmp_path: Path) -> None:
    """Where steps are far too large it falls, where they are far too small it rises, and it is kept."""
    spec = spec_of(role_of())
    for lr, target, falls in ((0.1, 1e-4, True), (1e-7, 0.1, False)):
        learner = learner_of(spec, lr=lr, target_kl=target, adapt=True, epochs=2, minibatch=8)
        rng = np.random.default_rng(0)
        found = [learner.update(fragments_of(learner, rng))["lr"] for _ in range(3)]
        assert (found[2] < found[0] < lr) if falls else (found[2] > found[0] > lr)
        other = learner_of(spec, lr=lr, target_kl=target, adapt=True)
        other.restore(learner.checkpoint(tmp_path))
        assert other._optimiser.lr == found[2]


def test_a_step_size_without_a_kl_to_follow_is_refused() -> None:
    """`adapt` needs `target_kl`."""
    with pytest.raises(ValidationError, match="target_kl"):
        PPOSettings(adapt=True)
