"""A run table to a file that `read_runs` reads back without any argument.

The unit of the loss and the counting convention are columns of the file, because a table that leaves them in
its reader's memory will be pooled wrongly one day.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from isoglot.core.errors import InputError, nearest

if TYPE_CHECKING:
    from isoglot.runs.table import Runs

EXTENSIONS = (".csv", ".parquet", ".jsonl")


def write_runs(runs: Runs, path: Path) -> Path:
    """Write the runs by extension and return the path.

    Raises InputError for another extension or a path that cannot be written.
    """
    extension = path.suffix.casefold()
    if extension not in EXTENSIONS:
        close = nearest(extension, EXTENSIONS)
        raise InputError(f"runs are written to {', '.join(EXTENSIONS)}, not to '{path.name}'{close}")
    frame = runs.frame.with_columns(
        pl.lit(runs.loss_unit).alias("loss_unit"), pl.lit(runs.params_convention).alias("params_convention")
    )
    try:
        if extension == ".csv":
            frame.write_csv(path)
        elif extension == ".parquet":
            frame.write_parquet(path)
        else:
            _write_jsonl(frame, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _write_jsonl(frame: pl.DataFrame, path: Path) -> None:
    """Write one object a line; an infinite extra as 1e999, which is JSON and reads back as infinite."""
    floats = frame.select(pl.col(pl.Float64))
    if not any(column.is_infinite().any() for column in floats.iter_columns()):
        frame.write_ndjson(path)
        return
    lines = (
        "{" + ",".join(_member(*cell) for cell in row.items()) + "}" for row in frame.iter_rows(named=True)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _member(name: str, value: object) -> str:
    if isinstance(value, float) and math.isinf(value):
        text = "1e999" if value > 0 else "-1e999"
    else:
        text = json.dumps(value)
    return f"{json.dumps(name)}:{text}"
