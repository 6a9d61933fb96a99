"""`isoglot compare`: laws against each other on held-out scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.display import print_json, print_table, progress
from isoglot.cli.fit import (
    ByOption,
    FixedOption,
    ObjectiveOption,
    PoolByOption,
    PoolOption,
    SeedOption,
    grouping,
    numbers,
    pooling,
    pooling_by,
)
from isoglot.cli.table_options import (
    ColumnsOption,
    DuplicatesOption,
    GroupsOption,
    JsonOption,
    LossUnitOption,
    ParamsConventionOption,
    TableArgument,
    WhereOption,
    load_runs,
)

if TYPE_CHECKING:
    from isoglot.fit.compare import Comparison


def compare_command(
    file: TableArgument,
    law: Annotated[
        list[str] | None, typer.Option("--law", metavar="LAW", help="A law to compare. Repeatable.")
    ] = None,
    holdout: Annotated[
        list[str] | None,
        typer.Option(
            "--holdout",
            metavar="NAME",
            help="compute, N, D, mixture, language, random, R2, R2(D), R2(N), R2(C), R2(M). Repeatable.",
        ),
    ] = None,
    by: ByOption = None,
    pool: PoolOption = "none",
    pool_by: PoolByOption = None,
    objective: ObjectiveOption = "huber",
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=0, help="Draws behind the coverage of 90 % intervals.")
    ] = 200,
    seed: SeedOption = 0,
    fixed: FixedOption = None,
    no_baselines: Annotated[
        bool, typer.Option("--no-baselines", help="Leave out Chinchilla on total and target tokens.")
    ] = False,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Fit laws to one part of the runs, score them on the other: error, bias, R2, coverage."""
    from isoglot.fit.compare import compare

    with progress() as say:
        say("reading runs")
        runs = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
        result = compare(
            runs,
            law or ["chinchilla"],
            holdout or ["compute", "N", "D"],
            by=grouping(by, runs),
            pool=pooling(pool),
            pool_by=pooling_by(pool_by),
            objective=objective,
            bootstrap=bootstrap,
            seed=seed,
            fixed=numbers(fixed),
            baselines=not no_baselines,
            progress=say,
        )
    if as_json:
        print_json(result.to_dict())
        return
    print_scores(f"Held-out error of {runs.source}", result)
    for note in result.notes:
        typer.echo(f"note: {note}")
    typer.echo("\nerror = mean |predicted / observed - 1|; compare laws inside one hold-out, never across.")


def print_scores(title: str, result: Comparison) -> None:
    """Print the scores of a comparison."""
    names = ["hold-out", "law", "error", "bias", "R2", "coverage of 90%", "parameters"]
    names += ["predicted", "not predicted", "fits", "seconds"]
    print_table(title, names, [_cells(row) for row in result.frame.to_dicts()], left=2)


def _cells(row: dict[str, Any]) -> list[str]:
    def percent(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.2%}"

    return [
        row["holdout"],
        row["law"],
        percent(row["mre"]),
        percent(row["bias"], "+"),
        "-" if row["r2"] is None else f"{row['r2']:.3f}",
        "-" if row["coverage"] is None else f"{row['coverage']:.0%}",
        str(row["parameters"]),
        str(row["predicted"]),
        str(row["unpredicted"]),
        row["fits"],
        f"{row['seconds']:.1f}",
    ]
