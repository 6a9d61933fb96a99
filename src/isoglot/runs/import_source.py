"""From another program's log to checked `Runs`: read the source, map its columns, account for the rest.

The reader of a format (`isoglot.runs.trackers`) gives one row a (run, step) under the source's own names. What
they mean is said by ``columns=``, as for any table; only what a format itself defines (the run, the step, a
Trainer's losses and their unit) is guessed, and each guess is an assumption of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from isoglot.core.errors import RunTableError
from isoglot.runs.added_columns import Joined, filled, name_absent, with_run_columns, with_table
from isoglot.runs.groups import Groups
from isoglot.runs.importer import Request, check_source, require_choice
from isoglot.runs.ledger import Ledger, Stop, show
from isoglot.runs.logged_points import STEPS, evaluated
from isoglot.runs.plain_values import series_of
from isoglot.runs.report import CheckReport
from isoglot.runs.schema import RESERVED, ROW
from isoglot.runs.size_limit import DEFAULT_MAX_CELLS, SizeLimit
from isoglot.runs.source import SourceTable
from isoglot.runs.table import Runs
from isoglot.runs.tracker_columns import (
    check_steps,
    covers,
    guessed_mapping,
    loss_columns,
    set_aside,
    with_unit,
)
from isoglot.runs.trackers.formats import harvest, path_of
from isoglot.runs.trackers.harvest import Harvest, Logged


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source: its name, how many rows have a value, one of the values, and what is guessed of it."""

    name: str
    filled: int
    example: str
    guess: str | None = None


def import_runs(
    source: str | Path,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    steps: str | None = None,
    fill: Sequence[str] = (),
    join: str | Path | None = None,
    groups: Groups | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    where: Mapping[str, object] | None = None,
    duplicates: str = "refuse",
    max_cells: int = DEFAULT_MAX_CELLS,
) -> Runs:
    """Read the log of another program, or a folder of isoglot's own, as a run table.

    ``format`` is wandb, mlflow, trainer, sweep or runs, else told from the files. ``columns`` maps names of the
    run table to the source's (`source_columns` lists them). ``steps`` is last (the last evaluation of each run and
    language; the default for trackers) or all (the default for sweep and runs). ``fill`` names columns whose last
    logged value holds until the next in the same run; ``join`` is a table with a column ``run`` that adds columns
    (sizes, shares) to the runs. The rest is as in `read_runs`.

    Raises RunTableError for a source that is damaged or breaks a rule, InputError for an argument that is not
    allowed, such as a tracker's loss without a unit.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> _ = (home / "a.jsonl").write_text('{"_step": 9, "tokens": 2e9, "fr": {"loss": 3.1}}')
    >>> mapping = {"params": "=1e8", "tokens": "tokens", "loss.*": "*.loss"}
    >>> runs = import_runs(home, columns=mapping, loss_unit="nats_per_token")
    >>> runs.frame.select("run", "language", "loss", "step").row(0)
    ('a', 'fra', 3.1, 9)
    """
    report = check_import(
        source,
        format=format,
        columns=columns,
        steps=steps,
        fill=fill,
        join=join,
        groups=groups,
        loss_unit=loss_unit,
        params_convention=params_convention,
        where=where,
        duplicates=duplicates,
        max_cells=max_cells,
    )
    if report.runs is None:
        further = report.num_problems - 1
        more = f" (and {further} more; check_import lists them)" if further else ""
        raise RunTableError(report.problems[0].message + more)
    return report.runs


def check_import(
    source: str | Path,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    steps: str | None = None,
    fill: Sequence[str] = (),
    join: str | Path | None = None,
    groups: Groups | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    where: Mapping[str, object] | None = None,
    duplicates: str = "refuse",
    max_cells: int = DEFAULT_MAX_CELLS,
) -> CheckReport:
    """Import as `import_runs` does, and return every problem, with the runs when there is none.

    Raises InputError for an argument that is not allowed, RunTableError for a source that cannot be read at all.
    """
    if steps is not None:
        require_choice("steps", steps, STEPS)
    source = path_of(source)
    ledger, limit = Ledger(str(source)), SizeLimit(max_cells)
    request = Request(columns, groups, loss_unit, params_convention, where, duplicates, limit)
    absent = None
    try:
        kind, found = harvest(source, format, ledger, limit)
        added = _Added(tuple(fill), None if join is None else Path(join))
        table, mapping, absent = _source_table(found, kind, request, added, ledger)
    except Stop:
        return CheckReport(tuple(ledger.problems))
    steps = steps or ("all" if found.own else "last")
    ledger.note("assumptions", "steps", f"steps={steps}: {_STEPS_MEAN[steps]}", 0 if found.own else 1)
    logged = Logged(steps, found.run, found.own, found.excluded, found.unfinished)
    report = check_source(replace(table, logged=logged), replace(request, columns=mapping), ledger)
    return report if absent is None else replace(report, problems=name_absent(report.problems, absent))


_STEPS_MEAN = {
    "last": "the last evaluation of each run and language is a row",
    "all": "every evaluation of a run is a row",
}


@dataclass(frozen=True)
class _Added:
    """What is to be added to the logged values: columns to carry on, a table to join."""

    fill: tuple[str, ...] = ()
    join: Path | None = None


def _source_table(
    found: Harvest, kind: str, request: Request, added: _Added, ledger: Ledger
) -> tuple[SourceTable, dict[str, str], Joined | None]:
    """Return the rows with a loss as a table, what was asked for added, and the mapping with what is guessed."""
    points = _points(found, ledger, request.limit)
    mapping = dict(request.columns or {})
    if not found.own:
        names = list(
            dict.fromkeys([*points.columns, *(n for values in found.per_run.values() for n in values)])
        )
        mapping = guessed_mapping(found, names, mapping, kind, ledger)
    for column in added.fill:
        points = filled(points, column, found, mapping, ledger)
    # Columns of a run go to its evaluations only: there are many steps, and many parameters.
    frame = points if found.own else evaluated(points, loss_columns(mapping, points.columns), found.run)
    frame, absent = _with_added(frame, found, added.join, mapping, ledger, request.limit)
    if not found.own:
        check_steps(frame, request.columns, mapping)
        frame = set_aside(frame, mapping, ledger)
    mapping = with_unit(found, frame, mapping, request.loss_unit, kind, ledger)
    return SourceTable(frame, found.own, unevaluated=points.height - frame.height), mapping, absent


def _with_added(
    frame: pl.DataFrame,
    found: Harvest,
    join: Path | None,
    mapping: Mapping[str, str],
    ledger: Ledger,
    limit: SizeLimit,
) -> tuple[pl.DataFrame, Joined | None]:
    frame = with_run_columns(frame, found, ledger, limit)
    return (frame, None) if join is None else with_table(frame, join, mapping, found.run, ledger, limit)


def source_columns(
    source: str | Path,
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    fill: Sequence[str] = (),
    join: str | Path | None = None,
    max_cells: int = DEFAULT_MAX_CELLS,
) -> tuple[str, list[SourceColumn]]:
    """Return the format of a source and its columns, each with an example, so that a mapping can be written.

    The arguments are those of `import_runs`; of ``columns`` only the run matters, by which ``join`` joins.

    Raises RunTableError for a source that cannot be read, InputError for one of no format.
    """
    source = path_of(source)
    ledger, limit = Ledger(str(source)), SizeLimit(max_cells)
    mapping = dict(columns or {})
    try:
        kind, found = harvest(source, format, ledger, limit)
        frame = _points(found, ledger, limit)
        for column in fill:
            frame = filled(frame, column, found, mapping, ledger)
        path = None if join is None else Path(join)
        frame, _ = _with_added(frame, found, path, mapping, ledger, limit)
    except Stop as stop:
        raise RunTableError(str(stop)) from None
    listed = []
    for cells in frame.drop(ROW).iter_columns():
        given = cells.drop_nulls()
        guess = next((name for name, source in found.guesses.items() if covers(source, cells.name)), None)
        example = show(given[-1]) if len(given) else "empty"
        listed.append(SourceColumn(cells.name, len(given), example, guess))
    return kind, listed


def _points(found: Harvest, ledger: Ledger, limit: SizeLimit) -> pl.DataFrame:
    """Return the rows as a frame with ROW, and give the ledger their places."""
    names = list(dict.fromkeys(name for row in found.rows for name in row))
    limit.check_cells(len(found.rows), len(names), ledger)
    if not found.rows:
        raise ledger.stop(f"{ledger.name} has no rows", "no_rows")
    reserved = next((name for name in RESERVED if name in names), None)
    if reserved is not None:
        raise ledger.stop(f"{ledger.name} has a column '{reserved}', a reserved name; rename it", "reserved")
    frame = pl.DataFrame([series_of(name, [row.get(name) for row in found.rows]) for name in names])
    for kind, note in found.notes:
        ledger.note(kind, note.code, note.message, note.count)
    run, step = found.run, found.guesses.get("step")
    if run is not None:
        ledger.labels = [
            f"run '{row.get(run)}'" + (f", {step} {show(row.get(step))}" if step else "")
            for row in found.rows
        ]
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW))
