"""Precision: effective parameters and post-training quantisation against the paper's constants."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from isoglot.laws import Chinchilla, Precision, evaluate, published_params, query
from isoglot.laws.precision import effective_fraction


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("w", (0.759589, 0.834586, 0.962929, 0.998138)),
        ("a", (0.936995, 0.959925, 0.993440, 0.999824)),
        ("kv", (0.996115, 0.998632, 0.999979, 1.000000)),
    ],
)
def test_part_of_the_parameters_that_is_left(part: str, expected: tuple[float, ...]) -> None:
    p = published_params("precision_kumar")
    with jax.enable_x64(True):
        bits = np.array([3.0, 4.0, 8.0, 16.0])
        found = effective_fraction(bits, p[f"gamma_{part}"], p[f"n_{part}"])
        np.testing.assert_allclose(found, expected, atol=6e-7)


def test_loss_in_full_precision_and_with_four_bit_weights() -> None:
    p = published_params("precision_kumar")
    # The catalogue's figure counts every parameter, as if bits were endless.
    endless = {name: 1e3 for name in ("bits_weights", "bits_activations", "bits_kv")}
    assert evaluate(Precision(), p, query(1e8, 1e10, extra=endless))[0] == pytest.approx(3.419087, abs=6e-7)
    four = {**endless, "bits_weights": 4.0}
    assert evaluate(Precision(), p, query(1e8, 1e10, extra=four))[0] == pytest.approx(3.462157, abs=6e-7)


def test_endless_bits_are_chinchilla_and_missing_bits_are_sixteen() -> None:
    p = published_params("precision_kumar")
    plain = {name: p[name] for name in ("E", "A", "B", "alpha")}
    points = query(
        [1e8, 1e9], [1e10, 1e11], extra={f"bits_{x}": 1e4 for x in ("weights", "activations", "kv")}
    )
    np.testing.assert_allclose(
        evaluate(Precision(), p, points), evaluate(Chinchilla(tied=True), plain, points), rtol=1e-13
    )
    sixteen = query(1e8, 1e10, extra={f"bits_{x}": 16.0 for x in ("weights", "activations", "kv")})
    assert evaluate(Precision(), p, query(1e8, 1e10))[0] == evaluate(Precision(), p, sixteen)[0]


@pytest.mark.parametrize(("bits", "expected"), [(3.0, 0.077240), (4.0, 0.014211), (8.0, 1.628e-5)])
def test_loss_of_quantising_after_training(bits: float, expected: float) -> None:
    p = published_params("precision_kumar_ptq")
    points = query(1e8, 1e10, extra={"bits_post": bits})
    plain = evaluate(Precision(), published_params("precision_kumar"), points)
    found = evaluate(Precision(ptq=True), p, points) - plain
    assert found[0] == pytest.approx(expected, abs=6e-7 if bits < 8 else 6e-9)


def test_more_data_make_a_model_harder_to_quantise() -> None:
    p = published_params("precision_kumar_ptq")
    points = query(1e8, [1e10, 1e12], extra={"bits_post": 3.0})
    lost = evaluate(Precision(ptq=True), p, points) - evaluate(
        Precision(), published_params("precision_kumar"), points
    )
    assert lost[1] / lost[0] == pytest.approx(100**0.5068, rel=1e-9)
