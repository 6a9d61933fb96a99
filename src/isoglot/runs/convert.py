"""Raw cells to typed columns: those of the run table by the schema, extra ones by what they hold."""

from __future__ import annotations

import polars as pl

from isoglot.runs.columns import ColumnPlan
from isoglot.runs.ledger import Ledger
from isoglot.runs.schema import FREE, MELTED, ROW, WORDS, family_of, number_rule
from isoglot.runs.typed_column import number_column, report_cells, text_column, type_name


def convert(frame: pl.DataFrame, plan: ColumnPlan, typed: bool, signed: bool, ledger: Ledger) -> pl.DataFrame:
    """Give every column its type; bad cells become null and their rows are rejected in the ledger.

    `signed` says that a loss may be zero or negative.
    """
    rows = frame[ROW]
    columns = [rows]
    for name, source in plan.origins.items():
        rule = number_rule(name, signed)
        if rule is not None:
            # A wide table has no other way to say that an evaluation was not made.
            absent = (family_of(name) or ("",))[0] in MELTED
            columns.append(number_column(frame[name], rows, source, rule, ledger, nan_is_missing=absent))
        elif name not in FREE:
            columns.append(text_column(frame[name], rows, source, ledger))
    for name in WORDS:
        if name in plan.origins:
            _check_words(name, columns, rows, plan.origin(name), ledger)
    for name in [*(name for name in plan.origins if name in FREE), *plan.extras]:
        extra = _extra(frame[name], typed)
        if name == "row" and not _are_row_numbers(extra):
            message = "source column 'row' holds no row numbers and is not kept"
            ledger.note("warnings", "clash", message, 1)
        elif extra is None:
            message = f"source column '{name}' holds {type_name(frame[name])} values and is not kept"
            ledger.note("warnings", "extra_type", message, 1)
        else:
            columns.append(extra)
    return pl.DataFrame(columns)


def _are_row_numbers(extra: pl.Series | None) -> bool:
    """A table written by this package carries the row of its own source; any other `row` would mislead."""
    if extra is None or extra.dtype != pl.Int64 or extra.null_count():
        return False
    return bool((extra >= 1).all())


def _check_words(name: str, columns: list[pl.Series], rows: pl.Series, source: str, ledger: Ledger) -> None:
    words = next(column for column in columns if column.name == name)
    unknown = words.is_not_null() & ~words.is_in(list(WORDS[name]))
    clause = f"{{value}} is not one of {', '.join(WORDS[name])}"
    report_cells(unknown, words, rows, source, "not_allowed", clause, ledger)


def _extra(raw: pl.Series, typed: bool) -> pl.Series | None:
    """Return an extra column as whole numbers, numbers, truth values or text; None when it is none."""
    dtype = raw.dtype
    if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
        return None
    if dtype.is_integer():
        fits = raw.cast(pl.Int64, strict=False)
        return fits if fits.null_count() == raw.null_count() else raw.cast(pl.String)
    if dtype.is_numeric():
        return raw.cast(pl.Float64).fill_nan(None)
    if dtype == pl.Boolean:
        return raw
    text = raw.cast(pl.String)
    return text if typed else infer(text)


def infer(text: pl.Series) -> pl.Series:
    """Return a column of text as whole numbers, numbers or truth values where all its cells look like them.

    A whole number beyond 64 bits, or beside fractions beyond what a float holds exactly, leaves the column text.

    >>> infer(pl.Series(["1700000000123456789", None])).to_list(), infer(pl.Series(["9" * 19])).dtype
    ([1700000000123456789, None], String)
    """
    given = text.drop_nulls()
    if given.is_empty():
        return text
    whole = given.filter(given.str.contains(r"^-?(0|[1-9]\d*)$"))
    exact = whole.cast(pl.Int64, strict=False)
    if exact.null_count():
        return text
    if len(whole) == len(given):
        return text.cast(pl.Int64)
    # 007 is a label, not the number 7.
    numbers = text.cast(pl.Float64, strict=False)
    labels = (
        given.str.contains(r"^[+-]?0\d").any()
        or (exact.cast(pl.Float64).cast(pl.Int64, strict=False) != exact).any()
    )
    if numbers.null_count() == text.null_count() and not labels:
        return numbers.fill_nan(None)
    lower = text.str.to_lowercase()
    if lower.drop_nulls().is_in(["true", "false"]).all():
        return lower == "true"
    return text
