"""`isoglot runs`: look at a run table before anything is fitted to it, and bring one in or out.

The commands print what `isoglot.runs` returns and compute nothing. Polars and Rich are imported when a
command runs, so that `--help` stays instant.
"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from isoglot.cli.runs_display import cell, console_of_runs, print_summary
from isoglot.cli.runs_export import export_command
from isoglot.cli.runs_import import import_command
from isoglot.cli.table_options import (
    ColumnsOption,
    DuplicatesOption,
    GroupsOption,
    JsonOption,
    LossUnitOption,
    ParamsConventionOption,
    TableArgument,
    WhereOption,
    check_table,
    load_runs,
)

app = typer.Typer(no_args_is_help=True, help="Check, show, import and export run tables.")
app.command("import")(import_command)
app.command("export")(export_command)


@app.callback()
def runs() -> None:
    """Check, show, import and export run tables."""


@app.command()
def check(
    file: TableArgument,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Report what a run table holds, and every problem in it (exit code 2 if there is one)."""
    report = check_table(file, columns, groups, where, loss_unit, params_convention, duplicates)
    summary = None if report.runs is None else report.runs.summary()
    if as_json:
        from dataclasses import asdict

        problems = [asdict(problem) for problem in report.problems]
        typer.echo(json.dumps({"ok": report.ok, "problems": problems, "summary": summary}, indent=2))
    else:
        console = console_of_runs()
        if summary is not None:
            print_summary(console, summary)
        for problem in report.problems:
            console.print(f"problem  {problem.message}", style="red")
        if report.problems:
            noun = "problem" if report.num_problems == 1 else "problems"
            console.print(f"{report.num_problems} {noun}; the table cannot be used as it is", style="bold")
        else:
            console.print("no problems", style="bold green")
    if not report.ok:
        raise typer.Exit(2)


@app.command()
def show(
    file: TableArgument,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    rows: Annotated[int, typer.Option("--rows", min=0, help="Rows to print; 0 prints all.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Print the rows of a run table as isoglot reads them."""
    table = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
    frame = table.frame.head(rows) if rows else table.frame
    if as_json:
        # Polars writes what JSON cannot hold (an infinite extra) as null.
        rows_as_json = [json.loads(line) for line in frame.write_ndjson().split("\n") if line]
        head = {
            "source": table.source,
            "loss_unit": table.loss_unit,
            "params_convention": table.params_convention,
        }
        typer.echo(json.dumps({**head, "num_rows": table.num_rows, "rows": rows_as_json}, indent=2))
        return
    from rich.table import Table

    console = console_of_runs()
    printed = Table(title=f"{table.source}: {table.num_rows} rows, loss in {table.loss_unit}")
    for name, dtype in frame.schema.items():
        printed.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        printed.add_row(*(cell(value) for value in row))
    console.print(printed)
    if frame.height < table.num_rows:
        console.print(f"{table.num_rows - frame.height} more rows; --rows 0 prints all")
