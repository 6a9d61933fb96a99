"""The Markov chain has the entropy that was asked for, in its matrix and in its text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.corpora.markov import Markov, exponent_for
from isoglot.corpora.zipf import entropy


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.floats(0.05, 1), st.integers(0, 99))
def test_entropy_is_that_of_the_matrix(types: int, share: float, seed: int) -> None:
    asked = share * np.log2(types)
    chain = Markov(types, entropy=asked, seed=seed)
    rows = np.array([entropy(row) for row in chain.transition])
    assert chain.stationary @ rows == pytest.approx(asked, abs=1e-9)
    assert chain.figures()["entropy_bits_per_word"] == pytest.approx(asked, abs=1e-9)
    np.testing.assert_allclose(chain.transition.sum(axis=1), 1)
    np.testing.assert_allclose(chain.stationary @ chain.transition, chain.stationary, atol=1e-12)
    assert chain.stationary.sum() == pytest.approx(1) and chain.stationary.min() > -1e-12
    assert chain.figures()["unigram_bits_per_word"] >= asked - 1e-9


def test_a_text_is_drawn_from_its_matrix() -> None:
    chain = Markov(20, entropy=2.5, lines=50, length=20)
    documents = [chain.concepts(seed).ravel() for seed in range(40)]
    before = np.concatenate([document[:-1] for document in documents])
    after = np.concatenate([document[1:] for document in documents])
    bits = -np.log2(chain.transition[before, after])
    # The mean surprise of the text estimates the entropy; 4 standard errors.
    assert abs(bits.mean() - 2.5) < 4 * bits.std() / np.sqrt(len(bits))
    counts = np.zeros((20, 20))
    np.add.at(counts, (before, after), 1)
    expected = counts.sum(axis=1, keepdims=True) * chain.transition
    likely = expected > 5
    # About 300 terms of mean 1 and variance 2.
    terms = ((counts - expected) ** 2 / expected)[likely]
    assert abs(terms.mean() - 1) < 4 * np.sqrt(2 / len(terms))
    frequency = np.bincount(np.concatenate(documents), minlength=20) / (40 * 1000)
    assert np.abs(frequency - chain.stationary).max() < 0.01


def test_documents_begin_in_the_stationary_distribution() -> None:
    chain = Markov(4, entropy=0.5, lines=1, length=1)
    first = np.array([chain.concepts(seed)[0, 0] for seed in range(4000)])
    expected = 4000 * chain.stationary
    # Chi-square with 3 degrees of freedom: 16.3 is its 99.9 % point.
    assert ((np.bincount(first, minlength=4) - expected) ** 2 / expected).sum() < 16.3


def test_the_floor_counts_the_first_word_for_itself() -> None:
    chain = Markov(30, entropy=2.0, lines=2, length=4)
    figures = chain.figures()
    bits = figures["unigram_bits_per_word"] + 7 * 2.0
    assert figures["floor_bits_per_byte"] == pytest.approx(bits / (8 * 7 - 1))


def test_impossible_entropies_are_refused() -> None:
    assert exponent_for(8, 3.0) == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match=r"entropy is 5 bits a word: give more than 0, at most 4"):
        Markov(16, entropy=5)
    with pytest.raises(InputError, match=r"entropy is 0 bits"):
        Markov(16, entropy=0)
    with pytest.raises(InputError, match=r"markov has types=5000: give 2 to 2000"):
        Markov(5000)
