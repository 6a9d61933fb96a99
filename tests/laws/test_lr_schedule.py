"""The multi-power law: step by step against the authors' values, and its integral against the steps."""

from __future__ import annotations

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.laws import LrSchedule, Query, evaluate, published_params, query
from isoglot.laws.multi_power import multi_power

SIZES = (25, 100, 400)
PEAK, LOW, WARMUP = 3e-4, 3e-5, 2160


def schedule(
    steps: int, decay: int = 0, length: int = 0, low: float = LOW, shape: str = "cosine", warmup: int = WARMUP
) -> np.ndarray:
    """Rates of the authors' convention: warmup linspace(0, peak), the first step of a decay at the peak."""
    rate = np.full(steps, PEAK)
    rate[:warmup] = np.linspace(0, PEAK, warmup)
    if decay:
        u = np.arange(decay) / (length or decay)
        height = {"linear": 1 - u, "cosine": 0.5 * (1 + np.cos(np.pi * u)), "sqrt": 1 - np.sqrt(u)}[shape]
        rate[steps - decay :] = low + (PEAK - low) * height
    return rate


def points(
    steps: float, decay: float = 0, length: float = 0, low: float = LOW, warmup: float = WARMUP
) -> Query:
    batch = 5e5
    extra = {
        "lr_peak": PEAK,
        "lr_min": low,
        "batch_tokens": batch,
        "warmup_tokens": warmup * batch,
        "decay_tokens": decay * batch,
        "decay_length_tokens": length * batch,
    }
    return query(1e8, steps * batch, extra=extra)


TWO_STAGE = schedule(16000)
TWO_STAGE[8000:] = 9e-5
HALVED = np.r_[np.full(10000, 3e-4), np.full(10000, 3e-5)]


@pytest.mark.parametrize(
    ("rates", "summed", "expected"),
    [
        (schedule(24000), 6.876, (3.34585, 3.03305, 2.81684)),
        (schedule(24000, 24000 - WARMUP), 3.927735, (3.31519, 2.99002, 2.75707)),
        (TWO_STAGE, 2.796, (3.38489, 3.06865, 2.84347)),
        (np.full(20000, 3e-4), 6.0, (3.251657, 2.918449, 2.678174)),
        (HALVED, 3.3, (3.231004, 2.885853, 2.629263)),
    ],
    ids=["constant", "cosine", "two-stage", "no warmup", "halved"],
)
def test_published_schedules(rates: np.ndarray, summed: float, expected: tuple[float, ...]) -> None:
    assert rates.sum() == pytest.approx(summed, abs=6e-7)
    found = [multi_power(published_params(f"mpl_{size}m"), rates) for size in SIZES]
    assert found == pytest.approx(expected, abs=6e-6)


def test_leaving_the_warmup_out_shifts_the_law() -> None:
    p = published_params("mpl_25m")
    whole = multi_power(p, schedule(24000))
    assert whole - multi_power(p, schedule(24000)[WARMUP:]) == pytest.approx(0.11, abs=0.02)
    with_it, without = (evaluate(LrSchedule(), p, points(24000, warmup=w))[0] for w in (WARMUP, 0))
    assert with_it - without == pytest.approx(0.11, abs=0.02)


CASES = {
    "constant": {"steps": 24000},
    "long constant": {"steps": 72000},
    "whole decay": {"steps": 24000, "decay": 24000 - WARMUP},
    "cooldown": {"steps": 24000, "decay": 2400},
    "cooldown to zero": {"steps": 24000, "decay": 2400, "low": 0.0},
    "half of it": {"steps": 24000, "decay": 2400, "length": 4800, "low": 0.0},
    "its first steps": {"steps": 24000, "decay": 250, "length": 4800},
    "short cooldown": {"steps": 24000, "decay": 200},
    "without warmup": {"steps": 20000, "decay": 10000, "warmup": 0},
}


@pytest.mark.parametrize("shape", ["linear", "cosine", "sqrt"])
@pytest.mark.parametrize("case", CASES)
def test_the_integral_agrees_with_the_steps(case: str, shape: str) -> None:
    law = LrSchedule(shape=shape)  # type: ignore[arg-type]
    for size in SIZES:
        p = published_params(f"mpl_{size}m")
        exact = multi_power(p, schedule(**CASES[case], shape=shape))  # type: ignore[arg-type]
        assert evaluate(law, p, points(**CASES[case]))[0] == pytest.approx(exact, abs=2e-4)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", ["linear", "cosine", "sqrt"])
def test_more_nodes_change_nothing(shape: str) -> None:
    p = published_params("mpl_400m")
    for given in CASES.values():
        few, many = (
            evaluate(LrSchedule(shape=shape, nodes=nodes), p, points(**given))[0]  # type: ignore[arg-type]
            for nodes in (24, 400)
        )
        assert few == pytest.approx(many, abs=1e-6)


def test_a_decay_gains_over_the_stable_rate_and_joins_it_smoothly() -> None:
    p, law = published_params("mpl_100m"), LrSchedule(shape="linear")
    stable, started, half, whole = (
        evaluate(law, p, points(24000, decay, 4800, low=0.0))[0] for decay in (0, 1e-3, 2400, 4800)
    )
    assert started == pytest.approx(stable, abs=1e-6)
    assert stable - half > 0.02 and half - whole > 0.01
    # A missing length means that the decay is finished.
    assert evaluate(law, p, points(24000, 4800, 0, low=0.0))[0] == whole


def test_contradictory_schedules_are_unsupported() -> None:
    extra = {
        "lr_peak": [3e-4, 0.0, 3e-5, 3e-4, 3e-4],
        "lr_min": [0.0, 0.0, 3e-4, 0.0, 0.0],
        "batch_tokens": 5e5,
        "warmup_tokens": [1e9, 1e9, 1e9, 1e9, 2e9],
        "decay_tokens": [9e9, 0.0, 0.0, 1.1e10, 0.0],
        "decay_length_tokens": 0.0,
    }
    mask, reason = LrSchedule().unsupported(query(1e8, 1e10, extra=extra))
    assert mask.tolist() == [False, True, True, True, False] and "decay" in reason


@pytest.mark.parametrize("rates", [[], [0.0, 0.0], [1e-3, -1e-3], [1e-3, float("nan")], [[1e-3]]])
def test_rates_that_are_no_schedule_are_named(rates: object) -> None:
    with pytest.raises(InputError, match="lr must be one row of rates"):
        multi_power(published_params("mpl_25m"), rates)  # type: ignore[arg-type]


def test_a_rate_of_zero_in_between_is_finite() -> None:
    found = multi_power(published_params("mpl_25m"), np.r_[np.full(500, 3e-4), 0.0, np.full(500, 3e-4)])
    assert np.isfinite(found)
