"""IsoFLOP budgets: which runs of a table were given the same compute."""

from __future__ import annotations

import numpy as np

# A parabola has three coefficients; a fourth size is the first that can contradict it.
LEAST_SIZES = 4


def find_budgets(log_flops: np.ndarray, log_params: np.ndarray, tolerance: float) -> np.ndarray:
    """Number of the budget of every run, ascending in C, and -1 for runs of no budget.

    The run with the most runs within +-tolerance of its ln C is the centre of a budget; those runs are taken
    away and the search goes on. A centre within 2 tolerances of an earlier, denser one is a tail of it and founds
    nothing, and fewer than four different sizes are no budget. Unlike single linkage this never chains
    scattered budgets into one.

    >>> C = np.repeat([1e18, 1e19], 4)
    >>> find_budgets(np.log(C), np.log(np.tile([1e7, 2e7, 4e7, 8e7], 2)), 0.1).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    found = np.full(len(log_flops), -1)
    free = np.ones(len(log_flops), bool)
    near = np.abs(log_flops[:, None] - log_flops[None]) <= tolerance
    centres: list[float] = []
    while free.any():
        counts = np.where(free, (near & free).sum(axis=1), 0)
        best = np.flatnonzero(counts == counts.max())
        # Of equally dense centres the middle one, so that a budget is not cut at its lower half.
        centre = int(best[np.argsort(log_flops[best])][(len(best) - 1) // 2])
        members = near[centre] & free
        free &= ~members
        tail = any(abs(log_flops[centre] - other) <= 2 * tolerance for other in centres)
        if len(np.unique(np.round(log_params[members], 6))) >= LEAST_SIZES and not tail:
            found[members] = len(centres)
            centres.append(float(log_flops[centre]))
    rank = np.argsort(np.argsort(centres))
    return np.array([rank[number] if number >= 0 else -1 for number in found], int)
