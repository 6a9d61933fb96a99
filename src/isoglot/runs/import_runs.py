"""From another program's log to checked `Runs`: read the source, map its columns, account for the rest.

The reader of a format (`isoglot.runs.trackers`) gives one row a (run, step) under the source's own names. What
they mean is said by ``columns=``, as for any table; only what a format itself defines (the run, the step, a
Trainer's losses and their unit) is guessed, and each guess is an assumption of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from isoglot.core.errors import RunTableError
from isoglot.runs.added_columns import filled, joined
from isoglot.runs.groups import Groups
from isoglot.runs.importer import Request, check_source, require_choice
from isoglot.runs.ledger import Ledger, Stop, show
from isoglot.runs.logged_points import STEPS
from isoglot.runs.plain_values import series_of
from isoglot.runs.report import CheckReport
from isoglot.runs.schema import ROW
from isoglot.runs.size_limit import DEFAULT_MAX_CELLS, SizeLimit
from isoglot.runs.source import SourceTable
from isoglot.runs.table import Runs
from isoglot.runs.tracker_columns import guessed_mapping, set_aside, with_unit
from isoglot.runs.trackers.formats import harvest
from isoglot.runs.trackers.harvest import Harvest


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
    ledger, limit = Ledger(str(source)), SizeLimit(max_cells)
    try:
        kind, found = harvest(source, format, ledger, limit)
        frame = _frame(found, fill, join, ledger, limit)
        mapping = dict(columns or {}) if found.own else guessed_mapping(found, frame, columns, kind, ledger)
        frame = frame if found.own else set_aside(frame, mapping, ledger)
        mapping = with_unit(found, frame, mapping, loss_unit, kind, ledger)
    except Stop:
        return CheckReport(tuple(ledger.problems))
    steps = steps or ("all" if found.own else "last")
    ledger.note("assumptions", "steps", f"steps={steps}: {_STEPS_MEAN[steps]}", 0 if found.own else 1)
    request = Request(
        mapping, groups, loss_unit, params_convention, where, duplicates, limit, steps, found.excluded
    )
    return check_source(SourceTable(frame, typed=found.own), request, ledger)


_STEPS_MEAN = {
    "last": "the last evaluation of each run and language is a row",
    "all": "every evaluation of a run is a row",
}


def source_columns(
    source: str | Path, *, format: str | None = None, max_cells: int = DEFAULT_MAX_CELLS
) -> tuple[str, list[SourceColumn]]:
    """Return the format of a source and its columns, each with an example, so that a mapping can be written.

    Raises RunTableError for a source that cannot be read, InputError for one of no format.
    """
    ledger, limit = Ledger(str(source)), SizeLimit(max_cells)
    try:
        kind, found = harvest(source, format, ledger, limit)
        frame = _frame(found, (), None, ledger, limit).drop(ROW)
    except Stop as stop:
        raise RunTableError(str(stop)) from None
    listed = []
    for column in frame.iter_columns():
        given = column.drop_nulls()
        guess = next((name for name, source in found.guesses.items() if _covers(source, column.name)), None)
        example = show(given[-1]) if len(given) else "empty"
        listed.append(SourceColumn(column.name, len(given), example, guess))
    return kind, listed


def _covers(pattern: str, column: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == column
    return column.startswith(before) and column.endswith(after) and len(column) > len(before) + len(after)


def _frame(
    found: Harvest, fill: Sequence[str], join: str | Path | None, ledger: Ledger, limit: SizeLimit
) -> pl.DataFrame:
    """Return the rows as a frame, values carried forward and further columns joined as asked."""
    names = list(dict.fromkeys(name for row in found.rows for name in row))
    limit.check_cells(len(found.rows), len(names), ledger)
    if not found.rows:
        raise ledger.stop(f"{ledger.name} has no rows", "no_rows")
    frame = pl.DataFrame([series_of(name, [row.get(name) for row in found.rows]) for name in names])
    for kind, note in found.notes:
        ledger.note(kind, note.code, note.message, note.count)
    run = "run" if found.own else found.guesses.get("run")
    step = found.guesses.get("step")
    if run is not None:
        ledger.labels = [
            f"run '{row.get(run)}'" + (f", {step} {row.get(step)}" if step else "") for row in found.rows
        ]
    for column in fill:
        frame = filled(frame, column, run, ledger)
    if join is not None:
        frame = joined(frame, Path(join), run, ledger, limit)
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(ROW))
