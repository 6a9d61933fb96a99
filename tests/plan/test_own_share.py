"""The mixture optimum under every head of the own-share law."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isoglot as ig
from isoglot.fit.result import Fit
from isoglot.plan.drift import mixture_drift
from isoglot.plan.mixture import point_shares
from isoglot.plan.own_share import has_closed_form
from isoglot.plan.simplex import minimise, own_share_optimum
from isoglot.plan.surface import Surface

FAMILIES = ("eng", "fra", "deu")
SIZE, TOKENS = 1.2e9, 5e10
BRIEF: dict[str, Any] = {"params": SIZE, "tokens": TOKENS, "languages": {label: {} for label in FAMILIES}}
FREE = (np.zeros(3), np.ones(3))


def fitted_head(fit_of: Callable[..., Fit], truth: dict[str, dict[str, float]], head: str) -> Fit:
    """The three families of the notes under a head; betas made unequal so that the optimum depends on D."""
    betas, worth = {"eng": 0.30, "fra": 0.36, "deu": 0.26}, {"eng": 0.3, "fra": 0.1, "deu": 0.05}
    rows = {}
    for label, row in truth.items():
        plain = {key: value for key, value in row.items() if key != "gamma"} | {"beta": betas[label]}
        share = {"own": {}, "transfer": {"tau": worth[label]}}.get(head, {"gamma": row["gamma"]})
        rows[label] = plain | share
    return fit_of(f"msl:head={head}", rows, FAMILIES)


def numerical(fitted: Fit, brief: Any, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The best of several starts of the general minimiser."""
    surface = Surface(fitted, brief)
    weight = np.array(brief.weights)[None]
    starts = np.maximum(np.random.default_rng(1).dirichlet(np.ones(3), 6), 1e-3)
    found, values = minimise(
        lambda shares: surface.slopes(fitted.vectors[None], SIZE, TOKENS, shares, weight),
        starts / starts.sum(axis=1, keepdims=True),
        np.maximum(lo, 1e-6),
        hi,
    )
    return np.asarray(found[np.argmin(values)])


@pytest.mark.parametrize("head", ["msl", "own", "reducible"])
@pytest.mark.parametrize(
    "limits", [{}, {"eng": {"floor": 0.4}, "fra": {"cap": 0.3}, "deu": {}}], ids=["free", "limited"]
)
def test_the_closed_form_is_the_numerical_optimum(
    fit_of: Callable[..., Fit], drift_truth: Any, head: str, limits: Any
) -> None:
    fitted = fitted_head(fit_of, drift_truth, head)
    brief = ig.Brief(**{**BRIEF, "languages": limits or BRIEF["languages"]})
    best, method, _ = point_shares(fitted, brief, SIZE, TOKENS)
    assert method == "closed form of the own-share law"
    lo = np.array([entry.floor for entry in brief.languages.values()])
    hi = np.array([entry.cap for entry in brief.languages.values()])
    np.testing.assert_allclose(best, numerical(fitted, brief, lo, hi), atol=1e-5)
    assert best.sum() == pytest.approx(1.0, abs=1e-12)


def test_the_heads_disagree_about_the_mixture(fit_of: Callable[..., Fit], drift_truth: Any) -> None:
    brief = ig.Brief(**BRIEF)
    found = {
        head: point_shares(fitted_head(fit_of, drift_truth, head), brief, SIZE, TOKENS)[0]
        for head in ("msl", "own", "reducible")
    }
    for one, other in (("msl", "own"), ("msl", "reducible"), ("own", "reducible")):
        assert np.abs(found[one] - found[other]).max() > 0.01, (one, other)


def test_own_tokens_do_not_ask_for_the_size(fit_of: Callable[..., Fit], drift_truth: Any) -> None:
    fitted, brief = fitted_head(fit_of, drift_truth, "own"), ig.Brief(**BRIEF)
    small, large = (point_shares(fitted, brief, size, TOKENS)[0] for size in (1e8, 1e11))
    np.testing.assert_allclose(small, large, atol=1e-12)
    assert np.abs(point_shares(fitted, brief, SIZE, 1e13)[0] - small).max() > 0.01, "it asks for D"


@pytest.mark.parametrize("head", ["nested", "transfer"])
def test_other_heads_are_minimised_numerically(
    fit_of: Callable[..., Fit], drift_truth: Any, head: str
) -> None:
    fitted, brief = fitted_head(fit_of, drift_truth, head), ig.Brief(**BRIEF)
    assert not has_closed_form(fitted.law)
    best, method, _ = point_shares(fitted, brief, SIZE, TOKENS)
    assert method.startswith("numerical")
    np.testing.assert_allclose(best, numerical(fitted, brief, *FREE), atol=1e-4)
    msl = own_share_optimum(np.ones(3), np.ones(3), np.array([0.08, 0.12, 0.10]), *FREE)
    assert np.abs(best - msl).max() > 0.01


@pytest.mark.parametrize("head", ["own", "transfer"])
def test_a_plan_under_a_head_without_gamma(fit_of: Callable[..., Fit], drift_truth: Any, head: str) -> None:
    answer = ig.plan(ig.Brief(**BRIEF), fitted_head(fit_of, drift_truth, head))
    assert sum(answer.mixture.shares.values()) == pytest.approx(1.0, abs=1e-9)
    assert answer.mixture.regrets["uniform"].relative > 0


def test_only_the_papers_head_is_free_of_scale(fit_of: Callable[..., Fit], drift_truth: Any) -> None:
    """Normalised losses cancel N and D under the paper's head alone, so under the others the drift is computed."""
    brief = ig.Brief(**BRIEF, objective="normalised")
    shares = dict.fromkeys(FAMILIES, 1 / 3)
    free = mixture_drift(
        fitted_head(fit_of, drift_truth, "msl"), brief, shares, TOKENS, [(1e8, 1e10), (1e10, 1e12)]
    )
    assert free.rows == () and free.note
    moved = mixture_drift(
        fitted_head(fit_of, drift_truth, "reducible"), brief, shares, TOKENS, [(1e8, 1e10), (1e10, 1e12)]
    )
    assert len(moved.rows) == 2 and not moved.note
    assert max(abs(moved.rows[0].shares[label] - moved.rows[1].shares[label]) for label in FAMILIES) > 0.01
