"""More languages at equal loss: multipliers of N, D and C for K -> rK, and the iso-loss curve between N and D.

The capacity law L = E + A K^phi / N^alpha + B K^psi / D_t^beta, D_t = D / K (uniform mixture), gives both. All
functions are batched over draws; a law fitted for several languages is averaged over them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isoglot.laws.published import CAPACITY_EXPONENTS

# No interval was published for phi and psi; this step around them is an assumption, about the rounding and
# spread that "similar coefficients" over languages leaves open.
ASSUMED_STEP = 0.02
REACH = 200.0  # |ln| of the multipliers that are searched
BISECTIONS = 90


@dataclass(frozen=True)
class Multipliers:
    """Factors on parameters N, all tokens D, tokens of each language D_t and compute C."""

    params: float
    tokens: float
    tokens_per_language: float
    flops: float


def published_multipliers(ratio: float) -> Multipliers:
    """Published factors at equal loss and least compute for `ratio` times as many languages.

    N r^0.243, D r^0.728, D_t r^(0.728 - 1), C r^0.970, from a compute-optimal baseline with a uniform mixture. The
    exponents are the printed ones: 0.243 + 0.728 is 0.971 by rounding, so C differs from N x D by 0.1 % at r = 4.

    Source: Longpre et al. 2025 (2510.22037), Sec. 5 and App. B.7.

    >>> [round(x, 3) for x in vars(published_multipliers(4)).values()]
    [1.401, 2.743, 0.686, 3.837]
    """
    powers = CAPACITY_EXPONENTS
    data = powers["D multiplier exponent"]
    return Multipliers(
        ratio ** powers["N multiplier exponent"],
        ratio**data,
        ratio ** (data - 1),
        ratio ** powers["C multiplier exponent"],
    )


def implied_exponents() -> dict[str, float]:
    """alpha and beta, which are not published, from the published multipliers: phi / 0.243 and psi / (0.728 - 1).

    >>> {key: round(value, 4) for key, value in implied_exponents().items()}
    {'alpha': 0.4527, 'beta': 0.1471, 'phi': 0.11, 'psi': -0.04}
    """
    powers = CAPACITY_EXPONENTS
    return {
        "alpha": powers["phi"] / powers["N multiplier exponent"],
        "beta": powers["psi"] / (powers["D multiplier exponent"] - 1),
        "phi": powers["phi"],
        "psi": powers["psi"],
    }


def closed_multipliers(exponents: dict[str, float], ratio: float) -> Multipliers:
    """Factors that restore each error term by itself: N r^(phi/alpha), D_t r^(psi/beta).

    They keep the loss from any baseline; from a compute-optimal one they also cost the least compute.

    >>> closed_multipliers({"alpha": 0.5, "beta": 0.25, "phi": 0.25, "psi": 0.0}, 4)
    Multipliers(params=2.0, tokens=4.0, tokens_per_language=1.0, flops=8.0)
    """
    size = ratio ** (exponents["phi"] / exponents["alpha"])
    own = ratio ** (exponents["psi"] / exponents["beta"])
    return Multipliers(size, ratio * own, own, size * ratio * own)


def assumed_range(ratio: float, step: float = ASSUMED_STEP) -> dict[str, tuple[float, float]]:
    """Least and largest published factors when phi and psi move by an assumed step, alpha and beta held.

    This is a sensitivity, not a confidence interval: none was published.

    >>> [round(x, 2) for x in assumed_range(4)["tokens"]]
    [2.27, 3.31]
    """
    centre = implied_exponents()
    corners = [
        closed_multipliers({**centre, "phi": centre["phi"] + up, "psi": centre["psi"] + right}, ratio)
        for up in (-step, step)
        for right in (-step, step)
    ]
    return {
        name: (
            min(getattr(corner, name) for corner in corners),
            max(getattr(corner, name) for corner in corners),
        )
        for name in ("params", "tokens", "tokens_per_language", "flops")
    }


@dataclass(frozen=True)
class IsoLoss:
    """The curve of (N'/N, D_t'/D_t) that keeps the reducible loss when languages multiply by `ratio`.

    sum_g (size_g s^-alpha_g + data_g t^-beta_g) = 1, where `size` = r^phi w_N and `data` = r^psi w_D are shares
    of the old reducible loss times the growth of their term; arrays are (R, G): draws, languages of the fit.

    Source: Longpre et al. 2025 (2510.22037), App. B.7, Eq. 8; the optimum by stationarity of s t along it.

    >>> p = implied_exponents()
    >>> curve = iso_loss(4, p, optimal_size_share(p))
    >>> s, t = curve.optimum()
    >>> float(s[0].round(2)), float((4 * t)[0].round(2)), float(4 * curve.own_tokens(1.0)[0].round(3))
    (1.4, 2.74, 3.988)
    """

    ratio: float
    size: np.ndarray
    data: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray

    @property
    def least_params(self) -> np.ndarray:
        """s below which no data keeps the loss, (R,)."""
        return _power_root(self.size, self.alpha, np.ones(len(self.size)))

    @property
    def least_own_tokens(self) -> np.ndarray:
        """t below which no size keeps the loss, (R,)."""
        return _power_root(self.data, self.beta, np.ones(len(self.data)))

    def own_tokens(self, params: float | np.ndarray) -> np.ndarray:
        """t for s, (R,); infinite where no data keeps the loss."""
        factor = np.broadcast_to(np.asarray(params, float), (len(self.size),))
        return _power_root(self.data, self.beta, 1 - _terms(self.size, self.alpha, factor))

    def flops(self, params: float | np.ndarray) -> np.ndarray:
        """C'/C = r s t for s, (R,)."""
        return np.asarray(self.ratio * params * self.own_tokens(params))

    def optimum(self) -> tuple[np.ndarray, np.ndarray]:
        """s and t with the least compute, (R,) each.

        Along the curve, d ln t / d ln s = -(sum alpha size s^-alpha) / (sum beta data t^-beta); it is -1 at the
        only stationary point, because the curve is convex in (ln s, ln t).
        """

        def pull(log_size: np.ndarray) -> np.ndarray:
            size = np.exp(log_size)
            down = _terms(self.alpha * self.size, self.alpha, size)
            return np.asarray(down - _terms(self.beta * self.data, self.beta, self.own_tokens(size)))

        low = np.log(self.least_params)
        size = np.exp(_falling_root(pull, low, low + REACH))
        return size, self.own_tokens(size)


def optimal_size_share(exponents: dict[str, float]) -> float:
    """w_N of a compute-optimal baseline, beta / (alpha + beta): the size term's part of the reducible loss."""
    return exponents["beta"] / (exponents["alpha"] + exponents["beta"])


def iso_loss(ratio: float, exponents: dict[str, float], size_share: float) -> IsoLoss:
    """The curve of one law from a baseline whose size term is `size_share` of its reducible loss."""

    def cell(value: float) -> np.ndarray:
        return np.array([[value]])

    return IsoLoss(
        ratio,
        cell(ratio ** exponents["phi"] * size_share),
        cell(ratio ** exponents["psi"] * (1 - size_share)),
        cell(exponents["alpha"]),
        cell(exponents["beta"]),
    )


def _terms(coefficient: np.ndarray, exponent: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """sum_g c_g x^-e_g, (R,)."""
    with np.errstate(over="ignore"):
        return np.asarray((coefficient * np.exp(-exponent * np.log(factor)[:, None])).sum(axis=1))


def _power_root(coefficient: np.ndarray, exponent: np.ndarray, level: np.ndarray) -> np.ndarray:
    """x with sum_g c_g x^-e_g = level, (R,); infinite where the level is not positive."""
    if coefficient.shape[1] == 1:
        with np.errstate(divide="ignore", over="ignore"):
            found = np.power(coefficient[:, 0] / np.maximum(level, 0.0), 1 / exponent[:, 0])
    else:
        count = len(coefficient)
        found = np.exp(
            _falling_root(
                lambda at: _terms(coefficient, exponent, np.exp(at)) - level,
                np.full(count, -REACH),
                np.full(count, REACH),
            )
        )
    return np.asarray(np.where(level > 0, found, np.inf))


def _falling_root(
    function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Roots (R,) of functions that fall."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        above = function(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(0.5 * (low + high))
