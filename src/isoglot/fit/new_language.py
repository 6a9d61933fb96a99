"""A law for a language without runs: the population of a partial pooling, and its leave-language-out error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import jax
import numpy as np
import polars as pl

from isoglot.core.errors import InputError
from isoglot.fit.hierarchy import Hierarchy, learn
from isoglot.fit.predict import loss_draws, with_noise

if TYPE_CHECKING:
    from isoglot.fit.result import Fit

LEAVE_OUT_ROUNDS = 100


def population(fitted: Fit) -> Hierarchy:
    """The population of a partially pooled fit.

    Raises InputError for any other fit.
    """
    if fitted.hierarchy is None:
        raise InputError(
            "fit: a language without runs needs a fit with pool='partial', which learns a population of languages"
        )
    return fitted.hierarchy


def with_language(fitted: Fit, label: str, family: str | None = None) -> Fit:
    """See `Fit.with_language`."""
    population(fitted)
    if any(fitted.transfer.values()):
        raise InputError(
            f"fit: {fitted.spec.text} gives every language helpers of its own, and {label!r} has none; use a law without "
            "a transfer set"
        )
    return _appended(fitted, label, family)


def _appended(fitted: Fit, label: str, family: str | None) -> Fit:
    """The fit with one more group, drawn from the population."""
    from isoglot.fit.partial import family_of

    learned = population(fitted)
    if label in fitted.groups:
        raise InputError(f"fit: {label!r} has runs of its own in this fit; predict it as it is")
    if family is not None and family not in learned.families:
        raise InputError(
            f"fit: family {family!r} has no runs in this fit; families are {', '.join(learned.families)}"
        )
    if family is None:
        guesses = [family_of(label, way) for way in ("family", "branch", "script", None)]
        family = next((name for name in guesses if name in learned.families), None)
    place = learned.family(family)
    unseen = place == len(learned.families)
    vector = learned.overall if unseen else learned.means[place]
    drawn = None
    if fitted.draws is not None:
        rng = np.random.default_rng([fitted.seed, 6, len(fitted.groups)])
        covariance = learned.within + (learned.between if unseen else 0.0)
        means = learned.mean_draws[: len(fitted.draws), place]
        new = means + rng.multivariate_normal(np.zeros(means.shape[1]), covariance, len(means))
        new = np.clip(new, fitted.layout.lower, fitted.layout.upper)
        drawn = np.concatenate([fitted.draws, new[:, None]], axis=1)
    noise = None if fitted.noise is None else np.concatenate([fitted.noise, fitted.noise[:1]])
    return replace(
        fitted,
        groups=(*fitted.groups, label),
        vectors=np.concatenate([fitted.vectors, vector[None]]),
        draws=drawn,
        noise=noise,
        statuses=(*fitted.statuses, fitted.status),
        objective_value=np.append(fitted.objective_value, np.nan),
        covariance=_append(fitted.covariance),
        model_covariance=_append(fitted.model_covariance),
        pinned=None if fitted.pinned is None else np.concatenate([fitted.pinned, fitted.pinned[:1]]),
    )


def _append(covariance: np.ndarray | None) -> np.ndarray | None:
    return None if covariance is None else np.concatenate([covariance, np.full_like(covariance[:1], np.nan)])


def leave_language_out(fitted: Fit, level: float = 0.9) -> pl.DataFrame:
    """How well the population predicts each language as if it had no runs: one row a group.

    The population is learned again without the language (from what the runs say of all others), and its runs are
    predicted from the mean of its family. Columns: group, rows, mre (mean relative error), bias (signed), coverage
    (of intervals for new runs at `level`), width (median relative width of those intervals).

    >>> import isoglot as ig
    >>> try:
    ...     leave_language_out(ig.published())
    ... except InputError as error:
    ...     print(str(error)[:60])
    fit: a language without runs needs a fit with pool='partial'
    """
    learned, table = population(fitted), fitted.table
    assert table is not None
    rows = []
    for g, name in enumerate(fitted.groups[: len(learned.member)]):
        mine = np.flatnonzero(table.group == g)
        if not len(mine):
            continue
        without = replace(_without(fitted, learned, g), draws=fitted.draws)
        family = learned.families[learned.member[g]]
        new = _appended(replace(without, groups=_renamed(fitted.groups, g)), name, family)
        query = jax.tree.map(lambda field, at=mine: np.asarray(field)[at], table.query)
        place = np.full(len(mine), len(fitted.groups))
        centre = loss_draws(new, query, place, new.vectors[None])[0]
        observed = table.loss[mine]
        row = {
            "group": name,
            "rows": len(mine),
            "mre": float(np.abs(centre / observed - 1).mean()),
            "bias": float((centre / observed - 1).mean()),
        }
        if new.draws is not None:
            drawn = with_noise(new, loss_draws(new, query, place, new.draws), place)
            low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
            row["coverage"] = float(((low <= observed) & (observed <= high)).mean())
            row["width"] = float(np.median((high - low) / centre))
        rows.append(row)
    return pl.DataFrame(rows)


def _renamed(groups: tuple[str, ...], at: int) -> tuple[str, ...]:
    return tuple(f"{name} (left out)" if g == at else name for g, name in enumerate(groups))


def _without(fitted: Fit, learned: Hierarchy, group: int) -> Fit:
    """The fit with a population that knows nothing of one group."""
    free = learned.free
    block = np.ix_(free, free)
    summary = learned.summary.without(group)
    between = learned.between[block] if len(learned.families) > 1 else learned.within[block]
    found, within, between = learn(
        summary, learned.member, learned.within[block], between, learned.prior, LEAVE_OUT_ROUNDS
    )
    count = len(learned.mean_draws)
    means = found.draws(count, fitted.seed)[1]

    def whole(values: np.ndarray, old: np.ndarray) -> np.ndarray:
        out = np.array(old)
        out[..., free] = values
        return out

    def square(values: np.ndarray, old: np.ndarray) -> np.ndarray:
        out = np.array(old)
        out[block] = values
        return out

    return replace(
        fitted,
        hierarchy=replace(
            learned,
            means=whole(found.means()[1], learned.means),
            overall=whole(found.mu, learned.overall),
            within=square(within, learned.within),
            between=square(between if len(learned.families) > 1 else 0.0 * between, learned.between),
            mean_draws=whole(means, learned.mean_draws),
        ),
    )
