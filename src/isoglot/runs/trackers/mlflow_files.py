"""MLflow's file store: `mlruns/<experiment>/<run>/` with meta.yaml, params/, metrics/ and tags/.

Columns are named as `mlflow.search_runs` names them: `params.<name>`, `metrics.<name>`, `tags.<name>`. A
metric is a file of lines `timestamp value step`; a name with slashes is a path of folders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import listed
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.json_files import read_text
from isoglot.runs.trackers.mlflow_store import LoggedRun, harvest_of

META, TRASH = "meta.yaml", ".trash"
# The file store writes a status as a number.
_STATUS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
# Every value as text: a run called 1e5 or no is no number and no truth value. In C where PyYAML has it.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def run_folders(path: Path) -> list[Path]:
    """Return the folders of runs below a store, an experiment or a run."""
    found = [
        meta.parent
        for pattern in (META, f"*/{META}", f"*/*/{META}")
        for meta in sorted(path.glob(pattern))
        if _holds_a_run(meta.parent)
    ]
    return [folder for folder in found if folder.parent.name != "models"]


def _holds_a_run(folder: Path) -> bool:
    return (folder / "metrics").is_dir() or (folder / "params").is_dir()


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
    return harvest_of(runs, path, _unread(path))


def _unread(path: Path) -> list[tuple[str, Note]]:
    """Name the folders that look like runs and are none, and count the runs of deleted experiments."""
    bare = [
        folder.name
        for pattern in ("*", "*/*")
        for folder in sorted(path.glob(pattern))
        if folder.is_dir() and _holds_a_run(folder) and not (folder / META).is_file()
    ]
    trashed = sum(1 for meta in path.glob(f"{TRASH}/*/*/{META}") if _holds_a_run(meta.parent))
    without = f"folders of runs without {META}, which are not read: {listed(bare)}"
    notes = [
        ("warnings", Note("no_meta", without, len(bare))),
        ("assumptions", Note("trash", f"runs of deleted experiments ({TRASH}) are not read", trashed)),
    ]
    return [(kind, note) for kind, note in notes if note.count]


def _run(folder: Path, experiment: str | None, dropped: bool) -> LoggedRun:
    meta = _fields(folder / META)
    run = meta.get("run_id") or meta.get("run_uuid")
    if not run:
        raise RunTableError(f"{folder / META} has no 'run_id', which every run of MLflow has")
    tags = {name: read_text(file) for name, file in _files(folder / "tags")}
    points = [point for name, file in _files(folder / "metrics") for point in _points(name, file)]
    # In the order of logging; values of one moment by step, so that they never seem to go back.
    points.sort(key=lambda point: (point[0], point[2]))
    return LoggedRun(
        run_id=run,
        name=meta.get("run_name") or tags.get("mlflow.runName"),
        experiment_id=meta.get("experiment_id") or folder.parent.name,
        experiment=experiment,
        status=_STATUS.get(meta.get("status") or "", meta.get("status")),
        deleted=dropped or meta.get("lifecycle_stage") == "deleted",
        params={name: read_text(file) for name, file in _files(folder / "params")},
        tags=tags,
        metrics=[point[1:] for point in points],
    )


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file


def _points(name: str, file: Path) -> Iterator[tuple[int, str, int, float]]:
    text = read_text(file)
    if text and not text.endswith("\n"):
        raise RunTableError(
            f"{file}, line {len(text.splitlines())}: the last line has no end, so the file was cut short; "
            "copy the store again, or end the line if it is whole"
        )
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        first = first or len(words)
        try:
            if len(words) != first or first not in (2, 3):
                raise ValueError
            # The first versions of MLflow wrote no step.
            yield int(words[0]), name, int(words[2]) if first == 3 else 0, float(words[1])
        except ValueError:
            raise RunTableError(
                f"{file}, line {number}: {line[:40]!r} where 'timestamp value step' is expected"
            ) from None


def _fields(file: Path) -> dict[str, str]:
    """Return the fields of a meta.yaml that hold a text.

    Raises RunTableError naming the line that is no YAML, and a file that holds no fields.
    """
    try:
        fields = yaml.load(read_text(file), Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise RunTableError(f"{file}{line}: not YAML ({reason}); copy the store again") from error
    except (RecursionError, ValueError) as error:
        raise RunTableError(f"{file}: no YAML of a store; copy the store again") from error
    if not isinstance(fields, dict):
        if fields in (None, ""):
            return {}
        raise RunTableError(f"{file}: a YAML {type(fields).__name__} where fields are expected")
    for name in ("run_id", "run_uuid", "run_name", "experiment_id", "name", "status", "lifecycle_stage"):
        if not isinstance(fields.get(name, ""), str):
            raise RunTableError(f"{file}: '{name}' must be one text, not {str(fields[name])[:40]!r}")
    # A null is a text as well; a run that is called null has its name in its tags.
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, str) and value not in ("", "null", "~")
    }
