"""The kernel's random numbers, from Python's integers."""

from __future__ import annotations

import math


class Draws:
    """SplitMix64 on Python's integers."""

    def __init__(self, seed: int) -> None:
        self.state = seed
        self.state = self.word()

    def word(self) -> int:
        """The next 64 bits."""
        whole = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & whole
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & whole
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & whole
        return z ^ (z >> 31)

    def uniform(self) -> float:
        """In [0, 1)."""
        return (self.word() >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """In 0..bound-1."""
        return int(self.uniform() * bound)

    def normal(self) -> float:
        """Box and Muller's cosine half."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def poisson(self, mean: float) -> int:
        """By multiplication of uniforms."""
        count, product = 0, self.uniform()
        while product > math.exp(-mean):
            count += 1
            product *= self.uniform()
        return count
