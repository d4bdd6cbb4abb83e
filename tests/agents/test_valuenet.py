"""Nets that act by values: epsilon-greedy among legal choices, dueling heads, learned noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.distributions import ActionHeads
from agents.valuenet import NoisyLinear, ValueNet, epsilon_greedy
from marl.rng import uniforms
from tests.agents.material import role_of

ROLE = role_of(masked=True)
HEADS = ActionHeads.of(ROLE)


def net_of(*, dueling: bool = False, noisy: bool = False, models: int = 1) -> ValueNet:
    """A small one."""
    generator = torch.Generator().manual_seed(0)
    return ValueNet(models, 5, ROLE.action, (8,), "relu", generator, dueling=dueling, noisy=noisy)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0])
def test_random_actions_are_as_frequent_as_epsilon_says(epsilon: float) -> None:
    """The best legal choice 1 - e + e / legal, other legal ones e / legal, illegal ones never."""
    net, rows = net_of(), 20_000
    net.explore(epsilon)
    value = torch.tensor([5.0, 1.0, 3.0, 2.0]).expand(1, rows, 4)
    legal = torch.tensor([False, True, True, True]).expand(1, rows, 4)
    uniform = torch.from_numpy(uniforms(np.arange(rows, dtype=np.uint64), 4)).unsqueeze(0)
    with torch.inference_mode():
        action, _ = net.choose(HEADS, value, legal, uniform)
        best, _ = net.choose(HEADS, value, legal, None)
    found = np.bincount(action.flatten().numpy(), minlength=4) / rows
    expected = np.array([0, epsilon / 3, 1 - epsilon + epsilon / 3, epsilon / 3])
    assert (np.abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / rows)).all()
    assert (best == 2).all()


def test_each_model_has_its_own_epsilon() -> None:
    """Stacked, as frozen players are: probabilities follow each model's."""
    value = torch.zeros(2, 1, 4)
    value[..., 1] = 1
    logs = epsilon_greedy(value, None, torch.tensor([0.0, 0.4]).view(2, 1, 1))
    assert logs.exp()[:, 0].numpy() == pytest.approx(np.array([[0, 1, 0, 0], [0.1, 0.7, 0.1, 0.1]]), abs=1e-6)


def test_dueling_values_have_their_mean_apart() -> None:
    """Advantages are centred: the mean over actions is what the value output says."""
    net, seen = net_of(dueling=True), torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(net.out(seen).mean(-1), net.head(seen)[..., -1], atol=1e-6)


def test_noise_has_the_spread_that_is_learned() -> None:
    """With means 0 the output's variance is that of the learned spreads; silenced there is none."""
    layer = NoisyLinear(1, 6, 3, 1.0, torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(1, 1, 6)).astype(np.float32))
    found = []
    with torch.no_grad():
        layer.weight.zero_()
        for _ in range(20_000):
            layer.resample(rng)
            found.append(layer(x)[0, 0].numpy())
        layer.silence()
        assert not layer(x).any()
    # f(e) = sign(e) sqrt|e| has the second moment E|e| = sqrt(2 / pi), and products the product
    spread = 0.5 / np.sqrt(6)
    moment = np.sqrt(2 / np.pi)
    expected = spread**2 * (float((x**2).sum()) * moment**2 + moment)
    assert np.var(found, axis=0) == pytest.approx(np.full(3, expected), rel=0.08)
