"""PPO's update: ratios start at one, only own decisions teach, each model learns from its own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from marl.errors import DivergenceError, SpecError
from marl.policy import ILLEGAL
from tests.agents.material import (
    ACTIONS,
    assert_same,
    fragment_of,
    fragments_of,
    learner_of,
    role_of,
    spec_of,
    weights_of,
)

if TYPE_CHECKING:
    from torch import Tensor

    from marl.fragment import Fragment
    from marl.policy import Decision
    from marl.spec import Role

KINDS: list[dict[str, Any]] = [
    {},
    {"separate": True},
    {"memory": 4},
    {"memory": 4, "separate": True},
    {"critic": "state"},
    {"critic": "state", "memory": 4, "separate": True},
]
KIND_NAMES = ["+".join(f"{k}={v}" for k, v in kind.items()) or "plain" for kind in KINDS]


def loss_of(learner: PPO, fragment: Fragment) -> tuple[Tensor, Tensor]:
    """The loss over a whole fragment as one minibatch, and its figures; nothing is stepped."""
    part = learner._parts[fragment.role.name]
    batch, _ = learner._ready(part, fragment)
    most = max(len(pool) for pool in batch.pools)
    units = np.full((part.models, most), -1, np.int64)
    for row, pool in zip(units, batch.pools, strict=True):
        row[: len(pool)] = pool
    return learner._loss(part, batch, units)


def gradients_of(learner: PPO, fragment: Fragment) -> list[Tensor]:
    """Of all parameters, for the loss over a whole fragment."""
    learner._optimiser.zero_grad()
    loss, _ = loss_of(learner, fragment)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's is not typed
    parameters = learner._parts[fragment.role.name].parameters()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_a_pass_has_eight_minibatches_where_nothing_is_said(kind: dict[str, Any]) -> None:
    """Whatever there is to learn from; with memory they are of whole rows."""
    spec = spec_of(role_of(), state_size=4)
    for copies in (5, 9):
        learner = learner_of(spec, epochs=1, **kind)
        fragment = fragment_of(spec, spec.roles[0], learner.policy, np.random.default_rng(0), copies=copies)
        *passed, _ = learner.updating([fragment])
        rows_of_a_model = copies if kind.get("separate") else 3 * copies
        assert len(passed) == (min(8, rows_of_a_model) if "memory" in kind else 8)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_ratios_start_at_one(kind: dict[str, Any], action: str, *, masked: bool) -> None:
    """In the first minibatch KL and clip fraction are 0, and the policy loss is the mean advantage, 0."""
    learner = learner_of(spec_of(role_of(action=action, masked=masked), state_size=4), lr=0.01, **kind)
    rng = np.random.default_rng(0)
    learner.update(fragments_of(learner, rng))
    (fragment,) = fragments_of(learner, rng, faults=True)
    _, figures = loss_of(learner, fragment)
    policy_loss, _, entropy, kl, clipped = (figures / learner._parts["worker"].models).tolist()
    assert abs(kl) < 1e-6
    assert clipped == 0
    assert abs(policy_loss) < 1e-5
    assert entropy > 0 or "box" in action


@pytest.mark.parametrize("memory", [0, 4])
@pytest.mark.parametrize("kind", [{"box": "squashed"}, {"spread": "state"}], ids=str)
def test_ratios_start_at_one_however_boxes_are_played(kind: dict[str, Any], memory: int) -> None:
    """Squashing changes what is played, not the ratio; a spread that follows the observation is learned."""
    learner = learner_of(spec_of(role_of(action="box")), lr=0.01, memory=memory, **kind)
    rng = np.random.default_rng(0)
    learner.update(fragments_of(learner, rng))
    (fragment,) = fragments_of(learner, rng)
    _, figures = loss_of(learner, fragment)
    assert abs(float(figures[3])) < 1e-6
    head = learner._parts["worker"].actor.head.weight
    gradients_of(learner, fragment)
    assert head.grad is not None
    assert (head.grad.abs().sum((0, 1)) > 0).all()
    assert head.shape[2] == (4 if "spread" in kind else 2)


def test_roles_with_spaces_of_their_own_learn_side_by_side() -> None:
    """Two roles, one box and one masked: figures carry the role's name, and each role's weights move."""
    spec = spec_of(role_of("a", "box", 2), role_of("b", "discrete", 1, masked=True))
    learner = learner_of(spec, epochs=1, minibatch=10_000)
    before = weights_of(learner)
    figures = learner.update(fragments_of(learner, np.random.default_rng(0)))
    for role in ("a", "b"):
        assert abs(figures[f"{role}/kl"]) < 1e-6
        name = f"{role}/actor.head.weight"
        assert not np.array_equal(before[name], weights_of(learner)[name])


def test_a_learner_of_some_roles_leaves_the_others_out() -> None:
    """`roles` limits networks, policy and fragments."""
    spec = spec_of(role_of("a"), role_of("b"))
    learner = PPO(spec, PPOSettings(), 0, ["b"])
    assert list(learner.policy.nets) == ["b"]


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_what_a_fallback_decided_teaches_nothing(kind: dict[str, Any]) -> None:
    """Its action, log-probability and mask change no gradient; its reward does, through earlier decisions."""
    spec = spec_of(role_of(masked=True), state_size=4)
    learner = learner_of(spec, **kind)
    (fragment,) = fragments_of(learner, np.random.default_rng(1), faults=True)
    bad = (fragment.source_TR == ILLEGAL) & fragment.valid_TR
    assert bad.any()
    expected = gradients_of(learner, fragment)
    changed = learner_of(spec, **kind)
    fragment.action_TRK[bad] = 3 - fragment.action_TRK[bad]
    fragment.extras["logp"][bad] -= 5
    fragment.mask_TRA[bad] = 1
    for ours, theirs in zip(gradients_of(changed, fragment), expected, strict=True):
        assert torch.equal(ours, theirs)
    flows = learner_of(spec, **kind)
    fragment.reward_TR[bad] += 3
    assert any(not torch.equal(a, b) for a, b in zip(gradients_of(flows, fragment), expected, strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_padding_teaches_nothing(kind: dict[str, Any]) -> None:
    """Whatever lies behind a row's last decision changes no gradient."""
    spec = spec_of(role_of(), state_size=4)
    learner = learner_of(spec, **kind)
    (fragment,) = fragments_of(learner, np.random.default_rng(2))
    expected = gradients_of(learner, fragment)
    behind = ~fragment.valid_TR
    assert behind.any()
    fragment.observation[0][behind] = 50
    fragment.reward_TR[behind] = 1e6
    fragment.extras["logp"][behind] = -200
    fragment.state_TRS[behind] = -50
    for ours, theirs in zip(gradients_of(learner_of(spec, **kind), fragment), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-7, rtol=1e-5)


def test_a_choice_that_is_never_legal_has_no_gradient() -> None:
    """The head's weights of an illegal choice stay exactly where they are."""
    learner = learner_of(spec_of(role_of(masked=True)))
    original = learner.policy.act

    def act(role: Role, seen: Any, mask_RA: Any, memory: Any, rows: Any, *, greedy: bool) -> Decision:  # noqa: ANN401  # act's
        mask_RA[:, 2] = 0
        return original(role, seen, mask_RA, memory, rows, greedy=greedy)

    learner.policy.act = act  # type: ignore[assignment,method-assign]
    (fragment,) = fragments_of(learner, np.random.default_rng(0))
    assert not fragment.mask_TRA[..., 2].any()
    gradients_of(learner, fragment)
    gradient = learner._parts["worker"].actor.head.weight.grad
    assert gradient is not None
    assert not gradient[..., 2].any()
    assert gradient[..., 1].any()


def test_log_probabilities_are_those_under_the_stored_mask() -> None:
    """A fragment whose masks were lost no longer has ratios of one: the mask in the fragment is used."""
    learner = learner_of(spec_of(role_of(masked=True)))
    (fragment,) = fragments_of(learner, np.random.default_rng(0))
    assert abs(loss_of(learner, fragment)[1][3].item()) < 1e-6
    fragment.mask_TRA[:] = 1
    assert loss_of(learner, fragment)[1][3].item() > 0.01


@pytest.mark.parametrize("kind", [{}, {"memory": 4}, {"critic": "state"}], ids=str)
def test_a_seats_rows_touch_its_own_model_only(kind: dict[str, Any]) -> None:
    """The gradient of the others is zero, and its own equals that from the rows of all together."""
    spec = spec_of(role_of(), state_size=4)
    learner = learner_of(spec, separate=True, **kind)
    (fragment,) = fragments_of(learner, np.random.default_rng(3), copies=4)
    whole = gradients_of(learner, fragment)
    for seat in range(3):
        (only,) = fragments_of(learner_of(spec, separate=True, **kind), np.random.default_rng(3), copies=4)
        only.source_TR[:, only.seat_R != seat] = ILLEGAL
        for gradient, together in zip(
            gradients_of(learner_of(spec, separate=True, **kind), only), whole, strict=True
        ):
            others = [other for other in range(3) if other != seat]
            assert not gradient[others].any()
            torch.testing.assert_close(gradient[seat], together[seat], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("memory", [0, 4])
def test_a_seat_without_decisions_is_left_as_it_is(memory: int) -> None:
    """An update in which one seat learned nothing changes neither its weights nor its optimiser's state."""
    spec = spec_of(role_of())
    learner = learner_of(spec, separate=True, memory=memory, normalise=False)
    rng = np.random.default_rng(0)
    learner.update(fragments_of(learner, rng))
    before = weights_of(learner)
    (fragment,) = fragments_of(learner, rng)
    fragment.source_TR[:, fragment.seat_R == 1] = ILLEGAL
    learner.update([fragment])
    after = weights_of(learner)
    for name, array in after.items():
        if array.ndim and len(array) == 3 and "inputs" not in name:
            assert np.array_equal(array[1], before[name][1]), name
            assert not np.array_equal(array[0], before[name][0]), name


def test_an_update_without_anything_to_learn_from_changes_nothing() -> None:
    """All rows decided by fallbacks: figures are zero, weights stay."""
    learner = learner_of(spec_of(role_of()), normalise=False, target_kl=0.01)
    before = weights_of(learner)
    (fragment,) = fragments_of(learner, np.random.default_rng(0))
    fragment.source_TR[:] = ILLEGAL
    assert learner.update([fragment])["gradient_norm"] == 0
    assert_same(before, weights_of(learner))


def test_updates_are_deterministic() -> None:
    """Two learners of one seed, fed alike, are equal bit for bit; another seed is another learner."""
    found = []
    for seed in (0, 0, 1):
        learner, rng = learner_of(spec_of(role_of()), seed, minibatch=16), np.random.default_rng(0)
        for _ in range(2):
            learner.update(fragments_of(learner, rng))
        found.append(weights_of(learner))
    assert_same(found[0], found[1])
    assert not np.array_equal(found[0]["worker/actor.head.weight"], found[2]["worker/actor.head.weight"])


def test_an_update_stops_where_the_policy_has_moved_enough() -> None:
    """`target_kl` ends the epochs."""
    learner = learner_of(spec_of(role_of()), lr=0.1, epochs=10, target_kl=1e-4)
    figures = learner.update(fragments_of(learner, np.random.default_rng(0)))
    assert figures["epochs"] < 10


@pytest.mark.parametrize("box", ["clipped", "squashed"])
def test_box_numbers_are_drawn_as_wide_as_asked(box: str) -> None:
    """A fresh policy explores with the spread `explore`, in units of the box before squashing."""
    learner = learner_of(spec_of(role_of(action="box")), box=box, explore=0.2)
    fragment = fragments_of(learner, np.random.default_rng(0))[0]
    assert fragment.extras["drawn"][fragment.valid_TR].std() == pytest.approx(0.2, abs=0.05)


def test_step_size_falls_linearly() -> None:
    """From lr to its share lr_end over anneal_decisions, and no further."""
    learner = learner_of(spec_of(role_of()), lr=0.1, lr_end=0.5, anneal_decisions=60)
    rng = np.random.default_rng(0)
    first = learner.update(fragments_of(learner, rng))["lr"]
    assert first == pytest.approx(0.1 * (1 - 0.5 * min(1, learner.decisions / 60)))
    for _ in range(3):
        last = learner.update(fragments_of(learner, rng))["lr"]
    assert last == pytest.approx(0.05)


@pytest.mark.parametrize("poison", ["reward", "observation"])
def test_numbers_that_are_not_finite_are_refused(poison: str) -> None:
    """DivergenceError, and weights, value scale and moments are as before."""
    learner = learner_of(spec_of(role_of()))
    rng = np.random.default_rng(0)
    learner.update(fragments_of(learner, rng))
    before = weights_of(learner)
    (fragment,) = fragments_of(learner, rng)
    array = fragment.reward_TR if poison == "reward" else fragment.observation[0]
    array[0, 0] = np.nan
    with pytest.raises(DivergenceError, match="finite"):
        learner.update([fragment])
    assert_same(before, weights_of(learner))


def test_what_explodes_is_stopped_while_it_is_finite() -> None:
    """A step size far too large: DivergenceError though all is finite, with weights as before."""
    learner = learner_of(spec_of(role_of()), lr=1e9, epochs=2, minibatch=10_000)
    rng = np.random.default_rng(0)
    steps = learner.updating(fragments_of(learner, rng))
    next(steps)
    before = weights_of(learner)
    with pytest.raises(DivergenceError, match="at most 1e") as told:
        next(steps)
    assert "nan" not in told.value.got
    assert "inf" not in told.value.got
    assert_same(before, weights_of(learner))


def test_a_central_critic_needs_a_state() -> None:
    """One clear error where the arena has none."""
    with pytest.raises(SpecError, match="`state_space`"):
        learner_of(spec_of(role_of()), critic="state")


def test_a_central_critic_tells_seats_apart() -> None:
    """Seats that share parameters and state have values of their own: the critic is told whose is asked."""
    spec = spec_of(role_of(seats=2), state_size=3)
    learner = learner_of(spec, critic="state", lr=0.01, gamma=0.0, minibatch=64)
    rng = np.random.default_rng(0)
    for _ in range(60):
        (fragment,) = fragments_of(learner, rng, length=8, copies=8)
        fragment.reward_TR[:] = np.where(fragment.seat_R == 0, 1.0, -1.0) + 0 * fragment.reward_TR
        learner.update([fragment])
    part = learner._parts["worker"]
    value, _ = part.value(part.see(fragment), fragment)
    assert value[:, fragment.seat_R == 0] == pytest.approx(1, abs=0.2)
    assert value[:, fragment.seat_R == 1] == pytest.approx(-1, abs=0.2)
