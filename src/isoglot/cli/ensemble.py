"""`isoglot ensemble`: several laws weighted by their held-out predictions, saved as one fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isoglot.cli.display import print_json, print_table, progress
from isoglot.cli.fit import (
    BootstrapOption,
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


def ensemble_command(
    file: TableArgument,
    law: Annotated[
        list[str] | None, typer.Option("--law", metavar="LAW", help="A member. Repeatable; two at least.")
    ] = None,
    holdout: Annotated[
        str, typer.Option("--holdout", metavar="NAME", help="What the weights are scored on (compute).")
    ] = "compute",
    by: ByOption = None,
    pool: PoolOption = "none",
    pool_by: PoolByOption = None,
    objective: ObjectiveOption = "huber",
    bootstrap: BootstrapOption = 1000,
    seed: SeedOption = 0,
    fixed: FixedOption = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the ensemble for predict and plan.")
    ] = None,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Weigh laws by how they predict held-out scale; the result is one fit whose intervals hold form uncertainty."""
    from isoglot.fit.ensemble import DEFAULT_LAWS, ensemble

    with progress() as say:
        say("reading runs")
        runs = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
        fitted = ensemble(
            runs,
            law or DEFAULT_LAWS,
            holdout=holdout,
            by=grouping(by, runs),
            pool=pooling(pool),
            pool_by=pooling_by(pool_by),
            objective=objective,
            bootstrap=bootstrap,
            seed=seed,
            fixed=numbers(fixed) or None,
            progress=say,
        )
        if save is not None:
            fitted.save(save)
    found = {
        "members": fitted.spec.options["members"].split("+"),
        "weights": member_weights(fitted),
        "status": fitted.status,
        "groups": list(fitted.groups),
        "rows": fitted.num_rows,
        "findings": [finding.message for finding in fitted.diagnostics],
        "saved": None if save is None else str(save),
    }
    print_json(found) if as_json else print_ensemble(found, runs.source)


def member_weights(fitted: Any) -> list[float]:
    """Weight of each member, in order."""
    first = fitted.params[fitted.groups[0]] if fitted.by else fitted.params
    return [value for key, value in first.items() if key.partition("[")[0] == "weight"]


def print_ensemble(found: dict[str, Any], source: str) -> None:
    """Print weights and findings."""
    rows = [[name, f"{w:.2f}"] for name, w in zip(found["members"], found["weights"], strict=True)]
    print_table(f"Ensemble on {source} ({found['status']}, {found['rows']} rows)", ["law", "weight"], rows)
    for message in found["findings"][1:]:
        typer.echo(f"  {message}")
    if found["saved"]:
        typer.echo(f"\nsaved to {found['saved']}: use it with isoglot predict and isoglot plan --fit")
