"""What the import derives, joins, melts, converts, groups and drops, and that it says so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from isoglot.core.errors import InputError, RunTableError
from isoglot.runs import Runs, check_runs, read_measures, read_runs

BASE: dict[str, list[Any]] = {
    "run": ["a", "b"],
    "params": [1e8, 1e8],
    "tokens": [1e9, 2e9],
    "loss": [3.2, 3.0],
}


def codes(runs: Runs, kind: str) -> dict[str, int]:
    return {note.code: note.count for note in getattr(runs.report, kind)}


def without(*names: str, **columns: list[Any]) -> dict[str, list[Any]]:
    return {name: cells for name, cells in {**BASE, **columns}.items() if name not in names}


@pytest.mark.parametrize(
    ("table", "column", "expected"),
    [
        (without("tokens", flops=[6e17, 1.2e18]), "tokens", [1e9, 2e9]),
        (without("tokens", unique=[5e8, 5e8], epochs=[2, 4]), "tokens", [1e9, 2e9]),
        (
            without("params", params_non_embedding=[6e7, 7e7], params_embedding=[4e7, 3e7]),
            "params",
            [1e8, 1e8],
        ),
        (without("loss", perplexity=[math.e**3.2, math.e**3]), "loss", [3.2, 3.0]),
        (without(), "flops", [6e17, 1.2e18]),
    ],
)
def test_derived_columns(table: dict[str, list[Any]], column: str, expected: list[float]) -> None:
    runs = read_runs(table)
    assert runs.frame[column].to_list() == pytest.approx(expected)
    assert codes(runs, "derived")[column] == 2


def test_only_missing_cells_are_derived() -> None:
    runs = read_runs({**BASE, "flops": [None, 1.3e18]})
    assert runs.frame["flops"].to_list() == [6e17, 1.3e18]
    assert codes(runs, "derived")["flops"] == 1


def test_derived_flops_say_what_they_are_beside_given_ones() -> None:
    runs = read_runs({**BASE, "flops": [None, 1.3e18]})
    assert runs.frame["flops_convention"].to_list() == ["6nd", None]
    runs = read_runs({**BASE, "flops": [None, 1.3e18], "flops_convention": [None, "with_attention"]})
    assert runs.frame["flops_convention"].to_list() == ["6nd", "with_attention"]
    assert "flops_convention" not in read_runs(BASE).frame.columns


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"flops": [6e17, 1.2e18], "flops_convention": ["6nd", "8nd"]},
            "row 2, column 'flops_convention': '8nd' is not one of 6nd, 6nd_non_embedding, with_attention, chinchilla, matrix_products",
        ),
        (
            {"flops_convention": ["6nd", "chinchilla"]},
            "row 2, column 'flops_convention': 'chinchilla', but the row has no flops; give them, or write 6nd to have "
            "6 * params * tokens",
        ),
        (
            {"flops": [2e18, 1.2e18], "flops_convention": ["6nd", "6nd"]},
            "row 1: column 'flops' gives 2e+18 FLOPs, but 6 * params * tokens is 6e+17",
        ),
        (
            {"flops": [2e17, 1.2e18], "flops_convention": ["matrix_products"] * 2},
            "row 1: column 'flops' gives 2e+17 FLOPs, but 6 * params * tokens is 6e+17",
        ),
        (
            {"flops_exact": [6e17, 5e17]},
            "row 2: column 'flops_exact' gives 5e+17 FLOPs, fewer than half of 6 * params * tokens, 1.2e+18",
        ),
    ],
)
def test_flops_keep_to_their_convention(columns: dict[str, list[Any]], sentence: str) -> None:
    with pytest.raises(RunTableError) as caught:
        read_runs({**BASE, **columns}, name="t")
    assert sentence in str(caught.value)


def test_attention_may_cost_many_times_six_nd() -> None:
    """A 2x32 with 1,024 ids on sequences of 2,048 costs 3.2 times 6 N D."""
    runs = read_runs({**BASE, "flops": [1.92e18, 3.84e18], "flops_convention": ["matrix_products"] * 2})
    assert codes(runs, "warnings") == {}
    read_runs({**BASE, "flops": [1e17, 2e17], "flops_convention": ["6nd_non_embedding"] * 2})


def test_tokens_do_not_follow_from_flops_that_count_attention() -> None:
    table = without("tokens", flops=[6e17, 1.2e18], flops_convention=["6nd", "with_attention"])
    with pytest.raises(RunTableError, match="row 2, column 'tokens': empty"):
        read_runs(table)


def test_missing_identity_is_assumed_and_counted() -> None:
    runs = read_runs(without("run", run_id=["x", "y"]))
    assert runs.frame["run"].to_list() == ["1", "2"]
    assert codes(runs, "assumptions") == {
        "run_missing": 2,
        "language_missing": 2,
        "loss_unit": 2,
        "params_convention": 2,
    }
    assert "columns={'run': 'run_id'}" in runs.report.assumptions[0].message


def test_flops_off_by_little_warn() -> None:
    runs = read_runs({**BASE, "flops": [9e17, 1.2e18]})
    assert codes(runs, "warnings") == {"flops": 1}


def test_unmapped_namesake_is_reported() -> None:
    runs = read_runs({**BASE, "params_total": [3e8, 3e8]}, columns={"params": "params_total"})
    assert runs.frame["params"].to_list() == [3e8, 3e8]
    assert codes(runs, "warnings") == {"clash": 1}
    assert runs.params_convention == "total"


def test_own_shares_are_joined_over_the_run() -> None:
    table = {
        "run": ["a", "a", "b"],
        "language": ["fr", "de", "fr"],
        "params": [1e8] * 3,
        "tokens": [1e9] * 3,
        "loss": [3.2, 3.0, 2.9],
        "share": [0.5, 0.3, 1.0],
        "unique": [1e8, None, 2e8],
    }
    runs = read_runs(table)
    assert runs.share_languages == ("fra", "deu", "rest")
    assert runs.frame["share.fra"].to_list() == [0.5, 0.5, 1.0]
    assert runs.frame["share.deu"].to_list() == [0.3, 0.3, 0.0]
    assert runs.frame["share.rest"].to_list() == pytest.approx([0.2, 0.2, 0.0])
    assert runs.frame["unique.fra"].to_list() == [1e8, 1e8, 2e8]
    assert runs.frame["num_languages"].to_list() == [3, 3, 1]
    assert codes(runs, "derived")["rest"] == 2


def test_own_shares_of_different_checkpoints_stay_apart() -> None:
    table = {
        "run": ["a"] * 4,
        "language": ["fr", "de"] * 2,
        "params": [1e8] * 4,
        "tokens": [1e9, 1e9, 2e9, 2e9],
        "loss": [3.2, 3.0, 2.9, 2.8],
        "share": [0.5, 0.5, 0.1, 0.9],
    }
    assert read_runs(table).frame["share.fra"].to_list() == [0.5, 0.5, 0.1, 0.1]


def test_rounded_shares_are_renormalised_and_others_refused() -> None:
    runs = read_runs({**BASE, "share.eng": [0.503, 0.5], "share.fra": [0.5, 0.5]})
    assert runs.frame["share.eng"].to_list() == pytest.approx([0.503 / 1.003, 0.5])
    assert codes(runs, "derived")["renormalised"] == 1
    with pytest.raises(RunTableError, match=r"the shares sum to 1\.01, not 1"):
        read_runs({**BASE, "share.eng": [0.51, 0.5], "share.fra": [0.5, 0.5]})


def test_absent_realised_shares_are_no_problem() -> None:
    runs = read_runs({**BASE, "realised_share.eng": [0.9, None], "realised_share.fra": [0.1, None]})
    assert runs.frame["realised_share.eng"].to_list() == [0.9, None]


def test_melt_keeps_source_rows_and_counts_missing_evaluations() -> None:
    table = {**without("loss"), "loss_fr": [3.2, float("nan")], "loss_web": [3.0, 2.0], "note": ["x", "y"]}
    runs = read_runs(table, columns={"loss.*": "loss_*"})
    assert runs.frame.select("row", "language", "loss", "note").rows() == [
        (1, "fra", 3.2, "x"),
        (1, "web", 3.0, "x"),
        (2, "web", 2.0, "y"),
    ]
    assert (runs.report.source_rows, runs.report.rows_in) == (2, 4)
    assert codes(runs, "left_out") == {"missing_evaluation": 1}


def test_melt_takes_errors_and_bytes_along() -> None:
    table = {
        **without("loss"),
        "loss.eng": [3.0, 2.0],
        "loss_se.eng": [0.1, 0.2],
        "bytes_per_token.eng": [4.0, 4.0],
    }
    runs = read_runs(table)
    assert runs.frame.select("loss", "loss_se", "bytes_per_token").rows() == [
        (3.0, 0.1, 4.0),
        (2.0, 0.2, 4.0),
    ]


def test_where_counts_what_it_leaves_out() -> None:
    table = {**BASE, "same": [True, False]}
    runs = read_runs(table, where={"same": True})
    assert (runs.num_rows, codes(runs, "left_out")) == (1, {"where": 1})
    assert read_runs(table, where={"same": "false"}).frame["run"].to_list() == ["b"]
    assert read_runs(table, where={"tokens": ("1e9", 2e9)}).num_rows == 2


DUPLICATED: dict[str, list[Any]] = {
    "run": ["a"] * 4,
    "params": [1e8] * 4,
    "tokens": [1e9, 1e9, 1e9, 2e9],
    "loss": [3.2, 3.2, 3.3, 3.0],
}


def test_duplicates() -> None:
    report = check_runs(DUPLICATED)
    assert [(problem.code, problem.row) for problem in report.problems] == [
        ("duplicated_row", 2),
        ("conflict", 3),
    ]
    dropped = read_runs(DUPLICATED, duplicates="drop")
    assert dropped.frame["row"].to_list() == [1, 4]
    assert codes(dropped, "left_out") == {"duplicated_row": 1, "conflict": 1}
    kept = read_runs(DUPLICATED, duplicates="keep")
    assert (kept.num_rows, codes(kept, "warnings")) == (4, {"duplicated_row": 1, "conflict": 1})


def test_repeated_measurements() -> None:
    table = {
        "run": ["a"] * 6,
        "language": ["en", "fr"] * 3,
        "params": [1e8] * 6,
        "tokens": [1e9, 1e9, 2e9, 2e9, 2.01e9, 2.01e9],
        "loss": [3.2, 3.3, 3.0, 3.1, 3.0, 3.1],
    }
    assert codes(read_runs(table), "warnings") == {"repeated_measurement": 2}
    dropped = read_runs(table, duplicates="drop")
    assert dropped.frame["tokens"].to_list() == [1e9, 1e9, 2e9, 2e9]
    # One language that moved is enough to make it a measurement of its own.
    table["loss"][-1] = 3.09
    assert codes(read_runs(table, duplicates="drop"), "left_out") == {}


def test_equal_rows_without_run_names_are_doubted() -> None:
    table = {name: [cells[0]] * 2 for name, cells in without("run").items()}
    assert codes(read_runs(table), "warnings") == {"identical_rows": 2}


def test_units() -> None:
    runs = read_runs({**BASE, "bytes_per_token": [4.0, 5.0], "loss_se": [0.1, 0.1]})
    bits = runs.to_unit("bits/byte")
    assert bits.loss_unit == "bits_per_byte"
    assert bits.frame["loss"].to_list() == pytest.approx([3.2 / 4 / math.log(2), 3.0 / 5 / math.log(2)])
    assert bits.frame["loss_se"][0] == pytest.approx(0.1 / 4 / math.log(2))
    assert bits.to_unit("nats_per_token").frame["loss"].to_list() == pytest.approx([3.2, 3.0])
    with pytest.raises(RunTableError, match=r"^the table, row 2: bytes_per_token is missing"):
        read_runs({**BASE, "bytes_per_token": [4.0, None]}).to_unit("bits_per_byte")
    with pytest.raises(
        InputError, match=r"does not convert to 'bits_per_bite' \(did you mean bits_per_byte or"
    ):
        runs.to_unit("bits_per_bite")


def test_mixed_units_convert_when_asked() -> None:
    table = {**BASE, "loss_unit": ["nats_per_token", "bpb"], "bytes_per_token": [4.0, 4.0]}
    runs = read_runs(table, loss_unit="nats_per_token")
    assert runs.frame["loss"].to_list() == pytest.approx([3.2, 3.0 * 4 * math.log(2)])
    assert codes(runs, "derived")["loss_unit"] == 1


GROUPED: dict[str, list[Any]] = {
    "run": ["a", "a", "a"],
    "language": ["fr", "es", "de"],
    "params": [1e8] * 3,
    "tokens": [1e9] * 3,
    "loss": [3.0, 4.0, 5.0],
    "share.fr": [0.2] * 3,
    "share.es": [0.3] * 3,
    "share.de": [0.5] * 3,
    "unique.fr": [1e8] * 3,
    "unique.es": [2e8] * 3,
}


def test_groups() -> None:
    runs = read_runs(GROUPED, groups={"fr": "Romance", "spa": "Romance"})
    assert runs.frame.select("language", "loss", "share.Romance", "share.deu").rows() == [
        ("Romance", 3.5, 0.5, 0.5),
        ("deu", 5.0, 0.5, 0.5),
    ]
    assert runs.frame["unique.Romance"].to_list() == [3e8, 3e8]
    assert (runs.report.rows_in, runs.num_rows, runs.report.rows_merged) == (3, 2, 1)
    family = read_runs(GROUPED, groups="family")
    assert family.frame.select("language", "loss", "share.Indo-European").rows() == [
        ("Indo-European", 4.0, 1.0)
    ]


def test_a_group_with_an_unlimited_member_is_unlimited() -> None:
    runs = read_runs(GROUPED, groups={"fr": "all", "es": "all", "de": "all"})
    assert runs.frame["unique.all"].to_list() == [None]


def test_filter_accounts_for_what_it_drops() -> None:
    runs = read_runs(GROUPED)
    kept = runs.filter({"language": ("fr", "German")}, "only two")
    assert kept.languages == ("fra", "deu")
    assert codes(kept, "left_out") == {"filter": 1}
    assert kept.filter(pl.col("loss") > 4, "high").num_rows == 1
    with pytest.raises(RunTableError, match="no row left after filtering by: none"):
        runs.filter(pl.col("loss") > 9, "none")
    with pytest.raises(InputError, match=r"column 'los', .* \(did you mean loss or flops\?\)"):
        runs.filter({"los": 1}, "x")
    with pytest.raises(InputError, match=r"column 'los', .* \(did you mean loss or flops\?\)"):
        runs.filter(pl.col("los") > 1, "x")


def test_summary_is_json() -> None:
    summary = read_runs(GROUPED).summary()
    assert json.loads(json.dumps(summary)) == json.loads(json.dumps(summary, allow_nan=False))
    assert summary["repetition"] == {
        "fra": {"low": 2.0, "median": 2.0, "high": 2.0},
        "spa": {"low": 1.5, "median": 1.5, "high": 1.5},
    }


@pytest.mark.parametrize("extension", ["csv", "parquet", "jsonl"])
def test_round_trip(extension: str, tmp_path: Path) -> None:
    table = {
        **GROUPED,
        "lr_peak": [1e-3, 0.1 + 0.2, 1e-300],
        "note": ['a "q"', "b,\nc", None],
        "seed": ["x", "1", ""],
    }
    runs = read_runs(table, groups={"fr": "Romance", "es": "Romance"}, loss_unit="odd unit")
    again = read_runs(runs.write(tmp_path / f"t.{extension}"))
    assert again.frame.equals(runs.frame)
    assert (again.loss_unit, again.params_convention) == ("odd unit", "unknown")
    with pytest.raises(InputError, match=r"not to 't\.xlsx'"):
        runs.write(tmp_path / "t.xlsx")


def test_measures() -> None:
    table = {"model": ["a", "a"], "metric": ["cka", "cka"], "value": ["0.5", "-1"], "layer": [1, 2]}
    read = read_measures(table, columns={"run": "model", "language": "=en"})
    assert read.columns == [
        "run",
        "point",
        "metric",
        "language",
        "other_language",
        "layer",
        "value",
        "null_value",
        "se",
    ]
    assert read["value"].to_list() == [0.5, -1.0]
    assert read["language"].to_list() == ["eng", "eng"]
    for bad, sentence in [
        ({"run": ["a"], "metric": ["cka"]}, "the table has no column 'value'"),
        ({"run": ["a"], "metric": ["cka"], "value": ["x"]}, "column 'value': 'x' is not a number"),
        ({"run": ["a"], "metric": [None], "value": [1]}, "column 'metric': empty; every row needs a value"),
        (
            {"run": ["a", "a"], "metric": ["m", "m"], "value": [1, 2]},
            "row 2: measures 'm' of run 'a' again after row 1",
        ),
        ({"run": ["a"], "metric": ["m"], "value": [1], "se": [-1]}, "column 'se': -1 must be 0 or more"),
    ]:
        with pytest.raises(RunTableError, match=sentence):
            read_measures(bad)
