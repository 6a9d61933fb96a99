"""What `isoglot corpus` prints: a census with what was left out, the list of sources, one source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from isoglot.corpora.census import LanguageCensus
    from isoglot.corpora.corpus import Corpus

# Columns of a terminal that holds the whole list of sources.
WIDE = 140


def show_corpus(made: Corpus, counted: tuple[LanguageCensus, ...], as_json: bool) -> None:
    """Print the census of a corpus with what was left out of it, or all of it as JSON."""
    from isoglot.cli.display import print_json

    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "folder": str(made.folder),
                "fingerprint": made.fingerprint,
                "notes": made.manifest["notes"],
                "languages": [
                    asdict(one) | {"manifest": made.manifest["languages"][one.language]} for one in counted
                ],
            }
        )
        return
    _print_census(made, counted)
    if any(one.vocabulary for one in counted):
        _print_tokens(counted)
    _print_left_out(made)
    typer.echo(f"fingerprint {made.fingerprint}")


def _print_census(made: Corpus, counted: tuple[LanguageCensus, ...]) -> None:
    from isoglot.cli.display import print_table

    columns = "language documents held-out passages bytes train characters parallel compression".split()
    rows = [
        (
            one.language,
            f"{one.documents:,}",
            f"{one.held_out_documents:,}",
            f"{one.passages:,}",
            f"{one.bytes:,}",
            f"{one.train_share:.1%}",
            f"{one.characters:,}",
            f"{one.parallel_units:,}",
            f"{one.compression:.2f}",
        )
        for one in counted
    ]
    print_table(f"{made.folder}: {made.manifest['source'].get('name')}", columns, rows)


def _print_tokens(counted: tuple[LanguageCensus, ...]) -> None:
    from isoglot.cli.display import number, print_table

    columns = ("language", "unique tokens", "ids used", "bytes/token", "tokens/word", "tokens/reference")
    rows = [
        (
            one.language,
            f"{tokens.unique_tokens:,}",
            f"{tokens.vocabulary_used:,}",
            number(tokens.bytes_per_token, 3),
            "" if tokens.tokens_per_word is None else number(tokens.tokens_per_word, 3),
            "" if tokens.tokens_per_reference is None else number(tokens.tokens_per_reference, 3),
        )
        for one in counted
        if (tokens := one.vocabulary) is not None
    ]
    print_table("tokens", columns, rows)


def _print_left_out(made: Corpus) -> None:
    """Say what is not in the corpus and why, and where held-out text is not quite unseen."""
    for language, entry in made.manifest["languages"].items():
        parts = [f"{out['passages']:,} {reason}" for reason, out in entry["left_out"].items()]
        for what in ("near_duplicates", "dealt_to_other_languages", "beyond_the_limit"):
            if entry[what] and entry[what]["documents"]:
                parts.append(f"{entry[what]['documents']:,} documents {what.replace('_', ' ')}")
        if parts:
            typer.echo(
                f"left out of {language} ({entry['passages_read']:,} passages read): {', '.join(parts)}"
            )
        leak = entry["held_out_text_in_training"]
        if leak["passages"] or leak["grams"]:
            worst = ", ".join(f"{key} {part:.0%}" for key, part in leak["worst"].items())
            typer.echo(
                f"held-out text of {language} that stands in training text too: {leak['grams']:.2%} of its 8-grams "
                f"({leak['gram_bytes']:.2%} of its bytes); whole passages: {leak['passages']:,}"
                + (f"; most in {worst}" if worst else "")
            )
    for note in made.manifest["notes"]:
        typer.echo(note)


def print_sources(listed: list[dict[str, Any]]) -> None:
    """Print the sources as a table, one a row; a narrow terminal gets what fits, and `list NAME` has the rest."""
    from rich.console import Console
    from rich.markup import escape

    from isoglot.cli.display import print_table

    rows: list[tuple[str, ...]] = [
        (
            one["name"],
            one["summary"],
            str(len(one["languages"])),
            one["parallel"],
            one["size"],
            one["licence"]
            + ("; gated" if one["gated"] else "")
            + ("" if one["verified"] else "; address unverified"),
            # Extras stand in brackets, which Rich would take for markup.
            escape(one["needs"]),
        )
        for one in listed
    ]
    columns: tuple[str, ...] = ("name", "text", "languages", "parallel by", "size", "licence", "needs")
    if (console := Console()).is_terminal and console.width < WIDE:
        columns, rows = ("name", "text", "licence"), [(row[0], row[1], row[5]) for row in rows]
    print_table("Sources of text (isoglot corpus fetch NAME)", columns, rows, left=len(columns), whole=1)
    typer.echo(
        "isoglot corpus list NAME shows size, needs, languages and options; your own text: isoglot corpus prepare --help"
    )


def print_source(one: dict[str, Any]) -> None:
    """Print one source in full: its languages and options."""
    for fact in ("name", "summary", "size", "licence", "parallel", "needs", "gated", "verified"):
        typer.echo(f"{fact:<10} {one[fact]}")
    typer.echo(f"{'languages':<10} {' '.join(one['languages'])}")
    for option, words in one["options"].items():
        typer.echo(f"--option {option}=...  {words}")
