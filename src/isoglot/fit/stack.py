"""Weights of an ensemble: stacking of held-out predictive densities, and what all members miss.

Each law is fitted to the lower part of a rolling origin and predicts the rest. The weights maximise the mean log of the
mixture of the laws' predictive densities there (Yao et al. 2018, Bayesian Analysis 13), which rewards honest intervals
as well as small errors. Held-out rows beyond one origin are wrong together, so they count no more than their distinct
levels of compute; a weak Dirichlet prior keeps every form that the data cannot exclude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Pseudo-count of the Dirichlet prior, shared by all laws.
PRIOR = 1.0
ITERATIONS = 500
# Degrees of freedom of a predictive density: a residual far beyond an interval must not decide alone.
FREEDOM = 4.0
LEAST_SD = 5e-4


@dataclass(frozen=True)
class HeldOut:
    """Held-out predictions of every law at the same rows.

    `centre` and `spread` (laws, rows) are mean and standard deviation of the predicted log loss of a run, `observed`
    (rows,) the log losses, `importance` (rows,) what each row counts (summing to the number of independent levels) and
    `decades` (rows,) how far it lies beyond the compute of the runs that were fitted.
    """

    centre: np.ndarray
    spread: np.ndarray
    observed: np.ndarray
    importance: np.ndarray
    decades: np.ndarray


def log_density(held: HeldOut) -> np.ndarray:
    """Log predictive density of every law at every row, (laws, rows), Student's t around its prediction."""
    spread = np.maximum(held.spread, LEAST_SD)
    z = (held.observed - held.centre) / spread
    return np.asarray(-0.5 * (FREEDOM + 1) * np.log1p(z**2 / FREEDOM) - np.log(spread))


def stacking_weights(held: HeldOut) -> np.ndarray:
    """Weights (laws,) that maximise the mixture's held-out score, by expectation-maximisation (a concave problem).

    >>> rows = np.zeros(8)
    >>> held = HeldOut(np.array([rows, rows + 0.1]), np.full((2, 8), 0.01), rows, np.ones(8), rows)
    >>> stacking_weights(held).round(2).tolist()
    [0.94, 0.06]
    """
    score = log_density(held)
    density = np.exp(score - score.max(axis=0))
    count = len(score)
    weight = np.full(count, 1.0 / count)
    for _ in range(ITERATIONS):
        share = weight[:, None] * density
        share = share / share.sum(axis=0)
        new = PRIOR / count + (share * held.importance).sum(axis=1)
        new = new / new.sum()
        done = np.abs(new - weight).max() < 1e-9
        weight = new
        if done:
            break
    return weight


def discrepancy(held: HeldOut, weight: np.ndarray) -> float:
    """Standard deviation of the log loss, a decade beyond the runs, that the mixture's own spread does not explain.

    A moment estimate: what is left of the squared held-out error after the mixture's variance, as a multiple of the
    squared distance; zero where the mixture covers its errors.
    """
    beyond = held.decades > 0
    if not beyond.any():
        return 0.0
    mean = weight @ held.centre
    variance = weight @ (held.spread**2 + (held.centre - mean) ** 2)
    excess = (held.observed - mean) ** 2 - variance
    distance = held.decades[beyond]
    importance = held.importance[beyond]
    slope = (importance * excess[beyond] * distance**2).sum() / (importance * distance**4).sum()
    return float(np.sqrt(max(slope, 0.0)))


def mixture_coverage(held: HeldOut, weight: np.ndarray, delta: float, level: float = 0.9) -> float:
    """Share of held-out rows inside the mixture's interval at `level`, weighted like the score."""
    rng = np.random.default_rng(0)
    count, rows = 4000, len(held.observed)
    member = rng.choice(len(weight), size=count, p=weight)
    draws = held.centre[member] + held.spread[member] * rng.standard_normal((count, rows))
    draws = draws + delta * rng.standard_normal((count, 1)) * np.maximum(held.decades, 0.0)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    inside = (low <= held.observed) & (held.observed <= high)
    return float((inside * held.importance).sum() / held.importance.sum())
