"""The quantisation model and the over-training law against published and recomputed values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.laws import Chinchilla, OvertrainDownstream, Quanta, evaluate, query
from isoglot.laws.overtrain_downstream import from_coded, optimal_ratio
from isoglot.laws.quanta_theory import data_exponent, learnable_rank, power_law_loss, tail_loss

# Gadre et al. 2024: p, q, b, E and k, g, epsilon of three corpora, as their procedure gives them.
CORPORA = {
    "C4": (113.7, 189.5, -0.2425, 1.508),
    "RedPajama": (166.2, 366.7, -0.2729, 1.837),
    "RefinedWeb": (125.1, 246.2, -0.2544, 1.735),
}


@pytest.mark.parametrize(
    ("corpus", "eta", "a", "expected", "best"),
    [
        ("C4", 0.12125, 141.28996, 2.424315, 3.36),
        ("RedPajama", 0.13645, 212.23146, 2.557348, 7.42),
        ("RefinedWeb", 0.12720, 157.12242, 2.537421, 5.84),
    ],
)
def test_over_training_in_both_forms(corpus: str, eta: float, a: float, expected: float, best: float) -> None:
    p, q, b, floor = CORPORA[corpus]
    found = from_coded(p, q, b)
    assert found["eta"] == pytest.approx(eta, abs=1e-12)
    assert found["a"] == pytest.approx(a, abs=6e-6)
    assert found["b"] == q
    N, M = 1.4e9, 320.0
    coded = p * N**b + q * 6 ** (b / 2) * (M * N) ** b + floor
    law = evaluate(OvertrainDownstream(), {"E": floor, **found}, query(N, M * N))[0]
    assert law == pytest.approx(coded, rel=1e-12)
    assert law == pytest.approx(expected, abs=6e-7)
    assert optimal_ratio(**found) == pytest.approx(best, abs=6e-3)


def test_the_best_ratio_is_the_best_at_every_budget() -> None:
    found = from_coded(*CORPORA["C4"][:3])
    best = optimal_ratio(**found)
    for budget in (1e18, 1e24):
        ratios = best * np.array([1.0, 0.9, 1.1, 0.99, 1.01])
        N = np.sqrt(budget / 6 / ratios)
        losses = evaluate(OvertrainDownstream(), {"E": 1.5, **found}, query(N, ratios * N))
        assert (losses[1:] > losses[0]).all()


def test_the_law_is_chinchilla_with_equal_exponents() -> None:
    a, b, eta = 141.3, 189.5, 0.12125
    shrink = 6**-eta
    plain = {"E": 1.5, "A": a * shrink, "B": b * shrink, "alpha": 2 * eta, "beta": 2 * eta}
    points = query([1e8, 1e9, 1e10], [1e9, 2e10, 5e12])
    np.testing.assert_allclose(
        evaluate(OvertrainDownstream(), {"E": 1.5, "a": a, "b": b, "eta": eta}, points),
        evaluate(Chinchilla(), plain, points),
        rtol=1e-13,
    )


@pytest.mark.parametrize(("value", "error"), [(2.5, 0.535771), (3.0, 0.634680), (3.5, 0.702456)])
def test_error_from_loss(value: float, error: float) -> None:
    points = query(1e9, 1e10, extra={"pretraining_loss": value})
    params = {"epsilon": 0.850, "k": 2.08, "g": 0.756}
    found = evaluate(OvertrainDownstream(stage="error"), params, points)[0]
    assert found == pytest.approx(error, abs=6e-7)


def test_wrong_coded_constants_are_named() -> None:
    with pytest.raises(InputError, match="minus_b must be positive"):
        from_coded(100.0, 100.0, 0.24)
    with pytest.raises(InputError, match="eta must be positive"):
        optimal_ratio(1.0, 1.0, 0.0)


# Quantisation model: science of Michaud et al. 2023.
@pytest.mark.parametrize(
    ("alpha", "zeta", "exponent"), [(0.4, 3.105547, 0.285714), (0.083, 12.631419, 0.076639)]
)
def test_zeta_and_the_tied_exponent(alpha: float, zeta: float, exponent: float) -> None:
    assert 1 / (alpha * power_law_loss(1, alpha)) == pytest.approx(zeta, abs=6e-7)
    assert data_exponent(alpha) == pytest.approx(exponent, abs=6e-7)


@pytest.mark.parametrize(
    ("learned", "power", "exact"),
    [(10, 0.320481, 0.314220), (100, 0.127586, 0.127331), (1000, 0.050793, 0.050783)],
)
def test_loss_of_learned_quanta(learned: int, power: float, exact: float) -> None:
    assert power_law_loss(learned, 0.4) == pytest.approx(power, abs=6e-7)
    assert tail_loss(learned, 0.4) == pytest.approx(exact, abs=6e-7)


def test_a_finite_toy_has_a_smaller_tail() -> None:
    bit = math.log(2)
    assert power_law_loss(20, 0.4, 0.0, bit) == pytest.approx(0.168351, abs=6e-7)
    assert tail_loss(20, 0.4, 0.0, bit) == pytest.approx(0.166687, abs=6e-7)
    assert tail_loss(20, 0.4, 0.0, bit, num_quanta=500) == pytest.approx(0.128884, abs=6e-7)
    ranks = np.arange(1, 501) ** -1.4
    assert tail_loss(20, 0.4, 0.0, bit, num_quanta=500) == pytest.approx(bit * ranks[20:].sum() / ranks.sum())
    assert tail_loss(500, 0.4, 0.1, bit, num_quanta=500) == pytest.approx(0.1, abs=1e-12)
    assert tail_loss(0, 0.4, 0.1, bit, num_quanta=500) == pytest.approx(bit, abs=1e-12)
    for learned in (-1, 501):
        with pytest.raises(InputError, match="between 0 and the number of quanta"):
            tail_loss(learned, 0.4, num_quanta=500)


@pytest.mark.parametrize(
    ("N", "D", "learned", "limit", "capacity", "data"),
    [
        (1e4, 1e6, 200.0, "capacity", 200.0, 227.970),
        (1e3, 1e6, 20.0, "capacity", 20.0, 227.970),
        (1e5, 1e5, 44.014, "data", 2000.0, 44.014),
    ],
)
def test_rank_that_can_be_learned(
    N: float, D: float, learned: float, limit: str, capacity: float, data: float
) -> None:
    rank = learnable_rank(N, D, alpha=0.4, params_per_quantum=50, times_seen=500)
    assert (rank.learned, rank.capacity, rank.data) == pytest.approx((learned, capacity, data), abs=6e-4)
    assert rank.limit == limit
    with pytest.raises(InputError, match="times_seen must be positive"):
        learnable_rank(N, D, alpha=0.4, params_per_quantum=50, times_seen=0)


def test_quanta_is_chinchilla_with_the_tied_exponent() -> None:
    points = query([1e8, 1e9, 1e10], [1e9, 2e10, 5e12])
    params = {"E": 1.7, "A": 400.0, "B": 150.0, "alpha": 0.4}
    plain = {**params, "beta": data_exponent(0.4)}
    np.testing.assert_allclose(
        evaluate(Quanta(), params, points), evaluate(Chinchilla(), plain, points), rtol=1e-13
    )
