"""Printing: tables, numbers, progress. Everything printed comes from a result's plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer


def number(value: float | None, digits: int = 4) -> str:
    """A number with a few significant digits; None and infinity as 'unbounded'."""
    if value is None or (isinstance(value, float) and math.isinf(value)):
        return "unbounded"
    if value == 0:
        return "0"
    return f"{value:.{digits}g}"


def interval(low: float | None, high: float | None, digits: int = 4) -> str:
    """Two ends of an interval."""
    return f"{number(low, digits)} to {number(high, digits)}"


def print_json(data: Any) -> None:
    """Print data as indented JSON."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=float))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, whole: int = 0
) -> None:
    """Print a table; the first `left` columns are text, the others numbers.

    The first `whole` columns are never broken over lines; none is when piped.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(columns):
        table.add_column(name, justify="left" if at < left else "right", overflow="fold", no_wrap=at < whole)
    for row in rows:
        table.add_row(*row)
    console.print(table)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A status line on stderr for work over two seconds; silent where stderr is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("starting") as status:
        yield lambda text: status.update(text)
