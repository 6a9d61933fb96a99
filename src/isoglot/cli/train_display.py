"""What `isoglot train` prints: steps before, a progress bar, losses by language after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.train.loop import Trained


def announce(made: list[Recipe], as_json: bool) -> None:
    """Say how many steps each run has and what runs are too small to show; beside JSON, on stderr."""
    from isoglot.design import run_cautions

    for recipe in made:
        each = recipe.data.batch * recipe.data.sequence
        typer.echo(f"run {recipe.name}: {recipe.steps:,} steps of {each:,} tokens", err=as_json)
    for line in run_cautions(made):
        typer.echo(f"caution: {line}", err=as_json)


@contextmanager
def bar(steps: int) -> Iterator[Callable[..., None] | None]:
    """A progress bar with the latest loss and the time left; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} steps"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as shown:
        task = shown.add_task("training", total=steps)

        def tell(step: int, total: int, losses: Any) -> None:
            latest = ", ".join(f"{float(loss):.3f}" for loss in losses.reshape(-1)[:4])
            shown.update(task, completed=step, total=total, description=f"loss {latest}")

        yield tell


def print_runs(done: list[Trained], as_json: bool) -> None:
    """Losses by language at the end of each run; as JSON every row of the run table."""
    from isoglot.cli.display import number, print_json, print_table

    if as_json:
        return print_json([row for run in done for row in run.rows])
    for run in done:
        last = [row for row in run.rows if row["step"] == run.recipe.steps]
        print_table(
            _title(run, last[0]),
            (
                "language",
                "share",
                "bits/byte",
                "its s.e.",
                "nats/token",
                "bits/unit",
                "nats/token over unigram",
            ),
            [
                (
                    row["language"],
                    number(row.get(f"realised_share.{row['language']}", 0.0), 3),
                    *(_cell(row[name]) for name in ("loss", "loss_se", "nats_per_token", "bits_per_unit")),
                    _cell(row["unigram_normalised"]),
                )
                for row in last
            ],
        )
        typer.echo(f"{run.folder}")


def _title(run: Trained, row: dict[str, Any]) -> str:
    base = f", {run.recipe.base.tokens:,} of them by its base" if run.recipe.base else ""
    return f"run {run.recipe.name}: {row['params']:,} parameters, {row['tokens']:,} tokens{base}"


def _cell(value: float | None) -> str:
    from isoglot.cli.display import number

    return "-" if value is None else number(value)
