"""Random numbers that are the same for good: SplitMix64, as arrays of 64-bit words.

Output i from a seed is a formula in i, so any stretch can be computed by itself and in any order. Library
generators may change what they draw from one version to the next; a run or a corpus that is named by its
fingerprint may not.

Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), section 4, with the
constants of Vigna's public-domain reference implementation.
"""

from __future__ import annotations

import hashlib

import numpy as np

WORD = 1 << 64
"""Number of 64-bit words."""
GOLDEN = 0x9E3779B97F4A7C15
"""floor(WORD / phi), phi the golden ratio: odd, so adding it WORD times visits every word once."""


def seed_from(text: str) -> int:
    """Return 64 bits of a text's SHA-256, a seed.

    >>> hex(seed_from("seed 0"))
    '0x2f5c36ed794f6390'
    """
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


def mix(words: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: a bijection of 64-bit words that scatters neighbours."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(words ^ (words >> np.uint64(31)))


def outputs(seed: int, count: int) -> np.ndarray:
    """The first `count` words of the generator, (count,) uint64; they are distinct.

    >>> [hex(word) for word in outputs(0, 2)]
    ['0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4']
    """
    return mix(np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN))


def uniforms(seed: int, count: int) -> np.ndarray:
    """The first `count` numbers uniform on [0, 1), multiples of 2^-53: (count,) float64.

    >>> uniforms(0, 2).round(3).tolist()
    [0.883, 0.432]
    """
    return (outputs(seed, count) >> np.uint64(11)) * 2.0**-53


def permutation(seed: int, size: int) -> np.ndarray:
    """An order of 0..size-1: word i is the sort key of i, (size,) unsigned integers.

    Distinct words sort in one way only, so the order does not depend on how they are sorted.

    >>> permutation(0, 5).tolist()
    [2, 4, 1, 0, 3]
    """
    return np.argsort(outputs(seed, size)).astype(np.uint32 if size < 1 << 32 else np.uint64)
