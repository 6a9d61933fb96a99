"""`isoglot runs import`: the log of another program, or a folder of isoglot's own, as a run table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.runs_display import console_of_runs, print_account
from isoglot.cli.table_options import (
    ColumnsOption,
    DuplicatesOption,
    GroupsOption,
    JsonOption,
    LossUnitOption,
    ParamsConventionOption,
    WhereOption,
    groups_of,
    pairs_of,
    where_of,
)
from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.runs import CheckReport, SourceColumn


def import_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="File or folder; see --format.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="TABLE", help="Run table to write: .parquet .csv .jsonl")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="wandb, mlflow, trainer, sweep or runs; else told from the files.",
        ),
    ] = None,
    show_columns: Annotated[
        bool, typer.Option("--show-columns", help="Print the source's columns with an example, and stop.")
    ] = False,
    columns: ColumnsOption = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            metavar="CHOICE",
            help="last: the last evaluation of each run and language (default for trackers); all: every one "
            "(default for sweep and runs).",
        ),
    ] = None,
    fill: Annotated[
        list[str] | None,
        typer.Option(
            "--fill", metavar="COLUMN", help="Carry a source column's last value on in its run. Repeatable."
        ),
    ] = None,
    join: Annotated[
        Path | None,
        typer.Option("--join", metavar="FILE", help="Table with a column run that adds columns to the runs."),
    ] = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    max_cells: Annotated[
        int | None,
        typer.Option("--max-cells", min=1, help="Largest number of cells (rows times columns) to load."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a run table of a W&B export, an MLflow store, Trainer states, a sweep or a folder of runs."""
    from isoglot.runs import check_import, source_columns
    from isoglot.runs.size_limit import DEFAULT_MAX_CELLS
    from isoglot.runs.write import refuse_overwriting

    mapping, limit = pairs_of("--columns", columns), max_cells or DEFAULT_MAX_CELLS
    if show_columns:
        kind, listed = source_columns(
            source, format=format, columns=mapping, fill=fill or (), join=join, max_cells=limit
        )
        _print_columns(source, kind, listed, as_json)
        return
    if to is None:
        raise InputError(
            "runs import needs --to TABLE.parquet, or --show-columns to look at the source first"
        )
    refuse_overwriting(to, source, *([join] if join else []))
    report = check_import(
        source,
        format=format,
        columns=mapping,
        steps=steps,
        fill=fill or (),
        join=join,
        groups=groups_of(groups),
        loss_unit=loss_unit,
        params_convention=params_convention,
        where=where_of(where),
        duplicates=duplicates,
        max_cells=limit,
    )
    if report.runs is not None:
        report.runs.write(to)
    _print(report, source, to, as_json)
    if not report.ok:
        raise typer.Exit(2)


def _print(report: CheckReport, source: str, to: Path, as_json: bool) -> None:
    runs = report.runs
    account = None if runs is None else runs.summary()["report"]
    if as_json:
        from dataclasses import asdict

        problems = [asdict(problem) for problem in report.problems]
        rows = None if runs is None else runs.num_rows
        told = {"ok": report.ok, "to": str(to), "rows": rows, "problems": problems, "report": account}
        typer.echo(json.dumps(told, indent=2))
        return
    console = console_of_runs()
    for problem in report.problems:
        console.print(f"problem  {problem.message}", style="red")
    if runs is None:
        noun = "problem" if report.num_problems == 1 else "problems"
        console.print(f"{report.num_problems} {noun}; {to} was not written", style="bold")
        return
    console.print(f"{source} -> {to}", style="bold")
    console.print(
        f"  {runs.num_rows} rows of {runs.num_runs} runs, languages {', '.join(runs.languages)}; "
        f"loss in {runs.loss_unit}, params counted as {runs.params_convention}"
    )
    assert isinstance(account, dict)
    print_account(console, account)


def _print_columns(source: str, kind: str, listed: list[SourceColumn], as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps({"format": kind, "columns": [asdict(column) for column in listed]}, indent=2))
        return
    console = console_of_runs()
    console.print(f"{source}: {kind}, {len(listed)} columns", style="bold")
    width = max(len(column.name) for column in listed)
    for column in listed:
        guess = f"  read as {column.guess}" if column.guess else ""
        console.print(f"  {column.name:<{width}}  {column.filled:>7} values, such as {column.example}{guess}")
    console.print("map them with --columns NAME=COLUMN; NAME is one of params, tokens, loss, share.*, ...")
