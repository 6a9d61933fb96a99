"""Which logged rows of a tracker become rows of the run table: those with a loss, the last of a run or all.

A tracker logs at every step, and a loss of evaluation at few of them. What stays out is counted: steps without
an evaluation, runs that were deleted, points before any training, and with ``steps="last"`` the evaluations
before a run's last. A run of which nothing is read is named.
"""

from __future__ import annotations

import polars as pl

from isoglot.runs.columns import ColumnPlan
from isoglot.runs.ledger import Ledger, listed
from isoglot.runs.schema import ROW
from isoglot.runs.tracker_columns import is_loss
from isoglot.runs.trackers.harvest import Logged

STEPS = ("last", "all")
# What tells the losses of one run apart, beside where they were taken.
_KEY = ("run", "language", "eval_set", "split")
_UNTRAINED = "rows before any training (0 tokens): a law has no value there"


def evaluated(frame: pl.DataFrame, losses: list[str], run: str | None) -> pl.DataFrame:
    """Keep the steps that have a loss, and the last step of a run that has none, so that it can be named.

    >>> frame = pl.DataFrame({"run": ["a", "a", "b", "b"], "loss": [None, 3.0, None, None], "at": [1, 2, 1, 2]})
    >>> evaluated(frame, ["loss"], "run").rows()
    [('a', 3.0, 2), ('b', None, 2)]
    """
    if run is None or not losses:
        return frame
    given = _given(losses)
    return frame.filter(given | (~given.any().over(run) & pl.col(run).is_last_distinct()))


def _given(losses: list[str]) -> pl.Expr:
    return pl.any_horizontal((pl.col(name).cast(pl.String) != "").fill_null(False) for name in losses)


def leave_out_raw(frame: pl.DataFrame, plan: ColumnPlan, logged: Logged, ledger: Ledger) -> pl.DataFrame:
    """Drop rows that can hold no point of a law, and empty the losses that are not finite."""
    per_row = max(1, len(plan.wide_languages))
    if logged.excluded is not None and logged.excluded.column in frame.columns:
        gone = (pl.col(logged.excluded.column) == logged.excluded.value).fill_null(False)
        frame = _without(frame, gone, "deleted", logged.excluded.message, per_row, ledger)
    losses = {name: source for name, source in plan.origins.items() if is_loss(name) and source[:1] != "="}
    _note_unfinished(frame, logged, ledger)
    if not logged.own and losses:
        given = _given(list(losses.values()))
        _note_silent(frame, given, logged, ledger)
        _refuse_merged(frame.filter(given), plan, logged, ledger)
    tokens = plan.origins.get("tokens", "=")
    if not tokens.startswith("="):
        zero = (pl.col(tokens).cast(pl.Float64, strict=False) == 0).fill_null(False)
        frame = _without(frame, zero, "untrained", _UNTRAINED, per_row, ledger)
    for source in losses.values():
        frame = _finite(frame, source, plan, logged, ledger)
    return frame


def without_untrained(frame: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Drop the rows whose tokens, derived where they were not logged, are 0."""
    return _without(frame, (pl.col("tokens") == 0).fill_null(False), "untrained", _UNTRAINED, 1, ledger)


def _without(
    frame: pl.DataFrame, gone: pl.Expr, code: str, message: str, per_row: int, ledger: Ledger
) -> pl.DataFrame:
    kept = frame.filter(~gone)
    ledger.note("left_out", code, message, (frame.height - kept.height) * per_row)
    return kept


def _note_unfinished(frame: pl.DataFrame, logged: Logged, ledger: Ledger) -> None:
    if logged.unfinished is None or logged.unfinished.column not in frame.columns:
        return
    state = pl.col(logged.unfinished.column).cast(pl.String).str.to_lowercase()
    runs = frame.filter(state.is_in(list(logged.unfinished.values)))
    count = runs.height if logged.run is None else runs[logged.run].n_unique()
    ledger.note("warnings", "unfinished", logged.unfinished.message, count)


def _note_silent(frame: pl.DataFrame, given: pl.Expr, logged: Logged, ledger: Ledger) -> None:
    if logged.run is None:
        return
    silent = frame.filter(~given.any().over(logged.run))[logged.run].unique(maintain_order=True)
    names = silent.cast(pl.String).to_list()
    ledger.note("warnings", "no_evaluation", f"runs without an evaluation: {listed(names)}", len(names))


def _refuse_merged(frame: pl.DataFrame, plan: ColumnPlan, logged: Logged, ledger: Ledger) -> None:
    """Refuse a name that several runs of the source share: their points would become those of one run."""
    named = plan.origins.get("run")
    if logged.run is None or named in (None, logged.run):
        return
    name = pl.lit(named[1:]) if named.startswith("=") else pl.col(named)
    pairs = frame.select(name=name.cast(pl.String), own=pl.col(logged.run).cast(pl.String)).unique(
        maintain_order=True
    )
    several = pairs.group_by("name", maintain_order=True).agg("own").filter(pl.col("own").list.len() > 1)
    for text, runs in several.rows():
        ledger.problem(
            f"{ledger.name}: '{named}' is read as run and is '{text}' for {len(runs)} runs ({logged.run} "
            f"{listed(runs, 5)}); map run={logged.run}, or leave all but one out with --where",
            "merged_runs",
            column=named,
            value=text,
        )


def _finite(
    frame: pl.DataFrame, source: str, plan: ColumnPlan, logged: Logged, ledger: Ledger
) -> pl.DataFrame:
    """Empty the losses that are NaN or infinite, and with steps=last every loss of what ends so.

    A row of isoglot's own is an evaluation, and JSON has no NaN: where such a row is empty, the loss was none.
    """
    values = frame[source].cast(pl.Float64, strict=False)
    odd = (values.is_nan() | values.is_infinite()).fill_null(False)
    if logged.own:
        odd = odd | frame[source].is_null()
    if not odd.any():
        return frame
    origins = {name: plan.origins.get(name, "=") for name in _KEY}
    key = {name: pl.col(origin).cast(pl.String) for name, origin in origins.items() if origin[:1] != "="}
    rows = frame.select(pl.col(ROW), pl.lit(odd).alias("__odd__"), at=_order(frame, plan), **key)
    if logged.steps == "last" and "run" in key:
        taken = rows.filter(frame[source].is_not_null() | odd)
        last = taken.filter(pl.col("at") == pl.col("at").max().over(list(key)))
        bad = last.filter("__odd__").select(list(key)).unique(maintain_order=True)
        rows = rows.join(
            bad.with_columns(__ended__=True),
            on=list(key),
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        message = f"runs whose last '{source}' is not finite, of which no '{source}' is read"
        ledger.note("warnings", "diverged", f"{message}: {_named(bad)}", bad.height)
        odd = odd | rows["__ended__"].fill_null(False)
    else:
        bad = rows.filter("__odd__")
        of = f", of {_named(bad.select(list(key)).unique(maintain_order=True))}" if "run" in key else ""
        message = f"values of '{source}' that are not finite are not read{of}"
        ledger.note("warnings", "not_finite", message, bad.height)
    return frame.with_columns(pl.when(odd).then(None).otherwise(pl.col(source)).alias(source))


def _order(frame: pl.DataFrame, plan: ColumnPlan) -> pl.Expr:
    """Return where a row stands in its run: its step or tokens where all rows have them, else its place."""
    for name in ("step", "tokens"):
        origin = plan.origins.get(name, "=")
        if not origin.startswith("=") and not frame[origin].cast(pl.Float64, strict=False).null_count():
            return pl.col(origin).cast(pl.Float64)
    return pl.col(ROW).cast(pl.Float64)


def _named(key: pl.DataFrame) -> str:
    """Word runs, each with the language (and set) where the source's rows are of one."""
    return listed(
        [row[0] + (f" ({', '.join(filter(None, row[1:]))})" if any(row[1:]) else "") for row in key.rows()]
    )


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
    key = [name for name in _KEY if name in kept.columns]
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
