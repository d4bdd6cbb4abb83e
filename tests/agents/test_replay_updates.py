"""One update from replay on a batch made by hand: weights, masks, twins, smoothing, delay, noise, bounds.

Axes as in `agents.replay`; A choices.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from agents import learner_class, load_snapshot
from agents.checkpoint import pack
from agents.gradients import EXPLODED
from agents.replay import Batch, RoleSteps
from marl.errors import DivergenceError
from tests.agents.material import FEATURES, assert_same, fragment_of, role_of, spec_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from marl.fragment import Fragment

VALUES = ("dqn", "vdn", "qmix")
STEPS, SEATS, STATE = 6, 2, 3
ILLEGAL = 3
"""The choice that no mask allows."""


def learner_of(name: str, action: str = "discrete", **settings: Any) -> Any:  # noqa: ANN401  # any of them
    """A learner of two seats whose updates hardly move it."""
    role = role_of(action=action, seats=SEATS, masked=action == "discrete")
    spec = spec_of(role, state_size=STATE if name == "qmix" else 0)
    kind = learner_class(name)
    still = {"hidden": (8,), "lr": 1e-9, "max_grad_norm": 1e9, "normalise": False}
    team = {"team": "all"} if name in ("vdn", "qmix") else {}
    return kind(spec, kind.Settings(**{**still, **team, **settings}), 0)


def batch_of(action: str = "discrete", weight_B: Any = 1.0) -> Batch:  # noqa: ANN401  # one or all
    """Random steps of two seats, none of which is an end."""
    rng = np.random.default_rng(0)
    both = (STEPS, SEATS)

    def seen() -> RoleSteps:
        mask = np.ones((*both, 4 * (action == "discrete")), np.uint8)
        mask[..., ILLEGAL:] = 0
        did = rng.integers(3, size=(*both, 1)) if action == "discrete" else rng.uniform(-1, 1, (*both, 2))
        return RoleSteps((rng.normal(size=(*both, FEATURES)).astype(np.float32),), mask, did.astype("f4"))

    def state() -> Any:  # noqa: ANN401  # (B, S)
        return rng.normal(size=(STEPS, STATE)).astype(np.float32)

    there = np.ones(both, np.bool_)
    return Batch(
        index_B=np.arange(STEPS),
        weight_B=np.broadcast_to(np.float32(weight_B), STEPS).copy(),
        now={"worker": seen()},
        following={"worker": seen()},
        reward_BN=rng.normal(size=both).astype(np.float32),
        discount_BN=np.full(both, 0.9, np.float32),
        present_BN=there,
        next_present_BN=there,
        teaches_BN=there,
        state_BS=state(),
        next_state_BS=state(),
    )


def played(learner: Any) -> Fragment:  # noqa: ANN401  # any of them
    """What its policy decides on random input, a step a decision."""
    fragment = fragment_of(learner.spec, learner.roles[0], learner.policy, np.random.default_rng(0))
    fragment.time_TR[:] = np.arange(len(fragment.time_TR))[:, None]
    return fragment


def gradients(name: str, action: str, weight_B: Any) -> list[Tensor]:  # noqa: ANN401  # (B,)
    """Of all that the learner moves, at an update on the batch."""
    learner = learner_of(name, action, **({} if name in VALUES else {"logit_penalty": 0.0, "smooth": 0.0}))
    learner._learn(batch_of(action, weight_B))
    steps = [part for part in learner._kept().values() if hasattr(part, "zero_grad") and hasattr(part, "lr")]
    return [p.grad for adam in steps for p in adam.parameters if p.grad is not None]


@pytest.mark.parametrize(
    ("name", "action"),
    [*((name, "discrete") for name in VALUES), *((name, "box") for name in ("maddpg", "matd3", "iddpg"))],
)
def test_steps_teach_in_proportion_to_their_weights(name: str, action: str) -> None:
    """The gradient under importance weights is the sum of the steps' own, weighted (Schaul et al. 2016)."""
    weight_B = np.array([1.0, 0.2, 0.0, 0.5, 0.7, 0.1])
    found = gradients(name, action, weight_B)
    alone = [gradients(name, action, one_B) for one_B in np.eye(STEPS)]
    assert len(found) >= (4 if name in VALUES else 8)
    for i, gradient in enumerate(found):
        expected = sum(float(w) * of_one[i] for w, of_one in zip(weight_B, alone, strict=True))
        torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in found) > 1e-3


def test_weights_reach_the_update() -> None:
    """What is drawn by priority is weighed by it."""
    learner = learner_of("dqn", prioritised=True, warmup=8, every=1000, batch=16, beta=1.0)
    learner.update([played(learner)])
    held = np.flatnonzero(learner.store.teaches_CN.any(1))
    learner.sampler.judge(held, np.linspace(0.1, 9, len(held)).astype(np.float32))
    drawn: list[Batch] = []
    learn = learner._learn

    def heard(batch: Batch) -> Any:  # noqa: ANN401  # as it answers
        drawn.append(batch)
        return learn(batch)

    learner._learn = heard
    learner._update()
    assert drawn[0].weight_B.max() == 1
    assert drawn[0].weight_B.min() < 0.9


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("name", VALUES)
def test_what_is_illegal_next_is_worth_nothing(name: str, *, double: bool) -> None:
    """Targets are the same whatever the nets say of a choice that the mask of the next step rules out."""
    found = []
    for value in (-1e3, 1e3):
        learner = learner_of(name, double=double)
        for net in (learner._q["worker"], learner._targets["worker"]):
            net.head.bias.data[..., ILLEGAL] = value
        found.append(learner._target(batch_of()))
    assert torch.equal(*found)
    assert found[0].abs().max() < 10


@pytest.mark.parametrize("name", ["maddpg", "matd3", "iddpg"])
def test_updates_draw_what_is_legal(name: str) -> None:
    """Neither target policies nor actors in their own loss choose what the mask rules out."""
    learner = learner_of(name)
    part = learner._parts["worker"]
    for net in (part.actor, part.actor_target):
        net.head.bias.data[..., ILLEGAL] = 1e3
    drawn: list[Tensor] = []
    judge = learner._judge

    def heard(critic: Any, role: Any, look: Any, fresh: Any = None) -> Tensor:  # noqa: ANN401  # as it is asked
        drawn.extend(look.done.values() if fresh is None else [fresh])
        value: Tensor = judge(critic, role, look, fresh)
        return value

    learner._judge = heard
    learner._learn(batch_of())
    assert len(drawn) == 3, "the target's, the batch's, the actor's"
    for action_nBA in drawn:
        assert not action_nBA[..., ILLEGAL].any()
        assert action_nBA.detach().sum(-1).numpy() == pytest.approx(1.0)


@pytest.mark.parametrize(("double", "expected"), [(True, 0.0), (False, 2.0)])
def test_double_learners_let_the_target_judge_what_the_net_picks(expected: float, *, double: bool) -> None:
    """The net prefers choice 0, which the target calls 0; the target prefers choice 1, and calls it 2."""
    learner = learner_of("dqn", double=double)
    for nets, value_A in ((learner._q, [1.0, 0, 0, 0]), (learner._targets, [0, 2.0, 0, 0])):
        head = nets["worker"].head
        head.weight.data.zero_()
        head.bias.data[:] = torch.tensor(value_A)
    batch = batch_of()
    found = learner._target(batch).numpy()
    assert found == pytest.approx(batch.reward_BN + np.float32(0.9 * expected), abs=1e-6)


@pytest.mark.parametrize(("double", "bias"), [(True, 0.0), (False, 0.8463)])
def test_double_learners_are_not_biased_by_noise(bias: float, *, double: bool) -> None:
    """Values of pure noise: a max over three is 0.846 on average, what another net says of the max is 0.

    The bias of Sutton and Barto 2018, example 6.7.
    """
    learner, rng, batch = learner_of("dqn", double=double), np.random.default_rng(0), batch_of()
    learner._values = lambda *_: torch.from_numpy(rng.normal(size=(SEATS, STEPS, 4)).astype(np.float32))
    found = np.mean([learner._target(batch).numpy() - batch.reward_BN for _ in range(1000)]) / 0.9
    assert found == pytest.approx(bias, abs=0.04)


def test_noise_is_left_out_of_snapshots(tmp_path: Path) -> None:
    """A noisy learner plays with noise, its snapshots by the means of its weights."""
    learner = learner_of("dqn", noisy=True, epsilon=0.0, epsilon_end=0.0, warmup=8, batch=8)
    learner.update([played(learner)])
    net = learner._q["worker"]
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 20, FEATURES)).astype(np.float32))
    frozen: Any = load_snapshot(learner.snapshot(tmp_path, {}), learner.spec)
    with torch.inference_mode():
        noisy, kept = net.direct(x), frozen.nets["worker"].direct(x)
        seen = net.body(x)
        mean = torch.baddbmm(net.head.bias, seen, net.head.weight)
        again = net.direct(x)
    torch.testing.assert_close(kept, mean)
    assert (noisy - mean).abs().max() > 1e-2
    assert torch.equal(noisy, again), "a snapshot takes nothing from the learner's own noise"


@pytest.mark.parametrize("biases", [(3.0, 5.0), (5.0, 3.0)])
@pytest.mark.parametrize(("name", "believed"), [("matd3", 3.0), ("maddpg", None)])
def test_the_lower_of_two_critics_is_believed(
    name: str, believed: float | None, biases: tuple[float, float]
) -> None:
    """TD errors of critics that say 0 are those of targets with the lower twin; MADDPG has only one."""
    learner = learner_of(name, "box")
    part = learner._parts["worker"]
    for critic, said in ((part.critic, (0.0, 0.0)), (part.critic_target, biases)):
        critic.head.weight.data.zero_()
        critic.head.bias.data[:, 0, 0] = torch.tensor(said[: len(critic.head.bias)])
    batch = batch_of("box")
    _, error_B = learner._learn(batch)
    target_BN = batch.reward_BN + np.float32(0.9 * (biases[0] if believed is None else believed))
    assert error_B.numpy() == pytest.approx(np.abs(target_BN).mean(1), abs=1e-5)


@pytest.mark.parametrize(("name", "smooth"), [("matd3", 0.2), ("maddpg", 0.0)])
def test_targets_are_smoothed(name: str, smooth: float) -> None:
    """Around what the target policy does lies noise of the spread asked for, clipped at twice that."""
    learner = learner_of(name, "box")
    head = learner._parts["worker"].actor_target.head
    head.weight.data.zero_()
    batch = batch_of("box")
    noise = np.concatenate(
        [learner._aimed(batch.following)["worker"].detach().numpy().ravel() for _ in range(200)]
    )
    assert np.abs(noise).max() == pytest.approx(2 * smooth, abs=1e-6)
    # of a normal number clipped at two spreads
    assert noise.std() == pytest.approx(0.9595 * smooth, rel=0.05)
    assert abs(noise.mean()) <= 4 * smooth / np.sqrt(len(noise))
    head.bias.data.fill_(20.0)
    assert learner._aimed(batch.following)["worker"].max() <= 1, "it stays in the box"


@pytest.mark.parametrize(("name", "delay"), [("maddpg", 1), ("matd3", 2), ("matd3", 3)])
def test_actors_and_targets_wait_for_the_critic(name: str, delay: int) -> None:
    """The critic moves at each update; actors and targets at one of `delay`."""
    settings = {} if (name, delay) == ("matd3", 2) else {"delay": delay}
    learner = learner_of(name, "box", lr=0.01, warmup=8, every=4, batch=8, **settings)
    part = learner._parts["worker"]
    nets = (part.critic, part.actor, part.actor_target, part.critic_target)

    def stand() -> list[list[Tensor]]:
        return [[p.detach().clone() for p in net.parameters()] for net in nets]

    before, moved = stand(), []
    for figures in learner.updating([played(learner)]):
        if figures:
            break
        now = stand()
        pairs = zip(before, now, strict=True)
        moved.append([any(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in pairs])
        before = now
    assert len(moved) >= 4
    for update, (critic, *later) in enumerate(moved):
        assert critic
        assert later == [update % delay == 0] * 3


@pytest.mark.parametrize(("name", "updates"), [("dqn", 1), ("maddpg", 0)])
def test_what_explodes_is_stopped_while_it_is_finite(name: str, updates: int) -> None:
    """Steps far too large: DivergenceError with numbers beyond all rewards, and the policy as before."""
    learner = learner_of(name, lr=1e6)
    for _ in range(updates):  # MADDPG's actor meets its critic in the first
        learner._learn(batch_of())
    before = pack(learner.policy.nets)
    with pytest.raises(DivergenceError, match="at most 1e") as told:
        learner._learn(batch_of())
    assert np.isfinite(ast.literal_eval(told.value.got)).all()
    assert_same(before, pack(learner.policy.nets))


def test_large_rewards_are_no_explosion() -> None:
    """Squared errors of rewards of a million are 1e12: the bound goes with them."""
    learner = learner_of("dqn", warmup=8, batch=8, every=4, huber=1e30)
    fragment = played(learner)
    fragment.reward_TR *= 1e6
    assert learner.update([fragment])["loss"] > EXPLODED
