"""`isoglot sweep`: design a list of runs, do each of them once, look how it stands, try failures again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.sweep_design import design_command
from isoglot.core.errors import InputError, NoAnswerError

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.sweep.folder import Conditions, SweepFolder
    from isoglot.sweep.status import Status

app = typer.Typer(no_args_is_help=True, help="Design a list of runs, and do each once, through any crash.")
app.command("design")(design_command)

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a sweep.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    designs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DESIGN.json]...", help="Designs to do; without one, go on with the sweep at --to."
        ),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The folder of the sweep.")] = Path(
        "sweep"
    ),
    shards: Annotated[
        list[Path] | None,
        typer.Option("--shards", metavar="FOLDER", help="Tokenised text that the recipes read."),
    ] = None,
    bases: Annotated[
        list[Path] | None,
        typer.Option("--continue", metavar="RUN", help="Checkpoints that recipes continue."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes; default one a CPU (or GPU).")
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", help="Threads of each; part of a loss's last bits.")
    ] = 1,
    gpus: Annotated[
        float, typer.Option("--gpus", help="GPUs of this machine; with --ray, those of a worker.")
    ] = 0,
    pack: Annotated[
        int, typer.Option("--pack", help="Train up to so many equal programs as one (for GPUs).")
    ] = 1,
    documents: Annotated[
        int | None, typer.Option("--documents", help="Held-out documents scored; default all.")
    ] = None,
    checkpoints: Annotated[
        int, typer.Option("--checkpoints", help="Checkpoints a run, to resume from.")
    ] = 10,
    retries: Annotated[int, typer.Option("--retries", help="Times that an error is tried again.")] = 2,
    records: Annotated[
        str,
        typer.Option("--records", metavar="URL", help="Keep records on an object store (s3://bucket/sweep)."),
    ] = "",
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="A Ray cluster: its address, auto, or local."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Do what is left of a sweep; Ctrl-C leaves it whole, and the same command goes on."""
    from isoglot.sweep.driver import run_sweep
    from isoglot.sweep.folder import Conditions, SweepFolder, add_places

    for name, value in (("--checkpoints", checkpoints), ("--threads", threads)):
        if value < 1:
            raise InputError(f"{name} is {value}: give at least 1")
    if retries < 0:
        raise InputError(f"--retries is {retries}: give 0 or more")
    if designs:
        conditions = Conditions(documents, checkpoints, records, retries)
        sweep = _planned(designs, to, shards or [], bases or [], conditions, pack)
    else:
        # Whether there is a sweep is asked first, so that nothing is written into some other folder.
        _ = SweepFolder(to).units
        add_places(to, *_places(shards or [], bases or []))
        sweep = SweepFolder(to)
    count = workers or _workers(threads, gpus, ray)
    executor = _executor(sweep, ray, threads, gpus, count)
    with _bar() as tell:
        status = run_sweep(sweep, executor, count, tell)
    _print(sweep, status, as_json)
    if status.count("failed"):
        raise NoAnswerError(
            f"{status.count('failed')} of {status.runs} runs failed: see isoglot sweep status {to}, mend what it says, "
            f"then isoglot sweep retry {to}"
        )


@app.command()
def status(
    folder: FolderArgument,
    verify: Annotated[bool, typer.Option("--verify", help="Read every record for damage.")] = False,
    every: Annotated[bool, typer.Option("--all", help="List every unit, the finished ones too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """How a sweep stands: runs done, in work, failed and waiting, with what went wrong."""
    from isoglot.sweep.folder import SweepFolder
    from isoglot.sweep.status import status_of

    sweep = SweepFolder(folder)
    found = status_of(sweep, verify)
    _print(sweep, found, as_json, every)
    if found.damaged:
        raise InputError(found.damaged[0])


@app.command()
def retry(
    folder: FolderArgument,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs to try again; default all that failed."),
    ] = None,
) -> None:
    """Let failed runs be tried again by the next `isoglot sweep run`; their failures are kept aside."""
    from isoglot.sweep.folder import SweepFolder

    sweep = SweepFolder(folder)
    known = {name: unit.name for unit in sweep.units for name in unit.members}
    for name in runs or []:
        if name not in known:
            raise InputError(f"{folder}: has no run {name}; isoglot sweep status {folder} --all lists them")
    wanted = {known[name] for name in runs} if runs else set(known.values())
    failures = sweep.failures()
    had = failures.forgive(sorted(wanted & failures.units()))
    typer.echo(f"{len(had)} units will be tried again: isoglot sweep run --to {folder}")


def _planned(
    designs: list[Path], to: Path, shards: list[Path], bases: list[Path], conditions: Conditions, pack: int
) -> SweepFolder:
    """The sweep with the designs' recipes, after asking whether what they read is at hand."""
    from isoglot.design.file import read_design
    from isoglot.sweep.folder import SweepFolder, add_design, add_places

    recipes: dict[str, Recipe] = {}
    for path in designs:
        recipes |= {recipe.name: recipe for recipe in read_design(path).recipes}
    text, found = _places(shards, bases)
    known = SweepFolder(to).places
    for recipe in recipes.values():
        if recipe.data.shards not in {*known["text"], *text}:
            given = ", ".join(str(path) for path in shards) or "the given folders (there are none)"
            raise InputError(
                f"recipe {recipe.name} reads shards {recipe.data.shards[:16]}, which are not among {given}: say where "
                "they are with --shards FOLDER"
            )
        if recipe.base is not None and recipe.base.weights not in {*known["bases"], *found}:
            raise InputError(
                f"recipe {recipe.name} continues weights {recipe.base.weights[:16]}: say where they are with "
                "--continue RUN"
            )
    sweep = add_design(to, list(recipes.values()), conditions, pack)
    add_places(to, text, found)
    return sweep


def _places(shards: list[Path], bases: list[Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Folders of text and of bases by fingerprint."""
    from isoglot.tokenizer import open_shards
    from isoglot.train.checkpoint import open_checkpoint

    text = {open_shards(path).fingerprint: path for path in shards}
    return text, {(base := open_checkpoint(path)).weights_fingerprint: base.folder for path in bases}


def _workers(threads: int, gpus: float, ray: str | None) -> int:
    import os

    if gpus and not ray:
        return max(1, int(gpus))
    return max(1, (os.cpu_count() or 1) // threads)


def _executor(sweep: SweepFolder, ray: str | None, threads: int, gpus: float, workers: int) -> Any:
    import uuid

    driver = uuid.uuid4().hex[:8]
    if ray is None:
        from isoglot.sweep.local import LocalWorkers

        return LocalWorkers(sweep.home, driver, threads, int(gpus))
    from isoglot.sweep.ray_workers import RayWorkers

    return RayWorkers(sweep.home, driver, ray, threads, gpus, workers)


@contextmanager
def _bar() -> Iterator[Callable[[Status], None] | None]:
    """A progress bar over FLOPs with the time left; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
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


def _print(sweep: SweepFolder, found: Status, as_json: bool, every: bool = False) -> None:
    from isoglot.cli.display import number, print_json, print_table

    if as_json:
        return print_json({"sweep": str(sweep.home), **found.to_dict()})
    shown = [one for one in found.units if every or one.state in ("running", "failed") or one.message]
    rows = [
        [
            " ".join(one.unit.members[:2])
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
        typer.echo(f"rows: isoglot runs import {sweep.home} --to runs.parquet")
