"""Losses of either sign: fitted by least squares with additive noise, refused in one sentence by what takes logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.fit.frontier import frontier
from isoglot.fit.result import Fit
from isoglot.fit.share_exponent import share_exponent
from isoglot.laws import LAWS, evaluate, query

TRUTH = {"E": -5.5, "A": 876.0, "A_V": 2070.0, "B": 22000.0, "alpha": 0.45, "alpha_V": 0.67}
NOISE = 0.01


def table(shift: float = 0.0) -> dict[str, Any]:
    """Sixty runs of the vocabulary law, losses -5.2 to -3.1, moved by `shift`."""
    rest = np.repeat(np.geomspace(3e7, 3e9, 5), 12)
    words = np.tile(np.repeat([8e6, 5e7, 3e8], 4), 5)
    tokens = np.tile(np.geomspace(1e9, 1e11, 4), 15)
    sizes = {"params_non_embedding": rest, "params_embedding": words}
    loss = evaluate(LAWS["vocabulary"](), TRUTH, query(rest + words, tokens, extra=sizes))
    noise = NOISE * np.random.default_rng(0).standard_normal(60)
    return {"params": rest + words, "tokens": tokens, "loss": loss + noise + shift, **sizes}


@pytest.fixture(scope="module")
def fitted() -> Fit:
    runs = ig.read_runs(table(shift=4.5), loss_unit="unigram-normalised nats")
    assert runs.frame["loss"].min() < 0 < runs.frame["loss"].max()
    return ig.fit(runs, "vocabulary", objective="least_squares", bootstrap=100)


def test_least_squares_recovers_a_law_through_zero(fitted: Fit) -> None:
    assert fitted.status == "converged"
    for key, (low, high) in fitted.intervals(0.99).items():
        assert low <= TRUTH[key] + (4.5 if key == "E" else 0.0) <= high, key
    assert fitted.signed and not {"objective_sensitivity"} & {d.code for d in fitted.diagnostics}


def test_noise_of_losses_of_either_sign_adds(fitted: Fit) -> None:
    """An interval for a new run is as wide where the loss is zero as anywhere else."""
    sizes = {"params_non_embedding": np.geomspace(3e7, 3e9, 30), "params_embedding": 5e7}
    points = query(sizes["params_non_embedding"] + 5e7, 1e10, extra=sizes)
    found = fitted.predict(points)
    assert found["loss"].min() < 0 < found["loss"].max()
    width = (found["high"] - found["low"]).to_numpy()
    assert (width > 2 * NOISE).all() and (width < 5 * NOISE).all()


@pytest.mark.parametrize("objective", ["huber", "gaussian", "student_t"])
def test_a_log_objective_is_refused(objective: str) -> None:
    runs = ig.read_runs({**table(), "run": [f"r{i}" for i in range(60)]}, loss_unit="reward")
    with pytest.raises(InputError) as error:
        ig.fit(runs, "vocabulary", objective=objective)
    assert str(error.value) == (
        f"fit: objective {objective} takes the logarithm of the loss, but 'r0' has the loss "
        f"{runs.frame['loss'][0]:g}; use objective='least_squares'"
    )


def test_weights_by_relative_error_are_refused() -> None:
    runs = ig.read_runs({**table(), "loss_se": [0.01] * 60}, loss_unit="reward")
    with pytest.raises(InputError, match=r"weights=loss_se divides .*; use weights='none'$"):
        ig.fit(runs, "vocabulary", objective="least_squares", weights="loss_se")


def test_a_law_that_predicts_no_positive_value_is_refused() -> None:
    """The rewards are positive, but the law says 0 at the start of the policy."""
    distance = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 4.0])
    reward = distance * (1.5 - 0.2 * distance) + 0.01
    runs = ig.read_runs(
        {"params": [1e8] * 6, "tokens": [1e9] * 6, "loss": reward, "kl": distance**2}, duplicates="keep"
    )
    with pytest.raises(
        InputError, match=r"the fitted rm_overopt predicts 0 at a run; use objective='least_squares'$"
    ):
        ig.fit(runs, "rm_overopt", bootstrap=0, check=False)
    fitted = ig.fit(runs, "rm_overopt", objective="least_squares", bootstrap=0, check=False)
    assert fitted.params["alpha"] == pytest.approx(1.5, abs=0.03)
    later = runs.filter(pl.col("kl") > 0, "start")
    assert ig.fit(later, "rm_overopt", bootstrap=0, check=False).params["beta"] == pytest.approx(
        0.2, abs=0.03
    )


def test_methods_that_take_logarithms_name_the_row() -> None:
    mixtures = [{"eng": p, "fra": 1 - p} for p in (1.0, 0.5)]
    points = ig.grid([1e8], [1e9, 1e10], mixtures=mixtures, evaluate_on=["eng"])
    runs = ig.read_runs(points.with_columns(loss=-1.0), loss_unit="reward")
    for what, call in (("frontier", frontier), ("share-exponent", share_exponent)):
        with pytest.raises(InputError, match=rf"^{what}: it takes the logarithm of the loss, but row 1 has"):
            call(runs)  # type: ignore[operator]
