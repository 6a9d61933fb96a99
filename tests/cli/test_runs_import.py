"""`isoglot runs import` and `runs export` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from isoglot.cli.runs import app
from isoglot.core.errors import InputError
from isoglot.runs import read_runs

RUN = CliRunner()
MAPPING = ["--columns", "params==1e7", "--columns", "tokens=tokens", "--columns", "loss.*=*.loss"]


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"_step": 1, "tokens": 1e8, "fr": {"loss": 3.5}, "de": {"loss": 4}}\n'
        '{"_step": 2, "tokens": 2e8, "fr": {"loss": 3.25}, "de": {"loss": 3.75}}\n'
    )
    return path


def test_show_columns(history: Path) -> None:
    result = RUN.invoke(app, ["import", str(history), "--show-columns"])
    assert result.exit_code == 0, result.output
    for line in (
        "a.jsonl: wandb, 5 columns",
        "_step          2 values, such as 2  read as step",
        "fr.loss  ",
    ):
        assert line in result.output
    answer = json.loads(RUN.invoke(app, ["import", str(history), "--show-columns", "--json"]).output)
    assert answer["columns"][0] == {"name": "run", "filled": 2, "example": "'a'", "guess": "run"}


def test_import_writes_and_accounts(history: Path, tmp_path: Path) -> None:
    to = tmp_path / "t.parquet"
    result = RUN.invoke(
        app, ["import", str(history), "--to", str(to), *MAPPING, "--loss-unit", "nats_per_token"]
    )
    assert result.exit_code == 0, result.output
    assert "2 rows of 1 runs, languages fra, deu; loss in nats_per_token" in result.output
    assert "2  evaluations before the last of their run and language" in result.output
    assert read_runs(to).frame["loss"].to_list() == [3.25, 3.75]
    options = ["--steps", "all", "--loss-unit", "nats", "--json"]
    answer = json.loads(RUN.invoke(app, ["import", str(history), "--to", str(to), *MAPPING, *options]).output)
    assert (answer["ok"], answer["rows"]) == (True, 4)


def test_import_lists_problems_and_writes_nothing(history: Path, tmp_path: Path) -> None:
    to = tmp_path / "t.parquet"
    history.write_text(history.read_text().replace("2e8", "-1").replace("3.75", "-2"))
    result = RUN.invoke(app, ["import", str(history), "--to", str(to), *MAPPING, "--loss-unit", "nats"])
    assert result.exit_code == 2 and not to.exists()
    assert "a.jsonl, run 'a', _step 2, column 'tokens': -1 must be above 0" in result.output
    assert f"2 problems; {to} was not written" in result.output
    assert isinstance(RUN.invoke(app, ["import", str(history)]).exception, InputError)


@pytest.mark.parametrize("extension", ["csv", "parquet", "jsonl"])
def test_export(extension: str, history: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    RUN.invoke(app, ["import", str(history), "--to", str(table), *MAPPING, "--loss-unit", "bits_per_byte"])
    to = tmp_path / f"u.{extension}"
    result = RUN.invoke(app, ["export", str(table), "--to", str(to)])
    assert result.exit_code == 0, result.output
    assert "2 rows of 1 runs" in result.output and "loss in bits_per_byte" in result.output
    assert read_runs(to).frame.equals(read_runs(table).frame)
    refused = RUN.invoke(app, ["export", str(table), "--to", str(tmp_path / "u.xlsx")])
    assert isinstance(refused.exception, InputError)


def test_check_takes_a_folder_of_runs(tmp_path: Path) -> None:
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        table = {"run": [run], "params": [1e7], "tokens": [1e9], "loss": [3.0]}
        pl.DataFrame(table).write_parquet(tmp_path / run / "runs.parquet")
    result = RUN.invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 0 and "2 rows of 2 runs" in result.output
    refused = RUN.invoke(app, ["check", str(tmp_path / "a" / "..")])
    assert refused.exit_code == 0
    (tmp_path / "empty").mkdir()
    refused = RUN.invoke(app, ["check", str(tmp_path / "empty")])
    assert refused.exit_code == 2 and "isoglot runs import" in refused.output


def test_neither_import_nor_export_writes_over_what_it_reads(history: Path, tmp_path: Path) -> None:
    before = history.read_text()
    sizes = tmp_path / "sizes.csv"
    sizes.write_text("run,width\na,512\n")
    options = [*MAPPING, "--loss-unit", "nats", "--join", str(sizes)]
    for target in (history, sizes):
        refused = RUN.invoke(app, ["import", str(history), "--to", str(target), *options])
        assert isinstance(refused.exception, InputError) and "is a file that is read" in str(
            refused.exception
        )
    table = tmp_path / "t.csv"
    assert RUN.invoke(app, ["import", str(history), "--to", str(table), *options]).exit_code == 0
    written = table.read_text()
    refused = RUN.invoke(app, ["export", str(table), "--to", str(tmp_path / "." / "t.csv")])
    assert isinstance(refused.exception, InputError)
    assert (history.read_text(), table.read_text()) == (before, written)


def test_the_limit_of_cells(history: Path, tmp_path: Path) -> None:
    arguments = ["import", str(history), "--to", str(tmp_path / "t.csv"), *MAPPING, "--loss-unit", "nats"]
    assert "above the limit of 5" in RUN.invoke(app, [*arguments, "--max-cells", "5"]).output
    assert RUN.invoke(app, [*arguments, "--max-cells", "50"]).exit_code == 0


def test_show_columns_with_what_is_added(history: Path, tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("run,width\na,512\n")
    options = ["--show-columns", "--join", str(tmp_path / "sizes.csv")]
    assert (
        "width          2 values, such as 512" in RUN.invoke(app, ["import", str(history), *options]).output
    )
