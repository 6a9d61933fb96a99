"""What is wrong with a fit, as coded findings with advice; never an exception, never only a log line.

| code | finding |
|---|---|
| `not_converged` | the best start did not reach the tolerance |
| `several_optima` | starts ended in different optima (the best is kept) |
| `not_identified` | the profile of a parameter has an open end or spans an order of magnitude |
| `no_information` | no row depends on the parameter; it was held at its start value |
| `at_bound` | a parameter sits on a bound of its domain |
| `ill_conditioned` | the normal equations are nearly singular even in centred units |
| `too_few_levels` | fewer than three levels of N, D or share where the law depends on it, so a term of the law cannot be told from another |
| `few_clusters` | too few clusters for a resampling interval |
| `residual_drift` | residuals depend on N, D, their product or the share |
| `influential_cluster` | dropping one cluster would move a parameter by more than a standard error |
| `objective_sensitivity` | least squares gives a different answer |
| `outlier_sensitivity` | leaving out the largest residuals gives a different answer |
| `effective_data_floor` | negative transfer pushed effective data to its floor |
| `continued_runs` | rows continue a base whose tokens the law takes for tokens of their own mixture |
| `mixed_phases` | losses from before and after the cool-down are fitted as one |
| `mixed_eval_sets` | losses of a language were scored on several sets of text |
| `several_languages` | one set of parameters was fitted to several languages |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from isoglot.fit.dependence import Dependence
from isoglot.fit.layout import Layout
from isoglot.fit.table import Table

# Statuses from worst to best; a group's status is the worst that applies. A flat direction is the usual
# reason why a solver cannot converge, so "not identified" comes first: it says what to do.
STATUSES = ("not_identified", "not_converged", "at_bound", "ill_conditioned", "converged")
# Condition number of J'J with unit columns in centred units beyond which a direction is sloppy (see
# fitting notes: 4e3 on the reference data, infinite for a degenerate design).
ILL_CONDITIONED = 1e8
DRIFT_LEVEL = 0.001


@dataclass(frozen=True)
class Diagnostic:
    """One finding: `code` from the module's table, the group it concerns, what was seen, what to do."""

    code: str
    message: str
    advice: str
    group: str = ""


def few_levels(
    table: Table, group: int, name: str, depends: Dependence, fixed: Sequence[str] = ()
) -> list[Diagnostic]:
    """Fewer than three levels of what the law depends on; a term with a fixed coefficient is exempt."""
    mine = table.group == group
    query = table.query
    own = np.asarray(query.shares)[np.arange(table.num_rows), query.target][mine]
    tokens = np.asarray(query.D)[mine]
    quantities = []
    if depends.params:
        quantities.append(("N", np.asarray(query.N)[mine], "sizes"))
    if depends.tokens:
        quantities.append(("D", tokens * own if depends.own_tokens_alone else tokens, "token counts"))
    if depends.share and not depends.own_tokens_alone:
        quantities.append(("share", own, "shares"))
    found = []
    for symbol, values, word in quantities:
        with np.errstate(divide="ignore"):
            levels = len(np.unique(np.round(np.log(np.maximum(values, 1e-12)), 2)))
        if levels < 3 and {"N": "A", "D": "B"}.get(symbol) not in fixed:
            message = f"only {levels} distinct {word} ({symbol})"
            advice = f"add runs at other values of {symbol}: three or more, spread over a decade"
            found.append(Diagnostic("too_few_levels", message, advice, name))
    return found


def drift(table: Table, group: int, name: str, residual: np.ndarray, parameters: int) -> list[Diagnostic]:
    """Residuals that depend on ln N, ln D, their product or the own share, tested on cluster means."""
    mine = np.flatnonzero(table.group == group)
    if len(mine) <= parameters + 2:
        return []
    query = table.query
    x, y = np.log(np.asarray(query.N)[mine]), np.log(np.asarray(query.D)[mine])
    share = np.asarray(query.shares)[mine, np.asarray(query.target)[mine]]
    x, y = x - x.mean(), y - y.mean()
    probes = {
        "N": x,
        "D": y,
        "N x D (the terms are not additive)": x * y,
        "the own share": share - share.mean(),
    }
    found = []
    clusters, place = np.unique(table.cluster[mine], return_inverse=True)
    size = np.bincount(place)
    correlated = float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else 0.0
    for label, probe in probes.items():
        if probe.std() < 1e-9 or (label.startswith("N x D") and abs(correlated) > 0.98):
            continue
        # Cluster means for probes that vary between clusters, rows for probes that vary within them.
        means, targets = np.bincount(place, probe) / size, np.bincount(place, residual) / size
        if means.std() < 0.3 * probe.std() or len(clusters) < 5:
            means, targets = probe, residual
        rho, p_value = rank_correlation(means, targets)
        if p_value < DRIFT_LEVEL and abs(rho) > 0.2:
            message = f"residuals drift with {label} (rank correlation {rho:+.2f})"
            found.append(
                Diagnostic(
                    "residual_drift", message, "try another law, or restrict the range of the runs", name
                )
            )
    return found


def rank_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Spearman's rank correlation and its two-sided p-value by Student's t.

    >>> rank_correlation(np.arange(6.0), np.array([1.0, 2.0, 3.0, 4.0, 6.0, 5.0]))[0] > 0.94
    True
    """
    from scipy.special import stdtr  # a third of a second, not needed by every command

    ranks = [pl.Series(values).rank("average").to_numpy() for values in (x, y)]
    rho = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    freedom = max(len(x) - 2, 1)
    score = abs(rho) * np.sqrt(freedom / max(1 - rho**2, 1e-12))
    return rho, float(2 * stdtr(freedom, -score))


def influence(
    table: Table, moved: np.ndarray, covariance: np.ndarray, names: Sequence[str], group: str
) -> list[Diagnostic]:
    """Clusters whose removal would move a coordinate by more than one standard error (one-step estimate).

    `moved` (clusters, slots) is the inverse Hessian times the score of each cluster.
    """
    sd = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    # A coordinate without spread sits on a bound or is held: no cluster moves it, and rounding must not say so.
    spread = sd > 1e-12 * sd.max(initial=0.0)
    ratio = np.where(spread, np.abs(moved) / np.where(spread, sd, 1.0), 0.0)
    found = []
    for cluster in np.argsort(-ratio.max(axis=1))[:3]:
        slot = int(np.argmax(ratio[cluster]))
        if ratio[cluster, slot] > 1.0:
            label = table.cluster_names[int(cluster)]
            message = f"cluster {label!r} alone moves {names[slot]} by about {ratio[cluster, slot]:.1f} standard errors"
            advice = "check that run, and fit with and without it"
            found.append(Diagnostic("influential_cluster", message, advice, group))
    return found


def shifted(
    code: str,
    what: str,
    names: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
    sd: np.ndarray,
    group: str,
) -> list[Diagnostic]:
    """A second answer that differs from the first by more than one standard error in some coordinate."""
    change = np.where(sd > 0, np.abs(after - before) / np.maximum(sd, 1e-300), 0.0)
    worst = int(np.argmax(change))
    if change[worst] <= 1.0:
        return []
    message = f"{what} moves {names[worst]} by {change[worst]:.1f} standard errors"
    return [Diagnostic(code, message, "report both answers, and check the largest residuals", group)]


def optima(name: str, basins: np.ndarray) -> list[Diagnostic]:
    """Starts that ended above the best optimum."""
    finite = basins[np.isfinite(basins)]
    best = float(finite.min())
    reached = int((finite <= best * (1 + 1e-5) + 1e-15).sum())
    if reached >= max(2, len(basins) // 4):
        return []
    message = f"only {reached} of {len(basins)} starts reached the best objective"
    return [Diagnostic("several_optima", message, "treat intervals with care and compare the optima", name)]


def at_bounds(layout: Layout, name: str, vector: np.ndarray, free: np.ndarray) -> list[Diagnostic]:
    """Free coordinates on a bound of their domain."""
    found = []
    for at in np.flatnonzero(free):
        slot = layout.slots[at]
        for bound, side in ((layout.lower[at], "lower"), (layout.upper[at], "upper")):
            if np.isfinite(bound) and abs(vector[at] - bound) < 1e-9 * max(1.0, abs(bound)):
                limit = slot.parameter.lower if side == "lower" else slot.parameter.upper
                message = f"{slot.key} is at its {side} bound {limit:g}"
                found.append(
                    Diagnostic("at_bound", message, "the runs do not inform it; widen their range", name)
                )
    return found
