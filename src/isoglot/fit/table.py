"""From a run table to the arrays of a fit: groups, query, clusters, centred units, and what was left out.

Rows that take no part are never lost silently: each exclusion is counted with its reason in `left_out`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np
import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.fit.layout import Centre, Layout
from isoglot.fit.solver import Data
from isoglot.laws.law import AbstractLaw, Column, exponent_names
from isoglot.laws.own_check import check_values
from isoglot.laws.own_file import OwnLaw
from isoglot.laws.query import Query
from isoglot.laws.registry import LawSpec, bind
from isoglot.runs import Runs

Transfer = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Table:
    """Rows of a fit as arrays, in the units of the run table."""

    query: Query
    loss: np.ndarray
    loss_se: np.ndarray | None
    cluster: np.ndarray
    cluster_names: tuple[str, ...]
    group: np.ndarray
    groups: tuple[str, ...]
    languages: tuple[str, ...]
    transfer: dict[str, tuple[str, ...]]
    row: np.ndarray
    left_out: dict[str, int]
    columns: tuple[Column, ...] = ()
    transfer_note: tuple[str, ...] = ()

    def take(self, keep: np.ndarray, reason: str) -> Table:
        """Keep the rows of a mask; the others are counted under `reason`."""
        if keep.all():
            return self
        groups = np.unique(self.group[keep])
        renumber = {int(old): new for new, old in enumerate(groups)}
        return Table(
            query=jax.tree.map(lambda field: field[keep], self.query),
            loss=self.loss[keep],
            loss_se=None if self.loss_se is None else self.loss_se[keep],
            cluster=self.cluster[keep],
            cluster_names=self.cluster_names,
            group=np.array([renumber[int(g)] for g in self.group[keep]], int),
            groups=tuple(self.groups[int(g)] for g in groups),
            languages=self.languages,
            transfer=self.transfer,
            row=self.row[keep],
            left_out={**self.left_out, reason: self.left_out.get(reason, 0) + int((~keep).sum())},
            columns=self.columns,
            transfer_note=self.transfer_note,
        )

    @property
    def num_rows(self) -> int:
        """Rows that take part."""
        return len(self.loss)


def make_table(
    runs: Runs,
    *,
    by: str | Sequence[str] | None = None,
    transfer: dict[str, tuple[str, ...]] | None = None,
    columns: Sequence[Column] = (),
) -> Table:
    """Arrays of every row of a run table.

    `transfer` names the transfer set of each evaluated language, `columns` what the law needs beyond size, data
    and mixture.
    """
    frame = runs.frame
    languages = query_languages(runs)
    position = {label: at for at, label in enumerate(languages)}
    evaluated = frame["language"].to_list()
    single = not runs.share_languages
    target = np.zeros(len(frame), int) if single else np.array([position[label] for label in evaluated])
    shares = np.ones((len(frame), 1)) if single else _columns(frame, "share", languages, 0.0)
    unique = _own_unique(frame, evaluated) if single else _columns(frame, "unique", languages, np.inf)
    sets = transfer or {}
    width = max((len(members) for members in sets.values()), default=0)
    helpers = np.zeros((len(frame), width), int)
    for label, members in sets.items():
        helpers[np.array([name == label for name in evaluated], bool)] = [
            position[member] for member in members
        ]
    names, codes = np.unique(frame["cluster"].to_numpy().astype(str), return_inverse=True)
    groups, membership = _group(frame, by)
    return Table(
        query=Query(
            N=frame["params"].to_numpy().astype(float),
            D=frame["tokens"].to_numpy().astype(float),
            shares=shares,
            unique=unique,
            target=target,
            num_languages=frame["num_languages"].to_numpy().astype(float),
            transfer=helpers,
            extra={column.name: _extra(frame, column) for column in columns},
        ),
        loss=frame["loss"].to_numpy().astype(float),
        loss_se=frame["loss_se"].fill_null(0.0).to_numpy().astype(float)
        if "loss_se" in frame.columns
        else None,
        cluster=codes,
        cluster_names=tuple(names.tolist()),
        group=membership,
        groups=groups,
        languages=languages,
        transfer=sets,
        row=np.arange(len(frame)),
        left_out={},
        columns=tuple(columns),
    )


def _extra(frame: pl.DataFrame, column: Column) -> np.ndarray:
    """A column that a law asks for, with its default where a cell is missing."""
    if column.name not in frame.columns:
        if column.default is None:
            raise InputError(
                f"fit: the law needs the column {column.name!r} ({column.meaning}, {column.unit}), which the run table "
                "lacks; add it, or map one with columns="
            )
        return np.full(len(frame), column.default)
    values = frame[column.name]
    if not values.dtype.is_numeric():
        raise InputError(f"fit: column {column.name!r} holds {values.dtype}; the law needs numbers")
    numbers = values.cast(pl.Float64).fill_nan(None)
    if column.default is None and numbers.null_count():
        row = int(numbers.is_null().arg_max() or 0)
        raise InputError(
            f"fit: column {column.name!r} is empty in row {frame['row'][row]}, and the law needs it; fill it or leave the row out"
        )
    return numbers.fill_null(column.default).to_numpy() if column.default is not None else numbers.to_numpy()


def query_languages(runs: Runs) -> tuple[str, ...]:
    """Labels along the K axis: every language with a share, then evaluated ones without any."""
    known = list(runs.share_languages)
    return tuple(known + [label for label in runs.languages if label not in known]) if known else ("own",)


def _columns(frame: pl.DataFrame, prefix: str, languages: Sequence[str], missing: float) -> np.ndarray:
    out = np.full((len(frame), len(languages)), missing)
    for at, label in enumerate(languages):
        name = f"{prefix}.{label}"
        if name in frame.columns:
            out[:, at] = frame[name].cast(pl.Float64).fill_null(missing).to_numpy()
    return out


def _own_unique(frame: pl.DataFrame, evaluated: Sequence[str]) -> np.ndarray:
    """Unique tokens of the evaluated language of each row, for tables without shares."""
    out = np.full((len(frame), 1), np.inf)
    for label in set(evaluated):
        name = f"unique.{label}"
        if name in frame.columns:
            mine = np.array([other == label for other in evaluated])
            out[mine, 0] = frame[name].cast(pl.Float64).fill_null(np.inf).to_numpy()[mine]
    return out


def _group(frame: pl.DataFrame, by: str | Sequence[str] | None) -> tuple[tuple[str, ...], np.ndarray]:
    if by is None:
        return ("",), np.zeros(len(frame), int)
    columns = [by] if isinstance(by, str) else list(by)
    for name in columns:
        if name not in frame.columns:
            raise InputError(
                f"fit: by={name!r} is no column of the run table{nearest(name, frame.columns)}; give one of them"
            )
    labels = frame.select(pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator=" / "))
    values = labels.to_series().to_list()
    groups = tuple(dict.fromkeys(values))
    place = {label: at for at, label in enumerate(groups)}
    return groups, np.array([place[value] for value in values])


def bind_law(spec: LawSpec, runs: Runs, sets: Transfer, groups: Mapping[str, str] | None) -> AbstractLaw:
    """The law with the transfer size and the repetition groups of this table."""
    languages = query_languages(runs)
    mode = spec.options.get("repetition", "shared")
    labels: tuple[str, ...] = ()
    index: tuple[int, ...] = ()
    if mode in ("group", "language"):
        if mode == "group" and not groups:
            raise InputError("law atlas: repetition=group needs groups, a mapping from language to group")
        of = [(groups or {}).get(label, label) if mode == "group" else label for label in languages]
        labels = tuple(dict.fromkeys(of))
        index = tuple(labels.index(name) for name in of)
    size = max((len(members) for members in sets.values()), default=0)
    law = bind(spec, size, index, labels, len(languages))
    if isinstance(law, OwnLaw):
        points = make_table(runs, transfer={k: tuple(v) for k, v in sets.items()}, columns=law.columns).query
        check_values(law, rescale(points, _middle(points) if law.centred else Centre(1.0, 1.0), law.columns))
    return law


def centre(table: Table, layout: Layout, fixed: Sequence[str]) -> Centre:
    """Geometric means of N and D; 1 where a coefficient is fixed but its exponent is free, or the law has units."""
    if not layout.law.centred:
        return Centre(1.0, 1.0)
    middle = _middle(table.query)
    units = {"N": middle.params, "D": middle.tokens}
    for slot in layout.slots:
        for quantity, exponent in slot.parameter.scaling:
            if slot.parameter.name in fixed and set(exponent_names(exponent)) - set(fixed):
                units[quantity] = 1.0
    return Centre(units["N"], units["D"])


def _middle(query: Query) -> Centre:
    return Centre(float(np.exp(np.log(query.N).mean())), float(np.exp(np.log(query.D).mean())))


def pad(table: Table, unit: Centre, weight: np.ndarray, scale: float = 1.0) -> Data:
    """Rows by group, padded to one length with copies of weight zero, in centred units."""
    members = [np.flatnonzero(table.group == g) for g in range(len(table.groups))]
    longest = _rounded(max(len(m) for m in members))
    index = np.array([np.concatenate([m, np.full(longest - len(m), m[0])]) for m in members])
    real = np.array([np.arange(longest) < len(m) for m in members])
    centred = rescale(table.query, unit, table.columns)
    query = jax.tree.map(lambda field: np.asarray(field)[index], centred)
    return Data(
        query=query,
        loss=table.loss[index],
        weight=np.where(real, weight[index], 0.0),
        cluster=table.cluster[index],
        scale=np.full(len(members), scale),
        counts=np.ones((1, _rounded(len(table.cluster_names)))),
    )


def _rounded(size: int) -> int:
    """A length rounded up, so that tables of nearly equal length share compiled programs."""
    step = 16 if size <= 64 else 32 if size <= 256 else 64
    return -(-size // step) * step


def rescale(query: Query, unit: Centre, columns: Sequence[Column]) -> Query:
    """A query in centred units; `columns` say in which unit the law's further columns are counted."""
    size = {"1": 1.0, "N": unit.params, "D": unit.tokens}
    for column in columns:
        if column.name not in query.extra and column.default is None:
            raise InputError(
                f"query: the law needs {column.name} ({column.meaning}, {column.unit}); give it in extra="
            )
    n = np.shape(query.N)
    return Query(
        N=np.asarray(query.N) / unit.params,
        D=np.asarray(query.D) / unit.tokens,
        shares=np.asarray(query.shares),
        unique=np.asarray(query.unique) / unit.tokens,
        target=np.asarray(query.target),
        num_languages=np.asarray(query.num_languages),
        transfer=np.asarray(query.transfer),
        extra={
            column.name: np.asarray(query.extra.get(column.name, np.full(n, column.default)))
            / size[column.dimension]
            for column in columns
        },
    )
