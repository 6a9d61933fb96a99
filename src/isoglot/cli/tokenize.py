"""`isoglot tokenize`: make a vocabulary, write tokenised shards, and say what each language costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.corpora.corpus import Corpus
    from isoglot.tokenizer import Clones, Fertility, Shards, Vocabulary


def tokenize_command(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder of a prepared corpus.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder for the shards.")],
    vocabulary: Annotated[
        str | None,
        typer.Option(
            "--vocabulary", "--kind", metavar="KIND", help="bpe (default), bytes, disjoint or merged."
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", help="Pieces (default 4096); of each language if disjoint or merged."),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha", help="Balance of the training text: 0 uniform, 1 proportional (default 0.3)."
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option("--budget", metavar="BYTES", help="Bytes of text to train the vocabulary on."),
    ] = None,
    languages: Annotated[
        str | None,
        typer.Option("--languages", metavar="A,B,...", help="Languages to tokenise (default all)."),
    ] = None,
    existing: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="Use this vocabulary, or that of these shards."),
    ] = None,
    clone: Annotated[
        str | None,
        typer.Option("--clone", metavar="LANGUAGE=COUNT", help="Clone a language, itself counted: eng=2."),
    ] = None,
    anchors: Annotated[
        float, typer.Option("--anchors", metavar="FRACTION", help="Fraction of ids that clones share.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tokenise a prepared corpus into shards that training reads."""
    from isoglot.cli.display import print_json, progress
    from isoglot.corpora.corpus import open_corpus
    from isoglot.tokenizer import fertility, write_shards
    from isoglot.tokenizer.store import require_free

    require_free(to)
    copies = _clones(clone, anchors)
    names = None if languages is None else [name.strip() for name in languages.split(",")]
    options = {"kind": vocabulary, "size": size, "alpha": alpha, "budget": budget}
    with progress() as say:
        text = open_corpus(corpus)
        say("making the vocabulary")
        made = _vocabulary(text, existing, names, options)
        say("tokenising")
        shards = write_shards(text, made, to, copies, names)
        costs = fertility(shards)
    if as_json:
        print_json(_as_dict(shards, costs))
    else:
        _print(shards, costs)


def _vocabulary(
    text: Corpus, existing: Path | None, names: list[str] | None, options: dict[str, Any]
) -> Vocabulary:
    from isoglot.tokenizer import load_vocabulary, train_vocabulary

    if existing is None:
        return train_vocabulary(
            options["kind"] or "bpe", text, options["size"], names, options["alpha"], options["budget"]
        )
    for name, value in options.items():
        if value is not None:
            word = "vocabulary" if name == "kind" else name
            raise InputError(
                f"--{word} {value} makes a new vocabulary, but --from names one: give one of them"
            )
    return load_vocabulary(existing)


def _clones(clone: str | None, anchors: float) -> Clones | None:
    from isoglot.tokenizer import Clones

    if clone is None:
        if anchors:
            raise InputError(f"--anchors {anchors:g} needs clones to share ids: give --clone as well")
        return None
    base, _, count = clone.partition("=")
    if not count.isdecimal():
        raise InputError(f"--clone {clone!r} is not LANGUAGE=COUNT: write eng=2")
    return Clones(base, int(count), anchors)


def _as_dict(shards: Shards, costs: list[Fertility]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "folder": str(shards.folder),
        "fingerprint": shards.fingerprint,
        "vocabulary": shards.manifest["vocabulary"],
        "clones": None if shards.clones is None else _clone_facts(shards),
        "languages": [asdict(cost) for cost in costs],
    }


def _clone_facts(shards: Shards) -> dict[str, Any]:
    assert shards.clones is not None
    return {
        **shards.manifest["clones"],
        "labels": shards.clones.labels,
        "shared_ids": len(shards.clones.anchors(shards.base_size)),
    }


def _print(shards: Shards, costs: list[Fertility]) -> None:
    from isoglot.cli.display import print_table

    kind, size = shards.manifest["vocabulary"]["kind"], shards.base_size
    columns = ("language", "documents", "tokens", "bytes", "bytes/token", "tokens/word", "tokens/unit")
    rows = [
        (
            cost.language,
            f"{cost.documents:,}",
            f"{cost.tokens:,}",
            f"{cost.bytes:,}",
            f"{cost.bytes_per_token:.2f}",
            "" if cost.tokens_per_word is None else f"{cost.tokens_per_word:.2f}",
            "" if cost.tokens_per_unit is None else f"{cost.tokens_per_unit:.2f}",
        )
        for cost in costs
    ]
    print_table(f"{shards.folder}: {kind} vocabulary of {size:,} ids", columns, rows)
    if shards.clones is not None:
        facts = _clone_facts(shards)
        typer.echo(
            f"clones of {facts['base']}: {', '.join(facts['labels'])}, {facts['shared_ids']:,} ids shared; "
            f"{shards.vocabulary_size:,} ids in all"
        )
    typer.echo(f"fingerprint {shards.fingerprint}")
