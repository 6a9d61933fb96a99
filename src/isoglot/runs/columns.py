"""Which source column feeds which column of the run table.

A mapping goes from the run table's name to the source's: ``{"params": "params_total"}``. A trailing ``*``
maps a family (``{"share.*": "weight_*"}``), a leading ``=`` gives a constant (``{"language": "=ell"}``). A
source column that already bears a known name needs no mapping; every other column is kept as an extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.runs.labels import read_labels
from isoglot.runs.ledger import Ledger, listed, show
from isoglot.runs.schema import FAMILIES, REST, ROW, family_of, is_known, known_names
from isoglot.runs.source import SourceTable

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class ColumnPlan:
    """Canonical name -> source column (or ``=constant``), and the extra columns kept as they are."""

    origins: dict[str, str]
    extras: tuple[str, ...]

    @property
    def wide_languages(self) -> tuple[str, ...]:
        """Labels of the loss columns, empty for a long table."""
        members = (family_of(name) for name in self.origins)
        return tuple(member[1] for member in members if member and member[0] == "loss")

    def family(self, family: str) -> list[str]:
        """Canonical names of a family's members."""
        return [name for name in self.origins if (family_of(name) or ("", ""))[0] == family]

    def origin(self, name: str) -> str:
        """What the source calls a column (its canonical name where it was derived)."""
        source = self.origins.get(name, name)
        return name if source.startswith("=") else source


def plan_columns(table: SourceTable, columns: Mapping[str, str] | None, ledger: Ledger) -> ColumnPlan:
    """Resolve a mapping against the source's columns.

    Raises InputError when the mapping itself is malformed; a column that is missing or claimed twice is a
    problem of the table.
    """
    mapping = dict(columns or {})
    pairs = _explicit(table, mapping, ledger)
    claimed = {source for _, source in pairs}
    pairs += _wildcards(table, mapping, claimed, ledger)
    targets, used = {target for target, _ in pairs}, {source for _, source in pairs}
    clashes = []
    for name in table.columns:
        if name.endswith(".") and name[:-1] in FAMILIES:
            message = f"{ledger.name} has a column '{name}' that names no language; rename it"
            ledger.problem(message, "language", column=name)
        if name not in used and is_known(name):
            if name in targets:
                clashes.append(name)
            else:
                pairs.append((name, name))
    for name in clashes:
        message = f"source column '{name}' is not kept: another column was mapped to that name"
        ledger.note("warnings", "clash", message, 1)
    origins = _unique(_labelled(pairs, ledger), table, ledger)
    used = {*origins.values(), *used, *clashes}
    extras = tuple(name for name in table.columns if name not in used)
    return ColumnPlan(origins, extras)


def _explicit(table: SourceTable, mapping: Mapping[str, str], ledger: Ledger) -> Pairs:
    pairs: Pairs = []
    for target, source in mapping.items():
        if not isinstance(target, str) or not isinstance(source, str):
            raise InputError(f"columns= maps names to names, not {target!r} to {source!r}")
        if "*" in target:
            continue
        if not is_known(target):
            close = nearest(target, known_names())
            raise InputError(f"columns= names '{target}', which is no column of the run table{close}")
        if source.startswith("=") or source in table.columns:
            pairs.append((target, source))
            continue
        ledger.problem(
            f"{ledger.name} has no column '{source}'{nearest(source, table.columns)}, "
            f"which columns= maps to '{target}'; its columns are {listed(table.columns)}",
            "missing_column",
            column=source,
        )
    return pairs


def _wildcards(table: SourceTable, mapping: Mapping[str, str], claimed: set[str], ledger: Ledger) -> Pairs:
    pairs: Pairs = []
    for target, source in mapping.items():
        if "*" not in target:
            continue
        family = target.removesuffix(".*")
        if family not in FAMILIES or source.count("*") != 1 or source.startswith("="):
            raise InputError(
                f"columns= maps '{target}' to '{source}', but a wildcard maps a family such as 'share.*' "
                "to a pattern with one *, such as 'weight_*'"
            )
        before, after = source.split("*")
        found = [
            (f"{family}.{name[len(before) : len(name) - len(after)]}", name)
            for name in table.columns
            if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
        ]
        if not found:
            ledger.problem(
                f"{ledger.name} has no column matching '{source}', which columns= maps to '{target}'; "
                f"its columns are {listed(table.columns)}",
                "missing_column",
                column=source,
            )
        pairs += [pair for pair in found if pair[1] not in claimed]
    return pairs


def _labelled(pairs: Pairs, ledger: Ledger) -> Pairs:
    """Replace the source's language labels in family columns by the table's."""
    texts = {member[1]: source for target, source in pairs if (member := family_of(target))}
    labels: dict[str, str] = {}
    for text, source in texts.items():
        labels.update({text: REST} if text == REST else read_labels([text], source, ledger))
    renamed: Pairs = []
    for target, source in pairs:
        member = family_of(target)
        if member is None:
            renamed.append((target, source))
        elif member[1] in labels:
            renamed.append((f"{member[0]}.{labels[member[1]]}", source))
    return renamed


def _unique(pairs: Pairs, table: SourceTable, ledger: Ledger) -> dict[str, str]:
    origins: dict[str, str] = {}
    for target, source in pairs:
        if target not in origins:
            origins[target] = source
            continue
        first, second = (_first_value(table, name) for name in (origins[target], source))
        ledger.problem(
            f"{ledger.place(1)}: columns '{origins[target]}' ({first}) and '{source}' ({second}) are both "
            f"read as '{target}'; map one of them",
            "two_columns",
            row=1,
            column=target,
            value=second,
        )
    return origins


def _first_value(table: SourceTable, name: str) -> str:
    return name if name.startswith("=") else show(table.frame[name][0])


def take_columns(table: pl.DataFrame, plan: ColumnPlan) -> pl.DataFrame:
    """Return the planned columns under their canonical names, constants filled in, ROW and extras kept."""
    expressions = [
        pl.lit(source[1:], dtype=pl.String).alias(target)
        if source.startswith("=")
        else pl.col(source).alias(target)
        for target, source in plan.origins.items()
    ]
    return table.select(pl.col(ROW), *expressions, *(pl.col(name) for name in plan.extras))
