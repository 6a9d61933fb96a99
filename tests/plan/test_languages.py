"""K to rK at equal loss: the published table, the closed forms, and the curve between size and data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.laws import evaluate, query
from isoglot.laws.capacity import Capacity
from isoglot.plan.languages import (
    IsoLoss,
    assumed_range,
    closed_multipliers,
    implied_exponents,
    iso_loss,
    optimal_size_share,
    published_multipliers,
)

# r, N x, D_tot x, D_t x, C x: the table of the notes on ATLAS, sec. 7.2.
PUBLISHED = [
    (2, 1.183, 1.656, 0.828, 1.959),
    (4, 1.401, 2.743, 0.686, 3.837),
    (8, 1.657, 4.544, 0.568, 7.516),
    (16, 1.962, 7.527, 0.470, 14.723),
    (1.5, 1.104, 1.343, 0.896, 1.482),
    (3, 1.306, 2.225, 0.742, 2.903),
    (10, 1.750, 5.346, 0.535, 9.333),
]
# The exponents of the test vectors, notes sec. 7.5, and r, s, t, D_tot x, C x.
SHARP = {"alpha": 0.4527, "beta": 0.1471, "phi": 0.11, "psi": -0.04}
CURVE = [
    (2, 1, 0.988884, 1.977768, 1.977768),
    (2, 1.183440, 0.828214, 1.656429, 1.960284),
    (2, 2, 0.527191, 1.054381, 2.108762),
    (4, 1, 0.997031, 3.988122, 3.988122),
    (4, 1.400530, 0.685939, 2.743756, 3.842713),
    (4, 2, 0.497431, 1.989726, 3.979451),
    (8, 1, 1.027779, 8.222230, 8.222230),
    (8, 1.657443, 0.568105, 4.544837, 7.532809),
    (16, 1, 1.086865, 17.389833, 17.389833),
    (16, 1.961485, 0.470512, 7.528198, 14.766445),
]
SYNTHETIC = {"E": 0.5, "A": 400.0, "B": 40.0, "alpha": 0.45, "beta": 0.147, "phi": 0.11, "psi": -0.04}
exponents = st.fixed_dictionaries(
    {
        "alpha": st.floats(0.1, 1.0),
        "beta": st.floats(0.1, 1.0),
        "phi": st.floats(-0.2, 0.4),
        "psi": st.floats(-0.2, 0.4),
    }
)


def curve(ratio: float, size_share: float | None = None) -> IsoLoss:
    return iso_loss(ratio, SHARP, optimal_size_share(SHARP) if size_share is None else size_share)


@pytest.mark.parametrize(("ratio", "size", "tokens", "own", "flops"), PUBLISHED)
def test_published_multipliers(ratio: float, size: float, tokens: float, own: float, flops: float) -> None:
    found = published_multipliers(ratio)
    assert tuple(vars(found).values()) == pytest.approx((size, tokens, own, flops), abs=6e-4)


@pytest.mark.parametrize(("ratio", "size", "own", "tokens", "flops"), CURVE)
def test_the_curve(ratio: float, size: float, own: float, tokens: float, flops: float) -> None:
    here = curve(ratio)
    assert here.own_tokens(size)[0] == pytest.approx(own, abs=1e-6)
    assert ratio * here.own_tokens(size)[0] == pytest.approx(tokens, abs=5e-6)
    assert here.flops(size)[0] == pytest.approx(flops, abs=5e-6)


@pytest.mark.parametrize(("ratio", "size", "own"), [row[:3] for row in CURVE if row[1] not in (1, 2)])
def test_the_optimum_is_the_closed_form(ratio: float, size: float, own: float) -> None:
    assert optimal_size_share(SHARP) == pytest.approx(0.245248, abs=1e-6)
    s, t = curve(ratio).optimum()
    assert (s[0], t[0]) == pytest.approx((size, own), abs=1e-6)
    closed = closed_multipliers(SHARP, ratio)
    assert (closed.params, closed.tokens_per_language) == pytest.approx((s[0], t[0]), rel=1e-9)


@pytest.mark.parametrize(
    ("ratio", "least_size", "least_own", "least_tokens"),
    [(2, 0.053065, 0.122305, 0.244609), (4, 0.062799, 0.101294, 0.405178)],
)
def test_where_the_curve_ends(ratio: float, least_size: float, least_own: float, least_tokens: float) -> None:
    here = curve(ratio)
    assert here.least_params[0] == pytest.approx(least_size, abs=1e-6)
    assert here.least_own_tokens[0] == pytest.approx(least_own, abs=1e-6)
    assert ratio * here.least_own_tokens[0] == pytest.approx(least_tokens, abs=2e-6)
    assert here.own_tokens(least_size * 0.99)[0] == np.inf
    assert np.isfinite(here.own_tokens(least_size * 1.01)[0])
    assert here.own_tokens(1e30)[0] == pytest.approx(least_own, abs=1e-6)


def test_implied_exponents() -> None:
    found = implied_exponents()
    assert found["alpha"] == pytest.approx(0.453, abs=5e-4) and found["beta"] == pytest.approx(
        0.147, abs=5e-4
    )
    assert optimal_size_share(found) == pytest.approx(0.245, abs=5e-4)


@pytest.mark.parametrize(("step", "low", "high"), [(0.02, 2.27, 3.31), (0.005, 2.62, 2.88)])
def test_the_assumed_range_of_data(step: float, low: float, high: float) -> None:
    found = assumed_range(4, step)
    assert found["tokens"] == pytest.approx((low, high), abs=6e-3)
    centre = published_multipliers(4)
    for name, (least, most) in found.items():
        assert least < getattr(centre, name) < most


@pytest.mark.parametrize(("ratio", "cost"), [(2, 0.009), (4, 0.038), (8, 0.09), (16, 0.18)])
def test_keeping_the_size_costs_little(ratio: float, cost: float) -> None:
    here = curve(ratio)
    s, t = here.optimum()
    assert here.flops(1.0)[0] / (ratio * s[0] * t[0]) - 1 == pytest.approx(cost, abs=5e-3)


def test_the_synthetic_law_keeps_its_loss() -> None:
    size, own = 2e9, 42e9
    closed = closed_multipliers(SYNTHETIC, 4)
    grown = (size * closed.params, own * closed.tokens_per_language)
    assert grown == pytest.approx((2806727279.85, 28802052814.3), rel=1e-9)
    law = Capacity()
    before = evaluate(law, SYNTHETIC, query(size, own))[0]
    after = evaluate(law, SYNTHETIC, query(grown[0], 4 * grown[1], shares=[0.25] * 4))[0]
    assert before == pytest.approx(1.623692925, abs=1e-9) and after == pytest.approx(before, abs=1e-12)


@pytest.mark.parametrize("params", [0.3, 1.0, 3.0])
def test_the_curve_keeps_the_loss_from_a_baseline_that_is_not_optimal(params: float) -> None:
    """w_N is 0.0232 here, where an optimal baseline would have 0.246."""
    law, size, own = Capacity(), 2e9, 42e9
    terms = 400 * size**-0.45, 40 * own**-0.147
    assert terms == pytest.approx((0.026097355, 1.097595570), abs=1e-9)
    here = iso_loss(4, SYNTHETIC, terms[0] / sum(terms))
    t = here.own_tokens(params)[0]
    before = evaluate(law, SYNTHETIC, query(size, own))[0]
    after = evaluate(law, SYNTHETIC, query(size * params, 4 * own * t, shares=[0.25] * 4))[0]
    assert after == pytest.approx(before, abs=1e-12)
    s, t = here.optimum()
    closed = closed_multipliers(SYNTHETIC, 4)
    assert 4 * s[0] * t[0] < closed.flops * 0.7  # the closed multipliers are no minimum-compute advice here


@given(exponents, st.floats(0.02, 0.98), st.floats(1.1, 20.0))
def test_the_optimum_is_the_least_compute(powers: dict[str, float], share: float, ratio: float) -> None:
    here = iso_loss(ratio, powers, share)
    s, t = here.optimum()
    # Stationarity in closed form: the size term is beta / (alpha + beta) of the reducible loss.
    split = optimal_size_share(powers)
    exact = (ratio ** powers["phi"] * share / split) ** (1 / powers["alpha"])
    assert s[0] == pytest.approx(exact, rel=1e-9)
    least = ratio * s[0] * t[0]
    for factor in (0.5, 0.9, 1.1, 2.0):
        assert here.flops(s * factor)[0] >= least * (1 - 1e-12)


def test_two_languages_share_one_curve() -> None:
    """A mean over two equal languages is either one; over two different ones it lies between."""
    one = curve(4)
    twice = IsoLoss(
        4, np.tile(one.size / 2, 2), np.tile(one.data / 2, 2), *(np.tile(x, 2) for x in (one.alpha, one.beta))
    )
    np.testing.assert_allclose(twice.optimum(), one.optimum(), rtol=1e-9)
    np.testing.assert_allclose(twice.own_tokens(2.0), one.own_tokens(2.0), rtol=1e-9)
    other = iso_loss(4, {**SHARP, "psi": 0.05}, 0.245248)
    both = IsoLoss(
        4,
        np.hstack([one.size, other.size]) / 2,
        np.hstack([one.data, other.data]) / 2,
        np.hstack([one.alpha, other.alpha]),
        np.hstack([one.beta, other.beta]),
    )
    assert one.own_tokens(2.0)[0] < both.own_tokens(2.0)[0] < other.own_tokens(2.0)[0]
    s, t = both.optimum()
    for factor in (0.9, 1.1):
        assert both.flops(s * factor)[0] > 4 * s[0] * t[0]
