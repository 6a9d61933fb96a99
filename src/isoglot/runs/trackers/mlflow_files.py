"""MLflow's file store: `mlruns/<experiment>/<run>/` with meta.yaml, params/, metrics/ and tags/.

Columns are named as `mlflow.search_runs` names them: `params.<name>`, `metrics.<name>`, `tags.<name>`. A
metric is a file of lines `timestamp value step`; a name with slashes is a path of folders. Of meta.yaml the
plain fields at the left margin that are listed here are read, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from isoglot.core.errors import RunTableError
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.json_files import read_text
from isoglot.runs.trackers.mlflow_store import LoggedRun, harvest_of

META = "meta.yaml"
# The file store writes a status as a number.
_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_FIELDS = ("run_id", "run_uuid", "run_name", "experiment_id", "name", "status", "lifecycle_stage")


def run_folders(path: Path) -> list[Path]:
    """Return the folders of runs below a store, an experiment or a run."""
    found = [
        meta.parent
        for pattern in (META, f"*/{META}", f"*/*/{META}")
        for meta in sorted(path.glob(pattern))
        if (meta.parent / "metrics").is_dir() or (meta.parent / "params").is_dir()
    ]
    return [folder for folder in found if folder.parent.name != "models"]


def read_mlflow_files(path: Path) -> Harvest:
    """Read the runs of a file store.

    Raises RunTableError naming the file and line that is damaged, or a store without runs.
    """
    names: dict[Path, tuple[str | None, bool]] = {}
    runs = []
    for folder in run_folders(path):
        home = folder.parent
        if home not in names:
            meta = _fields(home / META) if (home / META).is_file() else {}
            names[home] = (meta.get("name"), meta.get("lifecycle_stage") == "deleted")
        runs.append(_run(folder, *names[home]))
    return harvest_of(runs, path)


def _run(folder: Path, experiment: str | None, dropped: bool) -> LoggedRun:
    meta = _fields(folder / META)
    run = meta.get("run_id") or meta.get("run_uuid")
    if not run:
        raise RunTableError(f"{folder / META} has no 'run_id', which every run of MLflow has")
    tags = {name: read_text(file) for name, file in _files(folder / "tags")}
    return LoggedRun(
        run_id=run,
        name=meta.get("run_name") or tags.get("mlflow.runName"),
        experiment_id=meta.get("experiment_id") or folder.parent.name,
        experiment=experiment,
        status=_STATUS.get(meta.get("status") or "", meta.get("status")),
        deleted=dropped or meta.get("lifecycle_stage") == "deleted",
        params={name: read_text(file) for name, file in _files(folder / "params")},
        tags=tags,
        metrics=[point for name, file in _files(folder / "metrics") for point in _points(name, file)],
    )


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _points(name: str, file: Path) -> Iterator[tuple[str, int, float]]:
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            # The first versions of MLflow wrote no step.
            step = int(words[2]) if len(words) > 2 else 0
            yield name, step, float(words[1])
        except (IndexError, ValueError):
            raise RunTableError(
                f"{file}, line {number}: {line[:40]!r} where 'timestamp value step' is expected"
            ) from None


def _fields(file: Path) -> dict[str, str]:
    """Return the plain fields of a meta.yaml: `name: value`, the value bare or in quotes."""
    fields: dict[str, str] = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        name, colon, rest = line.partition(":")
        if not colon or name not in _FIELDS:
            continue
        value = _scalar(rest.strip())
        if value is None:
            raise RunTableError(
                f"{file}, line {number}: {line[:60]!r} cannot be read; '{name}' must be one plain or quoted word on its line"
            )
        fields[name] = value
    return {name: value for name, value in fields.items() if value}


def _scalar(text: str) -> str | None:
    r"""Return a YAML scalar that fits on one line, '' for null, None for anything else.

    >>> _scalar("'it''s: #1'"), _scalar('"a\\tb"'), _scalar("null"), _scalar("'open"), _scalar("[1]")
    ("it's: #1", 'a\tb', '', None, None)
    """
    if text in ("", "null", "~"):
        return ""
    if text.startswith("'"):
        inner = text[1:-1].replace("''", "\0")
        return inner.replace("\0", "'") if len(text) > 1 and text.endswith("'") and "'" not in inner else None
    if text.startswith('"'):
        try:
            # The escapes that YAML shares with JSON; \x, \e and \U are its own.
            return str(json.loads(text)) if text.endswith('"') and len(text) > 1 else None
        except json.JSONDecodeError:
            return None
    return None if text[0] in "[{|>&*!%@`" or " #" in text else text
