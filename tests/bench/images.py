"""Images seen by seats with filters of their own: the layers in `agents.images` beside other ways to do it.

python tests/bench/images.py [--quick] [--json]

Forward and backward passes of all filters of N seats, on one thread, in turns: ours beside one grouped
convolution a layer for all seats, and beside a plain loop over seats. The unit is images per CPU second of a
thread, so that other load on the machine hardly moves it.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import itertools
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from agents.images import Convolution, Eye
from tests.bench.table import Row, in_turns, options, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGES = ((4, 84, 84), (3, 32, 32), (3, 11, 11))
SEATS, BATCHES = (2, 4, 8), (8, 64, 256, 1024)


def layers(eye: Eye) -> Iterator[Convolution]:
    """Its convolutions."""
    for layer in eye.layers:
        assert isinstance(layer, Convolution)  # an eye has no others
        yield layer


def grouped(eye: Eye, x_PRCHW: Tensor) -> Tensor:
    """One convolution a layer, a group for each seat."""
    seats, rows = x_PRCHW.shape[:2]
    x = x_PRCHW.transpose(0, 1).flatten(1, 2)
    for layer in layers(eye):
        filters = layer.weight.transpose(1, 2).reshape(-1, layer.channels, layer.kernel, layer.kernel)
        x = torch.relu(conv2d(x, filters, layer.bias.flatten(), layer.stride, groups=seats))
    return x.reshape(rows, seats, -1).transpose(0, 1)


def looped(eye: Eye, x_PRCHW: Tensor) -> Tensor:
    """The layers of one seat after those of another."""
    found = []
    for seat, image in enumerate(x_PRCHW):
        seen = image
        for layer in layers(eye):
            filters = layer.weight[seat].T.reshape(-1, layer.channels, layer.kernel, layer.kernel)
            seen = torch.relu(conv2d(seen, filters, layer.bias[seat, 0], layer.stride))
        found.append(seen.flatten(1))
    return torch.stack(found)


def timed(see: Callable[[Tensor], Tensor], eye: Eye, x_PRCHW: Tensor) -> Callable[[], float]:
    """Images per CPU second of a forward and backward pass."""

    def measure() -> float:
        began_s = time.thread_time()
        see(x_PRCHW).square().sum().backward()  # type: ignore[no-untyped-call]  # torch's is not typed
        eye.zero_grad()
        return len(x_PRCHW) * x_PRCHW.shape[1] / (time.thread_time() - began_s)

    measure()
    return measure


def compare(chw: tuple[int, int, int], seats: int, batch: int, runs: int) -> list[Row]:
    """Ours beside both other ways."""
    generator = torch.Generator().manual_seed(0)
    eye = Eye(seats, chw, generator)
    x_PRCHW = torch.rand(seats, batch, *chw, generator=generator)
    others: dict[str, Callable[[Tensor], Tensor]] = {
        "one grouped convolution a layer": partial(grouped, eye),
        "a loop over seats": partial(looped, eye),
    }
    for other in others.values():
        assert torch.allclose(eye(x_PRCHW), other(x_PRCHW), atol=1e-4)
    ways: list[Callable[[Tensor], Tensor]] = [eye, *others.values()]
    sides = [timed(see, eye, x_PRCHW) for see in ways]
    ours, *theirs = in_turns(runs, *sides)
    channels, height, width = chw
    work = f"{height}x{width}x{channels}, {seats} seats, batch {batch}"
    return [
        Row(work, name, rate, ours, "images/CPU s", 0.9) for name, rate in zip(others, theirs, strict=True)
    ]


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "")
    torch.set_num_threads(1)
    batches, runs = (BATCHES[:2], 1) if asked.quick else (BATCHES, 5)
    rows: list[Row] = []
    for chw, seats, batch in itertools.product(IMAGES, SEATS, batches):
        rows += compare(chw, seats, batch, runs)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
