"""A run as MLflow keeps it, whatever the kind of store, and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isoglot.core.errors import RunTableError
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Excluded, Harvest, Points


@dataclass(frozen=True)
class LoggedRun:
    """One run; ``metrics`` are (name, step, value) in the order of logging."""

    run_id: str
    name: str | None
    experiment_id: str
    experiment: str | None
    status: str | None
    deleted: bool
    params: dict[str, str]
    tags: dict[str, str]
    metrics: list[tuple[str, int, float]]

    def columns(self) -> dict[str, object]:
        """Return what holds for every step of the run."""
        return {
            "run_name": self.name,
            "experiment_id": self.experiment_id,
            "experiment": self.experiment,
            "status": self.status,
            "lifecycle_stage": "deleted" if self.deleted else "active",
            **{f"params.{name}": value for name, value in self.params.items()},
            **{f"tags.{name}": value for name, value in self.tags.items() if not name.startswith("mlflow.")},
        }


def harvest_of(runs: list[LoggedRun], path: Path) -> Harvest:
    """Return one row a (run, step); deleted runs stay in the rows, marked, so that they can be counted.

    Raises RunTableError for a store without a run or a metric.
    """
    if not runs:
        raise RunTableError(
            f"{path} is an MLflow store without runs; log some, or name the store that has them"
        )
    points = Points("run_id", "step")
    for run in runs:
        for name, step, value in run.metrics:
            points.log(run.run_id, step, f"metrics.{name}", value)
    if not points.runs:
        raise RunTableError(f"{path} is an MLflow store whose {len(runs)} runs have logged no metric")
    constant = {run.run_id: run.columns() for run in runs}
    rows = [{**row, **constant[str(row["run_id"])]} for row in points.rows()]
    deleted = sum(run.deleted for run in runs)
    excluded = Excluded("lifecycle_stage", "deleted", f"rows of {deleted} deleted runs") if deleted else None
    guesses = {"run": "run_id", "step": "step"}
    return Harvest(rows, guesses, excluded=excluded, notes=(*points.notes(), *_notes(runs)))


def _notes(runs: list[LoggedRun]) -> list[tuple[str, Note]]:
    silent = sum(not run.metrics for run in runs)
    unfinished = sum(run.status not in (None, "FINISHED") and not run.deleted for run in runs)
    system = sum(name.startswith("mlflow.") for run in runs for name in run.tags)
    finished = "runs that are not finished (column 'status'); --where status=FINISHED leaves them out"
    notes = [
        ("warnings", Note("no_metric", "runs that have logged no metric", silent)),
        ("warnings", Note("unfinished", finished, unfinished)),
        ("assumptions", Note("system_tags", "tags of MLflow itself (mlflow.*) are not read", system)),
    ]
    return [(kind, note) for kind, note in notes if note.count]
