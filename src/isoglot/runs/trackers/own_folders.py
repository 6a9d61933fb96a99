"""isoglot's own folders: a sweep with its records, a training run, or a folder of training runs."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import listed
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.json_files import read_json

TABLE = "runs.parquet"
RECORDS = "records"
PLANS, FAILURES = "plans", "failures"


def table_files(folder: Path) -> list[Path]:
    """Return the run tables of a training run's folder, or of the runs in a folder, by name."""
    own = folder / TABLE
    return [own] if own.is_file() else sorted(path for path in folder.glob(f"*/{TABLE}") if path.is_file())


def join_tables(folder: Path) -> pl.DataFrame:
    """Return the tables of a folder as one: columns that a run lacks are empty.

    Raises RunTableError naming the table that is damaged or whose types contradict the others.
    """
    frames = []
    for path in table_files(folder):
        try:
            frames.append(pl.read_parquet(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise RunTableError(
                f"{path} is damaged, no table of runs; delete it, and the run writes it again"
            ) from error
    try:
        return pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:120]
        raise RunTableError(f"the tables in {folder} do not join: {reason}") from error


def read_run_folders(path: Path) -> Harvest:
    """Read the tables of a folder of training runs.

    Raises RunTableError for a folder without one, and as `join_tables` does.
    """
    if not table_files(path):
        raise RunTableError(f"{path} holds no {TABLE}, neither in itself nor in its folders")
    return Harvest(join_tables(path).to_dicts(), {}, own=True)


def read_sweep(path: str | Path) -> Harvest:
    """Read the records of a sweep; records that are damaged are named in the report and left out.

    Raises RunTableError for a sweep without a sound record.
    """
    from isoglot.runs.record import read_records

    records = read_records(path)
    if not records.rows:
        reason = f": {records.problems[0]}" if records.problems else "; run `isoglot sweep run` first"
        raise RunTableError(f"{path} is a sweep without a finished run{reason}")
    notes = tuple(("warnings", Note("record", f"not read: {text}", 1)) for text in records.problems)
    notes += _without_record(Path(path)) if Path(path).is_dir() else ()
    return Harvest([dict(row) for row in records.rows], {}, own=True, notes=notes)


def _without_record(home: Path) -> tuple[tuple[str, Note], ...]:
    """Name the runs that the plans of a sweep list and no record has, with the last failure of each unit of theirs."""
    done = {record.stem for record in (home / RECORDS).glob("*.json")}
    lost: list[str] = []
    why: list[str] = []
    for file in sorted((home / PLANS).glob("*.json")):
        plan = read_json(file)
        if not isinstance(plan, dict) or not isinstance(plan.get("recipes"), dict):
            raise RunTableError(f"{file} is no plan of a sweep: it has no 'recipes' by the names of runs")
        missing = [run for run in plan["recipes"] if run not in done]
        lost += missing
        for unit in plan.get("units") or ():
            if not done.issuperset(unit.get("members") or ()):
                why += _last_failure(home / FAILURES, str(unit.get("name")))
    reasons = f" ({'; '.join(dict.fromkeys(why))})" if why else ""
    message = f"runs that the plans list and no record has: {listed(lost)}{reasons}"
    return (("warnings", Note("no_record", message, len(lost))),) if lost else ()


def _last_failure(folder: Path, unit: str) -> list[str]:
    files = sorted(folder.glob(f"{unit}-*.json"))
    failure = read_json(files[-1]) if files else None
    return [str(failure["message"])] if isinstance(failure, dict) and failure.get("message") else []
