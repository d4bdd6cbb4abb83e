"""Networks whose every parameter leads with an axis of P models, evaluated as one batched product.

Shared parameters are P = 1; unshared seats, and frozen policies of one architecture, are stacked along P.
Axes: P models, R rows of each, T decisions of a row, F features, M memory, C choices and box numbers that the
heads put out.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from agents.distributions import draw
from agents.images import Sighted
from agents.layers import GRU, MLP, Inputs, Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.distributions import ActionHeads
    from agents.images import Picture
    from marl.spaces import Leaf

Net = TypeVar("Net", bound=nn.Module)


class ActorNet(nn.Module):
    """Observation features to what the action heads need, through memory where `memory` > 0.

    Box numbers: `squashed` says how they are played, `spread` whether theirs is a parameter ("free") or
    follows the observation ("state"). `pictures` among the features are seen through convolutions.
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
        pictures: Sequence[Picture] = (),
    ) -> None:
        super().__init__()
        self.memory_size, self.squashed = memory, squashed
        self.inputs = Inputs(models, features)
        self.body = _body(models, features, pictures, hidden, activation, generator)
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
        self,
        models: int,
        features: int,
        hidden: Sequence[int],
        activation: str,
        generator: torch.Generator,
        pictures: Sequence[Picture] = (),
    ) -> None:
        super().__init__()
        self.inputs = Inputs(models, features)
        self.body = _body(models, features, pictures, hidden, activation, generator)
        self.head = Linear(models, hidden[-1], 1, 1.0, generator)

    def forward(self, inputs_PRF: Tensor) -> Tensor:
        """(P, R, F), already scaled by `inputs`, to (P, R)."""
        value: Tensor = self.head(self.body(inputs_PRF)).squeeze(-1)
        return value


def _body(
    models: int,
    features: int,
    pictures: Sequence[Picture],
    hidden: Sequence[int],
    activation: str,
    generator: torch.Generator,
) -> MLP | Sighted:
    if pictures:
        return Sighted(models, features, pictures, hidden, activation, generator)
    return MLP(models, features, hidden, activation, generator)


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
