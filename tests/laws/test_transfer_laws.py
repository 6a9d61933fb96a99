"""Transfer from a base, fine-tuning, quality tiers and over-optimisation: values of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.laws import (
    PRESETS,
    FinetuneMultiplicative,
    Quality,
    RmOveropt,
    TransferHernandez,
    evaluate,
    parse_law,
    query,
)
from isoglot.laws.rm_overopt import Policy, best_of_n_kl, peak, zero_crossing
from isoglot.laws.transfer_hernandez import SECONDARY_EXAMPLES, data_multiplier, transferred_data


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# Hernandez et al., catalogue 10.1.
@pytest.mark.parametrize(
    ("setting", "tokens", "size", "transferred", "multiplier"),
    [
        ("text to Python", 1e6, 1e8, 2.50469e8, 251.469),
        ("text to Python", 1e8, 1e8, 5.73791e8, 6.73791),
        ("text to Python", 1e8, 1e9, 1.37643e9, 14.7643),
        ("half text, half other code to Python", 1e6, 1e8, 8.67400e8, 868.400),
        ("half text, half other code to Python", 1e8, 1e8, 1.34964e9, 14.4964),
        ("half text, half other code to Python", 1e8, 1e9, 3.23757e9, 33.3757),
    ],
)
def test_transferred_data(
    setting: str, tokens: float, size: float, transferred: float, multiplier: float
) -> None:
    constants = SECONDARY_EXAMPLES[setting]
    assert float(transferred_data(size, tokens, **constants)) == pytest.approx(transferred, rel=4e-6)
    assert float(data_multiplier(size, tokens, **constants)) == pytest.approx(multiplier, rel=4e-6)


def test_constants_at_second_hand_are_no_presets() -> None:
    ours = {"transfer_hernandez", "finetune_multiplicative", "dcpt", "quality", "rm_overopt"}
    ours |= {"mixing_exp", "mixing_additive", "mixing_joint"}
    assert not ours & {parse_law(preset.law).name for preset in PRESETS.values()}


HERNANDEZ = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37, "k": 1.9e4, "a": 0.18, "b": 0.38}


def test_a_base_is_worth_its_transferred_data() -> None:
    law = TransferHernandez()
    base = evaluate(law, HERNANDEZ, query(1e8, 1.01e10, extra={"init_tokens": 1e10}))[0]
    more = evaluate(law, HERNANDEZ, query(1e8, 1e8 + 5.73790827e8))[0]
    assert base == pytest.approx(more, rel=1e-9)
    scratch = evaluate(law, HERNANDEZ, query(1e8, 1e8))[0]
    chinchilla = evaluate(ig.published("epoch_exact").law, HERNANDEZ, query(1e8, 1e8))[0]
    assert scratch == pytest.approx(chinchilla, rel=1e-14) and scratch > base + 0.5


def test_gradients_are_finite_for_runs_from_scratch() -> None:
    points = query(1e8, [1e8, 1.01e10], extra={"init_tokens": [0.0, 1e10]})
    slopes = jax.jacfwd(lambda p: TransferHernandez().predict(p, points))(HERNANDEZ)
    assert all(np.isfinite(values).all() for values in slopes.values())
    assert float(slopes["k"][0]) == 0.0 > float(slopes["k"][1])


# Zhang et al., catalogue 10.2.
TASK = {"E": 0.5, "A": 30.0, "alpha": 0.1, "beta": 0.05}


def test_the_three_factors_of_fine_tuning() -> None:
    size = query(1e9, 1e6)
    base = query(7e9, 1e9 + 1e6, extra={"init_tokens": 1e9})
    method = query(7e9, 1e6, extra={"tuned_params": 1e9})
    for factor, points in (("size", size), ("pretraining", base), ("method", method)):
        found = evaluate(FinetuneMultiplicative(factor=factor), TASK, points)[0]
        assert found == pytest.approx(2.392872, abs=6e-7), factor


@pytest.mark.parametrize(("factor", "column"), [("pretraining", "init_tokens"), ("method", "tuned_params")])
def test_a_missing_factor_is_named(factor: str, column: str) -> None:
    with pytest.raises(InputError, match=f"the law needs {column}"):
        evaluate(FinetuneMultiplicative(factor=factor), TASK, query(1e9, 1e6))
    runs = ig.read_runs(ig.grid(N=[1e8], D=[1e9, 1e10]))
    with pytest.raises(InputError, match=f"'{column}'"):
        ig.fit(runs, f"finetune_multiplicative:factor={factor}")


def test_a_base_without_tokens_is_no_factor() -> None:
    points = query(1e9, 1e9, extra={"init_tokens": [0.0, 1e8, 2e9]})
    mask, reason = FinetuneMultiplicative(factor="pretraining").unsupported(points)
    assert mask.tolist() == [True, False, True]
    assert "init_tokens is zero" in reason and "nothing was trained" in reason


# Goyal et al., catalogue 13: d 0.1, a 0.02, b -0.15, c 3, a pool of 1.28e7 samples.
TIER = {"E": 0.1, "a": 0.02, "b": np.array([-0.15]), "c": np.array([3.0])}


@pytest.mark.parametrize(("seen", "expected"), [(6.4e7, 0.843269), (1e7, 1.001250)])
def test_utility_of_one_tier(seen: float, expected: float) -> None:
    found = evaluate(Quality(), TIER, query(1e8, seen, unique=[1.28e7]))[0]
    assert found == pytest.approx(expected, abs=6e-7)


def test_the_floor_of_the_utility_form_is_outside_the_product() -> None:
    points = query(1e8, [1e7, 6.4e7], unique=[1.28e7])
    inside, outside = evaluate(Quality(), {**TIER, "E": 0.0}, points), evaluate(Quality(), TIER, points)
    np.testing.assert_allclose(outside - inside, 0.1, rtol=1e-14)
    assert abs(outside[1] - 0.828851) > 0.01, "the value of the code that adds d before the product"


def test_effective_samples_of_one_tier() -> None:
    law = Quality(form="effective_data")
    params = {**TIER, "b": -0.15, "c": 3.0}
    found = evaluate(law, params, query(1e8, [6.4e7, 1e7], unique=[1.28e7]))
    assert found[0] == pytest.approx(0.825410, abs=6e-7)
    assert found[1] == pytest.approx(1.001250, abs=6e-7), "both forms agree before the first repetition"


@pytest.mark.parametrize("tiers", [2, 3, 5])
def test_equal_tiers_follow_the_rule_of_the_paper(tiers: int) -> None:
    """m equal tiers: b is their mean and c is multiplied by m."""
    utilities = np.linspace(-0.25, -0.05, tiers)
    many = {"E": 0.1, "a": 0.02, "b": utilities, "c": np.full(tiers, 3.0)}
    one = {"E": 0.1, "a": 0.02, "b": utilities[:1] * 0 + utilities.mean(), "c": np.array([3.0 * tiers])}
    seen = [5e6, 3e7, 3e8]
    pooled = query(1e8, seen, shares=[1 / tiers] * tiers, unique=[1.28e7] * tiers)
    found = evaluate(Quality(num_sources=tiers), many, pooled)
    np.testing.assert_allclose(found, evaluate(Quality(), one, query(1e8, seen, unique=[1.28e7])), rtol=1e-13)


def test_a_tier_without_limit_never_loses_utility() -> None:
    params = {"E": 0.1, "a": 0.02, "b": np.array([-0.15, -0.1]), "c": np.array([3.0, 3.0])}
    law = Quality(num_sources=2)
    endless = evaluate(law, params, query(1e8, 1e9, shares=[0.5, 0.5]))[0]
    assert endless == pytest.approx(0.1 + (0.02 * 1e9 / 1e5) ** -0.125, rel=1e-13)
    limited = evaluate(law, params, query(1e8, 1e9, shares=[0.5, 0.5], unique=[1e8, np.inf]))[0]
    both = evaluate(law, params, query(1e8, 1e9, shares=[0.5, 0.5], unique=[1e8, 1e8]))[0]
    assert endless < limited < both


def test_repeated_tiers_keep_units_order_and_gradient() -> None:
    law = Quality(num_sources=3)
    params = {"E": 0.1, "a": 0.02, "b": np.array([-0.2, -0.1, -0.15]), "c": np.array([3.0, 6.0, 4.0])}
    shares, unique = np.array([[0.5, 0.3, 0.2], [0.2, 0.0, 0.8]]), np.array([2e9, 4e9, 8e9])
    base = evaluate(law, params, query(1e8, [3e10, 2e11], shares=shares, unique=unique))
    scaled = evaluate(
        law, {**params, "a": 0.02 * 7e8}, query(1e8, np.array([3e10, 2e11]) / 7e8, shares=shares, unique=unique / 7e8)
    )  # fmt: skip
    np.testing.assert_allclose(scaled, base, rtol=1e-12)
    order = [2, 0, 1]
    turned = {**params, "b": params["b"][order], "c": params["c"][order]}
    moved = query(1e8, [3e10, 2e11], shares=shares[:, order], unique=unique[order])
    np.testing.assert_allclose(evaluate(law, turned, moved), base, rtol=1e-13)
    points = query(1e8, [3e10, 2e11], shares=shares, unique=unique)
    slope = jax.jit(jax.jacfwd(lambda p: law.predict(p, points)))(params)["c"]
    for at in range(3):
        step = np.eye(3)[at] * 1e-4
        ends = [evaluate(law, {**params, "c": params["c"] + sign * step}, points) for sign in (1, -1)]
        np.testing.assert_allclose(slope[:, at], (ends[0] - ends[1]) / 2e-4, rtol=1e-5, atol=1e-12)
    assert (np.asarray(slope)[0] < 0).all() and slope[1, 1] == 0.0, "a longer half-life lowers the loss"


def test_more_passes_than_are_counted_are_unsupported() -> None:
    points = query(1e8, [1.27e11, 1.29e11], unique=[1e9])
    for law in (Quality(), Quality(form="effective_data")):
        mask, reason = law.unsupported(points)
        assert mask.tolist() == [False, True] and "128 passes" in reason
    runs = ig.read_runs(ig.grid(N=[1e8], D=[2e11, 3e11], unique={"und": 1e9}))
    with pytest.raises(NoAnswerError, match="128 passes"):
        ig.fit(runs, "quality", bootstrap=0, check=False)


# Gao et al., catalogue 11.
@pytest.mark.parametrize(
    ("policy", "beta", "distance", "reward", "zero"),
    [("best_of_n", 0.05, 10.0, 5.0, 20.0), ("rl", 0.3, 10.312259, 3.093678, np.exp(1 / 0.3))],
)
def test_peaks_of_over_optimisation(
    policy: Policy, beta: float, distance: float, reward: float, zero: float
) -> None:
    d, best = peak(1.0, beta, policy)
    assert float(d) == pytest.approx(distance, abs=6e-7) and float(best) == pytest.approx(reward, abs=6e-7)
    assert float(zero_crossing(1.0, beta, policy)) == pytest.approx(zero, rel=1e-12)
    at = partial(query, 1e9, 1e10)
    params = {"alpha": 1.0, "beta": beta}
    curve = evaluate(
        RmOveropt(policy=policy), params, at(extra={"kl": np.array([0.99, 1.0, 1.01, zero / d]) ** 2 * d**2})
    )
    assert curve[1] == pytest.approx(best, rel=1e-12)
    assert curve[1] > max(curve[0], curve[2]) and curve[3] == pytest.approx(0.0, abs=1e-12)
    assert evaluate(RmOveropt(policy=policy), params, at(extra={"kl": [0.0, 4 * zero**2]}))[1] < 0


@pytest.mark.parametrize("policy", ["best_of_n", "rl"])
def test_the_start_has_reward_zero_with_finite_gradients(policy: Policy) -> None:
    points = query(1e9, 1e10, extra={"kl": [0.0, 1e-12]})
    params = {"alpha": 1.0, "beta": 0.3}
    law = RmOveropt(policy=policy)
    assert evaluate(law, params, points)[0] == 0.0
    slopes = jax.jacfwd(lambda p: law.predict(p, points))(params)
    assert all(np.isfinite(values).all() for values in slopes.values())


def test_nothing_bends_a_curve_without_beta() -> None:
    for policy in ("best_of_n", "rl"):
        assert [float(value) for value in peak(1.0, 0.0, policy)] == [np.inf, np.inf]
        assert float(zero_crossing(1.0, -0.1, policy)) == np.inf
    assert [float(value) for value in peak(-1.0, 0.1, "best_of_n")] == [0.0, 0.0]


def test_kl_of_best_of_n() -> None:
    expected = (0, 0.193147, 0.636294, 1.835089, 3.174508, 4.549084, 5.908755)
    np.testing.assert_allclose(best_of_n_kl([1, 2, 4, 16, 64, 256, 1000]), expected, atol=6e-7)
    with pytest.raises(InputError, match="at least 1"):
        best_of_n_kl(0.5)
