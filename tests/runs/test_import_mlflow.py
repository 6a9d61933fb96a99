"""MLflow stores: files and SQLite give the same table, deleted runs stay out and are counted.

The fixtures follow the layout that MLflow 3.17 writes, names with slashes and quoted YAML included.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from isoglot.core.errors import RunTableError
from isoglot.runs import import_runs

COLUMNS = {"params": "params.params_total", "tokens": "metrics.tokens", "loss.*": "metrics.eval/*/loss"}
RUNS = (("a1", "small", "active", 1e7), ("b2", "large: #2", "active", 4e7), ("c3", "gone", "deleted", 9e7))
POINTS = [
    ("tokens", 100, 1e8),
    ("tokens", 200, 2e8),
    ("eval/fra/loss", 100, 3.5),
    ("eval/fra/loss", 200, 3.0 + 0.1 / 3),
    ("eval/deu/loss", 200, 3.25),
    ("train/loss", 150, float("nan")),
    ("train/loss", 160, float("inf")),
]


def write_file_store(home: Path) -> Path:
    experiment = home / "mlruns" / "7"
    experiment.mkdir(parents=True)
    meta = "experiment_id: '7'\nlifecycle_stage: active\nname: 'it''s: 50% \"odd\" # é'\n"
    (experiment / "meta.yaml").write_text(meta)
    for run, name, stage, size in RUNS:
        folder = experiment / run
        for part in ("params", "metrics", "tags"):
            (folder / part).mkdir(parents=True)
        lines = [
            *(
                f"artifact_uri: file:///x/{run}",
                "end_time: null",
                "entry_point_name: ''",
                "experiment_id: '7'",
            ),
            *(f"lifecycle_stage: {stage}", f"run_id: {run}", f"run_name: '{name}'", "status: 3", "tags: []"),
        ]
        (folder / "meta.yaml").write_text("\n".join(lines) + "\n")
        (folder / "params" / "params_total").write_text(str(int(size)))
        (folder / "tags" / "mlflow.runName").write_text(name)
        for at, (metric, step, value) in enumerate(POINTS):
            file = folder / "metrics" / metric
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as stream:
                stream.write(f"{1700000000000 + at} {value} {step}\n")
    return home / "mlruns"


def write_database(path: Path) -> Path:
    database = sqlite3.connect(path)
    database.executescript("""
        CREATE TABLE experiments (experiment_id INTEGER, name VARCHAR(256), lifecycle_stage VARCHAR(32));
        CREATE TABLE runs (run_uuid VARCHAR(32), name VARCHAR(250), status VARCHAR(9), start_time BIGINT,
                           lifecycle_stage VARCHAR(20), experiment_id INTEGER);
        CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
        CREATE TABLE tags (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));
        CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT,
                              is_nan BOOLEAN);
        INSERT INTO experiments VALUES (7, 'it''s: 50% "odd" # é', 'active');
    """)
    for at, (run, name, stage, size) in enumerate(RUNS):
        database.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', ?, ?, 7)", (run, name, at, stage))
        database.execute("INSERT INTO params VALUES ('params_total', ?, ?)", (str(int(size)), run))
        database.execute("INSERT INTO tags VALUES ('mlflow.runName', ?, ?)", (name, run))
        for time, (metric, step, value) in enumerate(POINTS):
            nan = value != value
            stored = 0.0 if nan else min(value, 1.7976931348623157e308)
            database.execute(
                "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", (metric, stored, time, run, step, nan)
            )
    database.commit()
    database.close()
    return path


def test_both_stores_give_one_table(tmp_path: Path) -> None:
    arguments = {"columns": COLUMNS, "loss_unit": "nats_per_token"}
    files = import_runs(write_file_store(tmp_path), **arguments)  # type: ignore[arg-type]
    database = import_runs(write_database(tmp_path / "mlflow.db"), **arguments)  # type: ignore[arg-type]
    key = [
        "run",
        "language",
        "step",
        "params",
        "tokens",
        "loss",
        "experiment",
        "run_name",
        "metrics.train/loss",
    ]
    assert (
        files.frame.select(key)
        .sort("run", "language")
        .equals(database.frame.select(key).sort("run", "language"))
    )
    assert files.frame.select("run", "language", "loss").sort("run", "language").rows() == [
        ("a1", "deu", 3.25),
        ("a1", "fra", 3.0 + 0.1 / 3),
        ("b2", "deu", 3.25),
        ("b2", "fra", 3.0 + 0.1 / 3),
    ]
    assert files.frame["experiment"].unique().to_list() == ['it\'s: 50% "odd" # é']
    for runs in (files, database):
        report = runs.report
        assert report.rows_in == runs.num_rows + report.num_left_out
        # The deleted run has rows at four steps, each of two languages.
        assert next(note for note in report.left_out if note.code == "deleted").count == 8
        assert (
            next(note for note in report.left_out if note.code == "deleted").message
            == "rows of 1 deleted runs"
        )


def test_names_of_runs_may_be_used(tmp_path: Path) -> None:
    columns = {**COLUMNS, "run": "run_name"}
    runs = import_runs(write_file_store(tmp_path), columns=columns, loss_unit="nats_per_token")
    assert set(runs.frame["run"]) == {"small", "large: #2"}


def test_one_run_or_experiment_of_a_store(tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    for part in (store / "7", store / "7" / "a1"):
        assert import_runs(part, columns=COLUMNS, loss_unit="nats_per_token").frame["run"][0] == "a1"


def test_damaged_files(tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    arguments = {"columns": COLUMNS, "loss_unit": "nats_per_token"}
    metric = store / "7" / "a1" / "metrics" / "eval" / "fra" / "loss"
    whole = metric.read_text()
    metric.write_text(whole + "1700000000009\n")
    with pytest.raises(
        RunTableError, match="line 3: '1700000000009' where 'timestamp value step' is expected"
    ):
        import_runs(store, **arguments)  # type: ignore[arg-type]
    metric.write_text(whole)
    meta = store / "7" / "a1" / "meta.yaml"
    text = meta.read_text()
    meta.write_text(text.replace("run_name: 'small'", "run_name: 'small"))
    with pytest.raises(
        RunTableError, match=r"meta\.yaml, line 7: .* 'run_name' must be one plain or quoted word"
    ):
        import_runs(store, **arguments)  # type: ignore[arg-type]
    meta.write_text(text.replace("run_id", "run_ix"))
    with pytest.raises(RunTableError, match="has no 'run_id'"):
        import_runs(store, **arguments)  # type: ignore[arg-type]


def test_empty_stores(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "meta.yaml").write_text("experiment_id: '0'\nname: Default\n")
    with pytest.raises(RunTableError, match="is an MLflow store without runs"):
        import_runs(tmp_path, columns=COLUMNS, loss_unit="nats_per_token")
    path = write_database(tmp_path / "a.db")
    database = sqlite3.connect(path)
    database.execute("DELETE FROM metrics")
    database.commit()
    with pytest.raises(RunTableError, match="whose 3 runs have logged no metric"):
        import_runs(path, columns=COLUMNS, loss_unit="nats_per_token")
    database.execute("DROP TABLE metrics")
    database.commit()
    database.close()
    with pytest.raises(RunTableError, match="no MLflow store: it has no table 'metrics'"):
        import_runs(path, columns=COLUMNS, loss_unit="nats_per_token")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(RunTableError, match="cannot be read as an MLflow store"):
        import_runs(path, columns=COLUMNS, loss_unit="nats_per_token")
