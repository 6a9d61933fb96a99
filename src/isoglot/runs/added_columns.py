"""What a log does not say at the row where it is needed: values carried on, columns of the run or of another table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from isoglot.core.errors import InputError, RunTableError, nearest
from isoglot.runs.convert import infer
from isoglot.runs.ledger import Ledger, Stop, listed
from isoglot.runs.plain_values import series_of
from isoglot.runs.report import Problem
from isoglot.runs.schema import FAMILIES, ROW, NumberRule, is_known, number_rule
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.source import load_source
from isoglot.runs.tracker_columns import covered, covers, is_loss, source_of
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.typed_column import number_column

_COUNTERS = ("tokens", "flops", "flops_exact", "step")


def filled(
    frame: pl.DataFrame, column: str, found: Harvest, mapping: Mapping[str, str], ledger: Ledger
) -> pl.DataFrame:
    """Carry a column's last logged value on within its run, but not the 0 at which a count starts.

    Raises InputError for a column that is not there, or a source with one row a run.
    """
    if column not in frame.columns:
        if any(column in values for values in found.per_run.values()):
            return frame
        close = nearest(column, frame.columns)
        raise InputError(f"fill names column '{column}', which {ledger.name} does not have{close}")
    run, step = found.run, found.guesses.get("step")
    if run is None:
        raise InputError(f"fill carries values on within a run, but {ledger.name} has one row a run")
    value = pl.col(column)
    if step is not None and any(source_of(mapping, name) == column for name in _COUNTERS):
        start = (value.cast(pl.Float64, strict=False) == 0) & (pl.col(step) == 0)
        value = pl.when(start.fill_null(False)).then(None).otherwise(value)
    carried = value.forward_fill().over(run)
    absent = frame[column].is_null()
    after = frame.with_columns(pl.coalesce(column, carried).alias(column))
    message = f"'{column}' where it was not logged: the last value of the run before it"
    if step is not None:
        message += _largest_gap(frame.with_columns(__value__=value), after[column], absent, run, step)
    ledger.note("derived", "fill", message, frame[column].null_count() - after[column].null_count())
    return after


def _largest_gap(frame: pl.DataFrame, after: pl.Series, absent: pl.Series, run: str, step: str) -> str:
    since = pl.when(pl.col("__value__").is_not_null()).then(pl.col(step)).forward_fill().over(run)
    gaps = frame.select(run=run, at=step, since=since).filter(absent & after.is_not_null())
    gaps = gaps.with_columns(gap=pl.col("at") - pl.col("since")).sort("gap", descending=True)
    if gaps.is_empty():
        return ""
    name, at, since_step, gap = gaps.row(0)
    return f", over {gap:g} steps at most (run '{name}', from {since_step:g} to {at:g})"


def with_run_columns(frame: pl.DataFrame, found: Harvest, ledger: Ledger, limit: SizeLimit) -> pl.DataFrame:
    """Add the columns that have one value a run.

    Raises RunTableError where a run has logged a column that its configuration has too.
    """
    names = list(dict.fromkeys(name for values in found.per_run.values() for name in values))
    if not names or found.run is None:
        return frame
    both = next((name for name in names if name in frame.columns), None)
    if both is not None:
        raise RunTableError(
            f"{ledger.name} has '{both}' in a run's configuration and among its logged values; rename one of them"
        )
    limit.check_cells(frame.height, frame.width + len(names), ledger)
    columns = [series_of(name, [values.get(name) for values in found.per_run.values()]) for name in names]
    table = pl.DataFrame([pl.Series(found.run, list(found.per_run), dtype=pl.String), *columns])
    return frame.join(table, on=found.run, how="left", maintain_order="left")


@dataclass(frozen=True)
class Joined:
    """A table that was joined: its columns, and the run of each row whose run it does not have."""

    path: Path
    columns: tuple[str, ...]
    absent: dict[int, str]


def with_table(
    frame: pl.DataFrame,
    path: Path,
    mapping: Mapping[str, str],
    run: str | None,
    ledger: Ledger,
    limit: SizeLimit,
) -> tuple[pl.DataFrame, Joined]:
    """Add the columns of a table with one row a run, joined by its column `run` to the column that names the runs.

    Raises RunTableError for a table that is damaged, names a run twice or repeats a column; bad numbers of it
    stop the import.
    """
    named = mapping.get("run", run)
    run = named if named in frame.columns else run
    if run is None:
        raise InputError(f"{path} cannot be joined: {ledger.name} does not name its runs")
    table = _loaded(path, mapping, ledger, limit)
    _check_joined(table, frame, path, ledger)
    frame = frame.with_columns(pl.col(run).cast(pl.String))
    absent = frame.filter(~pl.col(run).is_in(table["run"].implode())).select(ROW, run)
    unused = table.filter(~table["run"].is_in(frame[run].unique().implode()))["run"].to_list()
    names = absent[run].unique(maintain_order=True).to_list()
    message = f"runs that {path} does not have by '{run}': {listed(names)}"
    ledger.note("warnings", "not_joined", message, len(names))
    message = f"runs of {path} that {ledger.name} does not have by '{run}': {listed(unused)}"
    ledger.note("warnings", "join_unused", message, len(unused))
    columns = tuple(name for name in table.columns if name != "run")
    table = table.rename({"run": run})
    return frame.join(table, on=run, how="left", maintain_order="left"), Joined(
        path, columns, dict(absent.rows())
    )


def _loaded(path: Path, mapping: Mapping[str, str], ledger: Ledger, limit: SizeLimit) -> pl.DataFrame:
    """Read the table to join: text that looks like numbers as such, and its bad numbers named by its own rows."""
    own = Ledger(str(path))
    try:
        source = load_source(path, own, limit)
    except Stop as stop:
        raise RunTableError(str(stop)) from None
    if "run" not in source.columns:
        raise RunTableError(f"{path} has no column 'run', by which its columns are joined to the runs")
    table = source.frame.with_columns(pl.col("run").cast(pl.String))
    for name in source.columns:
        rule = _rule(name, mapping)
        if rule is not None:
            number_column(table[name], table[ROW], name, rule, own)
        elif not (source.typed or name == "run" or is_known(name) or covered(mapping, name)):
            table = table.with_columns(infer(table[name]))
    ledger.take_over(own)
    if own.problems:
        raise Stop(own.problems[0].message)
    empty = table.filter(table["run"].is_null() | (table["run"] == ""))
    if empty.height:
        raise RunTableError(f"{own.place(empty[ROW][0])}, column 'run': empty; every row names its run")
    return table.drop(ROW)


def _rule(column: str, mapping: Mapping[str, str]) -> NumberRule | None:
    """Return the rule of the number that a column is read as."""
    targets = [target for target, source in mapping.items() if covers(source, column)] or [column]
    return FAMILIES.get(targets[0].removesuffix(".*")) if "*" in targets[0] else number_rule(targets[0])


def _check_joined(table: pl.DataFrame, frame: pl.DataFrame, path: Path, ledger: Ledger) -> None:
    loss = next((name for name in table.columns if is_loss(name)), None)
    if loss is not None:
        raise RunTableError(
            f"{path} has a column '{loss}', but a loss stands in the log itself; rename it or leave it out"
        )
    twice = table.filter(table["run"].is_duplicated())["run"]
    if len(twice):
        raise RunTableError(f"{path} has several rows of run '{twice[0]}'; a table to join has one row a run")
    both = next((name for name in table.columns if name != "run" and name in frame.columns), None)
    if both is not None:
        raise RunTableError(f"{path} has a column '{both}', as {ledger.name} does; rename it or leave it out")


def name_absent(problems: tuple[Problem, ...], joined: Joined) -> tuple[Problem, ...]:
    """Say of a value that is missing because its run is not in the joined table that it is so, once a run."""
    told: dict[object, Problem] = {}
    for number, problem in enumerate(problems):
        run = joined.absent.get(problem.row or 0)
        if problem.code != "missing" or run is None or problem.column not in joined.columns:
            told[number] = problem
            continue
        message = (
            f"{joined.path} has no row of run '{run}', so its '{problem.column}' is missing; add the row, or leave "
            "the run out with --where"
        )
        told.setdefault((run, problem.column), replace(problem, message=message))
    return tuple(told.values())
