"""Vocabulary: the surface and the three rules against the authors' numbers."""

from __future__ import annotations

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.laws import Vocabulary, evaluate, preset, published_params, query
from isoglot.laws.vocabulary_size import (
    derivative_vocabulary_params,
    isoflop_allocation,
    surface_vocabulary,
    tokens_per_character,
)


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (4096, 0.331821),
        (16384, 0.272333),
        (32e3, 0.252404),
        (64e3, 0.237806),
        (128e3, 0.229350),
        (200e3, 0.227156),
        (1e6, 0.227156),
    ],
)
def test_tokens_per_character(vocabulary: float, expected: float) -> None:
    assert tokens_per_character(vocabulary) == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("budget", "rest", "words"),
    [(1e18, 8.335464e7, 6.374027e6), (1e21, 2.635905e9, 1.131099e8), (1e24, 8.335464e10, 2.007186e9)],
)
def test_allocation_of_approach_1(budget: float, rest: float, words: float) -> None:
    assert isoflop_allocation(budget) == pytest.approx((rest, words), rel=5e-7)


@pytest.mark.parametrize(
    ("budget", "rest", "width", "expected"),
    [
        (1.1855e21, 2.87e9, 3200, (37.9e3, 41.0e3, 35.3e3)),
        (7.0524e21, 7e9, 4096, (62.3e3, 67.5e3, 59.5e3)),
    ],
)
def test_three_approaches(
    budget: float, rest: float, width: float, expected: tuple[float, float, float]
) -> None:
    found = (
        isoflop_allocation(budget)[1] / width,
        derivative_vocabulary_params(rest) / width,
        surface_vocabulary(budget, rest, width),
    )
    assert found == pytest.approx(expected, abs=51)


def surface(rest: float, words: float, tokens: float) -> np.ndarray:
    sizes = {"params_non_embedding": rest, "params_embedding": words}
    return evaluate(
        Vocabulary(), published_params("vocabulary_english"), query(rest + words, tokens, extra=sizes)
    )


@pytest.mark.parametrize(("unit", "expected"), [(1000, -4.498640), (1, -3.966223)])
def test_the_published_surface_was_fitted_with_the_vocabulary_in_thousands(
    unit: float, expected: float
) -> None:
    tokens = 1e10 * tokens_per_character(32e3 / unit)
    assert surface(302e6, 32e3 * 1024, tokens)[0] == pytest.approx(expected, abs=6e-7)
    assert "f(V / 1000)" in preset("vocabulary_english").note
    assert preset("vocabulary_english").use == "demonstration"


def test_approach_3_is_the_minimum_of_the_law() -> None:
    budget, rest, width = 1.1855e21, 2.87e9, 3200
    best = surface_vocabulary(budget, rest, width)
    words = best * width * np.array([1.0, 0.9, 0.99, 1.01, 1.1])
    losses = surface(rest, words, budget / 6 / (rest + words))
    assert (losses[1:] > losses[0]).all()


def test_a_surface_in_other_units_is_refused() -> None:
    millions = {**published_params("vocabulary_english"), "A_V": 1e-30}
    with pytest.raises(InputError, match="check the units"):
        surface_vocabulary(1e21, 2.87e9, 3200, millions)
    with pytest.raises(InputError, match="width must be positive"):
        surface_vocabulary(1e21, 2.87e9, 0)


def test_a_model_without_embedding_is_unsupported() -> None:
    sizes = {"params_non_embedding": [1e9, 1e9], "params_embedding": [1e8, 0.0]}
    mask, reason = Vocabulary().unsupported(query(1e9, 2e10, extra=sizes))
    assert mask.tolist() == [False, True] and "params_embedding" in reason


def test_endless_parts_and_data_leave_the_floor() -> None:
    found = surface(1e120, 1e120, 1e130)[0]
    assert found == pytest.approx(published_params("vocabulary_english")["E"], rel=1e-12)
