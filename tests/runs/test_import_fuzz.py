"""Whatever a tracker's files hold: a table whose rows add up, or one sentence; nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.runs import import_runs, source_columns

FUZZ = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 10**20), st.floats(), st.sampled_from(["", "NaN", "x", "3.5"])
)
NAMES = st.sampled_from(
    ["_step", "step", "run", "loss", "eval_fra_loss", "x.loss", "tokens", "é", "__row__", ""]
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
OBJECT = st.dictionaries(NAMES, VALUE, max_size=5)
STEP = st.fixed_dictionaries({"_step": st.integers(0, 4), "step": st.integers(0, 4)}).flatmap(
    lambda steps: OBJECT.map(lambda record: {**record, **steps})
)
RECORDS = st.lists(st.one_of(STEP, STEP, STEP, OBJECT), max_size=5)


def assert_table_or_sentence(path: Path, kind: str) -> None:
    for steps in ("last", "all"):
        try:
            source_columns(path, format=kind)
            columns = {"params": "=1e7", "tokens": "=1e9", "loss": "eval_fra_loss"}
            runs = import_runs(path, format=kind, columns=columns, loss_unit="nats_per_token", steps=steps)
        except InputError as error:
            assert str(error) and "\n" not in str(error)
        else:
            report = runs.report
            assert report.rows_in == runs.num_rows + report.num_left_out + report.rows_merged


@FUZZ
@given(records=RECORDS)
def test_histories(records: list[object], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    assert_table_or_sentence(tmp_path / "a.jsonl", "wandb")


@FUZZ
@given(records=RECORDS, last=st.one_of(st.integers(0, 4), SCALAR))
def test_states(records: list[object], last: object, tmp_path: Path) -> None:
    text = json.dumps({"global_step": last, "log_history": records, "total_flos": 3.0})
    (tmp_path / "trainer_state.json").write_text(text)
    assert_table_or_sentence(tmp_path / "trainer_state.json", "trainer")


@FUZZ
@given(
    meta=st.lists(
        st.sampled_from(["run_id: a", "run_name: 'x", "status: 3", "name", 'run_name: "\\x"', " - b"])
    ),
    points=st.lists(
        st.sampled_from(["1 3.5 2", "1 nan 3", "1 x 2", "", "1 2", "1 inf 1", "1 3 99999999999999999999"])
    ),
)
def test_stores(meta: list[str], points: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "metrics").mkdir(parents=True, exist_ok=True)
    (folder / "meta.yaml").write_text("\n".join(meta))
    (folder / "metrics" / "eval_fra_loss").write_text("\n".join(points))
    assert_table_or_sentence(tmp_path, "mlflow")


@FUZZ
@given(
    parts=st.lists(
        st.sampled_from([*'a-,;"\n 19.', "Step", "_step", "Name", " - ", "eval_fra_loss", "NaN"]), max_size=40
    )
)
def test_csv(parts: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("".join(parts))
    assert_table_or_sentence(tmp_path / "t.csv", "wandb")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.db"])
@pytest.mark.parametrize("kind", ["wandb", "mlflow", "trainer", "sweep", "runs"])
def test_bytes(name: str, kind: str, tmp_path: Path) -> None:
    for content in (b"", b"\x00\xff", b"SQLite format 3\x00", b"[[[", b"\xef\xbb\xbf{}", b"9" * 5000):
        (tmp_path / name).write_bytes(content)
        assert_table_or_sentence(tmp_path / name, kind)
        with pytest.raises(InputError):
            source_columns(tmp_path / "absent", format=kind)
