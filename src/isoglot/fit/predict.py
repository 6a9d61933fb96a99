"""Predictions of a fit: losses, intervals for the law or for a new run, and ranges that a point leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
from jax import Array

from isoglot.core.errors import InputError, nearest
from isoglot.fit.layout import Layout
from isoglot.fit.table import Table, make_table, rescale
from isoglot.laws.query import Query

if TYPE_CHECKING:
    from isoglot.fit.result import Fit

MIN_PAD = 16


@eqx.filter_jit
def _losses(layout: Layout, vectors: Array, query: Query) -> Array:
    """Losses (R, n) of coordinate vectors (R, slots)."""
    return jax.vmap(lambda vector: layout.law.predict(layout.to_params(vector), query))(jnp.asarray(vectors))


def losses(layout: Layout, vectors: np.ndarray, query: Query) -> np.ndarray:
    """Losses (R, n) of coordinates (R, slots) at a query in the same units.

    The query is padded to a power of two, so that differently sized groups share compiled programs.
    """
    n = query.num_points
    size = max(MIN_PAD, 1 << (n - 1).bit_length())
    padded = jax.tree.map(
        lambda field: np.concatenate([field, np.repeat(field[:1], size - n, axis=0)]), query
    )
    with jax.enable_x64(True):
        return np.asarray(_losses(layout, jnp.asarray(vectors), padded))[:, :n]


def loss_draws(fitted: Fit, query: Query, group: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Losses (R, n) at a query in original units; `group` (n,) and `vectors` (R, G, slots)."""
    centred = rescale(query, fitted.centre, fitted.law.columns)
    out = np.empty((len(vectors), query.num_points))
    for g in np.unique(group):
        mine = np.flatnonzero(group == g)
        out[:, mine] = losses(
            fitted.layout, vectors[:, g], jax.tree.map(lambda field, at=mine: field[at], centred)
        )
    return out


def predict(fitted: Fit, points: Any, level: float, group: str | None, kind: str) -> pl.DataFrame:
    """See `Fit.predict`."""
    if kind not in ("run", "mean"):
        raise InputError(
            f"predict: kind={kind!r} is unknown{nearest(kind, ('run', 'mean'))}; use run or mean"
        )
    query, place, index = _points(fitted, points, group)
    centre = loss_draws(fitted, query, place, fitted.vectors[None])[0]
    columns: dict[str, Any] = {"group": [fitted.groups[g] for g in place], "loss": centre}
    if fitted.draws is not None:
        drawn = loss_draws(fitted, query, place, fitted.draw_vectors("bootstrap", level))
        if kind == "run" and fitted.noise is not None:
            drawn = with_noise(fitted, drawn, place)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        columns["low"], columns["high"] = low, high
    else:
        columns["low"] = columns["high"] = np.full(len(centre), np.nan)
    columns["outside"] = [
        "; ".join(filter(None, (_without_runs(fitted, g), left)))
        for g, left in zip(place, outside(fitted, query), strict=True)
    ]
    frame = pl.DataFrame(columns)
    return frame if index is None else frame.with_columns(pl.Series("row", index))


def _without_runs(fitted: Fit, group: int) -> str:
    """Says of a group that it was drawn from the population of the others; a misspelt name must not pass for one."""
    learned = fitted.hierarchy
    return f"no runs of {fitted.groups[group]}" if learned and group >= len(learned.member) else ""


def with_noise(fitted: Fit, drawn: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Losses (R, n) with the runs' own noise: relative, but additive where losses are of either sign."""
    noise = noise_draws(fitted, place, len(drawn))
    return drawn + noise if fitted.signed else drawn * np.exp(noise)


def noise_draws(fitted: Fit, place: np.ndarray, draws: int) -> np.ndarray:
    """Residuals of the fit, resampled for every draw and point, (R, n)."""
    assert fitted.noise is not None
    rng = np.random.default_rng([fitted.seed, 3])
    out = np.empty((draws, len(place)))
    for g in np.unique(place):
        pool = fitted.noise[g][np.isfinite(fitted.noise[g])]
        mine = np.flatnonzero(place == g)
        out[:, mine] = rng.choice(pool, size=(draws, len(mine)))
    return out


def _points(fitted: Fit, points: Any, group: str | None) -> tuple[Query, np.ndarray, np.ndarray | None]:
    if isinstance(points, Query):
        return points, np.full(points.num_points, fitted.group_index(group)), None
    table = make_table(
        points, by=fitted.by or None, transfer=dict(fitted.transfer), columns=fitted.law.columns
    )
    place = aligned(fitted, table)
    if table.languages != fitted.languages:
        raise InputError(
            f"predict: the runs have the languages {', '.join(table.languages)}, the fit {', '.join(fitted.languages)}; "
            "give the same share columns in the same order"
        )
    return table.query, place, table.row


def aligned(fitted: Fit, table: Table) -> np.ndarray:
    """Group of the fit for every row of a table."""
    unknown = [label for label in table.groups if label not in fitted.groups]
    if unknown:
        raise InputError(
            f"predict: group {unknown[0]!r} was not fitted{nearest(unknown[0], fitted.groups)}; "
            "fit it, or fit with by=None"
        )
    lookup = np.array([fitted.groups.index(label) for label in table.groups])
    return np.asarray(lookup[table.group])


def outside(fitted: Fit, query: Query) -> list[str]:
    """For every point, the ranges of the fit that it leaves, in words; empty inside all of them."""
    size, tokens = np.asarray(query.N), np.asarray(query.D)
    shares = np.asarray(query.shares)
    with np.errstate(divide="ignore", invalid="ignore"):
        epochs = np.nan_to_num(shares * tokens[:, None] / np.asarray(query.unique)).max(axis=1)
    quantities = {"N": size, "D": tokens, "C": 6 * size * tokens, "D/N": tokens / size, "epochs": epochs}
    out = []
    for at in range(query.num_points):
        left = []
        for name, values in quantities.items():
            if fitted.ranges.outside(name, float(values[at])):
                low, high = fitted.ranges.values[name]
                left.append(f"{name} {values[at]:.3g} outside {low:.3g}..{high:.3g}")
        for column, label in enumerate(fitted.languages):
            name = f"share.{label}"
            if shares.shape[1] > column and fitted.ranges.outside(name, float(shares[at, column])):
                low, high = fitted.ranges.values[name]
                left.append(f"{name} {shares[at, column]:.3g} outside {low:.3g}..{high:.3g}")
        out.append("; ".join(left))
    return out


def floor_count(fitted: Fit, group: int) -> int:
    """Rows of a group whose effective data was replaced by its positive floor."""
    from isoglot.laws.atlas import Atlas

    if not isinstance(fitted.law, Atlas) or fitted.table is None:
        return 0
    mine = np.flatnonzero(fitted.table.group == group)
    query = jax.tree.map(
        lambda field: field[mine], rescale(fitted.table.query, fitted.centre, fitted.law.columns)
    )
    with jax.enable_x64(True):
        params = fitted.layout.to_params(jnp.asarray(fitted.vectors[group]))
        return int(np.asarray(fitted.law.floor_binds(params, query)).sum())
