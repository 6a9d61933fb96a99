"""The multi-power law on a learning rate given step by step (Luo et al. 2025, arXiv 2503.12811)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from isoglot.core.errors import InputError


def multi_power(params: Mapping[str, float], lr: Sequence[float] | np.ndarray) -> float:
    """Loss after the last step of a schedule, by the sums of the paper.

    L = E + A S1^-alpha - B sum_k (lr_{k-1} - lr_k) [1 - (1 + C lr_k^-gamma S_k)^-beta], where S1 is the sum of all
    rates and S_k that from step k on. `lr` (steps,) holds every step's rate *with the warmup*: its rising steps enter
    the sum with a negative drop, and the published constants are wrong by 0.1 without them. E is the paper's L0.

    Raises InputError for rates that are negative, not finite, or all zero.

    Source: Luo et al. 2025 (2503.12811), Eq. 1 and the authors' code.

    >>> from isoglot.laws import published_params
    >>> lr = np.concatenate([np.linspace(0, 3e-4, 2160), np.full(21840, 3e-4)])
    >>> round(multi_power(published_params("mpl_25m"), lr), 5)
    3.34585
    """
    rate = np.asarray(lr, float)
    if rate.ndim != 1 or not (np.isfinite(rate).all() and (rate >= 0).all() and rate.any()):
        raise InputError(
            "multi_power: lr must be one row of rates that are finite, zero or positive and not all zero"
        )
    after = np.cumsum(rate[::-1])[::-1][1:]  # S_k for k = 1, 2, ...
    # A rate of zero sharpens the curvature without limit, unless nothing is learned after it.
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(after > 0, params["C"] * rate[1:] ** -params["gamma"] * after, 0.0)
    gained = 1.0 - (1.0 + reach) ** -params["beta"]
    drop = float(((rate[:-1] - rate[1:]) * gained).sum())
    return float(params["E"] + params["A"] * rate.sum() ** -params["alpha"] - params["B"] * drop)
