"""MLflow's SQLite store: the tables experiments, runs, params, metrics and tags, opened for reading only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import listed
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.mlflow_store import LoggedRun, harvest_of

SIGNATURE = b"SQLite format 3\0"
TABLES = ("experiments", "runs", "params", "metrics", "tags")
# The store writes an infinite metric as the largest number that a float holds.
_LARGEST = 1.7976931348623157e308
_RUNS = """
    SELECT r.run_uuid, r.name, r.experiment_id, e.name, r.status, r.lifecycle_stage, e.lifecycle_stage
    FROM runs r LEFT JOIN experiments e ON e.experiment_id = r.experiment_id
    ORDER BY r.start_time, r.run_uuid
"""
# In the order of logging; values of one moment by step, so that they never seem to go back.
_METRICS = "SELECT run_uuid, key, step, value, is_nan FROM metrics ORDER BY timestamp, step"


def read_mlflow_sqlite(path: Path) -> Harvest:
    """Read the runs of an SQLite store.

    Raises RunTableError for a database that is damaged, lacks a table, or has no run.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            absent = [table for table in TABLES if table not in names]
            if absent:
                raise RunTableError(
                    f"{path} is an SQLite database but no MLflow store: it has no table '{absent[0]}'"
                )
            return _harvest(database, path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise RunTableError(f"{path} cannot be read as an MLflow store: {error}") from error


def _harvest(database: sqlite3.Connection, path: Path) -> Harvest:
    metrics = _metrics(database, path)
    runs = _runs(database, metrics, path)
    orphans = sorted(set(metrics) - {run.run_id for run in runs})
    message = f"runs of the table 'metrics' that the table 'runs' does not have, not read: {listed(orphans)}"
    return harvest_of(runs, path, [("warnings", Note("orphans", message, len(orphans)))] if orphans else [])


def _metrics(database: sqlite3.Connection, path: Path) -> dict[str, list[tuple[str, int, float]]]:
    metrics: dict[str, list[tuple[str, int, float]]] = {}
    for run, key, step, value, is_nan in database.execute(_METRICS):
        sound = isinstance(step, int) and (is_nan or isinstance(value, int | float))
        if not (isinstance(run, str) and isinstance(key, str) and sound):
            raise RunTableError(
                f"{path}, table 'metrics': run {run!r}, key {key!r}, step {step!r}, value {value!r}, but a metric "
                "has two texts, a whole step and a number; the database is damaged or of another program"
            )
        metrics.setdefault(run, []).append((key, step, _number(value, is_nan)))
    return metrics


def _runs(
    database: sqlite3.Connection, metrics: dict[str, list[tuple[str, int, float]]], path: Path
) -> list[LoggedRun]:
    params = _pairs(database, "params", path)
    tags = _pairs(database, "tags", path)
    runs = []
    for run, name, experiment_id, experiment, status, stage, home in database.execute(_RUNS):
        texts = (name, experiment, status, stage, home)
        if not isinstance(run, str) or not all(text is None or isinstance(text, str) for text in texts):
            raise RunTableError(
                f"{path}, table 'runs': run {run!r} has the fields {texts!r}, but all must be text; the database "
                "is damaged or of another program"
            )
        runs.append(
            LoggedRun(
                run_id=run,
                name=name or tags.get(run, {}).get("mlflow.runName"),
                experiment_id=str(experiment_id),
                experiment=experiment,
                status=status,
                deleted="deleted" in (stage, home),
                params=params.get(run, {}),
                tags=tags.get(run, {}),
                metrics=metrics.get(run, []),
            )
        )
    return runs


def _pairs(database: sqlite3.Connection, table: str, path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run, key, value in database.execute(f"SELECT run_uuid, key, value FROM {table} ORDER BY key"):
        if not isinstance(run, str) or not isinstance(key, str) or isinstance(value, bytes):
            raise RunTableError(
                f"{path}, table '{table}': run {run!r}, key {key!r}, value {value!r}, but all must be text; the "
                "database is damaged or of another program"
            )
        if value is not None:
            found.setdefault(run, {})[key] = str(value)
    return found


def _number(value: float, is_nan: int) -> float:
    if is_nan:
        return float("nan")
    return float("inf") * (1 if value > 0 else -1) if abs(value) >= _LARGEST else float(value)
