"""`isoglot frontier`: compute-optimal N(C) and D(C) by one of the three classical approaches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from isoglot.cli.display import interval, number, print_json, print_table, progress
from isoglot.cli.fit import LevelOption, SeedOption
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

MANY = 30


def frontier_command(
    file: TableArgument,
    approach: Annotated[
        int,
        typer.Option(
            "--approach", min=1, max=3, help="1 learning curves, 2 isoFLOP minima, 3 fitted surface."
        ),
    ] = 3,
    budget: Annotated[
        list[float] | None,
        typer.Option("--budget", metavar="FLOPS", help="Print N and D at this budget. Repeatable."),
    ] = None,
    last: Annotated[
        float, typer.Option("--last", help="Approach 1: use this last fraction of each run.")
    ] = 1.0,
    curve: Annotated[
        str, typer.Option("--curve", metavar="NAME", help="Approach 2: parabola or akima.")
    ] = "parabola",
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Approach 2: runs within this of ln C form one budget.")
    ] = 0.1,
    flops: Annotated[
        str,
        typer.Option(
            "--flops",
            metavar="table|6nd|exact",
            help="How C is counted: as the table does, 6 N D, or its column flops_exact.",
        ),
    ] = "table",
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Cluster-bootstrap draws.")] = 500,
    seed: SeedOption = 0,
    level: LevelOption = 0.9,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Compute-optimal size and tokens as power laws of C, with intervals, from runs of one language."""
    from isoglot.fit.frontier import frontier

    with progress() as say:
        say("reading runs")
        runs = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
        say(f"approach {approach}")
        found = frontier(
            runs,
            approach,  # type: ignore[arg-type]
            last=last,
            curve=curve,  # type: ignore[arg-type]
            tolerance=tolerance,
            flops=flops,  # type: ignore[arg-type]
            bootstrap=bootstrap,
            seed=seed,
        )
        data = found.to_dict(level)
        data["budgets"] = [found.at(each, level).to_dict() for each in budget or ()]
    if as_json:
        print_json(data)
    else:
        _print(data)


def _print(data: dict[str, Any]) -> None:
    typer.echo(
        f"approach {data['approach']} on {data['source']}, N {data['params_convention']}, "
        f"C {data['flops_convention']} ({data['flops_source']})"
    )
    for reason, count in data["left_out"].items():
        typer.echo(f"left out: {count}, {reason}")
    if data["draws_lost"]:
        typer.echo(f"left out: {data['draws_lost']} of {data['draws']} draws, in which no frontier was left")
    title = "N = params_coefficient C^a, D = tokens_coefficient C^b"
    names = ["", "value", f"{data['level']:.0%} bootstrap interval"]
    rows = [[name, number(data[name], 5), _ends(ends)] for name, ends in data["intervals"].items()]
    print_table(title, names, rows)
    if 0 < len(data["points"]) <= MANY:
        _print_points(data["points"])
    if data["budgets"]:
        rows = [
            [
                number(at["flops"]),
                f"{number(at['params'])} ({_ends(at['params_interval'])})",
                f"{number(at['tokens'])} ({_ends(at['tokens_interval'])})",
                at["outside"],
            ]
            for at in data["budgets"]
        ]
        print_table("At the budget", ["C", "N", "D", ""], rows, left=0)
    for warning in data["warnings"]:
        typer.echo(f"warning: {warning}")


def _print_points(points: list[dict[str, Any]]) -> None:
    rows = [
        [
            *(
                "-" if point[name] is None else number(point[name])
                for name in ("flops", "params", "tokens", "loss")
            ),
            str(point.get("runs", "")),
            point.get("reason", "") or "used",
        ]
        for point in points
    ]
    print_table("Minima", ["C", "N", "D", "loss", "runs", ""], rows, left=0)


def _ends(ends: tuple[float, float] | None) -> str:
    return "no interval" if ends is None else interval(*ends)
