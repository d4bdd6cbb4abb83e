"""Layers whose every parameter leads with an axis of P models, evaluated as one batched product.

Axes: P models, R rows of each, F features, M memory, G gates.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.devices import to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.normalise import RunningMoments


class _Tanh(torch.autograd.Function):
    """NumPy's tanh of float32 takes a tenth of torch's time on a CPU, at equal precision."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401  # torch's context
        """Elementwise."""
        y = torch.from_numpy(np.tanh(x.detach().numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401  # torch's context
        """Gradient times 1 - y**2."""
        result: Tensor = torch.ops.aten.tanh_backward(gradients[0], ctx.saved_tensors[0])
        return result


def tanh(x: Tensor) -> Tensor:
    """Elementwise, the same numbers with and without gradients."""
    if x.device.type != "cpu":
        return torch.tanh(x)
    if torch.is_grad_enabled():
        result: Tensor = _Tanh.apply(x)  # type: ignore[no-untyped-call]  # torch's is not typed
        return result
    return torch.from_numpy(np.tanh(x.numpy()))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": tanh, "relu": torch.relu}


class Linear(nn.Module):
    """P linear maps. Orthogonal start (Saxe et al. 2014) for each of `blocks` equal parts of the outputs."""

    def __init__(
        self, models: int, inputs: int, outputs: int, gain: float, generator: torch.Generator, blocks: int = 1
    ) -> None:
        super().__init__()
        weight = torch.empty(models, inputs, outputs)
        for part in weight:
            for block in part.chunk(blocks, 1):
                block.copy_(nn.init.orthogonal_(torch.empty(block.shape), gain, generator=generator))
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(models, 1, outputs))

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, inputs) to (P, R, outputs)."""
        if len(self.weight) == 1:
            bias, weight = self.bias.squeeze(0), self.weight.squeeze(0)
            return torch.addmm(bias, x_PRF.squeeze(0), weight).unsqueeze(0)
        return torch.baddbmm(self.bias, x_PRF, self.weight)

    @torch.no_grad()
    def rescale(self, ratio_P: Tensor, shift_P: Tensor) -> None:
        """Let every output y become y * ratio + shift."""
        ratio, shift = ratio_P.view(-1, 1, 1), shift_P.view(-1, 1, 1)
        self.weight.mul_(ratio)
        self.bias.mul_(ratio).add_(shift)


class MLP(nn.Module):
    """Hidden layers, each followed by its activation."""

    def __init__(
        self, models: int, inputs: int, hidden: Sequence[int], activation: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = [inputs, *hidden]
        gain = math.sqrt(2)
        self.layers = nn.ModuleList(
            Linear(models, a, b, gain, generator) for a, b in itertools.pairwise(sizes)
        )
        self.activation = ACTIVATIONS[activation]

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, inputs) to (P, R, last hidden)."""
        for layer in self.layers:
            x_PRF = self.activation(layer(x_PRF))
        return x_PRF


class GRU(nn.Module):
    """P gated recurrent cells (Cho et al. 2014, with the reset gate after the product, as cuDNN has it)."""

    def __init__(self, models: int, inputs: int, memory: int, generator: torch.Generator) -> None:
        super().__init__()
        self.input = Linear(models, inputs, 3 * memory, 1.0, generator, blocks=3)
        self.recurrent = Linear(models, memory, 3 * memory, 1.0, generator, blocks=3)

    def step(self, gates_PRG: Tensor, memory_PRM: Tensor) -> Tensor:
        """The next memory, from `input` of what is seen."""
        reset, keep, fresh = gates_PRG.chunk(3, -1)
        old_reset, old_keep, old_fresh = self.recurrent(memory_PRM).chunk(3, -1)
        candidate = tanh(fresh + torch.sigmoid(reset + old_reset) * old_fresh)
        return torch.lerp(candidate, memory_PRM, torch.sigmoid(keep + old_keep))


class Inputs(nn.Module):
    """Scales inputs to unit moments and clips them at 10; a part of the net, so that a snapshot holds it."""

    mean: Tensor
    scale: Tensor

    def __init__(self, models: int, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(models, 1, features))
        self.register_buffer("scale", torch.ones(models, 1, features))

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, F) alike."""
        return ((x_PRF - self.mean) * self.scale).clamp_(-10, 10)

    def shared(self, x: Tensor) -> Tensor:
        """(..., F) alike, where all models have the same moments, as those of a learner do."""
        return ((x - self.mean[0, 0]) * self.scale[0, 0]).clamp_(-10, 10)

    def set(self, moments: RunningMoments) -> None:
        """Scale by these moments from now on, in all models."""
        self.mean.copy_(to_tensor(moments.mean, self.mean.device).expand_as(self.mean))
        self.scale.copy_(to_tensor(moments.scale, self.scale.device).expand_as(self.scale))
