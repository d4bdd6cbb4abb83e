"""Images among features: which leaves are images, and a small CNN for P models that looks at them.

A picture is a box of bytes of two dimensions (H, W), three (the shorter of the outer axes holds the channels;
the last, where they are equal) or four (frames, then an image), at least `LEAST` high and wide. Among
features it lies flat, scaled to [0, 1].

Axes: P models, R rows, F features, C channels, H height, W width.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from agents.features import leaf_size
from agents.layers import MLP, Linear

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from marl.spaces import Leaf
    from marl.spec import Role

LEAST = 8
"""A smaller box of bytes is no image: its numbers are features like any others."""
FILTERS = {
    36: ((32, 8, 4), (64, 4, 2), (64, 3, 1)),
    16: ((32, 4, 2), (64, 3, 2), (64, 3, 1)),
    LEAST: ((16, 3, 1), (32, 3, 2)),
}
"""Filters, kernel and stride of each layer, by the least side they suit; the first are Mnih et al. 2015's."""
LITTLE = 16_000
"""Below so many numbers a model one grouped convolution costs less than a convolution for each model; above,
it costs more, with many models much more (tests/bench/images.py)."""


@dataclass(frozen=True)
class Picture:
    """An image of `shape`, as its leaf has it, at `start` among features; equal `eye`s share weights."""

    start: int
    shape: tuple[int, ...]
    eye: int = 0

    @property
    def span(self) -> slice:
        """Where it lies."""
        return slice(self.start, self.start + math.prod(self.shape))

    @property
    def order(self) -> tuple[int, ...]:
        """Its axes, so that height and width come last."""
        return _order(self.shape)

    @property
    def chw(self) -> tuple[int, int, int]:
        """Channels (those of all frames), height and width."""
        *outer, height, width = (self.shape[axis] for axis in self.order)
        return math.prod(outer), height, width

    def moved(self, by: int, eyes: int) -> Picture:
        """The same `by` features later, among eyes that stand behind `eyes` others."""
        return replace(self, start=self.start + by, eye=self.eye + eyes)


def pictures_of(role: Role) -> tuple[Picture, ...]:
    """The images among a role's features, each with an eye of its own."""
    ends = list(itertools.accumulate((leaf_size(leaf) for leaf in role.observation), initial=0))
    at = [(start, leaf) for start, leaf in zip(ends, role.observation, strict=False) if _is_image(leaf)]
    return tuple(Picture(start, leaf.shape, eye) for eye, (start, leaf) in enumerate(at))


def _is_image(leaf: Leaf) -> bool:
    if leaf.kind != "box" or leaf.dtype != "u1" or len(leaf.shape) not in {2, 3, 4}:
        return False
    return min(Picture(0, leaf.shape).chw[1:]) >= LEAST


def _order(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 4:
        return (0, *(1 + axis for axis in _order(shape[1:])))
    if len(shape) == 3:
        return (0, 1, 2) if shape[0] < shape[2] else (2, 0, 1)
    return (0, 1)


class Convolution(Linear):
    """P convolutions without padding."""

    def __init__(
        self, models: int, channels: int, filters: int, kernel: int, stride: int, generator: torch.Generator
    ) -> None:
        super().__init__(models, channels * kernel**2, filters, math.sqrt(2), generator)
        self.kernel, self.stride = kernel, stride

    def filters(self) -> Tensor:
        """The weights as convolutions have them, (P * filters, channels, kernel, kernel)."""
        return self.weight.transpose(1, 2).reshape(-1, self.channels, self.kernel, self.kernel)

    @property
    def channels(self) -> int:
        """C of each model's input."""
        return self.weight.shape[1] // self.kernel**2

    def forward(self, x: Tensor) -> Tensor:
        """(R, P * channels, H, W) to (R, P * filters, H', W'), all models in one grouped product."""
        bias = self.bias.flatten()
        return nn.functional.conv2d(x, self.filters(), bias, self.stride, groups=len(self.weight))

    def each(self, x_P: Iterable[Tensor]) -> list[Tensor]:
        """(R, channels, H, W) of each model to (R, filters, H', W')."""
        filters_P = self.filters().chunk(len(self.weight))
        return [
            nn.functional.conv2d(x, filters, bias.flatten(), self.stride)
            for x, filters, bias in zip(x_P, filters_P, self.bias, strict=True)
        ]


class Eye(nn.Module):
    """Layers of filters, each followed by a rectifier, for images of one shape."""

    def __init__(self, models: int, chw: tuple[int, int, int], generator: torch.Generator) -> None:
        super().__init__()
        channels, *sides = chw
        layers = []
        for filters, kernel, stride in FILTERS[max(least for least in FILTERS if least <= min(sides))]:
            layers.append(Convolution(models, channels, filters, kernel, stride, generator))
            channels, sides = filters, [(side - kernel) // stride + 1 for side in sides]
        self.layers = nn.ModuleList(layers)
        self.size = channels * math.prod(sides)

    def forward(self, x_PRCHW: Tensor) -> Tensor:
        """(P, R, C, H, W) to (P, R, size)."""
        models, rows = x_PRCHW.shape[:2]
        if models > 1 and x_PRCHW[0].numel() < LITTLE:
            x = x_PRCHW.transpose(0, 1).flatten(1, 2)
            for layer in self.layers:
                x = torch.relu(layer(x))
            return x.reshape(rows, models, self.size).transpose(0, 1)
        x_P = list(x_PRCHW.unbind())
        for layer in self.layers:
            assert isinstance(layer, Convolution)  # there are no others
            x_P = [torch.relu(x) for x in layer.each(x_P)]
        return torch.stack([x.flatten(1) for x in x_P])


class Sighted(nn.Module):
    """Hidden layers that see images through eyes, and beside them all other features as they are."""

    def __init__(
        self,
        models: int,
        inputs: int,
        pictures: Sequence[Picture],
        hidden: Sequence[int],
        activation: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.pictures = tuple(pictures)
        self.plain = between(self.pictures, inputs)
        shapes = {picture.eye: picture.chw for picture in self.pictures}
        self.eyes = nn.ModuleList(Eye(models, shapes[eye], generator) for eye in sorted(shapes))
        seen = sum(self._eye(picture).size for picture in self.pictures)
        plain = sum(part.stop - part.start for part in self.plain)
        self.mlp = MLP(models, plain + seen, hidden, activation, generator)

    def _eye(self, picture: Picture) -> Eye:
        eye = self.eyes[picture.eye]
        assert isinstance(eye, Eye)
        return eye

    def forward(self, x_PRF: Tensor) -> Tensor:
        """(P, R, inputs) to (P, R, last hidden)."""
        parts = [x_PRF[..., part] for part in self.plain]
        for picture in self.pictures:
            image = x_PRF[..., picture.span]
            image = image.reshape(*image.shape[:2], *picture.shape).permute(
                0, 1, *(2 + axis for axis in picture.order)
            )
            parts.append(self._eye(picture)(image.reshape(*image.shape[:2], *picture.chw)))
        hidden: Tensor = self.mlp(torch.cat(parts, -1))
        return hidden


def between(pictures: Iterable[Picture], inputs: int) -> tuple[slice, ...]:
    """The spans of inputs that are no pictures."""
    edges = [0, *itertools.chain(*((p.span.start, p.span.stop) for p in pictures)), inputs]
    return tuple(slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b)
