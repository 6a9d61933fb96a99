"""`Harvest`: what a reader found in a source, before any column has a meaning.

A tracker logs values one by one, often several times a step. `Points` puts them together, one row a
(run, step), and counts what was logged twice and what a run that went back to an earlier step has abandoned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from isoglot.runs.ledger import listed
from isoglot.runs.report import Note


class Excluded(NamedTuple):
    """Rows that the source itself marks as removed: those whose ``column`` holds ``value``."""

    column: str
    value: str
    message: str


class Unfinished(NamedTuple):
    """Runs that the source marks as not finished: those whose ``column`` holds one of ``values``, in any case."""

    column: str
    values: tuple[str, ...]
    message: str


class Logged(NamedTuple):
    """How the rows of a log are taken: which steps are wanted, and what the source says of its runs.

    ``run`` is the column that tells the source's runs apart, whatever column names them in the run table;
    ``own`` says that the rows are those of a run table already.
    """

    steps: str
    run: str | None = None
    own: bool = False
    excluded: Excluded | None = None
    unfinished: Unfinished | None = None


@dataclass(frozen=True)
class Harvest:
    """Rows of a source, and what its format defines.

    ``guesses`` maps columns of the run table to the source's columns where the format leaves no doubt (the
    run, the step); ``doubt`` says why the loss is not among them. ``per_run`` holds the columns that have one
    value a run. ``loss_unit`` is the unit that the format fixes for the columns of the pattern ``losses``;
    ``own`` says that the rows are already run-table rows; ``notes`` pairs a kind of the report with a note.
    """

    rows: list[dict[str, object]]
    guesses: dict[str, str]
    per_run: dict[str, dict[str, object]] = field(default_factory=dict)
    loss_unit: str | None = None
    losses: str = ""
    doubt: str = ""
    own: bool = False
    excluded: Excluded | None = None
    unfinished: Unfinished | None = None
    notes: tuple[tuple[str, Note], ...] = ()

    @property
    def run(self) -> str | None:
        """The column that tells the source's runs apart, if there is one."""
        return "run" if self.own else self.guesses.get("run")


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
    abandoned: dict[str, int] = field(default_factory=dict)
    _reached: dict[str, float] = field(default_factory=dict)

    def reach(self, run: str, step: float) -> None:
        """Say at which step the log of a run is now; a step before the last one goes back."""
        if step < self._reached.get(run, step):
            self.go_back(run, step)
        self._reached[run] = step

    def go_back(self, run: str, step: float) -> None:
        """Leave out what the run has logged at later steps: it was restarted, and those steps were done again.

        >>> points = Points("run", "step")
        >>> for step in (500, 1500, 700):
        ...     points.reach("a", step)
        ...     points.log("a", step, "loss", step / 100)
        >>> [row["step"] for row in points.rows()], points.abandoned
        ([500, 700], {'a': 1})
        """
        steps = self.runs.get(run, {})
        for later in [at for at in steps if at > step]:
            self.abandoned[run] = self.abandoned.get(run, 0) + len(steps.pop(later))

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
        left = (
            "logged values are left out, because their run went back to an earlier step after them and did "
            f"those steps again: {listed(list(self.abandoned))}"
        )
        notes = [
            Note("logged_again", again, self.replaced),
            Note("clash", clash, self.clashing),
            Note("abandoned", left, sum(self.abandoned.values())),
        ]
        return [("warnings", note) for note in notes if note.count]
