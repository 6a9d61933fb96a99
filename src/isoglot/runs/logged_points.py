"""Which logged rows of a tracker become rows of the run table: those with a loss, the last of a run or all.

A tracker logs at every step, and a loss of evaluation at few of them. What stays out is counted: runs that
were deleted, points before any training, steps without a loss, and with ``steps="last"`` the evaluations
before a run's last.
"""

from __future__ import annotations

import polars as pl

from isoglot.runs.columns import ColumnPlan
from isoglot.runs.ledger import Ledger
from isoglot.runs.schema import ROW, family_of
from isoglot.runs.trackers.harvest import Excluded

STEPS = ("last", "all")


def leave_out_raw(
    frame: pl.DataFrame, plan: ColumnPlan, excluded: Excluded | None, steps: str, ledger: Ledger
) -> pl.DataFrame:
    """Drop rows that can hold no point of a law, and empty the losses that are not finite."""
    per_row = max(1, len(plan.wide_languages))
    if excluded is not None and excluded.column in frame.columns:
        gone = (pl.col(excluded.column) == excluded.value).fill_null(False)
        frame = _without(frame, gone, "deleted", excluded.message, per_row, ledger)
    zero = _untrained(plan)
    message = "rows before any training (0 tokens): a law has no value there"
    frame = _without(frame, zero, "untrained", message, per_row, ledger)
    for name in _losses(plan):
        source = plan.origins[name]
        if not source.startswith("="):
            frame = _finite(frame, source, plan.origins.get("run"), steps, ledger)
    return frame


def _losses(plan: ColumnPlan) -> list[str]:
    return [name for name in plan.origins if (family_of(name) or (name,))[0] in ("loss", "perplexity")]


def _untrained(plan: ColumnPlan) -> pl.Expr:
    """Rows at 0 tokens, or at step 0 where tokens are not logged."""
    tokens, step = plan.origins.get("tokens"), plan.origins.get("step", "=")
    at_start = pl.lit(False) if step.startswith("=") else _equals_zero(step)
    if tokens is None:
        return at_start
    if tokens.startswith("="):
        return pl.lit(False)
    return _equals_zero(tokens) | (at_start & pl.col(tokens).is_null())


def _equals_zero(column: str) -> pl.Expr:
    return (pl.col(column).cast(pl.Float64, strict=False) == 0).fill_null(False)


def _without(
    frame: pl.DataFrame, gone: pl.Expr, code: str, message: str, per_row: int, ledger: Ledger
) -> pl.DataFrame:
    kept = frame.filter(~gone)
    ledger.note("left_out", code, message, (frame.height - kept.height) * per_row)
    return kept


def _finite(frame: pl.DataFrame, source: str, run: str | None, steps: str, ledger: Ledger) -> pl.DataFrame:
    """Empty the losses that are NaN or infinite, and with steps=last every loss of a run that ends so."""
    values = frame[source].cast(pl.Float64, strict=False)
    odd = (values.is_nan() | values.is_infinite()).fill_null(False)
    if not odd.any():
        return frame
    if steps == "last" and run is not None and not run.startswith("="):
        logged = frame.select(ROW, run=pl.col(run).cast(pl.String), odd=odd).filter(
            frame[source].is_not_null()
        )
        last = logged.group_by("run", maintain_order=True).last()
        ended = last.filter(pl.col("odd"))["run"].to_list()
        first = ", ".join(ended[:5]) + (" and others" if len(ended) > 5 else "")
        message = f"runs whose last '{source}' is not finite, of which no '{source}' is read: {first}"
        ledger.note("warnings", "diverged", message, len(ended))
        odd = odd | frame[run].cast(pl.String).is_in(ended)
    else:
        ledger.note(
            "warnings", "not_finite", f"values of '{source}' that are not finite are not read", int(odd.sum())
        )
    return frame.with_columns(pl.when(odd).then(None).otherwise(pl.col(source)).alias(source))


def keep_points(frame: pl.DataFrame, plan: ColumnPlan, steps: str, ledger: Ledger) -> pl.DataFrame:
    """Keep the long rows that have a loss; with steps=last the last of each run, language and evaluation set."""
    losses = [name for name in ("loss", "perplexity") if name in frame.columns]
    kept = frame.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in losses))
    named = " or ".join(f"'{plan.origin(name)}'" for name in losses)
    ledger.note(
        "left_out",
        "no_loss",
        f"rows without {named} (steps without an evaluation)",
        frame.height - kept.height,
    )
    if steps == "all" or "run" not in kept.columns:
        return kept
    key = [name for name in ("run", "language", "eval_set", "split") if name in kept.columns]
    order = next(
        (name for name in ("step", "tokens", ROW) if name in kept.columns and kept[name].null_count() == 0),
        ROW,
    )
    last = kept.filter(pl.col(order) == pl.col(order).max().over(key))
    message = "evaluations before the last of their run and language (steps=all keeps them)"
    ledger.note("left_out", "earlier_steps", message, kept.height - last.height)
    if "language" in last.columns and order != ROW:
        apart = last.group_by("run").agg(pl.col(order).n_unique()).filter(pl.col(order) > 1).height
        message = f"runs whose languages were last evaluated at different {order}s"
        ledger.note("warnings", "uneven_last", message, apart)
    return last
