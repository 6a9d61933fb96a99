"""`isoglot demo`: a plan from published laws, then a small sweep on real text (or one simulated from a known truth)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.display import interval, number, print_table, progress

if TYPE_CHECKING:
    from isoglot.fit.result import Fit
    from isoglot.plan.plan import Plan


def demo_command(
    offline_synthetic: Annotated[
        bool, typer.Option("--offline-synthetic", help="Generated languages instead of a download.")
    ] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Train nothing: fit and plan simulated runs of a known truth.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Keep text and runs here (default: the cache)."),
    ] = None,
) -> None:
    """Show the main job: a plan without runs, then train a small sweep on real text, fit it and plan from it."""
    from isoglot import demo
    from isoglot.plan import plan

    typer.echo("1. No runs yet: a plan from published laws for twelve languages\n")
    with progress() as say:
        say("planning from published laws")
        answer = plan(demo.brief())
    typer.echo(str(answer))
    if simulated:
        return _simulated_part()
    from isoglot.cli.demo_sweep import show_sweep

    show_sweep("synthetic-grammar" if offline_synthetic else "bible", to)


def _simulated_part() -> None:
    """Fit, compare and plan a world of known truth."""
    from isoglot import demo
    from isoglot.plan import plan

    typer.echo(
        "\n\n2. A sweep of known truth: 96 simulated runs in four languages, fitted as if they were real\n"
    )
    fitted = _fit_part()
    typer.echo("\n3. Which law predicts runs it has not seen?\n")
    _compare_part()
    typer.echo("\n4. The plan from that fit, beside the true optimum\n")
    with progress() as say:
        say("planning from the fit")
        mine, true = plan(demo.small_brief(), fitted), plan(demo.small_brief(), demo.truth_of(fitted))
    _plan_part(mine, true)
    typer.echo("\nNext: isoglot runs check YOUR_RUNS.csv, then isoglot fit YOUR_RUNS.csv --law chinchilla")


def _fit_part() -> Fit:
    from isoglot import demo
    from isoglot.fit import fit

    with progress() as say:
        fitted = fit(demo.sweep(), demo.LAW, by="language", bootstrap=500, progress=say)
    rows, inside = [], 0
    for label in fitted.groups:
        ends = fitted.intervals(0.9)[label]
        for name in ("E", "alpha", "beta", "lambda", "tau_other"):
            truth = demo.TRUTH[label][name]
            value = truth[0] if isinstance(truth, list) else truth
            low, high = ends[name]
            inside += low <= value <= high
            hit = "inside" if low <= value <= high else "outside"
            rows.append(
                [label, name, number(value), number(fitted.params[label][name]), interval(low, high), hit]
            )
    print_table(
        f"{demo.LAW}: {fitted.status}",
        ["language", "parameter", "truth", "estimate", "90% interval", "truth is"],
        rows,
        left=2,
    )
    typer.echo(f"{inside} of {len(rows)} truths lie inside their 90 % interval")
    return fitted


def _compare_part() -> None:
    from isoglot import demo
    from isoglot.cli.compare import print_scores
    from isoglot.fit.compare import compare

    with progress() as say:
        result = compare(
            demo.sweep(),
            list(demo.RIVALS),
            ["compute", "mixture"],
            by="language",
            bootstrap=100,
            progress=say,
        )
    print_scores("Held-out error", result)


def _plan_part(mine: Plan, true: Plan) -> None:
    size, best = mine.size, true.size
    rows: list[list[Any]] = [
        ["parameters N", number(best.params), number(size.params), _ends(size.params_interval)],
        ["tokens D", number(best.tokens), number(size.tokens), _ends(size.tokens_interval)],
        ["mean loss", number(best.loss), number(size.loss), _ends(size.loss_interval)],
    ]
    for label, share in mine.mixture.shares.items():
        rows.append(
            [
                f"share of {label}",
                number(true.mixture.shares[label], 3),
                number(share, 3),
                _ends(mine.mixture.intervals[label]),
            ]
        )
    print_table("", ["", "truth", "plan", "90% interval"], rows)
    for name, regret in mine.mixture.regrets.items():
        over = f" (breaks a limit of {', '.join(regret.over_limit)})" if regret.over_limit else ""
        typer.echo(f"{name}: gives away {regret.relative:.2%} of the loss{over}")
    for warning in mine.warnings:
        typer.echo(f"warning: {warning}")


def _ends(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else interval(ends[0], ends[1], 3)
