"""Partial pooling: the algebra of the population, recovery of known spreads, honest intervals, new languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.fit.hierarchy import Summary, learn, posterior
from isoglot.fit.holdout import remaining
from isoglot.fit.new_language import leave_language_out
from isoglot.fit.partial import family_of
from isoglot.laws import Query, query

FAMILIES = {f"l{at}": f"f{at % 4}" for at in range(20)}


def pseudo_inverse_problem(rng: np.random.Generator) -> tuple[Summary, np.ndarray, np.ndarray, np.ndarray]:
    member = np.array([0, 0, 1, 1, 1, 2])
    roots = rng.normal(size=(6, 2, 3))
    precision = np.einsum("gij,gkj->gik", roots, roots)
    return (
        Summary(precision, rng.normal(size=(6, 2))),
        member,
        np.array([[0.3, 0.1], [0.1, 0.8]]),
        np.array([[0.5, -0.2], [-0.2, 1.5]]),
    )


def test_the_posterior_is_the_dense_gaussian_one() -> None:
    summary, member, within, between = pseudo_inverse_problem(np.random.default_rng(0))
    prior = (np.array([0.2, -0.1]), np.array([2.0, 3.0]))
    groups, m, families = 6, 2, 3
    rows = groups + families + 1
    full, pull = np.zeros((rows * m, rows * m)), np.zeros(rows * m)

    def add(i: int, j: int, block: np.ndarray) -> None:
        full[i * m : i * m + m, j * m : j * m + m] += block

    inner, outer = np.linalg.inv(within), np.linalg.inv(between)
    for g in range(groups):
        add(g, g, summary.precision[g] + inner)
        family = groups + member[g]
        add(family, family, inner)
        add(g, family, -inner)
        add(family, g, -inner)
        pull[g * m : g * m + m] = summary.pull[g]
    top = rows - 1
    for family in range(groups, top):
        add(family, family, outer)
        add(top, top, outer)
        add(family, top, -outer)
        add(top, family, -outer)
    add(top, top, np.diag(prior[1] ** -2.0))
    pull[top * m :] += prior[0] * prior[1] ** -2.0
    covariance = np.linalg.inv(full)
    mean = (covariance @ pull).reshape(rows, m)

    found = posterior(summary, member, within, between, prior)
    theta, family_means = found.means()
    np.testing.assert_allclose(theta, mean[:groups], rtol=1e-9)
    np.testing.assert_allclose(family_means, mean[groups:top], rtol=1e-9)
    np.testing.assert_allclose(found.mu, mean[top], rtol=1e-9)
    blocks = covariance.reshape(rows, m, rows, m)
    for g in range(groups):
        np.testing.assert_allclose(found.covariance()[g], blocks[g, :, g, :], rtol=1e-8)
    theta_draws, mean_draws = found.draws(40_000, 1)
    np.testing.assert_allclose(np.cov(theta_draws[:, 3].T), blocks[3, :, 3, :], rtol=0.05, atol=1e-3)
    both = np.cov(theta_draws[:, 3, 0], mean_draws[:, 1, 0])[0, 1]
    assert both == pytest.approx(blocks[3, 0, groups + 1, 0], abs=5e-3)


def test_known_spreads_are_learned() -> None:
    rng = np.random.default_rng(1)
    member = np.repeat(np.arange(25), 8)
    within, between = np.array([0.2, 0.1]), np.array([0.6, 0.3])
    family = rng.normal(size=(25, 2)) * between + np.array([1.0, -1.0])
    theta = family[member] + rng.normal(size=(200, 2)) * within
    known = np.diag([0.1, 0.1]) ** 2
    observed = theta + rng.multivariate_normal(np.zeros(2), known, 200)
    precision = np.tile(np.linalg.inv(known), (200, 1, 1))
    summary = Summary(precision, np.einsum("gij,gj->gi", precision, observed))
    prior = (np.zeros(2), np.full(2, 10.0))
    found, a, b = learn(summary, member, np.eye(2), np.eye(2), prior)
    np.testing.assert_allclose(np.sqrt(np.diagonal(a)), within, rtol=0.25)
    np.testing.assert_allclose(np.sqrt(np.diagonal(b)), between, rtol=0.35)
    assert abs(a[0, 1]) < 0.2 * within.prod()
    # Shrinkage helps: the posterior means lie nearer to the truth than the observations do.
    error = np.sqrt(((found.means()[0] - theta) ** 2).mean(axis=0))
    assert (error < 0.95 * np.sqrt(((observed - theta) ** 2).mean(axis=0))).all()
    np.testing.assert_allclose(found.mu, family.mean(axis=0), atol=0.1)


def hierarchy_world(seed: int, noise: float = 0.004, whole: bool = False) -> tuple[ig.Runs, dict]:
    """Twenty languages in four families, each with a law of its own and an L of five runs (or a grid of nine)."""
    rng = np.random.default_rng(seed)
    middle = {f"f{at}": rng.normal(0, 1, 5) for at in range(4)}
    truth = {}
    for name, family in FAMILIES.items():
        z = 0.5 * middle[family] + 0.5 * rng.normal(0, 1, 5)
        truth[name] = {
            "E": 1.6 * np.exp(0.15 * z[0]),
            "A": 400 * np.exp(0.25 * z[1]),
            "B": 2000 * np.exp(0.25 * z[2]),
            "alpha": 0.34 * np.exp(0.15 * z[3]),
            "beta": 0.36 * np.exp(0.15 * z[4]),
        }
    mixtures = [{name: 1.0} for name in truth]
    points = ig.grid(N=[1e8, 6e8, 3e9], D=[2e9, 1e10, 6e10], mixtures=mixtures)
    points = points.filter(pl.lit(whole) | (pl.col("params") == 1e8) | (pl.col("tokens") == 2e9))
    own = pl.any_horizontal([(pl.col(f"share.{name}") > 0) & (pl.col("language") == name) for name in truth])
    return ig.simulate("chinchilla", truth, points.filter(own), noise=noise, seed=seed), truth


@pytest.fixture(scope="module")
def world() -> tuple[ig.Runs, dict]:
    return hierarchy_world(3)


@pytest.fixture(scope="module")
def pooled(world: tuple[ig.Runs, dict]) -> ig.Fit:
    return ig.fit(world[0], by="language", pool="partial", pool_by=FAMILIES, bootstrap=400)


def test_intervals_of_a_hierarchy_hold_the_truth(pooled: ig.Fit, world: tuple[ig.Runs, dict]) -> None:
    assert pooled.status == "converged" and pooled.drawn == "posterior"
    intervals = pooled.intervals(0.9)
    inside = [
        low <= world[1][name][key] <= high
        for name in FAMILIES
        for key, (low, high) in intervals[name].items()
        if key in ("E", "alpha", "beta")
    ]
    assert 0.8 <= np.mean(inside) <= 1.0


def test_five_runs_a_language_predict_further_than_without_pooling(
    pooled: ig.Fit, world: tuple[ig.Runs, dict]
) -> None:
    truth = world[1]
    far = ig.grid(N=[3e10], D=[1e12], mixtures=[{name: 1.0} for name in truth])
    own = pl.any_horizontal([(pl.col(f"share.{n}") > 0) & (pl.col("language") == n) for n in truth])
    test = ig.simulate("chinchilla", truth, far.filter(own), noise=0.0, seed=0)
    observed = test.frame["loss"].to_numpy()
    alone = ig.fit(world[0], by="language", bootstrap=0, check=False).predict(test)["loss"].to_numpy()
    found = pooled.predict(test, kind="mean")
    error = np.abs(found["loss"].to_numpy() / observed - 1).mean()
    assert error < 0.75 * np.abs(alone / observed - 1).mean()
    covered = (found["low"].to_numpy() <= observed) & (observed <= found["high"].to_numpy())
    assert covered.mean() >= 0.75


def test_a_language_without_runs_is_covered(pooled: ig.Fit) -> None:
    frame = leave_language_out(pooled)
    assert frame.height == 20 and frame["mre"].mean() < 0.2
    assert 0.8 <= np.average(frame["coverage"], weights=frame["rows"]) <= 1.0
    # Knowing the family narrows the interval.
    widths = []
    for family in ("f0", None):
        new = pooled.with_language("new", family)
        found = new.predict(at_a_point(new), group="new")
        widths.append(float((found["high"] - found["low"])[0]))
    assert widths[0] < widths[1]


def at_a_point(fitted: ig.Fit) -> Query:
    share = np.zeros(len(fitted.languages))
    share[0] = 1.0
    return query(1e9, 2e10, shares=share)


def test_saved_population_reads_back(pooled: ig.Fit, tmp_path: Path) -> None:
    pooled.save(tmp_path / "p.fit")
    loaded = ig.load_fit(tmp_path / "p.fit")
    assert loaded.params == pooled.params and loaded.intervals() == pooled.intervals()
    assert leave_language_out(loaded).equals(leave_language_out(pooled))


def test_groups_with_correlated_checkpoints_get_wider_intervals(world: tuple[ig.Runs, dict]) -> None:
    frame = world[0].frame
    twice = pl.concat([frame, frame.with_columns(tokens=pl.col("tokens") * 1.02)]).drop("row")
    runs = ig.read_runs(twice, name="twice")
    copied = ig.fit(runs, by="language", pool="partial", bootstrap=200).intervals()
    apart = runs.frame.with_columns(run=pl.col("run") + pl.col("tokens").cast(pl.String), cluster=None)
    free = ig.fit(
        ig.read_runs(apart.drop("row", "cluster"), name="apart"), by="language", pool="partial", bootstrap=200
    ).intervals()

    def width(found: dict, key: str) -> float:
        return float(np.median([found[name][key][1] / found[name][key][0] for name in FAMILIES]))

    assert width(copied, "alpha") - 1 > 1.1 * (width(free, "alpha") - 1)


def test_bad_pooling_is_refused_in_a_sentence(world: tuple[ig.Runs, dict], pooled: ig.Fit) -> None:
    with pytest.raises(InputError, match="needs by= with at least 3 groups"):
        ig.fit(world[0], pool="partial")
    with pytest.raises(InputError, match="pool_by='famly' is unknown"):
        ig.fit(world[0], by="language", pool="partial", pool_by="famly")
    with pytest.raises(InputError, match="pool_by names 'zz', which is no group"):
        ig.fit(world[0], by="language", pool="partial", pool_by={"zz": "f0"})
    with pytest.raises(InputError, match="pool_by names families"):
        ig.fit(world[0], by="language", pool_by="family")
    with pytest.raises(InputError, match="'l1' has runs of its own"):
        pooled.with_language("l1")
    with pytest.raises(InputError, match="family 'x' has no runs"):
        pooled.with_language("new", "x")
    with pytest.raises(InputError, match="needs a fit with pool='partial'"):
        ig.published().with_language("new")
    assert family_of("eng#2", "family") == family_of("eng", "family") != "eng#2"


def test_methods_that_need_refits_are_refused(pooled: ig.Fit) -> None:
    # A profile would compare an objective without springs to one with them, and has no likelihood of the population.
    for method in ("expanded", "laplace", "profile"):
        for ask in (
            lambda: pooled.intervals(0.9, method),  # noqa: B023
            lambda: pooled.interval_of(lambda p: p["alpha"], "l1", method=method),  # type: ignore[arg-type]  # noqa: B023
            lambda: pooled.to_dict(0.9, method),  # noqa: B023
        ):
            with pytest.raises(InputError, match="draws are those of a posterior; use 'bootstrap'"):
                ask()
    assert pooled.to_dict()["method"] == "posterior"


def test_a_language_without_runs_survives_a_file_and_says_so(pooled: ig.Fit, tmp_path: Path) -> None:
    new = pooled.with_language("new", "f1")
    new.save(tmp_path / "n.fit")
    loaded = ig.load_fit(tmp_path / "n.fit")
    at = at_a_point(loaded)
    assert loaded.predict(at, group="new").equals(new.predict(at, group="new"))
    assert loaded.predict(at, group="new")["outside"][0].startswith("no runs of new")
    assert "no runs" not in loaded.predict(at, group="l1")["outside"][0]
    # The errors do not depend on the language that was added (the draws of the intervals do).
    plain = ["group", "rows", "mre", "bias"]
    assert leave_language_out(loaded)[plain].equals(leave_language_out(pooled)[plain])
    assert np.isnan(new.objective_value[-1]) and new.to_dict()["groups"][-1]["group"] == "new"
    # Two languages without runs have draws of their own.
    both = new.with_language("other", "f1")
    assert both.draws is not None
    apart = both.draws[:, -1] - both.draws[:, -2]
    assert (apart.std(axis=0) > 0).all()
    # The plan refuses a language whose share the runs never held.
    with pytest.raises(InputError, match="language new was not in the runs"):
        ig.plan(ig.Brief(budget=1e20, languages={"new": {}, "l1": {}}, force=True), {"size": new})


def few_languages(count: int = 5) -> ig.Runs:
    rng = np.random.default_rng(2)
    truth = {
        f"l{at}": {
            "E": 1.7 * np.exp(0.1 * rng.normal()),
            "A": 400.0,
            "B": 2000.0,
            "alpha": 0.34,
            "beta": 0.37,
        }
        for at in range(count)
    }
    points = ig.grid(N=[1e8], D=[1e9, 4e9, 1.6e10, 6.4e10], mixtures=[{name: 1.0} for name in truth])
    own = pl.any_horizontal([(pl.col(f"share.{n}") > 0) & (pl.col("language") == n) for n in truth])
    return ig.simulate("chinchilla", truth, points.filter(own), noise=0.003, seed=1)


def test_what_no_run_informs_is_a_finding() -> None:
    # With A = 0 no run depends on alpha, which keeps its start value without any uncertainty.
    found = ig.fit(few_languages(), by="language", pool="partial", fixed={"A": 0.0}, bootstrap=20)
    messages = [d.message for d in found.diagnostics if d.code == "no_information"]
    assert messages == ["no run depends on alpha"]


def test_comparisons_hold_out_the_only_language_of_a_family() -> None:
    families = {"l0": "x", "l1": "x", "l2": "x", "l3": "x", "l4": "alone"}
    fixed = {"A": 0.0, "alpha": 1.0}
    given = {"by": "language", "pool": "partial", "fixed": fixed, "bootstrap": 20, "baselines": False}
    result = ig.compare(few_languages(), ["chinchilla"], "language", pool_by=families, **given)  # type: ignore[arg-type]
    assert result.frame["predicted"][0] == 20 and result.frame["unpredicted"][0] == 0 and not result.notes
    # A misspelt name is told, not dropped.
    with_typo = {**families, "l9": "x"}
    bad = ig.compare(few_languages(), ["chinchilla"], "language", pool_by=with_typo, **given)  # type: ignore[arg-type]
    assert bad.frame["mre"][0] is None and "pool_by names 'l9'" in bad.notes[0]


def test_families_of_groups_that_are_no_languages_are_kept_in_a_comparison() -> None:
    runs = few_languages()
    train = runs.filter(pl.col("language") != "l4", "held out")
    families = {"l0": "x", "l4": "y", "typo": "x"}
    assert remaining(families, runs, train, "language") == {"l0": "x", "typo": "x"}
    assert remaining({"1": "x"}, runs, train, "num_languages") == {"1": "x"}
    assert remaining("family", runs, train, "language") == "family"


def test_a_law_with_helpers_has_none_for_a_language_without_runs(pooled: ig.Fit) -> None:
    helped = replace(pooled, transfer={"l1": ("l2",)})
    with pytest.raises(InputError, match="helpers of its own, and 'new' has none"):
        helped.with_language("new")


@pytest.mark.slow
def test_every_language_of_goldfish_is_pooled_by_family(shared_data: Path) -> None:
    runs = ig.read_runs(
        shared_data / "goldfish_flores.csv",
        columns={
            "run": "run_id",
            "language": "flores_lang",
            "params": "params_total",
            "loss": "flores_nll_bits",
        },
        loss_unit="bits_per_half_sentence",
        where={"same_language": True},
    )
    fixed = {"A": 0.0, "alpha": 1.0}
    fitted = ig.fit(runs, by="language", pool="partial", pool_by="family", fixed=fixed, bootstrap=200)
    assert fitted.status == "converged" and len(fitted.groups) == 135
    left_out = leave_language_out(fitted)
    assert left_out["mre"].mean() == pytest.approx(0.100, abs=0.01)
    assert 0.85 <= np.average(left_out["coverage"], weights=left_out["rows"]) <= 0.97
