"""Comparison of laws on held-out scale: error, bias, R2 and coverage, with baselines on the same information.

In-sample fit ranks laws by their number of parameters. Here every law is fitted to one part of the runs and
scored on the other; Chinchilla on total tokens and on target tokens always takes part, so that a gain can be
told apart from a mere difference of columns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.fit import Pool, fit
from isoglot.fit.holdout import Fold, check_holdout, folds, remaining
from isoglot.fit.objective import Objective
from isoglot.fit.result import Fit
from isoglot.fit.table import Transfer
from isoglot.laws.registry import LawSpec, parse_law
from isoglot.runs import Runs

BASELINES = ("chinchilla", "chinchilla:tokens=target")
LEVEL = 0.9


@dataclass(frozen=True)
class Comparison:
    """Scores of every law on every hold-out, one row each, best error first within a hold-out.

    Columns: holdout, law, mre (mean relative error), bias (signed), r2 (mean over groups), coverage (of 90 %
    intervals for new runs), parameters, predicted and unpredicted rows, status, seconds. `notes` says what
    could not be done.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = field(default=())

    def best(self, holdout: str) -> str:
        """The law with the smallest mean relative error on a hold-out."""
        mine = self.frame.filter(pl.col("holdout") == holdout)
        if mine.is_empty():
            raise InputError(f"compare: no scores for hold-out {holdout!r}")
        scored = mine.drop_nulls("mre")
        if scored.is_empty():
            raise NoAnswerError(f"compare: no law could be scored on hold-out {holdout!r}; see the notes")
        return str(scored.sort("mre")["law"][0])

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"scores": self.frame.to_dicts(), "notes": list(self.notes)}


def compare(
    runs: Runs,
    laws: Sequence[str | LawSpec] = ("chinchilla",),
    holdout: str | Sequence[str] = ("compute", "N", "D"),
    *,
    by: str | Sequence[str] | None = None,
    pool: Pool = "none",
    pool_by: str | Mapping[str, str] | None = None,
    objective: str | Objective = "huber",
    bootstrap: int = 200,
    seed: int = 0,
    baselines: bool = True,
    transfer: Transfer | None = None,
    fixed: dict[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Fit laws to one part of the runs and score them on the rest, for each hold-out.

    A held-out language is predicted by one set of parameters for all languages, or with `pool="partial"` by the
    population of the others (`Fit.with_language`).

    Raises InputError for unknown laws or hold-outs, NoAnswerError when no hold-out can be formed.

    >>> import isoglot as ig
    >>> truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    >>> world = ig.simulate("chinchilla", truth, ig.grid(N=[1e8, 3e8, 1e9, 3e9], D=[2e9, 8e9, 3e10, 1e11]), noise=0.002)
    >>> result = ig.compare(world, ["chinchilla"], "N", bootstrap=50)
    >>> result.frame["mre"][0] < 0.01
    True
    """
    specs = [parse_law(law) if isinstance(law, str) else law for law in laws]
    if baselines:
        known = {spec.text for spec in specs}
        wanted = BASELINES if runs.share_languages else BASELINES[:1]
        specs += [parse_law(text) for text in wanted if text not in known]
    wanted_holdouts = [holdout] if isinstance(holdout, str) else list(holdout)
    for name in wanted_holdouts:
        check_holdout(name)
    group_columns = [by] if isinstance(by, str) else list(by or ())
    for column in group_columns:
        if column not in runs.frame.columns:
            raise InputError(
                f"compare: by={column!r} is no column of the run table{nearest(column, runs.frame.columns)}"
            )
    specs = list({spec.text: spec for spec in specs}.values())
    options = {
        "pool": pool,
        "pool_by": pool_by,
        "objective": objective,
        "bootstrap": bootstrap,
        "seed": seed,
        "fixed": fixed,
    }
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for name in wanted_holdouts:
        parts = folds(runs, name, seed)
        if not parts:
            notes.append(f"hold-out {name} has nothing to hold out in this table (too few levels)")
            continue
        for spec in specs:
            if progress:
                progress(f"{name}: {spec.text}")
            rows.append(_score(runs, spec, name, parts, by, transfer, options, notes))
    if not rows:
        raise NoAnswerError("compare: " + "; ".join(notes))
    order = {name: at for at, name in enumerate(dict.fromkeys(row["holdout"] for row in rows))}
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame = frame.sort([pl.col("holdout").replace_strict(order), "mre"], nulls_last=True)
    return Comparison(frame, tuple(dict.fromkeys(notes)))


def _score(
    runs: Runs,
    spec: LawSpec,
    name: str,
    parts: list[Fold],
    by: str | Sequence[str] | None,
    transfer: Transfer | None,
    options: dict[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    """One row: a law on all folds of a hold-out."""
    started = time.perf_counter()
    observed: list[np.ndarray] = []
    predicted: list[np.ndarray] = []
    low: list[np.ndarray] = []
    high: list[np.ndarray] = []
    group: list[np.ndarray] = []
    unpredicted, parameters, statuses = 0, 0, []
    for fold in parts:
        try:
            fitted, frame, truth = _predict_fold(
                runs,
                spec,
                fold,
                by if name != "language" or options["pool"] == "partial" else None,
                transfer,
                options,
            )
        except (InputError, NoAnswerError) as error:
            notes.append(f"{spec.text} on {fold.name}: {error}")
            unpredicted += int(fold.held.sum())
            continue
        unpredicted += int(fold.held.sum()) - len(truth)
        parameters = max(parameters, num_parameters(fitted))
        statuses += list(fitted.statuses)
        observed.append(truth)
        for store, column in ((predicted, "loss"), (low, "low"), (high, "high"), (group, "group")):
            store.append(frame[column].to_numpy())
    row: dict[str, Any] = {"holdout": name, "law": spec.text}
    if observed:
        y, p = np.concatenate(observed), np.concatenate(predicted)
        inside = (np.concatenate(low) <= y) & (y <= np.concatenate(high))
        row |= {
            "mre": float(np.mean(np.abs(p / y - 1))),
            "bias": float(np.mean(p / y - 1)),
            "r2": r_squared(y, p, np.concatenate(group)),
            "coverage": float(inside.mean()) if options["bootstrap"] else None,
        }
    else:
        row |= {"mre": None, "bias": None, "r2": None, "coverage": None}
    share = {status: statuses.count(status) for status in dict.fromkeys(statuses)}
    row |= {
        "parameters": parameters,
        "predicted": sum(map(len, observed)),
        "unpredicted": unpredicted,
        "fits": ", ".join(f"{count} {status}" for status, count in share.items()),
        "seconds": time.perf_counter() - started,
    }
    return row


def _predict_fold(
    runs: Runs,
    spec: LawSpec,
    fold: Fold,
    by: str | Sequence[str] | None,
    transfer: Transfer | None,
    options: dict[str, Any],
) -> tuple[Fit, pl.DataFrame, np.ndarray]:
    """Fit one side, predict the other; rows that the law or its groups cannot predict are left out."""
    train = runs.filter(pl.lit(pl.Series(~fold.held)), f"held out: {fold.name}")
    family = options["pool_by"]
    held = fold.name.removeprefix("language ")
    options = {**options, "pool_by": remaining(family, runs, train, by)}
    fitted = fit(train, spec, by=by, transfer=transfer, check=False, **options)
    test = runs.filter(pl.lit(pl.Series(fold.held)), f"fitted, not predicted: {fold.name}")
    if fold.name.startswith("language ") and fitted.hierarchy is not None:
        own = family.get(held) if isinstance(family, Mapping) else None
        fitted = fitted.with_language(held, own if own in fitted.hierarchy.families else None)
    if fitted.by:
        label = pl.concat_str([pl.col(name).cast(pl.String) for name in fitted.by], separator=" / ")
        test = test.filter(label.is_in(list(fitted.groups)), "no run of this group was fitted")
    from isoglot.fit.table import make_table

    undefined, reason = fitted.law.unsupported(
        make_table(test, transfer=dict(fitted.transfer), columns=fitted.law.columns).query
    )
    if undefined.any():
        test = test.filter(pl.lit(pl.Series(~undefined)), reason)
    if test.num_rows == 0:
        raise NoAnswerError("no held-out row can be predicted")
    return fitted, fitted.predict(test, LEVEL), test.frame["loss"].to_numpy()


def num_parameters(fitted: Fit) -> int:
    """Free parameters of a fit, over all groups."""
    assert fitted.pinned is not None
    free, own = ~fitted.pinned, len(fitted.layout.own)
    return int(free[:, :own].sum() + free[:, own:].any(axis=0).sum())


def r_squared(observed: np.ndarray, predicted: np.ndarray, group: np.ndarray) -> float | None:
    """1 - RSS / TSS within each group, averaged over groups (ATLAS App. B.3); None without spread."""
    values = []
    for name in np.unique(group):
        mine = group == name
        total = float(((observed[mine] - observed[mine].mean()) ** 2).sum())
        if mine.sum() > 1 and total > 0:
            values.append(1 - float(((observed[mine] - predicted[mine]) ** 2).sum()) / total)
    return float(np.mean(values)) if values else None
