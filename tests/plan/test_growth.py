"""The plan's answer on more languages: published, from a fitted capacity law, refused, and flagged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import isoglot as ig
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.result import Fit, Ranges
from isoglot.laws import evaluate, query
from isoglot.laws.capacity import Capacity
from isoglot.plan.growth import plan_languages
from isoglot.plan.languages import closed_multipliers
from isoglot.plan.size import SizePlan

FitOf = Callable[..., Fit]
TRUTH = {"E": 0.5, "A": 400.0, "B": 40.0, "alpha": 0.45, "beta": 0.147, "phi": 0.11, "psi": -0.04}
FOUR = {label: {} for label in ("eng", "deu", "fra", "swh")}
SIZE, TOKENS = 2e9, 4 * 42e9


def size_of(params: float = SIZE, tokens: float = TOKENS) -> SizePlan:
    return SizePlan(params, tokens, 1.0, None, None, None, None, {}, {}, None, False, False)


def grown(fitted: Fit | None, **options: Any) -> Any:
    brief = ig.Brief(**{"params": SIZE, "tokens": TOKENS, "languages": FOUR, "grow_to": 16, **options})
    return plan_languages(fitted, brief, size_of())


def mean_loss(params: dict[str, float], count: int, size: float, tokens: float) -> float:
    return float(evaluate(Capacity(), params, query(size, tokens, shares=[1 / count] * count))[0])


def test_published_answer() -> None:
    found = grown(None)
    assert (found.from_count, found.to_count) == (4, 16)
    assert found.times.params == pytest.approx(1.401, abs=1e-3)
    assert found.params == pytest.approx(SIZE * 1.401, rel=1e-3)
    assert found.tokens == pytest.approx(TOKENS * 2.743, rel=1e-3)
    assert found.tokens_per_language == pytest.approx(found.tokens / 16)
    assert found.flops == pytest.approx(6 * SIZE * TOKENS * 3.837, rel=1e-3)
    assert found.fixed_params_cost == pytest.approx(0.038, abs=5e-4)
    assert found.intervals == {} and found.fixed_params_interval is None
    assert found.assumed["tokens"] == pytest.approx((2.27, 3.31), abs=6e-3)
    assert (found.least_params, found.least_tokens) == pytest.approx((0.0628, 0.405), rel=5e-3)


@pytest.mark.parametrize(
    ("count", "growth"), [(2, 1.08), (4, 1.16), (8, 1.25), (16, 1.35), (32, 1.45), (50, 1.52)]
)
def test_reducible_loss_at_the_same_compute(count: int, growth: float) -> None:
    """The notes on ATLAS, sec. 7.4, from one language."""
    assert grown(None, languages={"eng": {}}, grow_to=count).same_compute_loss == pytest.approx(
        growth, abs=6e-3
    )


def test_the_frontier_keeps_the_loss(fit_of: FitOf) -> None:
    found = grown(fit_of("capacity", TRUTH))
    before = mean_loss(TRUTH, 4, SIZE, TOKENS)
    assert len(found.frontier) == 8
    for point in found.frontier:
        after = mean_loss(TRUTH, 16, SIZE * point.params, TOKENS * point.tokens)
        assert after == pytest.approx(before, abs=1e-12)
        assert point.flops == pytest.approx(point.params * point.tokens)
        assert found.times.flops <= point.flops * (1 + 1e-12)
    assert mean_loss(TRUTH, 16, found.params, found.tokens) == pytest.approx(before, abs=1e-12)
    reducible = (mean_loss(TRUTH, 16, SIZE, TOKENS) - 0.5) / (before - 0.5)
    assert found.same_compute_loss == pytest.approx(reducible, rel=1e-12)


def test_a_fit_uses_its_actual_baseline(fit_of: FitOf) -> None:
    found = grown(fit_of("capacity", TRUTH))
    size, data = 400 * 4**0.11 * SIZE**-0.45, 40 * 4**-0.04 * 42e9**-0.147
    assert found.size_share == pytest.approx(size / (size + data), rel=1e-12)
    assert found.size_share < 0.03  # an optimal baseline has 0.246
    closed = closed_multipliers(TRUTH, 4)
    assert found.separately is not None
    assert vars(found.separately) == pytest.approx(vars(closed))
    assert found.times.flops < closed.flops * 0.7
    assert found.intervals == {} and found.assumed == {}


def test_languages_of_a_fit_are_averaged_by_weight(fit_of: FitOf) -> None:
    harder = {**TRUTH, "A": 2000.0, "psi": 0.02}
    fitted = fit_of("capacity", {"eng": TRUTH, "deu": harder}, tuple(FOUR))
    languages = {**FOUR, "deu": {"weight": 3}}
    found = grown(fitted, languages=languages)
    assert found.separately is None  # no closed form for a mean over languages

    def mean(count: int, size: float, tokens: float) -> float:
        return mean_loss(TRUTH, count, size, tokens) + 3 * mean_loss(harder, count, size, tokens)

    assert mean(16, found.params, found.tokens) == pytest.approx(mean(4, SIZE, TOKENS), abs=1e-11)
    alone = grown(fitted, languages={**FOUR, "deu": {"weight": 0}})
    assert alone.times.flops == pytest.approx(grown(fit_of("capacity", TRUTH)).times.flops)
    assert alone.times.flops < found.times.flops


def test_draws_give_intervals(fit_of: FitOf) -> None:
    """psi spread evenly by +- 0.02: the ends of the interval are the multipliers at the ends of psi."""
    fitted = fit_of("capacity", TRUTH)
    draws = np.repeat(fitted.vectors[None], 101, axis=0)
    at = fitted.layout.keys.index("psi")
    draws[:, 0, at] = np.linspace(-0.06, -0.02, 101)
    found = grown(replace(fitted, draws=draws), level=0.98)
    for name in ("params", "tokens", "tokens_per_language", "flops"):
        ends = [
            getattr(grown(fit_of("capacity", {**TRUTH, "psi": psi})).times, name)
            for psi in (-0.0596, -0.0204)
        ]
        assert found.intervals[name] == pytest.approx(sorted(ends), rel=1e-9)
    low, high = found.fixed_params_interval
    assert low < found.fixed_params_cost < high


SIMULATED = {"E": 1.2, "A": 4000.0, "B": 2000.0, "alpha": 0.45, "beta": 0.35, "phi": 0.2, "psi": -0.1}


def test_the_true_multipliers_lie_inside_the_interval_of_simulated_runs(fit_of: FitOf) -> None:
    mixtures = [{label: 1 / count for label in list(FOUR)[:count]} for count in (1, 2, 4)]
    points = ig.grid(N=[5e7, 3e8, 2e9], D=[5e9, 3e10, 2e11], mixtures=mixtures)
    mine = points.filter(pl.col("language") == "eng")
    world = ig.simulate("capacity", SIMULATED, mine, noise=0.002, seed=3)
    fitted = ig.fit(world, "capacity", bootstrap=60, check=False)
    brief = ig.Brief(params=5e8, tokens=4e10, languages={"eng": {}, "deu": {}}, grow_to=4)
    size = size_of(5e8, 4e10)
    found = plan_languages(fitted, brief, size)
    truth = plan_languages(fit_of("capacity", SIMULATED), brief, size)
    for name in ("params", "tokens", "flops"):
        low, high = found.intervals[name]
        assert low <= getattr(truth.times, name) <= high
        assert low < high < 1.3 * low
    # The true law agrees that the recommended run keeps the loss.
    before = mean_loss(SIMULATED, 2, 5e8, 4e10)
    assert mean_loss(SIMULATED, 4, found.params, found.tokens) == pytest.approx(before, rel=2e-3)


# In a plan


def test_a_plan_with_more_languages() -> None:
    languages = {**FOUR, "swh": {"unique": 1e9}}
    answer = ig.plan(ig.Brief(budget=1e21, languages=languages, grow_to=16))
    assert answer.languages is not None and answer.start is None
    plain = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert plain["languages"]["times"]["tokens"] == pytest.approx(2.743, abs=1e-3)
    assert len(plain["languages"]["frontier"]) == 8
    words = str(answer)
    assert "Languages: from 4 to 16 at equal loss" in words and "assumed; no interval published" in words
    assert not any(line != line.rstrip() for line in words.splitlines())
    assert any("no confidence interval" in text for text in answer.warnings)
    assert any(text.startswith("languages: published exponents") for text in answer.rests_on)
    assert (
        "languages: keeping N and growing only the data costs 3.8% more compute than the least"
        in answer.would_change
    )
    # Swahili is both below half of the even share and repeated.
    assert any("uniform mixtures (25.0% each), but the plan has swh" in text for text in answer.warnings)
    assert "languages: the law has no repetition, but the plan repeats the text of swh" in answer.warnings


def test_an_even_plan_without_repetition_is_not_flagged() -> None:
    answer = ig.plan(ig.Brief(budget=1e21, languages=FOUR, grow_to=8))
    text = " ".join(answer.warnings)
    assert "uniform mixtures (" not in text and "repeats the text" not in text and "pins" not in text


def test_a_pinned_size_is_flagged_for_published_exponents() -> None:
    answer = ig.plan(ig.Brief(params=1e9, tokens=1e10, languages=FOUR, grow_to=8))
    assert any("the brief pins the size" in text for text in answer.warnings)


def test_more_than_fifty_languages_are_refused() -> None:
    with pytest.raises(NoAnswerError) as error:
        grown(None, grow_to=51)
    assert str(error.value) == (
        "languages: grow_to=51 is beyond the 50 languages of any run behind the law; "
        "ask for fewer, fit the capacity law to runs with more, or set force"
    )
    assert grown(None, grow_to=50).to_count == 50
    forced = ig.plan(ig.Brief(budget=1e21, languages=FOUR, grow_to=200, force=True))
    assert "languages: K 200 is beyond the 50 languages of any published run" in forced.warnings


def test_a_fit_with_more_languages_allows_more(fit_of: FitOf) -> None:
    fitted = replace(fit_of("capacity", TRUTH), ranges=Ranges({"K": (1.0, 100.0)}))
    assert grown(fitted, grow_to=100).to_count == 100
    with pytest.raises(NoAnswerError, match="beyond the 100 languages"):
        grown(fitted, grow_to=101)


def test_counts_outside_the_runs_of_a_fit_are_flagged(fit_of: FitOf) -> None:
    fitted = replace(fit_of("capacity", TRUTH, tuple(FOUR)), ranges=Ranges({"K": (1.0, 8.0)}))
    brief = ig.Brief(budget=1e21, languages=FOUR, grow_to=16)
    answer = ig.plan(brief, fitted)  # one capacity fit answers every question
    assert any("languages: K 16 outside 1..8" in text for text in answer.warnings)
    assert not any("no interval was published" in text for text in answer.warnings)
    assert answer.languages is not None and answer.languages.assumed == {}


def test_a_fit_of_another_law() -> None:
    with pytest.raises(InputError) as error:
        grown(ig.published("epoch_exact"))
    assert str(error.value) == (
        "languages: the fit is of chinchilla, which does not know the number of languages; give a fit of capacity"
    )


def test_a_fit_of_other_languages(fit_of: FitOf) -> None:
    with pytest.raises(InputError) as error:
        grown(fit_of("capacity", {"hin": TRUTH, "jpn": TRUTH}, ("hin", "jpn")))
    assert str(error.value) == "languages: no language of the brief was fitted; the fit knows hin, jpn"


def test_a_law_of_languages_that_is_not_identified_is_refused(fit_of: FitOf) -> None:
    fitted = replace(fit_of("capacity", TRUTH), verdicts=((0, "phi", -1.0, 3.0, False),))
    brief = ig.Brief(params=SIZE, tokens=TOKENS, languages=FOUR, grow_to=16)
    with pytest.raises(NoAnswerError) as error:
        ig.plan(brief, {"languages": fitted})
    assert str(error.value) == (
        "plan: languages rests on phi, which these runs do not identify (95 % profile -1 to 3); add runs, or set force"
    )
