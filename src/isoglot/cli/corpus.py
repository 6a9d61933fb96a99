"""`isoglot corpus`: list the sources of text, fetch and prepare them, and count what they hold.

The commands print what `isoglot.corpora` returns and compute nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.corpus_display import print_source, print_sources, show_corpus

if TYPE_CHECKING:
    from isoglot.corpora.source import Source

app = typer.Typer(no_args_is_help=True, help="List, fetch, prepare and count corpora.")

LanguagesOption = Annotated[
    str | None,
    typer.Option("--languages", metavar="A,B,...", help="Languages, such as en,fr (default all offered)."),
]
RestrictedOption = Annotated[
    bool, typer.Option("--restricted", help="Take text too whose rights are restricted or unclear.")
]
OptionOption = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Option of a source (corpus list NAME). Repeatable."),
]
HeldOutOption = Annotated[
    float, typer.Option("--held-out", metavar="FRACTION", help="Fraction of the documents to hold out.")
]
HeldOutDocumentsOption = Annotated[
    int | None,
    typer.Option("--held-out-documents", metavar="N", help="Hold out N documents a language instead."),
]
ContainmentOption = Annotated[
    float,
    typer.Option(
        "--containment",
        metavar="PART",
        help="Deal documents as one where one holds this part of the other's 8-grams; 0: each alone.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the split.")]
NearDuplicatesOption = Annotated[
    bool | None,
    typer.Option(
        "--drop-near-duplicates/--keep-near-duplicates",
        help="Remove near-duplicate documents (default: only where nothing is parallel).",
    ),
]
DisjointOption = Annotated[
    bool, typer.Option("--disjoint", help="Deal training documents out: no two languages share one.")
]
LimitOption = Annotated[
    str | None, typer.Option("--limit", metavar="SIZE", help="Training text a language at most: 10MB.")
]
CleanOption = Annotated[
    str | None,
    typer.Option("--clean", metavar="RULES", help="prose, verses or none (default: what the source says)."),
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace a corpus that is there already.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def corpus() -> None:
    """List, fetch, prepare and count corpora."""


@app.command("list")
def list_command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show one source in full.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the sources of text that can be fetched by name: languages, size, licence, and what they need."""
    from dataclasses import fields

    from isoglot.cli.display import print_json
    from isoglot.corpora.catalogue import SOURCES, Entry
    from isoglot.corpora.request import entry

    chosen = list(SOURCES.values()) if name is None else [entry(name)]
    facts = [f.name for f in fields(Entry) if f.name != "make"]
    listed = [
        {fact: dict(one.options) if fact == "options" else getattr(one, fact) for fact in facts}
        for one in chosen
    ]
    if as_json:
        print_json(listed if name is None else listed[0])
    elif name is None:
        print_sources(listed)
    else:
        print_source(listed[0])


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A source that corpus list names.")],
    languages: LanguagesOption = None,
    restricted: RestrictedOption = False,
    option: OptionOption = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Folder (default: the cache, under the source's name)."),
    ] = None,
    held_out: HeldOutOption = 0.05,
    held_out_documents: HeldOutDocumentsOption = None,
    containment: ContainmentOption = 0.1,
    seed: SeedOption = 0,
    near_duplicates: NearDuplicatesOption = None,
    disjoint: DisjointOption = False,
    limit: LimitOption = None,
    clean: CleanOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Download a source, clean and split it, and write it as a corpus; prints its census."""
    from isoglot.corpora.request import default_folder, option_pairs, requested
    from isoglot.corpora.split import HoldOut

    asked = _names(languages)
    source = requested([name], languages=asked, restricted=restricted, options=option_pairs(option or []))
    rules = {"near_duplicates": near_duplicates, "disjoint": disjoint, "rules": clean, "overwrite": overwrite}
    hold_out = HoldOut(held_out, held_out_documents, seed, containment)
    _prepare(source, to or default_folder(name), asked, limit, as_json, hold_out=hold_out, **rules)


@app.command()
def prepare(
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder for the corpus.")],
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Sources that corpus list names.")
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="LANGUAGE=PATH",
            help="A text file (documents between blank lines) or a folder of .txt files. Repeatable.",
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            "--table",
            metavar="[LANGUAGE=]PATH",
            help="JSON lines or Parquet with a column text; a column names the language if you do not. Repeatable.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="ROLE=COLUMN",
            help="Column that serves as text, language, document or unit. Repeatable.",
        ),
    ] = None,
    parallel: Annotated[
        bool,
        typer.Option("--parallel", help="Your files say the same in every language, document by document."),
    ] = False,
    licence: Annotated[
        str, typer.Option("--licence", help="Rights in your text, for the manifest.")
    ] = "not stated",
    languages: LanguagesOption = None,
    restricted: RestrictedOption = False,
    option: OptionOption = None,
    held_out: HeldOutOption = 0.05,
    held_out_documents: HeldOutDocumentsOption = None,
    containment: ContainmentOption = 0.1,
    seed: SeedOption = 0,
    near_duplicates: NearDuplicatesOption = None,
    disjoint: DisjointOption = False,
    limit: LimitOption = None,
    clean: CleanOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make one corpus of your own text, tables and named sources; prints its census."""
    from isoglot.corpora.request import option_pairs, requested
    from isoglot.corpora.split import HoldOut

    asked = _names(languages)
    source = requested(
        sources or [],
        text or [],
        table or [],
        languages=asked,
        restricted=restricted,
        options=option_pairs(option or []),
        columns=option_pairs(columns or [], "column", "--columns text=content"),
        parallel=parallel,
        licence=licence,
    )
    rules = {"near_duplicates": near_duplicates, "disjoint": disjoint, "rules": clean, "overwrite": overwrite}
    _prepare(
        source,
        to,
        asked,
        limit,
        as_json,
        hold_out=HoldOut(held_out, held_out_documents, seed, containment),
        **rules,
    )


@app.command()
def census(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a prepared corpus.")],
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer", metavar="FOLDER", help="Count tokens of this vocabulary, or these shards."
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference", metavar="LANGUAGE", help="Compare tokens of parallel units with this one."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count what a corpus holds of each language, and what a vocabulary makes of it."""
    from isoglot.cli.display import progress
    from isoglot.core.languages import parse_label
    from isoglot.corpora.census import census as take
    from isoglot.corpora.corpus import open_corpus

    vocabulary = None
    if tokenizer is not None:
        from isoglot.tokenizer import load_vocabulary

        vocabulary = load_vocabulary(tokenizer)
    made = open_corpus(folder)
    with progress() as say:
        say("counting")
        counted = take(made, vocabulary, None if reference is None else parse_label(reference))
    show_corpus(made, counted, as_json)


def _names(languages: str | None) -> list[str] | None:
    return None if languages is None else [name.strip() for name in languages.split(",") if name.strip()]


def _prepare(
    source: Source, to: Path, languages: list[str] | None, limit: str | None, as_json: bool, **options: Any
) -> None:
    from isoglot.cli.display import progress
    from isoglot.corpora.budget import byte_count
    from isoglot.corpora.census import census as take
    from isoglot.corpora.prepare import prepare as make

    limit_bytes = None if limit is None else byte_count(limit)
    with progress() as say:
        made = make(source, to, languages, limit_bytes=limit_bytes, progress=say, **options)
        say("counting")
        counted = take(made)
    show_corpus(made, counted, as_json)
