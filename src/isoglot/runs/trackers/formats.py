"""Which reader a source needs, told from its files alone; a source that could be two is refused."""

from __future__ import annotations

import csv
from pathlib import Path

from isoglot.core.errors import InputError, nearest
from isoglot.runs.ledger import Ledger
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.mlflow_files import read_mlflow_files, run_folders
from isoglot.runs.trackers.mlflow_sqlite import SIGNATURE, read_mlflow_sqlite
from isoglot.runs.trackers.own_folders import RECORDS, read_run_folders, read_sweep, table_files
from isoglot.runs.trackers.trainer_state import NAME, read_trainer_states, state_files
from isoglot.runs.trackers.wandb_csv import is_chart, is_run_table, read_wandb_csv
from isoglot.runs.trackers.wandb_json import HISTORIES, STEP, history_files, read_wandb_json

FORMATS = {
    "wandb": "W&B: CSV of a project's runs, of a chart or of a history, JSON or JSON-lines history of a run, folder of histories",
    "mlflow": "MLflow: folder of a file store (mlruns) or its SQLite database",
    "trainer": f"Hugging Face Trainer: {NAME}, or a folder of runs with one each",
    "sweep": "isoglot sweep: folder with records/",
    "runs": "isoglot train: folder of a run, or of runs, with runs.parquet",
}
_HEAD = 65536


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
    if not path.exists():
        raise InputError(f"{path} does not exist")
    kind = kind or _detected(path)
    if kind in ("sweep", "runs") and not path.is_dir():
        raise InputError(f"{path} is a file, but the format '{kind}' is a folder")
    if not path.is_dir():
        limit.check_bytes(path.stat().st_size, ledger)
    if kind == "wandb":
        if path.suffix.casefold() == ".csv" and path.is_file():
            return kind, read_wandb_csv(path, path.read_bytes(), ledger, limit)
        return kind, read_wandb_json(path)
    if kind == "mlflow":
        return kind, read_mlflow_files(path) if path.is_dir() else read_mlflow_sqlite(path)
    readers = {"trainer": read_trainer_states, "sweep": read_sweep, "runs": read_run_folders}
    return kind, readers[kind](path)


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
    if extension == ".csv":
        columns = _header(head)
        return ["wandb"] if STEP in columns or is_chart(columns) or is_run_table(columns) else []
    if path.name == NAME or (extension == ".json" and b'"log_history"' in head):
        return ["trainer"]
    return ["wandb"] if extension in HISTORIES and f'"{STEP}"'.encode() in head else []


def _has_steps(file: Path) -> bool:
    with file.open("rb") as stream:
        return f'"{STEP}"'.encode() in stream.read(_HEAD)


def _header(head: bytes) -> list[str]:
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    return next(csv.reader(lines[:1]), [""]) or [""]
