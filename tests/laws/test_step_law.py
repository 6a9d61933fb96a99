"""Step Law: learning rate and batch against the medians of the authors' bootstrap refits."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from isoglot.core.errors import InputError
from isoglot.laws.step_law import MEAN, MEDIAN, RANGES, step_law


@pytest.mark.parametrize(
    ("N", "D", "rate", "batch"), [(1e9, 1e11, 1.65064e-3, 1.103657e6), (7e9, 1.4e12, 9.28067e-4, 4.984604e6)]
)
def test_learning_rate_and_batch(N: float, D: float, rate: float, batch: float) -> None:
    found = step_law(N, D)
    assert found.lr_peak == pytest.approx(rate, rel=4e-6)
    assert found.batch_tokens == pytest.approx(batch, rel=4e-7)


def test_medians_and_means_lie_in_their_ranges_and_nearly_agree() -> None:
    for name, (low, high) in RANGES.items():
        for constants in (MEDIAN, MEAN):
            assert low < asdict(constants)[name] < high
    first, second = step_law(1e9, 1e11), step_law(1e9, 1e11, "mean")
    assert first.lr_peak == pytest.approx(second.lr_peak, rel=0.02) and first != second


def test_why_the_ranges_give_no_interval() -> None:
    # Taken as independent, they would span a factor of several hundred in the learning rate.
    def rate(end: int) -> float:
        constants = {name: RANGES[name][end] for name in ("lr_intercept", "lr_size", "lr_tokens")}
        return (
            math.exp(constants["lr_intercept"]) * 1e9 ** constants["lr_size"] * 1e11 ** constants["lr_tokens"]
        )

    assert rate(1) / rate(0) > 300
    assert rate(0) < step_law(1e9, 1e11).lr_peak < rate(1)


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match="D must be positive"):
        step_law(1e9, 0.0)
    with pytest.raises(InputError, match="choose median or mean"):
        step_law(1e9, 1e10, "mode")  # type: ignore[arg-type]
