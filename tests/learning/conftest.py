"""Where the tests of this folder learn: on the CPU, or on the GPU that MARL_TEST_DEVICE names."""

from __future__ import annotations

import pytest
import torch

from tests.learning.practice import DEVICE


@pytest.fixture(autouse=True)
def on_a_device_that_is_there() -> None:
    """Skips where there is none such."""
    device = torch.device(DEVICE)
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= found:
        pytest.skip(f"MARL_TEST_DEVICE={DEVICE}: no such GPU here")
