"""`isoglot fit`: fit a law to a run table and print it with intervals, status and findings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.display import interval, number, print_json, print_table, progress
from isoglot.cli.table_options import (
    ColumnsOption,
    DuplicatesOption,
    GroupsOption,
    JsonOption,
    LossUnitOption,
    ParamsConventionOption,
    TableArgument,
    WhereOption,
    groups_of,
    load_runs,
    pairs_of,
)
from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.fit.result import Fit
    from isoglot.runs import Runs

LawOption = Annotated[
    str,
    typer.Option(
        "--law",
        metavar="LAW",
        help="Law with options, such as atlas:other=language,transfer=3 (see isoglot laws).",
    ),
]
ByOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="COLUMN",
        help="Fit each value of a column alone (several with commas; none for one fit). Default: language where there are several.",
    ),
]
PoolOption = Annotated[
    str,
    typer.Option(
        "--pool",
        metavar="POOL",
        help="none, shared (exponents), partial (shrunk to the population), or parameter names with commas.",
    ),
]
PoolByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pool-by",
        metavar="NAME",
        help="Families for --pool partial: family, branch, script, or GROUP=FAMILY (repeatable).",
    ),
]
ObjectiveOption = Annotated[
    str, typer.Option("--objective", metavar="NAME", help="huber, gaussian, student_t or least_squares.")
]
BootstrapOption = Annotated[int, typer.Option("--bootstrap", min=0, help="Cluster-bootstrap draws.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the draws.")]
LevelOption = Annotated[float, typer.Option("--level", min=0.01, max=0.999, help="Level of intervals.")]
FixedOption = Annotated[
    list[str] | None,
    typer.Option("--fixed", metavar="NAME=VALUE", help="Hold a parameter at a value. Repeatable."),
]
MANY = 6


def fit_command(
    file: TableArgument,
    law: LawOption = "chinchilla",
    by: ByOption = None,
    pool: PoolOption = "none",
    pool_by: PoolByOption = None,
    objective: ObjectiveOption = "huber",
    bootstrap: BootstrapOption = 1000,
    seed: SeedOption = 0,
    level: LevelOption = 0.9,
    method: Annotated[
        str, typer.Option("--interval", metavar="METHOD", help="bootstrap, expanded, laplace or profile.")
    ] = "bootstrap",
    fixed: FixedOption = None,
    drop_highest: Annotated[
        int,
        typer.Option("--drop-highest", min=0, help="Leave out the rows with the highest losses (counted)."),
    ] = 0,
    weights: Annotated[
        str,
        typer.Option(
            "--weights", metavar="NAME", help="none, or loss_se to weigh rows by their standard error."
        ),
    ] = "none",
    transfer_count: Annotated[
        str | None,
        typer.Option(
            "--transfer-count", metavar="NAME", help="Co-sampling counts runs (default), mixtures or tokens."
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the fit for predict and plan.")
    ] = None,
    columns: ColumnsOption = None,
    groups: GroupsOption = None,
    where: WhereOption = None,
    loss_unit: LossUnitOption = None,
    params_convention: ParamsConventionOption = None,
    duplicates: DuplicatesOption = "refuse",
    bayes: Annotated[
        bool,
        typer.Option("--bayes", help="Sample the posterior with NUTS (needs isoglot[bayes])."),
    ] = False,
    arviz: Annotated[
        Path | None,
        typer.Option("--arviz", metavar="FILE", help="With --bayes: write the chains as NetCDF for ArviZ."),
    ] = None,
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-language-out", help="With --pool partial: predict each language as if it had no runs."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit a law to a run table, with intervals, identification and diagnostics."""
    from isoglot.fit import fit

    if weights not in ("none", "loss_se"):
        raise InputError(f"--weights takes none or loss_se, not '{weights}'")
    if bayes and weights != "none":
        raise InputError("--bayes has no row weights in its likelihood; leave --weights out")
    if method != "bootstrap" and (bayes or pool == "partial"):
        raise InputError(f"--interval {method} needs refits, and these draws are a posterior's; leave it out")
    if arviz is not None and not bayes:
        raise InputError("--arviz writes the chains of --bayes; give both or neither")
    with progress() as say:
        say("reading runs")
        runs = load_runs(file, columns, groups, where, loss_unit, params_convention, duplicates)
        options: dict[str, Any] = {
            "by": grouping(by, runs),
            "pool": pooling(pool),
            "pool_by": pooling_by(pool_by),
            "seed": seed,
            "fixed": numbers(fixed),
            "drop_highest": drop_highest,
            "transfer": transfer_count,
            "progress": say,
        }
        if bayes:
            fitted = sample(runs, law, objective, arviz, options)
        else:
            fitted = fit(runs, law, objective=objective, bootstrap=bootstrap, weights=weights, **options)  # type: ignore[arg-type]
        found = fitted.to_dict(level, method)  # type: ignore[arg-type]
        if leave_out:
            from isoglot.fit.new_language import leave_language_out

            say("leaving each language out")
            found["leave_language_out"] = leave_language_out(fitted, level).to_dicts()
        if save is not None:
            say("saving")
            fitted.save(save)
    if as_json:
        print_json(found)
    else:
        print_fit(found)


def sample(runs: Runs, law: str, objective: str, arviz: Path | None, options: dict[str, Any]) -> Fit:
    """Fit with NUTS; Huber's objective becomes the Student's t likelihood. Writes the chains where asked."""
    from isoglot.fit.bayes import fit_bayes, to_arviz

    likelihood: Any = "student_t" if objective == "huber" else objective
    fitted, chains = fit_bayes(runs, law, objective=likelihood, **options)
    if arviz is not None:
        to_arviz(fitted, chains).to_netcdf(str(arviz))
    return fitted


def grouping(by: str | None, runs: Runs) -> list[str] | None:
    """Columns to group by; by default the language where several are evaluated."""
    if by is None:
        return ["language"] if len(runs.languages) > 1 else None
    return None if by == "none" else [name.strip() for name in by.split(",")]


def pooling(pool: str) -> Any:
    """The pool argument: none, shared, or a list of parameter names."""
    whole = ("none", "shared", "partial")
    return pool if pool in whole else [name.strip() for name in pool.split(",")]


def pooling_by(texts: list[str] | None) -> Any:
    """The pool_by argument: None, an attribute of the language table, or a mapping.

    >>> pooling_by(["family"]), pooling_by(["fra=Romance", "spa=Romance"])
    ('family', {'fra': 'Romance', 'spa': 'Romance'})
    """
    return groups_of(texts)


def numbers(fixed: list[str] | None) -> dict[str, float]:
    """Parse --fixed NAME=VALUE texts.

    Raises InputError for a value that is no number.

    >>> numbers(["alpha=0.35"])
    {'alpha': 0.35}
    """
    found = {}
    for name, text in pairs_of("--fixed", fixed).items():
        try:
            found[name] = float(text)
        except ValueError:
            raise InputError(f"--fixed {name} takes a number, not '{text}'") from None
    return found


def print_fit(found: dict[str, Any]) -> None:
    """Print the plain data of a fit."""
    typer.echo(f"{found['law']} on {found['source']}: {found['status']}")
    typer.echo(
        f"{found['rows']} rows in {found['clusters']} clusters, loss in {found['loss_unit']}, N {found['params_convention']}, "
        f"objective {found['objective']} {', '.join(number(v, 7) for v in found['objective_value'][:3])}"
        + (" ..." if len(found["objective_value"]) > 3 else "")
    )
    for reason, count in found["left_out"].items():
        typer.echo(f"left out: {count} rows, {reason}")
    _print_transfer(found["transfer_note"])
    starts = ", ".join(f"{key} {value}" for key, value in found["starts"].items())
    typer.echo(f"starts: {starts}\n")
    if "leave_language_out" in found:
        _print_left_out(found["leave_language_out"], found["level"])
    (_print_wide if len(found["groups"]) > MANY else _print_long)(found)
    _print_findings(found["diagnostics"])
    typer.echo("\nIntervals are given the form of the law. A and B mean nothing without their exponents.")


def _print_transfer(notes: list[str]) -> None:
    """How helper languages were chosen, with the ties."""
    for place, note in enumerate(notes[: MANY + 1]):
        typer.echo(f"transfer: {note}" if place == 0 else f"  {note}")
    if len(notes) > MANY + 1:
        typer.echo(f"  and {len(notes) - MANY - 1} more languages (--json lists all)")


def _print_long(found: dict[str, Any]) -> None:
    level = f"{found['level']:.0%} {found['method']} interval"
    for group in found["groups"]:
        rows = []
        for name, p in group["params"].items():
            ends = _ends(p, found, 4)
            profile = "-" if p["profile_95"] is None else interval(*p["profile_95"])
            rows.append([name, number(p["value"], 6), ends, profile, _judged(p)])
        title = f"{group['group']} ({group['status']})" if group["group"] else group["status"]
        print_table(title, ["", "value", level, "95% profile", ""], rows)


def _judged(parameter: dict[str, Any]) -> str:
    if parameter["at_bound"]:
        return "at its bound"
    return {None: "", True: "identified", False: "NOT IDENTIFIED"}[parameter["identified"]]


def _ends(parameter: dict[str, Any], found: dict[str, Any], digits: int) -> str:
    if parameter["held"]:
        return "held"
    if not found["has_intervals"] or parameter["low"] is None:
        return "no interval"
    return interval(parameter["low"], parameter["high"], digits)


def _print_left_out(rows: list[dict[str, Any]], level: float) -> None:
    """The error of predicting each language from the others alone, worst first, and the mean over languages."""
    count = len(rows)
    means = [sum(row.get(key) or 0.0 for row in rows) / count for key in ("mre", "bias", "coverage")]
    cells = [
        [
            row["group"],
            str(row["rows"]),
            f"{row['mre']:.2%}",
            f"{row['bias']:+.2%}",
            f"{row.get('coverage', 0):.0%}",
        ]
        for row in sorted(rows, key=lambda row: -row["mre"])[:MANY]
    ]
    cells.append([f"mean of {count}", "", f"{means[0]:.2%}", f"{means[1]:+.2%}", f"{means[2]:.0%}"])
    print_table(
        "Each language predicted from the others alone (worst first)",
        ["language", "rows", "error", "bias", f"coverage of {level:.0%}"],
        cells,
    )


def _print_wide(found: dict[str, Any]) -> None:
    names = list(dict.fromkeys(name for group in found["groups"] for name in group["params"]))[:8]
    rows = []
    for group in found["groups"]:
        cells = []
        for name in names:
            p = group["params"].get(name)
            cells.append("" if p is None else f"{number(p['value'], 4)} ({_ends(p, found, 3)})")
        rows.append([group["group"], group["status"], *cells])
    print_table(
        f"value ({found['level']:.0%} {found['method']} interval)", ["group", "status", *names], rows, left=2
    )


def _print_findings(diagnostics: list[dict[str, str]]) -> None:
    """Findings, merged where many groups share a code."""
    if not diagnostics:
        return
    typer.echo("\nFindings")
    by_code: dict[str, list[dict[str, str]]] = {}
    for finding in diagnostics:
        by_code.setdefault(finding["code"], []).append(finding)
    for code, entries in by_code.items():
        for entry in entries[:4]:
            where = f"{entry['group']}: " if entry["group"] else ""
            typer.echo(f"  {code}: {where}{entry['message']}; {entry['advice']}")
        if len(entries) > 4:
            typer.echo(f"  {code}: and {len(entries) - 4} more (--json lists all)")
