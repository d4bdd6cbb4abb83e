"""Networks whose every parameter leads with an axis of P models, evaluated as one batched product.

Shared parameters are P = 1; unshared seats, and frozen policies of one architecture, are stacked along P. Axes: P models,
R rows of each, F features, M memory, C choices and box numbers that the heads put out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marl.spaces import Leaf

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


class Linear(nn.Module):
    """P linear maps. Orthogonal start of the given gain, the same for each model only by chance."""

    def __init__(self, models: int, inputs: int, outputs: int, gain: float, generator: torch.Generator) -> None:
        super().__init__()
        weight = torch.empty(models, inputs, outputs)
        for part in weight:
            nn.init.orthogonal_(part, gain, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(models, 1, outputs))

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, inputs) to (P, R, outputs)."""
        if len(self.weight) == 1:
            return torch.addmm(self.bias[0], x_PRF[0], self.weight[0]).unsqueeze(0)
        return torch.baddbmm(self.bias, x_PRF, self.weight)


class MLP(nn.Module):
    """Hidden layers, each followed by its activation."""

    def __init__(
        self, models: int, inputs: int, hidden: Sequence[int], activation: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = [inputs, *hidden]
        gain = math.sqrt(2)
        self.layers = nn.ModuleList(
            Linear(models, a, b, gain, generator) for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.activation = ACTIVATIONS[activation]

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, inputs) to (P, R, last hidden)."""
        for layer in self.layers:
            x_PRF = self.activation(layer(x_PRF))
        return x_PRF


class GRU(nn.Module):
    """P gated recurrent cells (Cho et al. 2014): one step of memory."""

    def __init__(self, models: int, inputs: int, memory: int, generator: torch.Generator) -> None:
        super().__init__()
        self.gates = Linear(models, inputs + memory, 2 * memory, 1.0, generator)
        self.candidate = Linear(models, inputs + memory, memory, 1.0, generator)

    def forward(self, x_PRF: Tensor, memory_PRM: Tensor) -> Tensor:
        """The next memory."""
        reset, keep = torch.sigmoid(self.gates(torch.cat([x_PRF, memory_PRM], -1))).chunk(2, -1)
        fresh = torch.tanh(self.candidate(torch.cat([x_PRF, reset * memory_PRM], -1)))
        return keep * memory_PRM + (1 - keep) * fresh


class ActorNet(nn.Module):
    """Observation features to what the action heads need, through memory where `memory` > 0.

    Input is normalised inside: `mean`, `scale` (P, 1, F) travel with the weights, so that a snapshot needs nothing beside it.
    """

    mean: Tensor
    scale: Tensor

    def __init__(  # noqa: PLR0913  # an architecture has this many numbers
        self,
        models: int,
        features: int,
        action: Sequence[Leaf],
        hidden: Sequence[int],
        activation: str,
        memory: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.memory_size = memory
        self.register_buffer("mean", torch.zeros(models, 1, features))
        self.register_buffer("scale", torch.ones(models, 1, features))
        self.body = MLP(models, features, hidden, activation, generator)
        self.core = GRU(models, hidden[-1], memory, generator) if memory else None
        boxes = sum(leaf.size for leaf in action if leaf.kind == "box")
        counted = sum(sum(leaf.choices) or (2 * leaf.size if leaf.kind == "multibinary" else 0) for leaf in action)
        self.head = Linear(models, memory or hidden[-1], counted + boxes, 0.01, generator)
        self.log_std = nn.Parameter(torch.zeros(models, 1, boxes)) if boxes else None

    def features(self, x_PRF: Tensor, memory_PRM: Tensor) -> tuple[Tensor, Tensor]:
        """What the heads see, and the next memory."""
        hidden = self.body(((x_PRF - self.mean) * self.scale).clamp(-10, 10))
        if self.core is None:
            return hidden, memory_PRM
        memory = self.core(hidden, memory_PRM)
        return memory, memory

    def forward(self, x_PRF: Tensor, memory_PRM: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and means side by side (P, R, C), and the next memory (P, R, M)."""
        seen, memory = self.features(x_PRF, memory_PRM)
        return self.head(seen), memory


class CriticNet(nn.Module):
    """Features (an observation's, a state's, or the actor's memory) to one normalised value."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self, models: int, features: int, hidden: Sequence[int], activation: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(models, 1, features))
        self.register_buffer("scale", torch.ones(models, 1, features))
        self.body = MLP(models, features, hidden, activation, generator)
        self.head = Linear(models, hidden[-1], 1, 1.0, generator)

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, F) to (P, R)."""
        return self.head(self.body(((x_PRF - self.mean) * self.scale).clamp(-10, 10))).squeeze(-1)
