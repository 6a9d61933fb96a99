"""`isoglot predict`: losses of a saved fit or a published law at given points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.cli.display import interval, number, print_json, print_table
from isoglot.cli.fit import LevelOption
from isoglot.cli.table_options import JsonOption
from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.fit.result import Fit


def load(name: str) -> Fit:
    """A saved fit by path, or a published law by name."""
    from isoglot.fit.published import published
    from isoglot.fit.store import load_fit
    from isoglot.laws.published import PRESETS

    return published(name) if name in PRESETS else load_fit(name)


def predict_command(
    fit: Annotated[
        str,
        typer.Argument(metavar="FIT", help="A file written by isoglot fit --save, or a published preset."),
    ],
    params: Annotated[
        list[float] | None, typer.Option("--params", "-N", help="Model size. Repeatable.")
    ] = None,
    tokens: Annotated[
        list[float] | None,
        typer.Option("--tokens", "-D", help="Training tokens of all languages. Repeatable."),
    ] = None,
    share: Annotated[
        list[str] | None, typer.Option("--share", metavar="LANGUAGE=SHARE", help="Mixture. Repeatable.")
    ] = None,
    unique: Annotated[
        list[str] | None,
        typer.Option("--unique", metavar="LANGUAGE=TOKENS", help="Unique tokens. Repeatable."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", help="Only this group (language); one without runs needs a fit with --pool partial."
        ),
    ] = None,
    family: Annotated[
        str | None, typer.Option("--family", help="Family of a language without runs (looked up otherwise).")
    ] = None,
    level: LevelOption = 0.9,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="run: interval for a new run; mean: for the law.")
    ] = "run",
    as_json: JsonOption = False,
) -> None:
    """Predict losses with intervals, and say which ranges of the runs a point leaves."""
    import itertools

    from isoglot.fit.points import predict_points

    if not params or not tokens:
        raise InputError("predict needs --params and --tokens, such as --params 1e9 --tokens 2e10")
    fitted = load(fit)
    if group is not None and group not in fitted.groups and fitted.hierarchy is not None:
        fitted = fitted.with_language(group, family)
    points = list(itertools.product(params, tokens))
    frame = predict_points(fitted, points, _shares(share), _shares(unique), group, level, kind)
    rows = frame.to_dicts()
    if as_json:
        print_json(rows)
        return
    cells = [
        [
            row["group"] or "-",
            number(row["params"]),
            number(row["tokens"]),
            number(row["loss"], 5),
            _ends(row),
            row["outside"] or "inside",
        ]
        for row in rows
    ]
    print_table(
        f"{fitted.spec.text} ({fitted.status})",
        ["group", "N", "D", "loss", f"{level:.0%} interval", "range"],
        cells,
    )


def _ends(row: dict[str, float | None]) -> str:
    if row["low"] is None or row["low"] != row["low"]:
        return "none known"
    return interval(row["low"], row["high"], 5)


def _shares(texts: list[str] | None) -> dict[str, float]:
    from isoglot.cli.fit import numbers

    return numbers(texts)
