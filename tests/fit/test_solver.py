"""The solver against dense references, and what it must leave alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from scipy import optimize

import isoglot as ig
from isoglot.fit.engine import make_problems
from isoglot.fit.layout import Layout
from isoglot.fit.objective import Objective
from isoglot.fit.solver import Program, solve
from isoglot.fit.table import centre, make_table, pad
from isoglot.laws import Chinchilla
from isoglot.runs import Runs

TRUTH = {
    "eng": {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37},
    "fra": {"E": 1.9, "A": 300.0, "B": 2500.0, "alpha": 0.34, "beta": 0.37},
}

# One objective in most tests, so that a worker compiles few solvers.
GAUSSIAN: dict[str, Any] = {"objective": "gaussian", "check": False}


@pytest.fixture(scope="module")
def two_languages() -> Runs:
    """Two languages with the same exponents, 25 runs each, as tables of one language each."""
    worlds = [
        ig.simulate("chinchilla", truth, one(label), noise=0.003, seed=at).frame.drop("row")
        for at, (label, truth) in enumerate(TRUTH.items())
    ]
    return ig.read_runs(pl.concat(worlds, how="diagonal"))


def one(label: str) -> pl.DataFrame:
    points = ig.grid(N=np.geomspace(5e7, 1e10, 5), D=np.geomspace(1e9, 3e11, 5))
    return points.with_columns(pl.lit(label).alias("language"), label + "-" + pl.col("run"))


def arrays(runs: Runs, label: str) -> tuple[np.ndarray, ...]:
    mine = runs.frame.filter(pl.col("language") == label)
    return tuple(mine[name].to_numpy() for name in ("params", "tokens", "loss"))


def log_residual(x: np.ndarray, rows: tuple[np.ndarray, ...]) -> np.ndarray:
    """Coordinates E, ln A, ln B (centred at 1e9 and 2e10), ln alpha, ln beta."""
    size, tokens, loss = rows
    alpha, beta = np.exp(x[3]), np.exp(x[4])
    predicted = x[0] + np.exp(x[1]) * (size / 1e9) ** -alpha + np.exp(x[2]) * (tokens / 2e10) ** -beta
    return np.log(predicted) - np.log(loss)


def test_pooled_fit_equals_a_dense_reference(two_languages: Runs) -> None:
    def residual(x: np.ndarray) -> np.ndarray:
        shared = x[6:]
        parts = (np.concatenate([x[3 * g : 3 * g + 3], shared]) for g in range(2))
        return np.concatenate(
            [log_residual(p, arrays(two_languages, label)) for p, label in zip(parts, TRUTH, strict=True)]
        )

    start = np.array([1.5, -1.0, -1.0, 1.5, -1.0, -1.0, -1.0, -1.0])
    dense = optimize.least_squares(residual, start, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    fitted = ig.fit(
        two_languages,
        "chinchilla",
        by="language",
        pool="shared",
        objective="gaussian",
        bootstrap=0,
        check=False,
    )
    assert fitted.status == "converged"
    assert fitted.objective_value == pytest.approx([dense.cost], rel=1e-9)
    assert fitted.params["eng"]["alpha"] == fitted.params["fra"]["alpha"]
    for g, label in enumerate(TRUTH):
        found = fitted.params[label]
        assert found["E"] == pytest.approx(dense.x[3 * g], rel=1e-6)
        assert (found["alpha"], found["beta"]) == pytest.approx(np.exp(dense.x[6:]), rel=1e-6)
        assert found["A"] * 1e9 ** -found["alpha"] == pytest.approx(np.exp(dense.x[3 * g + 1]), rel=1e-6)
        assert found["B"] * 2e10 ** -found["beta"] == pytest.approx(np.exp(dense.x[3 * g + 2]), rel=1e-6)


def test_unpooled_fit_equals_single_fits_and_a_reference(two_languages: Runs) -> None:
    settings: dict[str, Any] = {"bootstrap": 0, **GAUSSIAN}
    together = ig.fit(two_languages, "chinchilla", by="language", **settings)
    assert together.params["eng"]["alpha"] != together.params["fra"]["alpha"]
    for g, label in enumerate(TRUTH):
        frame = two_languages.frame.filter(pl.col("language") == label)
        alone = ig.fit(replace(two_languages, frame=frame), "chinchilla", **settings)
        assert together.objective_value[g] == pytest.approx(alone.objective_value[0], rel=1e-10)
        assert together.params[label] == pytest.approx(alone.params, rel=1e-5)
        rows = arrays(two_languages, label)
        dense = optimize.least_squares(
            log_residual, [1.5, -1.0, -1.0, -1.0, -1.0], args=(rows,), xtol=1e-15, ftol=1e-15, gtol=1e-15
        )
        assert alone.objective_value[0] == pytest.approx(dense.cost, rel=1e-9)


def test_huber_optimum_is_not_beaten_by_another_optimiser(two_languages: Runs) -> None:
    fitted = ig.fit(two_languages, "chinchilla", by="language", bootstrap=0, check=False)

    def objective(x: np.ndarray, rows: tuple[np.ndarray, ...]) -> float:
        r = np.abs(log_residual(x, rows))
        return float(np.where(r <= 1e-3, r**2 / 2, 1e-3 * (r - 5e-4)).sum())

    for g, label in enumerate(TRUTH):
        p = fitted.params[label]
        scaled = [p["A"] * 1e9 ** -p["alpha"], p["B"] * 2e10 ** -p["beta"]]
        best = np.array([p["E"], *np.log(scaled), np.log(p["alpha"]), np.log(p["beta"])])
        rows = arrays(two_languages, label)
        assert objective(best, rows) == pytest.approx(fitted.objective_value[g], rel=1e-9)
        for seed in range(3):
            start = best + 0.02 * np.random.default_rng(seed).standard_normal(5)
            other = optimize.minimize(
                objective, start, (rows,), method="Nelder-Mead", options={"maxiter": 4000}
            )
            assert other.fun >= fitted.objective_value[g] * (1 - 1e-7)


def problem(runs: Runs) -> tuple[Program, Any, Any]:
    layout = Layout(Chinchilla())
    table = make_table(runs)
    data = pad(table, centre(table, layout, []), np.ones(table.num_rows))
    start = layout.to_vector({"E": 1.5, "A": 1.0, "B": 1.0, "alpha": 0.3, "beta": 0.3})[None, None]
    problems = make_problems(layout, start, np.zeros(1, int), np.ones(start.shape[-1], bool))
    return Program(layout, Objective("gaussian")), data, problems


def test_rows_of_weight_zero_have_no_effect(two_languages: Runs) -> None:
    program, data, problems = problem(two_languages)
    weight = np.array(data.weight)
    weight[:, ::3] = 0.0
    clean = solve(program, data._replace(weight=weight), problems)
    loss = np.array(data.loss)
    loss[:, ::3] = np.random.default_rng(0).uniform(0.01, 1e6, loss[:, ::3].shape)
    dirty = solve(program, data._replace(weight=weight, loss=loss), problems)
    assert dirty.converged.all()
    assert dirty.own.tobytes() == clean.own.tobytes()
    assert dirty.objective.tobytes() == clean.objective.tobytes()


def test_a_problem_does_not_depend_on_its_neighbours(two_languages: Runs) -> None:
    program, data, problems = problem(two_languages)
    many = type(problems)(*(None if v is None else np.repeat(v, 40, axis=0) for v in problems))
    many.own[1:] += 0.3 * np.random.default_rng(0).standard_normal(many.own[1:].shape)
    found, alone = solve(program, data, many), solve(program, data, problems)
    assert found.converged.all()
    np.testing.assert_allclose(found.objective, alone.objective[0], rtol=1e-9)
    assert found.own[0] == pytest.approx(alone.own[0], abs=1e-12)


def test_repeated_calls_give_the_same_bits(two_languages: Runs) -> None:
    settings: dict[str, Any] = {"by": "language", "bootstrap": 20, **GAUSSIAN}
    first, second = (ig.fit(two_languages, "chinchilla", **settings) for _ in range(2))
    assert first.vectors.tobytes() == second.vectors.tobytes()
    assert first.draws.tobytes() == second.draws.tobytes()
    losses = [fitted.predict(two_languages).write_csv() for fitted in (first, second, first)]
    assert losses[0] == losses[1] == losses[2]


def test_bounds_are_kept_and_reported() -> None:
    # A loss that rises as the own share grows: gamma is far below its lower bound of -0.5.
    points = ig.grid(
        N=[1e8, 1e9, 1e10],
        D=[2e9, 2e10, 2e11],
        mixtures=[{"a": share, "b": 1 - share} for share in (0.2, 0.5, 1.0)],
        evaluate_on=["a"],
    )
    truth = {**TRUTH["eng"], "gamma": -0.9}
    fitted = ig.fit(ig.simulate("msl", truth, points, noise=0.001), "msl", bootstrap=30)
    assert fitted.params["gamma"] == -0.5
    assert fitted.status in ("at_bound", "not_identified")
    assert any(
        d.code == "at_bound" and "gamma is at its lower bound -0.5" in d.message for d in fitted.diagnostics
    )
    layout = fitted.layout
    assert fitted.draws is not None
    assert ((fitted.draws >= layout.lower) & (fitted.draws <= layout.upper)).all()


def test_fixed_parameters_stay_where_they_are(two_languages: Runs) -> None:
    held = {"alpha": 0.3, "E": 1.75}
    fitted = ig.fit(two_languages, "chinchilla", by="language", fixed=held, bootstrap=0, **GAUSSIAN)
    for label in TRUTH:
        assert {key: fitted.params[label][key] for key in held} == pytest.approx(held, rel=1e-12)
    held = {"A": 350.0}  # a coefficient alone, whose unit hangs on a free exponent
    fitted = ig.fit(two_languages, "chinchilla", by="language", fixed=held, bootstrap=0, **GAUSSIAN)
    assert fitted.params["eng"]["A"] == pytest.approx(350.0, rel=1e-9)


def test_fixed_parameters_stay_where_they_are_in_every_draw(two_languages: Runs) -> None:
    fitted = ig.fit(
        two_languages, "chinchilla", by="language", fixed={"alpha": 0.3}, bootstrap=20, **GAUSSIAN
    )
    for label in TRUTH:
        assert fitted.intervals()[label]["alpha"] == pytest.approx((0.3, 0.3), rel=1e-12)


GLOBALS = """
import jax, jax.numpy as jnp, numpy as np
before = dict(jax.config.values)
def losses():
    x = jnp.linspace(0.1, 3.0, 64)
    return np.asarray(jax.jit(lambda v: jnp.exp(-v) @ jnp.sin(v))(x)).tobytes()
plain = losses()
import isoglot as ig
import isoglot.laws, isoglot.fit, isoglot.runs
assert dict(jax.config.values) == before, "import"
assert jnp.ones(1).dtype == jnp.float32
truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
world = ig.simulate("chinchilla", truth, ig.grid(N=[1e8, 1e9, 1e10], D=[1e9, 1e10, 1e11]), noise=0.002)
fitted = ig.fit(world, "chinchilla", bootstrap=10, check=False)
fitted.predict(world)
assert dict(jax.config.values) == before, "fit"
assert jnp.ones(1).dtype == jnp.float32 and jnp.arange(3).dtype == jnp.int32
assert jnp.asarray(np.ones(3)).dtype == jnp.float32
assert losses() == plain
assert fitted.vectors.dtype == np.float64
print("same")
"""


def test_neither_import_nor_fit_changes_a_setting_of_jax() -> None:
    done = subprocess.run([sys.executable, "-c", GLOBALS], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "same"), done.stderr[-2000:]


def test_this_process_still_computes_in_single_precision(two_languages: Runs) -> None:
    ig.fit(two_languages, "chinchilla", by="language", bootstrap=0, **GAUSSIAN)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1).dtype == jax.numpy.float32


@pytest.mark.parametrize("size", [3, 8, 9, 19, 33])
def test_systems_of_any_size_are_solved_as_lapack_does(size: int) -> None:
    from isoglot.fit.arrow import spd_solve

    rng = np.random.default_rng(size)
    root = rng.normal(size=(7, size, size))
    matrix = root @ np.swapaxes(root, 1, 2) + 0.1 * np.eye(size)
    right = rng.normal(size=(7, size, 2))
    with jax.enable_x64(True):
        found = np.asarray(spd_solve(jnp.asarray(matrix), jnp.asarray(right)))
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-8, atol=1e-10)
