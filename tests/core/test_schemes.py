"""The simple mixtures, against slow definitions of the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.schemes import TEMPERATURE_EXPONENT, all_schemes, proportional, uniform, unimax

QUICK = settings(max_examples=100, deadline=None)
sizes = st.lists(st.floats(1e6, 1e13), min_size=1, max_size=8)
passes = st.floats(0.5, 50.0)


def slow_unimax(limit: np.ndarray, tokens: float) -> np.ndarray:
    """One water level for all: every language gets the level or its limit, whichever is less."""
    if limit.sum() <= tokens:
        return limit / limit.sum()
    low, high = 0.0, tokens
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(limit, level).sum() < tokens else (low, level)
    return np.minimum(limit, high) / np.minimum(limit, high).sum()


@QUICK
@given(sizes, passes, st.floats(1e6, 1e13))
def test_unimax_is_a_water_level(unique: list[float], epochs: float, tokens: float) -> None:
    text, allowed = np.array(unique), np.full(len(unique), epochs)
    np.testing.assert_allclose(unimax(text, tokens, allowed), slow_unimax(text * epochs, tokens), rtol=1e-9)


@QUICK
@given(sizes, st.floats(1e6, 1e13))
def test_unimax_properties(unique: list[float], tokens: float) -> None:
    text = np.array(unique)
    rng = np.random.default_rng(len(unique))
    allowed = rng.uniform(0.5, 8.0, len(text))
    shares, limit = unimax(text, tokens, allowed), text * allowed
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert (shares > 0).all()
    order = np.argsort(limit, kind="stable")
    assert (np.diff(shares[order]) >= -1e-12).all()
    if limit.sum() >= tokens:
        assert (shares * tokens <= limit * (1 + 1e-9)).all()
        below = shares * tokens < limit * (1 - 1e-9)
        if below.any():
            np.testing.assert_allclose(shares[below], shares.max(), rtol=1e-9)
    permuted = rng.permutation(len(text))
    np.testing.assert_allclose(unimax(text[permuted], tokens, allowed[permuted]), shares[permuted], rtol=1e-9)


def test_unimax_of_unlimited_text_is_uniform() -> None:
    np.testing.assert_array_equal(unimax(np.full(4, np.inf), 1e10, np.full(4, 4.0)), uniform(np.ones(4)))


def test_unimax_spends_each_language_of_little_text() -> None:
    shares = unimax(np.array([1e9, np.inf, 2e9, np.inf]), 40e9, np.full(4, 4.0))
    np.testing.assert_allclose(shares, [0.1, 0.35, 0.2, 0.35])


@QUICK
@given(sizes, st.floats(0.05, 1.0), st.floats(1e-3, 1e3))
def test_proportional_to_a_power(unique: list[float], exponent: float, factor: float) -> None:
    text = np.array(unique)
    shares = proportional(text, exponent)
    assert shares is not None and shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares / shares[0], (text / text[0]) ** exponent, rtol=1e-9)
    np.testing.assert_allclose(proportional(text * factor, exponent), shares, rtol=1e-9)


def test_unlimited_text_has_no_proportion() -> None:
    assert proportional(np.array([1e9, np.inf])) is None
    assert list(all_schemes(np.array([1e9, np.inf]), 1e10, np.full(2, 4.0))) == ["uniform", "unimax"]


def test_all_schemes() -> None:
    text = np.array([8e9, 1e9])
    found = all_schemes(text, 1e10, np.full(2, 4.0))
    assert list(found) == ["uniform", "proportional", "temperature", "unimax"]
    np.testing.assert_allclose(found["uniform"], [0.5, 0.5])
    np.testing.assert_allclose(found["proportional"], [8 / 9, 1 / 9])
    assert TEMPERATURE_EXPONENT == 0.3
    np.testing.assert_allclose(found["temperature"], np.array([8**0.3, 1]) / (8**0.3 + 1))
    np.testing.assert_allclose(found["unimax"], [0.6, 0.4])
