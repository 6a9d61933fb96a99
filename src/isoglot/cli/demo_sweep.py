"""The demonstration sweep, told as it goes: text, learning curves, baselines, fit, what it identifies, a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from isoglot.cli.display import number, print_table, progress

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.demo_sweep import Baseline, Effect
    from isoglot.fit.result import Fit
    from isoglot.plan.brief import Brief
    from isoglot.runs import Runs
    from isoglot.tokenizer.shards import Shards
    from isoglot.train.loop import Trained

BARS = "▁▂▃▄▅▆▇█"


def show_sweep(source: str, to: Path | None) -> None:
    """Fetch or generate the text, train what is not trained yet, and print every step."""
    from isoglot import demo_sweep
    from isoglot.corpora.request import default_folder
    from isoglot.train.build import text_of

    home = to or default_folder("demo").parent.parent / "demo"
    typer.echo(f"\n\n2. A small sweep of our own: text in four languages from {source}\n")
    with progress() as say:
        corpus, shards = demo_sweep.prepare_text(source, home, say)
    _print_text(shards)
    _print_design(demo_sweep.recipes(text_of(shards)))
    with progress() as say:
        done = demo_sweep.train_sweep(shards, home / f"{source}-sweep", say)
        say("scoring baselines")
        marks = demo_sweep.baselines(corpus, shards, done[-1].model)
    _print_curves(done)
    _print_runs(done, marks)
    _print_effects(demo_sweep.effects(done))
    runs = demo_sweep.table_of(done)
    path = home / f"{source}-sweep" / "runs.parquet"
    demo_sweep.write_table(done, path)
    typer.echo(f"\n4. The {demo_sweep.LAW} law, fitted to these {len(done)} runs\n")
    with progress() as say:
        fitted = demo_sweep.fit_sweep(runs, say)
    _print_identified(fitted)
    typer.echo("\n5. A plan from them\n")
    _print_plan(fitted, runs)
    typer.echo(f"\nThe run table lies in {path}: isoglot runs check {path}")
    typer.echo("Runs and text are kept, so the next demo starts from them; --to names another folder.")
    typer.echo("The world of known truth, where every estimate can be checked: isoglot demo --simulated")


def _print_text(shards: Shards) -> None:
    from isoglot.tokenizer import fertility

    rows = []
    for cost in fertility(shards):
        counts = shards.counts(cost.language)
        rows.append(
            [
                cost.language,
                f"{counts['train']['bytes']:,}",
                f"{counts['train']['tokens']:,}",
                f"{counts['held_out']['documents']:,}",
                number(cost.bytes_per_token, 3),
            ]
        )
    title = f"byte-level BPE of {shards.vocabulary_size:,} ids"
    print_table(title, ["language", "training bytes", "tokens", "held-out documents", "bytes/token"], rows)


def _print_design(recipes: Sequence[Recipe]) -> None:
    """Runs, steps and what they are too few to show."""
    from isoglot.design import cautions

    first = recipes[0].seed
    points = sum(recipe.seed == first for recipe in recipes)
    typer.echo(
        f"\n3. {len(recipes)} runs: {points} end points (sizes, mixtures, and lengths that cool down from one trunk), and the "
        "shortest under other seeds\n"
    )
    steps = [recipe.steps for recipe in recipes]
    each = recipes[0].data.batch * recipes[0].data.sequence
    typer.echo(f"{min(steps):,} to {max(steps):,} steps a run, {each:,} tokens a step")
    for line in cautions(recipes):
        typer.echo(f"caution: {line}")
    typer.echo("")


def _print_effects(found: Sequence[Effect]) -> None:
    """What size, tokens and share are worth, held against chance."""
    typer.echo("")
    rows = [
        [one.change, number(one.gain, 3), number(one.seed_sd, 2), number(one.gain / one.seed_sd, 2)]
        for one in found
    ]
    print_table(
        "What the runs show: bits per byte gained, and over the standard deviation of a seed",
        ["from", "gain", "sd of a seed", "gain / sd"],
        rows,
    )


def _print_curves(done: Sequence[Trained]) -> None:
    """Training loss of the longest run of each trunk as a line of bars, and its evaluations."""
    rows = []
    for run in done:
        steps = sorted({row["step"] for row in run.rows})
        if len(steps) < 2:
            continue
        means = [_mean([row["loss"] for row in run.rows if row["step"] == step]) for step in steps]
        first = run.recipe.data.stages[0].shares
        largest = max(share for _, share in first)
        rows.append(
            [
                f"{run.rows[0]['params']:,}",
                "even" if largest < 0.3 else f"{max(first, key=lambda pair: pair[1])[0]} {largest:.0%}",
                _bars(run.losses),
                "  ".join(f"{mean:.3f}" for mean in means),
            ]
        )
    print_table(
        "Learning curves: training loss, and the mean of the languages in bits per byte as it falls",
        ["parameters", "mixture", "training loss", "evaluations"],
        rows,
        left=3,
    )


def _bars(losses: Any, width: int = 24) -> str:
    import numpy as np

    parts = [float(part.mean()) for part in np.array_split(losses, min(width, len(losses)))]
    low, high = min(parts), max(parts)
    return "".join(BARS[int((part - low) / max(high - low, 1e-9) * (len(BARS) - 1))] for part in parts)


def _print_runs(done: Sequence[Trained], marks: Sequence[Baseline]) -> None:
    rows = []
    for run in done:
        last = {row["language"]: row for row in run.rows if row["step"] == run.recipe.steps}
        shares = dict(run.recipe.data.stages[0].shares)
        cells = [f"{last[m.language]['loss']:.3f} ({shares[m.language]:.0%})" for m in marks]
        one = next(iter(last.values()))
        rows.append([f"{one['params']:,}", f"{one['tokens']:,}", *cells])
    rows.append(["unigram", "", *(f"{m.unigram:.3f}" for m in marks)])
    rows.append(["compressor", "", *(f"{m.compressor:.3f}" for m in marks)])
    typer.echo("")
    title = "Bits per byte on held-out text (share of the language); below, what a model has to beat"
    print_table(title, ["parameters", "tokens", *(m.language for m in marks)], rows, left=2)
    typer.echo(
        "The compressor (LZMA) is given a MiB of training text, more than these runs read: a small model has to be "
        "trained for longer to beat it."
    )


def _print_identified(fitted: Fit) -> None:
    """Parameters with intervals, and in words what the runs tell and what they do not."""
    ends = fitted.intervals(0.9)
    rows = [
        [group, name, number(value), _ends(ends[group].get(name))]
        for group in fitted.groups
        for name, value in fitted.params[group].items()
        if not isinstance(value, list)
    ]
    print_table(
        f"status: {fitted.status}", ["language", "parameter", "estimate", "90% interval"], rows, left=2
    )
    weak = [d for d in fitted.diagnostics if d.code in ("not_identified", "weakly_identified", "at_bound")]
    shaky = {d.message for d in fitted.diagnostics if d.code in ("too_few_levels", "few_clusters")}
    bad = {d.message.partition(" ")[0] for d in weak}
    good = [name for name in fitted.params[fitted.groups[0]] if name not in bad]
    typer.echo(f"\nWhat so small a sweep identifies, given this form: {', '.join(good) or 'nothing'}")
    for message in sorted({f"of {d.group}, {d.message}" if d.group else d.message for d in weak}):
        typer.echo(f"  but {message}")
    for message in sorted(shaky):
        typer.echo(f"  design: {message}")
    typer.echo("  Its runs span a factor of a few in size and data; no law of language rests on that.")


def _ends(ends: Any) -> str:
    from isoglot.cli.display import interval

    return "-" if ends is None or math.isnan(ends[0]) else interval(ends[0], ends[1])


def _print_plan(fitted: Fit, runs: Runs) -> None:
    from isoglot import demo_sweep

    brief = demo_sweep.brief_for(runs)
    typer.echo(f"Ten times the largest run, {brief.budget:.3g} FLOPs, the same four languages:\n")
    if _planned(brief, fitted):
        return
    typer.echo(
        "That is the right answer for so few runs. At a size that is given, the mixture remains to be planned:\n"
    )
    _planned(demo_sweep.brief_for(runs, size=demo_sweep.largest(runs, "params")), fitted)


def _planned(brief: Brief, fitted: Fit) -> bool:
    """Print a plan, or the sentence that refuses it."""
    from isoglot.core.errors import NoAnswerError
    from isoglot.plan import plan

    try:
        with progress() as say:
            say("planning")
            typer.echo(str(plan(brief, fitted)))
    except NoAnswerError as error:
        typer.echo(f"refused: {error}")
        return False
    return True


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
