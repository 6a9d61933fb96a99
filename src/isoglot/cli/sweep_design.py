"""`isoglot sweep design`: list the designs, or make one, with what it costs, and write it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.core.wish import Start
    from isoglot.design import Cost, Design, Kind, Ledger
    from isoglot.sweep.estimate import Estimate
    from isoglot.tokenizer.shards import Shards


def design_command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A design; without one, all are listed.")
    ] = None,
    knobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Its knobs; NAME alone lists those that it needs."),
    ] = None,
    shards: Annotated[
        list[Path] | None, typer.Option("--shards", metavar="FOLDER", help="Tokenised text; may be repeated.")
    ] = None,
    bases: Annotated[
        list[Path] | None,
        typer.Option("--continue", metavar="RUN", help="A run to continue; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every run, the totals, hours and disk.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", help="Processes, for the estimate of hours.")] = 1,
    threads: Annotated[
        int, typer.Option("--threads", help="Threads of each, as isoglot sweep run will be given.")
    ] = 1,
    documents: Annotated[
        int | None,
        typer.Option(
            "--documents",
            help="Held-out documents scored, as isoglot sweep run will be given; default: each recipe's sample.",
        ),
    ] = None,
    no_calibrate: Annotated[
        bool, typer.Option("--no-calibrate", help="Time nothing: print no hours.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the design file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Design a sweep: a list of recipes from a name and its knobs, with its cost before anything is trained."""
    from isoglot.cli.display import print_json
    from isoglot.design import DESIGNS, cautions, design_named, write_design

    kinds = list(DESIGNS.values()) if name is None else [design_named(name)]
    if name is None or not (knobs or dry_run or out):
        return _list(kinds, name is not None, as_json)
    for option, value in (("--workers", workers), ("--threads", threads), ("--documents", documents)):
        if value is not None and value < 1:
            raise InputError(f"{option} is {value}: give at least 1")
    if not dry_run and out is None:
        raise InputError(
            f"design {name} is made for nothing: give --dry-run to see it, --out FILE to write it, or both"
        )
    # Timed as a worker of a sweep will run, whatever the caller's own is; read when the numerical library starts.
    os.environ["NPROC"] = str(threads)
    folders = shards or [Path("shards")]
    design, costs, texts, disk = _made(name, knobs or [], folders, bases or [])
    if out is not None:
        write_design(design, out)
    if not dry_run:
        facts = {"file": str(out), "runs": len(design.recipes), "duplicates": design.duplicates}
        return print_json(facts) if as_json else typer.echo(_written(out, design))
    found = _estimate(design, folders, workers, documents, not no_calibrate, disk)
    if as_json:
        report = {"design": design.name, "knobs": dict(design.knobs), "duplicates": design.duplicates}
        report["cautions"] = cautions(design.recipes)
        if convention := _budget_flops(design):
            report["budget_flops"] = convention
        return print_json({**report, **costs.to_dict(), "estimate": found.to_dict()})
    _print(design, costs, texts, found)
    if out is not None:
        typer.echo(_written(out, design))


def _made(
    name: str, knobs: list[str], folders: list[Path], bases: list[Path]
) -> tuple[Design, Ledger, dict[str, str], int]:
    """The design, its ledger, the folder of each text by fingerprint, and the bytes of the largest vocabulary."""
    from isoglot.design import ledger, make_design
    from isoglot.tokenizer.shards import open_shards
    from isoglot.train.build import text_of

    opened = [open_shards(folder) for folder in folders]
    texts = [text_of(shards) for shards in opened]
    design = make_design(name, texts, _pairs(knobs), [_start(base, opened) for base in bases])
    places = {text.shards: str(folder) for text, folder in zip(texts, folders, strict=True)}
    size = max(_bytes(folder / "vocabulary") for folder in folders)
    return design, ledger(design.recipes, texts), places, size


def _pairs(knobs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for knob in knobs:
        key, equals, value = knob.partition("=")
        if not equals or not key:
            raise InputError(f"{knob!r} is no knob: write KEY=VALUE, as tokens=1e6")
        if key in found:
            raise InputError(f"knob {key} is given twice: give it once")
        found[key] = value
    return found


def _start(base: Path, opened: list[Shards]) -> Start:
    from isoglot.train.build import start_of
    from isoglot.train.checkpoint import open_checkpoint, require_ids

    checkpoint = open_checkpoint(base)
    for shards in opened:
        require_ids(checkpoint, shards)
    return start_of(checkpoint)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _estimate(
    design: Design, folders: list[Path], workers: int, documents: int | None, calibrate: bool, disk: int
) -> Estimate:
    from isoglot.cli.display import progress
    from isoglot.sweep.estimate import ScoredText, estimate
    from isoglot.tokenizer.shards import open_shards
    from isoglot.train.evaluate import Evaluation

    texts = {shards.fingerprint: shards for shards in map(open_shards, folders)}
    scoring = ScoredText(texts, Evaluation(documents))
    with progress() as say:
        return estimate(design.recipes, workers, calibrate, disk, say, scoring)


def _list(kinds: list[Kind], single: bool, as_json: bool) -> None:
    from isoglot.cli.display import print_json, print_table

    if as_json:
        return print_json([_facts(kind) for kind in kinds])
    for kind in kinds:
        rows = [_knob_row(knob) for knob in kind.knobs]
        print_table(
            f"\n{kind.name}: {kind.purpose}", ("knob", "kind", "default", "meaning"), rows, left=4, whole=1
        )
    if single:
        rows = [_knob_row(knob) for knob in kinds[0].shared]
        print_table("\nof all its runs", ("knob", "kind", "default", "meaning"), rows, left=4, whole=1)
    else:
        typer.echo(
            "\nisoglot sweep design NAME also lists the knobs of all its runs (shape, tokens, mixture, ...)."
        )


def _knob_row(knob: Any) -> tuple[str, str, str, str]:
    return knob.name, knob.kind, "needed" if knob.default is None else knob.default, knob.meaning


def _facts(kind: Kind) -> dict[str, Any]:
    return {
        "design": kind.name,
        "purpose": kind.purpose,
        **{
            group: [
                {"knob": knob.name, "kind": knob.kind, "default": knob.default, "meaning": knob.meaning}
                for knob in knobs
            ]
            for group, knobs in (("knobs", kind.knobs), ("shared", kind.shared))
        },
    }


# Columns of a terminal narrower than WIDE; --json has the others.
WIDE = 120
NARROW = ("run", "shape", "shares", "tokens", "steps", "6 N D")


def _print(design: Design, costs: Ledger, texts: dict[str, str], found: Estimate) -> None:
    from rich.console import Console

    from isoglot.cli.display import number, print_table
    from isoglot.design import cautions

    left = ["run", "shape", "shares", "seed", "starts", *(["text"] if len(texts) > 1 else [])]
    columns = (*left, "params", "tokens", "steps", "epochs", "6 N D", "by a trunk", "exact")
    rows = [_row(cost, texts) for cost in costs.costs]
    if (console := Console()).is_terminal and console.width < WIDE:
        kept = [columns.index(name) for name in NARROW]
        columns, left = NARROW, list(NARROW[:3])
        rows = [tuple(row[at] for at in kept) for row in rows]
    print_table(design.name, columns, rows, left=len(left), whole=1)
    typer.echo(
        f"{len(costs.costs)} runs{_duplicates(design)}, {costs.tokens:,} tokens; {number(costs.flops, 3)} FLOPs, of which "
        f"shared trunks save {number(costs.saved, 3)}: {number(costs.spent, 3)} as 6 N D, {number(costs.spent_exact, 3)} "
        "exactly (attention and head counted)"
    )
    typer.echo(_steps(costs))
    for line in cautions(design.recipes):
        typer.echo(f"caution: {line}")
    if convention := _budget_flops(design):
        typer.echo(f"budgets count FLOPs as {convention}")
    if costs.most_epochs > 1:
        typer.echo(f"text is repeated: up to {number(costs.most_epochs, 3)} epochs")
    if found.hours is not None:
        timed = sum(speed.measured for speed in found.speeds)
        wall = f" ({number(found.wall_hours, 2)} with {found.workers} workers)" if found.workers > 1 else ""
        typer.echo(
            f"{number(found.hours, 2)} hours of one worker{wall}, {timed} of {len(found.speeds)} programs timed here: "
            + ", ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
        )
    typer.echo(f"{number(found.disk_bytes / 1e9, 2)} GB of checkpoints and records")


def _steps(costs: Ledger) -> str:
    """Steps a run and tokens a step, as ranges."""
    steps = sorted(cost.recipe.steps for cost in costs.costs)
    each = sorted(cost.recipe.data.batch * cost.recipe.data.sequence for cost in costs.costs)
    ranges = [
        f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, *_, high in (steps * 2, each * 2)
    ]
    return f"{ranges[0]} steps a run, {ranges[1]} tokens a step"


def _budget_flops(design: Design) -> str | None:
    """How the budgets of a design count FLOPs; None where it has none."""
    from isoglot.design import DESIGNS

    default = {knob.name: knob.default for knob in DESIGNS[design.name].knobs}.get("flops")
    return dict(design.knobs).get("flops", default)


def _row(cost: Cost, texts: dict[str, str]) -> tuple[str, ...]:
    from isoglot.cli.display import number

    facts = cost.to_dict()
    return (
        facts["run"],
        facts["shape"],
        _shares(facts["stages"]) + _options(facts),
        str(facts["seed"]) if facts["base"] is None else facts["pair_key"],
        facts["base"][:8] if facts["base"] else "scratch",
        *([texts[facts["shards"]]] if len(texts) > 1 else []),
        f"{cost.params:,}",
        f"{cost.tokens:,}",
        f"{facts['steps']:,}",
        " ".join(f"{name} {number(count, 2)}" for name, count in cost.epochs.items()),
        number(cost.flops, 3),
        number(cost.saved, 3) if cost.saved else "",
        number(cost.exact, 3),
    )


def _shares(stages: list[dict[str, Any]]) -> str:
    return " then ".join(
        " ".join(f"{name} {share:.4g}" for name, share in stage["shares"].items()) for stage in stages
    )


def _options(facts: dict[str, Any]) -> str:
    found = [] if facts["schedule"] == "wsd" else [facts["schedule"]]
    found += [f"{name} capped at {cap:,}" for name, cap in facts["unique"].items()]
    return f" ({', '.join(found)})" if found else ""


def _duplicates(design: Design) -> str:
    return f" (equal ones left out: {design.duplicates})" if design.duplicates else ""


def _written(out: Path | None, design: Design) -> str:
    return f"{out}: {len(design.recipes)} runs{_duplicates(design)}; do them with isoglot sweep run {out}"
