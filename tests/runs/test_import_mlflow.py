"""MLflow stores: files and SQLite give the same table, deleted runs stay out and are counted.

The fixtures follow the layout that MLflow 3.17 writes, names with slashes and quoted YAML included.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from isoglot.core.errors import InputError, RunTableError
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
        # The deleted run has evaluations at two of its steps, and each counts for two languages.
        assert next(note for note in report.left_out if note.code == "deleted").count == 4
        assert next(note for note in report.left_out if note.code == "no_loss").count == 12
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
        RunTableError, match=r"meta\.yaml, line 10: not YAML \(found unexpected end of stream\)"
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


ARGUMENTS = {"columns": COLUMNS, "loss_unit": "nats_per_token"}


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_long_name_is_folded_over_lines(quote: str, tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    meta = store / "7" / "a1" / "meta.yaml"
    words = ["a", *["long"] * 20, "name"]
    folded = f"run_name: {quote}{' '.join(words[:12])}\n  {' '.join(words[12:])}{quote}"
    meta.write_text(meta.read_text().replace("run_name: 'small'", folded))
    runs = import_runs(store, columns={**COLUMNS, "run": "run_name"}, loss_unit="nats_per_token")
    assert " ".join(words) in set(runs.frame["run"])


def test_names_stay_text(tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    meta = store / "7" / "a1" / "meta.yaml"
    meta.write_text(meta.read_text().replace("run_name: 'small'", "run_name: 1e5"))
    runs = import_runs(store, columns={**COLUMNS, "run": "run_name"}, loss_unit="nats_per_token")
    assert "1e5" in set(runs.frame["run"])
    meta.write_text(meta.read_text().replace("run_name: 1e5", "run_name: [1]"))
    with pytest.raises(RunTableError, match="'run_name' must be one text"):
        import_runs(store, **ARGUMENTS)  # type: ignore[arg-type]


def test_a_metric_that_was_cut_short(tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    metric = store / "7" / "a1" / "metrics" / "eval" / "fra" / "loss"
    whole = metric.read_text()
    metric.write_text(whole[:-2])
    with pytest.raises(RunTableError, match="loss, line 2: the last line has no end, so the file was cut"):
        import_runs(store, **ARGUMENTS)  # type: ignore[arg-type]
    metric.write_text(whole + "1700000000009 3.0\n")
    with pytest.raises(RunTableError, match=r"line 3: '1700000000009 3\.0' where 'timestamp value step'"):
        import_runs(store, **ARGUMENTS)  # type: ignore[arg-type]


def test_folders_that_are_not_read_are_counted(tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    (store / "7" / "b2" / "meta.yaml").unlink()
    gone = store / ".trash" / "5" / "x"
    (gone / "metrics").mkdir(parents=True)
    (gone / "meta.yaml").write_text("run_id: x\n")
    report = import_runs(store, **ARGUMENTS).report  # type: ignore[arg-type]
    said = {note.code: note.message for note in (*report.warnings, *report.assumptions)}
    assert said["no_meta"] == "folders of runs without meta.yaml, which are not read: b2"
    assert said["trash"] == "runs of deleted experiments (.trash) are not read"


def test_one_id_twice(tmp_path: Path) -> None:
    store = write_file_store(tmp_path)
    meta = store / "7" / "b2" / "meta.yaml"
    meta.write_text(meta.read_text().replace("b2", "a1"))
    with pytest.raises(RunTableError, match="has 2 runs of the id 'a1'"):
        import_runs(store, **ARGUMENTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["files", "database"])
def test_an_abandoned_branch_by_the_time_of_logging(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [("tokens", step, step * 1e6) for step in (500, 1500, 700, 1400)]
    # The evaluation of the abandoned branch is the last; one without a step stands at 0 and goes nowhere.
    points[2:2] = [
        ("eval/fra/loss", 500, 3.9),
        ("eval/fra/loss", 1500, 3.0),
        ("best", 500, 1.0),
        ("best", 0, 1.0),
    ]
    points += [("system/cpu", 3, 1.0), ("system/cpu", 1, 1.0)]
    monkeypatch.setitem(globals(), "POINTS", points)
    store = write_file_store(tmp_path) if kind == "files" else write_database(tmp_path / "mlflow.db")
    runs = import_runs(store, **ARGUMENTS)  # type: ignore[arg-type]
    assert runs.frame.select("run", "step", "loss").rows() == [("a1", 500, 3.9), ("b2", 500, 3.9)]
    left = next(note for note in runs.report.warnings if note.code == "abandoned")
    assert left.count == 6 and left.message.endswith("did those steps again: a1, b2, c3")


ODD = {
    "a null value": "UPDATE metrics SET value = NULL WHERE rowid = 3",
    "a text for a value": "UPDATE metrics SET value = 'abc' WHERE rowid = 3",
    "a text for a step": "UPDATE metrics SET step = 'x' WHERE rowid = 3",
    "a null step": "UPDATE metrics SET step = NULL WHERE rowid = 3",
    "bytes for a name": "UPDATE runs SET name = x'ff00'",
    "bytes for a parameter": "UPDATE params SET value = x'ff00'",
}


@pytest.mark.parametrize("case", ODD)
def test_odd_databases(case: str, tmp_path: Path) -> None:
    path = write_database(tmp_path / "mlflow.db")
    database = sqlite3.connect(path)
    database.execute(ODD[case])
    database.commit()
    database.close()
    with pytest.raises(RunTableError, match="the database is damaged or of another program"):
        import_runs(path, **ARGUMENTS)  # type: ignore[arg-type]


def test_a_database_cut_anywhere(tmp_path: Path) -> None:
    whole = write_database(tmp_path / "mlflow.db").read_bytes()
    for size in range(100, len(whole), 1000):
        path = tmp_path / "cut.db"
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            import_runs(path, **ARGUMENTS)  # type: ignore[arg-type]


def test_metrics_of_no_run_are_named(tmp_path: Path) -> None:
    path = write_database(tmp_path / "mlflow.db")
    database = sqlite3.connect(path)
    database.execute("DELETE FROM runs WHERE run_uuid = 'b2'")
    database.commit()
    database.close()
    report = import_runs(f"sqlite:///{path}", **ARGUMENTS).report  # type: ignore[arg-type]
    assert any(note.code == "orphans" and note.message.endswith(": b2") for note in report.warnings)
