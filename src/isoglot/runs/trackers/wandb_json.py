"""W&B histories: what `run.history()` or `run.scan_history()` give, one object or one row of CSV a step.

A history is a JSON array, a JSON-lines or a CSV file of one run, `<run>.jsonl`, with `<run>.config.json` beside
it where there is one; a folder holds the files of several runs. Nested values become dotted columns
(`eval.fra.loss`), and the configuration is read as `config.<name>`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import Ledger, listed
from isoglot.runs.read_text import read_csv
from isoglot.runs.report import Note
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.trackers.harvest import Harvest, Points
from isoglot.runs.trackers.json_files import flat, read_json, read_records
from isoglot.runs.trackers.wandb_csv import STEP, header_of, is_history, log_history

CONFIG = ".config.json"
HISTORIES = (".jsonl", ".ndjson", ".json")


def history_files(folder: Path) -> list[Path]:
    """Return the histories of a folder, by name: JSON files, and CSV files with a column `_step`."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and (
            (path.suffix.casefold() in HISTORIES and not path.name.endswith(CONFIG))
            or (path.suffix.casefold() == ".csv" and is_history(header_of(path)))
        )
    )


def read_histories(path: Path, ledger: Ledger, limit: SizeLimit) -> Harvest:
    """Read a history as JSON, or a folder of histories.

    Raises RunTableError naming the file and line that is damaged, the file without steps, or two files of one run.
    """
    files = history_files(path) if path.is_dir() else [path]
    if not files:
        raise RunTableError(f"{path} holds no history of a run; a history is named <run>.jsonl or <run>.json")
    points, home = Points("run", STEP), dict[str, Path]()
    for file in files:
        runs = _log_file(points, file, ledger, limit)
        for run in runs or (file.stem,):
            if run in home:
                raise RunTableError(
                    f"{home[run]} and {file} are both histories of run '{run}'; keep one of them"
                )
            home[run] = file
    rows = list(points.rows())
    if not rows:
        raise RunTableError(f"{path} holds no logged step; a history has one JSON object a step")
    per_run = {run: _config(path_of.with_name(run + CONFIG)) for run, path_of in home.items()}
    notes = [*points.notes()]
    empty = [run for run in home if not points.runs.get(run)]
    if empty:
        message = f"histories without a logged step: {listed(empty)}"
        notes.append(("warnings", Note("empty_history", message, len(empty))))
    notes += _unread(path, files, set(home)) if path.is_dir() else []
    return Harvest(rows, {"run": "run", "step": STEP}, per_run, notes=tuple(notes))


def _log_file(points: Points, file: Path, ledger: Ledger, limit: SizeLimit) -> list[str]:
    """Gather the steps of a file; return the runs that it logs."""
    if file.suffix.casefold() == ".csv":
        own = Ledger(str(file))
        try:
            frame = read_csv(file.read_bytes(), own, limit)
        finally:
            ledger.take_over(own)
        return log_history(points, frame, file)
    records = read_records(file)
    for place, record in records:
        step = _step_of(record, place)
        points.reach(file.stem, step)
        for column, value in flat(record, place).items():
            if value is not None and column != STEP:
                points.log(file.stem, step, column, value)
    return [file.stem] if records else []


def _step_of(record: dict[str, Any], place: str) -> float:
    step = record.get(STEP)
    number = isinstance(step, int | float) and not isinstance(step, bool)
    if not number or (isinstance(step, float) and not math.isfinite(step)):
        found = "is missing" if step is None else f"is {step!r}, no number"
        raise RunTableError(f"{place}: '{STEP}' {found}; every object of a history names its step")
    assert isinstance(step, int | float)
    return step


def _unread(folder: Path, files: list[Path], runs: set[str]) -> list[tuple[str, Note]]:
    """Name what lies in the folder and is no history of a run."""
    alone = [file.name for file in folder.glob(f"*{CONFIG}") if file.name.removesuffix(CONFIG) not in runs]
    others = [file.name for file in folder.glob("*.csv") if file not in files]
    notes = [
        Note(
            "config_alone", f"configurations of runs without a history, not read: {listed(alone)}", len(alone)
        ),
        Note("no_history", f"CSV files without a column '{STEP}', not read: {listed(others)}", len(others)),
    ]
    return [("warnings", note) for note in notes if note.count]


def _config(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    value = read_json(file)
    if not isinstance(value, dict):
        raise RunTableError(f"{file} is no configuration: it must be one JSON object")
    # Older exports wrap each value as {"desc": ..., "value": ...}; keys of W&B itself begin with _wandb.
    plain = {
        key: item["value"] if isinstance(item, dict) and set(item) in ({"value"}, {"value", "desc"}) else item
        for key, item in value.items()
        if not key.startswith("_wandb")
    }
    return flat(plain, str(file), "config.")
