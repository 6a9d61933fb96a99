"""CSV files of W&B: the table of a project's runs, the curves of a chart, or a history saved by pandas.

A table of runs has one row a run (`Name`, `State`, config and summary columns). A chart has a step a row and
a column a curve, `<run> - <metric>`, with the twins `__MIN` and `__MAX` of what was averaged for the screen. A
history has a column `_step`, and one naming the run where it is of several.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import Ledger
from isoglot.runs.read_text import read_csv
from isoglot.runs.report import Note
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.trackers.harvest import Harvest, Points

SEPARATOR = " - "
TWINS = ("__MIN", "__MAX")
STEP, RUN_COLUMNS = "_step", ("run_id", "run", "name")
TABLE_COLUMNS = ("State", "Created", "Runtime", "ID")
_UNFINISHED = ("running", "crashed", "failed", "killed", "preempted", "preempting")


def is_chart(columns: Iterable[str]) -> bool:
    """Say whether a header is that of a chart.

    >>> is_chart(["Step", "run-a - eval/fra/loss"]), is_chart(["Name", "State", "lr"])
    (True, False)
    """
    _, *curves = columns
    return bool(curves) and all(SEPARATOR in name for name in curves)


def is_run_table(columns: Iterable[str]) -> bool:
    """Say whether a header is that of a table of runs.

    >>> is_run_table(["Name", "State", "lr"]), is_run_table(["run", "params", "loss"])
    (True, False)
    """
    names = set(columns)
    return bool({"Name", "ID"} & names) and len(names.intersection((*TABLE_COLUMNS, "Name"))) > 1


def read_wandb_csv(path: Path, data: bytes, ledger: Ledger, limit: SizeLimit) -> Harvest:
    """Read either kind of CSV file.

    Raises RunTableError where the header is of neither kind; what breaks the CSV itself stops the import.
    """
    frame = read_csv(data, ledger, limit)
    if STEP in frame.columns:
        return _read_history(frame, path)
    if is_chart(frame.columns):
        return _read_chart(frame, path)
    if {"Name", "ID"} & set(frame.columns):
        return _read_run_table(frame)
    raise RunTableError(
        f"{path} is no W&B export: it has neither a column 'Name' or 'ID' (a table of runs) nor columns "
        "'<run> - <metric>' after the first (a chart) nor '_step' (a history)"
    )


def _read_run_table(frame: pl.DataFrame) -> Harvest:
    guesses, notes = {}, []
    named = "ID" if "ID" in frame.columns else "Name"
    if not frame[named].is_duplicated().any() and not frame[named].null_count():
        guesses["run"] = named
    if "State" in frame.columns:
        unfinished = frame["State"].str.to_lowercase().is_in(list(_UNFINISHED)).sum()
        if unfinished:
            message = "runs that are not finished (column 'State'); --where State=finished leaves them out"
            notes.append(("warnings", Note("unfinished", message, int(unfinished))))
    return Harvest(frame.to_dicts(), guesses, notes=tuple(notes))


def _read_chart(frame: pl.DataFrame, path: Path) -> Harvest:
    x, *curves = frame.columns
    steps = _steps(frame[x], path)
    points, twins, averaged = Points("run", x), 0, 0
    for curve in curves:
        run, _, metric = curve.rpartition(SEPARATOR)
        if metric.endswith(TWINS):
            twins += 1
            if curve.endswith(TWINS[0]):
                averaged += _differs(frame, curve.removesuffix(TWINS[0]))
            continue
        for step, value in zip(steps, frame[curve], strict=True):
            if value is not None and value != "":
                points.log(run, step, metric, value)
    notes = [*points.notes()]
    if twins:
        message = "columns ending in __MIN or __MAX, the range of what W&B averaged, are not read"
        notes.append(("assumptions", Note("twins", message, twins)))
    if averaged:
        message = (
            "values that W&B averaged over several steps (__MIN and __MAX differ); export the history instead"
        )
        notes.append(("warnings", Note("averaged", message, averaged)))
    step = {"step": x} if x.casefold() == "step" else {}
    return Harvest(list(points.rows()), {"run": "run", **step}, notes=tuple(notes))


def _read_history(frame: pl.DataFrame, path: Path) -> Harvest:
    named = next((name for name in RUN_COLUMNS if name in frame.columns), None)
    steps = _steps(frame[STEP], path)
    column = named or "run"
    points = Points(column, STEP)
    for step, row in zip(steps, frame.drop(STEP).iter_rows(named=True), strict=True):
        run = path.stem if named is None else row.pop(named)
        for name, value in row.items():
            if value is not None and value != "":
                points.log(str(run), step, name, value)
    rows = list(points.rows())
    return Harvest(rows, {"run": column, "step": STEP}, notes=tuple(points.notes()))


def _steps(column: pl.Series, path: Path) -> pl.Series:
    steps = column.cast(pl.Float64, strict=False)
    if steps.null_count():
        row = int(steps.is_null().arg_max() or 0)
        raise RunTableError(
            f"{path}, row {row + 1}, column '{column.name}': {column[row]!r} is no number, and this column counts steps"
        )
    return steps


def _differs(frame: pl.DataFrame, curve: str) -> int:
    low, high = curve + TWINS[0], curve + TWINS[1]
    return int((frame[low] != frame[high]).fill_null(False).sum()) if high in frame.columns else 0
