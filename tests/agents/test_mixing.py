"""Mixtures: sums over teams, and QMIX's monotony in every seat's value in every state."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from agents.mixing import QMixer, SumMix, Teams

TEAMS = Teams([[0, 2, 3], [1]], 4)


def test_teams_share_rewards_and_discounts() -> None:
    """The mean reward of a team's seats, and the discount of the last of them who is there."""
    reward = np.array([[3.0, 5.0, 0.0, 6.0]], np.float32)
    assert TEAMS.reward(reward).tolist() == [[3.0, 5.0]]
    assert TEAMS.any(np.array([[0.0, 0.0, 0.9, 0.0]])).tolist() == [[pytest.approx(0.9), 0.0]]


def test_a_sum_of_teams_of_one_changes_nothing() -> None:
    """Independent learners are the mixture of teams of one seat."""
    value = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(SumMix(Teams([[0], [1], [2]], 3))(value, torch.zeros(5, 0)), value)


def test_the_mixture_rises_with_every_value() -> None:
    """In 200 random states, with weights far from their start: no derivative is negative, some differ."""
    generator = torch.Generator().manual_seed(1)
    mixer = QMixer(TEAMS, 6, 8, generator)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    value = torch.randn(200, 4, generator=generator).requires_grad_()
    mixer(value, torch.randn(200, 6, generator=generator)).sum().backward()
    assert value.grad is not None
    assert (value.grad >= 0).all()
    assert value.grad.std() > 0.1


def test_a_team_is_mixed_from_its_own_seats_only() -> None:
    """Another team's values have no influence; the state has."""
    generator = torch.Generator().manual_seed(2)
    mixer = QMixer(TEAMS, 6, 8, generator)
    value, state = torch.zeros(1, 4), torch.randn(1, 6, generator=generator)
    other = value.clone()
    other[0, 1] = 3
    with torch.no_grad():
        before, after = mixer(value, state), mixer(other, state)
        assert before[0, 0] == after[0, 0]
        assert before[0, 1] < after[0, 1]
        assert not torch.equal(mixer(value, -state), before)


def test_the_greedy_joint_action_is_everybodys_greedy_action() -> None:
    """The argmax over all joint actions is made of each seat's argmax."""
    generator = torch.Generator().manual_seed(3)
    mixer = QMixer(Teams([[0, 1, 2]], 3), 4, 8, generator)
    with torch.no_grad():
        for _ in range(20):
            value, state = torch.randn(3, 3, generator=generator), torch.randn(1, 4, generator=generator)
            joint = list(itertools.product(range(3), repeat=3))
            total = torch.cat([mixer(value[range(3), choice].view(1, 3), state) for choice in joint])
            assert joint[int(total.argmax())] == tuple(value.argmax(1).tolist())
