"""Scratch or continue: verdicts from published crossovers and from own curves, and what is flagged about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.result import Fit, Ranges
from isoglot.plan.crossover_published import MEASURED_SIZE
from isoglot.plan.start import StartPlan, plan_start, start_warnings

FitOf = Callable[..., Fit]
BASE = {"params": MEASURED_SIZE, "tokens": 1e12, "shares": {"eng": 0.05, "deu": 0.0142}}
SCRATCH = {"E": 1.7, "A": 400.0, "B": 2400.0, "alpha": 0.34, "beta": 0.36}
CONTINUED = {**SCRATCH, "E": 1.75, "B": 1900.0}
CROSSING = (500 / 0.05) ** (1 / 0.36)  # 1.3e11


def asked(
    tokens: float, language: str = "deu", fits: dict[str, Fit] | None = None, **options: Any
) -> tuple[StartPlan, list[str]]:
    base = {**BASE, **options.pop("base", {})}
    languages = options.pop("languages", {language: {}})
    brief = ig.Brief(params=base["params"], tokens=tokens, languages=languages, base=base, **options)
    shares = dict.fromkeys(brief.labels, 1 / len(brief.labels))
    scratch, continued = (fits or {}).get("scratch"), (fits or {}).get("continued")
    answer = plan_start(scratch, continued, brief, shares)
    return answer, start_warnings(answer, scratch, continued, brief)


def curves(fit_of: FitOf, sd: float = 0.0, continued: dict[str, float] = CONTINUED) -> dict[str, Fit]:
    """Fits of both kinds of run; with `sd`, 200 draws of the floor of the continued one."""
    found = {}
    for name, params in (("scratch", SCRATCH), ("continued", continued)):
        fitted = replace(fit_of("chinchilla", params), ranges=Ranges({"N": (1e8, 1e10), "D": (1e9, 5e11)}))
        draws = np.repeat(fitted.vectors[None], 200, axis=0)
        if name == "continued":
            draws[:, 0, fitted.layout.keys.index("E")] += np.random.default_rng(0).normal(0, sd, 200)
        found[name] = replace(fitted, draws=draws) if sd else fitted
    return found


# Published


@pytest.mark.parametrize(
    ("tokens", "verdict"), [(143e9, "continue"), (145e9, "depends"), (282e9, "depends"), (284e9, "scratch")]
)
def test_published_verdicts(tokens: float, verdict: str) -> None:
    answer, _ = asked(tokens)
    assert answer.verdict == verdict
    assert answer.interval == pytest.approx((144e9, 283e9))
    assert answer.measured == {"deu": 160e9} and len(answer.formulas) == 2
    assert answer.losses == {} and answer.crossover is None and answer.gap_interval is None
    assert ("the single runs at this size crossed at deu 160B" in answer.reason) == (verdict == "depends")


def test_a_language_without_a_run_of_its_own() -> None:
    answer, _ = asked(200e9, "swh")
    assert answer.measured == {} and "single runs" not in answer.reason


def test_tokens_of_the_run_are_what_the_budget_buys_at_the_size_of_the_base() -> None:
    brief = ig.Brief(budget=2e21, languages={"deu": {}}, base=BASE)
    answer = plan_start(None, None, brief, {"deu": 1.0})
    assert answer.tokens == pytest.approx(2e21 / 6 / MEASURED_SIZE)


def test_counting_the_base_takes_away_the_lower_bound() -> None:
    """Published crossovers take the base as free; counted, it can only cross earlier."""
    answer, _ = asked(50e9, base={"count": True, "models": 4})
    assert answer.verdict == "depends" and answer.counted
    assert answer.interval == (None, pytest.approx(283e9))
    assert answer.extra_tokens == pytest.approx(1e12 / 4)
    assert "counted, scratch wins earlier" in answer.reason
    assert asked(300e9, base={"count": True})[0].verdict == "scratch"
    assert asked(50e9, base={"flops": 1e21, "count": True})[0].extra_tokens == pytest.approx(
        1e21 / 6 / MEASURED_SIZE
    )


@pytest.mark.parametrize("tokens", [50e9, 500e9])
def test_a_mixture_has_no_published_verdict(tokens: float) -> None:
    answer, _ = asked(tokens, languages={"deu": {}, "fra": {}})
    assert answer.verdict == "depends" and answer.interval is None
    assert "are of runs on one language" in answer.reason


@pytest.mark.parametrize(
    ("base", "text"),
    [
        ({"params": 8.5e9}, "start: N 8.5e+09 is beyond the 4.34e+09 of the published crossovers"),
        ({"params": 5e7}, "more than a quarter are embeddings, which the published N counts"),
        (
            {"tokens": None},
            "start: the base's tokens are not given; the published crossovers are for about 1e12",
        ),
        (
            {"tokens": 1e11},
            "start: the base saw 1e+11 tokens, but the published crossovers are for a Unimax base",
        ),
        ({"shares": {}}, "start: how much of these languages the base saw is not given"),
    ],
    ids=str,
)
def test_what_is_flagged(base: dict[str, Any], text: str) -> None:
    assert any(text in warning for warning in asked(50e9, base=base)[1])
    assert not any(text in warning for warning in asked(50e9)[1])


def test_repeated_text_and_the_exposure_of_the_base() -> None:
    answer, warnings = asked(50e9, languages={"deu": {"unique": 20e9}})
    assert answer.epochs == {"deu": pytest.approx(2.5)} and answer.base_epochs == {"deu": pytest.approx(0.71)}
    assert (
        "start: this run sees the text of deu 2.5 times after 0.71 in the base, which the published crossovers leave out"
        in warnings
    )
    _, warnings = asked(50e9, languages={"deu": {"unique": 14e9}})
    assert any("3.6 times after 1 in the base, more than allowed" in text for text in warnings)
    answer, warnings = asked(50e9, languages={"deu": {"unique": 1e12}})
    assert answer.epochs == {"deu": pytest.approx(0.05)} and not any("times" in text for text in warnings)


# Own curves


@pytest.mark.parametrize(("factor", "verdict"), [(0.5, "continue"), (1.0, "depends"), (2.0, "scratch")])
def test_verdicts_of_own_curves(fit_of: FitOf, factor: float, verdict: str) -> None:
    answer, _ = asked(CROSSING * factor, fits=curves(fit_of, sd=0.002))
    assert answer.verdict == verdict
    assert answer.crossover is not None
    assert answer.crossover.tokens == pytest.approx(CROSSING, rel=1e-3)
    low, high = answer.interval or (None, None)
    assert low is not None and high is not None and 0.8 * CROSSING < low < CROSSING < high < 1.25 * CROSSING
    assert answer.gap_interval is not None
    assert (answer.gap_interval[0] > 0) == (verdict == "continue") and (answer.gap_interval[1] < 0) == (
        verdict == "scratch"
    )
    size = MEASURED_SIZE**-0.34 * 400
    tokens = (CROSSING * factor) ** -0.36
    assert answer.losses["scratch"] == pytest.approx(1.7 + size + 2400 * tokens)
    assert answer.losses["continued"] == pytest.approx(1.75 + size + 1900 * tokens)
    assert answer.formulas == {} and "scratch is better in" in answer.reason


def test_counting_the_base_in_own_curves(fit_of: FitOf) -> None:
    fits = curves(fit_of, sd=0.002)
    free, _ = asked(0.9 * CROSSING, fits=fits)
    counted, _ = asked(0.9 * CROSSING, fits=fits, base={"count": True, "models": 50})
    assert counted.extra_tokens == pytest.approx(2e10)
    assert counted.verdict == "scratch" and free.verdict != "scratch"
    assert counted.losses["continued"] == free.losses["continued"]
    size = MEASURED_SIZE**-0.34 * 400
    assert counted.losses["scratch"] == pytest.approx(1.7 + size + 2400 * (0.9 * CROSSING + 2e10) ** -0.36)


def test_never_crossing_curves(fit_of: FitOf) -> None:
    answer, _ = asked(5e10, fits=curves(fit_of, sd=0.002, continued={**CONTINUED, "E": 1.69}))
    assert answer.verdict == "continue"
    assert answer.interval == (answer.crossover.searched[1], None)  # type: ignore[union-attr]
    assert answer.reason.startswith(
        "continuing is better up to at least 5e+12 tokens; the curves never cross"
    )


def test_curves_without_draws_and_beyond_their_runs(fit_of: FitOf) -> None:
    fits = curves(fit_of)
    answer, warnings = asked(1e13, fits=fits)
    assert answer.verdict == "scratch" and answer.interval is None and answer.gap_interval is None
    assert "scratch: D 1e+13 outside 1e+09..5e+11 of its runs" in warnings
    assert "continued: D 1e+13 outside 1e+09..5e+11 of its runs" in warnings
    assert not any("published" in text and "measure" not in text for text in warnings)
    _, warnings = asked(1e11, fits=curves(fit_of, continued={**CONTINUED, "E": 1.72}))
    assert "start: the crossover lies beyond the tokens of the runs and is extrapolated" in warnings


# In a plan


def test_a_plan_with_a_base(fit_of: FitOf) -> None:
    brief = ig.Brief(
        budget=2e21, languages={"deu": {"unique": 3e11}}, base={**BASE, "count": True, "models": 1000}
    )
    answer = ig.plan(brief, curves(fit_of, sd=0.002))
    assert answer.start is not None and answer.languages is None
    plain = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert plain["start"]["verdict"] == answer.start.verdict
    assert plain["start"]["crossover"]["sentence"].startswith("from ")
    assert plain["brief"]["base"]["models"] == 1000
    assert [text.split(":")[0] for text in answer.rests_on] == ["size", "mixture", "scratch", "continued"]
    words = str(answer)
    assert f"Start at N 2.03B, D 164B: {answer.start.verdict}" in words
    assert "the base's compute buys scratch 1B more tokens" in words and "crossover, 90% interval" in words
    assert not any(line != line.rstrip() for line in words.splitlines())
    again = ig.Brief(**{key: value for key, value in plain["brief"].items() if key in ("budget", "base")})
    assert again.base == brief.base


def test_a_plan_with_published_crossovers() -> None:
    answer = ig.plan(ig.Brief(budget=2e21, languages={"deu": {}}, base=BASE))
    assert answer.start is not None and answer.start.verdict == "depends"
    assert any(
        text.startswith("start: published crossovers: Longpre et al. 2025") for text in answer.rests_on
    )
    assert (
        "start: the base is taken as free; counting its compute favours scratch (base count)"
        in answer.would_change
    )
    words = str(answer)
    assert "published crossovers: 144B to 283B" in words and "C = 1113708 N^1.65 crosses at 209B" in words


@pytest.mark.parametrize(
    ("options", "names", "sentence"),
    [
        (
            {"base": BASE},
            ["scratch"],
            "plan: a fit for scratch is given without one for continued; give both",
        ),
        (
            {"base": BASE},
            ["continued"],
            "plan: a fit for continued is given without one for scratch; give both",
        ),
        (
            {},
            ["scratch", "continued"],
            "plan: a fit for scratch is given, but the brief does not ask; give base",
        ),
        ({}, ["languages"], "plan: a fit for languages is given, but the brief does not ask; give grow_to"),
    ],
)
def test_fits_that_answer_no_question(options: dict[str, Any], names: list[str], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        ig.plan(ig.Brief(budget=1e21, **options), dict.fromkeys(names, ig.published()))
    assert str(error.value) == sentence


def test_a_curve_that_is_not_identified_is_refused(fit_of: FitOf) -> None:
    fits = curves(fit_of)
    fits["continued"] = replace(fits["continued"], verdicts=((0, "beta", 0.01, 4.0, False),))
    with pytest.raises(NoAnswerError) as error:
        ig.plan(ig.Brief(budget=1e21, languages={"deu": {}}, base=BASE), fits)
    assert str(error.value) == (
        "plan: continued rests on beta, which these runs do not identify (95 % profile 0.01 to 4); add runs, or set force"
    )
