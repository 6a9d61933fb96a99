"""NUTS: exact where the answer is known, agreement with the bootstrap, statuses from the chains, export."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpyro.diagnostics import split_gelman_rubin
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app
from isoglot.core.errors import InputError, MissingExtraError
from isoglot.fit.bayes import Sampled, _hierarchy, _result, fit_bayes, to_arviz
from isoglot.fit.hierarchy import Hierarchy
from isoglot.fit.posterior_density import Model
from isoglot.laws import query

TRUTH = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}


@pytest.fixture(scope="module")
def world() -> ig.Runs:
    points = ig.grid(N=np.geomspace(5e7, 1e10, 6), D=np.geomspace(1e9, 3e11, 6))
    return ig.simulate("chinchilla", TRUTH, points, noise=0.003, seed=4)


@pytest.fixture(scope="module")
def sampled(world: ig.Runs) -> tuple[ig.Fit, Sampled]:
    return fit_bayes(world, "chinchilla", objective="gaussian", warmup=200, draws=250)


def test_posterior_holds_the_truth_and_converges(sampled: tuple[ig.Fit, Sampled]) -> None:
    fitted, chains = sampled
    assert fitted.status == "converged" and chains.divergences == 0 and chains.r_hat < 1.05
    for key, (low, high) in fitted.intervals(0.99).items():
        assert low <= TRUTH[key] <= high, key


def test_agrees_with_the_bootstrap_where_identified(sampled: tuple[ig.Fit, Sampled], world: ig.Runs) -> None:
    boot = ig.fit(world, "chinchilla", objective="gaussian", bootstrap=1000, check=False).intervals(0.9)
    for key, (low, high) in sampled[0].intervals(0.9).items():
        width = boot[key][1] - boot[key][0]
        assert abs((low + high) - sum(boot[key])) / 2 < 0.25 * width, key
        assert 0.7 < (high - low) / width < 1.5, key


def test_noise_has_the_posterior_of_a_normal_variance(sampled: tuple[ig.Fit, Sampled]) -> None:
    # 36 rows, 5 parameters: the posterior of sigma sits around 0.003 with relative sd of about 1 / sqrt(2 x 31).
    noise = np.exp(sampled[1].chains["log_noise"]).ravel()
    assert 0.0021 < noise.mean() < 0.0042
    assert noise.std() / noise.mean() == pytest.approx(1 / np.sqrt(2 * 31), rel=0.25)


def test_the_fit_predicts_plans_and_reads_back(sampled: tuple[ig.Fit, Sampled], tmp_path: object) -> None:
    fitted = sampled[0]
    row = fitted.predict(query(1e9, 2e10)).row(0, named=True)
    assert row["low"] < row["loss"] < row["high"]
    plan = ig.plan(ig.Brief(budget=1e21, languages={"eng": {}}), {"size": fitted})
    assert plan.size.params_interval is not None
    low, high = plan.size.params_interval
    assert low < plan.size.params < high
    fitted.save(tmp_path / "b.fit")  # type: ignore[operator]
    assert ig.load_fit(tmp_path / "b.fit").intervals() == fitted.intervals()  # type: ignore[operator]


def test_arviz_holds_natural_values(sampled: tuple[ig.Fit, Sampled]) -> None:
    data = to_arviz(*sampled)
    assert dict(data.posterior.sizes) == {"chain": 4, "draw": 250, "group": 1}
    assert float(data.posterior["alpha"].mean()) == pytest.approx(0.34, abs=0.02)
    assert float(data.posterior["A"].median()) == pytest.approx(400, rel=0.4)
    assert set(data.posterior.data_vars) == {"E", "A", "B", "alpha", "beta", "noise"}


def test_trouble_of_the_chains_is_a_status(sampled: tuple[ig.Fit, Sampled]) -> None:
    start, found = sampled
    model = Model.of(replace(start, hierarchy=None))
    cases = {
        "r_hat": (replace(found, r_hat=1.2), "not_converged"),
        "few_samples": (replace(found, samples=50.0), "converged"),
        "divergences": (replace(found, divergences=30), "not_converged"),
    }
    for code, (chains, status) in cases.items():
        result = _result(start, model, chains)
        assert result.status == status
        assert code in {finding.code for finding in result.diagnostics}
    # Chains that disagree are found by the statistic itself.
    apart = np.repeat(np.arange(4.0)[:, None], 100, axis=1) + np.random.default_rng(0).normal(size=(4, 100))
    assert split_gelman_rubin(apart) > 1.2


def test_rows_of_one_run_share_errors(world: ig.Runs) -> None:
    frame = world.frame.drop("row", "cluster")[::2]
    doubled = pl.concat(
        [frame, frame.with_columns(tokens=pl.col("tokens") * 1.03, flops=pl.col("flops") * 1.03)]
    )
    runs = ig.read_runs(doubled, name="checkpoints")
    fitted, chains = fit_bayes(runs, "chinchilla", objective="gaussian", warmup=80, draws=60, chains=2)
    assert chains.chains["shared"].shape == (2, 60, 18)
    # Copies of a row say nothing new: what they share is larger than what they do not.
    assert np.exp(chains.chains["log_shared"]).mean() > np.exp(chains.chains["log_noise"]).mean()
    assert fitted.num_rows == 36


def test_a_population_is_sampled(world: ig.Runs) -> None:
    names = [f"l{at}" for at in range(4)]
    truth = {name: {**TRUTH, "E": 1.5 + 0.1 * at} for at, name in enumerate(names)}
    points = ig.grid(N=[1e8, 6e8, 4e9], D=[2e9, 2e10, 2e11], mixtures=[{name: 1.0} for name in names])
    own = pl.any_horizontal([(pl.col(f"share.{n}") > 0) & (pl.col("language") == n) for n in names])
    runs = ig.simulate("chinchilla", truth, points.filter(own), noise=0.003, seed=1)
    fitted, chains = fit_bayes(runs, by="language", pool="partial", warmup=80, draws=60, chains=2)
    assert chains.divergences < 15 and chains.chains["population"].shape == (2, 60, 2, 5)
    intervals = fitted.intervals(0.99)
    assert all(low <= truth[name]["E"] <= high for name in names for low, high in [intervals[name]["E"]])
    assert fitted.pinned is not None and not fitted.pinned.any()
    new = fitted.with_language("new")
    assert new.draws is not None and new.draws.shape[1] == 5


def test_only_what_was_sampled_is_kept(sampled: tuple[ig.Fit, Sampled]) -> None:
    # The start's covariance is of E, the sampled coordinate is ln E: a Laplace interval of the two would be wrong.
    fitted = sampled[0]
    assert fitted.covariance is None and np.isnan(fitted.objective_value).all()
    for method in ("expanded", "laplace", "profile"):
        with pytest.raises(InputError, match="draws are those of a posterior; use 'bootstrap'"):
            fitted.intervals(0.9, method)  # type: ignore[arg-type]


def test_chains_that_never_moved_do_not_pass(sampled: tuple[ig.Fit, Sampled]) -> None:
    start, found = sampled
    model = Model.of(replace(start, hierarchy=None))
    stuck = replace(found, r_hat=float("nan"), samples=float("nan"))
    result = _result(start, model, stuck)
    assert result.status == "not_converged"
    assert {"r_hat", "few_samples"} <= {finding.code for finding in result.diagnostics}


def test_both_spreads_follow_the_chains(sampled: tuple[ig.Fit, Sampled]) -> None:
    start = sampled[0]
    m, families = 5, 2
    learned = Hierarchy(
        families=("a", "b"),
        member=np.zeros(1, int),
        means=np.zeros((families, m)),
        overall=np.zeros(m),
        within=np.eye(m),
        between=2 * np.eye(m),
        free=np.ones(m, bool),
        noise=1.0,
        mean_draws=np.zeros((4, families + 1, m)),
        precision=np.zeros((1, m, m)),
        pull=np.zeros((1, m)),
        prior=(np.zeros(m), np.ones(m)),
    )
    chains = {
        "population": np.zeros((2, 2, families + 1, m)),
        "log_within": np.full((2, 2, m), np.log(3.0)),
        "log_between": np.full((2, 2, m), np.log(0.5)),
    }
    model = Model.of(start)
    found = _hierarchy(replace(start, hierarchy=learned), model, Sampled(chains, 0, 1.0, 1e3, 4))
    assert found is not None
    np.testing.assert_allclose(np.diagonal(found.within), 9.0)
    np.testing.assert_allclose(np.diagonal(found.between), 0.5)


def test_bad_options_and_a_missing_extra(world: ig.Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="'huber' is no likelihood"):
        fit_bayes(world, objective="huber")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pool='shared' is not available"):
        fit_bayes(world, pool="shared")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no row weights"):
        fit_bayes(world, weights="loss_se")
    with pytest.raises(InputError, match="pool_by names families"):
        fit_bayes(world, pool_by="family")
    with pytest.raises(InputError, match="cannot be judged; give at least 1, 1 and 4"):
        fit_bayes(world, draws=2)
    for words, message in (
        (["--bayes", "--weights", "loss_se"], "no row weights"),
        (["--arviz", "x.nc"], "writes the chains of --bayes"),
        (["--bayes", "--interval", "laplace"], "needs refits"),
    ):
        result = CliRunner().invoke(app, ["fit", "runs.csv", *words])
        assert result.exit_code != 0 and message in str(result.exception or result.output)
    monkeypatch.setitem(sys.modules, "numpyro", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'isoglot\[bayes\]'"):
        fit_bayes(world)
