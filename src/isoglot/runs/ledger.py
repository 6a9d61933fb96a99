"""The one mutable object of an import: it collects problems and notes while the steps run.

A step never raises for bad data: it tells the ledger, which words the place (`file, row 12 (line 13), column
'loss'`), remembers the row as rejected, and lets the remaining steps go on with the rows that are sound, so
that one pass finds every problem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from isoglot.core.errors import RunTableError
from isoglot.runs.report import ImportReport, Note, Problem
from isoglot.runs.schema import ROW

# A series of the same problem is listed cell by cell up to here, then counted.
LISTED = 100

Clause = Callable[[object], str]


def show(value: object) -> str:
    """Word a cell for a message: numbers short, text quoted and cut to 40 characters.

    >>> show(1234567.0), show("1e9 tokens"), show(None)
    ('1234567', "'1e9 tokens'", 'empty')
    """
    if value is None:
        return "empty"
    if isinstance(value, float):
        return f"{value:.10g}"
    text = str(value)
    return repr(text if len(text) <= 40 else text[:39] + "…") if isinstance(value, str) else text[:40]


def listed(names: Sequence[str], limit: int = 12) -> str:
    """Word the first names of a list, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    named = ", ".join(names[:limit])
    return named if len(names) <= limit else f"{named} and {len(names) - limit} more"


@dataclass
class Ledger:
    """Problems and notes of one import.

    ``lines`` maps a row to its line where the source has lines, ``labels`` to its run and step where the rows
    were put together from a log.
    """

    name: str
    lines: np.ndarray | None = None
    labels: Sequence[str] | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: dict[str, list[Note]] = field(default_factory=dict)
    rejected: list[pl.Series] = field(default_factory=list)

    def place(self, row: int) -> str:
        """Name a row as the user sees it: `runs.csv, row 12 (line 13)`."""
        if self.labels is not None and 1 <= row <= len(self.labels):
            return f"{self.name}, {self.labels[row - 1]}"
        if self.lines is None or not 1 <= row <= len(self.lines):
            return f"{self.name}, row {row}"
        return f"{self.name}, row {row} (line {int(self.lines[row - 1])})"

    def problem(
        self,
        message: str,
        code: str,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
        count: int = 1,
    ) -> None:
        """Record a problem whose sentence is complete."""
        text = None if value is None else show(value)
        self.problems.append(Problem(message, code, row, column, text, count))

    def cells(self, bad: pl.DataFrame, column: str, code: str, clause: Clause) -> None:
        """Record one problem a row of ``bad`` (columns ROW and ``value``) and reject those rows."""
        if bad.is_empty():
            return
        self.rejected.append(bad[ROW])
        for row, value in bad.head(LISTED).select(ROW, "value").iter_rows():
            message = f"{self.place(row)}, column '{column}': {clause(value)}"
            self.problem(message, code, row, column, value)
        self._count_further(bad, f", column '{column}'", code, column)

    def rows(self, bad: pl.DataFrame, code: str, sentence: Callable[[dict[str, object]], str]) -> None:
        """Record one problem a row of ``bad`` whose clause needs several columns, and reject those rows."""
        if bad.is_empty():
            return
        self.rejected.append(bad[ROW])
        for record in bad.head(LISTED).iter_rows(named=True):
            row = int(record[ROW])
            self.problem(f"{self.place(row)}: {sentence(record)}", code, row)
        self._count_further(bad, "", code, None)

    def _count_further(self, bad: pl.DataFrame, where: str, code: str, column: str | None) -> None:
        further = bad.height - LISTED
        if further > 0:
            message = f"{self.name}{where}: {further} further rows have the problem of row {bad[ROW][0]}"
            self.problems.append(Problem(message, code, None, column, None, further))

    def note(self, kind: str, code: str, message: str, count: int) -> None:
        """Record a note (assumptions, derived, left_out or warnings) when it counts anything."""
        if count > 0:
            self.notes.setdefault(kind, []).append(Note(code, message, count))

    def take_over(self, other: Ledger) -> None:
        """Add the problems and notes of a ledger that was kept for a further file."""
        self.problems += other.problems
        for kind, notes in other.notes.items():
            for note in notes:
                self.note(kind, note.code, f"{other.name}: {note.message}", note.count)

    def sound(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that no problem has rejected."""
        if not self.rejected:
            return frame
        return frame.filter(~pl.col(ROW).is_in(pl.concat(self.rejected).unique().implode()))

    def stop(self, message: str, code: str, column: str | None = None, row: int | None = None) -> Stop:
        """Record a problem that nothing can follow; raise the result."""
        self.problem(message, code, row, column)
        return Stop(message)

    def report(self, source_rows: int, rows_in: int, rows_merged: int) -> ImportReport:
        """Freeze the notes into a report."""
        kinds = {
            kind: tuple(self.notes.get(kind, ()))
            for kind in ("assumptions", "derived", "left_out", "warnings")
        }
        return ImportReport(**kinds, source_rows=source_rows, rows_in=rows_in, rows_merged=rows_merged)


class Stop(Exception):
    """An import cannot go on; its problem is already in the ledger. Never leaves this package."""


def refuse(problems: list[Problem] | tuple[Problem, ...], source: str) -> RunTableError:
    """Word the first problem as an error, and count the others."""
    further = sum(problem.count for problem in problems) - 1
    if not further:
        return RunTableError(problems[0].message)
    plural = "problem" if further == 1 else "problems"
    return RunTableError(
        f"{problems[0].message} (and {further} more {plural}; run `isoglot runs check {source}`)"
    )
