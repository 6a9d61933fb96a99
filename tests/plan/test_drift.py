"""How the optimal mixture moves with scale under raw losses: the drift example of the notes on MSL, sec. 5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import isoglot as ig
from isoglot.fit.result import Fit
from isoglot.plan.drift import LADDER, Drift, mixture_drift
from isoglot.plan.surface import Surface

Truth = dict[str, dict[str, float]]
FitOf = Callable[..., Fit]
FAMILIES = ("eng", "fra", "deu")
# N, D, c, p*: c is the loss at share 1.
TABLE = [
    (85e6, 5e9, (4.4522, 6.4017, 3.9121), (0.2376, 0.4968, 0.2656)),
    (85e6, 50e9, (3.5310, 4.5593, 3.3594), (0.2440, 0.4630, 0.2930)),
    (1.2e9, 50e9, (3.0530, 3.8423, 3.0009), (0.2444, 0.4532, 0.3024)),
    (1e40, 1e40, (1.8, 1.5, 2.2), (0.2641, 0.3381, 0.3978)),
]
SCALES = [(size, tokens) for size, tokens, _, _ in TABLE]
EVEN = dict.fromkeys(FAMILIES, 1 / 3)


def drift_of(fitted: Fit, shares: dict[str, float], **options: object) -> Drift:
    brief = ig.Brief(params=85e6, tokens=5e9, languages={label: {} for label in FAMILIES}, **options)  # type: ignore[arg-type]
    return mixture_drift(fitted, brief, shares, 5e9, SCALES)


def levels(fitted: Fit, size: float, tokens: float) -> np.ndarray:
    """Loss of each language at share 1."""
    brief = ig.Brief(params=size, tokens=tokens, languages={label: {} for label in FAMILIES})
    even = np.full((1, 3), 1 / 3)
    losses = Surface(fitted, brief).losses(fitted.vectors[None], np.array([size]), np.array([tokens]), even)
    return losses[0] * (1 / 3) ** np.array([0.08, 0.12, 0.10])


def test_the_drift_table(fit_of: FitOf, drift_truth: Truth) -> None:
    fitted = fit_of("msl", drift_truth, FAMILIES)
    first = dict(zip(FAMILIES, TABLE[0][3], strict=True))
    found = drift_of(fitted, first)
    assert found.objective == "raw"
    for row, (size, tokens, level, best) in zip(found.rows, TABLE, strict=True):
        assert (row.params, row.tokens) == (size, tokens)
        np.testing.assert_allclose(levels(fitted, size, tokens), level, atol=6e-5)
        np.testing.assert_allclose(list(row.shares.values()), best, atol=6e-5)
    assert found.rows[0].regret < 1e-7
    regrets = [row.regret for row in found.rows]
    assert regrets == sorted(regrets)


@pytest.mark.parametrize(("planned", "cost"), [("first", 0.0056), ("uniform", 0.0421)])
def test_what_a_mixture_of_another_scale_gives_away(
    fit_of: FitOf, drift_truth: Truth, planned: str, cost: float
) -> None:
    """The notes give the loss of the sum J at (1.2e9, 50e9); the planner's regret is relative to J."""
    fitted = fit_of("msl", drift_truth, FAMILIES)
    shares = EVEN if planned == "uniform" else dict(zip(FAMILIES, TABLE[0][3], strict=True))
    row = drift_of(fitted, shares).rows[2]
    total = float(
        (
            levels(fitted, 1.2e9, 50e9) * np.array(list(row.shares.values())) ** -np.array([0.08, 0.12, 0.10])
        ).sum()
    )
    assert row.regret * total == pytest.approx(cost, abs=6e-5)


def test_normalised_losses_of_the_own_share_law_do_not_drift(fit_of: FitOf, drift_truth: Truth) -> None:
    fitted = fit_of("msl", drift_truth, FAMILIES)
    found = drift_of(fitted, EVEN, objective="normalised")
    assert found.rows == () and "no evidence" in found.note
    answer = ig.plan(
        ig.Brief(
            params=85e6, tokens=5e9, languages={label: {} for label in FAMILIES}, objective="normalised"
        ),
        fitted,
    )
    assert "the optimum is the same at every scale" in str(answer)


def test_a_plan_prints_its_drift(fit_of: FitOf, drift_truth: Truth) -> None:
    fitted = fit_of("msl", drift_truth, FAMILIES)
    brief = ig.Brief(params=85e6, tokens=5e9, languages={label: {} for label in FAMILIES})
    answer = ig.plan(brief, fitted)
    drift = answer.mixture.drift
    assert drift is not None and len(drift.rows) == len(LADDER)
    assert drift.rows[LADDER.index(1.0)].regret < 1e-9
    assert drift.rows[0].params == pytest.approx(85e4) and drift.rows[-1].tokens == pytest.approx(5e10)
    assert "this plan gives away" in str(answer)
    assert answer.to_dict()["mixture"]["drift"]["rows"][0]["shares"] == drift.rows[0].shares
    assert any("raw losses drift with scale" in text for text in answer.would_change)


def test_limits_stay_those_of_the_planned_tokens(fit_of: FitOf, drift_truth: Truth) -> None:
    fitted = fit_of("msl", drift_truth, FAMILIES)
    languages = {"eng": {"floor": 0.3}, "fra": {}, "deu": {"unique": 2.5e8}}
    brief = ig.Brief(params=85e6, tokens=5e9, languages=languages)
    shares = ig.plan(brief, fitted).mixture.shares
    rows = mixture_drift(fitted, brief, shares, 5e9, SCALES).rows
    for row in rows[:3]:
        assert row.shares == pytest.approx({"eng": 0.3, "fra": 0.5, "deu": 0.2}, abs=1e-9)
        assert row.regret == pytest.approx(0, abs=1e-12)
    # On the floors alone English wants more than its limit, while German still has the text of 5B tokens.
    assert rows[3].shares["eng"] > 0.3 and rows[3].shares["deu"] == pytest.approx(0.2)


def test_one_language_has_no_drift() -> None:
    answer = ig.plan(ig.Brief(budget=1e21, languages={"eng": {}}))
    assert answer.mixture.drift is not None and answer.mixture.drift.rows == ()
    assert "gives away there" not in str(answer)
