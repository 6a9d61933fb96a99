"""How the commands of `isoglot runs` print a table's summary and the account of an import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def console_of_runs() -> Console:
    """Return a console that prints names and cells as they are."""
    from rich.console import Console

    # File names and cells may look like Rich markup: print them as they are.
    return Console(markup=False, highlight=False, soft_wrap=True)


def cell(value: object) -> str:
    """Return a cell as it is printed: numbers short, a missing one empty."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _span(values: dict[str, float]) -> str:
    if not values:
        return "none known"
    return f"{values['low']:.4g} to {values['high']:.4g} (median {values['median']:.4g})"


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """Print what `Runs.summary` holds, and the import's account."""
    console.print(f"{summary['source']}: {summary['rows']} rows of {summary['runs']} runs", style="bold")
    console.print(
        f"  {summary['clusters']} clusters, {summary['points']} run points; rows a cluster: "
        f"{_span(summary['rows_per_cluster'])}"
    )
    console.print(f"  loss in {summary['loss_unit']}; params counted as {summary['params_convention']}")
    _print_block(console, "Ranges", {name: _span(values) for name, values in summary["ranges"].items()})
    distinct = ", ".join(f"{count} of {name}" for name, count in summary["distinct"].items())
    console.print(f"  distinct values: {distinct}")
    losses = {
        label: f"{entry['rows']} rows, loss {_span(entry['loss'])}"
        for label, entry in summary["languages"].items()
    }
    _print_block(console, "Languages", losses)
    _print_block(console, "Shares", {name: _span(values) for name, values in summary["shares"].items()})
    repetition = {name: _span(values) for name, values in summary["repetition"].items()}
    _print_block(console, "Repetition (tokens seen / unique tokens)", repetition)
    found = {code: str(count) for code, count in summary["duplicates"].items() if count}
    _print_block(console, "Duplicates", found or {"none": "found"})
    print_account(console, summary["report"])


def print_account(console: Console, report: Mapping[str, Any]) -> None:
    """Print what an import assumed, derived, left out and doubted, each with its count of rows."""
    for kind in ("assumptions", "derived", "left_out", "warnings"):
        notes = [f"{note['count']:>8}  {note['message']}" for note in report[kind]]
        if notes:
            console.print(kind.replace("_", " ").capitalize(), style="bold")
            for note in notes:
                console.print(note)


def _print_block(console: Console, title: str, lines: dict[str, str], limit: int = 30) -> None:
    if not lines:
        return
    console.print(title, style="bold")
    width = max(len(name) for name in lines)
    for name in list(lines)[:limit]:
        console.print(f"  {name:<{width}}  {lines[name]}")
    if len(lines) > limit:
        console.print(f"  and {len(lines) - limit} more (all with --json)")
