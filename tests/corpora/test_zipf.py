"""Zipf text has the frequencies and the entropy that it claims."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.splitmix import uniforms
from isoglot.corpora.lexicon import lexicon
from isoglot.corpora.zipf import Zipf, draw, entropy, zipf_probabilities


def test_frequencies_follow_the_law() -> None:
    text, words = Zipf(50, exponent=1.2, lines=500, length=20), lexicon(("synA",), 50).words["synA"]
    counts = Counter(word for seed in range(5) for line in text.render(seed, words) for word in line.split())
    expected = 50_000 * zipf_probabilities(50, 1.2)
    found = np.array([counts[word] for word in words])
    # Chi-square with 49 degrees of freedom: 85.4 is its 99.9 % point.
    assert ((found - expected) ** 2 / expected).sum() < 85.4


def test_entropy_of_known_distributions() -> None:
    assert entropy(zipf_probabilities(64, 0.0)) == pytest.approx(6)
    assert entropy(np.array([0.5, 0.5, 0.0])) == 1
    assert Zipf(64, exponent=0.0).figures()["entropy_bits_per_word"] == pytest.approx(6)


def test_the_floor_is_bits_over_the_bytes_of_the_text() -> None:
    text = Zipf(64, exponent=0.7, lines=3, length=5)
    size = len("\n".join(text.render(1, lexicon(("synA",), 64).words["synA"])).encode())
    figures = text.figures()
    assert figures["floor_bits_per_byte"] == pytest.approx(15 * figures["entropy_bits_per_word"] / size)


def test_the_largest_uniform_number_draws_the_last_outcome() -> None:
    cumulative = np.array([0.3, 0.6, 0.9999999999999999])
    assert draw(cumulative, np.array([0.0, 0.3, 0.59, 1 - 2**-53])).tolist() == [0, 1, 1, 2]
    assert draw(np.cumsum(zipf_probabilities(7, 1.0)), uniforms(3, 1000)).max() == 6


def test_impossible_text_is_refused() -> None:
    with pytest.raises(InputError, match=r"zipf has exponent=-1"):
        Zipf(10, exponent=-1)
    with pytest.raises(InputError, match=r"documents have lines=0 of words=12"):
        Zipf(10, lines=0)
