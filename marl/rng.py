"""Counter-based random numbers over arrays.

A draw depends on its key alone, never on what it is batched with.

The generator is SplitMix64's output function (Steele, Lea, Flood 2014) over key + counter * golden gamma.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_GAMMA_INT, _M1_INT, _M2_INT = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_GAMMA, _M1, _M2 = np.uint64(_GAMMA_INT), np.uint64(_M1_INT), np.uint64(_M2_INT)
_WORD = 2**64 - 1


def mix(*parts: ArrayLike) -> NDArray[np.uint64]:
    """One 64-bit key from several numbers that broadcast: `mix(seed_R, seat_R, decision_R)`."""
    key = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            words = np.asarray(part)
            words = words.astype(np.uint64) if words.dtype != np.uint64 else words
            key = _finish((key ^ words) * _GAMMA + _GAMMA)
    return np.asarray(key)


def uniforms(key_R: NDArray[np.uint64], count: int) -> NDArray[np.float32]:
    """`count` numbers in the open interval (0, 1) for each key: shape (R, count), float32."""
    with np.errstate(over="ignore"):
        counters = (np.arange(1, count + 1, dtype=np.uint64) * _GAMMA)[None, :]
        words = _finish(key_R[:, None] + counters)
    return ((words >> np.uint64(41)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)


def seed_of(*parts: int) -> int:
    """A 63-bit seed (it fits a signed column of a data base) from whole numbers, negative ones included."""
    words = [np.uint64(part & 0xFFFFFFFFFFFFFFFF) for part in parts]
    return int(mix(*words)) >> 1


def reseed(generator: np.random.Generator, seed: int) -> None:
    """Put a generator on PCG64 into the state of a seed (its low 64 bits), cheaper than making a new one."""
    words = [_finish_int((seed + i * _GAMMA_INT) & _WORD) for i in range(1, 5)]
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3] | 1},
        "has_uint32": 0,
        "uinteger": 0,
    }


def _finish_int(word: int) -> int:
    word = (word ^ (word >> 30)) * _M1_INT & _WORD
    word = (word ^ (word >> 27)) * _M2_INT & _WORD
    return word ^ (word >> 31)


def _finish(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * _M1
    word = (word ^ (word >> np.uint64(27))) * _M2
    return np.asarray(word ^ (word >> np.uint64(31)))
