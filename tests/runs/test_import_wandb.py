"""W&B exports: a table of runs, a chart, histories as JSON; and what is wrong with a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoglot.core.errors import InputError, RunTableError
from isoglot.runs import import_runs, source_columns

RUNS = """"Name","State","Created","n_params","share_fra","share_deu","eval/fra/loss","eval/deu/loss","tokens"
"small","finished","2025-01-02T10:00:00.000Z","10000000","0.5","0.5","3.1","3.3","1e9"
"large","crashed","2025-01-02T11:00:00.000Z","40000000","0.9","0.1","2.8","3.2","1e9"
"""
RUN_COLUMNS = {"params": "n_params", "share.*": "share_*", "loss.*": "eval/*/loss"}
CHART = """"Step","a - b - eval/fra/loss","a - b - eval/fra/loss__MIN","a - b - eval/fra/loss__MAX","c - eval/fra/loss"
"200","3.5","3.4","3.6","3.9"
"100","4.1","4.1","4.1",""
"300","3.2","3.2","3.2","NaN"
"""


def write_histories(folder: Path) -> Path:
    """Two runs, each with a history by step and a configuration."""
    for name, size in (("small", 1e7), ("large", 4e7)):
        steps = [
            {"_step": 0, "_runtime": 1.5, "train": {"loss": 9.0}, "tokens": 0},
            {"_step": 100, "_runtime": 2.5, "train": {"loss": 4.0}, "tokens": 1e8},
            {
                "_step": 200,
                "_runtime": 3.5,
                "tokens": 2e8,
                "eval": {"fra": {"loss": 3.5}, "deu": {"loss": 3.6}},
            },
            {
                "_step": 300,
                "_runtime": 4.5,
                "tokens": 3e8,
                "eval": {"fra": {"loss": 3.25}, "deu": {"loss": 3.5}},
            },
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
        config = {
            "n_params": {"desc": None, "value": size},
            "_wandb": {"value": {}},
            "optim": {"value": {"lr": 3e-4}},
        }
        (folder / f"{name}.config.json").write_text(json.dumps(config))
    return folder


HISTORY_COLUMNS = {"params": "config.n_params", "tokens": "tokens", "loss.*": "eval.*.loss"}


def test_table_of_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(RUNS)
    runs = import_runs(path, columns=RUN_COLUMNS, loss_unit="nats_per_token")
    assert runs.frame.select("run", "language", "params", "share.fra", "loss").rows() == [
        ("small", "fra", 1e7, 0.5, 3.1),
        ("small", "deu", 1e7, 0.5, 3.3),
        ("large", "fra", 4e7, 0.9, 2.8),
        ("large", "deu", 4e7, 0.9, 3.2),
    ]
    codes = {note.code: note.count for note in runs.report.warnings}
    assert codes["unfinished"] == 1
    finished = import_runs(path, columns=RUN_COLUMNS, loss_unit="nats", where={"State": "finished"})
    assert "unfinished" not in {note.code for note in finished.report.warnings}
    assert finished.num_runs == 1 and finished.report.num_left_out == 2


def test_runs_with_one_name_are_runs_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(RUNS.replace("large", "small"))
    runs = import_runs(path, columns=RUN_COLUMNS, loss_unit="nats_per_token")
    assert runs.num_runs == 2
    assert any(note.code == "run_missing" for note in runs.report.assumptions)


def test_chart(tmp_path: Path) -> None:
    path = tmp_path / "chart.csv"
    path.write_text(CHART)
    columns = {"params": "=1e7", "batch_tokens": "=1000", "loss": "eval/fra/loss", "language": "=fra"}
    runs = import_runs(path, columns=columns, loss_unit="nats_per_token", steps="all")
    assert runs.frame.select("run", "step", "tokens", "loss").rows() == [
        ("a - b", 100, 1e5, 4.1),
        ("a - b", 200, 2e5, 3.5),
        ("a - b", 300, 3e5, 3.2),
        ("c", 200, 2e5, 3.9),
    ]
    report = runs.report
    assert report.rows_in == 5 == runs.num_rows + report.num_left_out
    assert {note.code: note.count for note in report.warnings} == {"averaged": 1, "not_finite": 1}
    # A run that ends without a finite loss has diverged: its earlier losses are no last evaluation.
    last = import_runs(path, columns=columns, loss_unit="nats_per_token")
    assert last.frame.select("run", "step").rows() == [("a - b", 300)]
    assert "runs whose last 'eval/fra/loss' is not finite" in next(
        note.message for note in last.report.warnings if note.code == "diverged"
    )


def test_histories(tmp_path: Path) -> None:
    folder = write_histories(tmp_path)
    runs = import_runs(folder, columns=HISTORY_COLUMNS, loss_unit="nats_per_token")
    assert runs.frame.select("run", "step", "language", "params", "tokens", "loss").rows() == [
        ("large", 300, "fra", 4e7, 3e8, 3.25),
        ("large", 300, "deu", 4e7, 3e8, 3.5),
        ("small", 300, "fra", 1e7, 3e8, 3.25),
        ("small", 300, "deu", 1e7, 3e8, 3.5),
    ]
    report = runs.report
    assert report.rows_in == runs.num_rows + report.num_left_out
    left = {note.code: note.count for note in report.left_out}
    assert left["no_loss"] == 8 and left["earlier_steps"] == 4
    every = import_runs(folder, columns=HISTORY_COLUMNS, loss_unit="nats_per_token", steps="all")
    assert every.num_rows == 8
    kind, listed = source_columns(folder)
    assert kind == "wandb" and {c.name for c in listed} >= {"_step", "eval.fra.loss", "config.optim.lr"}
    assert {c.name: c.guess for c in listed}["_step"] == "step"


def test_one_history_and_an_array(tmp_path: Path) -> None:
    write_histories(tmp_path)
    lines = (tmp_path / "small.jsonl").read_text().splitlines()
    (tmp_path / "alone").mkdir()
    array = tmp_path / "alone" / "small.json"
    array.write_text(f"[{','.join(lines)}]")
    columns = {**HISTORY_COLUMNS, "params": "=1e7"}
    one = import_runs(array, columns=columns, loss_unit="nats_per_token")
    other = import_runs(tmp_path / "small.jsonl", columns=columns, loss_unit="nats_per_token")
    assert one.frame["loss"].equals(other.frame["loss"]) and one.num_rows == 2


def test_history_saved_by_pandas(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text(",_step,train/loss,eval/fra/loss,tokens\n0,100,4.0,,\n1,200,,3.5,2e8\n2,300,,3.25,3e8\n")
    columns = {"params": "=1e7", "loss.*": "eval/*/loss"}
    runs = import_runs(path, columns=columns, loss_unit="nats_per_token", steps="all")
    assert runs.frame.select("run", "step", "tokens", "loss").rows() == [
        ("small", 200, 2e8, 3.5),
        ("small", 300, 3e8, 3.25),
    ]
    path.write_text("run_id,_step,eval/fra/loss,tokens\na,100,3.5,1e8\nb,100,3.25,1e8\n")
    several = import_runs(path, columns=columns, loss_unit="nats_per_token")
    assert several.frame["run"].to_list() == ["a", "b"]


def test_fill_and_join(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"_step": 1, "seen": 1e8}\n{"_step": 2, "seen": 2e8}\n{"_step": 3, "eval": 3.0}\n')
    sizes = tmp_path / "sizes.csv"
    sizes.write_text("run,params,share.fra,share.deu\na,1e7,0.25,0.75\nb,2e7,1,0\n")
    columns = {"tokens": "seen", "loss": "eval"}
    arguments = {"columns": columns, "loss_unit": "nats_per_token"}
    with pytest.raises(RunTableError, match="run 'a', _step 3, column 'seen': empty"):
        import_runs(path, join=sizes, **arguments)  # type: ignore[arg-type]
    runs = import_runs(path, join=sizes, fill=["seen"], **arguments)  # type: ignore[arg-type]
    assert runs.frame.select("params", "tokens", "share.deu").rows() == [(1e7, 2e8, 0.75)]
    assert any(note.code == "join_unused" and note.count == 1 for note in runs.report.warnings)
    with pytest.raises(InputError, match=r"fill names column 'sen', .* \(did you mean seen\?\)"):
        import_runs(path, fill=["sen"], **arguments)  # type: ignore[arg-type]
    sizes.write_text("run,params\na,1e7\na,2e7\n")
    with pytest.raises(RunTableError, match="several rows of run 'a'"):
        import_runs(path, join=sizes, **arguments)  # type: ignore[arg-type]


def test_a_trackers_own_loss_is_not_taken_for_the_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"_step": 3, "loss": 2.0, "held_out": 3.0, "tokens": 1e9}\n')
    with pytest.raises(InputError, match=r"names no loss, .* \(.*: it has loss\)"):
        import_runs(path, columns={"params": "=1e7"}, loss_unit="nats_per_token")
    runs = import_runs(path, columns={"params": "=1e7", "loss": "held_out"}, loss_unit="nats_per_token")
    assert runs.frame.select("loss", "logged_loss").rows() == [(3.0, 2.0)]
    taken = import_runs(path, columns={"params": "=1e7", "loss": "loss"}, loss_unit="nats_per_token")
    assert taken.frame["loss"].to_list() == [2.0]


DAMAGED = {
    "cut short": (
        "a.jsonl",
        '{"_step": 1, "x": 2}\n{"_step": 2, "x"',
        "a.jsonl, line 2: not a JSON value (the file",
    ),
    "no step": (
        "a.jsonl",
        '{"_step": 1}\n{"x": 2}\n',
        "a.jsonl, line 2: '_step' is missing; every object of a history names its step",
    ),
    "a list": ("a.jsonl", '{"_step": 1}\n[2]\n', "a.jsonl, line 2: a JSON list where an object"),
    "text for a step": (
        "a.json",
        '[{"_step": 1}, {"_step": "2"}]',
        "a.json, entry 2: '_step' is '2', no number",
    ),
    "no number": ("c.csv", "Step,a - x\nten,3\n", "c.csv, row 1, column 'Step': 'ten' is no number"),
    "twice": ("c.csv", "Step,a - x,a - x\n1,3,4\n", "c.csv names column 'a - x' twice (columns 2 and 3)"),
    "no metric": ("c.csv", "Step,a - x\n1,3\n", "c.csv has no column matching 'eval/*/loss'"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged(case: str, tmp_path: Path) -> None:
    name, text, sentence = DAMAGED[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(RunTableError) as caught:
        import_runs(
            tmp_path / name,
            format="wandb",
            columns={"params": "=1e7", "tokens": "=1e9", "loss.*": "eval/*/loss"},
            loss_unit="nats_per_token",
        )
    assert str(caught.value).startswith(f"{tmp_path}/{sentence}")


def test_the_unit_must_be_declared(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"wandb does not say in which unit 'eval\.\*\.loss' .* pass loss_unit= \(--loss-unit\)",
    ):
        import_runs(write_histories(tmp_path), columns=HISTORY_COLUMNS)


def test_formats_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run,params,tokens,loss\na,1e7,1e9,3\n")
    with pytest.raises(
        InputError, match=r"no format that can be told .* wandb \(W&B: .*; mlflow .*; trainer .*; sweep"
    ):
        import_runs(path)
    with pytest.raises(InputError, match=r"format is 'wandbb' \(did you mean wandb\?\)"):
        import_runs(path, format="wandbb")
    with pytest.raises(RunTableError, match="is no W&B export: it has neither"):
        import_runs(path, format="wandb")
    with pytest.raises(InputError, match="does not exist"):
        import_runs(tmp_path / "absent")
    with pytest.raises(InputError, match=r"steps= is 'first'"):
        import_runs(path, format="wandb", steps="first")
    (tmp_path / "a.jsonl").write_text('{"_step": 1}')
    (tmp_path / "trainer_state.json").write_text("{}")
    with pytest.raises(InputError, match="could be trainer or wandb; name the format with --format"):
        import_runs(tmp_path)


@pytest.mark.parametrize("name", ["ID", "Name"])
def test_a_table_of_runs_with_their_last_step(name: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(f"{name},State,_step,n,x\nr1,finished,100,1e7,3\nr2,finished,100,2e7,2\n")
    columns = {"params": "n", "tokens": "=1e9", "loss": "x"}
    runs = import_runs(path, columns=columns, loss_unit="nats_per_token")
    assert runs.frame.select("run", "params", "loss").rows() == [("r1", 1e7, 3.0), ("r2", 2e7, 2.0)]
    path.write_text("ID,State,_step,n,x\nr1,finished,100,1e7,3\nr1,finished,200,1e7,2\n")
    with pytest.raises(RunTableError, match="column 'ID': 'r1' is in several rows"):
        import_runs(path, columns=columns, loss_unit="nats_per_token")
    path.write_text("ID,State,n,x\nr1,finished,1e7,3\n,finished,1e7,2\n")
    with pytest.raises(RunTableError, match="row 2, column 'ID': empty"):
        import_runs(path, columns=columns, loss_unit="nats_per_token")


CONSTANT = {"params": "=1e7", "tokens": "=1e9"}


def test_histories_as_csv_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("_step,x\n10,3.5\n")
    (tmp_path / "sizes.csv").write_text("run,params\nb,1e7\n")
    columns = {**CONSTANT, "loss": "x"}
    runs = import_runs(tmp_path, columns=columns, loss_unit="nats_per_token")
    assert runs.frame.select("run", "loss").rows() == [("b", 3.5)]
    assert {note.code: note.message for note in runs.report.warnings} == {
        "no_history": "CSV files without a column '_step', not read: sizes.csv"
    }
    (tmp_path / "b.jsonl").write_text('{"_step": 10, "x": 3.0}\n')
    with pytest.raises(RunTableError, match=r"b\.csv and .*b\.jsonl are both histories of run 'b'"):
        import_runs(tmp_path, columns=columns, loss_unit="nats_per_token")


def test_a_history_without_a_value_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"_step": 10, "x": 3.0}\n')
    (tmp_path / "b.jsonl").write_text('{"_step": 10}\n')
    runs = import_runs(tmp_path, columns={**CONSTANT, "loss": "x"}, loss_unit="nats_per_token")
    assert "histories without a logged step: b" in [note.message for note in runs.report.warnings]


CURVES = {
    "a metric with the separator": ("a - eval - fra,a - eval - deu,b - eval - fra", "eval - fra", ["a", "b"]),
    "a run with the separator": ("a - b - loss,c - loss", "loss", ["a - b", "c"]),
    "a known run": ("a - eval - fra,a - loss", "eval - fra", ["a"]),
}


@pytest.mark.parametrize("case", CURVES)
def test_where_a_curve_is_split(case: str, tmp_path: Path) -> None:
    curves, metric, runs = CURVES[case]
    path = tmp_path / "c.csv"
    path.write_text(f"Step,{curves}\n10{',3' * len(curves.split(','))}\n")
    found = import_runs(path, columns={**CONSTANT, "loss": metric}, loss_unit="nats_per_token")
    assert found.frame["run"].to_list() == runs


def test_a_chart_of_groups_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("Step,Group: x - eval/loss\n10,3\n")
    with pytest.raises(RunTableError, match="the mean of a group of runs is no run"):
        import_runs(path, columns={**CONSTANT, "loss": "eval/loss"}, loss_unit="nats_per_token")


def test_a_chart_of_very_many_runs(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    names = [f"run{number:050d} - loss" for number in range(1500)]
    path.write_text(f"Step,{','.join(names)}\n10{',3' * len(names)}\n")
    assert len(path.read_text().splitlines()[0]) > 65536
    runs = import_runs(path, columns={**CONSTANT, "loss": "loss"}, loss_unit="nats_per_token")
    assert runs.num_runs == 1500


FAULTS = {
    "a key twice": ("a.jsonl", '{"_step": 1, "x": 2, "x": 3}', "a.jsonl, line 1: the key 'x' occurs twice"),
    "dotted and nested": (
        "a.jsonl",
        '{"_step": 1, "a": {"b": 1}, "a.b": 2}',
        "a.jsonl, line 1: 'a.b' is there twice, as a dotted key and nested",
    ),
    "no number": ("a.jsonl", '{"_step": 1}\n{"_step": "2"}', "a.jsonl, line 2: '_step' is '2', no number"),
    "not finite": ("a.jsonl", '{"_step": NaN}', "a.jsonl, line 1: '_step' is nan, no number"),
    "no run": ("a.csv", "_step,run_id,x\n1,b,3\n1,,3\n", "a.csv, row 2, column 'run_id': empty"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_of_histories(case: str, tmp_path: Path) -> None:
    name, text, sentence = FAULTS[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(RunTableError) as caught:
        import_runs(tmp_path / name, columns={**CONSTANT, "loss": "x"}, loss_unit="nats_per_token")
    assert str(caught.value).startswith(f"{tmp_path}/{sentence}")


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", '{"_step": 1, "x": 3}\n{"_step": 2, "x": 2}\n'), ("a.tsv", "_step\tx\n1\t3\n2\t2\n")],
)
def test_further_ways_to_save_a_history(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    runs = import_runs(tmp_path / name, columns={**CONSTANT, "loss": "x"}, loss_unit="nats_per_token")
    assert runs.frame["loss"].to_list() == [2.0]


def test_a_source_by_its_url(tmp_path: Path) -> None:
    path = tmp_path / "a b.jsonl"
    path.write_text('{"_step": 1, "x": 3}\n')
    arguments = {"columns": {**CONSTANT, "loss": "x"}, "loss_unit": "nats_per_token"}
    runs = import_runs(path.as_uri(), **arguments)  # type: ignore[arg-type]
    assert runs.num_rows == 1
    with pytest.raises(InputError, match="is a file that is read"):
        runs.write(path)
    with pytest.raises(InputError, match="http://localhost:5000 is a server, and servers are not read"):
        import_runs("http://localhost:5000", **arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be opened: File name too long"):
        import_runs("x" * 5000, **arguments)  # type: ignore[arg-type]
