"""Columns that follow from others: filled where they are missing, counted, never overwritten.

C = 6·N·D throughout (N ``params``, D ``tokens``, C ``flops``), the convention ``6nd``. Where only some rows give their
compute, the derived ones name theirs in ``flops_convention``, so that nothing takes the two for one count.
"""

from __future__ import annotations

import polars as pl

from isoglot.core.errors import nearest
from isoglot.core.flops import FlopConvention
from isoglot.runs.columns import ColumnPlan
from isoglot.runs.ledger import Ledger
from isoglot.runs.schema import REQUIRED, ROW, UNKNOWN_LANGUAGE
from isoglot.runs.source import SourceTable

SIX_ND: FlopConvention = "6nd"
_WAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "params": (("params_non_embedding", "params_embedding"),),
    "tokens": (("flops",), ("unique", "epochs"), ("batch_tokens", "step")),
    "loss": (("perplexity",),),
}
_RUN_NAMES = ("run_id", "run_name", "runid", "run id", "experiment_id", "model_id")


def require_columns(table: SourceTable, plan: ColumnPlan, ledger: Ledger) -> None:
    """Record each required column that is neither given nor derivable, with the likeliest candidate."""
    for name in REQUIRED:
        given = name in plan.origins or (name == "loss" and plan.wide_languages)
        if given or any(all(part in plan.origins for part in way) for way in _WAYS[name]):
            continue
        # What an import has set aside as perhaps of training is no candidate.
        candidates = [column for column in table.columns if not column.startswith("logged_")]
        likely = [column for column in plan.extras if column in candidates and name in column.casefold()]
        likely.sort(key=lambda column: (not column.casefold().endswith("total"), len(column)))
        hint = nearest(name, candidates) or (f" (did you mean {likely[0]}?)" if likely else "")
        example = likely[0] if likely else f"<source column of {name}>"
        remedy = f"map one with columns={{'{name}': '{example}'}}"
        ledger.problem(f"{ledger.name} has no column '{name}'{hint}; {remedy}", "missing_column", column=name)


def derive(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> pl.DataFrame:
    """Fill what follows from other columns: loss, params, tokens, run, language, cluster, flops."""
    n, d = pl.col("params"), pl.col("tokens")
    if "perplexity" in frame.columns:
        frame = _fill(frame, "loss", pl.col("perplexity").log(), "ln perplexity", ledger)
    if {"params_non_embedding", "params_embedding"} <= set(frame.columns):
        parts = pl.col("params_non_embedding") + pl.col("params_embedding")
        frame = _fill(frame, "params", parts, "params_non_embedding + params_embedding", ledger)
    if {"unique", "epochs"} <= set(frame.columns):
        frame = _fill(frame, "tokens", pl.col("unique") * pl.col("epochs"), "unique * epochs", ledger)
    if {"batch_tokens", "step"} <= set(frame.columns):
        frame = _fill(frame, *_tokens_of_steps(frame), ledger)
    if "flops" in frame.columns:
        six_nd = pl.col("flops")
        if "flops_convention" in frame.columns:
            six_nd = pl.when(pl.col("flops_convention").fill_null(SIX_ND) == SIX_ND).then("flops")
        frame = _fill(frame, "tokens", six_nd / (6 * n), "flops / (6 * params)", ledger)
    frame = _identify(frame, plan, ledger)
    frame = _name_derived_flops(frame, plan, ledger)
    return _fill(frame, "flops", 6 * n * d, "6 * params * tokens", ledger)


def _name_derived_flops(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> pl.DataFrame:
    """Say of rows without flops, which get 6 N D, that it is that, where others are counted by themselves."""
    absent = pl.col("flops").is_null() if "flops" in frame.columns else pl.lit(True)
    if "flops_convention" not in frame.columns:
        if "flops" not in frame.columns or not 0 < frame["flops"].null_count() < frame.height:
            return frame
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias("flops_convention"))
    named = pl.col("flops_convention")
    bad = frame.filter(absent & (named != SIX_ND)).select(ROW, value="flops_convention")
    clause = f"but the row has no flops; give them, or write {SIX_ND} to have 6 * params * tokens"
    ledger.cells(bad, plan.origin("flops_convention"), "no_flops", lambda value: f"'{value}', {clause}")
    return frame.with_columns(pl.when(absent).then(pl.lit(SIX_ND)).otherwise(named).alias("flops_convention"))


def _tokens_of_steps(frame: pl.DataFrame) -> tuple[str, pl.Expr, str]:
    """Tokens seen as steps times tokens a step, on top of those of the base that a continued run starts from."""
    seen = pl.col("batch_tokens") * pl.col("step")
    if "init_tokens" not in frame.columns:
        return "tokens", seen, "batch_tokens * step"
    return "tokens", seen + pl.col("init_tokens").fill_null(0.0), "batch_tokens * step + init_tokens"


def _fill(frame: pl.DataFrame, name: str, value: pl.Expr, formula: str, ledger: Ledger) -> pl.DataFrame:
    if name in frame.columns:
        before = frame[name].null_count()
        frame = frame.with_columns(pl.coalesce(name, value).alias(name))
    else:
        before = frame.height
        frame = frame.with_columns(value.alias(name))
    ledger.note("derived", name, f"{name} = {formula}", before - frame[name].null_count())
    return frame


def _identify(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> pl.DataFrame:
    if "run" not in frame.columns:
        frame = frame.with_columns(pl.col(ROW).cast(pl.String).alias("run"))
        message = "no run column: every source row is a run of its own"
        named = [name for name in plan.extras if name.casefold() in _RUN_NAMES]
        message += f" (column '{named[0]}' may be meant: columns={{'run': '{named[0]}'}})" if named else ""
        ledger.note("assumptions", "run_missing", message, frame.height)
    else:
        bad = frame.filter(pl.col("run").is_null()).select(ROW, value="run")
        ledger.cells(bad, plan.origin("run"), "missing", lambda _: "empty; every row names its run")
    if "language" not in frame.columns:
        frame = frame.with_columns(pl.lit(UNKNOWN_LANGUAGE).alias("language"))
        message = f"no language column: every row reads as {UNKNOWN_LANGUAGE}"
        ledger.note("assumptions", "language_missing", message, frame.height)
    return _fill(frame, "cluster", pl.col("run"), "run", ledger)


def require_values(frame: pl.DataFrame, plan: ColumnPlan, signed: bool, ledger: Ledger) -> None:
    """Reject rows whose params, tokens or loss is missing after everything derivable is filled.

    `signed` says that a loss may be zero or negative.
    """
    for name in REQUIRED:
        # What a wide row lacks, it lacks once, however many languages it was melted into.
        bad = frame.filter(pl.col(name).is_null()).select(ROW, value=name).unique(ROW, maintain_order=True)
        ledger.cells(bad, plan.origin(name), "missing", lambda _: "empty; every row needs a value")
    for name in ("tokens", "flops") if signed else ("loss", "tokens", "flops"):
        # ln 1 = 0, and a product may overflow or vanish: what was derived obeys the rule of what is given.
        off = pl.col(name).is_infinite() | (pl.col(name) <= 0)
        bad = frame.filter(off).select(ROW, value=name)
        ledger.cells(bad, plan.origin(name), "range", lambda value: f"{value:g} must be above 0 and finite")


def count_languages(frame: pl.DataFrame, shares: list[str], ledger: Ledger) -> pl.DataFrame:
    """Fill ``num_languages`` with the number of positive shares, 1 in a table without shares."""
    positive = pl.sum_horizontal([pl.col(name) > 0 for name in shares]) if shares else pl.lit(1)
    formula = "number of positive shares" if shares else "1 (the table has no shares)"
    value = pl.max_horizontal(positive.cast(pl.Int64), pl.lit(1, dtype=pl.Int64))
    return _fill(frame, "num_languages", value, formula, ledger)
