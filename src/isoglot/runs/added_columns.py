"""What a log does not say at the row where it is needed: values carried forward, columns of another table."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from isoglot.core.errors import InputError, RunTableError, nearest
from isoglot.runs.ledger import Ledger, Stop
from isoglot.runs.schema import ROW
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.source import load_source


def filled(frame: pl.DataFrame, column: str, run: str | None, ledger: Ledger) -> pl.DataFrame:
    """Carry a column's last logged value on within its run.

    Raises InputError for a column that is not there, or a source with one row a run.
    """
    if column not in frame.columns:
        close = nearest(column, frame.columns)
        raise InputError(f"fill names column '{column}', which {ledger.name} does not have{close}")
    if run is None:
        raise InputError(f"fill carries values on within a run, but {ledger.name} has one row a run")
    before = frame[column].null_count()
    frame = frame.with_columns(pl.col(column).forward_fill().over(run))
    message = f"'{column}' where it was not logged: the last value of the run before it"
    ledger.note("derived", "fill", message, before - frame[column].null_count())
    return frame


def joined(
    frame: pl.DataFrame, path: Path, run: str | None, ledger: Ledger, limit: SizeLimit
) -> pl.DataFrame:
    """Add the columns of a table with one row a run, joined by its column `run`.

    Raises RunTableError for a table that is damaged, names a run twice or repeats a column.
    """
    own = Ledger(str(path))
    try:
        table = load_source(path, own, limit).frame.drop(ROW)
    except Stop as stop:
        raise RunTableError(str(stop)) from None
    if run is None:
        raise InputError(f"{path} cannot be joined: {ledger.name} does not name its runs")
    if "run" not in table.columns:
        raise RunTableError(f"{path} has no column 'run', by which its columns are joined to the runs")
    table = table.with_columns(pl.col("run").cast(pl.String)).rename({"run": run})
    twice = table.filter(table[run].is_duplicated())[run]
    if len(twice):
        raise RunTableError(f"{path} has several rows of run '{twice[0]}'; a table to join has one row a run")
    both = [name for name in table.columns if name != run and name in frame.columns]
    if both:
        raise RunTableError(
            f"{path} has a column '{both[0]}', as {ledger.name} does; rename it or leave it out"
        )
    runs = frame[run].cast(pl.String).unique(maintain_order=True)
    absent = runs.filter(~runs.is_in(table[run].implode()))
    unused = table.height - (len(runs) - len(absent))
    if len(absent):
        message = f"runs that {path} does not have (the first: '{absent[0]}')"
        ledger.note("warnings", "not_joined", message, len(absent))
    ledger.note("warnings", "join_unused", f"runs of {path} that are not in {ledger.name}", unused)
    return frame.with_columns(pl.col(run).cast(pl.String)).join(
        table, on=run, how="left", maintain_order="left"
    )
