"""`isoglot laws`: the registry, and every law's formula, parameters and published constants."""

from __future__ import annotations

import shutil
import sys
import textwrap
from itertools import groupby
from typing import Annotated, Any

import typer

from isoglot.cli.display import print_json, print_table
from isoglot.cli.table_options import JsonOption

app = typer.Typer(help="List laws; show one with its parameters and published constants.")


@app.callback(invoke_without_command=True)
def laws(
    context: typer.Context,
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference page docs/laws.md instead.")
    ] = False,
) -> None:
    """List all laws with their formula and number of published presets."""
    if context.invoked_subcommand is not None:
        return
    from isoglot.laws.describe import describe_all
    from isoglot.laws.reference import reference

    if markdown:
        typer.echo(reference(), nl=False)
        return
    rows = describe_all()
    if as_json:
        print_json(rows)
        return
    cells = [[row["name"], row["formula"], str(row["presets"] or "fit only")] for row in rows]
    print_table("Laws", ["name", "formula", "published"], cells, left=3)
    typer.echo("\nisoglot laws show NAME: idea, options, parameters with units, published constants")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A law, also with options, or a published preset.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Show a law (or a preset): idea, options, parameters, constants with grade, source and range."""
    from isoglot.laws.describe import describe

    found = describe(name)
    if as_json:
        print_json(found)
        return
    _print_text(found["text"])
    _print_parts(found)
    for preset in found["presets"]:
        _print_preset(preset)
    if not found["presets"]:
        typer.echo("\nNo published constants can be shipped for this law: fit it to runs.")
    for note in found["notes"]:
        typer.echo()
        _print_wrapped(note)


def _print_parts(found: dict[str, Any]) -> None:
    """Options, parameters and columns as tables; a column that is empty throughout is left out."""
    from isoglot.laws.describe import domain, unit_text

    options = [[o["name"], ", ".join(o["values"]), o["default"]] for o in found["options"]]
    parameters = [
        [p["name"], p["meaning"], unit_text(p["unit"]), domain(p["lower"], p["upper"]), p["where"]]
        for p in found["parameters"]
    ]
    columns = [
        [
            c["name"],
            c["meaning"],
            unit_text(c["unit"]),
            "required" if c["default"] is None else f"{c['default']:g}",
            c["where"],
        ]
        for c in found["columns"]
    ]
    for title, header, rows in (
        ("Options", ["name", "values", "default"], options),
        ("Parameters", ["name", "meaning", "unit", "domain", "only with"], parameters),
        ("Columns of the run table", ["name", "meaning", "unit", "if missing", "only with"], columns),
    ):
        if rows:
            typer.echo()
            used = len(header) if any(row[-1] for row in rows) else len(header) - 1
            print_table(title, header[:used], [row[:used] for row in rows], left=used)


def _width() -> int:
    """Columns to wrap at; text that is piped is not wrapped, so that it can be searched."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def _print_wrapped(text: str, indent: int = 0) -> None:
    """Print one paragraph; lines after the first are indented."""
    width = max(_width(), indent + 20)
    typer.echo(
        textwrap.fill(
            text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
    )


def _print_text(text: str) -> None:
    """Print a docstring: paragraphs are filled to the terminal, tables are laid out."""
    for table, group in groupby(text.splitlines(), lambda line: line.startswith("|")):
        lines = list(group)
        if table:
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            header, body = rows[0], [row for row in rows[1:] if set("".join(row)) - set("-")]
            print_table("", header, body, left=len(header))
            continue
        for blank, paragraph in groupby(lines, lambda line: not line.strip()):
            if blank:
                typer.echo()
            else:
                _print_wrapped(" ".join(paragraph))


def _print_preset(preset: dict[str, Any]) -> None:
    from isoglot.laws.describe import rounded, span

    typer.echo(f"\n{preset['name']}  [{preset['grade']}, {preset['use']}]  law {preset['law']}")
    values = ", ".join(f"{key}={rounded(value)}" for key, value in preset["params"].items())
    ranges = "; ".join(span(key, low, high) for key, (low, high) in preset["ranges"].items())
    for label, text in (
        ("values", values),
        ("source", preset["source"]),
        ("range", ranges or "not known"),
        ("N counts", preset["params_convention"]),
        ("tokenizer", preset["tokenizer"]),
        ("loss in", preset["loss_unit"]),
        ("note", preset["note"]),
    ):
        _print_wrapped(f"  {label:<10} {text}", indent=13)
