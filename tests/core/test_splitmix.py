"""SplitMix64 against its reference, and what is drawn with it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.splitmix import GOLDEN, WORD, outputs, permutation, seed_from, uniforms

QUICK = settings(max_examples=100, deadline=None)


def test_the_golden_step_is_the_floor() -> None:
    # 2**64 / phi, with phi to 40 digits.
    phi = Fraction("1.6180339887498948482045868343656381177203")
    assert math.floor(WORD / phi) == GOLDEN


def test_splitmix_gives_its_published_numbers() -> None:
    # First outputs of the reference generator from seed 1234567.
    assert outputs(1234567, 5).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@QUICK
@given(st.integers(0, 2**64 - 1), st.integers(1, 500))
def test_permutation_permutes(seed: int, size: int) -> None:
    np.testing.assert_array_equal(np.sort(permutation(seed, size)), np.arange(size))


def test_permutations_are_uniform() -> None:
    first = np.array([permutation(seed * GOLDEN % 2**64, 6)[0] for seed in range(6000)])
    counts = np.bincount(first, minlength=6)
    # Chi-square with 5 degrees of freedom: 20.5 is its 99.9 % point.
    assert ((counts - 1000) ** 2 / 1000).sum() < 20.5


def test_uniforms_are_uniform_and_never_one() -> None:
    drawn = np.sort(uniforms(seed_from("test"), 100_000))
    assert 0 <= drawn[0] and drawn[-1] < 1
    # Kolmogorov's statistic: 1.95 / sqrt(n) is its 99.9 % point.
    assert np.abs(drawn - np.arange(100_000) / 100_000).max() < 1.95 / math.sqrt(100_000)
    assert (WORD - 1 >> 11) * 2.0**-53 < 1
