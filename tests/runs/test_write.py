"""Writing a run table: whole or not at all, never over its source, never what would be read as something else."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from isoglot.core.errors import InputError
from isoglot.runs import read_runs

TABLE = {"params": [1e8, 2e8], "tokens": [1e9, 2e9], "loss": [3.0, 2.9]}


def test_the_source_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("params,tokens,loss\n1e8,1e9,3\n")
    (tmp_path / "link.csv").symlink_to(path)
    for name in ("t.csv", "link.csv"):
        with pytest.raises(InputError, match=f"{name} is a file that is read; write to another"):
            read_runs(path).write(tmp_path / name)
    assert path.read_text() == "params,tokens,loss\n1e8,1e9,3\n"


def test_a_file_of_a_folder_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    table = tmp_path / "runs" / "a" / "runs.parquet"
    table.parent.mkdir(parents=True)
    pl.DataFrame(TABLE).write_parquet(table)
    runs = read_runs(tmp_path / "runs")
    with pytest.raises(InputError, match=r"runs\.parquet is a file that is read; write to another"):
        runs.write(table)
    for _ in range(2):
        assert runs.write(tmp_path / "runs" / "all.parquet").is_file()


@pytest.mark.parametrize("fault", [pl.exceptions.ComputeError("No space left"), OSError(28, "No space left")])
def test_what_fails_leaves_the_old_file(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: pl.DataFrame, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise fault

    to = tmp_path / "t.parquet"
    to.write_bytes(b"old")
    monkeypatch.setattr(pl.DataFrame, "write_parquet", fail)
    with pytest.raises(InputError, match=r"t\.parquet cannot be written: No space left"):
        read_runs(TABLE).write(to)
    assert to.read_bytes() == b"old" and list(tmp_path.iterdir()) == [to]


@pytest.mark.parametrize(
    ("name", "cell"), [(" a", "x"), ("a ", "x"), ("\u2028a", "x"), ("a\0", "x"), ("a", "x\0")]
)
def test_what_csv_does_not_keep_is_refused(name: str, cell: str, tmp_path: Path) -> None:
    runs = read_runs({**TABLE, name: [cell, "y"]})
    with pytest.raises(
        InputError, match=r"which CSV does not keep; rename it, or write \.parquet or \.jsonl"
    ):
        runs.write(tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())
    assert read_runs(runs.write(tmp_path / "t.parquet")).frame.equals(runs.frame)


def test_a_column_without_a_number_keeps_its_type_in_parquet_alone(tmp_path: Path) -> None:
    runs = read_runs(pl.DataFrame({**TABLE, "x": pl.Series([None, None], dtype=pl.Float64)}))
    types = {
        kind: read_runs(runs.write(tmp_path / f"t.{kind}")).frame["x"].dtype
        for kind in ("csv", "jsonl", "parquet")
    }
    assert types == {"csv": pl.String, "jsonl": pl.String, "parquet": pl.Float64}
