"""`isoglot share-exponent`: gamma(p) of mixture runs beside the null of the language's own tokens."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from isoglot.cli.display import number, print_json, print_table, progress
from isoglot.cli.predict import load
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
    pairs_of,
)


def share_exponent_command(
    file: TableArgument,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="LANGUAGE=LANGUAGE",
            help="Take the runs at share 1 of another language. Repeatable.",
        ),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option("--curve", metavar="FIT", help="Monolingual curve: a saved fit. Default: fitted here."),
    ] = None,
    noise: Annotated[
        float | None, typer.Option("--noise", help="Standard deviation of ln loss between seeds.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="ln N and ln D within this are the same.")
    ] = 0.02,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """How fast loss grows as a language's share falls: constant (MSL), own tokens, transfer or interference."""
    from isoglot.fit.share_exponent import share_exponent
    from isoglot.runs.labels import read_label

    with progress() as say:
        say("reading runs")
        runs = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
        pairs = pairs_of("--reference", reference)
        say("gamma")
        found = share_exponent(
            runs,
            reference={read_label(one): read_label(other) for one, other in pairs.items()},
            curve=None if curve is None else load(curve),
            noise=noise,
            tolerance=tolerance,
        ).to_dict()
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    for reason, count in found["left_out"].items():
        typer.echo(f"left out: {count} rows, {reason}")
    typer.echo(f"noise: {found['noise_source']}\n")
    names = ["language", "N", "D", "share", "gamma", "se", "null", "reads as", ""]
    rows = [
        [
            row["language"],
            number(row["N"], 3),
            number(row["D"], 4),
            number(row["p"], 3),
            f"{row['gamma']:.4f}",
            _four(row["se"]),
            _four(row["gamma_null"]),
            row["against_null"] or "-",
            row["flag"],
        ]
        for row in sorted(found["rows"], key=lambda row: (row["language"], row["N"], row["D"], row["p"]))
    ]
    print_table(f"gamma(p) on {found['source']}", names, rows)
    names = ["language", "rows", "gamma", "se", "slope in ln(1/p)", "in ln D", "in ln N", "verdict"]
    rows = [
        [
            row["language"],
            str(row["rows"]),
            f"{row['gamma']:.4f}",
            *(_four(row[name]) for name in ("se", "slope_depth", "slope_D", "slope_N")),
            row["verdict"],
        ]
        for row in found["summary"]
    ]
    print_table("Summary, weighted by ln(1/p)^2, shares below 0.9", names, rows)
    typer.echo("\nA constant gamma is no proof that nothing interacts: compare it with the null.")


def _four(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
