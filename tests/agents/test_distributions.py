"""Action distributions: torch's numbers, drawn as often as they should be, whatever a row is batched with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy import stats

from agents.distributions import ActionHeads, draw, evaluate
from marl.errors import SpecError
from marl.policy import Rows
from marl.rng import uniforms
from marl.spaces import to_json
from marl.spec import Role
from tests.agents.material import ACTIONS, learner_of, masks_of, role_of, rows_of, spec_of

DRAWS = 40_000


def keys(count: int, decision: int = 0) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The keys of `count` matches' first seat at a decision."""
    match_R = np.arange(count)
    return Rows(
        match_R, match_R.astype(np.uint64), np.zeros(count, np.int32), np.full(count, decision, np.int32)
    ).key_R


def spaced(action: spaces.Space[Any]) -> Role:
    """A role of one seat with this action space."""
    return Role("a", ("a_0",), to_json(spaces.Discrete(2)), to_json(action))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", ["discrete", "multidiscrete", "multibinary", "tuple"])
def test_counted_equals_torch(kind: str, *, masked: bool) -> None:
    """Log-probability and entropy of counted leaves are torch.distributions', masked choices at -inf."""
    role = role_of(action=kind, masked=masked)
    heads = ActionHeads.of(role)
    rng, rows = np.random.default_rng(0), 64
    sizes = [part.size for part in heads.counted]
    out = torch.from_numpy(rng.normal(size=(1, rows, sum(sizes))).astype(np.float32))
    legal = torch.from_numpy(masks_of(role, rows, rng)).unsqueeze(0) > 0 if role.mask_size else None
    action, drawn_logp = draw(
        heads, out, legal, None, torch.from_numpy(uniforms(keys(rows), sum(sizes)))[None]
    )
    logp, entropy = evaluate(heads, out, legal, None, action)
    expected_logp, expected_entropy, at = torch.zeros(1, rows), torch.zeros(1, rows), 0
    for number, part in enumerate(heads.counted):
        logits = out[..., at : at + part.size].clone()
        if legal is not None and part.mask_at is not None:
            logits[~legal[..., part.mask_at : part.mask_at + part.size]] = -torch.inf
        torchs = torch.distributions.Categorical(logits=logits)
        expected_logp += torchs.log_prob(action[..., number])  # type: ignore[no-untyped-call]
        expected_entropy += torchs.entropy()  # type: ignore[no-untyped-call]
        at += part.size
    torch.testing.assert_close(logp, expected_logp)
    torch.testing.assert_close(drawn_logp, expected_logp)
    torch.testing.assert_close(entropy, expected_entropy)


def test_boxes_equal_torch() -> None:
    """Log-probability and entropy of boxes are torch's Normal's, of the number drawn before clipping."""
    heads = ActionHeads.of(role_of(action="box"))
    rng = np.random.default_rng(0)
    mean = torch.from_numpy(rng.normal(size=(1, 64, 2)).astype(np.float32))
    log_std = torch.tensor([[[-0.5, 0.3]]])
    number, drawn_logp = draw(heads, mean, None, log_std, torch.from_numpy(uniforms(keys(64), 4))[None])
    logp, entropy = evaluate(heads, mean, None, log_std, number)
    torchs = torch.distributions.Normal(mean, log_std.exp().expand_as(mean))
    torch.testing.assert_close(logp, torchs.log_prob(number).sum(-1))  # type: ignore[no-untyped-call]
    torch.testing.assert_close(drawn_logp, logp)
    torch.testing.assert_close(entropy, torchs.entropy().sum(-1))  # type: ignore[no-untyped-call]


def test_a_spread_behind_the_mean_equals_torch() -> None:
    """Without a parameter the outputs' second half is the spread's logarithm, within its bounds."""
    heads = ActionHeads.of(role_of(action="box"))
    rng = np.random.default_rng(0)
    out = torch.from_numpy(rng.normal(size=(1, 64, 4)).astype(np.float32))
    out[0, 0, 2:] = torch.tensor([9.0, -9.0])
    number, drawn_logp = draw(heads, out, None, None, torch.from_numpy(uniforms(keys(64), 4))[None])
    logp, entropy = evaluate(heads, out, None, None, number)
    torchs = torch.distributions.Normal(out[..., :2], out[..., 2:].clamp(-5, 2).exp())
    torch.testing.assert_close(logp, torchs.log_prob(number).sum(-1))  # type: ignore[no-untyped-call]
    torch.testing.assert_close(drawn_logp, logp)
    torch.testing.assert_close(entropy, torchs.entropy().sum(-1))  # type: ignore[no-untyped-call]


def test_squashed_boxes_are_played_by_their_tanh() -> None:
    """Never at a bound, in the middle for 0; a box without bounds can't be squashed into."""
    heads = ActionHeads.of(role_of(action="box"), squashed=True)
    numbers = np.array([[0, 0], [1, -1], [3, -3]], np.float32)
    tanh = np.tanh(numbers)
    assert heads.played(numbers) == pytest.approx(tanh * [0.1, 2] + [0, 2])
    with pytest.raises(SpecError, match="squashed"):
        ActionHeads.of(role_of(action="unbounded"), squashed=True)


def test_draws_are_as_frequent_as_their_probabilities() -> None:
    """Chi-square of a leaf's choices, of pairs of leaves, and of successive decisions of the same row."""
    heads = ActionHeads.of(role_of(action="multidiscrete"))
    out = torch.log(torch.tensor([0.5, 0.3, 0.2, 0.9, 0.1, 0.05, 0.15, 0.35, 0.45])).expand(1, DRAWS, 9)
    drawn = [
        draw(heads, out, None, None, torch.from_numpy(uniforms(keys(DRAWS, t), 9))[None])[0][0].numpy()
        for t in (0, 1)
    ]
    first = np.bincount(drawn[0][:, 0], minlength=3)
    assert stats.chisquare(first, np.array([0.5, 0.3, 0.2]) * DRAWS).pvalue > 1e-3
    rare = np.bincount(drawn[0][:, 2], minlength=4)
    assert stats.chisquare(rare, np.array([0.05, 0.15, 0.35, 0.45]) * DRAWS).pvalue > 1e-3
    for a, b in ((drawn[0][:, 0], drawn[0][:, 2]), (drawn[0][:, 0], drawn[1][:, 0])):
        pairs = np.histogram2d(a, b, bins=[np.arange(a.max() + 2), np.arange(b.max() + 2)])[0]
        assert stats.chi2_contingency(pairs).pvalue > 1e-3


def test_illegal_choices_are_never_drawn() -> None:
    """Not in a draw, not as the mode, though their logits are the largest."""
    heads = ActionHeads.of(role_of(masked=True))
    out = torch.tensor([50.0, 0.0, 50.0, 0.0]).expand(1, DRAWS, 4)
    legal = torch.tensor([False, True, False, True]).expand(1, DRAWS, 4)
    uniform = torch.from_numpy(uniforms(keys(DRAWS), 4))[None]
    for given in (uniform, None):
        action, logp = draw(heads, out, legal, None, given)
        assert set(action.flatten().tolist()) <= {1, 3}
        torch.testing.assert_close(logp, torch.full((1, DRAWS), float(np.log(0.5))))


def test_gaussian_draws_are_gaussian() -> None:
    """Kolmogorov and Smirnov's test of both numbers, and no correlation between them."""
    heads = ActionHeads.of(role_of(action="unbounded"))
    mean = torch.tensor([1.0, -2.0]).expand(1, DRAWS, 2)
    log_std = torch.tensor([[[0.5, -1.0]]])
    number = draw(heads, mean, None, log_std, torch.from_numpy(uniforms(keys(DRAWS), 4))[None])[0][0].numpy()
    for column, (centre, spread) in enumerate(((1.0, np.exp(0.5)), (-2.0, np.exp(-1.0)))):
        assert stats.kstest(number[:, column], stats.norm(centre, spread).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(number.T)[0, 1]) < 4 / np.sqrt(DRAWS)


@pytest.mark.parametrize("settings", [{}, {"separate": True}, {"memory": 4}])
@pytest.mark.parametrize("kind", ["discrete", "multidiscrete", "box"])
def test_a_draw_depends_on_its_key_alone(kind: str, settings: dict[str, Any]) -> None:
    """The same row draws the same in any company and order; another decision of it draws anew."""
    role = role_of(action=kind)
    policy = learner_of(spec_of(role), **settings).policy
    rng = np.random.default_rng(0)
    x_RF = rng.normal(size=(90, 5)).astype(np.float32)
    memory_RM = rng.normal(size=(90, policy.memory_size)).astype(np.float32)
    none = np.zeros((90, 0), np.uint8)
    rows = rows_of(90)
    together = policy.act(role, [x_RF], none, memory_RM, rows, greedy=False).action_RK
    some = rng.permutation(90)[:17]
    apart = policy.act(
        role, [x_RF[some]], none[some], memory_RM[some], rows.take(some), greedy=False
    ).action_RK
    assert together[some] == pytest.approx(apart, abs=1e-6)
    later = policy.act(role, [x_RF], none, memory_RM, rows_of(90, 1), greedy=False).action_RK
    assert np.mean(later == together) < 0.9


def test_boxes_are_played_in_their_own_units() -> None:
    """0 is a bounded box's middle, 1 its upper bound; unbounded numbers stay, whole ones are rounded."""
    heads = ActionHeads.of(role_of(action="box"))
    numbers = np.array([[0, 0], [1, 1], [-1, -0.5], [9, -9]], np.float32)
    assert heads.played(numbers) == pytest.approx(np.array([[0, 2], [0.1, 4], [-0.1, 1], [0.1, 0]]))
    assert np.array_equal(ActionHeads.of(role_of(action="unbounded")).played(numbers), numbers)
    whole = ActionHeads.of(spaced(spaces.Box(0, 10, (1,), np.int32)))
    assert whole.played(np.array([[0.12], [-3.0]], np.float32)).tolist() == [[6.0], [0.0]]


def test_boxes_beside_counted_leaves_are_refused() -> None:
    """One clear error for what is not supported."""
    with pytest.raises(SpecError, match="boxes inside a Dict or Tuple"):
        ActionHeads.of(spaced(spaces.Tuple((spaces.Discrete(2), ACTIONS["box"]))))
