"""From whatever the user gives to one frame of raw columns with row numbers.

A path is read by its extension and checked by its content; a frame, an Arrow table and plain Python data are
taken as they are. No value is interpreted here: that is `isoglot.runs.convert`. Sizes are checked against
what a file declares before anything is loaded, so a small file cannot claim all the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from isoglot.core.errors import RunTableError, nearest
from isoglot.runs.ledger import Ledger, Stop
from isoglot.runs.read_arrow import read_arrow
from isoglot.runs.read_jsonl import read_jsonl
from isoglot.runs.read_memory import read_memory
from isoglot.runs.read_parquet import read_parquet
from isoglot.runs.read_text import read_csv, read_tsv
from isoglot.runs.schema import RESERVED, ROW
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.trackers.harvest import Logged
from isoglot.runs.trackers.own_folders import join_tables, table_files

Reader = Callable[[bytes, Ledger, SizeLimit], pl.DataFrame]

READERS: dict[str, Reader] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".ipc": read_arrow,
}
TRACKER_EXTENSIONS = (".json", ".db", ".sqlite", ".sqlite3")
TEXT_EXTENSIONS = (".csv", ".tsv")

# What a file's first bytes say it is, whatever its name says.
_SIGNATURES = (
    (b"PAR1", "a Parquet file", (".parquet",)),
    (b"ARROW1", "an Arrow file", (".arrow", ".feather", ".ipc")),
    (b"FEA1", "a Feather version 1 file, which must be saved again as version 2", ()),
    (b"\x1f\x8b", "compressed with gzip and must be decompressed first", ()),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd and must be decompressed first", ()),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet, which must be saved as CSV", ()),
    (b"SQLite format 3", "an SQLite database", ()),
)


@dataclass(frozen=True)
class SourceTable:
    """Raw columns with ROW; ``typed`` is False where every cell is still text.

    ``logged`` is set where the rows are those of a log, of which ``unevaluated`` rows without a loss were not taken.
    """

    frame: pl.DataFrame
    typed: bool
    logged: Logged | None = None
    unevaluated: int = 0

    @property
    def columns(self) -> list[str]:
        """The source's own column names, in order."""
        return [name for name in self.frame.columns if name != ROW]


def display_name(source: object, name: str | None) -> str:
    """Return what messages call the source: the given name, the path, or 'the table'."""
    if name is not None:
        return name
    return str(source) if isinstance(source, str | Path) else "the table"


def load_source(source: object, ledger: Ledger, limit: SizeLimit) -> SourceTable:
    """Read the raw columns of any accepted source; problems go to the ledger and stop the import."""
    logged = None
    if isinstance(source, str | Path):
        frame, typed = _load_path(Path(source), ledger, limit)
        # A run that diverged has empty losses in its own table, here as in an import of the folder.
        logged = Logged("all", "run", own=True) if Path(source).is_dir() else None
    else:
        frame, typed = read_memory(source, ledger, limit), True
    for name in RESERVED:
        if name in frame.columns:
            raise ledger.stop(f"{ledger.name} has a column '{name}', a reserved name; rename it", "reserved")
    if not frame.columns:
        raise ledger.stop(f"{ledger.name} has no columns", "empty")
    if frame.height == 0:
        raise ledger.stop(f"{ledger.name} has a header but no rows", "no_rows")
    numbered = frame.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.Int64))
    return SourceTable(numbered, typed, logged)


def _load_path(path: Path, ledger: Ledger, limit: SizeLimit) -> tuple[pl.DataFrame, bool]:
    if path.is_dir():
        return _load_folder(path, ledger, limit), True
    extension = path.suffix.casefold()
    data = _read_bytes(path, ledger, limit)
    if extension not in READERS:
        known = ", ".join(READERS)
        tracker = (
            f"; `isoglot runs import {path}` reads what trackers write"
            if extension in TRACKER_EXTENSIONS
            else ""
        )
        raise ledger.stop(
            f"{ledger.name} has the extension '{path.suffix}'{nearest(extension, READERS)}, "
            f"but a run table is one of {known}{tracker}",
            "extension",
        )
    if not data:
        raise ledger.stop(f"{ledger.name} is empty", "empty")
    for signature, what, extensions in _SIGNATURES:
        if data.startswith(signature) and extension not in extensions:
            raise ledger.stop(f"{ledger.name} is named '{path.suffix}' but is {what}", "content")
    try:
        return READERS[extension](data, ledger, limit), extension not in TEXT_EXTENSIONS
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:120]
        raise ledger.stop(f"{ledger.name} cannot be read as '{extension}': {reason}", "unreadable") from error
    except pl.exceptions.PanicException as error:
        # A reader that hits bytes it took for granted says nothing that a user could act on.
        raise ledger.stop(
            f"{ledger.name} is damaged and cannot be read as '{extension}'", "unreadable"
        ) from error


def _load_folder(path: Path, ledger: Ledger, limit: SizeLimit) -> pl.DataFrame:
    """Join the tables of a folder of training runs; any other folder is for `isoglot runs import`."""
    if not table_files(path):
        raise ledger.stop(
            f"{ledger.name} is a folder without runs.parquet; name one file of it, or make a table of it with "
            f"`isoglot runs import {path} --to TABLE.parquet`",
            "directory",
        )
    try:
        frame = join_tables(path)
    except RunTableError as error:
        raise ledger.stop(str(error), "unreadable") from error
    limit.check_cells(frame.height, frame.width, ledger)
    ledger.note("assumptions", "folder", "rows of the runs.parquet files of the folder, joined", frame.height)
    return frame


def _read_bytes(path: Path, ledger: Ledger, limit: SizeLimit) -> bytes:
    try:
        if not path.exists():
            raise ledger.stop(f"{ledger.name} does not exist{_neighbours(path)}", "missing_file")
        limit.check_bytes(path.stat().st_size, ledger)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ledger.stop(f"{ledger.name} cannot be opened: {reason}", "unreadable") from error


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f", nor does its folder '{path.parent}'"
    return nearest(path.name, [entry.name for entry in path.parent.iterdir()])


__all__ = ["READERS", "SourceTable", "Stop", "display_name", "load_source"]
