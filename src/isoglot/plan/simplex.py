"""Shares under floors and caps: projection, closed form of the own-share law, and a numerical minimiser.

All batched over draws. Caps from unique text (allowed epochs times unique tokens over D) and floors make the
feasible set {lo <= p <= hi, sum p = 1}; every routine clips p_i(lambda) to its limits inside one scalar root,
so no active-set loop is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isoglot.core.errors import NoAnswerError

BISECTIONS = 90
# A step that moves no share by more than this ends a minimisation.
STILL = 1e-7
# value, gradient at shares (R, K)
Objective = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def check_limits(lo: np.ndarray, hi: np.ndarray) -> None:
    """Raise NoAnswerError if no mixture satisfies the limits."""
    if lo.sum() > 1 + 1e-9 or hi.sum() < 1 - 1e-9 or (lo > hi + 1e-12).any():
        raise NoAnswerError(
            f"mixture: floors sum to {lo.sum():.4g} and caps to {hi.sum():.4g}, so no mixture fits; lower the floors, "
            "allow more epochs, or train on fewer tokens"
        )


def _root(shares: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Shares at the multiplier where they sum to 1; `shares` falls as the multiplier rises."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        above = shares(middle).sum(axis=-1) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
        if np.max(high - low) <= 1e-15 * max(1.0, float(np.max(np.abs(high)))):
            break
    return shares(0.5 * (low + high))


def own_share_optimum(
    weight: np.ndarray, scale: np.ndarray, gamma: np.ndarray, lo: np.ndarray, hi: np.ndarray
) -> np.ndarray:
    """Shares that minimise sum_i w_i c_i p_i^-gamma_i within limits, in closed form up to one root.

    Stationarity gives p_i = (w_i c_i gamma_i / lambda)^(1 / (1 + gamma_i)), clipped to [lo, hi]. Arrays are
    (K,) or (R, K); gamma must be positive. A language with weight zero gets its floor.

    Raises NoAnswerError for infeasible limits. Source: MSL, 2410.12883, Sec. 4.

    >>> own_share_optimum(np.ones(3), np.array([2.0, 2.5, 3.0]), np.array([0.08, 0.12, 0.10]), np.zeros(3), np.ones(3)).round(7).tolist()
    [0.2139811, 0.3963162, 0.3897027]
    """
    check_limits(lo, hi)
    with np.errstate(divide="ignore"):
        log_pull = np.log(weight * scale * gamma)
    live = np.isfinite(log_pull)

    def shares(s: np.ndarray) -> np.ndarray:
        raw = np.where(live, np.exp(np.clip((log_pull - s[..., None]) / (1 + gamma), -700, 50)), 0.0)
        return np.clip(raw, lo, hi)

    spread = np.where(live, log_pull, 0.0)
    low, high = spread.min(axis=-1) - 80.0, spread.max(axis=-1) + 80.0
    return _fill(_root(shares, low, high), lo, hi)


def project(point: np.ndarray, metric: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The feasible shares nearest to a point in the metric sum_i h_i (p_i - x_i)^2, (R, K)."""

    def shares(s: np.ndarray) -> np.ndarray:
        return np.clip(point - s[..., None] / metric, lo, hi)

    reach = (metric * (np.abs(point) + 2.0)).max(axis=-1)
    return _fill(_root(shares, -reach, reach), lo, hi)


def _fill(shares: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Give what rounding left of the sum to shares that are not at a limit."""
    gap = 1.0 - shares.sum(axis=-1, keepdims=True)
    room = np.where(gap > 0, hi - shares, shares - lo)
    inside = np.where((shares > lo) & (shares < hi), room, 0.0)
    room = np.where(inside.sum(axis=-1, keepdims=True) > 0, inside, room)
    total = room.sum(axis=-1, keepdims=True)
    return np.asarray(
        np.clip(shares + gap * np.where(total > 0, room / np.maximum(total, 1e-300), 0.0), lo, hi)
    )


def _curvature(shares: np.ndarray, slope: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """|gradient| / share, kept from vanishing by the steepest share that may move; one at a limit may be far steeper."""
    steep = np.abs(slope)
    free = np.where((shares > lo) & (shares < hi), steep, 0.0).max(axis=-1, keepdims=True)
    least = np.where(free > 0, free, steep.max(axis=-1, keepdims=True))
    return np.asarray(np.maximum(steep, 1e-3 * least) / np.maximum(shares, 1e-6))


def _descends(value: np.ndarray, new_value: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Whether a step lowers the objective; below its rounding, the mean of both gradients along the step decides."""
    rounding = 1e-10 * np.abs(value)
    return np.asarray(np.where(np.abs(new_value - value) > rounding, new_value < value, change < 0))


def minimise(
    objective: Objective, start: np.ndarray, lo: np.ndarray, hi: np.ndarray, iterations: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise a batch of smooth functions of shares within limits; returns shares (R, K) and values (R,).

    Each step minimises the linear model plus a diagonal quadratic with curvature |gradient| / share, the
    curvature of a power of the share, so that it is close to a Newton step for every law at hand; a step that does
    not descend is damped.

    Raises NoAnswerError for infeasible limits.
    """
    check_limits(lo, hi)
    current = project(start, np.ones_like(start), lo, hi)
    value, slope = objective(current)
    damping = np.ones(len(current))
    for _ in range(iterations):
        metric = np.maximum(_curvature(current, slope, lo, hi), 1e-12) * damping[:, None]
        candidate = project(current - slope / metric, metric, lo, hi)
        new_value, new_slope = objective(candidate)
        better = _descends(value, new_value, 0.5 * ((slope + new_slope) * (candidate - current)).sum(axis=-1))
        step = np.abs(candidate - current).max(axis=-1)
        current = np.where(better[:, None], candidate, current)
        slope = np.where(better[:, None], new_slope, slope)
        value = np.where(better, new_value, value)
        damping = np.clip(np.where(better, damping * 0.7, damping * 4.0), 0.3, 1e9)
        if (step < STILL).all():
            break
    return current, value
