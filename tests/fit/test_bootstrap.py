"""The cluster bootstrap: what moves together, and what a seed fixes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import isoglot as ig
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit import Fit
from isoglot.fit.resample import cluster_counts, expansion
from isoglot.runs import Runs

TRUTH = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}


@pytest.fixture(scope="module")
def world() -> Runs:
    points = ig.grid(N=np.geomspace(5e7, 1e10, 5), D=np.geomspace(1e9, 3e11, 6))
    return ig.simulate("chinchilla", TRUTH, points, noise=0.003, seed=2)


def fit(runs: Runs, **arguments: Any) -> Fit:
    return ig.fit(runs, "chinchilla", check=False, **({"bootstrap": 100, "seed": 0} | arguments))


def clustered(runs: Runs, cluster: pl.Expr) -> Runs:
    return replace(runs, frame=runs.frame.with_columns(cluster.alias("cluster")))


def test_counts_draw_every_cluster_of_a_stratum_as_often_as_it_has_clusters() -> None:
    # Clusters 0-3 inform group 0, clusters 4-9 group 1, 10 and 11 both; cluster 12 informs nothing.
    cluster = np.array([*range(12), 10, 11])
    group = np.array([0] * 4 + [1] * 6 + [0, 0] + [1, 1])
    counts = cluster_counts(cluster, group, 13, draws=400, seed=0)
    assert (counts[:, :4].sum(axis=1) == 4).all()
    assert (counts[:, 4:10].sum(axis=1) == 6).all()
    assert (counts[:, 10:12].sum(axis=1) == 2).all()
    assert (counts[:, 12] == 0).all()
    assert counts.mean(axis=0)[:12] == pytest.approx(1.0, abs=0.2)
    assert counts[:, 4:10].var() == pytest.approx(5 / 6, rel=0.1)  # multinomial, not a permutation


def test_counts_are_fixed_by_the_seed() -> None:
    one, again, other = (cluster_counts(np.arange(9), np.zeros(9, int), 9, 50, seed) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()


def test_draws_are_fixed_by_the_seed(world: Runs) -> None:
    one, again, other = (fit(world, seed=seed) for seed in (1, 1, 2))
    assert one.draws is not None and other.draws is not None
    assert one.draws.tobytes() == again.draws.tobytes()
    assert one.intervals() == again.intervals()
    assert one.params == other.params and one.intervals() != other.intervals()


def test_a_longer_bootstrap_and_its_summary(world: Runs) -> None:
    fitted = fit(world, bootstrap=150)
    assert fitted.draws is not None and fitted.draws.shape == (150, 1, 5)
    assert fitted.starts["draws"] == 150 and fitted.starts["draws not converged"] == 0
    narrow, wide = fitted.intervals(0.5), fitted.intervals(0.99)
    for key, value in TRUTH.items():
        assert wide[key][0] < narrow[key][0] < narrow[key][1] < wide[key][1]
        assert wide[key][0] <= value <= wide[key][1]


def test_checkpoints_of_one_run_move_together(world: Runs) -> None:
    # Each run measured three times says no more than once: the same clusters, the same draws.
    alone = fit(world)
    tripled = replace(world, frame=pl.concat([world.frame] * 3))
    together = fit(tripled)
    assert (together.num_rows, together.num_clusters) == (90, 30)
    assert together.params == pytest.approx(alone.params, rel=1e-4)
    for key, ends in alone.intervals().items():
        # Draws stop at a small gap, so ends agree to a few percent of a width.
        assert together.intervals()[key] == pytest.approx(ends, abs=0.05 * (ends[1] - ends[0])), key
    # As runs of their own they would look sqrt(3) times as informative.
    rows = pl.int_range(pl.len()).cast(pl.String)
    apart = fit(clustered(tripled, rows))
    assert apart.num_clusters == 90
    ratio = np.diff(alone.intervals()["beta"]) / np.diff(apart.intervals()["beta"])
    assert 1.4 < ratio[0] < 2.1


def test_every_draw_holds_whole_clusters(world: Runs) -> None:
    # One cluster a size: with five clusters, some draws lack sizes, and the interval of alpha is wide.
    few = fit(clustered(world, pl.col("params").round().cast(pl.Int64).cast(pl.String)))
    assert few.num_clusters == 5
    assert np.isnan(few.intervals()["alpha"]).all()  # no more clusters than parameters: nothing to say
    assert few.saturated(0)


def test_no_draws_is_an_answer_and_a_wrong_method_a_mistake(world: Runs) -> None:
    fitted = fit(world, bootstrap=0)
    assert fitted.draws is None
    with pytest.raises(NoAnswerError, match="no draws") as caught:
        fitted.intervals()
    assert caught.value.exit_code == 1
    laplace = fitted.intervals(0.9, "laplace")
    assert laplace["alpha"][0] < fitted.params["alpha"] < laplace["alpha"][1]
    with pytest.raises(InputError, match="choose one of") as wrong:
        fitted.intervals(0.9, "bootstap")  # type: ignore[arg-type]
    assert "did you mean bootstrap" in str(wrong.value)


@pytest.mark.parametrize(("clusters", "parameters"), [(12, 5), (60, 5), (1000, 5)])
def test_expansion_is_students_factor_times_the_shrinkage_of_residuals(
    clusters: int, parameters: int
) -> None:
    from scipy import stats

    freedom = clusters - parameters
    student = stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975)
    assert expansion(clusters, parameters, 0.95) == pytest.approx(student * np.sqrt(clusters / freedom))
    assert expansion(clusters, parameters, 0.95, refit=False) == pytest.approx(student)


def test_languages_keep_their_clusters_and_shared_runs_move_jointly() -> None:
    mixtures = [{"a": 0.5, "b": 0.5}, {"a": 0.2, "b": 0.8}]
    points = ig.grid(N=[1e8, 6e8, 4e9], D=[2e9, 2e10, 2e11], mixtures=mixtures)
    params = {"a": {**TRUTH, "gamma": 0.1}, "b": {**TRUTH, "E": 1.9, "gamma": 0.1}}
    # The noise of a run is common to its two languages, so their floors move together in the draws.
    world = ig.simulate("msl", params, points, noise=ig.Noise(sd=1e-5, cluster_sd=0.003), seed=1)
    fitted = ig.fit(world, "msl", by="language", objective="gaussian", bootstrap=150, check=False)
    assert fitted.num_clusters == 18 and fitted.draws is not None
    at = fitted.layout.keys.index("gamma")
    # b's share is the complement of a's, so a common shift of a mixture's runs moves the two gammas oppositely:
    # what matters is that a draw holds the same runs for both languages.
    assert abs(np.corrcoef(fitted.draws[:, 0, at], fitted.draws[:, 1, at])[0, 1]) > 0.95


def test_a_parameter_that_rests_on_its_bound_has_no_interval() -> None:
    """Percentiles of refits that all rest on a bound would say "0 to 0": certain, where nothing is known."""
    truth = {"E": 0.0, "A": 400.0, "B": 2000.0, "alpha": 0.2, "beta": 0.25}
    runs = ig.simulate("chinchilla", truth, ig.grid([1e8, 1e9, 1e10], [2e9, 2e10, 2e11]), noise=1e-5, seed=3)
    lifted = ig.read_runs(runs.frame.with_columns(loss=runs.frame["loss"] - 0.02))
    fitted = ig.fit(lifted, "chinchilla", bootstrap=50)
    assert fitted.params["E"] == 0
    assert np.isnan(fitted.intervals()["E"]).all() and np.isfinite(fitted.intervals()["alpha"]).all()
    found = fitted.to_dict()["groups"][0]["params"]
    assert found["E"]["at_bound"] and found["E"]["low"] is None and not found["alpha"]["at_bound"]
    held = ig.fit(lifted, "chinchilla", bootstrap=50, fixed={"E": 0.0})
    assert held.intervals()["E"] == (0, 0)
    assert repr(fitted) == f"Fit('chinchilla', {fitted.status}, 9 rows, one group)"
