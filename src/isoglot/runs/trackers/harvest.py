"""`Harvest`: what a reader found in a source, before any column has a meaning.

A tracker logs values one by one, often several times a step. `Points` puts them together, one row a
(run, step), and counts what was logged twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from isoglot.runs.report import Note


class Excluded(NamedTuple):
    """Rows that the source itself marks as removed: those whose ``column`` holds ``value``."""

    column: str
    value: str
    message: str


@dataclass(frozen=True)
class Harvest:
    """Rows of a source, and what its format defines.

    ``guesses`` maps columns of the run table to the source's columns where the format leaves no doubt (the
    run, the step). ``loss_unit`` is the unit that the format fixes for the columns of the pattern ``losses``;
    ``own`` says that the rows are already run-table rows; ``notes`` pairs a kind of the report with a note.
    """

    rows: list[dict[str, object]]
    guesses: dict[str, str]
    loss_unit: str | None = None
    losses: str = ""
    own: bool = False
    excluded: Excluded | None = None
    notes: tuple[tuple[str, Note], ...] = ()


@dataclass
class Points:
    """Logged values gathered by (run, step); a later value of the same column and step replaces the earlier.

    >>> points = Points("run", "step")
    >>> points.log("a", 2, "loss", 3.0)
    >>> points.log("a", 1, "loss", 4.0)
    >>> points.log("a", 2, "loss", 3.5)
    >>> list(points.rows()), points.replaced
    ([{'run': 'a', 'step': 1, 'loss': 4.0}, {'run': 'a', 'step': 2, 'loss': 3.5}], 1)
    """

    run_column: str
    step_column: str
    runs: dict[str, dict[float, dict[str, object]]] = field(default_factory=dict)
    replaced: int = 0
    clashing: int = 0

    def log(self, run: str, step: float, column: str, value: object) -> None:
        """Add one value; a column named as that of the run or of the step is counted and not kept."""
        row = self.runs.setdefault(run, {}).setdefault(step, {})
        if column in (self.run_column, self.step_column):
            self.clashing += 1
            return
        if column in row and repr(row[column]) != repr(value):
            self.replaced += 1
        row[column] = value

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield the rows, runs in order of appearance, steps rising."""
        for run, steps in self.runs.items():
            for step in sorted(steps):
                yield {self.run_column: run, self.step_column: step, **steps[step]}

    def notes(self) -> list[tuple[str, Note]]:
        """Return the notes on values that were not kept."""
        again = "values that another value of the same run, step and column replaced"
        clash = (
            f"logged values named '{self.run_column}' or '{self.step_column}', as the run and the step are"
        )
        notes = [Note("logged_again", again, self.replaced), Note("clash", clash, self.clashing)]
        return [("warnings", note) for note in notes if note.count]
