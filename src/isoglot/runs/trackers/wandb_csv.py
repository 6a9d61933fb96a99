"""CSV files of W&B: the table of a project's runs, the curves of a chart, or a history saved by pandas.

A table of runs has one row a run (`Name`, `State`, config and summary columns, `_step` among them). A chart has
a step a row and a column a curve, `<run> - <metric>`, with the twins `__MIN` and `__MAX` of what was averaged
for the screen. A history has a column `_step`, and one naming the run where it is of several.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import Ledger
from isoglot.runs.read_text import read_csv, read_tsv
from isoglot.runs.report import Note
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.trackers.harvest import Harvest, Points, Unfinished

SEPARATOR = " - "
TWINS = ("__MIN", "__MAX")
GROUP = "Group: "
STEP, RUN_COLUMNS = "_step", ("run_id", "run", "name")
TABLE_COLUMNS = ("State", "Created", "Runtime", "ID")
_UNFINISHED = Unfinished(
    "State",
    ("running", "crashed", "failed", "killed", "preempted", "preempting"),
    "runs that are not finished (column 'State'); --where State=finished leaves them out",
)


def header_of(path: Path) -> list[str]:
    """Return the names in the first line of a CSV or TSV file, however long it is."""
    with path.open("rb") as stream:
        line = stream.readline().decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n")
    delimiter = "\t" if path.suffix.casefold() == ".tsv" else ","
    try:
        return next(csv.reader([line], delimiter=delimiter), [""]) or [""]
    except csv.Error:
        return [""]


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


def is_history(columns: Iterable[str]) -> bool:
    """Say whether a header is that of a history: it has steps, and is no table of runs with their last step.

    >>> is_history(["_step", "loss"]), is_history(["ID", "_step", "loss"]), is_history(["Name", "State", "_step"])
    (True, False, False)
    """
    names = set(columns)
    return STEP in names and "ID" not in names and not {"Name", "State"} <= names


def read_wandb_csv(path: Path, data: bytes, ledger: Ledger, limit: SizeLimit) -> Harvest:
    """Read any kind of CSV file.

    Raises RunTableError where the header is of no kind; what breaks the CSV itself stops the import.
    """
    read = read_tsv if path.suffix.casefold() == ".tsv" else read_csv
    frame = read(data, ledger, limit)
    columns = frame.columns
    if is_history(columns):
        points = Points(_run_column(columns) or "run", STEP)
        log_history(points, frame, path)
        guesses = {"run": points.run_column, "step": STEP}
        return Harvest(list(points.rows()), guesses, notes=tuple(points.notes()))
    if {"Name", "ID"} & set(columns):
        return _read_run_table(frame, path)
    if is_chart(columns):
        return _read_chart(frame, path)
    raise RunTableError(
        f"{path} is no W&B export: it has neither a column 'Name' or 'ID' (a table of runs) nor columns "
        "'<run> - <metric>' after the first (a chart) nor '_step' (a history)"
    )


def _read_run_table(frame: pl.DataFrame, path: Path) -> Harvest:
    guesses = {}
    if "ID" in frame.columns:
        _require_run(frame["ID"], path)
        twice = frame.filter(frame["ID"].is_duplicated())["ID"]
        if len(twice):
            raise RunTableError(
                f"{path}, column 'ID': '{twice[0]}' is in several rows, but a table of runs has one row a run; "
                "rename the column if it does not name the run"
            )
        guesses["run"] = "ID"
    elif not frame["Name"].is_duplicated().any() and not frame["Name"].null_count():
        guesses["run"] = "Name"
    unfinished = _UNFINISHED if "State" in frame.columns else None
    return Harvest(frame.to_dicts(), guesses, unfinished=unfinished)


def _read_chart(frame: pl.DataFrame, path: Path) -> Harvest:
    x, *curves = frame.columns
    steps = _steps(frame[x], path)
    points, averaged = Points("run", x), 0
    twins = [curve for curve in curves if curve.endswith(TWINS)]
    for curve, (run, metric) in _runs_of_curves([c for c in curves if c not in twins], path).items():
        averaged += _differs(frame, curve)
        for step, value in zip(steps, frame[curve], strict=True):
            if value is not None and value != "":
                points.log(run, step, metric, value)
    notes = [*points.notes()]
    if twins:
        message = "columns ending in __MIN or __MAX, the range of what W&B averaged, are not read"
        notes.append(("assumptions", Note("twins", message, len(twins))))
    if averaged:
        message = (
            "values that W&B averaged over several steps (__MIN and __MAX differ); export the history instead"
        )
        notes.append(("warnings", Note("averaged", message, averaged)))
    step = {"step": x} if x.casefold() == "step" else {}
    return Harvest(list(points.rows()), {"run": "run", **step}, notes=tuple(notes))


def _runs_of_curves(curves: list[str], path: Path) -> dict[str, tuple[str, str]]:
    """Split each curve's name into run and metric, either of which may hold the separator itself.

    A curve that can be split in one way only tells a metric and a run, which settle the others. Where there is
    none, the last part is the metric, and with it what the names of several runs all end in.

    >>> _runs_of_curves(["a - b - loss", "c - loss"], Path("x.csv"))
    {'a - b - loss': ('a - b', 'loss'), 'c - loss': ('c', 'loss')}
    >>> list(_runs_of_curves(["a - eval - fra", "b - eval - fra"], Path("x.csv")).values())
    [('a', 'eval - fra'), ('b', 'eval - fra')]
    """
    group = next((curve for curve in curves if curve.startswith(GROUP)), None)
    if group is not None:
        raise RunTableError(
            f"{path}, column '{group}': the mean of a group of runs is no run; export the chart without grouping"
        )
    parts = {curve: curve.split(SEPARATOR) for curve in curves}
    plain = [found for found in parts.values() if len(found) == 2]
    runs, metrics = {run for run, _ in plain}, {metric for _, metric in plain}
    cuts = {}
    for curve, found in parts.items():
        ways = range(len(found) - 1, 0, -1)
        known = [at for at in ways if SEPARATOR.join(found[at:]) in metrics]
        known += [at for at in ways if SEPARATOR.join(found[:at]) in runs]
        cuts[curve] = known[0] if known else len(found) - 1
    while not plain and _one_ending({tuple(found[: cuts[curve]]) for curve, found in parts.items()}):
        cuts = {curve: at - 1 for curve, at in cuts.items()}
    return {
        curve: (SEPARATOR.join(found[: cuts[curve]]), SEPARATOR.join(found[cuts[curve] :]))
        for curve, found in parts.items()
    }


def _one_ending(runs: set[tuple[str, ...]]) -> bool:
    return len(runs) > 1 and min(map(len, runs)) > 1 and len({run[-1] for run in runs}) == 1


def _run_column(columns: Iterable[str]) -> str | None:
    names = list(columns)
    return next((name for name in RUN_COLUMNS if name in names), None)


def log_history(points: Points, frame: pl.DataFrame, path: Path) -> list[str]:
    """Gather the rows of a history; return the runs that it logs.

    Raises RunTableError for a row without its run or its step.
    """
    named = _run_column(frame.columns)
    steps = _steps(frame[STEP], path)
    if named is not None:
        _require_run(frame[named], path)
    found: dict[str, None] = {}
    for step, row in zip(steps, frame.drop(STEP).iter_rows(named=True), strict=True):
        run = path.stem if named is None else str(row.pop(named))
        found[run] = None
        points.reach(run, step)
        for name, value in row.items():
            if value is not None and value != "":
                points.log(run, step, name, value)
    return list(found)


def _require_run(column: pl.Series, path: Path) -> None:
    empty = column.is_null() | (column == "").fill_null(True)
    if empty.any():
        row = int(empty.arg_max() or 0) + 1
        raise RunTableError(
            f"{path}, row {row}, column '{column.name}': empty, and this column names the run; fill it in"
        )


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
    if low not in frame.columns or high not in frame.columns:
        return 0
    return int((frame[low] != frame[high]).fill_null(False).sum())
