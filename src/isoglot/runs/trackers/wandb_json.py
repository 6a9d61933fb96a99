"""W&B histories as JSON: what `run.history()` or `run.scan_history()` give, one object a step.

A history is a JSON array or a JSON-lines file of one run, `<run>.jsonl`, with `<run>.config.json` beside it
where there is one; a folder holds the files of several runs. Nested values become dotted columns
(`eval.fra.loss`), and the configuration is read as `config.<name>`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isoglot.core.errors import RunTableError
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Harvest, Points
from isoglot.runs.trackers.json_files import flat, read_json, read_json_lines

STEP = "_step"
CONFIG = ".config.json"
HISTORIES = (".jsonl", ".ndjson", ".json")


def history_files(folder: Path) -> list[Path]:
    """Return the histories of a folder, by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.casefold() in HISTORIES and not path.name.endswith(CONFIG)
    )


def read_wandb_json(path: Path) -> Harvest:
    """Read a history or a folder of histories.

    Raises RunTableError naming the file and line that is damaged, or the file without steps.
    """
    files = history_files(path) if path.is_dir() else [path]
    if not files:
        raise RunTableError(f"{path} holds no history of a run; a history is named <run>.jsonl or <run>.json")
    points, configs, empty = Points("run", STEP), {}, 0
    for file in files:
        records = _history(file)
        empty += not records
        for record in records:
            step = _step_of(record, file)
            for column, value in flat(record).items():
                if value is not None and column != STEP:
                    points.log(file.stem, step, column, value)
        configs[file.stem] = _config(file.with_name(file.stem + CONFIG))
    rows = [{**row, **configs[str(row["run"])]} for row in points.rows()]
    notes = [*points.notes()]
    if empty:
        notes.append(("warnings", Note("empty_history", "histories without a logged step", empty)))
    if path.is_dir():
        known = {file.stem for file in files}
        alone = [file for file in path.glob(f"*{CONFIG}") if file.name.removesuffix(CONFIG) not in known]
        if alone:
            message = "configurations of runs without a history, which are not read"
            notes.append(("warnings", Note("config_alone", message, len(alone))))
    if not rows:
        raise RunTableError(f"{path} holds no logged step; a history has one JSON object a step")
    return Harvest(rows, {"run": "run", "step": STEP}, notes=tuple(notes))


def _history(file: Path) -> list[dict[str, Any]]:
    if file.suffix.casefold() != ".json":
        return read_json_lines(file)
    value = read_json(file)
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        raise RunTableError(f"{file} is no history: it must be a JSON array of objects, one a step")
    return value


def _step_of(record: dict[str, Any], file: Path) -> float:
    step = record.get(STEP)
    if isinstance(step, bool) or not isinstance(step, int | float):
        found = "is missing" if step is None else f"is {step!r}, no number"
        raise RunTableError(
            f"{file}: '{STEP}' {found} in an object of the history; every object names its step"
        )
    return step


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
    return flat(plain, "config.")
