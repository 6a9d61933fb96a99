"""What a base is worth: a fine-tuned loss read off the surface of runs from scratch, with its interval.

The data D_E that a run from scratch of the same size would need for the loss, less the fine-tuning data D_F, is
the transferred data D_T. Close to the floor of the surface a small change of the loss is worth any amount of
data, so intervals are one-sided there, and infinite values say so.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
from jax import Array

from isoglot.core.errors import InputError
from isoglot.fit.layout import Layout
from isoglot.fit.predict import outside
from isoglot.fit.result import Fit
from isoglot.fit.table import rescale
from isoglot.laws.query import Query
from isoglot.laws.start_tokens import INIT_TOKENS, NO_NEW_TOKENS

# Search range of ln(D / D0): wide enough that its upper end is the floor for every exponent that a fit allows.
LEAST, MOST = -60.0, 300.0
BISECTIONS = 64
TWO_SIDED, LOWER_ONLY, NONE = "two-sided", "lower only", "none"


@eqx.filter_jit
def _invert(layout: Layout, vectors: Array, query: Query, goals: Array) -> Array:
    """ln(D / D0) at which each draw's loss is its goal, both (R, n); infinite at or below the floor."""

    def one(vector: Array, goal: Array) -> Array:
        params = layout.to_params(vector)

        def loss(log_tokens: Array) -> Array:
            return layout.law.predict(params, eqx.tree_at(lambda q: q.D, query, jnp.exp(log_tokens)))

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (ends[0] + ends[1])
            short = loss(middle) > goal
            return jnp.where(short, middle, ends[0]), jnp.where(short, ends[1], middle)

        low, high = jnp.full_like(goal, LEAST), jnp.full_like(goal, MOST)
        most, least = loss(low), loss(high)
        low, high = jax.lax.fori_loop(0, BISECTIONS, halve, (low, high))
        found = jnp.where(goal <= least, jnp.inf, jnp.where(goal >= most, -jnp.inf, 0.5 * (low + high)))
        return jnp.where(jnp.isfinite(least) & (most > least), found, jnp.nan)

    return jax.vmap(one)(vectors, goals)


def effective_data(fitted: Fit, points: Query, goals: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """D_E (R, n) that each of the coordinates (R, slots) of one group needs for its losses `goals` (R, n).

    Zero where any data would do, infinite at or below the floor, NaN where more data do not lower the loss.
    """
    scratch = {name: values for name, values in points.extra.items() if name != INIT_TOKENS.name}
    query = rescale(dataclasses.replace(points, extra=scratch), fitted.centre, fitted.law.columns)
    with jax.enable_x64(True):
        return np.asarray(
            fitted.centre.tokens
            * np.exp(np.asarray(_invert(fitted.layout, jnp.asarray(vectors), query, jnp.asarray(goals))))
        )


def transferred(
    fitted: Fit,
    points: Query,
    loss: Any,
    *,
    loss_se: Any = None,
    group: str | None = None,
    level: float = 0.9,
) -> pl.DataFrame:
    """Transferred data D_T = D_E - D_F of fine-tuned runs against a fit of runs from scratch.

    `points` give N, the mixture and D of the fine-tuned runs, D_F = D - `init_tokens` (zero where not given);
    `loss` (n,) their losses in the fit's unit. The interval takes the fit's draws and the noise of the fine-tuned
    loss: `loss_se`, or else the residuals of the fit. D_T is negative where the base did harm.

    Columns: params, new_tokens, loss, effective, transferred and multiplier (D_E / D_F) with _low and _high,
    `at_floor` (share of draws that no data bring to the loss), `interval` (two-sided; lower only, where the upper
    end is infinite; none, where both are, or the fit has no draws) and `outside` (ranges of the scratch runs
    that N and D_E leave).

    Raises InputError for losses that are not positive or do not match the points, and runs without new tokens.

    Source: the definition of transferred data in Hernandez et al. 2021 (2102.01293).

    >>> from isoglot.fit.published import published
    >>> from isoglot.laws import query
    >>> tuned = query(1e9, 2.1e9, extra={"init_tokens": 2e9})
    >>> row = transferred(published("epoch_exact"), tuned, [2.528759]).row(0, named=True)
    >>> f"{row['new_tokens']:.0e} {row['effective']:.3g} {row['transferred']:.3g}"
    '1e+08 2e+10 1.99e+10'
    """
    if fitted.signed:
        raise InputError(
            "transferred: the fit is of losses that are not all positive, whose noise is not relative; fit a positive loss"
        )
    new, observed = _checked(points, loss)
    g = fitted.group_index(group)
    best = effective_data(fitted, points, observed[None], fitted.vectors[g][None])[0]
    _refuse_flat(best, points)
    low = high = np.full(len(best), np.nan)
    floor = np.where(np.isinf(best), 1.0, 0.0)
    drawn = None
    if fitted.draws is not None:
        vectors = fitted.draw_vectors("bootstrap", level)[:, g]
        goals = observed * np.exp(-_noise(fitted, g, observed, loss_se, len(vectors)))
        drawn = effective_data(fitted, points, goals, vectors)
        # The quantiles are draws themselves: between a finite and an infinite one there is nothing to interpolate.
        low = np.quantile(drawn, (1 - level) / 2, axis=0, method="lower")
        high = np.quantile(drawn, (1 + level) / 2, axis=0, method="higher")
        floor = np.isinf(drawn).mean(axis=0)
    found = np.isfinite(best) & (best > 0)
    reached = dataclasses.replace(points, D=np.where(found, best, new))
    return pl.DataFrame(
        {
            "params": np.asarray(points.N),
            "new_tokens": new,
            "loss": observed,
            **_with_ends("effective", best, low, high),
            **_with_ends("transferred", best - new, low - new, high - new),
            **_with_ends("multiplier", best / new, low / new, high / new),
            "at_floor": floor,
            "interval": _kinds(low, high),
            "outside": outside(fitted, reached),
        }
    )


def _checked(points: Query, loss: Any) -> tuple[np.ndarray, np.ndarray]:
    """Fine-tuning tokens D_F and losses, both (n,)."""
    tokens = np.asarray(points.D, float)
    new = tokens - np.asarray(points.extra.get(INIT_TOKENS.name, 0.0))
    if not (new > 0).all():
        row = int(np.argmin(new > 0))
        raise InputError(f"transferred: at point {row + 1} {NO_NEW_TOKENS}; leave such runs out")
    observed = np.atleast_1d(np.asarray(loss, float))
    if observed.shape != new.shape:
        raise InputError(
            f"transferred: {len(observed)} losses were given for {len(new)} points; give one for each"
        )
    if not (np.isfinite(observed) & (observed > 0)).all():
        raise InputError(f"transferred: losses must be positive and finite, but {observed.min()} was given")
    return new, observed


def _refuse_flat(best: np.ndarray, points: Query) -> None:
    if np.isnan(best).any():
        row = int(np.argmax(np.isnan(best)))
        raise InputError(
            f"transferred: at point {row + 1} (N {points.N[row]:.3g}) the law's loss does not fall with data, so no "
            "amount of it can be read off; use a fit of runs that vary D, and a mixture with the evaluated language"
        )


def _noise(fitted: Fit, group: int, observed: np.ndarray, loss_se: Any, draws: int) -> np.ndarray:
    """Noise of the log of the fine-tuned losses, (R, n)."""
    rng = np.random.default_rng([fitted.seed, 5])
    if loss_se is not None:
        relative = np.broadcast_to(np.asarray(loss_se, float), observed.shape) / observed
        return np.asarray(relative * rng.standard_normal((draws, len(observed))))
    if fitted.noise is None:
        return np.zeros((draws, len(observed)))
    pool = fitted.noise[group][np.isfinite(fitted.noise[group])]
    return np.asarray(rng.choice(pool, size=(draws, len(observed))))


def _with_ends(name: str, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> dict[str, np.ndarray]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _kinds(low: np.ndarray, high: np.ndarray) -> list[str]:
    return [
        TWO_SIDED if np.isfinite(b) else LOWER_ONLY if np.isfinite(a) else NONE
        for a, b in zip(low, high, strict=True)
    ]
