"""`frontier`: the compute-optimal N(C) and D(C) of Hoffmann et al. by any of their three approaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl

from isoglot.core.errors import InputError
from isoglot.fit.envelope import envelope
from isoglot.fit.fit import fit
from isoglot.fit.frontier_flops import FlopsChoice, counted
from isoglot.fit.frontier_line import Frontier
from isoglot.fit.isoflop import Curve, isoflop
from isoglot.fit.log_scale import require_positive_losses
from isoglot.fit.result import Fit
from isoglot.runs import Runs

SAME_FLOPS = 0.01


def frontier(
    runs: Runs,
    approach: Literal[1, 2, 3] = 3,
    *,
    last: float = 1.0,
    curve: Curve = "parabola",
    tolerance: float = 0.1,
    flops: FlopsChoice = "table",
    bootstrap: int = 500,
    seed: int = 0,
) -> Frontier:
    """Compute-optimal N = k_N C^a and D = k_D C^b from the runs of one language.

    1: the size with the lowest learning curve at each of 1,500 values of C (loss interpolated in ln C, the last
    fraction `last` of each run), where a smaller and a larger run reach the same C; a line in logs through them.
    2: runs grouped into budgets (ln C within +-`tolerance`), the minimum of loss against ln N in each (`curve`: a
    parabola of the loss, or an Akima curve of ln loss), budgets with their minimum at the edge dropped; a line
    through the minima weighted by 1 / variance over the draws, at least (0.33 of a grid step)^2.
    3: the fit of E + A/N^alpha + B/D^beta; a = beta/(alpha+beta), b = alpha/(alpha+beta), in closed form.

    Draws resample clusters; an Akima curve passes through its points, so there noise on the loss is drawn
    (`loss_se`, or the spread around parabolas). Approach 2 is biased even without noise unless alpha = beta on
    centred grids (Czech et al. 2026, 2603.22339): prefer 3. C in FLOPs, N in parameters, D in tokens.

    `flops` is how C is counted: `table` (as the table does), `6nd` or `exact` (its column flops_exact); the result
    names the convention. Approach 3 takes C = 6 N D whatever the table counts, and warns where that differs.

    Raises InputError for several languages, an unknown option, rows that count C in several conventions or not as
    asked, `exact` with approach 3 (whose closed form is that of 6 N D), NoAnswerError when too few curves or budgets
    are left. Source: Hoffmann et al. 2022 (2203.15556), Sec. 3; Akima, weights: Porian et al. 2024 (2406.19146).

    >>> import isoglot as ig
    >>> truth = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.3, "beta": 0.3}
    >>> rows = [(c, n) for c in (6e18, 6e19, 6e20) for n in (c / 6) ** 0.5 * 2.0 ** np.arange(-2, 3)]
    >>> table = pl.DataFrame({"params": [n for _, n in rows], "tokens": [c / 6 / n for c, n in rows], "loss": 1.0})
    >>> found = frontier(ig.simulate("chinchilla", truth, table, noise=0.0), approach=2, bootstrap=0)
    >>> round(found.a, 6), round(found.at(6e21).params / 1e21**0.5, 6)
    (0.5, 1.0)
    """
    if len(runs.languages) > 1:
        raise InputError(
            f"frontier: {runs.source} evaluates {len(runs.languages)} languages, whose losses share no frontier; keep one, "
            f"for example language={runs.languages[0]}"
        )
    if bootstrap < 0:
        raise InputError(f"frontier: bootstrap={bootstrap} is not allowed; give 0 or a number of draws")
    if approach == 3 or curve == "akima":
        require_positive_losses(runs, "frontier")
    if approach == 3 and flops == "exact":
        raise InputError(
            "frontier: approach 3 is the closed form for C = 6 N D; use flops=6nd, or approach 1 or 2 with flops=exact"
        )
    runs, how = counted(runs, flops)
    if approach == 1:
        found = envelope(runs, bootstrap, seed, last)
    elif approach == 2:
        found = isoflop(runs, bootstrap, seed, curve, tolerance)
    elif approach == 3:
        return _parametric(runs, fit(runs, "chinchilla", bootstrap=bootstrap, seed=seed))
    else:
        raise InputError(f"frontier: approach={approach!r} is unknown; use 1, 2 or 3")
    return replace(found, flops_convention=how.convention, flops_source=how.source)


def _parametric(runs: Runs, fitted: Fit) -> Frontier:
    """Approach 3: the closed form at the estimate and at every draw."""
    draws = None
    if fitted.draws is not None:
        draws = _closed_form(fitted, fitted.draw_vectors("bootstrap")[:, 0])
    flops = runs.frame["flops"].to_numpy()
    product = 6 * runs.frame["params"].to_numpy() * runs.frame["tokens"].to_numpy()
    ratio = float(np.exp(np.log(flops / product).mean()))
    warnings = [f"{found.code}: {found.message}; {found.advice}" for found in fitted.diagnostics]
    if abs(ratio - 1) > SAME_FLOPS:
        warnings.append(
            f"the table counts {ratio:.3g} times 6 N D, while approach 3 takes C = 6 N D; convert the budget"
        )
    return Frontier(
        approach=3,
        line=tuple(map(float, _closed_form(fitted, fitted.vectors)[0])),
        points=pl.DataFrame(),
        flops_range=(float(product.min()), float(product.max())),
        draws=draws,
        left_out=dict(fitted.left_out),
        warnings=tuple(warnings),
        options={"law": fitted.spec.text, "status": fitted.status},
        source=runs.source,
        params_convention=runs.params_convention,
        flops_convention="6nd",
        flops_source="6 * params * tokens, which approach 3 takes",
    )


def _closed_form(fitted: Fit, vectors: np.ndarray) -> np.ndarray:
    """ln k_N, a, ln k_D, b from coordinates (R, slots)."""
    values = dict(zip(fitted.layout.keys, np.moveaxis(fitted._natural(vectors), -1, 0), strict=True))
    alpha, beta = values["alpha"], values["beta"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(alpha * values["A"] / (beta * values["B"])) / (alpha + beta)
    a, b = beta / (alpha + beta), alpha / (alpha + beta)
    return np.stack([ratio - a * np.log(6.0), a, -ratio - b * np.log(6.0), b], axis=-1)
