"""Sparse parity: labels are the parities, tasks have the frequencies of the quantisation model."""

from __future__ import annotations

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.lexicon import lexicon
from isoglot.corpora.parity import Parity


def test_labels_are_parities_of_the_task_s_bits() -> None:
    made = Parity(types=30, bits=16, subset=3)
    samples = made.samples(5000, seed=4)
    for task, bits, label in zip(samples.task, samples.bits, samples.label, strict=True):
        assert label == sum(int(bits[place]) for place in made.subsets[task]) % 2
    inputs = samples.inputs(30)
    assert inputs.shape == (5000, 46) and inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs[:, :30].argmax(axis=1), samples.task)
    np.testing.assert_array_equal(inputs[:, :30].sum(axis=1), 1)
    np.testing.assert_array_equal(inputs[:, 30:], samples.bits)


def test_subsets_are_distinct_and_may_be_all_there_are() -> None:
    made = Parity(types=20, bits=6, subset=3)
    assert made.subsets.shape == (20, 3) and len({tuple(row) for row in made.subsets.tolist()}) == 20
    assert (np.diff(made.subsets, axis=1) > 0).all() and made.subsets.min() == 0 and made.subsets.max() == 5
    assert (Parity(seed=1).subsets != Parity(seed=2).subsets).any()


def test_tasks_follow_the_power_law_and_bits_are_even() -> None:
    made = Parity(types=50, bits=20, alpha=0.4)
    samples = made.samples(40_000, seed=0)
    ranks = np.arange(1, 51) ** -1.4
    np.testing.assert_allclose(made.probabilities, ranks / ranks.sum())
    expected = 40_000 * made.probabilities
    counts = np.bincount(samples.task, minlength=50)
    # Chi-square with 49 degrees of freedom: 85.4 is its 99.9 % point.
    assert ((counts - expected) ** 2 / expected).sum() < 85.4
    assert np.abs(samples.bits.mean(axis=0) - 0.5).max() < 4 * 0.5 / 200
    assert abs(samples.label.mean() - 0.5) < 4 * 0.5 / 200
    # No bit by itself tells the label.
    agreement = (samples.bits == samples.label[:, None]).mean(axis=0)
    assert np.abs(agreement - 0.5).max() < 4 * 0.5 / 200


def test_text_says_what_the_arrays_say() -> None:
    made, words = Parity(types=8, bits=5), lexicon(("synA",), 8).words["synA"]
    samples, lines = made.samples(20, seed=9), made.render(9, words)
    for task, bits, label, line in zip(samples.task, samples.bits, samples.label, lines, strict=True):
        assert line.split() == [words[task], "".join(map(str, bits)), str(label)]
    size = len("\n".join(lines).encode())
    figures = made.figures()
    assert figures["floor_bits_per_byte"] == pytest.approx(20 * (figures["entropy_bits_per_task"] + 5) / size)
    assert figures["unlearned_bits_per_byte"] == pytest.approx(figures["floor_bits_per_byte"] + 20 / size)


def test_impossible_tasks_are_refused() -> None:
    with pytest.raises(InputError, match=r"types=21 tasks: 3 of 6 bits allow 1 to 20"):
        Parity(types=21, bits=6)
    with pytest.raises(InputError, match=r"subset=7 of bits=6: give 1 to 6"):
        Parity(bits=6, subset=7)
    with pytest.raises(InputError, match=r"alpha=-1"):
        Parity(alpha=-1)
