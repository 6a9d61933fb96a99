"""`isoglot sweep`: design a list of runs, do each of them once, look how it stands, try failures again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.sweep_design import design_command
from isoglot.cli.sweep_display import bar, print_status
from isoglot.core.errors import InputError, NoAnswerError

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.sweep.folder import Conditions, SweepFolder

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
        int | None, typer.Option("--pack", help="Train up to so many equal programs as one (for GPUs).")
    ] = None,
    documents: Annotated[
        int | None,
        typer.Option("--documents", help="Held-out documents scored; default: the recipe's sample."),
    ] = None,
    checkpoints: Annotated[
        int | None, typer.Option("--checkpoints", help="Checkpoints a run, to resume from; default 10.")
    ] = None,
    retries: Annotated[
        int | None, typer.Option("--retries", help="Times that an error is tried again; default 2.")
    ] = None,
    records: Annotated[
        str | None,
        typer.Option("--records", metavar="URL", help="Keep records on an object store (s3://bucket/sweep)."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="A Ray cluster: its address, auto, or local."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Do what is left of a sweep; Ctrl-C leaves it whole, and the same command goes on."""
    from isoglot.sweep.driver import run_sweep
    from isoglot.sweep.folder import SweepFolder, add_places, require_same

    for name, value in (("--threads", threads), ("--workers", workers), ("--pack", pack)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}: give at least 1")
    if gpus < 0:
        raise InputError(f"--gpus is {gpus:g}: give 0 or more")
    conditions = _conditions(
        to, documents=documents, checkpoints=checkpoints, retries=retries, records=records
    )
    if designs:
        sweep = _planned(designs, to, shards or [], bases or [], conditions, pack or 1)
    else:
        if pack is not None:
            raise InputError(
                f"--pack is {pack}, but units are planned with a design: name one, or leave it out"
            )
        require_same(to, SweepFolder(to).conditions, conditions)
        add_places(to, *_places(shards or [], bases or []))
        sweep = SweepFolder(to)
    count = workers or _workers(threads, gpus, ray)
    executor = _executor(sweep, ray, threads, gpus, count)
    with bar() as tell:
        status = run_sweep(sweep, executor, count, tell)
    print_status(sweep, status, as_json)
    if status.left:
        raise NoAnswerError(
            f"{status.left} of {status.runs} runs are still to be done: the same command goes on"
        )
    if status.count("failed"):
        raise NoAnswerError(
            f"{status.count('failed')} of {status.runs} runs failed: see isoglot sweep status {to}, mend what it says, "
            f"then isoglot sweep retry {to}"
        )


def _conditions(to: Path, **given: Any) -> Conditions:
    """What all runs have in common: as given, else as the sweep was begun, else by default."""
    from isoglot.sweep.folder import Conditions, SweepFolder

    if str(given["records"] or "").startswith("memory:"):
        raise InputError(
            f"--records is {given['records']}, which no other process sees: name a store that all see"
        )
    known = SweepFolder(to)
    before = vars(known.conditions) if (to / "plans").is_dir() else {}
    asked = {name: value for name, value in given.items() if value is not None}
    return Conditions(**{**before, **asked})


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
    print_status(sweep, found, as_json, every)
    if found.damaged:
        for sentence in found.damaged[1:]:
            typer.echo(sentence, err=True)
        raise InputError(found.damaged[0])


@app.command()
def retry(
    folder: FolderArgument,
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Runs to try again; default all that failed."),
    ] = None,
    apart: Annotated[
        bool, typer.Option("--apart", help="Train the runs of a failed trunk or pack each alone from now on.")
    ] = False,
) -> None:
    """Let failed runs be tried again by the next `isoglot sweep run`; their failures are kept aside."""
    from isoglot.sweep.folder import SweepFolder, take_apart
    from isoglot.sweep.status import status_of

    sweep = SweepFolder(folder)
    known = {name for unit in sweep.units for name in unit.members}
    for name in runs or []:
        if name not in known:
            raise InputError(f"{folder}: has no run {name}; isoglot sweep status {folder} --all lists them")
    failed = [one.unit for one in status_of(sweep).units if one.state == "failed"]
    wanted = [unit for unit in failed if not runs or set(runs) & set(unit.members)]
    sweep.failures().forgive([unit.name for unit in wanted])
    shared = [unit for unit in wanted if apart and len(unit.members) > 1]
    made = take_apart(sweep, shared) if shared else []
    count = len(wanted) - len(shared) + len(made)
    typer.echo(f"units to be tried again: {count}" + (f"; isoglot sweep run --to {folder}" if count else ""))


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
    from isoglot.sweep.local import own_cpus

    if gpus and not ray:
        return max(1, int(gpus))
    return max(1, own_cpus() // threads)


def _executor(sweep: SweepFolder, ray: str | None, threads: int, gpus: float, workers: int) -> Any:
    import uuid

    driver = uuid.uuid4().hex[:8]
    if ray is None:
        from isoglot.sweep.local import LocalWorkers
        from isoglot.sweep.slurm import slurm_step

        # Drivers that srun has started share the folder: their workers are told apart by numbers.
        step = slurm_step()
        first = step.number * workers if step else 0
        return LocalWorkers(sweep.home, driver, threads, int(gpus), first)
    from isoglot.sweep.ray_workers import RayWorkers

    return RayWorkers(sweep.home, driver, ray, threads, gpus, workers)
