"""Relaxed draws: frequencies of the softmax, legal choices only, gradients of the soft draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.distributions import ActionHeads
from agents.gumbel import action_features, action_size, gumbel_choice
from tests.agents.material import role_of

LOGITS = torch.tensor([0.5, -1.0, 1.5, 0.0])


def test_draws_are_as_frequent_as_the_softmax_says() -> None:
    """Chi-square over 40,000 draws of four choices below its 99.9 % quantile, 16.27."""
    heads, rows = ActionHeads.of(role_of()), 40_000
    with torch.no_grad():
        drawn = gumbel_choice(heads, LOGITS.expand(1, rows, 4), None, np.random.default_rng(0))
    assert (drawn.sum(-1) == 1).all()
    expected = torch.softmax(LOGITS, 0).numpy() * rows
    assert ((drawn.sum((0, 1)).numpy() - expected) ** 2 / expected).sum() < 16.27


def test_illegal_choices_are_never_drawn() -> None:
    """In each of several choices at once."""
    heads = ActionHeads.of(role_of(action="multidiscrete", masked=True))
    legal = torch.tensor([False, True, False, True, False, False, True, True, False])
    drawn = gumbel_choice(heads, torch.zeros(1, 500, 9), legal.expand(1, 500, 9), np.random.default_rng(0))
    assert not drawn[..., ~legal].any()
    assert drawn.sum((0, 1))[legal].min() > 100
    assert (drawn.sum(-1) == 3).all()


def test_gradients_are_those_of_the_soft_draw() -> None:
    """Forward is one-hot; backward is that of softmax((logits + noise) / temperature)."""
    heads, logits = ActionHeads.of(role_of()), LOGITS.repeat(1, 50, 1).requires_grad_()
    weight = torch.randn(1, 50, 4, generator=torch.Generator().manual_seed(0))
    drawn = gumbel_choice(heads, logits, None, np.random.default_rng(5), 0.7)
    assert set(drawn.detach().round(decimals=5).flatten().tolist()) == {0.0, 1.0}
    (drawn * weight).sum().backward()  # type: ignore[no-untyped-call]
    noise = -np.log(np.random.default_rng(5).standard_exponential((1, 50, 4), dtype="float32"))
    again = LOGITS.repeat(1, 50, 1).requires_grad_()
    soft = torch.softmax((again + torch.from_numpy(noise)) / 0.7, -1)
    (soft * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert again.grad is not None
    torch.testing.assert_close(logits.grad, again.grad)


@pytest.mark.parametrize("action", ["discrete", "multidiscrete", "multibinary", "tuple", "box"])
def test_a_critic_sees_actions_one_hot_or_as_numbers(action: str) -> None:
    """As many numbers as `action_size` says; one 1 a choice."""
    heads = ActionHeads.of(role_of(action=action))
    numbers = len(heads.low_K) if heads.boxes else max(part.place for part in heads.counted) + 1
    seen = action_features(heads, torch.ones(7, numbers))
    assert seen.shape == (7, action_size(heads))
    assert (seen.sum(-1) == (heads.boxes or len(heads.counted))).all()
