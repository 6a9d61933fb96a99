"""Published and recomputed values of every law, and what every preset has to say about itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.laws import PRESETS, evaluate, parse_law, preset, published_params, query
from isoglot.laws.published import CAPACITY_EXPONENTS
from isoglot.laws.registry import bind
from isoglot.laws.terms import saturate

CHINCHILLA_PRESETS = ("hoffmann_tex", "hoffmann_rounded", "epoch_published", "epoch_exact")
SYNTHETIC = {"E": 1.5, "A": 400.0, "B": 800.0, "alpha": 0.33, "beta": 0.35}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def loss(text: str, params: Mapping[str, Any], points: Any) -> float:
    law = bind(parse_law(text), points.transfer.shape[-1])
    return float(evaluate(law, {key: jnp.asarray(value) for key, value in params.items()}, points)[0])


# Chinchilla: science/laws.md 2.4. N and D at C = 1e19, 1e21 and 5.76e23 are the compute-optimal ones.
@pytest.mark.parametrize(
    ("name", "size", "tokens", "expected"),
    [
        ("hoffmann_tex", 1e9, 2e10, 2.530668),
        ("hoffmann_tex", 2.708352e8, 6.153805e9, 2.921836),
        ("hoffmann_tex", 2.216955e9, 7.517819e10, 2.295491),
        ("hoffmann_tex", 4.036094e10, 2.378537e12, 1.918412),
        ("hoffmann_rounded", 1e9, 2e10, 2.580048),
        ("hoffmann_rounded", 2.279559e8, 7.311355e9, 2.985741),
        ("hoffmann_rounded", 1.824218e9, 9.136336e10, 2.328883),
        ("hoffmann_rounded", 3.218986e10, 2.982306e12, 1.930748),
        ("epoch_published", 1e9, 2e10, 2.530050),
        ("epoch_published", 2.621681e8, 6.357244e9, 2.927103),
        ("epoch_published", 2.778459e9, 5.998528e10, 2.305529),
        ("epoch_published", 7.224870e10, 1.328744e12, 1.974441),
        ("epoch_exact", 1e9, 2e10, 2.528759),
        ("epoch_exact", 2.618638e8, 6.364631e9, 2.925641),
        ("epoch_exact", 2.791737e9, 5.969998e10, 2.304455),
        ("epoch_exact", 7.319044e10, 1.311647e12, 1.973912),
    ],
)
def test_chinchilla_presets(name: str, size: float, tokens: float, expected: float) -> None:
    assert loss("chinchilla", published_params(name), query(size, tokens)) == pytest.approx(
        expected, abs=6e-7
    )


@pytest.mark.parametrize("name", CHINCHILLA_PRESETS)
@pytest.mark.parametrize("budget", [1e19, 1e21, 5.76e23])
def test_the_closed_form_optimum_balances_the_marginal_terms(name: str, budget: float) -> None:
    p = published_params(name)
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    size = g * (budget / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
    best = loss("chinchilla", p, query(size, budget / 6 / size))
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert loss("chinchilla", p, query(size * factor, budget / 6 / size / factor)) > best


# Skaling: science/laws.md 5.1.
SKALING = {"E": 1.2, "A": 50.0, "B": 200.0, "alpha": 0.40, "beta": 0.45, "k": 0.40}


def test_skaling_value() -> None:
    assert loss("skaling", SKALING, query(1e9, 2e10)) == pytest.approx(1.3968353, abs=6e-8)


@pytest.mark.parametrize(
    ("budget", "ratio", "expected"),
    [(1e19, 2.918080, 1.434170), (1e21, 2.225615, 1.358533), (1e23, 1.697474, 1.307326)],
)
def test_skaling_at_its_optimum(budget: float, ratio: float, expected: float) -> None:
    size = math.sqrt(budget / 6 / ratio)
    assert loss("skaling", SKALING, query(size, size * ratio)) == pytest.approx(expected, abs=6e-7)


# Repetition: science/laws.md 8 (R_D* = 15.387756) and science/atlas.md 1.7.
@pytest.mark.parametrize(
    ("epochs", "worth"),
    [(2, 1.968199), (4, 3.725673), (8, 6.624119), (16, 10.582457), (40, 15.167465), (1e9, 16.387756)],
)
def test_worth_of_repeated_tokens(epochs: float, worth: float) -> None:
    found = saturate(epochs * 1e9, 1e9, 1 / published_params("datablations_c4")["R_D"])
    assert float(found) / 1e9 == pytest.approx(worth, abs=6e-7)


@pytest.mark.parametrize(
    ("epochs", "marginal"),
    [(2, 0.937080), (4, 0.822867), (8, 0.634507), (16, 0.377267), (40, 0.079303), (1e5, 0.0)],
)
def test_worth_of_the_last_repeated_token(epochs: float, marginal: float) -> None:
    slope = jax.grad(lambda tokens: saturate(tokens, 1.0, 1 / 15.387756))(float(epochs))
    assert float(slope) == pytest.approx(marginal, abs=6e-7)


@pytest.mark.parametrize(
    ("size", "tokens", "unique", "effective", "expected"),
    [
        (1e9, 2e10, 2e10, 2e10, 2.564635),
        (1e9, 2e10, 5e9, 1.862837e10, 2.597458),
        (1e9, 1e11, 1e9, 1.636304e10, 2.766367),
        (2.8e9, 5.5e10, 4e9, 3.867363e10, 2.472127),
        (8.7e9, 1.78e11, 2.5e10, 1.512369e11, 2.226848),
    ],
)
def test_data_constrained_rows(
    size: float, tokens: float, unique: float, effective: float, expected: float
) -> None:
    p = published_params("datablations_c4")
    assert float(saturate(tokens, unique, 1 / p["R_D"])) == pytest.approx(effective, rel=6e-7)
    found = loss("data_constrained:tied=true", p, query(size, tokens, unique=[unique]))
    assert found == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("size", "unique", "effective"),
    [(1e9, 5e9, 8.279150e8), (1e9, 1e9, 3.135810e8), (2.8e9, 4e9, 1.188344e9), (8.7e9, 2.5e10, 5.783343e9)],
)
def test_excess_parameters_saturate_like_tokens(size: float, unique: float, effective: float) -> None:
    p = published_params("datablations_c4")
    optimal = (p["A"] / p["B"]) ** (1 / p["alpha"]) * unique
    assert float(saturate(size, min(size, optimal), 1 / p["R_N"])) == pytest.approx(effective, rel=1e-6)


@pytest.mark.parametrize(
    ("tokens", "unique", "decay", "expected", "slope"),
    [
        (0.5, 1, 0.5, 0.5, 1),
        (1, 1, 0.5, 1, 1),
        (3, 1, 0.5, 2.26424112, 0.367879),
        (4, 1, 0.065, 3.72562065, 0.822835),
        (10, 1, 1 / 15.387756, 7.81412332, 0.557172),
        (100, 1, 1 / 15.387756, 16.3630353, 0.00160652),
        (42e9, 7.9e9, 0.065, 3.76339769e10, 0.755353),
        (3, 1, 0.0, 3, 1),
        (3, 1, 1e-9, 3, 1),
        (3, 1, 50, 1.02, 3.7200759760208e-44),
    ],
)
def test_saturation(tokens: float, unique: float, decay: float, expected: float, slope: float) -> None:
    assert float(saturate(tokens, unique, decay)) == pytest.approx(expected, rel=1e-8)
    found = jax.grad(lambda d: saturate(d, float(unique), decay))(float(tokens))
    assert float(found) == pytest.approx(slope, rel=1e-5)


def test_saturation_meets_one_epoch_smoothly_and_ends_at_its_ceiling() -> None:
    slope = jax.grad(saturate)
    assert float(slope(1.0 - 1e-9, 1.0, 0.5)) == 1.0
    assert float(slope(1.0 + 1e-9, 1.0, 0.5)) == pytest.approx(1.0, abs=1e-9)
    assert float(saturate(1e30, 2.0, 0.5)) == pytest.approx(2.0 * (1 + 1 / 0.5), rel=1e-12)
    assert float(saturate(3e30, 2e30, 0.5)) == pytest.approx(1e30 * float(saturate(3.0, 2.0, 0.5)), rel=1e-12)


# ATLAS: science/atlas.md 1.7.
ATLAS = {"E": 0.67, "A": math.exp(6.18), "B": math.exp(8.25), "alpha": 0.41, "beta": 0.41, "lambda": [0.5]}


def test_atlas_in_full() -> None:
    params = {**ATLAS, "tau": [0.3], "tau_other": -0.05}
    points = query(2.034e9, 100e9, shares=[0.2, 0.3, 0.5], unique=[7.9e9, 100e9, 1000e9], transfer=[1])
    law = bind(parse_law("atlas:other=language"), 1)
    effective, total = law.effective_data({key: jnp.asarray(value) for key, value in params.items()}, points)
    assert float(effective[0]) == pytest.approx(2.28537707e10, rel=1e-8)
    assert float(total[0]) == pytest.approx(1.63537707e10 + 3e10 + 5e10, rel=1e-8)
    for other in ("language", "pooled"):  # one remaining language: pooling changes nothing
        assert loss(f"atlas:other={other}", params, points) == pytest.approx(0.960357265, abs=6e-10)


def test_atlas_with_the_target_alone() -> None:
    points = query(2.03e9, 42e9)
    assert loss("atlas", ATLAS, points) == pytest.approx(0.912577, abs=6e-7)
    basis = np.asarray(bind(parse_law("atlas")).basis({k: jnp.asarray(v) for k, v in ATLAS.items()}, points))[
        0
    ]
    assert ATLAS["A"] * basis[1] == pytest.approx(0.073768, abs=6e-7)
    assert ATLAS["B"] * basis[2] == pytest.approx(0.168810, abs=6e-7)


def test_atlas_pooling_hides_the_repetition_of_small_languages() -> None:
    params = {**ATLAS, "lambda": [0.065], "tau_other": 1.0}
    points = query(1e9, 101e9, shares=[1 / 101, 50 / 101, 50 / 101], unique=[1e12, 1e9, 1e12])
    values = {key: jnp.asarray(value) for key, value in params.items()}
    worth = [
        float(bind(parse_law(f"atlas:other={o}")).effective_data(values, points)[0][0])
        for o in ("language", "pooled")
    ]
    assert worth[0] - 1e9 == pytest.approx(65.75e9, rel=1e-3)
    assert worth[1] - 1e9 == pytest.approx(100e9, rel=1e-9)


# Capacity: science/atlas.md 7.5.
CAPACITY = {"E": 0.5, "A": 400.0, "B": 40.0, "alpha": 0.45, "beta": 0.147, "phi": 0.11, "psi": -0.04}


@pytest.mark.parametrize(
    ("languages", "size", "target_tokens", "expected"),
    [
        (1, 2e9, 42e9, 1.623692925),
        (4, 2e9, 42e9, 1.568785148),
        (4, 2806727279.85, 28802052814.3, 1.623692925),
    ],
)
def test_capacity(languages: int, size: float, target_tokens: float, expected: float) -> None:
    points = query(size, languages * target_tokens, shares=[1 / languages] * languages)
    assert loss("capacity", CAPACITY, points) == pytest.approx(expected, abs=6e-10)


def test_capacity_move_to_more_languages_keeps_the_loss() -> None:
    # Published multipliers are those of the exponents phi / alpha and 1 + psi / beta at the paper's alpha, beta.
    p = {**CAPACITY, "alpha": 0.4527, "beta": 0.1471}
    assert p["phi"] / p["alpha"] == pytest.approx(CAPACITY_EXPONENTS["N multiplier exponent"], abs=1e-3)
    assert 1 + p["psi"] / p["beta"] == pytest.approx(CAPACITY_EXPONENTS["D multiplier exponent"], abs=1e-3)
    base = loss("capacity", p, query(2e9, 42e9))
    for r, size, total in ((2, 1.183440, 1.656429), (4, 1.400530, 2.743756), (8, 1.657443, 4.544837)):
        grown = loss("capacity", p, query(2e9 * size, 42e9 * total, shares=[1 / r] * r))
        assert grown == pytest.approx(base, abs=1e-6)


# MSL: science/msl.md, column H0.
@pytest.mark.parametrize(
    ("size", "tokens", "share", "expected"),
    [
        (85e6, 5e9, 1.0, 4.45220180),
        (85e6, 5e9, 0.2, 5.22964058),
        (85e6, 50e9, 0.2, 4.14762175),
        (1.2e9, 50e9, 0.2, 3.58610670),
        (1.2e9, 50e9, 0.6, 3.21300263),
    ],
)
def test_msl(size: float, tokens: float, share: float, expected: float) -> None:
    params = {"E": 1.8, "A": 400.0, "B": 1500.0, "alpha": 0.34, "beta": 0.30, "gamma": 0.10}
    assert loss("msl", params, query(size, tokens, shares=[share, 1 - share])) == pytest.approx(
        expected, abs=6e-9
    )


# Two-share and its parents: science/laws.md 12.9.
@pytest.mark.parametrize(
    ("text", "extra", "expected"),
    [
        ("chinchilla", {}, 2.390673),
        ("msl", {"gamma": 0.05}, 2.474980),
        ("two_share", {"v": [1.0, 1.0], "t": [0.4, 0.1]}, 2.433442),  # transfer data
        ("atlas", {"lambda": [0.3], "tau": [0.4, 0.1]}, 2.433442),
        ("two_share", {"v": [0.6, 0.3], "t": [0.4, 0.1]}, 2.500061),
    ],
)
def test_mixture_forms(text: str, extra: Mapping[str, Any], expected: float) -> None:
    points = query(3e8, 1e10, shares=[0.5, 0.3, 0.2], transfer=[1, 2])
    assert loss(text, {**SYNTHETIC, **extra}, points) == pytest.approx(expected, abs=6e-7)


# Presets: every constant says where it comes from and how far it reaches.


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_says_where_it_comes_from(name: str) -> None:
    entry = preset(name)
    assert entry.name == name
    assert entry.grade in ("paper", "computed")
    assert entry.use in ("default", "alternative", "demonstration")
    assert all(0 <= low <= high for low, high in entry.ranges.values())
    # A range that no source states is left out rather than guessed, and never behind a default.
    assert "N" in entry.ranges or (not entry.ranges and entry.use != "default")
    for text in (entry.source, entry.tokenizer, entry.params_convention, entry.loss_unit, entry.note):
        assert text.strip()
    law = bind(parse_law(entry.law))
    assert set(entry.params) == {parameter.name for parameter in law.parameters}
    # Columns that a law cannot do without, at a plain value.
    plain = {"steps": 1e4, "lr_peak": 3e-4, "batch_tokens": 5e5, "params_non_embedding": 9e8}
    needed = {column.name: plain.get(column.name, 1e8) for column in law.columns if column.default is None}
    points = query(1e9, 2e10, unique=[1e11], extra=needed)
    assert loss(entry.law, entry.params, points) > entry.params.get("E", 0.0)


def test_only_a_full_range_is_a_default_and_demonstrations_never_are() -> None:
    defaults = {name for name, entry in PRESETS.items() if entry.use == "default"}
    assert defaults == {"epoch_exact", "repetition_prior"}
    for name, entry in PRESETS.items():
        if entry.use == "default":
            assert {"N", "C"} <= set(entry.ranges)
        if "C.1" in entry.source or "rounding" in entry.note:
            assert entry.use == "demonstration", name


def test_the_repetition_prior_uses_the_decay_that_was_fitted_alone() -> None:
    found = published_params("repetition_prior")["lambda"]
    assert found == pytest.approx(1 / 2.9157212)
    assert found != pytest.approx(1 / published_params("datablations_c4")["R_D"], rel=0.5)
    assert preset("repetition_prior").spread["lambda"] >= 0.5, "R_D* is known to a factor at best"


def test_published_params_are_a_copy() -> None:
    published_params("epoch_exact")["alpha"] = 9.0
    assert published_params("epoch_exact")["alpha"] == pytest.approx(0.3473, abs=1e-4)


def test_an_unknown_preset_is_named_with_its_neighbour_and_no_demonstration_is_offered() -> None:
    with pytest.raises(InputError, match="did you mean epoch_exact") as caught:
        preset("epoch_exat")
    offered = str(caught.value).split("choose one of ")[1].split(", ")
    assert all(PRESETS[name].use != "demonstration" for name in offered)
