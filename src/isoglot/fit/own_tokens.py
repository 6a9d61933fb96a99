"""Monolingual learning curves M(N, D): what a language's own tokens alone are worth, the null of a mixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from isoglot.core.errors import InputError
from isoglot.fit.fit import fit
from isoglot.fit.predict import loss_draws
from isoglot.fit.result import Fit
from isoglot.laws.query import query
from isoglot.runs import Runs

# Loss from N and D, both arrays (n,).
Curve = Callable[[np.ndarray, np.ndarray], np.ndarray]
# E + B / D^beta has three parameters; a fourth token count is the first that can contradict it.
LEAST_TOKENS = 4


@dataclass(frozen=True)
class OwnTokens:
    """The curve of one language (at one size, or at all): M, its range of D, residuals of the runs behind it."""

    curve: Curve
    low: float
    high: float
    residual: np.ndarray
    freedom: int

    @property
    def spread(self) -> float:
        """Standard deviation of ln L around the curve; 0 where no run tells."""
        return float(np.sqrt((self.residual**2).sum() / self.freedom)) if self.freedom else 0.0


def of_fit(fitted: Fit, label: str) -> Curve:
    """The curve of a language from a fit that holds it, at share 1.

    Raises InputError when the fit has several groups and none is named like the language.
    """
    group = fitted.group_index(label if label in fitted.groups else None)
    axis = fitted.languages
    at = axis.index(label) if label in axis else 0
    helpers = [axis.index(member) for member in fitted.transfer.get(label, ())]

    def curve(size: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        points = query(size, tokens, shares=np.eye(len(axis))[at], target=at, transfer=helpers)
        return loss_draws(fitted, points, np.full(points.num_points, group), fitted.vectors[None])[0]

    return curve


def given_curves(
    mono: Runs, given: Fit | Curve | Mapping[str, Fit | Curve], labels: Sequence[str]
) -> dict[tuple[str, float], OwnTokens]:
    """Curves of the caller by language, for every size (key NaN), with the residuals of the monolingual runs."""
    found = {}
    for label in labels:
        one = given.get(label) if isinstance(given, Mapping) else given
        if one is None:
            raise InputError(
                f"share-exponent: curve names none for {label!r}; give a fit or a function for each"
            )
        curve = of_fit(one, label) if isinstance(one, Fit) else one
        rows = mono.frame.filter(pl.col("language") == label)
        size, tokens, loss = (rows[name].to_numpy().astype(float) for name in ("params", "tokens", "loss"))
        residual = np.log(loss / curve(size, tokens)) if len(rows) else np.zeros(0)
        low, high = one.ranges.values.get("D", (0.0, np.inf)) if isinstance(one, Fit) else (0.0, np.inf)
        found[label, np.nan] = OwnTokens(curve, low, high, residual, len(residual))
    return found


def fitted_curves(mono: Runs, sizes: np.ndarray) -> dict[tuple[str, float], OwnTokens]:
    """Fit E + B / D^beta to the monolingual runs of each language and size with four token counts.

    `sizes` gives the size that each row counts for, so that nearly equal sizes are one curve.
    """
    frame = mono.frame.with_columns(pl.Series("curve_size", sizes))
    keys = ["language", "curve_size"]
    frame = frame.with_columns(pl.col("tokens").log().round(2).n_unique().over(keys).alias("levels"))
    frame = frame.filter(pl.col("levels") >= LEAST_TOKENS)
    if frame.is_empty():
        return {}
    fitted = fit(
        replace(mono, frame=frame),
        by=keys,
        fixed={"A": 0.0, "alpha": 1.0},
        objective="gaussian",
        bootstrap=0,
        check=False,
    )
    found = {}
    for (label, size), rows in frame.group_by(keys, maintain_order=True):
        tokens, loss = (rows[name].to_numpy().astype(float) for name in ("tokens", "loss"))
        name = rows.select(pl.concat_str([pl.col(key).cast(pl.String) for key in keys], separator=" / "))[
            0, 0
        ]
        curve = _of_group(fitted, fitted.group_index(name))
        residual = np.log(loss / curve(np.full(len(rows), float(size)), tokens))
        key = (str(label), float(size))
        found[key] = OwnTokens(curve, tokens.min(), tokens.max(), residual, max(len(residual) - 3, 1))
    return found


def _of_group(fitted: Fit, group: int) -> Curve:
    """The curve of one group of a law that looks at D alone."""
    width = len(fitted.languages)

    def curve(size: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        points = query(size, tokens, shares=np.eye(width)[0])
        return loss_draws(fitted, points, np.full(points.num_points, group), fitted.vectors[None])[0]

    return curve
