"""Which compute a frontier is drawn against: one convention for all rows that are compared, and its name.

table   the column flops, in the convention that flops_convention names
6nd     6 N D of each row, whatever the table counts
exact   the column flops_exact: every matrix product, attention and head included
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.runs import Runs

FlopsChoice = Literal["table", "6nd", "exact"]
FLOPS_CHOICES: tuple[str, ...] = get_args(FlopsChoice)
# Columns written with few digits are 6 N D all the same.
ROUNDED = 1e-3


@dataclass(frozen=True)
class Counted:
    """How compute was counted: the convention (`unknown` where nothing says it), and where the numbers are from."""

    convention: str
    source: str


def counted(runs: Runs, choice: FlopsChoice) -> tuple[Runs, Counted]:
    """The runs with the chosen compute in their column flops, and what it is.

    Raises InputError for another choice, rows that count in several conventions (none beside a named one included),
    and rows without an exact count.

    >>> from isoglot.runs import read_runs
    >>> runs = read_runs({"params": [1e8], "tokens": [2e9], "loss": [3.1]})
    >>> counted(runs, "table")[1]
    Counted(convention='6nd', source='6 * params * tokens, since the table has no flops')
    """
    if choice not in FLOPS_CHOICES:
        raise InputError(
            f"frontier: flops={choice!r} is unknown{nearest(str(choice), FLOPS_CHOICES)}; use table, 6nd or exact"
        )
    if choice == "6nd":
        return _with(runs, 6 * pl.col("params") * pl.col("tokens")), Counted("6nd", "6 * params * tokens")
    if choice == "exact":
        _require_exact(runs)
        return _with(runs, pl.col("flops_exact")), Counted("exact", "column flops_exact")
    return runs, Counted(_stated(runs), _origin(runs))


def _with(runs: Runs, flops: pl.Expr) -> Runs:
    return replace(runs, frame=runs.frame.with_columns(flops.alias("flops")))


def _stated(runs: Runs) -> str:
    """The one convention of the column flops, by its name or since it is 6 N D."""
    frame = runs.frame
    if "flops_convention" in frame.columns:
        parts = frame.partition_by("flops_convention", maintain_order=True)
        if len(parts) > 1:
            where = [f"as {_word(part)} in {_first(part)}" for part in parts]
            raise InputError(
                f"frontier: {runs.source} counts flops in {len(parts)} conventions, {', '.join(where)}; keep the rows of "
                "one (where flops_convention=NAME), or count all alike with flops=6nd or flops=exact"
            )
        if frame["flops_convention"][0] is not None:
            return str(frame["flops_convention"][0])
    product = 6 * frame["params"].to_numpy() * frame["tokens"].to_numpy()
    return "6nd" if np.allclose(frame["flops"].to_numpy(), product, rtol=ROUNDED, atol=0) else "unknown"


def _origin(runs: Runs) -> str:
    derived = sum(note.count for note in runs.report.derived if note.code == "flops")
    if not derived:
        return "column flops"
    # Rows that were left out since are no longer told apart: the count is that of the import.
    return (
        "6 * params * tokens, since the table has no flops"
        if derived >= runs.num_rows
        else "column flops, and 6 * params * tokens where it is empty"
    )


def _require_exact(runs: Runs) -> None:
    frame = runs.frame
    if "flops_exact" not in frame.columns:
        raise InputError(
            f"frontier: {runs.source} has no column flops_exact; use flops=6nd, or map one with "
            "columns={'flops_exact': ...}"
        )
    missing = frame.filter(pl.col("flops_exact").is_null())
    if missing.height:
        raise InputError(
            f"frontier: {runs.source} has no flops_exact in {missing.height} of {frame.height} rows, those of "
            f"{missing['run'].n_unique()} runs from {_first(missing)} on; leave them out, or use flops=6nd"
        )


def _word(part: pl.DataFrame) -> str:
    return part["flops_convention"][0] or "none that is named"


def _first(part: pl.DataFrame) -> str:
    """Name the first run of some rows, its row, and how many runs follow."""
    further = part["run"].n_unique() - 1
    return f"run {part['run'][0]} (row {part['row'][0]})" + (f" and {further} more" if further else "")
