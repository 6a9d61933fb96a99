"""`isoglot probe`: how alike a model represents the same content in two languages or clones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.corpora.synthetic import Synthetic
    from isoglot.tokenizer import Shards
    from isoglot.train.probe import Probed


def probe_command(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_CHECKPOINT", help="Folder of a run (its last step) or of one step."),
    ],
    shards: Annotated[
        Path, typer.Option("--shards", metavar="FOLDER", help="Tokenised text whose held-out part is read.")
    ] = Path("shards"),
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="A,B", help="Two languages or clones: eng,eng#2. Repeatable."),
    ] = None,
    pairs: Annotated[int, typer.Option("--pairs", help="Pairs of texts to compare, at most.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Seed of mismatches and controls.")] = 0,
    corpus: Annotated[
        Path | None,
        typer.Option(
            "--corpus", metavar="FOLDER", help="The synthetic corpus of the shards: adds its labelled task."
        ),
    ] = None,
    task: Annotated[
        Path | None,
        typer.Option(
            "--task", metavar="FILE.jsonl", help="Labelled texts (text, label, language): adds this task."
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE.parquet", help="Measures table to write, or to add rows to."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Probe a model: hidden-state, gradient and embedding alignment, zero-shot transfer, each with its null."""
    from isoglot.cli.display import print_json, progress
    from isoglot.tokenizer import open_shards
    from isoglot.train.measures import require_writable, write_measures
    from isoglot.train.probe import ProbeSettings, parse_pair, probe_checkpoint

    if not pair:
        raise InputError("no pair of languages is named: give --pair A,B, such as --pair eng,eng#2")
    if to is not None:
        require_writable(to)
    text = open_shards(shards)
    chosen = list(dict.fromkeys(parse_pair(one, text) for one in pair))
    settings = ProbeSettings(pairs, seed, _task(task, corpus, text))
    with progress() as say:
        found = probe_checkpoint(checkpoint, text, chosen, settings, say)
    replaced = None if to is None else write_measures(to, [row for one in found for row in one.rows])
    if as_json:
        print_json([_as_dict(one) for one in found])
        return
    for one in found:
        _print(one)
    if to is not None:
        typer.echo(f"{sum(len(one.measures) for one in found)} rows in {to}, {replaced} of them anew")


def _task(task: Path | None, corpus: Path | None, shards: Shards) -> Path | Synthetic | None:
    if corpus is None:
        return task
    from isoglot.corpora.corpus import open_corpus
    from isoglot.train.labelled_text import synthetic_source

    if task is not None:
        raise InputError(f"--task {task} and --corpus {corpus} name two labelled tasks: give one of them")
    found = open_corpus(corpus)
    if found.fingerprint != shards.manifest["corpus"]:
        raise InputError(f"corpus {corpus} is not the one that {shards.folder} was made from: give that one")
    return synthetic_source(found)


def _as_dict(one: Probed) -> dict[str, Any]:
    return {
        "run": one.run,
        "point": one.point,
        "pair": one.pair,
        "account": one.account,
        "notes": one.notes,
        "rows": one.rows,
    }


def _print(one: Probed) -> None:
    from isoglot.cli.display import number, print_table

    # Tensors and deciles are many: they are in the table and in the JSON.
    shown = [found for found in one.measures if "." not in found.metric]
    rows = [
        (
            found.metric,
            "" if found.layer is None else str(found.layer),
            number(found.value, 3),
            "" if found.null_value is None else number(found.null_value, 3),
            "" if found.se is None else number(found.se, 2),
        )
        for found in shown
    ]
    seen = "" if one.point is None else f" at {one.point:,} tokens"
    print_table(
        f"{one.run}{seen}: {' and '.join(one.pair)}", ("metric", "layer", "value", "null", "se"), rows
    )
    for part, counts in one.account.items():
        told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
        typer.echo(f"{part}: {told}")
    for note in one.notes:
        typer.echo(f"note: {note}")
    if len(shown) < len(one.measures):
        typer.echo(f"{len(one.measures) - len(shown)} more rows (tensors, deciles) with --to or --json")
