"""The door into the run table: any source in, checked `Runs` out.

The steps run in a fixed order, each in its own file: load, plan columns, select rows, convert cells, settle
shares, melt, derive, settle units, settle duplicates, join own shares, check, group. Each step counts in the
ledger what it assumed, derived, left out or found wrong, so a table is either read with a full account or
refused with every problem named. Nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.runs.columns import ColumnPlan, plan_columns, take_columns
from isoglot.runs.convert import convert
from isoglot.runs.derive import count_languages, derive, require_columns, require_values
from isoglot.runs.groups import Groups, group_languages
from isoglot.runs.labels import label_column
from isoglot.runs.ledger import Ledger, Stop, refuse
from isoglot.runs.logged_points import keep_points, leave_out_raw, without_untrained
from isoglot.runs.repeats import CHOICES, settle_duplicates
from isoglot.runs.report import CheckReport
from isoglot.runs.reshape import check_shape, melt
from isoglot.runs.schema import CONVENTIONS, ROW, canonical_order
from isoglot.runs.shares import join_own, settle_sums
from isoglot.runs.size_limit import DEFAULT_MAX_CELLS, SizeLimit
from isoglot.runs.source import SourceTable, display_name, load_source
from isoglot.runs.table import Runs
from isoglot.runs.units import of_either_sign, settle_convention, settle_unit
from isoglot.runs.validate import check_columns
from isoglot.runs.where import select_rows


@dataclass(frozen=True)
class Request:
    """What the caller asked for, beside the source."""

    columns: Mapping[str, str] | None
    groups: Groups | None
    loss_unit: str | None
    params_convention: str | None
    where: Mapping[str, object] | None
    duplicates: str
    limit: SizeLimit

    def __post_init__(self) -> None:
        require_choice("duplicates", self.duplicates, CHOICES)
        if self.params_convention is not None:
            require_choice("params_convention", self.params_convention, CONVENTIONS)


def require_choice(argument: str, given: str, choices: tuple[str, ...]) -> None:
    """Raise InputError for a choice that is not allowed."""
    if given not in choices:
        allowed = ", ".join(choices)
        raise InputError(
            f"{argument}= is '{given}'{nearest(str(given), choices)}, but must be one of {allowed}"
        )


def read_runs(
    source: object,
    *,
    columns: Mapping[str, str] | None = None,
    groups: Groups | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    where: Mapping[str, object] | None = None,
    duplicates: str = "refuse",
    name: str | None = None,
    max_cells: int = DEFAULT_MAX_CELLS,
) -> Runs:
    """Read a run table from a file, a frame or plain data, and check it.

    ``source`` is a path (.csv, .tsv, .jsonl, .ndjson, .parquet, .arrow, .feather, .ipc), a Polars, pandas or
    Arrow table, a list of dicts or a dict of lists. ``columns`` maps names of the run table to names of the
    source, families by wildcard (``{"share.*": "weight_*"}``), constants by ``=`` (``{"language": "=ell"}``).
    ``groups`` merges languages, ``where`` selects rows by value, ``duplicates`` is refuse, drop or keep,
    ``name`` is what messages call the source, ``max_cells`` bounds rows times columns. A table that has a
    ``loss_unit`` column is converted to the ``loss_unit`` argument; otherwise the argument declares the unit.

    ``params`` counts parameters, ``tokens`` counts tokens seen since initialisation over all languages,
    ``loss`` is in ``loss_unit`` (nats per token where nothing says otherwise).

    Raises RunTableError naming the first broken rule, InputError for an argument that is not allowed.

    >>> runs = read_runs({"N": [1e8, 2e8], "tokens": [1e9, 2e9], "loss": [3.2, 2.9]}, columns={"params": "N"})
    >>> runs.num_rows, runs.languages, runs.frame["flops"].to_list()
    (2, ('und',), [6e+17, 2.4e+18])
    """
    report = check_runs(
        source,
        columns=columns,
        groups=groups,
        loss_unit=loss_unit,
        params_convention=params_convention,
        where=where,
        duplicates=duplicates,
        name=name,
        max_cells=max_cells,
    )
    if report.runs is None:
        raise refuse(report.problems, display_name(source, name))
    return report.runs


def check_runs(
    source: object,
    *,
    columns: Mapping[str, str] | None = None,
    groups: Groups | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    where: Mapping[str, object] | None = None,
    duplicates: str = "refuse",
    name: str | None = None,
    max_cells: int = DEFAULT_MAX_CELLS,
) -> CheckReport:
    """Check a run table and return every problem, with the runs when there is none.

    Takes the arguments of `read_runs`. Raises InputError only for an argument that is not allowed.

    >>> report = check_runs({"params": [1e8, -1.0], "tokens": ["1e9", "1e9 tokens"], "loss": [3.2, 2.9]})
    >>> for problem in report.problems:
    ...     print(problem.message)
    the table, row 2, column 'params': -1 must be above 0
    the table, row 2, column 'tokens': '1e9 tokens' is not a number; write 1e9 alone
    """
    request = Request(columns, groups, loss_unit, params_convention, where, duplicates, SizeLimit(max_cells))
    ledger = Ledger(display_name(source, name))
    return check_source(source, request, ledger)


def check_source(source: object, request: Request, ledger: Ledger) -> CheckReport:
    """Check a source, or a `SourceTable` that is loaded already, with a ledger that may hold notes."""
    runs = None
    try:
        runs = _import(source, request, ledger)
    except Stop:
        pass
    return CheckReport(tuple(ledger.problems), None if ledger.problems else runs)


def _import(source: object, request: Request, ledger: Ledger) -> Runs | None:
    table = source if isinstance(source, SourceTable) else load_source(source, ledger, request.limit)
    plan = plan_columns(table, request.columns, ledger)
    require_columns(table, plan, ledger)
    check_shape(plan, ledger)
    if ledger.problems:
        raise Stop(ledger.problems[0].message)
    per_row = max(1, len(plan.wide_languages))
    selected = select_rows(table, request.where, per_row, ledger)
    rows_in = (table.frame.height + table.unevaluated) * per_row
    if table.logged is not None:
        message = "rows without any loss (steps without an evaluation)"
        ledger.note("left_out", "no_loss", message, table.unevaluated * per_row)
        selected = leave_out_raw(selected, plan, table.logged, ledger)
    frame = _typed_long(selected, table, plan, request, ledger)
    frame, unit = settle_unit(frame, plan, request.loss_unit, ledger)
    frame, convention = _settled(ledger.sound(frame), plan, request, ledger)
    check_columns(frame, plan, unit, ledger)
    _sound_or_stop(frame, ledger)
    if ledger.problems:
        return None
    before = frame.height
    if request.groups is not None:
        frame = group_languages(frame, request.groups, ledger)
    report = ledger.report(table.frame.height + table.unevaluated, rows_in, before - frame.height)
    return Runs(_canonical(frame), unit, convention, ledger.name, report)


def _typed_long(
    selected: pl.DataFrame, table: SourceTable, plan: ColumnPlan, request: Request, ledger: Ledger
) -> pl.DataFrame:
    """Cells typed, shares settled, one row a language, everything derivable filled in."""
    raw = take_columns(selected, plan)
    signed = of_either_sign(raw, request.loss_unit)
    frame = convert(raw, plan, table.typed, signed, ledger)
    frame = settle_sums(ledger.sound(frame), plan, ledger)
    frame = _sound_or_stop(frame, ledger)
    if plan.wide_languages:
        frame = melt(frame, plan, ledger)
    elif "language" in plan.origins:
        frame = label_column(frame, plan.origin("language"), ledger)
    if table.logged is not None:
        frame = keep_points(_sound_or_stop(frame, ledger), plan, table.logged.steps, ledger)
    frame = derive(_sound_or_stop(frame, ledger), plan, ledger)
    if table.logged is not None:
        frame = _sound_or_stop(without_untrained(frame, ledger), ledger)
    require_values(frame, plan, signed, ledger)
    return _sound_or_stop(frame, ledger)


def _settled(
    frame: pl.DataFrame, plan: ColumnPlan, request: Request, ledger: Ledger
) -> tuple[pl.DataFrame, str]:
    """Parameters in one convention, duplicates settled, shares of every language on every row."""
    frame = _sound_or_stop(frame, ledger)
    frame, convention = settle_convention(frame, plan, request.params_convention, ledger)
    frame = settle_duplicates(_sound_or_stop(frame, ledger), plan, request.duplicates, ledger)
    frame = join_own(frame, plan, ledger)
    shares = [column for column in frame.columns if column.startswith("share.")]
    return count_languages(frame, shares, ledger), convention


def _sound_or_stop(frame: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    sound = ledger.sound(frame)
    if sound.is_empty():
        if not ledger.problems:
            raise ledger.stop(f"{ledger.name} has no row with a loss{_reasons(ledger)}", "no_rows")
        raise Stop(ledger.problems[0].message)
    return sound


def _reasons(ledger: Ledger) -> str:
    """Word why no row is left, since what was noted is lost with a refusal."""
    doubts = ("diverged", "not_finite", "no_evaluation", "no_metric", "abandoned", "no_record")
    notes = [*ledger.notes.get("left_out", ())]
    notes += [note for note in ledger.notes.get("warnings", ()) if note.code in doubts]
    return (
        f" that can be read: {'; '.join(f'{note.count} {note.message}' for note in notes)}" if notes else ""
    )


def _canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """Name the source row, order the columns, and leave no scaffolding behind."""
    frame = frame.drop(ROW) if "row" in frame.columns else frame.rename({ROW: "row"})
    return frame.select(canonical_order(frame.columns))
