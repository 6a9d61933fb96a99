"""Shares under floors and caps: the closed form, the projection and the numerical minimiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from isoglot.core.errors import NoAnswerError
from isoglot.plan.simplex import check_limits, minimise, own_share_optimum, project

PRINTED = 6e-8  # half a unit of the seventh digit, and a little
LEAST = 1e-6
QUICK = settings(max_examples=80, deadline=None)


def marginal(weight: np.ndarray, scale: np.ndarray, gamma: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The marginal value of each share, w c gamma p^-(1 + gamma)."""
    return weight * scale * gamma * shares ** -(1 + gamma)


def total(weight: np.ndarray, scale: np.ndarray, gamma: np.ndarray, shares: np.ndarray) -> float:
    return float((weight * scale * shares**-gamma).sum())


C = np.array([2.0, 2.5, 3.0])
GAMMA = np.array([0.08, 0.12, 0.10])
FIVE = np.log([1.142, 1.180, 1.273, 1.142, 1.134]) / np.log(5)
NONE: dict[int, float] = {}
# case -> scale, gamma, floors, caps, shares, lambda, J, J of the uniform mixture
VECTORS: dict[str, tuple[Any, ...]] = {
    "free": (C, GAMMA, NONE, NONE, [0.2139811, 0.3963162, 0.3897027], 0.8458911, 8.3526893, 8.3843991),
    "one cap": (C, GAMMA, NONE, {1: 0.30}, [0.2485576, 0.3, 0.4514424], 0.7195462, 8.3725325, None),
    "two caps": (C, GAMMA, NONE, {0: 0.2, 1: 0.3}, [0.2, 0.3, 0.5], 0.6430641, 8.3787304, None),
    "floor": (C, GAMMA, {0: 0.3}, NONE, [0.3, 0.3533103, 0.3466897], 0.9620247, 8.3699020, None),
    "one gamma": (C, np.full(3, 0.10), NONE, NONE, [0.2724340, 0.3337039, 0.3938621], None, None, None),
    "normalised": (
        np.ones(3),
        GAMMA,
        NONE,
        NONE,
        [0.2659177, 0.4004205, 0.3336617],
        0.3344744,
        3.3438837,
        3.3438837 + 0.0050247,
    ),
    "five": (
        np.ones(5),
        FIVE,
        NONE,
        NONE,
        [0.1645906, 0.2077933, 0.3076731, 0.1645906, 0.1553525],
        0.5817079,
        5.8463570,
        5.871,
    ),
}


@pytest.mark.parametrize("case", VECTORS)
def test_solver_vectors(case: str) -> None:
    scale, gamma, floors, caps, shares, multiplier, value, uniform = VECTORS[case]
    count = len(scale)
    lo, hi, weight = np.zeros(count), np.ones(count), np.ones(count)
    for at, limit in floors.items():
        lo[at] = limit
    for at, limit in caps.items():
        hi[at] = limit
    found = own_share_optimum(weight, scale, gamma, lo, hi)
    np.testing.assert_allclose(found, shares, rtol=0, atol=PRINTED)
    free = [at for at in range(count) if at not in floors and at not in caps]
    if multiplier is not None:
        np.testing.assert_allclose(
            marginal(weight, scale, gamma, found)[free], multiplier, rtol=0, atol=PRINTED
        )
        assert total(weight, scale, gamma, found) == pytest.approx(value, abs=PRINTED)
    if uniform is not None:
        assert total(weight, scale, gamma, np.full(count, 1 / count)) == pytest.approx(uniform, abs=1.1e-7)


def test_equal_gamma_has_the_explicit_solution() -> None:
    expected = C ** (1 / 1.1) / (C ** (1 / 1.1)).sum()
    found = own_share_optimum(np.ones(3), C, np.full(3, 0.1), np.zeros(3), np.ones(3))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_caps_that_sum_to_one_are_the_answer() -> None:
    caps = np.array([0.1, 0.25, 0.65])
    np.testing.assert_allclose(own_share_optimum(np.ones(3), C, GAMMA, np.zeros(3), caps), caps, atol=1e-9)


def test_weight_zero_gets_the_floor() -> None:
    lo = np.array([0.0, 0.05, 0.0])
    found = own_share_optimum(np.array([1.0, 0.0, 1.0]), C, GAMMA, lo, np.ones(3))
    assert found[1] == 0.05
    assert found.sum() == pytest.approx(1, abs=1e-12)


def test_weight_zero_takes_what_the_caps_of_the_others_leave() -> None:
    caps = np.array([0.2, 1.0, 0.3])
    found = own_share_optimum(np.array([1.0, 0.0, 1.0]), C, GAMMA, np.zeros(3), caps)
    np.testing.assert_allclose(found, [0.2, 0.5, 0.3], atol=1e-12)


def test_batch_equals_one_by_one() -> None:
    rng = np.random.default_rng(3)
    scale, gamma = rng.uniform(1, 5, (7, 4)), rng.uniform(0.02, 0.5, (7, 4))
    lo, hi = np.array([0.0, 0.1, 0.0, 0.0]), np.array([0.5, 1.0, 0.3, 1.0])
    together = own_share_optimum(np.ones((7, 4)), scale, gamma, lo, hi)
    alone = [own_share_optimum(np.ones(4), scale[k], gamma[k], lo, hi) for k in range(7)]
    np.testing.assert_allclose(together, alone, atol=1e-12)


INFEASIBLE = {
    "floors": (
        [0.5, 0.7, 0.0],
        [1, 1, 1],
        "mixture: floors sum to 1.2 and caps to 3, so no mixture fits; lower the floors, "
        "allow more epochs, or train on fewer tokens",
    ),
    "caps": (
        [0, 0, 0],
        [0.2, 0.3, 0.4],
        "mixture: floors sum to 0 and caps to 0.9, so no mixture fits; lower the floors, "
        "allow more epochs, or train on fewer tokens",
    ),
}


@pytest.mark.parametrize("case", INFEASIBLE)
def test_limits_that_no_mixture_satisfies(case: str) -> None:
    lo, hi, sentence = (
        np.array(INFEASIBLE[case][0], float),
        np.array(INFEASIBLE[case][1], float),
        INFEASIBLE[case][2],
    )
    calls: list[Callable[[], object]] = [
        lambda: check_limits(lo, hi),
        lambda: own_share_optimum(np.ones(3), C, GAMMA, lo, hi),
        lambda: minimise(lambda p: (p.sum(axis=1), np.ones_like(p)), np.full((1, 3), 1 / 3), lo, hi),
    ]
    for call in calls:
        with pytest.raises(NoAnswerError) as error:
            call()
        assert str(error.value) == sentence


def test_a_floor_above_its_cap_is_refused() -> None:
    with pytest.raises(NoAnswerError, match="so no mixture fits"):
        check_limits(np.array([0.5, 0.0]), np.array([0.4, 1.0]))


@dataclass(frozen=True)
class Problem:
    """An own-share problem with limits that some mixture satisfies."""

    weight: np.ndarray
    scale: np.ndarray
    gamma: np.ndarray
    lo: np.ndarray
    hi: np.ndarray

    def objective(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        power = self.weight * self.scale * shares**-self.gamma
        return power.sum(axis=-1), -power * self.gamma / shares


@st.composite
def problems(draw: st.DrawFn, least: float = 0.0) -> Problem:
    count = draw(st.integers(2, 6))

    def vector(low: float, high: float) -> np.ndarray:
        return np.array(draw(st.lists(st.floats(low, high), min_size=count, max_size=count)))

    inside = vector(0.01, 1.0)
    inside = inside / inside.sum()
    limited = np.array(
        draw(st.lists(st.sampled_from(["", "lo", "hi", "both"]), min_size=count, max_size=count))
    )
    lo = np.where(np.isin(limited, ["lo", "both"]), inside * vector(0.0, 1.0), 0.0)
    hi = np.where(np.isin(limited, ["hi", "both"]), inside + (1 - inside) * vector(0.0, 1.0), 1.0)
    lo = np.minimum(np.maximum(lo, least), hi)
    return Problem(vector(0.01, 10.0), vector(0.5, 8.0), vector(0.005, 1.5), lo, hi)


def feasible(shares: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> bool:
    within = (shares >= lo - 1e-12).all() and (shares <= hi + 1e-12).all()
    return bool(within and abs(shares.sum() - 1) < 1e-9)


@QUICK
@given(problems())
def test_optimum_satisfies_the_kkt_conditions(problem: Problem) -> None:
    found = own_share_optimum(problem.weight, problem.scale, problem.gamma, problem.lo, problem.hi)
    assert feasible(found, problem.lo, problem.hi)
    assert (found > 0).all()
    value = marginal(problem.weight, problem.scale, problem.gamma, found)
    at_floor, at_cap = found <= problem.lo + 1e-10, found >= problem.hi - 1e-10
    inner = ~at_floor & ~at_cap
    slack = 1 + 1e-6
    # One multiplier separates the shares: floors below it, interiors on it, caps above it.
    highest = value[(at_floor | inner) & ~at_cap].max(initial=0.0)
    lowest = value[(at_cap | inner) & ~at_floor].min(initial=np.inf)
    assert highest <= lowest * slack
    if inner.any():
        assert value[inner].max() <= value[inner].min() * slack


@QUICK
@given(problems(), st.integers(0, 2**32 - 1))
def test_no_feasible_mixture_is_better(problem: Problem, seed: int) -> None:
    found = own_share_optimum(problem.weight, problem.scale, problem.gamma, problem.lo, problem.hi)
    near = np.random.default_rng(seed).dirichlet(np.ones(len(found)), 20)
    other = project(near, np.ones_like(near), problem.lo, problem.hi)
    other = np.maximum(other, 1e-12)
    assert (problem.objective(other)[0] >= problem.objective(found)[0] * (1 - 1e-9)).all()


@QUICK
@given(problems(least=LEAST))
def test_minimise_equals_the_closed_form(problem: Problem) -> None:
    exact = own_share_optimum(problem.weight, problem.scale, problem.gamma, problem.lo, problem.hi)
    start = np.full((1, len(exact)), 1 / len(exact))
    found, value = minimise(problem.objective, start, problem.lo, problem.hi)
    assert feasible(found[0], problem.lo, problem.hi)
    assert value[0] == pytest.approx(problem.objective(exact)[0], rel=1e-10)
    np.testing.assert_allclose(found[0], exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("weight", "scale"), [([1.0, 1.0, 0.5], [4.0, 0.5, 2.0]), ([1.0] * 3, [2.0, 1.0, 2.0])]
)
def test_minimise_is_exact_beside_a_share_whose_cap_makes_it_far_steeper(
    weight: list[float], scale: list[float]
) -> None:
    """The capped share holds almost all of the loss, so the others' descent is below the loss's rounding."""
    gamma, hi = np.array([1.5, 1.0, 1.0]), np.array([0.00775194, 1.0, 1.0])
    problem = Problem(np.array(weight), np.array(scale), gamma, np.full(3, LEAST), hi)
    exact = own_share_optimum(problem.weight, problem.scale, gamma, problem.lo, hi)
    found, _ = minimise(problem.objective, np.full((1, 3), 1 / 3), problem.lo, hi)
    np.testing.assert_allclose(found[0], exact, rtol=0, atol=1e-6)


def test_minimise_solves_every_row_of_a_batch() -> None:
    """A row that ends at the smallest share must not spoil the steps of the others."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.05, 5, (8, 4))
    weight[0] = [1, 1e-9, 1e-9, 1e-9]
    weight[1] = [1, 0, 0, 0]
    problem = Problem(
        weight, rng.uniform(1, 6, (8, 4)), rng.uniform(0.02, 0.6, (8, 4)), np.full(4, LEAST), np.ones(4)
    )
    exact = own_share_optimum(problem.weight, problem.scale, problem.gamma, problem.lo, problem.hi)
    found, _ = minimise(problem.objective, np.full((8, 4), 0.25), problem.lo, problem.hi)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)


def test_minimise_moves_a_harmful_language_to_its_floor() -> None:
    def harm(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slope = np.broadcast_to([-1.0, 2.0, 1.0], shares.shape)
        return (shares * slope).sum(axis=1), np.array(slope)

    lo, hi = np.array([0.0, 0.1, 0.0]), np.array([0.6, 1.0, 1.0])
    found, value = minimise(harm, np.full((1, 3), 1 / 3), lo, hi)
    np.testing.assert_allclose(found[0], [0.6, 0.1, 0.3], atol=1e-6)
    assert value[0] == pytest.approx(-0.6 + 0.2 + 0.3, abs=1e-5)


@QUICK
@given(problems(), st.integers(0, 2**32 - 1))
def test_project_is_the_projection(problem: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = len(problem.lo)
    point, metric = rng.normal(0.3, 1.0, (1, count)), rng.uniform(0.1, 10.0, (1, count))
    found = project(point, metric, problem.lo, problem.hi)
    assert feasible(found[0], problem.lo, problem.hi)
    again = project(found, metric, problem.lo, problem.hi)
    np.testing.assert_allclose(again, found, atol=1e-9)
    # Nearest in the metric: no feasible direction has a positive product with the residual.
    other = project(rng.normal(0.3, 1.0, (20, count)), np.ones((20, count)), problem.lo, problem.hi)
    products = ((point - found) * metric * (other - found)).sum(axis=1)
    assert (products <= 1e-7 * metric.max() * (1 + np.abs(point).max())).all()


@QUICK
@given(problems())
def test_project_leaves_a_feasible_point_alone(problem: Problem) -> None:
    point = own_share_optimum(problem.weight, problem.scale, problem.gamma, problem.lo, problem.hi)[None]
    assume(feasible(point[0], problem.lo, problem.hi))
    np.testing.assert_allclose(project(point, np.ones_like(point), problem.lo, problem.hi), point, atol=1e-9)
