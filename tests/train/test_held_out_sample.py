"""Samples of held-out documents: nested, alike across parallel languages, fair, and with honest standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoglot.train.evaluate import ratio
from isoglot.train.held_out_sample import Documents, sampled


def documents(rng: np.random.Generator, count: int = 200, prefix: str = "d", scale: float = 1.0) -> Documents:
    """Documents of unequal size."""
    return Documents(
        [f"{prefix}{at}" for at in range(count)], np.int64(scale * rng.integers(500, 5000, count))
    )


def test_a_smaller_sample_is_a_part_of_a_larger_one() -> None:
    text = {"eng": documents(np.random.default_rng(0))}
    sets = [set(sampled(text, sample=size)["eng"].tolist()) for size in (5_000, 50_000, 200_000)]
    assert sets[0] < sets[1] < sets[2]
    few, more = (set(sampled(text, documents=count)["eng"].tolist()) for count in (5, 20))
    assert few < more and (len(few), len(more)) == (5, 20)
    assert sets[0] < more


def test_a_sample_reaches_its_size_and_is_no_stretch_of_the_corpus() -> None:
    held = documents(np.random.default_rng(0))
    found = sampled({"eng": held}, sample=100_000)["eng"]
    assert 100_000 <= held.sizes[found].sum() < 105_000
    assert found.min() < 40 and found.max() > 160
    assert np.array_equal(sampled({"eng": held}, sample=10**9)["eng"], np.arange(200))
    assert np.array_equal(sampled({"eng": held})["eng"], np.arange(200))


def test_parallel_languages_have_the_same_documents_and_others_their_own() -> None:
    rng = np.random.default_rng(1)
    one, other, apart = documents(rng), documents(rng, 190, scale=3.0), documents(rng, prefix="x")
    text = {"eng": one, "hin": other, "swh": apart}
    found = sampled(text, sample=100_000)
    shared = {"eng": one.sizes[found["eng"]].sum(), "hin": other.sizes[found["hin"]].sum()}
    assert {at for at in found["eng"].tolist() if at < 190} == set(found["hin"].tolist())
    assert sum(shared.values()) / 2 == pytest.approx(100_000, rel=0.1)
    assert apart.sizes[found["swh"]].sum() == pytest.approx(100_000, rel=0.1)
    # A language's sample does not depend on others that have other documents.
    assert np.array_equal(sampled({"swh": apart}, sample=100_000)["swh"], found["swh"])


def test_two_documents_are_scored_where_there_are_two() -> None:
    text = {"eng": documents(np.random.default_rng(0)), "fra": Documents(["d7"], np.array([9]))}
    found = sampled(text, sample=1)
    assert len(found["eng"]) == 2 and found["fra"].tolist() == [0]


def test_the_standard_error_covers_the_whole_held_out_text_and_the_language() -> None:
    """Samples of about a quarter: of the N documents by the sampling part, of what they are drawn from by the whole."""
    rng, found = np.random.default_rng(0), []
    for seed in range(400):
        held = documents(rng, 80)
        rate = 2.0 + 0.3 * rng.standard_normal(80) - 0.1 * (held.sizes > 2500)
        losses = rate * held.sizes
        at = sampled({"eng": held}, sample=int(held.sizes.sum() / 4), seed=seed)["eng"]
        value, error = ratio(losses[at], held.sizes[at].astype(float))
        whole, _ = ratio(losses, held.sizes.astype(float))
        assert error is not None
        sampling = error * math.sqrt(1 - len(at) / 80)
        # E[sum loss] / E[sum size]: sizes are uniform on 500..4999.
        truth = 2.0 - 0.1 * (np.arange(2501, 5000).sum() / np.arange(500, 5000).sum())
        found.append((abs(value - whole) < 1.96 * sampling, abs(value - truth) < 1.96 * error))
    for covered in np.mean(found, axis=0):
        assert 0.9 < covered < 0.98
