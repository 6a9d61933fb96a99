"""Rows of the measures table from probes: a value, what it is where there is nothing to find, a standard error.

The columns are those of the measures table (docs/run-table.md). A row of a hidden-state or gradient probe is a mean
over pairs of texts; its standard error is sd / sqrt(pairs), so it speaks of the choice of texts, not of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.core.errors import InputError

if TYPE_CHECKING:
    import polars as pl

KEY = ("run", "point", "metric", "language", "other_language", "layer")
COLUMNS = (*KEY, "value", "null_value", "se")


@dataclass(frozen=True)
class Measure:
    """One finding about a model; `layer` counts from 1, None where it speaks of no single layer."""

    metric: str
    value: float
    null_value: float | None
    se: float | None
    language: str
    other_language: str | None
    layer: int | None = None


def mean_and_se(values: np.ndarray) -> tuple[float, float | None]:
    """Mean of (n,) values and its standard error sd / sqrt(n); None for one value.

    >>> mean_and_se(np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
    return float(np.mean(values)), spread


def over_pairs(
    metric: str, values: np.ndarray, nulls: np.ndarray, pair: tuple[str, str], layer: int | None = None
) -> Measure:
    """A row from the values of pairs of texts, (P,), and those of mismatched pairs, (P,)."""
    value, se = mean_and_se(values)
    return Measure(metric, value, float(np.mean(nulls)), se, *pair, layer)


def table(run: str, point: int | None, found: Sequence[Measure]) -> list[dict[str, Any]]:
    """Rows of the measures table; `point` is tokens seen, None for a model that has seen none."""
    return [
        {
            "run": run,
            "point": None if point is None else float(point),
            **{name: getattr(one, name) for name in COLUMNS[2:]},
        }
        for one in found
    ]


def require_writable(path: str | Path) -> Path:
    """The path, if measures can go there: a name in .parquet, new or a measures table; InputError else."""
    import polars as pl

    place = Path(path)
    if place.suffix.casefold() != ".parquet":
        raise InputError(
            f"measures are written to .parquet, not to {place.name!r}: name a file such as measures.parquet"
        )
    if not place.parent.is_dir():
        raise InputError(f"{place.parent} is no folder: make it, or name another place for {place.name}")
    if place.exists():
        try:
            columns = pl.read_parquet_schema(place)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"{place}: is no Parquet file ({error}); name another file") from None
        if set(columns) != set(COLUMNS):
            raise InputError(
                f"{place}: has the columns {', '.join(columns)}, not those of a measures table; name another file"
            )
    return place


def write_measures(path: str | Path, rows: Sequence[dict[str, Any]]) -> int:
    """Write rows to a Parquet file, beside those that it holds; returns how many old rows they replace.

    A row replaces one with the same run, point, metric, languages and layer. Raises InputError as
    `require_writable`.
    """
    import polars as pl

    place = require_writable(path)
    new = pl.DataFrame(list(rows), schema=_schema(), strict=False)
    old = pl.read_parquet(place).select(COLUMNS).cast(_schema()) if place.exists() else new.clear()
    kept = old.join(new, on=KEY, how="anti", nulls_equal=True)
    partial = place.with_name(f".{place.name}")
    pl.concat([kept, new]).write_parquet(partial)
    partial.rename(place)
    return old.height - kept.height


def _schema() -> pl.Schema:
    import polars as pl

    texts = ("run", "metric", "language", "other_language")
    return pl.Schema(
        {
            name: pl.String if name in texts else pl.Int64 if name == "layer" else pl.Float64
            for name in COLUMNS
        }
    )
