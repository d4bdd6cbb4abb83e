"""Batched networks: each model computes what it would alone, memory is a GRU, gradients are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from agents.adam import Adam
from agents.bymodel import ByModel
from agents.gradients import clip_by_model, held_still
from agents.layers import GRU, MLP, Linear, tanh
from agents.minibatches import minibatches
from agents.networks import ActorNet, stacked
from marl.spaces import leaves, to_json
from tests.agents.material import ACTIONS


def generator(seed: int = 0) -> torch.Generator:
    """Torch's, seeded."""
    return torch.Generator().manual_seed(seed)


def actor(models: int, memory: int, seed: int, action: str = "multidiscrete") -> ActorNet:
    """A small actor whose inputs are scaled by something."""
    net = ActorNet(models, 5, leaves(to_json(ACTIONS[action])), (8, 6), "tanh", memory, generator(seed))
    net.inputs.mean.normal_(generator=generator(seed))
    net.inputs.scale.uniform_(0.5, 2, generator=generator(seed))
    return net.requires_grad_(requires_grad=False)


def test_each_model_of_a_linear_map_is_its_own() -> None:
    """P = 3 in one product equals three products; one model takes the short way to the same numbers."""
    layer = Linear(3, 4, 2, 1.0, generator())
    x = torch.randn(3, 7, 4, generator=generator(1))
    for model in range(3):
        alone = Linear(1, 4, 2, 1.0, generator())
        alone.weight.data, alone.bias.data = (
            layer.weight.data[model : model + 1],
            layer.bias.data[model : model + 1],
        )
        torch.testing.assert_close(alone(x[model : model + 1])[0], layer(x)[model])


def test_start_is_orthogonal() -> None:
    """Each model's weights, and each gate's, are orthogonal with the gain asked for."""
    weight = Linear(2, 6, 12, 3.0, generator(), blocks=2).weight.data
    for block in (*weight[0].chunk(2, 1), *weight[1].chunk(2, 1)):
        torch.testing.assert_close(block.T @ block, 9 * torch.eye(6), atol=1e-4, rtol=0)
    assert not torch.equal(weight[0], weight[1])


def test_tanh_is_tanh() -> None:
    """Values and gradients are torch's; the numbers with and without gradients are the same bits."""
    x = (torch.randn(200, generator=generator()) * 5).requires_grad_()
    y = tanh(x)
    torch.testing.assert_close(y, torch.tanh(x))
    (ours,) = torch.autograd.grad(y.square().sum(), x)
    (theirs,) = torch.autograd.grad(torch.tanh(x).square().sum(), x)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    with torch.no_grad():
        assert torch.equal(tanh(x), y)


def test_gru_is_torchs() -> None:
    """One step equals nn.GRUCell's with the same weights."""
    ours, theirs = GRU(1, 3, 4, generator()), nn.GRUCell(3, 4)
    ours.input.bias.data.normal_(generator=generator(1))
    ours.recurrent.bias.data.normal_(generator=generator(2))
    with torch.no_grad():
        for own, layer, kind in ((ours.input, "ih", ours), (ours.recurrent, "hh", ours)):
            getattr(theirs, f"weight_{layer}").copy_(own.weight[0].T)
            getattr(theirs, f"bias_{layer}").copy_(own.bias[0, 0])
            assert kind is ours
        x, memory = torch.randn(6, 3, generator=generator(3)), torch.randn(6, 4, generator=generator(4))
        torch.testing.assert_close(ours.step(ours.input(x[None]), memory[None])[0], theirs(x, memory))


@pytest.mark.parametrize("models", [1, 3])
def test_unrolling_equals_acting_step_by_step(models: int) -> None:
    """What the heads see along a fragment is what they saw in play, memory cleared where a match begins."""
    net = actor(models, 4, 0)
    x = torch.randn(models, 6, 5, 5, generator=generator(1))
    memory = torch.randn(models, 6, 4, generator=generator(2))
    first = torch.rand(models, 6, 5, generator=generator(3)) < 0.3
    unrolled = net.unroll(net.inputs(x.flatten(1, 2)).view(x.shape), first, memory)
    for t in range(5):
        memory = torch.where(first[:, :, t, None], torch.zeros(()), memory)
        out, memory = net(x[:, :, t], memory)
        torch.testing.assert_close(unrolled[:, :, t], memory)
        torch.testing.assert_close(net.head(unrolled[:, :, t]), out)


@pytest.mark.parametrize("memory", [0, 4])
@pytest.mark.parametrize("action", ["multidiscrete", "box"])
def test_stacked_networks_equal_each_alone(memory: int, action: str) -> None:
    """Shared (1 model) and separate (3) ones side by side, to 1e-6; the stack follows none of them."""
    nets = [actor(models, memory, seed, action) for seed, models in enumerate((1, 3, 1))]
    together = stacked(nets)
    x, before = (
        torch.randn(5, 9, 5, generator=generator(1)),
        torch.randn(5, 9, memory, generator=generator(2)),
    )
    out, after = together(x, before)
    at = 0
    for net in nets:
        span = slice(at, at + net.models)
        at += net.models
        alone, left = net(x[span], before[span])
        torch.testing.assert_close(out[span], alone, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(after[span], left, atol=1e-6, rtol=1e-6)
        for parameter in net.parameters():
            parameter.zero_()
    assert torch.equal(together(x, before)[0], out)
    assert all(not parameter.requires_grad for parameter in together.parameters())


@pytest.mark.parametrize("models", [1, 4])
def test_rows_come_back_in_their_order(models: int) -> None:
    """A table of rows by model and back is the identity; each row lies with its model."""
    rng = np.random.default_rng(0)
    for count in (0, 1, 23):
        model_R = rng.integers(models, size=count)
        deal = ByModel(model_R, models)
        rows = torch.arange(count, dtype=torch.float32).unsqueeze(1) + 100 * torch.from_numpy(
            model_R
        ).unsqueeze(1)
        table = deal.table(rows)
        assert len(table) == models
        assert torch.equal(deal.rows(table), rows)
        assert torch.equal(
            deal.rows(table * 0 + torch.arange(models).view(-1, 1, 1)).flatten().long(),
            torch.from_numpy(model_R),
        )


def test_each_unit_comes_once_a_pass() -> None:
    """Every model's units once, none of another's, spread evenly; -1 elsewhere."""
    pools = [np.arange(10), np.arange(100, 103), np.arange(0)]
    tables = list(minibatches(pools, 4, np.random.default_rng(0)))
    assert len(tables) == 2
    for model, pool in enumerate(pools):
        units = np.concatenate([table[model][table[model] >= 0] for table in tables])
        assert sorted(units.tolist()) == pool.tolist()
    assert sorted(int((table[1] >= 0).sum()) for table in tables) == [1, 2]
    assert list(minibatches([np.arange(0)], 4, np.random.default_rng(0))) == []


def test_gradients_are_clipped_by_model() -> None:
    """A model with a large gradient is scaled to the norm; the other one's is left alone."""
    layer = Linear(2, 3, 3, 1.0, generator())
    layer(
        torch.randn(2, 5, 3, generator=generator(1)) * torch.tensor([100.0, 1e-3]).view(2, 1, 1)
    ).sum().backward()
    before = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    layer.bias.grad = torch.zeros_like(layer.bias)
    norms = clip_by_model(layer.parameters(), 1.0)
    assert layer.weight.grad is not None
    assert norms == pytest.approx(before[0].flatten(1).norm(dim=1).tolist(), rel=1e-5)
    assert layer.weight.grad[0].norm() == pytest.approx(1.0, rel=1e-4)
    assert torch.equal(layer.weight.grad[1], before[0][1])


def test_idle_models_stay() -> None:
    """Adam's momentum does not move a model that has nothing to learn from, nor is it lost."""
    mlp = MLP(2, 3, (4,), "tanh", generator())
    optimiser = Adam(mlp.parameters(), 0.1)

    def step(share: list[float]) -> None:
        optimiser.zero_grad()
        (mlp(torch.ones(2, 5, 3)).sum((1, 2)) * torch.tensor(share)).sum().backward()
        optimiser.step()

    step([1.0, 1.0])
    weight = next(mlp.parameters())
    before, momentum = weight.data.clone(), optimiser.mean[0].clone()
    with held_still(mlp.parameters(), optimiser, [1]):
        step([1.0, 0.0])
    assert torch.equal(weight[1], before[1])
    assert torch.equal(optimiser.mean[0][1], momentum[1])
    assert not torch.equal(weight[0], before[0])


def test_adam_is_torchs() -> None:
    """Twenty steps on the same gradients, one parameter without any for a while, equal torch.optim's."""
    ours = [nn.Parameter(torch.randn(3, 2, generator=generator(i))) for i in range(2)]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    adam, reference = Adam(ours, 0.01), torch.optim.Adam(theirs, lr=0.01, eps=1e-5)
    for step in range(20):
        for i, (own, other) in enumerate(zip(ours, theirs, strict=True)):
            gradient = torch.randn(3, 2, generator=generator(100 * step + i))
            own.grad = other.grad = None if i and step < 5 else gradient
        adam.step()
        reference.step()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, atol=1e-6, rtol=1e-5)
    adam.zero_grad()
    assert all(own.grad is None for own in ours)
