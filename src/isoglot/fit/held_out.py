"""Held-out predictions of several laws at the same rows, which is what stacking weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import polars as pl

from isoglot.core.errors import InputError, IsoglotError, NoAnswerError
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.fit import fit
from isoglot.fit.holdout import Fold, folds, remaining
from isoglot.fit.predict import loss_draws, noise_draws
from isoglot.fit.stack import HeldOut
from isoglot.fit.table import make_table
from isoglot.laws.registry import LawSpec, bind
from isoglot.runs import Runs

DRAWS = 200


def fixed_for(spec: LawSpec, fixed: Mapping[str, float] | None) -> dict[str, float]:
    """The fixed values that a law has a parameter for."""
    names = {parameter.name for parameter in bind(spec, 1, (0,), ("",), 1).parameters}
    return {name: value for name, value in (fixed or {}).items() if name in names}


def hold_out(
    runs: Runs,
    specs: list[LawSpec],
    holdout: str,
    options: dict[str, Any],
    fixed: Mapping[str, float] | None,
    findings: list[Diagnostic],
    say: Callable[[str], None],
) -> tuple[HeldOut, list[LawSpec]]:
    """Held-out predictions of every law that can be fitted to each part; the others are named in findings."""
    _require_scores(runs, holdout, options)
    parts = folds(runs, holdout, options["seed"])
    if not parts:
        raise NoAnswerError(
            f"ensemble: hold-out {holdout} has nothing to hold out in this table; choose another or give weights"
        )
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    kept = []
    for spec in specs:
        try:
            for part in parts:
                say(f"{part.name}: {spec.text}")
                found.setdefault(spec.text, []).append(_predict(runs, spec, part, options, fixed))
            kept.append(spec)
        except IsoglotError as error:
            message = f"{spec.text} is left out: {error}"
            findings.append(
                Diagnostic("left_out_of_ensemble", message, "choose laws that these runs can inform")
            )
    if len(kept) < 2:
        raise InputError(
            "ensemble: fewer than two laws can be fitted and held out; "
            + "; ".join(finding.message for finding in findings)
        )
    frame = runs.frame
    compute = np.log10((frame["params"] * frame["tokens"]).to_numpy().astype(float))
    cluster = frame["cluster"].to_numpy().astype(str)
    rows = [np.flatnonzero(part.held) for part in parts]
    usable = [
        np.all([np.isfinite(found[spec.text][at]).all(axis=0) for spec in kept], axis=0)
        for at in range(len(parts))
    ]
    findings += _unscored(usable)
    rows = [index[good] for index, good in zip(rows, usable, strict=True)]
    if not sum(map(len, rows)):
        raise NoAnswerError(
            "ensemble: no held-out row is predicted by every law; choose laws for the same rows"
        )
    decades = [compute[index] - compute[~part.held].max() for index, part in zip(rows, parts, strict=True)]
    importance = [_importance(cluster[index], compute[index]) / len(parts) for index in rows]

    def stacked(which: int) -> np.ndarray:
        return np.array(
            [
                np.concatenate([found[spec.text][at][which][good] for at, good in enumerate(usable)])
                for spec in kept
            ]
        )

    loss = np.log(frame["loss"].to_numpy().astype(float))
    held = HeldOut(
        centre=stacked(0),
        spread=stacked(1),
        observed=np.concatenate([loss[index] for index in rows]),
        importance=np.concatenate(importance),
        decades=np.maximum(np.concatenate(decades), 0.0),
    )
    return held, kept


def _require_scores(runs: Runs, holdout: str, options: dict[str, Any]) -> None:
    """Raise InputError where held-out rows could not be scored."""
    if (runs.frame["loss"] <= 0).any():
        raise InputError(
            "ensemble: held-out predictions are scored on the logarithm of the loss, which losses of zero or below lack; "
            "give weights, or a loss that is positive"
        )
    if holdout == "language" and options["by"] is not None:
        raise InputError(
            "ensemble: a held-out language has no group of its own to be predicted by; use by=None or another hold-out"
        )


def _unscored(usable: list[np.ndarray]) -> list[Diagnostic]:
    """A finding where held-out rows are left out of the score."""
    lost, whole = sum(int((~good).sum()) for good in usable), sum(map(len, usable))
    message = f"{lost} of {whole} held-out predictions are not scored: a law or a group has none there"
    advice = "weights rest on the others; choose laws for the same rows"
    return [Diagnostic("held_out_unscored", message, advice)] if lost else []


def _importance(cluster: np.ndarray, compute: np.ndarray) -> np.ndarray:
    """What each held-out row counts: runs count alike, and all together as much as their levels of compute."""
    _, place, size = np.unique(cluster, return_inverse=True, return_counts=True)
    each = 1.0 / size[place]
    levels = len(np.unique(np.round(compute, 1)))
    return np.asarray(each * min(levels / len(size), 1.0))


def _predict(
    runs: Runs, spec: LawSpec, part: Fold, options: dict[str, Any], fixed: Mapping[str, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the predicted log loss of a run at the held-out rows, NaN where undefined."""
    train = runs.filter(pl.lit(pl.Series(~part.held)), f"held out: {part.name}")
    options = {**options, "pool_by": remaining(options["pool_by"], runs, train, options["by"])}
    fitted = fit(train, spec, bootstrap=DRAWS, fixed=fixed_for(spec, fixed), check=False, **options)
    test = runs.filter(pl.lit(pl.Series(part.held)), "fitted, not predicted")
    table = make_table(test, by=fitted.by or None, transfer=dict(fitted.transfer), columns=fitted.law.columns)
    centre, spread = np.full(table.num_rows, np.nan), np.full(table.num_rows, np.nan)
    known = np.array([name in fitted.groups for name in table.groups])[table.group]
    good = known & ~fitted.law.unsupported(table.query)[0]
    if not good.any():
        return centre, spread
    query = jax.tree.map(lambda field: np.asarray(field)[good], table.query)
    place = np.array([fitted.groups.index(table.groups[g]) for g in table.group[good]])
    assert fitted.draws is not None
    with np.errstate(divide="ignore", invalid="ignore"):  # a prediction below zero is not scored
        centre[good] = np.log(loss_draws(fitted, query, place, fitted.vectors[None])[0])
        drawn = np.log(loss_draws(fitted, query, place, fitted.draws))
    drawn = drawn + noise_draws(fitted, place, len(fitted.draws))
    # Half the width of the central 68 %: a few wild draws must not hide what the others say.
    low, high = np.quantile(drawn, [0.16, 0.84], axis=0)
    spread[good] = 0.5 * (high - low)
    return centre, spread
