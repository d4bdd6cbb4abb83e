"""Where a learner's tensors live: the one bridge between NumPy's arrays and them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from marl.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

PATTERN = r"^(cpu|cuda(:\d+)?)$"
CPU = torch.device("cpu")


def device_of(name: str, where: str) -> torch.device:
    """The device of a setting; ConfigError where this machine has none such."""
    device = torch.device(name)
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= found:
        raise ConfigError(
            f"{where}: device",
            got=repr(name),
            expected=f"one of this machine's: cpu{''.join(f', cuda:{i}' for i in range(found))}",
            remedy='Use device = "cpu", or a build of torch with CUDA on a machine with a GPU.',
        )
    return device


def to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    """An array where the nets are; on a CPU both share their memory."""
    return torch.from_numpy(array).to(device)


def to_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor as an array; on a CPU both share their memory."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
