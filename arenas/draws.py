"""Random numbers in the kernel: SplitMix64 (Steele, Lea, Flood 2014) over one uint64 of each copy.

A copy's draws depend on its seed alone, so copy k of a batch equals a lone copy bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from arenas.jit import compiled

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@compiled
def word(rng_1: NDArray[np.uint64]) -> np.uint64:
    """The next 64 bits."""
    rng_1[0] += _GAMMA
    z = rng_1[0]
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)  # type: ignore[no-any-return]  # a uint64 scalar


@compiled
def uniform(rng_1: NDArray[np.uint64]) -> float:
    """A number in [0, 1), of 53 bits."""
    return float(word(rng_1) >> _S11) * 2.0**-53


@compiled
def below(rng_1: NDArray[np.uint64], bound: int) -> int:
    """A whole number in 0..bound-1."""
    return int(uniform(rng_1) * bound)


@compiled
def normal(rng_1: NDArray[np.uint64]) -> float:
    """A standard normal number (Box, Muller 1958; the cosine half)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(rng_1)))
    return radius * math.cos(2.0 * math.pi * uniform(rng_1))


@compiled
def poisson(rng_1: NDArray[np.uint64], mean: float) -> int:
    """A Poisson number by multiplication of uniforms (Knuth); meant for means below some dozens."""
    limit = math.exp(-mean)
    count, product = 0, uniform(rng_1)
    while product > limit:
        count += 1
        product *= uniform(rng_1)
    return count
