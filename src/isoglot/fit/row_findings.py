"""What rows have in common, or do not, that a law cannot see: findings that need no estimate."""

from __future__ import annotations

import polars as pl

from isoglot.fit.diagnostics import Diagnostic
from isoglot.laws.law import AbstractLaw
from isoglot.runs import Runs


def row_findings(runs: Runs, law: AbstractLaw, grouped: bool) -> tuple[Diagnostic, ...]:
    """Findings about the rows of a fit; `grouped` says that each language has parameters of its own.

    >>> import isoglot as ig
    >>> from isoglot.laws.chinchilla import Chinchilla
    >>> rows = [{"run": "a", "params": 1e8, "tokens": t, "loss": 3.0, "lr_phase": phase}
    ...         for t, phase in ((1e9, "stable"), (2e9, "decayed"))]
    >>> [found.code for found in row_findings(ig.read_runs(rows), Chinchilla(), True)]
    ['mixed_phases']
    """
    needed = {column.name for column in law.columns}
    found = []
    if not grouped and len(runs.languages) > 1:
        message = f"{len(runs.languages)} languages share one set of parameters"
        found.append(Diagnostic("several_languages", message, "pass by='language' to fit each alone"))
    if "init_tokens" not in needed:
        found += _continued(runs.frame)
    if "decay_tokens" not in needed:
        found += _phases(runs.frame)
    return (*found, *_eval_sets(runs.frame))


def _continued(frame: pl.DataFrame) -> list[Diagnostic]:
    rows = _count(frame, "init_tokens", pl.col("init_tokens") > 0)
    if not rows:
        return []
    message = f"{rows} rows continue a base, whose tokens count here as tokens of the row's own mixture"
    advice = "fit fresh runs alone, or use a law of continued runs (dcpt, transfer_hernandez, finetune_multiplicative)"
    return [Diagnostic("continued_runs", message, advice)]


def _phases(frame: pl.DataFrame) -> list[Diagnostic]:
    """A loss at a high learning rate lies above that of the same run cooled down; a law of N and D knows one of them."""
    decayed = _count(frame, "lr_phase", pl.col("lr_phase") == "decayed")
    early = _count(frame, "lr_phase", pl.col("lr_phase").is_in(["warmup", "stable"]))
    if not decayed or not early:
        return []
    message = f"{early} rows were scored before the learning rate fell and {decayed} after, which the law cannot tell apart"
    advice = "fit the rows with lr_phase decayed alone, or use a law of the schedule (lr_schedule)"
    return [Diagnostic("mixed_phases", message, advice)]


def _eval_sets(frame: pl.DataFrame) -> list[Diagnostic]:
    if "eval_set" not in frame.columns:
        return []
    sets = (
        frame.filter(pl.col("eval_set").is_not_null()).group_by("language").agg(pl.col("eval_set").n_unique())
    )
    mixed = sets.filter(pl.col("eval_set") > 1)["language"].sort().to_list()
    if not mixed:
        return []
    message = f"losses of {', '.join(mixed[:3])}{' and others' * (len(mixed) > 3)} were scored on several sets of text"
    return [Diagnostic("mixed_eval_sets", message, "fit the rows of one eval_set at a time")]


def _count(frame: pl.DataFrame, column: str, where: pl.Expr) -> int:
    return 0 if column not in frame.columns else frame.filter(where).height
