"""Mixtures that rest on nothing: laws other than the own-share law warn, and say what the runs did not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import NoAnswerError
from isoglot.fit.result import Fit
from isoglot.laws import LAWS
from isoglot.laws.registry import law_options
from isoglot.plan.questions import MIXTURE_NEEDS, mixture_doubts, refuse

FitOf = Callable[..., Fit]
FAMILIES = ("eng", "fra", "deu")
BRIEF = ig.Brief(params=1e9, tokens=2e10, languages={label: {} for label in FAMILIES})
GENERIC = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.347, "beta": 0.367}
OTHERS = {label: tuple(other for other in FAMILIES if other != label) for label in FAMILIES}
UNKNOWN = (
    "mixture: the fit carries no verdict (check=False) on {}, so nothing shows that its runs identify them"
)
NOTHING = (
    "mixture: these runs do not identify what tells languages apart ({}), so the shares rest on the form of the law; "
    "add runs at other mixtures"
)


@pytest.fixture
def atlas(fit_of: FitOf) -> Fit:
    return fit_of("atlas:other=language", {**GENERIC, "lambda": 0.34, "tau_other": 0.3}, FAMILIES)


def test_a_fit_without_verdicts(atlas: Fit, fit_of: FitOf) -> None:
    assert mixture_doubts(atlas, BRIEF) == [UNKNOWN.format("lambda, tau_other")]
    worth = {label: {**GENERIC, "v": [0.5, 0.4], "t": [0.3, 0.1]} for label in FAMILIES}
    assert mixture_doubts(fit_of("two_share", worth, FAMILIES, OTHERS), BRIEF)[0].startswith(
        "mixture: the fit carries no verdict (check=False) on "
    )
    answer = ig.plan(BRIEF, {"mixture": atlas})
    assert UNKNOWN.format("lambda, tau_other") in answer.warnings


def test_a_fit_that_identifies_nothing(atlas: Fit) -> None:
    bad = replace(atlas, verdicts=((0, "alpha", 0.3, 0.4, True), (0, "lambda", 1e-6, 9.0, False)))
    assert mixture_doubts(bad, BRIEF) == [NOTHING.format("lambda, tau_other")]
    answer = ig.plan(BRIEF, {"mixture": bad})  # warned about, not refused
    assert NOTHING.format("lambda, tau_other") in answer.warnings


def test_one_identified_parameter_is_enough(atlas: Fit) -> None:
    good = replace(atlas, verdicts=((0, "lambda", 1e-6, 9.0, False), (0, "tau_other", 0.2, 0.4, True)))
    assert mixture_doubts(good, BRIEF) == []


def test_parameters_that_no_run_depends_on(atlas: Fit) -> None:
    """Held at their start values, they have no verdict, although others have."""
    held = np.isin(atlas.layout.keys, ["lambda", "tau_other"])[None]
    assert mixture_doubts(replace(atlas, verdicts=((0, "alpha", 0.3, 0.4, True),), pinned=held), BRIEF) == [
        NOTHING.format("lambda, tau_other")
    ]


def test_vectors_that_are_fitted_but_not_judged(atlas: Fit) -> None:
    """Long vectors get no verdict; that is said, and not taken for a failure."""
    free = np.zeros((1, len(atlas.layout.slots)), bool)
    fitted = replace(atlas, verdicts=((0, "alpha", 0.3, 0.4, True),), pinned=free)
    assert mixture_doubts(fitted, BRIEF) == [
        UNKNOWN.replace("(check=False) ", "").format("lambda, tau_other")
    ]


def test_parameters_that_the_caller_fixed_are_not_doubted(atlas: Fit) -> None:
    assert mixture_doubts(replace(atlas, fixed=("lambda", "tau_other")), BRIEF) == []
    assert mixture_doubts(replace(atlas, fixed=("lambda",)), BRIEF) == [UNKNOWN.format("tau_other")]


def test_only_the_languages_of_the_brief_count(fit_of: FitOf) -> None:
    truth = {label: {**GENERIC, "lambda": 0.34, "tau_other": 0.3} for label in FAMILIES}
    fitted = fit_of("atlas:other=language", truth, FAMILIES)
    only_deu = replace(
        fitted, verdicts=((2, "tau_other", 0.2, 0.4, True), (0, "tau_other", -1.0, 5.0, False))
    )
    assert mixture_doubts(only_deu, BRIEF) == []
    some = ig.Brief(params=1e9, tokens=2e10, languages={"eng": {}, "fra": {}})
    assert mixture_doubts(only_deu, some) == [NOTHING.format("lambda, tau_other")]


def test_published_laws_and_single_languages_are_not_doubted(atlas: Fit) -> None:
    assert mixture_doubts(ig.published("repetition_prior"), BRIEF) == []
    assert mixture_doubts(atlas, ig.Brief(params=1e9, tokens=2e10, languages={"eng": {}})) == []


def test_the_own_share_law_is_still_refused(fit_of: FitOf, drift_truth: dict[str, dict[str, float]]) -> None:
    fitted = fit_of("msl", drift_truth, FAMILIES)
    with pytest.raises(NoAnswerError) as error:
        ig.plan(BRIEF, replace(fitted, verdicts=((1, "gamma", -0.5, 2.0, False),)))
    assert str(error.value) == (
        "plan: mixture rests on gamma of fra, which these runs do not identify (95 % profile -0.5 to 2); add runs, or set force"
    )


HEADS = {
    "msl": ({"gamma"}, {"gamma": 0.1}),
    "own": ({"beta"}, {}),
    "reducible": ({"gamma"}, {"gamma": 0.1}),
    "nested": ({"beta", "gamma"}, {"gamma": 0.1}),
    "transfer": ({"beta", "tau"}, {"tau": 0.3}),
}


@pytest.mark.parametrize("head", HEADS)
def test_each_head_is_refused_for_what_its_mixture_rests_on_and_for_nothing_else(
    head: str, fit_of: FitOf
) -> None:
    rests, more = HEADS[head]
    values = {**GENERIC, **more}
    fitted = fit_of(f"msl:head={head}", {label: values for label in FAMILIES}, FAMILIES)
    for key in values:
        bad = replace(fitted, verdicts=((1, key, 0.01, 4.0, False),))
        held = np.zeros((3, len(fitted.layout.slots)), bool)
        held[1, fitted.layout.keys.index(key)] = True
        if key not in rests:
            refuse("mixture", bad, BRIEF)
            refuse("mixture", replace(fitted, pinned=held), BRIEF)
            continue
        with pytest.raises(NoAnswerError, match=f"mixture rests on {key} of fra, which these runs do not"):
            refuse("mixture", bad, BRIEF)
        with pytest.raises(NoAnswerError, match=f"mixture rests on {key} of fra, on which no run depends"):
            refuse("mixture", replace(fitted, pinned=held), BRIEF)
        refuse("mixture", replace(bad, verdicts=((0, key, 0.2, 0.4, True),)), BRIEF)


def test_the_heads_of_the_table_are_those_of_the_law() -> None:
    assert set(MIXTURE_NEEDS) == set(HEADS) == set(law_options(LAWS["msl"])["head"])


def test_a_law_that_does_not_know_shares_says_so(fit_of: FitOf) -> None:
    answer = ig.plan(BRIEF, {"mixture": fit_of("chinchilla", GENERIC)})
    assert (
        "mixture: chinchilla does not know the shares, so any mixture is as good and this one says nothing"
        in answer.warnings
    )


@pytest.mark.slow
def test_simulated_runs_with_verdicts_are_judged() -> None:
    """One mixture only: tau_other cannot be told from B, and the plan says so."""
    points = ig.grid(N=[1e8, 1e9], D=[2e9, 1e10, 5e10], mixtures=[{"eng": 0.5, "fra": 0.5}])
    truth = {**GENERIC, "lambda": 0.34, "tau_other": 0.3}
    world = ig.simulate("atlas:other=language", truth, points, noise=0.002, seed=1)
    fixed = {"lambda": 0.34, "alpha": 0.347, "beta": 0.367, "E": 1.8}
    fitted = ig.fit(world, "atlas:other=language", bootstrap=0, fixed=fixed)
    brief = ig.Brief(params=1e9, tokens=2e10, languages={"eng": {}, "fra": {}})
    assert mixture_doubts(fitted, brief) == [NOTHING.format("tau_other")]
