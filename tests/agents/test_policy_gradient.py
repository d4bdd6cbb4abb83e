"""A2C and REINFORCE are settings of `ppo`: their gradients are those of the formulas, to rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from agents.features import features
from tests.agents.material import fragments_of, learner_of, role_of, spec_of
from tests.agents.test_ppo import gradients_of, loss_of
from tests.learning.practice import Practice

if TYPE_CHECKING:
    from torch import Tensor

    from agents.ppo import PPO
    from marl.fragment import Fragment

ONCE: dict[str, Any] = {"epochs": 1, "minibatch": 10**6, "entropy": 0.0, "max_grad_norm": 1e9}
A2C: dict[str, Any] = {**ONCE, "weigh": "advantage"}
REINFORCE: dict[str, Any] = {**ONCE, "weigh": "return", "lam": 1.0}
GAMMA = 0.9


def returns_by_hand(fragment: Fragment, value: Any, cut_value: Any, lam: float) -> Any:  # noqa: ANN401  # (T, R)
    """Lambda returns of each row, one entry after the other: 0 behind a termination, the critic at cuts."""
    valid, cuts = fragment.valid_TR, fragment.cuts
    found = np.zeros(valid.shape)
    cut = {(t, r): i for i, (t, r) in enumerate(zip(cuts.time_C, cuts.row_C, strict=True))}
    for r in range(valid.shape[1]):
        for t in range(int(valid[:, r].sum()) - 1, -1, -1):
            if fragment.terminated_TR[t, r]:
                after = 0.0
            elif (t, r) in cut:
                after = cut_value[cut[t, r]]
            else:
                after = (1 - lam) * value[t + 1, r] + lam * found[t + 1, r]
            found[t, r] = fragment.reward_TR[t, r] + GAMMA * after
    return found


def formula(learner: PPO, fragment: Fragment, weight: Any) -> list[Tensor]:  # noqa: ANN401  # (T, R)
    """The gradient of -mean(weight * log pi(action)) over valid decisions, of the actor's parameters."""
    part = learner._parts["worker"]
    actor, valid = part.actor, fragment.valid_TR
    x = torch.from_numpy(features(part.role, fragment.observation)).view(*valid.shape, -1)
    out, _ = actor(x.flatten(0, 1)[None], torch.zeros(1, valid.size, 0))
    action = torch.from_numpy(fragment.action_TRK[..., 0].astype(np.int64)).flatten()
    logp = torch.log_softmax(out[0], -1).gather(1, action[:, None])[:, 0].view(*valid.shape)
    chosen = torch.from_numpy(np.where(valid, weight, 0.0)).float()
    loss = -(chosen * logp).sum() / int(valid.sum())
    return list(torch.autograd.grad(loss, list(actor.parameters())))


@pytest.mark.parametrize(("settings", "lam"), [(A2C, 0.95), (A2C, 0.0), (REINFORCE, 1.0)], ids=str)
def test_the_gradient_is_the_formulas(settings: dict[str, Any], lam: float) -> None:
    """A2C: log pi weighed by lambda returns minus the critic; REINFORCE: by the returns themselves."""
    learner = learner_of(spec_of(role_of()), gamma=GAMMA, normalise=False, **{**settings, "lam": lam})
    rng = np.random.default_rng(0)
    learner.update(fragments_of(learner, rng))
    (fragment,) = fragments_of(learner, rng)
    part = learner._parts["worker"]
    value, cut_value = part.value(part.see(fragment), fragment)
    weight = returns_by_hand(fragment, value, cut_value, lam)
    if settings["weigh"] == "advantage":
        weight = weight - value
    expected = formula(learner, fragment, weight)
    found = gradients_of(learner, fragment)[: len(expected)]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in expected) > 0.01


def test_one_epoch_of_one_minibatch_is_clipped_nowhere() -> None:
    """Ratios are 1, so that PPO's surrogate has the policy gradient's slope whatever `clip` says."""
    found = []
    for clip in (0.01, 0.5):
        learner = learner_of(spec_of(role_of()), clip=clip, **A2C)
        (fragment,) = fragments_of(learner, np.random.default_rng(1))
        found.append(gradients_of(learner, fragment))
        assert loss_of(learner, fragment)[1][4] == 0
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


def test_reinforce_is_unbiased_on_a_bandit() -> None:
    """Arms that pay 1 and 3: the mean sampled gradient is pi (reward - mean reward), within 4 errors."""
    policy, reward = np.array([0.3, 0.7]), np.array([1.0, 3.0])
    learner = learner_of(spec_of(role_of(seats=1)), gamma=0.0, normalise=False, **REINFORCE)
    part, rng = learner._parts["worker"], np.random.default_rng(2)
    with torch.no_grad():
        for parameter in part.actor.parameters():
            parameter.zero_()
        part.actor.head.bias[0, 0] = torch.tensor([*np.log(policy), -30.0, -30.0])
    count = 0
    total, square = np.zeros(2), np.zeros(2)
    for _ in range(100):
        (fragment,) = fragments_of(learner, rng, copies=8)
        action = rng.choice(2, fragment.valid_TR.shape, p=policy)
        fragment.action_TRK[..., 0] = action
        fragment.extras["logp"] = np.log(policy[action]).astype(np.float32)
        fragment.reward_TR[:] = reward[action]
        learner._optimiser.zero_grad()
        loss, _ = loss_of(learner, fragment)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        bias = part.actor.head.bias.grad
        assert bias is not None
        each = -bias[0, 0, :2].double().numpy()
        total, square, count = total + each, square + each**2, count + 1
    mean = total / count
    error = np.sqrt((square / count - mean**2) / count)
    assert (np.abs(mean - policy * (reward - policy @ reward)) < 4 * error).all()
    assert (error < 0.1).all()


@pytest.mark.parametrize("settings", [A2C, REINFORCE], ids=["a2c", "reinforce"])
def test_both_learn(settings: dict[str, Any]) -> None:
    """At least 9 of 10 in `identity`, by one step of the optimiser a fragment."""
    practice = Practice("identity", 0, {"gamma": 0.0, "lr": 0.02, **settings}, options={"seats": 2})
    practice.run(15)
    assert practice.examine() >= 9.0
