"""`isoglot runs export`: write a run table for another program, or read one again without its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isoglot.cli.table_options import (
    ColumnsOption,
    DuplicatesOption,
    GroupsOption,
    LossUnitOption,
    ParamsConventionOption,
    TableArgument,
    WhereOption,
    load_runs,
)


def export_command(
    file: TableArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="File to write: .csv .parquet .jsonl")],
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
) -> None:
    """Write a run table as CSV, Parquet or JSON lines, by the extension (columns: docs/run-table.md)."""
    runs = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
    runs.write(to)
    typer.echo(
        f"{to}: {runs.num_rows} rows of {runs.num_runs} runs, {runs.frame.width + 2} columns, "
        f"loss in {runs.loss_unit}, params counted as {runs.params_convention}"
    )
