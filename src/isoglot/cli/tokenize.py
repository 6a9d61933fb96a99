"""`isoglot tokenize`: make a vocabulary, write tokenised shards, and say what each language costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.stored_ids import StoredIds
from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.corpora.corpus import Corpus
    from isoglot.tokenizer import Clones, Fertility, Shards, Vocabulary


def tokenize_command(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder for the shards.")],
    corpus: Annotated[
        Path | None, typer.Argument(metavar="[CORPUS]", help="Folder of a prepared corpus.")
    ] = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            "--vocabulary",
            "--kind",
            metavar="KIND",
            help="bpe (default), bytes, disjoint, merged; or hf:PLACE, a tokenizer.json or its folder.",
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
    end: Annotated[
        str | None,
        typer.Option("--end", metavar="PIECE", help="Piece of the hf: vocabulary that ends a document."),
    ] = None,
    lost: Annotated[
        float,
        typer.Option("--lost", metavar="FRACTION", help="Part of a language that hf: may not know."),
    ] = 0.001,
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
    ids: Annotated[
        list[str] | None,
        typer.Option("--ids", metavar="LANGUAGE=PLACE", help="Ids already on disk, instead of a corpus."),
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="Of --ids: megatron, nanotron, olmo, npy or raw.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Of --ids that do not tell it: uint16, uint32, ...")
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option("--held-out", metavar="FRACTION", help="Of the documents of --ids (default 0.05)."),
    ] = None,
    held_out_documents: Annotated[
        int | None,
        typer.Option("--held-out-documents", metavar="N", help="Of --ids, N documents a language instead."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tokenise a prepared corpus, or take ids already on disk, into shards that training reads."""
    from isoglot.cli.display import print_json, progress
    from isoglot.tokenizer import fertility
    from isoglot.tokenizer.store import require_free

    require_free(to)
    copies = _clones(clone, anchors)
    asked = StoredIds(ids or [], form, dtype, held_out, held_out_documents)
    asked.check(corpus, languages)
    names = None if languages is None else [name.strip() for name in languages.split(",")]
    options = {"kind": vocabulary, "size": size, "alpha": alpha, "budget": budget, "end": end}
    with progress() as say:
        shards = _shards(corpus, asked, existing, names, options, to, copies, lost, say)
        costs = fertility(shards)
    if as_json:
        print_json(_as_dict(shards, costs))
    else:
        _print(shards, costs)


def _shards(
    corpus: Path | None,
    asked: StoredIds,
    existing: Path | None,
    names: list[str] | None,
    options: dict[str, Any],
    to: Path,
    clones: Clones | None,
    lost: float,
    say: Callable[[str], object],
) -> Shards:
    from isoglot.corpora.corpus import open_corpus
    from isoglot.tokenizer import write_shards

    if corpus is None:
        say("reading ids")
        return asked.shards(_vocabulary(None, existing, names, options), to, clones, lost)
    text = open_corpus(corpus)
    say("making the vocabulary")
    made = _vocabulary(text, existing, names, options)
    say("tokenising")
    return write_shards(text, made, to, clones, names, lost)


def _vocabulary(
    text: Corpus | None, existing: Path | None, names: list[str] | None, options: dict[str, Any]
) -> Vocabulary:
    from isoglot.tokenizer import load_vocabulary, read_tokenizer, train_vocabulary

    kind = options["kind"]
    foreign = kind is not None and kind.startswith("hf:")
    for name, value in options.items():
        if value is not None and existing is not None:
            word = "vocabulary" if name == "kind" else name
            raise InputError(
                f"--{word} {value} makes a new vocabulary, but --from names one: give one of them"
            )
        if value is not None and name != "kind" and foreign != (name == "end"):
            raise InputError(
                f"--{name} {value} is for {'a vocabulary that is trained' if foreign else '--vocabulary hf:PLACE'}: "
                "leave it out"
            )
    if existing is not None:
        return load_vocabulary(existing)
    if foreign:
        return read_tokenizer(kind, options["end"])
    if text is not None:
        return train_vocabulary(
            kind or "bpe", text, options["size"], names, options["alpha"], options["budget"]
        )
    raise InputError(
        "ids on disk need the vocabulary that they were made with: give --vocabulary hf:PLACE, or --from FOLDER"
    )


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
        "languages": [{**asdict(cost), "kept": shards.counts(cost.language).get("kept")} for cost in costs],
        "source": shards.manifest.get("source"),
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
    from isoglot.cli.stored_ids import print_kept

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
    for cost in costs:
        print_kept(shards, cost)
    typer.echo(f"fingerprint {shards.fingerprint}")
