"""A run as MLflow keeps it, whatever the kind of store, and its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import listed
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Excluded, Harvest, Points, Unfinished

# The machine's own metrics count their samples, not the steps of training.
_SYSTEM = "system/"
_UNFINISHED = Unfinished(
    "status",
    ("running", "scheduled", "failed", "killed"),
    "runs that are not finished (column 'status'); --where status=FINISHED leaves them out",
)


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


def harvest_of(runs: list[LoggedRun], path: Path, notes: list[tuple[str, Note]] | None = None) -> Harvest:
    """Return one row a (run, step); deleted runs stay in the rows, marked, so that they can be counted.

    Raises RunTableError for a store without a run or a metric, or with two runs of one id.
    """
    if not runs:
        raise RunTableError(
            f"{path} is an MLflow store without runs; log some, or name the store that has them"
        )
    run, times = Counter(run.run_id for run in runs).most_common(1)[0]
    if times > 1:
        raise RunTableError(f"{path} has {times} runs of the id '{run}'; keep one of them")
    points = Points("run_id", "step")
    for logged in runs:
        _log(points, logged)
    if not points.runs:
        raise RunTableError(f"{path} is an MLflow store whose {len(runs)} runs have logged no metric")
    deleted = sum(run.deleted for run in runs)
    return Harvest(
        list(points.rows()),
        {"run": "run_id", "step": "step"},
        {run.run_id: run.columns() for run in runs if run.run_id in points.runs},
        excluded=Excluded("lifecycle_stage", "deleted", f"rows of {deleted} deleted runs")
        if deleted
        else None,
        unfinished=_UNFINISHED,
        notes=(*points.notes(), *_notes(runs), *(notes or ())),
    )


def _log(points: Points, run: LoggedRun) -> None:
    """Gather the metrics of a run; one that goes back in its own steps tells that the run was restarted."""
    reached: dict[str, int] = {}
    for name, step, value in run.metrics:
        # A metric logged without a step stands at 0, wherever the run is.
        if step and not name.startswith(_SYSTEM):
            if step < reached.get(name, step):
                points.go_back(run.run_id, step)
                reached = {metric: min(at, step) for metric, at in reached.items()}
            reached[name] = step
        points.log(run.run_id, step, f"metrics.{name}", value)


def _notes(runs: list[LoggedRun]) -> list[tuple[str, Note]]:
    silent = [run.run_id for run in runs if not run.metrics and not run.deleted]
    system = sum(name.startswith("mlflow.") for run in runs for name in run.tags)
    notes = [
        ("warnings", Note("no_metric", f"runs that have logged no metric: {listed(silent)}", len(silent))),
        ("assumptions", Note("system_tags", "tags of MLflow itself (mlflow.*) are not read", system)),
    ]
    return [(kind, note) for kind, note in notes if note.count]
