"""`join`: a table of the runs beside their log, its faults named by its own rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoglot.core.errors import RunTableError
from isoglot.runs import CheckReport, check_import, import_runs, source_columns
from isoglot.runs.record import encode_record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    for run, name in (("a", "small"), ("b", "large")):
        steps = [{"_step": step, "tokens": step * 1e6, "x": 3.0, "name": name} for step in (1, 2)]
        (folder / f"{run}.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    return folder


def joined(log: Path, text: str, columns: dict[str, str] | None = None, **options: Any) -> CheckReport:
    (log.parent / "sizes.csv").write_text(text)
    mapping = {"tokens": "tokens", "loss": "x", **(columns or {})}
    return check_import(
        log, columns=mapping, loss_unit="nats_per_token", join=log.parent / "sizes.csv", **options
    )


@pytest.mark.parametrize("loss", ["loss", "loss.spa", "perplexity"])
def test_a_loss_is_refused(loss: str, log: Path) -> None:
    with pytest.raises(RunTableError, match=f"sizes.csv has a column '{loss}', but a loss stands in the log"):
        joined(log, f"run,params,{loss}\na,1e7,2\nb,1e7,2\n")


def test_a_column_of_the_source_is_refused(log: Path) -> None:
    with pytest.raises(RunTableError, match=r"sizes\.csv has a column '_step', as .* does"):
        joined(log, "run,_step\na,1\n")
    (log / "all.csv").write_text("run_id,_step,x,tokens\na,1,3,1e9\n")
    with pytest.raises(RunTableError, match=r"sizes\.csv has a column 'run_id', as .* does"):
        joined(log / "all.csv", "run,run_id\na,1\n")


def test_a_bad_number_is_named_by_its_own_row_once(log: Path) -> None:
    report = joined(log, "run,N\na,1.5B\nb,1e7\n", {"params": "N"}, steps="all")
    (problem,) = report.problems
    assert problem.message.endswith(
        "sizes.csv, row 1 (line 2), column 'N': '1.5B' is not a number; write 1.5e9"
    )


def test_an_absent_run_is_named_once(log: Path) -> None:
    (problem,) = joined(log, "run,params\na,1e7\n", steps="all").problems
    assert "sizes.csv has no row of run 'b', so its 'params' is missing" in problem.message
    report = joined(log, "run,params\na,1e7\n", where={"run": "a"})
    assert report.runs is not None and report.runs.num_runs == 1


def test_the_mapped_name_of_a_run_joins(log: Path) -> None:
    report = joined(log, "run,params\nsmall,1e7\nlarge,4e7\n", {"run": "name"})
    assert report.runs is not None
    assert report.runs.frame.select("run", "params").rows() == [("small", 1e7), ("large", 4e7)]


def test_an_empty_run_is_named(log: Path) -> None:
    with pytest.raises(RunTableError, match=r"sizes\.csv, row 2 \(line 3\), column 'run': empty"):
        joined(log, "run,params\na,1e7\n,1e7\n")


def test_numbers_joined_to_own_rows_are_numbers(tmp_path: Path) -> None:
    home = tmp_path / "sweep"
    (home / "records").mkdir(parents=True)
    row = {"run": "a", "language": "fra", "params": 1e7, "tokens": 1e9, "loss": 3.0}
    body = {"format": 1, "run": "a", "rows": [row]}
    (home / "records" / "a.json").write_bytes(encode_record(body))
    (tmp_path / "j.csv").write_text("run,width,label\na,512,007\n")
    runs = import_runs(home, join=tmp_path / "j.csv")
    assert runs.frame.select("width", "label").row(0) == (512, "007")


def test_columns_are_shown_as_they_will_be(log: Path) -> None:
    (log.parent / "sizes.csv").write_text("run,params\na,1e7\nb,1e7\n")
    (log / "a.jsonl").write_text('{"_step": 1, "tokens": 1e6}\n{"_step": 2, "x": 3.0, "name": "small"}\n')
    _, listed = source_columns(log, join=log.parent / "sizes.csv", fill=["tokens"])
    assert {column.name: column.filled for column in listed}.items() >= {"params": 4, "tokens": 4}.items()
