"""The options that say how to read a run table, shared by every command that takes one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.runs import CheckReport, Runs

TableArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Run table: .csv .tsv .jsonl .ndjson .parquet .arrow .feather .ipc, or a folder of runs",
    ),
]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--columns",
        metavar="NAME=SOURCE",
        help="Read NAME from column SOURCE; 'share.*=weight_*' maps a family, 'language==ell' gives a "
        "constant. Repeatable.",
    ),
]
GroupsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--groups",
        metavar="LANGUAGE=GROUP",
        help="Merge languages into a group (repeatable), or one of family, branch, script.",
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="COLUMN=VALUE",
        help="Keep rows with this value. Repeatable; values of one column add up.",
    ),
]
LossUnitOption = Annotated[
    str | None,
    typer.Option(
        "--loss-unit",
        metavar="UNIT",
        help="nats_per_token, bits_per_token, nats_per_byte, bits_per_byte, or any text.",
    ),
]
ParamsConventionOption = Annotated[
    str | None,
    typer.Option(
        "--params-convention", metavar="NAME", help="What params counts: total, non_embedding or unknown."
    ),
]
DuplicatesOption = Annotated[
    str, typer.Option("--duplicates", metavar="CHOICE", help="Repeated rows: refuse, drop or keep.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_runs(
    file: Path,
    columns: list[str] | None = None,
    groups: list[str] | None = None,
    where: list[str] | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    duplicates: str = "refuse",
) -> Runs:
    """Read a run table as the command line's options say.

    Raises RunTableError for a table that breaks a rule, InputError for an option that is malformed.
    """
    from isoglot.runs import read_runs

    return read_runs(
        file,
        columns=pairs_of("--columns", columns),
        groups=groups_of(groups),
        loss_unit=loss_unit,
        params_convention=params_convention,
        where=where_of(where),
        duplicates=duplicates,
    )


def check_table(
    file: Path,
    columns: list[str] | None = None,
    groups: list[str] | None = None,
    where: list[str] | None = None,
    loss_unit: str | None = None,
    params_convention: str | None = None,
    duplicates: str = "refuse",
) -> CheckReport:
    """Check a run table as the command line's options say; problems are in the result.

    Raises InputError for an option that is malformed.
    """
    from isoglot.runs import check_runs

    return check_runs(
        file,
        columns=pairs_of("--columns", columns),
        groups=groups_of(groups),
        loss_unit=loss_unit,
        params_convention=params_convention,
        where=where_of(where),
        duplicates=duplicates,
    )


def pairs_of(option: str, texts: list[str] | None) -> dict[str, str]:
    """Split ``NAME=VALUE`` texts at the first equals sign.

    Raises InputError for a text without one and for a name given twice.

    >>> pairs_of("--columns", ["params=params_total", "language==ell"])
    {'params': 'params_total', 'language': '=ell'}
    """
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} takes NAME=VALUE, not '{text}'")
        if name in pairs:
            raise InputError(f"{option} gives '{name}' twice: '{pairs[name]}' and '{value}'")
        pairs[name] = value
    return pairs


def groups_of(texts: list[str] | None) -> dict[str, str] | str | None:
    """Return the groups of ``--groups``: None, an attribute of the language table, or a mapping.

    >>> groups_of(["family"]), groups_of(["fr=Romance", "es=Romance"])
    ('family', {'fr': 'Romance', 'es': 'Romance'})
    """
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return pairs_of("--groups", texts)


def where_of(texts: list[str] | None) -> dict[str, object]:
    """Return the conditions of ``--where``; several values of one column are alternatives.

    >>> where_of(["data_size=5mb", "data_size=10mb", "split=test"])
    {'data_size': ('5mb', '10mb'), 'split': ('test',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts or ():
        ((name, value),) = pairs_of("--where", [text]).items()
        found[name] = (*found.get(name, ()), value)
    return dict(found)
