"""Transferred data read off a scratch surface: exact inversion, intervals, and one-sided ones near the floor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.fit.transferred import effective_data, transferred
from isoglot.laws import TransferHernandez, evaluate, query
from isoglot.laws.transfer_hernandez import transferred_data

SURFACE = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
BASE = {"k": 1.9e4, "a": 0.18, "b": 0.38}


@pytest.fixture(scope="module")
def scratch() -> Any:
    points = ig.grid(N=np.geomspace(5e7, 5e9, 6), D=np.geomspace(5e7, 2e10, 6))
    return ig.fit(ig.simulate("chinchilla", SURFACE, points, noise=0.002, seed=4), bootstrap=300, check=False)


def tuned(tokens: Any, size: float = 1e8) -> Any:
    return query(size, np.asarray(tokens) + 1e10, extra={"init_tokens": 1e10})


def test_the_inversion_is_exact_for_every_law() -> None:
    fitted = ig.published("epoch_exact")
    p = fitted.params
    losses = np.array([[2.4, 2.6, 3.5]])
    found = effective_data(fitted, query(1e9, [1.0, 1.0, 1.0]), losses, fitted.vectors)[0]
    exact = (p["B"] / (losses[0] - p["E"] - p["A"] / 1e9 ** p["alpha"])) ** (1 / p["beta"])
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    repeated = ig.published("datablations_c4")
    points = query(1e9, 5e10, unique=[1e10])
    loss = np.asarray(repeated.predict(points)["loss"])[None]
    assert effective_data(repeated, points, loss, repeated.vectors)[0] == pytest.approx(5e10, rel=1e-8)


def test_transferred_data_are_recovered_with_intervals(scratch: Any) -> None:
    amounts = np.geomspace(1e6, 1e8, 5)
    points = tuned(amounts)
    rng = np.random.default_rng(0)
    truth = np.asarray(transferred_data(1e8, amounts, **BASE))
    inside = 0
    for _ in range(20):
        loss = evaluate(TransferHernandez(), {**SURFACE, **BASE}, points) * np.exp(
            0.002 * rng.standard_normal(5)
        )
        frame = transferred(scratch, points, loss, level=0.9)
        assert frame["interval"].to_list() == ["two-sided"] * 5
        low, high = frame["transferred_low"].to_numpy(), frame["transferred_high"].to_numpy()
        inside += int(((low <= truth) & (truth <= high)).sum())
        assert (high / low < 1.25).all(), "known to a quarter"
    assert 75 <= inside <= 100
    np.testing.assert_allclose(frame["transferred"].to_numpy(), truth, rtol=0.1)
    np.testing.assert_allclose(frame["multiplier"], frame["effective"] / frame["new_tokens"], rtol=1e-14)
    np.testing.assert_allclose(frame["transferred"], frame["effective"] - frame["new_tokens"], rtol=1e-14)


def test_near_and_below_the_floor_only_a_lower_end_is_known(scratch: Any) -> None:
    size = 1e9
    p = scratch.params
    floor = p["E"] + p["A"] / size ** p["alpha"]
    frame = transferred(
        scratch, tuned([1e9] * 4, size), [floor + 0.3, floor + 0.004, floor - 0.004, floor - 0.3]
    )
    assert frame["interval"].to_list() == ["two-sided", "lower only", "lower only", "none"]
    assert np.isfinite(frame["effective"].to_numpy()).tolist() == [True, True, False, False]
    low, high = frame["effective_low"].to_numpy(), frame["effective_high"].to_numpy()
    assert np.isinf(high).tolist() == [False, True, True, True]
    assert low[0] < low[1] < low[2] < low[3] == np.inf
    share = frame["at_floor"].to_numpy()
    assert share[0] == 0 < share[1] < 0.5 < share[2] < share[3] == 1


def test_a_noisier_loss_has_a_wider_interval(scratch: Any) -> None:
    loss = evaluate(TransferHernandez(), {**SURFACE, **BASE}, tuned([1e7]))
    widths = []
    for error in (0.0, 0.01, 0.05):
        row = transferred(scratch, tuned([1e7]), loss, loss_se=error).row(0, named=True)
        widths.append(np.log(row["effective_high"] / row["effective_low"]))
    assert 0 < widths[0] < widths[1] < widths[2] / 2


def test_harm_is_negative_and_what_leaves_the_runs_is_named(scratch: Any) -> None:
    worse = evaluate(scratch.law, SURFACE, query(1e8, 1e9))
    row = transferred(scratch, tuned([2e9]), worse).row(0, named=True)
    assert row["transferred_low"] < row["transferred_high"] < 0 and row["multiplier"] < 1
    assert row["outside"] == ""
    far = evaluate(scratch.law, SURFACE, query(1e11, 1e12))
    assert "N 1e+11 outside" in (text := transferred(scratch, tuned([2e9], 1e11), far)["outside"][0])
    assert "D " in text


def test_without_draws_there_is_no_interval(scratch: Any) -> None:
    row = transferred(replace(scratch, draws=None), tuned([1e8]), [3.2]).row(0, named=True)
    assert row["interval"] == "none" and np.isnan(row["effective_low"]) and np.isfinite(row["effective"])


@pytest.mark.parametrize(
    ("points", "loss", "words"),
    [
        (query(1e8, 1e9, extra={"init_tokens": 1e9}), [3.0], "nothing was trained"),
        (query(1e8, 1e9), [3.0, 3.1], "2 losses were given for 1 points"),
        (query(1e8, 1e9), [-3.0], "positive and finite"),
    ],
)
def test_wrong_points_and_losses_are_refused(
    scratch: Any, points: Any, loss: list[float], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        transferred(scratch, points, loss)


def test_a_surface_that_data_do_not_lower_is_refused(scratch: Any) -> None:
    vectors = np.array(scratch.vectors)
    vectors[:, scratch.layout.keys.index("B")] = -80.0
    flat = replace(scratch, vectors=vectors, draws=None)
    with pytest.raises(InputError, match="does not fall with data"):
        transferred(flat, tuned([1e8]), [2.0])
