"""Which reader a source needs, told from its files alone; a source that could be two is refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from isoglot.core.errors import InputError, nearest
from isoglot.runs.ledger import Ledger
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.mlflow_files import read_mlflow_files, run_folders
from isoglot.runs.trackers.mlflow_sqlite import SIGNATURE, read_mlflow_sqlite
from isoglot.runs.trackers.own_folders import RECORDS, read_run_folders, read_sweep, table_files
from isoglot.runs.trackers.trainer_state import NAME, read_trainer_states, state_files
from isoglot.runs.trackers.wandb_csv import (
    STEP,
    header_of,
    is_chart,
    is_history,
    is_run_table,
    read_wandb_csv,
)
from isoglot.runs.trackers.wandb_json import HISTORIES, history_files, read_histories

FORMATS = {
    "wandb": "W&B: CSV of a project's runs, of a chart or of a history, JSON or JSON-lines history of a run, folder of histories",
    "mlflow": "MLflow: folder of a file store (mlruns) or its SQLite database",
    "trainer": f"Hugging Face Trainer: {NAME}, or a folder of runs with one each",
    "sweep": "isoglot sweep: folder with records/",
    "runs": "isoglot train: folder of a run, or of runs, with runs.parquet",
}
_HEAD = 65536
# MLflow names its stores by URL; of these only the ones that lie on a disk are read.
_ON_DISK, _SERVERS = ("file", "sqlite"), ("http", "https", "mysql", "postgresql", "mssql", "databricks")
_TABLES = (".csv", ".tsv")


def harvest(source: str | Path, kind: str | None, ledger: Ledger, limit: SizeLimit) -> tuple[str, Harvest]:
    """Read a source in the format named, or in the one that its files tell; return the format too.

    Raises InputError for an unknown format or a source of no or two formats, RunTableError for a damaged one.
    """
    if kind is not None and kind not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"format is '{kind}'{nearest(kind, FORMATS)}, but must be one of {known}")
    if "://" in str(source) and kind in (None, "sweep"):
        return "sweep", read_sweep(source)
    path = Path(source)
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist")
        kind = kind or _detected(path)
        if kind in ("sweep", "runs") and not path.is_dir():
            raise InputError(f"{path} is a file, but the format '{kind}' is a folder")
        if not path.is_dir():
            limit.check_bytes(path.stat().st_size, ledger)
        return kind, _read(path, kind, ledger, limit)
    except OSError as error:
        name = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}…"
        raise InputError(f"{name} cannot be opened: {error.strerror or error}") from error


def path_of(source: str | Path) -> str | Path:
    """Return the path that a URL of a file or of an SQLite store names, and any other source as it is.

    Raises InputError for a URL of a server.

    >>> path_of("sqlite:///runs/mlflow.db"), path_of("file:///a%20b"), path_of("s3://bucket/sweep")
    ('runs/mlflow.db', '/a b', 's3://bucket/sweep')
    """
    scheme, colon, _ = str(source).partition("://")
    if not colon or scheme.partition("+")[0] not in (*_ON_DISK, *_SERVERS):
        return source
    if scheme in _ON_DISK:
        # sqlite:///a.db is relative and sqlite:////a.db absolute; file:///a is absolute.
        path = unquote(urlsplit(str(source)).path)
        return path[1:] if scheme == "sqlite" else path
    raise InputError(
        f"{source} is a server, and servers are not read; export from it, or name the store's folder or "
        "SQLite file"
    )


def _read(path: Path, kind: str, ledger: Ledger, limit: SizeLimit) -> Harvest:
    if kind == "wandb":
        if path.suffix.casefold() in _TABLES and path.is_file():
            return read_wandb_csv(path, path.read_bytes(), ledger, limit)
        return read_histories(path, ledger, limit)
    if kind == "mlflow":
        return read_mlflow_files(path) if path.is_dir() else read_mlflow_sqlite(path)
    readers = {"trainer": read_trainer_states, "sweep": read_sweep, "runs": read_run_folders}
    return readers[kind](path)


def _detected(path: Path) -> str:
    found = _kinds_of_folder(path) if path.is_dir() else _kinds_of_file(path)
    if len(found) == 1:
        return found[0]
    listed = "; ".join(f"{name} ({text})" for name, text in FORMATS.items())
    if found:
        raise InputError(f"{path} could be {' or '.join(found)}; name the format with --format")
    raise InputError(
        f"{path} is in no format that can be told from its files; name one with --format: {listed}"
    )


def _kinds_of_folder(path: Path) -> list[str]:
    signs = {
        "sweep": (path / RECORDS).is_dir(),
        "runs": bool(table_files(path)),
        "trainer": bool(state_files(path)),
        "mlflow": bool(run_folders(path)) or any(path.glob("*/meta.yaml")),
        "wandb": any(file.name != NAME for file in history_files(path) if _has_steps(file)),
    }
    # A sweep keeps the folders of its runs beside its records.
    return ["sweep"] if signs["sweep"] else [name for name, sign in signs.items() if sign]


def _kinds_of_file(path: Path) -> list[str]:
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(SIGNATURE):
        return ["mlflow"]
    extension = path.suffix.casefold()
    if extension in _TABLES:
        columns = header_of(path)
        return ["wandb"] if STEP in columns or is_chart(columns) or is_run_table(columns) else []
    if path.name == NAME or (extension == ".json" and b'"log_history"' in head):
        return ["trainer"]
    return ["wandb"] if extension in HISTORIES and f'"{STEP}"'.encode() in head else []


def _has_steps(file: Path) -> bool:
    if file.suffix.casefold() not in HISTORIES:
        return is_history(header_of(file))
    with file.open("rb") as stream:
        return f'"{STEP}"'.encode() in stream.read(_HEAD)
