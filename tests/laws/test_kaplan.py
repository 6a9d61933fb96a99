"""Kaplan's laws, relations and frontiers against values recomputed from the paper's constants."""

from __future__ import annotations

from dataclasses import fields

import pytest

from isoglot.core.errors import InputError
from isoglot.laws import Kaplan, evaluate, parse_law, preset, published_params, query
from isoglot.laws.kaplan_frontier import (
    PETAFLOP_DAY,
    TABLE_2,
    TABLE_3,
    Frontier,
    against_convergence,
    analytic_frontier,
    critical_batch,
    data_need,
    earliest_stop,
    empirical_frontier,
    min_compute,
    min_steps,
    off_optimal_compute,
    off_optimal_steps,
    overfitting_excess,
)

JOINT = [
    (1e8, 1e10, 2.787857, 0.009255, 2.829963, 2.262442, 4.1588e9),
    (1e9, 2e10, 2.373882, 0.023740, 2.375640, 2.118261, 2.2854e10),
    (1e10, 3e11, 1.964528, 0.009226, 1.994255, 1.637762, 1.2559e11),
]


def loss(form: str, N: float, D: float, steps: float | None = None) -> float:
    points = query(N, D, extra={} if steps is None else {"steps": steps})
    return float(evaluate(Kaplan(form=form), published_params(f"kaplan_{form}"), points)[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(("N", "D", "joint", "excess", "by_size", "by_data", "need"), JOINT)
def test_joint_law_its_limits_and_the_data_it_needs(
    N: float, D: float, joint: float, excess: float, by_size: float, by_data: float, need: float
) -> None:
    assert loss("nd", N, D) == pytest.approx(joint, abs=6e-7)
    assert loss("n", N, D) == pytest.approx(by_size, abs=6e-7)
    assert loss("d", N, D) == pytest.approx(by_data, abs=6e-7)
    assert overfitting_excess(N, D) == pytest.approx(excess, abs=6e-7)
    assert data_need(N) == pytest.approx(need, rel=5e-5)


@pytest.mark.parametrize(("N", "D"), [row[:2] for row in JOINT])
def test_the_excess_is_the_joint_law_over_its_limit(N: float, D: float) -> None:
    assert loss("nd", N, D) / loss("nd", N, 1e40) - 1 == pytest.approx(overfitting_excess(N, D), rel=1e-6)


@pytest.mark.parametrize(("N", "expected"), [(1e8, 2.855889), (1e9, 2.400514)])
def test_size_and_steps(N: float, expected: float) -> None:
    assert loss("ns", N, 1e10, steps=1e5) == pytest.approx(expected, abs=6e-7)


def test_the_form_in_steps_asks_for_them() -> None:
    with pytest.raises(InputError, match="needs steps"):
        loss("ns", 1e9, 1e10)


def test_the_presets_keep_the_constants_of_the_four_forms_apart() -> None:
    assert published_params("kaplan_d")["alpha_D"] == 0.095 != published_params("kaplan_nd")["alpha_D"]
    scales = [published_params(f"kaplan_{form}")["N_c"] for form in ("n", "nd", "ns")]
    assert scales == [8.8e13, 6.4e13, 6.5e13]
    for form in ("nd", "n", "d", "ns"):
        assert parse_law(preset(f"kaplan_{form}").law).options == {"form": form}
        assert preset(f"kaplan_{form}").use == "alternative"
    for name, constants in (("kaplan_nd", TABLE_2), ("kaplan_ns", TABLE_3)):
        found = {field.name: getattr(constants, field.name) for field in fields(constants)}
        assert found.items() >= dict(published_params(name)).items()


@pytest.mark.parametrize(
    ("value", "batch"), [(4.0, 2.852771e5), (3.0, 1.122570e6), (2.5, 2.674649e6), (2.0, 7.740039e6)]
)
def test_critical_batch(value: float, batch: float) -> None:
    assert critical_batch(value) == pytest.approx(batch, rel=3e-7)


def test_steps_and_compute_adjusted_to_the_critical_batch() -> None:
    steps = min_steps(1e5, 5e5, 3.0)
    assert steps == pytest.approx(30815.3, abs=0.06)
    assert min_compute(1.0, 5e5, 3.0) == pytest.approx(0.691847, abs=6e-7)
    # (S / S_min - 1) (E / E_min - 1) = 1 with E = B S and E_min = B_crit S_min.
    examples = 1e5 * 5e5 / (critical_batch(3.0) * steps)
    assert (1e5 / steps - 1) * (examples - 1) == pytest.approx(1.0, rel=1e-12)
    assert 1 / examples == pytest.approx(min_compute(1.0, 5e5, 3.0), rel=1e-12)


def test_early_stopping_bound_is_the_step_at_which_the_excess_would_be_learned() -> None:
    assert earliest_stop(3.0, 2.9) == pytest.approx(2.1e3 / 0.1 ** (1 / 0.76), rel=1e-12)
    endless = loss("ns", 1e9, 1e10, steps=1e300)
    at = earliest_stop(endless + 0.05, endless)
    assert loss("ns", 1e9, 1e10, steps=at) == pytest.approx(endless + 0.05, rel=1e-9)
    with pytest.raises(InputError, match="must exceed 3"):
        earliest_stop(3.0, 3.0)


def test_exponents_of_the_analytic_frontier() -> None:
    assert TABLE_3.compute_exponent == pytest.approx(0.0524529, abs=6e-8)
    assert TABLE_3.compute_scale / PETAFLOP_DAY == pytest.approx(1.60978e8, rel=4e-6)
    exponents = [TABLE_3.compute_exponent / getattr(TABLE_3, f"alpha_{axis}") for axis in "NBS"]
    assert exponents == pytest.approx([0.681207, 0.249776, 0.069017], abs=6e-7)


@pytest.mark.parametrize(
    ("days", "size", "empirical", "steps", "at"),
    [(1, 5.84408e8, 1.3e9, 13160.7, 2.694443), (1000, 6.46156e10, 2.01346e11, 21199.7, 1.875470)],
)
def test_both_frontiers(days: float, size: float, empirical: float, steps: float, at: float) -> None:
    analytic, fitted = analytic_frontier(days * PETAFLOP_DAY), empirical_frontier(days * PETAFLOP_DAY)
    assert analytic.N == pytest.approx(size, rel=3e-6)
    assert analytic.steps == pytest.approx(steps, abs=0.06)
    assert analytic.loss == pytest.approx(at, abs=6e-7)
    assert fitted.N == pytest.approx(empirical, rel=3e-6)
    assert 2 < fitted.N / analytic.N < 3.5
    assert analytic.label != fitted.label


def test_the_analytic_frontier_lies_on_the_law_and_is_its_minimum() -> None:
    budget = 10 * PETAFLOP_DAY

    def at(size: float) -> float:
        """Loss at the critical batch of that loss, by fixed point: C = 6 N B_crit(L) S."""
        value = 2.5
        for _ in range(200):
            value = loss("ns", size, 1e10, steps=budget / (6 * size * critical_batch(value)))
        return value

    best = analytic_frontier(budget)
    assert 6 * best.N * best.batch * best.steps == pytest.approx(budget, rel=1e-12)
    assert at(best.N) == pytest.approx(best.loss, rel=1e-9)
    assert all(at(best.N * factor) > best.loss for factor in (0.8, 0.97, 1.03, 1.25))
    converged = (TABLE_3.N_c / best.N) ** TABLE_3.alpha_N
    assert best.loss / converged - 1 == pytest.approx(0.101316, abs=6e-7)


def test_empirical_frontier_at_one_day_is_table_6() -> None:
    assert empirical_frontier(PETAFLOP_DAY) == Frontier(
        "empirical (Table 6)", 1.3e9, 2e10, 2.0e6, 5.4e3, 3.1e8**0.05
    )


@pytest.mark.parametrize(
    ("ratio", "cost"), [(0.5, 1.39342), (0.6, 1.16473), (1.0, 1.0), (2.0, 1.15986), (2.2, 1.20372)]
)
def test_cost_of_another_size(ratio: float, cost: float) -> None:
    assert off_optimal_compute(ratio) == pytest.approx(cost, abs=6e-6)
    assert off_optimal_steps(ratio) * ratio == pytest.approx(cost, abs=6e-6)


def test_a_model_that_is_too_small_never_gets_there() -> None:
    with pytest.raises(InputError, match="never reaches"):
        off_optimal_compute(0.2)


@pytest.mark.parametrize(("far", "size", "steps"), [(0.10, 2.666, 0.1329), (None, 2.70782, 0.130817)])
def test_against_training_to_convergence(far: float | None, size: float, steps: float) -> None:
    found = against_convergence(0.02, far)
    assert found.params == pytest.approx(size, rel=2e-4 if far else 2e-6)
    assert found.steps == pytest.approx(steps, rel=4e-4 if far else 4e-6)
    if far is None:
        assert found.compute == pytest.approx(0.354228, abs=6e-7)


@pytest.mark.parametrize(
    "call",
    [
        lambda: critical_batch(0.0),
        lambda: min_steps(1e5, -1.0, 3.0),
        lambda: min_compute(1.0, float("inf"), 3.0),
        lambda: overfitting_excess(float("nan"), 1e9),
        lambda: data_need(0.0),
        lambda: analytic_frontier(-1.0),
        lambda: empirical_frontier(0.0),
        lambda: off_optimal_steps(0.0),
        lambda: against_convergence(0.0),
    ],
)
def test_what_is_not_positive_is_named(call: object) -> None:
    with pytest.raises(InputError, match="must be positive and finite"):
        call()  # type: ignore[operator]
