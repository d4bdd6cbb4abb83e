"""A box's numbers come off the bounds of tanh, where no gradient of a critic reaches them."""

from __future__ import annotations

import pytest
import torch

from tests.learning.practice import Practice


@pytest.mark.parametrize(("penalty", "moves"), [(0.1, True), (0.0, False)])
def test_numbers_before_tanh_are_kept_small(penalty: float, *, moves: bool) -> None:
    """An actor pushed far beyond the bound comes back under the penalty, and never would without it."""
    settings = {"warmup": 16, "batch": 32, "every": 1, "lr": 0.01, "logit_penalty": penalty, "hidden": [16]}
    practice = Practice("tests.learning.toys:Aim", 0, settings, learner="maddpg", copies=4)
    (net,) = practice.learner.policy.nets.values()
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.fill_(15.0)
    practice.run(4)
    assert (float(net.head.bias.detach().max()) < 14.9) == moves
