"""A run table to a file that `read_runs` reads back without any argument.

The unit of the loss and the counting convention are columns of the file, because a table that leaves them in
its reader's memory will be pooled wrongly one day.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.runs.trackers.own_folders import RECORDS, table_files
from isoglot.runs.trackers.wandb_json import history_files

if TYPE_CHECKING:
    from isoglot.runs.table import Runs

EXTENSIONS = (".csv", ".parquet", ".jsonl")


def write_runs(runs: Runs, path: Path) -> Path:
    """Write the runs by extension and return the path.

    The file appears whole or not at all: it is written beside its place and renamed.

    Raises InputError for another extension, the file that the runs were read from, or a path that cannot be
    written.
    """
    extension = path.suffix.casefold()
    if extension not in EXTENSIONS:
        close = nearest(extension, EXTENSIONS)
        raise InputError(f"runs are written to {', '.join(EXTENSIONS)}, not to '{path.name}'{close}")
    refuse_overwriting(path, runs.source)
    frame = runs.frame.with_columns(
        pl.lit(runs.loss_unit).alias("loss_unit"), pl.lit(runs.params_convention).alias("params_convention")
    )
    # A link stays a link, and the file that it names is replaced.
    final = path.resolve()
    partial = final.with_name(f".{uuid.uuid4().hex}{extension}")
    try:
        _write(frame, partial)
        os.replace(partial, final)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        raise InputError(f"{path} cannot be written: {reason}") from error
    finally:
        if partial.exists():
            partial.unlink()
    return path


def refuse_overwriting(path: Path, *sources: str | Path) -> None:
    """Refuse to write over a file that is read, by itself or as one of a folder.

    Raises InputError naming it.
    """
    for source in sources:
        try:
            read = _tables_of(Path(source)) if Path(source).is_dir() else [Path(source)]
            same = path.exists() and any(file.samefile(path) for file in read)
        except (OSError, ValueError):
            # The source is no path at all, or is gone.
            continue
        if same:
            raise InputError(f"{path} is a file that is read; write to another")


def _tables_of(folder: Path) -> list[Path]:
    """Return the files of a folder that are read and that a run table could be written to."""
    return [] if (folder / RECORDS).is_dir() else [*table_files(folder), *history_files(folder)]


def _write(frame: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        _refuse_for_csv(frame)
        frame.write_csv(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        _write_jsonl(frame, path)


def _refuse_for_csv(frame: pl.DataFrame) -> None:
    """Refuse what would come back from CSV as something else: names with outer blanks, and zero bytes."""
    remedy = "which CSV does not keep; rename it, or write .parquet or .jsonl"
    for name in frame.columns:
        if name != name.strip():
            raise InputError(f"column '{name}' has a blank at an end of its name, {remedy}")
        text = frame[name].dtype == pl.String
        if "\0" in name or (text and frame[name].str.contains("\0", literal=True).any()):
            raise InputError(f"column {name!r} holds a zero byte, {remedy}")


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
