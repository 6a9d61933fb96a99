"""Ensembles: the weights' algebra, the mixture's predictions, form uncertainty in intervals, use as any other fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.ensemble import combine
from isoglot.fit.held_out import hold_out
from isoglot.fit.stack import HeldOut, discrepancy, log_density, mixture_coverage, stacking_weights
from isoglot.laws import query
from isoglot.laws.registry import parse_law

SKALING = {"E": 1.2, "A": 50.0, "B": 200.0, "alpha": 0.4, "beta": 0.45, "k": 0.45}


def held_out(centre: np.ndarray, spread: float, rows: int = 40, seed: int = 0) -> HeldOut:
    rng = np.random.default_rng(seed)
    observed = 0.01 * rng.standard_normal(rows)
    return HeldOut(
        np.repeat(centre[:, None], rows, axis=1),
        np.full((len(centre), rows), spread),
        observed,
        np.ones(rows),
        np.linspace(0.1, 1.0, rows),
    )


def test_weights_maximise_the_held_out_score() -> None:
    held = held_out(np.array([0.0, 0.02, -0.015]), 0.01)
    weight = stacking_weights(held)
    assert weight.sum() == pytest.approx(1) and weight.argmax() == 0

    def score(w: np.ndarray) -> float:
        mixed = np.log(w @ np.exp(log_density(held)))
        return float(mixed @ held.importance + np.log(w).sum() / len(w))

    best = score(weight)
    rng = np.random.default_rng(1)
    for _ in range(200):
        moved = 0.9 * weight + 0.1 * rng.dirichlet(np.ones(3))
        assert score(moved) <= best + 1e-9


def test_equal_laws_share_and_little_evidence_keeps_every_law() -> None:
    same = held_out(np.array([0.0, 0.0]), 0.01)
    assert stacking_weights(same) == pytest.approx([0.5, 0.5], abs=1e-6)
    far = held_out(np.array([0.0, 0.05]), 0.01)
    weak = HeldOut(far.centre, far.spread, far.observed, np.full(40, 1 / 40), far.decades)
    assert stacking_weights(weak)[1] > 0.2 > stacking_weights(far)[1]


def test_discrepancy_is_what_the_mixture_does_not_explain() -> None:
    decades = np.linspace(0.2, 2.0, 60)
    rng = np.random.default_rng(3)
    found = []
    for _ in range(200):
        observed = 0.01 * rng.standard_normal() * decades + 0.002 * rng.standard_normal(60)
        held = HeldOut(np.zeros((1, 60)), np.full((1, 60), 0.002), observed, np.ones(60), decades)
        found.append(discrepancy(held, np.ones(1)))
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(0.01, rel=0.15)
    calm = HeldOut(np.zeros((1, 60)), np.full((1, 60), 0.02), 0.002 * decades, np.ones(60), decades)
    assert discrepancy(calm, np.ones(1)) == 0.0
    assert mixture_coverage(calm, np.ones(1), 0.0) == 1.0


@pytest.fixture(scope="module")
def world() -> ig.Runs:
    points = ig.grid(N=np.geomspace(3e7, 3e9, 5), D=np.geomspace(1e9, 6e10, 5))
    return ig.simulate("skaling", SKALING, points, noise=0.002, seed=2)


@pytest.fixture(scope="module")
def members(world: ig.Runs) -> list[ig.Fit]:
    return [ig.fit(world, law, bootstrap=200, check=False) for law in ("chinchilla", "skaling")]


def test_the_mean_and_the_draws_are_those_of_the_members(members: list[ig.Fit]) -> None:
    mixed = combine(members, np.array([0.3, 0.7]))
    at = query([1e8, 1e9], [1e10, 5e10])
    parts = [member.predict(at)["loss"].to_numpy() for member in members]
    np.testing.assert_allclose(mixed.predict(at)["loss"], 0.3 * parts[0] + 0.7 * parts[1], rtol=1e-12)
    # All weight on one member gives that member's intervals, draw by draw.
    alone = combine(members, np.array([0.0, 1.0])).predict(at, kind="mean")
    same = members[1].predict(at, kind="mean")
    np.testing.assert_allclose(alone["low"], same["low"], rtol=1e-10)
    np.testing.assert_allclose(alone["high"], same["high"], rtol=1e-10)


def test_form_uncertainty_widens_far_predictions(members: list[ig.Fit]) -> None:
    far = query(1e12, 1e14)
    mixed = combine(members, np.array([0.5, 0.5])).predict(far, kind="mean").row(0, named=True)
    rows = [member.predict(far, kind="mean").row(0, named=True) for member in members]
    points = [row["loss"] for row in rows]
    assert abs(points[0] / points[1] - 1) > 0.01, "the forms disagree out there"
    assert mixed["low"] < min(points) < max(points) < mixed["high"]
    assert mixed["high"] - mixed["low"] > min(row["high"] - row["low"] for row in rows)
    # The discrepancy acts beyond the runs only, and grows with the distance.
    wide = combine(members, np.array([0.5, 0.5]), delta=0.02)
    near = query(1e9, 1e10)
    plain = combine(members, np.array([0.5, 0.5]))
    assert wide.predict(near, kind="mean")["high"][0] == pytest.approx(
        plain.predict(near, kind="mean")["high"][0]
    )
    ratios = []
    for tokens in (1e12, 1e14):
        row = wide.predict(query(3e9, tokens), kind="mean").row(0, named=True)
        ratios.append(np.log(row["high"] / row["low"]))
    assert ratios[1] > 1.5 * ratios[0] > 0.05


def test_an_ensemble_prefers_the_true_form_and_is_a_fit(world: ig.Runs, tmp_path: Path) -> None:
    mixed = ig.ensemble(world, ["chinchilla", "skaling"], bootstrap=200)
    weights = [value for key, value in mixed.params.items() if key.startswith("weight")]
    assert weights[1] > 0.5 and sum(weights) == pytest.approx(1)
    codes = [finding.code for finding in mixed.diagnostics]
    assert codes[0] == "ensemble_weights" and "held_out_coverage" in codes
    plan = ig.plan(ig.Brief(budget=1e21, languages={"eng": {}}), {"size": mixed})
    assert (
        plan.size.params_interval is not None and plan.size.params_interval[0] < plan.size.params_interval[1]
    )
    low, high = mixed.interval_of(lambda p: p["skaling.alpha"] / p["skaling.beta"])
    assert low < SKALING["alpha"] / SKALING["beta"] < high
    mixed.save(tmp_path / "e.fit")
    loaded = ig.load_fit(tmp_path / "e.fit")
    assert loaded.law == mixed.law and loaded.to_dict() == mixed.to_dict()
    assert loaded.predict(world).equals(mixed.predict(world), null_equal=True)


def test_members_with_transfer_sets_and_groups() -> None:
    mixtures = [{"a": a, "b": 1 - a} for a in (1.0, 0.7, 0.4, 0.1, 0.0)]
    points = ig.grid(N=[1e8, 6e8, 3e9], D=[3e9, 2e10, 1e11], mixtures=mixtures)
    points = points.filter(
        ((pl.col("language") == "a") & (pl.col("share.a") > 0))
        | ((pl.col("language") == "b") & (pl.col("share.b") > 0))
    )
    truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37, "gamma": 0.08}
    world = ig.simulate("msl", truth, points, noise=0.003, seed=1)
    laws = ["msl", "two_share", "atlas:transfer=1"]
    given = {"msl": 2, "two_share": 1, "atlas:transfer=1": 1}
    mixed = ig.ensemble(world, laws, weights=given, by="language", bootstrap=20)
    assert mixed.transfer["a"] == ("b", "b") and len(mixed.groups) == 2
    expected = sum(
        w * ig.fit(world, law, by="language", bootstrap=0, check=False).predict(world)["loss"].to_numpy()
        for law, w in zip(
            laws, [v for k, v in mixed.params["a"].items() if k.startswith("weight")], strict=True
        )
    )
    np.testing.assert_allclose(mixed.predict(world)["loss"], expected, rtol=1e-7)
    brief = ig.Brief(budget=1e20, languages={"a": {}, "b": {}}, force=True)
    plan = ig.plan(brief, mixed)
    assert sum(plan.mixture.shares.values()) == pytest.approx(1)


def test_given_weights_laws_that_fail_and_bad_input(world: ig.Runs) -> None:
    fixed = ig.ensemble(world, ["chinchilla", "quanta"], weights={"chinchilla": 3, "quanta": 1}, bootstrap=20)
    assert [v for k, v in fixed.params.items() if k.startswith("weight")] == [0.75, 0.25]
    found = ig.ensemble(world, ["chinchilla", "quanta", "lr_schedule"], bootstrap=20)
    left = [d.message for d in found.diagnostics if d.code == "left_out_of_ensemble"]
    assert len(left) == 1 and "lr_peak" in left[0]
    with pytest.raises(InputError, match="fewer than two laws"):
        ig.ensemble(world, ["chinchilla", "lr_schedule"], bootstrap=20)
    with pytest.raises(InputError, match="weights names 'x'"):
        ig.ensemble(world, ["chinchilla", "quanta"], weights={"x": 1}, bootstrap=20)
    with pytest.raises(InputError, match="every weight is zero"):
        ig.ensemble(world, ["chinchilla", "quanta"], weights={}, bootstrap=20)
    with pytest.raises(InputError, match="bootstrap=0 leaves no draws"):
        ig.ensemble(world, ["chinchilla", "quanta"], bootstrap=0)
    with pytest.raises(NoAnswerError, match="hold-out mixture has nothing to hold out"):
        ig.ensemble(world, ["chinchilla", "quanta"], holdout="mixture", bootstrap=20)


def test_methods_that_need_refits_are_refused(members: list[ig.Fit]) -> None:
    mixed = combine(members, np.array([0.5, 0.5]))
    for method in ("expanded", "laplace", "profile"):
        with pytest.raises(InputError, match="draws are those of an ensemble; use 'bootstrap'"):
            mixed.intervals(0.9, method)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="draws are those of an ensemble"):
            mixed.interval_of(lambda p: p["skaling.k"], method=method)  # type: ignore[arg-type]
    assert mixed.to_dict()["method"] == "ensemble"


def test_members_with_columns_of_their_own_read_back(world: ig.Runs, tmp_path: Path) -> None:
    runs = ig.read_runs(world.frame.drop("row").with_columns(bits=pl.lit([4.0, 16.0]).list.get(0)), name="b")
    members = [ig.fit(runs, law, bootstrap=20, check=False) for law in ("chinchilla", "precision")]
    for order in (members, members[::-1]):
        mixed = combine(order, np.array([0.5, 0.5]))
        mixed.save(tmp_path / "c.fit")
        loaded = ig.load_fit(tmp_path / "c.fit")
        assert loaded.predict(runs).equals(mixed.predict(runs))


def test_a_plan_refuses_what_no_run_informs_in_a_member(world: ig.Runs) -> None:
    one_size = world.filter(pl.col("params") == world.frame["params"].min(), "other sizes")
    given = {"weights": {"chinchilla": 1, "skaling": 1}, "bootstrap": 20, "fixed": {"A": 0.0}}
    mixed = ig.ensemble(one_size, ["chinchilla", "skaling"], **given)  # type: ignore[arg-type]
    assert mixed.pinned is not None and "chinchilla.A" in mixed.fixed
    messages = [d.message for d in mixed.diagnostics if d.code == "no_information"]
    assert "chinchilla: no run depends on alpha" in messages
    with pytest.raises(NoAnswerError, match=r"size rests on chinchilla\.alpha, on which no run depends"):
        ig.plan(ig.Brief(budget=1e21, languages={"eng": {}}), {"size": mixed})


def test_options_that_would_be_ignored_are_refused(world: ig.Runs) -> None:
    laws = ["chinchilla", "quanta"]
    with pytest.raises(InputError, match="fixed names 'alhpa', a parameter of none"):
        ig.ensemble(world, laws, fixed={"alhpa": 0.3}, bootstrap=20)
    with pytest.raises(InputError, match="weight of quanta is inf"):
        ig.ensemble(world, laws, weights={"chinchilla": 1, "quanta": float("inf")}, bootstrap=20)
    with pytest.raises(InputError, match="use by=None or another hold-out"):
        ig.ensemble(world, laws, holdout="language", by="language", bootstrap=20)
    signed = ig.read_runs(
        world.frame.drop("row").with_columns(loss=pl.col("loss") - 2.0), name="s", loss_unit="score"
    )
    with pytest.raises(InputError, match="scored on the logarithm"):
        ig.ensemble(signed, laws, objective="least_squares", bootstrap=20)


def test_predictions_that_are_not_scored_are_counted(world: ig.Runs) -> None:
    largest = pl.col("params") == world.frame["params"].max()
    late = world.frame.filter(largest).with_columns(language=pl.lit("late"), run=pl.col("run") + "late")
    runs = ig.read_runs(pl.concat([world.frame, late]).drop("row", "cluster"), name="two")
    findings: list[Diagnostic] = []
    specs = [parse_law("chinchilla"), parse_law("quanta")]
    options = {"by": "language", "pool": "none", "pool_by": None, "objective": "huber", "seed": 0}
    held, kept = hold_out(runs, specs, "N", options, None, findings, lambda _: None)
    assert len(kept) == 2 and held.observed.shape == (5,) and np.isfinite(held.spread).all()
    assert [d.code for d in findings] == ["held_out_unscored"]
    assert findings[0].message.startswith("5 of 10 held-out predictions are not scored")


def test_members_with_fewer_rows_are_named(world: ig.Runs, members: list[ig.Fit]) -> None:
    less = ig.fit(world, "skaling", bootstrap=200, drop_highest=3, check=False)
    mixed = combine([members[0], less], np.array([0.5, 0.5]))
    found = [d.message for d in mixed.diagnostics if d.code == "fewer_rows"]
    assert found == ["skaling was fitted to 22 of 25 rows: one of the 3 highest losses"]
    assert mixed.num_rows == 25
    assert not [d for d in combine(members, np.array([0.5, 0.5])).diagnostics if d.code == "fewer_rows"]


def test_many_members_of_little_weight_still_have_a_status(members: list[ig.Fit]) -> None:
    many = combine([members[0]] * 25, np.full(25, 0.04))
    assert many.status == members[0].status


def test_command_line(world: ig.Runs, tmp_path: Path) -> None:
    table, saved = tmp_path / "runs.csv", tmp_path / "mix.fit"
    world.write(table)
    words = ["ensemble", str(table), "--law", "chinchilla", "--law", "quanta", "--bootstrap", "50"]
    result = CliRunner().invoke(app, [*words, "--save", str(saved)])
    assert result.exit_code == 0, result.output
    assert "quanta" in result.output and "held out by compute" in result.output
    data = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert sum(data["weights"]) == pytest.approx(1) and data["members"] == ["chinchilla", "quanta"]
    again = CliRunner().invoke(app, ["predict", str(saved), "--params", "1e9", "--tokens", "2e10"])
    assert again.exit_code == 0 and "ensemble:members" in again.output
