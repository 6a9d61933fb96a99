"""MLflow's SQLite store: the tables experiments, runs, params, metrics and tags, opened for reading only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from isoglot.core.errors import RunTableError
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
_METRICS = "SELECT run_uuid, key, step, value, is_nan FROM metrics ORDER BY step, timestamp"


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
            return harvest_of(_runs(database), path)
    except sqlite3.Error as error:
        raise RunTableError(f"{path} cannot be read as an MLflow store: {error}") from error


def _runs(database: sqlite3.Connection) -> list[LoggedRun]:
    params = _pairs(database, "params")
    tags = _pairs(database, "tags")
    metrics: dict[str, list[tuple[str, int, float]]] = {}
    for run, key, step, value, is_nan in database.execute(_METRICS):
        metrics.setdefault(run, []).append((key, step, _number(value, is_nan)))
    return [
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
        for run, name, experiment_id, experiment, status, stage, home in database.execute(_RUNS)
    ]


def _pairs(database: sqlite3.Connection, table: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for run, key, value in database.execute(f"SELECT run_uuid, key, value FROM {table} ORDER BY key"):
        found.setdefault(run, {})[key] = value
    return found


def _number(value: float, is_nan: int) -> float:
    if is_nan:
        return float("nan")
    return float("inf") * (1 if value > 0 else -1) if abs(value) >= _LARGEST else float(value)
