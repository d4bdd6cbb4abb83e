"""Networks whose every parameter leads with an axis of P models, evaluated as one batched product.

Shared parameters are P = 1; unshared seats, and frozen policies of one architecture, are stacked along P.
Axes: P models, R rows of each, T decisions of a row, F features, M memory, C choices and box numbers that the
heads put out.
"""

from __future__ import annotations

import copy
import itertools
import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from agents.distributions import draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agents.distributions import ActionHeads
    from agents.normalise import RunningMoments
    from marl.spaces import Leaf

Net = TypeVar("Net", bound=nn.Module)


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
        self.mean.copy_(torch.from_numpy(moments.mean).expand_as(self.mean))
        self.scale.copy_(torch.from_numpy(moments.scale).expand_as(self.scale))


class ActorNet(nn.Module):
    """Observation features to what the action heads need, through memory where `memory` > 0.

    Box numbers: `squashed` says how they are played, `spread` whether theirs is a parameter ("free") or
    follows the observation ("state").
    """

    def __init__(
        self,
        models: int,
        features: int,
        action: Sequence[Leaf],
        hidden: Sequence[int],
        activation: str,
        memory: int,
        generator: torch.Generator,
        *,
        squashed: bool = False,
        spread: str = "free",
    ) -> None:
        super().__init__()
        self.memory_size, self.squashed = memory, squashed
        self.inputs = Inputs(models, features)
        self.body = MLP(models, features, hidden, activation, generator)
        self.core = GRU(models, hidden[-1], memory, generator) if memory else None
        boxes = sum(leaf.size for leaf in action if leaf.kind == "box")
        counted = sum(
            sum(leaf.choices) or (2 * leaf.size if leaf.kind == "multibinary" else 0) for leaf in action
        )
        free = spread == "free"
        outputs = counted + boxes * (1 if free else 2)
        self.head = Linear(models, memory or hidden[-1], outputs, 0.01, generator)
        self.log_std = nn.Parameter(torch.zeros(models, 1, boxes)) if boxes and free else None

    @property
    def models(self) -> int:
        """P."""
        return len(self.head.weight)

    def seen(self, inputs_PRF: Tensor, memory_PRM: Tensor) -> Tensor:
        """What the heads see, from scaled inputs; with memory, this is the next memory."""
        hidden = self.body(inputs_PRF)
        return hidden if self.core is None else self.core.step(self.core.input(hidden), memory_PRM)

    def out(self, seen_PRH: Tensor) -> Tensor:
        """What the heads put out, (P, R, C)."""
        out_PRC: Tensor = self.head(seen_PRH)
        return out_PRC

    def direct(self, inputs_PRF: Tensor) -> Tensor:
        """What the heads of a net without memory put out for scaled inputs."""
        return self.out(self.body(inputs_PRF))

    def choose(
        self, heads: ActionHeads, out_PRC: Tensor, legal_PRA: Tensor | None, uniform_PRU: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities for outputs, as `draw` has them."""
        return draw(heads, out_PRC, legal_PRA, self.log_std, uniform_PRU)

    def unroll(self, inputs_PRTF: Tensor, first_PRT: Tensor, memory_PRM: Tensor) -> Tensor:
        """What the heads see at T decisions of each row, (P, R, T, M); memory starts anew where `first`."""
        assert self.core is not None
        models, rows, length = first_PRT.shape
        gates = self.core.input(self.body(inputs_PRTF.flatten(1, 2))).view(models, rows, length, -1)
        kept = (~first_PRT).to(gates.dtype).unsqueeze(-1)
        seen = []
        for gates_PRG, kept_PR1 in zip(gates.unbind(2), kept.unbind(2), strict=True):
            memory_PRM = self.core.step(gates_PRG, memory_PRM * kept_PR1)
            seen.append(memory_PRM)
        return torch.stack(seen, 2)

    def forward(self, x_PRF: Tensor, memory_PRM: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and means side by side (P, R, C), and the next memory (P, R, M)."""
        seen = self.seen(self.inputs(x_PRF), memory_PRM)
        return self.out(seen), memory_PRM if self.core is None else seen


class CriticNet(nn.Module):
    """Features (an observation's, a state's, or the actor's memory) to one normalised value."""

    def __init__(
        self, models: int, features: int, hidden: Sequence[int], activation: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.inputs = Inputs(models, features)
        self.body = MLP(models, features, hidden, activation, generator)
        self.head = Linear(models, hidden[-1], 1, 1.0, generator)

    def forward(self, inputs_PRF: Tensor) -> Tensor:
        """(P, R, F), already scaled by `inputs`, to (P, R)."""
        value: Tensor = self.head(self.body(inputs_PRF)).squeeze(-1)
        return value


@torch.no_grad()
def stacked(nets: Sequence[Net]) -> Net:
    """Networks of one architecture as one, side by side along P; a copy, which follows none of them."""
    made = copy.deepcopy(nets[0])
    for module, *parts in zip(made.modules(), *[net.modules() for net in nets], strict=True):
        for name, _ in list(module.named_parameters(recurse=False)):
            joined = torch.cat([part.get_parameter(name) for part in parts])
            setattr(module, name, nn.Parameter(joined, requires_grad=False))
        for name, _ in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.cat([part.get_buffer(name) for part in parts]))
    return made
