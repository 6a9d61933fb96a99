"""`isoglot train`: one run (or a pack of runs of one shape) from a recipe or from options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.train_display import announce, bar, print_runs
from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.core.wish import Wish
    from isoglot.train.loop import Settings


def train_command(
    recipes: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RECIPE.json]...", help="Recipes; without one, options make it."),
    ] = None,
    shards: Annotated[Path, typer.Option("--shards", metavar="FOLDER", help="Tokenised text.")] = Path(
        "shards"
    ),
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Runs go to FOLDER/<name of the run>.")
    ] = Path("runs"),
    shape: Annotated[
        str | None, typer.Option("--shape", help="6x256 (layers x width) or atlas-N; default 4x128.")
    ] = None,
    tokens: Annotated[float | None, typer.Option("--tokens", help="Tokens to train on; default 1e6.")] = None,
    mixture: Annotated[
        str | None,
        typer.Option(
            "--mixture",
            help="uniform (default), proportional, temperature:0.3, unimax:4, or eng=0.7,fra=0.3.",
        ),
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option("--stages", help="A schedule: 0.1_0.9, or 'eng=0.9,fra=0.1@0.5; eng=0.1,fra=0.9@0.5'."),
    ] = None,
    languages: Annotated[
        str | None, typer.Option("--languages", metavar="A,B,...", help="Default: all.")
    ] = None,
    unique: Annotated[
        str | None,
        typer.Option("--unique", metavar="A=TOKENS,...", help="Caps of unique text, repeated when used up."),
    ] = None,
    sequence: Annotated[
        int | None, typer.Option("--sequence", help="Tokens of a sequence; default 256.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Sequences of a step; default from the tokens.")
    ] = None,
    peak: Annotated[
        str | None, typer.Option("--learning-rate", help="Peak: 4e-3, or a rule; default 0.16/width.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", help="wsd (default), cosine or constant.")
    ] = None,
    warmup: Annotated[int | None, typer.Option("--warmup", help="Steps; default 5 %.")] = None,
    decay: Annotated[
        int | None, typer.Option("--decay", help="Steps of the WSD cool-down; default 20 %.")
    ] = None,
    untied: Annotated[bool, typer.Option("--untied", help="Separate input and output tables.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="Initial weights.")] = None,
    initial: Annotated[
        str | None, typer.Option("--initial", help="Scales of initial weights: fan_in (default) or gpt2.")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="Default 0.1.")] = None,
    betas: Annotated[
        str | None, typer.Option("--betas", metavar="B1,B2", help="Of AdamW; default 0.9,0.95.")
    ] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="Norm of a gradient; default 1.")] = None,
    data_seed: Annotated[int | None, typer.Option("--data-seed", help="Order of text and languages.")] = None,
    pair_key: Annotated[
        str | None, typer.Option("--pair-key", help="Runs of one key share order and draw.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="float32 (default) or bfloat16.")
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option("--evaluations", help="Before the last; default 0.")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            "--score", metavar="A,B,...", help="Languages: data (the run's own; default), all, labels."
        ),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            "--sample", metavar="BYTES", help="Held-out text scored a language; default 1.5e5; 0: all."
        ),
    ] = None,
    borders: Annotated[
        str | None,
        typer.Option(
            "--borders", help="Of documents: open (default), or masked: a token sees its own alone."
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", help="Of evaluation: cut (default), or sliding by half of it.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option("--continue", metavar="RUN", help="Continue this run's weights.")
    ] = None,
    cool_downs: Annotated[
        str | None,
        typer.Option("--cool-downs", metavar="TOKENS,...", help="Also shorter runs from the same WSD trunk."),
    ] = None,
    pack: Annotated[
        bool, typer.Option("--pack", help="Train the recipes as one program (for GPUs).")
    ] = False,
    documents: Annotated[
        int | None, typer.Option("--documents", help="Held-out documents scored; default: the sample.")
    ] = None,
    every: Annotated[
        int,
        typer.Option(
            "--checkpoint-every", metavar="STEPS", help="To resume after a crash; 0: only the last."
        ),
    ] = 0,
    devices: Annotated[str, typer.Option("--devices", help="1, or all of every host.")] = "1",
    strategy: Annotated[
        str, typer.Option("--strategy", help="replicated, or sharded weights.")
    ] = "replicated",
    remat: Annotated[bool, typer.Option("--remat", help="Recompute activations to save memory.")] = False,
    coordinator: Annotated[
        str | None,
        typer.Option(
            "--coordinator", metavar="HOST:PORT", help="Process 0 of a run on several hosts; srun needs none."
        ),
    ] = None,
    hosts: Annotated[int, typer.Option("--hosts", help="Processes of the run.")] = 1,
    host: Annotated[int, typer.Option("--host", help="Number of this process, from 0.")] = 0,
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write the recipe and train nothing.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows of the run table as JSON.")] = False,
) -> None:
    """Train one run and score its languages; a run that was cut is resumed by the same command."""
    from isoglot.tokenizer import open_shards
    from isoglot.train.loop import train, train_branches, train_pack

    hosts, host = _joined(coordinator, hosts, host, spread=devices == "all" and write is None)
    if every < 0:
        raise InputError(f"--checkpoint-every is {every}: give a number of steps, or 0 for the last alone")
    asked = {
        "shape": shape, "tokens": tokens, "mixture": mixture, "stages": stages, "sequence": sequence, "batch": batch,
        "peak": peak, "schedule": schedule, "warmup": warmup, "decay": decay, "seed": seed, "data_seed": data_seed,
        "pair_key": pair_key, "precision": precision, "evaluations": evaluations, "tied": False if untied else None,
        "initial": initial, "weight_decay": weight_decay, "clip": clip, **_betas(betas),
        "languages": _names(languages), "score": _names(score), "sample": sample,
        "window": window, "borders": borders,
        "unique": None if unique is None else _caps(unique),
    }  # fmt: skip
    text = open_shards(shards)
    given = {name: value for name, value in asked.items() if value is not None}
    made = _recipes(recipes or [], given, text, base, _counts(cool_downs))
    if cool_downs:
        made = [*made, *_shorter(made[0], _counts(cool_downs))]
    if write:
        if len(made) > 1:
            raise InputError(
                f"--write {write} writes one recipe, but {len(made)} are asked for: write each alone"
            )
        return _write(made[0], write)
    if host == 0:
        announce(made, as_json)
    with bar(made[0].steps) as tell, _stop_asked(hosts) as stop:
        settings = _settings(documents, every, devices, strategy, remat, pack, tell, stop)
        if pack:
            done = train_pack(made, text, to, settings, base)
        elif cool_downs:
            done = train_branches(made, text, to, settings, base)
        else:
            done = [train(recipe, text, to, settings, base) for recipe in made]
    if host == 0:
        print_runs(done, as_json)


def _joined(coordinator: str | None, hosts: int, host: int, spread: bool) -> tuple[int, int]:
    """Processes of the run and the number of this one, joined by a coordinator, or by Slurm if the run is spread."""
    from isoglot.sweep.slurm import slurm_step

    if coordinator is None and (hosts, host) != (1, 0):
        raise InputError(
            f"--hosts {hosts} --host {host} need a meeting point: give --coordinator HOST:PORT too"
        )
    step = slurm_step() if spread and coordinator is None else None
    if coordinator is None and step is None:
        return 1, 0
    from isoglot.train.parallel import join_hosts, join_slurm

    if step is not None:
        join_slurm(step.own_devices)
        return step.tasks, step.number
    join_hosts(str(coordinator), hosts, host)
    return hosts, host


def _recipes(
    files: list[Path], asked: dict[str, Any], text: Any, base: Path | None, shorter: list[float]
) -> list[Recipe]:
    """Recipes from files, or one from options; its batch is that of the shortest run of its trunk."""
    from isoglot.core.wish import Wish, settled
    from isoglot.train.build import build_recipe
    from isoglot.train.checkpoint import open_checkpoint

    if not files:
        wish: Wish = Wish(**asked)
        wish = settled(wish, min([wish.tokens, *(count for count in shorter if count > 0)]))
        return [build_recipe(wish, text, None if base is None else open_checkpoint(base))]
    if asked:
        name = {"peak": "learning-rate", "tied": "untied", "beta1": "betas"}.get(
            first := next(iter(asked)), first
        )
        raise InputError(
            f"--{name.replace('_', '-')} makes a recipe, but {files[0]} is one: give one of them"
        )
    made = [_read(path) for path in files]
    if base is not None and all(recipe.base is None for recipe in made):
        raise InputError(f"--continue {base} is given, but {files[0]} starts fresh: leave one of them out")
    return made


def _read(path: Path) -> Recipe:
    from isoglot.core.recipe_tree import recipe_from_dict
    from isoglot.tokenizer.store import read_json

    try:
        return recipe_from_dict(read_json(path, "a recipe"))
    except InputError as error:
        message = str(error)
        raise InputError(message if str(path) in message else f"{path}: {message}") from None


def _shorter(recipe: Recipe, counts: list[float]) -> list[Recipe]:
    """Recipes of the same trunk that cool down earlier, their decay in the same proportion."""
    from isoglot.core.wish import shorter

    return [shorter(recipe, count) for count in counts]


def _counts(cool_downs: str | None) -> list[float]:
    """Token counts of shorter runs."""
    try:
        return [float(piece) for piece in cool_downs.split(",")] if cool_downs else []
    except ValueError:
        raise InputError(f"--cool-downs {cool_downs!r} is no list of token counts: write 1e6,2e6") from None


def _betas(betas: str | None) -> dict[str, float]:
    """AdamW's two constants."""
    if betas is None:
        return {}
    try:
        beta1, beta2 = (float(piece) for piece in betas.split(","))
    except ValueError:
        raise InputError(f"--betas {betas!r} are not two numbers: write 0.9,0.95") from None
    return {"beta1": beta1, "beta2": beta2}


def _names(listed: str | None) -> tuple[str, ...] | None:
    return None if listed is None else tuple(name.strip() for name in listed.split(","))


def _caps(unique: str) -> dict[str, float]:
    found = {}
    for piece in unique.split(","):
        name, _, size = piece.partition("=")
        try:
            found[name.strip()] = float(size)
        except ValueError:
            raise InputError(f"--unique {piece!r} is not LANGUAGE=TOKENS: write fra=2e5") from None
    return found


def _settings(
    documents: int | None,
    every: int,
    devices: str,
    strategy: str,
    remat: bool,
    pack: bool,
    tell: Callable[..., None] | None,
    stop: Callable[[], bool] | None,
) -> Settings:
    from isoglot.train.evaluate import Evaluation
    from isoglot.train.loop import Settings
    from isoglot.train.parallel import all_devices

    if strategy != "replicated" and devices == "1":
        raise InputError(f"--strategy {strategy} spreads weights over devices: give --devices all as well")
    if devices not in ("1", "all"):
        raise InputError(f"--devices {devices!r} is unknown: give 1 or all")
    place = all_devices(strategy, pack) if devices == "all" else None  # type: ignore[arg-type]
    return Settings(Evaluation(documents), every, placement=place, remat=remat, tell=tell, stop=stop)


@contextmanager
def _stop_asked(hosts: int) -> Iterator[Callable[[], bool] | None]:
    """Whether Ctrl-C (or a scheduler's SIGTERM) came: the first ends a run after its step, a second ends at once.

    Hosts of one run would have to agree on the step: there the first ends at once.
    """
    import signal
    import threading

    if hosts > 1 or threading.current_thread() is not threading.main_thread():
        yield None
        return
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(recipe: Recipe, path: Path) -> None:
    import json

    from isoglot.core.recipe_tree import recipe_to_dict

    path.write_text(json.dumps(recipe_to_dict(recipe), indent=1) + "\n", encoding="utf-8")
    typer.echo(f"{path}: recipe {recipe.name}, {recipe.steps:,} steps, {recipe.tokens:,} tokens")
