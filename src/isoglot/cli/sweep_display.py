"""What `isoglot sweep` shows: progress with the time left, and how a sweep stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from isoglot.sweep.folder import SweepFolder
    from isoglot.sweep.status import Status

# Seconds between lines of progress where there is no terminal.
LINE = 60.0


@contextmanager
def bar() -> Iterator[Callable[[Status], None] | None]:
    """A progress bar over FLOPs with the time left; a line a minute where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"))
    # The estimate looks back over minutes: runs report every two seconds, and differ in size.
    with Progress(
        *columns,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        speed_estimate_period=600,
    ) as bar:
        task = bar.add_task("starting workers", total=None)

        def tell(now: Status) -> None:
            counts = [f"{now.done}/{now.runs} runs", f"{now.count('running')} in work"]
            counts += [f"{now.count('failed')} failed"] if now.count("failed") else []
            bar.update(task, total=now.flops, completed=now.flops_done, description=", ".join(counts))

        yield tell


def _lines() -> Callable[[Status], None]:
    """A line a minute, for a log."""
    import time

    began = last = time.monotonic()

    def tell(now: Status) -> None:
        nonlocal last
        if time.monotonic() - last < LINE:
            return
        last = time.monotonic()
        done = now.flops_done / now.flops if now.flops else 0.0
        typer.echo(
            f"{now.done}/{now.runs} runs, {now.count('running')} in work, {now.count('failed')} failed, "
            f"{100 * done:.0f} % of the FLOPs after {(last - began) / 60:.0f} minutes",
            err=True,
        )

    return tell


def print_status(sweep: SweepFolder, found: Status, as_json: bool, every: bool = False) -> None:
    """Print how a sweep stands: units in work, failed and with a message (or every one), and the counts."""
    from isoglot.cli.display import number, print_json, print_table

    if as_json:
        return print_json({"sweep": str(sweep.home), **found.to_dict()})
    shown = [one for one in found.units if every or one.state in ("running", "failed") or one.message]
    rows = [
        [
            " ".join(one.unit.members)
            if every
            else " ".join(one.unit.members[:2])
            + (f" +{len(one.unit.members) - 2}" if len(one.unit.members) > 2 else ""),
            one.unit.kind,
            one.state,
            f"{one.step}/{one.steps}" if one.step else "",
            "" if one.loss is None else number(one.loss),
            str(one.failures or ""),
            one.message,
        ]
        for one in shown
    ]
    if rows:
        print_table("", ["runs", "kind", "state", "step", "loss", "failures", "last failure"], rows, left=3)
    counts = ", ".join(f"{found.count(state)} {state}" for state in ("done", "running", "failed", "waiting"))
    typer.echo(
        f"{sweep.home}: {found.runs} runs: {counts}; {found.flops_done:.3g} of {found.flops:.3g} FLOPs"
    )
    if found.done:
        typer.echo(f"rows: isoglot runs import {sweep.conditions.records or sweep.home} --to runs.parquet")
