"""isoglot's own folders: sweeps by their records, training runs by their tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from isoglot.core.errors import RunTableError
from isoglot.runs import import_runs, read_runs
from isoglot.runs.record import encode_record


def rows(run: str, size: float, **extra: Any) -> list[dict[str, Any]]:
    """Two evaluations of one language, as training writes them."""
    return [
        {
            "run": run,
            "language": "fra",
            "params": size,
            "tokens": 1e8 * step,
            "step": step,
            "loss": 4.0 - step / 10,
        }
        | {"loss_unit": "bits_per_byte", "params_convention": "total", **extra}
        for step in (1, 2)
    ]


def write_runs_folder(home: Path) -> Path:
    for run, size, extra in (("a", 1e7, {}), ("b", 2e7, {"init_from": "a"})):
        (home / run).mkdir(parents=True)
        pl.DataFrame(rows(run, size, **extra)).write_parquet(home / run / "runs.parquet")
    return home


def write_sweep(home: Path) -> Path:
    (home / "records").mkdir(parents=True)
    for run, size in (("a", 1e7), ("b", 2e7)):
        body = {"format": 1, "run": run, "recipe": {}, "rows": rows(run, size)}
        (home / "records" / f"{run}.json").write_bytes(encode_record(body))
    return home


def test_folder_of_runs(tmp_path: Path) -> None:
    home = write_runs_folder(tmp_path / "runs")
    runs = import_runs(home)
    assert (runs.num_rows, runs.num_runs, runs.loss_unit) == (4, 2, "bits_per_byte")
    assert import_runs(home, steps="last").frame["step"].to_list() == [2, 2]
    # Every command that takes a table takes such a folder.
    assert read_runs(home).frame.equals(runs.frame)
    assert read_runs(home / "a").num_runs == 1


def test_compute_of_runs_and_of_runs_that_continue_them(tmp_path: Path) -> None:
    """A run whose base has no exact count has no exact sum: its column is empty, without even a type."""
    fresh = {"flops": 6e15, "flops_convention": "6nd", "flops_exact": 7e15}
    later = {"flops": 1.2e16, "flops_convention": "6nd", "flops_exact": None}
    for run, extra in (("a", fresh), ("b", later)):
        (tmp_path / "runs" / run).mkdir(parents=True)
        table = pl.DataFrame(rows(run, 1e7, **extra), infer_schema_length=None)
        table.write_parquet(tmp_path / "runs" / run / "runs.parquet")
    runs = import_runs(tmp_path / "runs", steps="last")
    columns = ["flops_exact", "flops_convention"]
    assert runs.frame.select(columns).rows() == [(7e15, "6nd"), (None, "6nd")]
    for kind in ("csv", "jsonl", "parquet"):
        assert read_runs(runs.write(tmp_path / f"t.{kind}")).frame.equals(runs.frame)
    assert read_runs(tmp_path / "runs" / "b").frame["flops_exact"].to_list() == [None, None]


def test_damaged_table_of_a_run(tmp_path: Path) -> None:
    home = write_runs_folder(tmp_path / "runs")
    (home / "b" / "runs.parquet").write_bytes(b"PAR1 half")
    for read in (import_runs, read_runs):
        with pytest.raises(RunTableError, match=r"b/runs\.parquet is damaged, no table of runs"):
            read(home)


def test_sweep(tmp_path: Path) -> None:
    home = write_sweep(tmp_path / "sweep")
    runs = import_runs(home)
    assert (runs.num_rows, runs.loss_unit, runs.params_convention) == (4, "bits_per_byte", "total")
    with pytest.raises(RunTableError, match=r"is a folder without runs\.parquet; .*`isoglot runs import "):
        read_runs(home)


def test_damaged_records_are_named(tmp_path: Path) -> None:
    home = write_sweep(tmp_path / "sweep")
    record = home / "records" / "b.json"
    record.write_bytes(record.read_bytes().replace(b"3.9", b"3.1"))
    runs = import_runs(home)
    assert runs.num_runs == 1
    (note,) = (note for note in runs.report.warnings if note.code == "record")
    assert "b.json" in note.message and "altered" in note.message
    record.write_bytes(b"{")
    (home / "records" / "a.json").write_bytes(b"{")
    with pytest.raises(RunTableError, match=r"is a sweep without a finished run: .*a\.json"):
        import_runs(home)


def test_planned_runs_without_a_record_are_named(tmp_path: Path) -> None:
    home = write_sweep(tmp_path / "sweep")
    for folder in ("plans", "failures"):
        (home / folder).mkdir()
    units = [{"name": "u", "members": ["c", "d"]}, {"name": "v", "members": ["a"]}]
    plan = {"recipes": {run: {} for run in "abcd"}, "units": units}
    (home / "plans" / "0001.json").write_text(json.dumps(plan))
    (home / "failures" / "u-0001.json").write_text('{"message": "training loss is not a number at step 2"}')
    (note,) = (note for note in import_runs(home).report.warnings if note.code == "no_record")
    assert note.count == 2 and note.message.endswith("has: c, d (training loss is not a number at step 2)")
    (home / "plans" / "0001.json").write_text("[]")
    with pytest.raises(RunTableError, match=r"0001\.json is no plan of a sweep"):
        import_runs(home)
