"""Adam without torch.optim, which imports torch's compiler at first use: a second of each process's start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agents.devices import to_array, to_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1), with epsilon beside the corrected root as in torch.optim.

    Parameters without a gradient are left out of a step, and count no step then.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        *,
        decay: float = 0.9,
        square_decay: float = 0.999,
        eps: float = 1e-5,
    ) -> None:
        self.parameters = list(parameters)
        self.lr = lr
        self._decay, self._square_decay, self._eps = decay, square_decay, eps
        self.mean = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self.square = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self.steps = np.zeros(len(self.parameters), np.int64)
        """How often each parameter has been moved."""

    def reset(self) -> None:
        """Forget all that was seen: what is minimised from now on has gradients of another size."""
        for tensor in (*self.mean, *self.square):
            tensor.zero_()
        self.steps[:] = 0

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        held = [i for i, parameter in enumerate(self.parameters) if parameter.grad is not None]
        self.steps[held] += 1
        for i, steps in zip(held, self.steps[held].tolist(), strict=True):
            parameter, mean, square = self.parameters[i], self.mean[i], self.square[i]
            gradient = parameter.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - self._decay)
            square.mul_(self._square_decay).addcmul_(gradient, gradient, value=1 - self._square_decay)
            root = square.sqrt().div_(math.sqrt(1 - self._square_decay**steps)).add_(self._eps)
            parameter.addcdiv_(mean, root, value=-self.lr / (1 - self._decay**steps))

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything needed to go on, but `lr`."""
        arrays = {f"mean.{i}": to_array(tensor) for i, tensor in enumerate(self.mean)}
        arrays |= {f"square.{i}": to_array(tensor) for i, tensor in enumerate(self.square)}
        return {**arrays, "steps": self.steps}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`."""
        for name, tensors in (("mean", self.mean), ("square", self.square)):
            for i, tensor in enumerate(tensors):
                tensor.copy_(to_tensor(state[f"{name}.{i}"], tensor.device))
        self.steps = np.array(state["steps"])
