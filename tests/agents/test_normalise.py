"""Running statistics: moments of all that was seen, and a value scale that leaves values where they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from agents.normalise import RunningMoments, ValueScale
from tests.agents.material import fragments_of, learner_of, role_of, spec_of


def test_merged_moments_equal_those_of_everything_at_once() -> None:
    """Chan's update over uneven parts, the empty one included, against numpy over the whole."""
    rng = np.random.default_rng(0)
    x_RF = rng.normal(1000, 0.1, (997, 3)).astype(np.float32)
    moments = RunningMoments(3)
    for part in np.split(x_RF, [1, 1, 400, 996]):
        moments.update(part)
    whole = x_RF.astype(np.float64)
    assert moments.mean == pytest.approx(whole.mean(0), rel=1e-9)
    assert moments.scale == pytest.approx(1 / whole.std(0), rel=1e-6)


def test_features_that_do_not_vary_are_not_scaled() -> None:
    """A constant feature has scale 1."""
    moments = RunningMoments(1)
    moments.update(np.full((5, 1), 3.0, np.float32))
    assert moments.scale[0] == 1


@pytest.mark.parametrize("settings", [{}, {"separate": True}, {"memory": 4}, {"critic": "state"}])
def test_rescaling_keeps_what_the_critic_says(settings: dict[str, Any]) -> None:
    """Values in units of the reward are the same after the scale has taken returns of another size in."""
    learner = learner_of(spec_of(role_of(), state_size=4), **settings)
    part = learner._parts["worker"]
    rng = np.random.default_rng(0)
    for size in (1.0, 1000.0, 0.01):
        (fragment,) = fragments_of(learner, rng)
        fragment.reward_TR = fragment.reward_TR * np.float32(size)
        seen = part.see(fragment)
        before = part.value(seen, fragment)
        part.judge(fragment, seen, 0.9, 0.95)
        for old, new in zip(before, part.value(seen, fragment), strict=True):
            assert new == pytest.approx(old, rel=1e-4, abs=1e-4 * float(np.abs(old).max()))


def test_value_scale_is_unbiased_from_the_first_update() -> None:
    """One update gives the batch's mean and spread, for each model; one without returns keeps its own."""
    scale = ValueScale(2, decay=0.99)
    values = np.array([1.0, 3.0], np.float32)
    scale.update([values, np.zeros(0, np.float32)])
    assert scale.mean == pytest.approx([2.0, 0.0])
    assert scale.std == pytest.approx([1.0, 1.0])
    scale.update([np.zeros(0, np.float32), values * 10])
    assert scale.mean == pytest.approx([2.0, 20.0])
    assert scale.std == pytest.approx([1.0, 10.0])


def test_returns_that_do_not_vary_keep_a_finite_scale() -> None:
    """The spread never falls below a hundredth of the mean, so that rounding is not blown up."""
    scale = ValueScale(1, decay=0.5)
    scale.update([np.full(8, 10.0, np.float32)])
    assert scale.std[0] == pytest.approx(0.1, rel=1e-3)


def test_acting_and_learning_scale_inputs_alike() -> None:
    """`Inputs.shared` over flat rows is the very same arithmetic as `Inputs` over models."""
    learner = learner_of(spec_of(role_of()), separate=True)
    (fragment,) = fragments_of(learner, np.random.default_rng(0))
    learner.update([fragment])
    inputs = learner._parts["worker"].actor.inputs
    x_RF = torch.randn(10, 5, generator=torch.Generator().manual_seed(0)) * 20
    assert torch.equal(inputs(x_RF.expand(3, 10, 5))[1], inputs.shared(x_RF))
    assert inputs.shared(x_RF).abs().max() == 10
