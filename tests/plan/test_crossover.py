"""Where two loss curves cross: against closed forms, censored on either side, with draws, and by simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.fit.result import Fit, Ranges
from isoglot.plan.crossover_published import MEASURED, MEASURED_SIZE, published_crossover

FitOf = Callable[..., Fit]
SIZE = 1e9
SCRATCH = {"E": 1.7, "A": 400.0, "B": 2400.0, "alpha": 0.34, "beta": 0.36}
# Continuing starts ahead (less of the data term) and ends behind (a higher floor).
CONTINUED = {**SCRATCH, "E": 1.72, "B": 1900.0}
RANGE = {"N": (1e8, 1e10), "D": (1e9, 1e12)}


def law(params: dict[str, float], tokens: float) -> float:
    return params["E"] + params["A"] * SIZE ** -params["alpha"] + params["B"] * tokens ** -params["beta"]


def gap(tokens: float, extra: float = 0.0) -> float:
    return law(SCRATCH, tokens + extra) - law(CONTINUED, tokens)


def fits(
    fit_of: FitOf, scratch: dict[str, float] = SCRATCH, continued: dict[str, float] = CONTINUED
) -> list[Fit]:
    return [replace(fit_of("chinchilla", params), ranges=Ranges(RANGE)) for params in (scratch, continued)]


# Own curves


def test_the_crossing_is_the_closed_form(fit_of: FitOf) -> None:
    found = ig.crossover(*fits(fit_of), SIZE)
    exact = (500 / 0.02) ** (1 / 0.36)
    assert exact == pytest.approx(1.65e12, rel=0.01)
    assert found.tokens == pytest.approx(exact, rel=1e-3)
    assert found.crossings == ((found.tokens, "scratch"),)
    assert (found.better_at_start, found.better_at_end) == ("continued", "scratch")
    assert found.searched == (1e8, 1e13) and found.extrapolated
    assert found.interval is None and found.beyond is None
    assert found.sentence == f"from {found.tokens:.3g} tokens on, scratch is better"


def test_not_reached_in_the_range(fit_of: FitOf) -> None:
    found = ig.crossover(*fits(fit_of), SIZE, tokens=(1e9, 1e12))
    assert found.tokens is None and found.crossings == ()
    assert found.better_at_end == "continued"
    assert found.beyond == pytest.approx((500 / 0.02) ** (1 / 0.36), rel=5e-3)
    assert found.sentence.startswith(
        "continuing is better up to at least 1e+12 tokens; the curves would cross at 1.6"
    )


def test_never(fit_of: FitOf) -> None:
    found = ig.crossover(*fits(fit_of, continued={**CONTINUED, "E": 1.69}), SIZE)
    assert found.tokens is None and found.beyond is None
    assert (
        found.sentence == "continuing is better up to at least 1e+13 tokens; the curves never cross beyond it"
    )


def test_scratch_is_better_everywhere(fit_of: FitOf) -> None:
    found = ig.crossover(*fits(fit_of, continued={**SCRATCH, "E": 1.71}), SIZE)
    assert found.tokens is None and found.beyond is None
    assert (found.better_at_start, found.better_at_end) == ("scratch", "scratch")
    assert found.sentence == "scratch is better from 1e+08 tokens or fewer"


def test_several_crossings_are_all_reported(fit_of: FitOf) -> None:
    """A continued run that forgets at first: scratch ahead, then continued, then scratch for good."""
    continued = {**SCRATCH, "E": 1.76, "B": 60000.0, "beta": 0.5}
    found = ig.crossover(*fits(fit_of, continued=continued), SIZE)

    def difference(log_tokens: float) -> float:
        return law(SCRATCH, np.exp(log_tokens)) - law(continued, np.exp(log_tokens))

    first, second = found.crossings
    middle = np.log(1e11)
    assert difference(middle) > 0
    assert first == (pytest.approx(np.exp(brentq(difference, np.log(1e8), middle)), rel=2e-3), "continued")
    assert second == (pytest.approx(np.exp(brentq(difference, middle, np.log(1e14))), rel=2e-3), "scratch")
    assert found.tokens == second[0] and found.better_at_start == "scratch"
    early = ig.crossover(*fits(fit_of, continued=continued), SIZE, tokens=(1e8, 1e11))
    assert early.tokens is None and len(early.crossings) == 1
    assert "at the end of the range, after crossings" in early.sentence


@pytest.mark.parametrize("extra", [1e10, 1e11])
def test_the_compute_of_the_base_moves_the_crossing_down(fit_of: FitOf, extra: float) -> None:
    free = ig.crossover(*fits(fit_of), SIZE)
    found = ig.crossover(*fits(fit_of), SIZE, extra_tokens=extra)
    exact = np.exp(brentq(lambda at: gap(np.exp(at), extra), np.log(5e11), np.log(1e13)))
    assert found.tokens == pytest.approx(exact, rel=2e-3)
    assert free.tokens is not None and found.tokens is not None and found.tokens < free.tokens
    assert found.extra_tokens == extra


def with_floors(fitted: Fit, floors: np.ndarray) -> Fit:
    draws = np.repeat(fitted.vectors[None], len(floors), axis=0)
    draws[:, 0, fitted.layout.keys.index("E")] = floors
    return replace(fitted, draws=draws)


def test_draws_are_paired(fit_of: FitOf) -> None:
    """Both floors move together, so the crossing does not move at all; apart, it does."""
    scratch, continued = fits(fit_of)
    moves = np.random.default_rng(0).normal(0, 0.01, 60)
    together = ig.crossover(with_floors(scratch, 1.7 + moves), with_floors(continued, 1.72 + moves), SIZE)
    assert together.interval == (pytest.approx(together.tokens, rel=1e-3),) * 2
    apart = ig.crossover(
        with_floors(scratch, 1.7 + moves / 4), with_floors(continued, np.full(60, 1.72)), SIZE
    )
    assert apart.interval is not None and apart.tokens is not None
    low, high = apart.interval
    assert low is not None and high is not None and low < 0.8 * apart.tokens < apart.tokens < high


@pytest.mark.parametrize(
    ("floors", "low_known", "high_known"),
    [
        ((1.70, 1.78), True, True),
        ((1.66, 1.74), True, False),
        ((1.60, 1.68), True, False),
        ((1.7, 1.9), False, True),
    ],
)
def test_intervals_are_censored(
    fit_of: FitOf, floors: tuple[float, float], low_known: bool, high_known: bool
) -> None:
    scratch, continued = fits(fit_of)
    if not low_known:
        continued = fits(fit_of, continued={**SCRATCH, "E": 1.72, "B": 2399.0})[1]
    drawn = with_floors(continued, np.linspace(*floors, 41))
    found = ig.crossover(with_floors(scratch, np.full(41, 1.69)), drawn, SIZE, level=0.95)
    assert found.interval is not None
    assert (found.interval[0] is not None, found.interval[1] is not None) == (low_known, high_known)
    if floors[1] < 1.69:  # no draw crosses: not reached below the end of the range
        assert found.interval == (found.searched[1], None)


def test_the_interval_holds_the_truth_of_simulated_runs() -> None:
    points = ig.grid(N=[2e8, 1e9, 4e9], D=[2e9, 1e10, 5e10, 2.5e11])
    near = {**CONTINUED, "E": 1.75}
    simulated = [
        ig.fit(ig.simulate("chinchilla", truth, points, noise=0.002, seed=seed), bootstrap=40, check=False)
        for seed, truth in ((1, SCRATCH), (2, near))
    ]
    found = ig.crossover(*simulated, SIZE)
    exact = (500 / 0.05) ** (1 / 0.36)
    assert found.interval is not None
    low, high = found.interval
    assert (low is None or low < exact) and (high is None or exact < high)
    assert low is not None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"params": -1}, "crossover: params=-1 is not allowed; give a positive number"),
        ({"params": "1e9"}, "crossover: params='1e9' is not allowed; give a positive number"),
        ({"extra_tokens": -5}, "crossover: extra_tokens=-5 is not allowed; give zero or a positive number"),
        (
            {"tokens": (1e12, 1e9)},
            "crossover: tokens=(1000000000000.0, 1000000000.0) is no range; "
            "give the least and the most tokens, such as (1e9, 1e12)",
        ),
        (
            {"languages": {"eng": {}}, "shares": {"deu": 1.0}},
            "crossover: shares name deu, which is not in languages; name it there too",
        ),
        (
            {"languages": {"eng": {}, "deu": {}}, "shares": {"deu": 0.5}},
            "crossover: shares sum to 0.5; they must sum to 1",
        ),
    ],
    ids=str,
)
def test_wrong_arguments(fit_of: FitOf, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        ig.crossover(*fits(fit_of), **{"params": SIZE, **arguments})
    assert str(error.value) == sentence


def test_curves_by_language_need_their_language(fit_of: FitOf) -> None:
    pair = [fit_of("chinchilla", {"eng": one, "deu": SCRATCH}) for one in (SCRATCH, CONTINUED)]
    with pytest.raises(InputError, match="no group of the fit is named und"):
        ig.crossover(*pair, SIZE)
    found = ig.crossover(*pair, SIZE, languages={"en": {}}, tokens=(1e8, 1e13))
    assert found.tokens == pytest.approx((500 / 0.02) ** (1 / 0.36), rel=1e-3)


# Published


# N, D_x of both formulas in billions: the table of the notes on ATLAS, sec. 9.3.
PUBLISHED = [
    (146_155_520, 37.6, 44.0),
    (289_029_888, 58.6, 63.5),
    (852_132_864, 118.4, 113.9),
    (2_034_422_912, 208.5, 182.2),
    (4_335_303_168, 340.9, 274.1),
    (8_452_190_208, 526.2, 393.1),
]


@pytest.mark.parametrize(("params", "first", "second"), PUBLISHED)
def test_published_formulas(params: float, first: float, second: float) -> None:
    found = published_crossover(params)
    assert [tokens / 1e9 for tokens in found.formulas.values()] == pytest.approx([first, second], abs=0.06)
    # The printed caption would give ten times as much.
    assert max(found.formulas.values()) < 10 * min(found.formulas.values()) / 5
    low, high = found.interval
    assert low <= min(found.formulas.values()) and max(found.formulas.values()) <= high
    assert low < found.tokens < high


def test_the_token_forms() -> None:
    for params in (1e8, 5.97e8, 4e9):
        assert list(published_crossover(params).formulas.values()) == pytest.approx(
            [185618 * params**0.65, 1713854.67 * params**0.54], rel=1e-5
        )
    first, second = published_crossover(5.97e8).formulas.values()
    assert first == pytest.approx(second, rel=1e-3)


def test_the_interval_at_the_measured_size_is_the_measured_spread() -> None:
    found = published_crossover(MEASURED_SIZE)
    assert found.interval == pytest.approx((144e9, 283e9))
    assert sum(MEASURED.values()) / 8 == pytest.approx(192.75e9)
    assert np.exp(np.log(list(MEASURED.values())).mean()) == pytest.approx(186.7e9, rel=1e-3)
    mean = sum(found.formulas.values()) / 2
    assert min(found.formulas.values()) < 192.75e9 < max(found.formulas.values()) and mean == pytest.approx(
        195.4e9, rel=1e-3
    )


def test_the_spread_is_carried_to_other_sizes() -> None:
    for params in (1e8, 5e8, 4e9):
        low, high = published_crossover(params).interval
        assert high / low >= 283 / 144 - 1e-9
