"""Which logged values become rows: never a training loss, never an abandoned or untrained step, no run unnamed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from isoglot.core.errors import InputError, RunTableError
from isoglot.runs import CheckReport, Runs, check_import, import_runs, read_runs
from isoglot.runs.record import encode_record

PLAIN = {"params": "=1e7", "tokens": "tokens", "loss": "eval/loss"}


def history(folder: Path, run: str, *steps: Mapping[str, object]) -> Path:
    path = folder / f"{run}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(step) + "\n" for step in steps))
    return path


def point(step: float, loss: object = None, **others: object) -> dict[str, object]:
    logged = {"_step": step, "tokens": step * 1e6, **others}
    return logged if loss is None else {**logged, "eval/loss": loss}


def imported(path: Path, columns: Mapping[str, str] = PLAIN, **options: Any) -> Runs:
    return import_runs(path, columns=columns, loss_unit="nats_per_token", **options)


def checked(path: Path, columns: Mapping[str, str] = PLAIN, **options: Any) -> CheckReport:
    return check_import(path, columns=columns, loss_unit="nats_per_token", **options)


def note(runs: Runs, code: str) -> tuple[int, str]:
    report = runs.report
    kinds = (*report.assumptions, *report.derived, *report.left_out, *report.warnings)
    return next((found.count, found.message) for found in kinds if found.code == code)


def test_a_training_loss_by_language_is_set_aside(tmp_path: Path) -> None:
    nested = {"loss": {"fra": 2.1, "deu": 2.2}, "perplexity": 9.0, "eval": {"deu": {"loss": 3.2}}}
    history(tmp_path, "a", {"_step": 10, "tokens": 1e9, **nested})
    runs = imported(tmp_path, {"params": "=1e7", "loss.*": "eval.*.loss"})
    assert runs.frame.select("language", "loss").rows() == [("deu", 3.2)]
    kept = runs.frame.select("logged_loss.fra", "logged_loss.deu", "logged_perplexity")
    assert kept.row(0) == (2.1, 2.2, 9.0)
    mapped = imported(tmp_path, {"params": "=1e7", "loss.*": "loss.*"})
    assert mapped.languages == ("fra", "deu")


def test_the_name_of_a_loss_set_aside_is_free(tmp_path: Path) -> None:
    history(tmp_path, "a", {**point(10, 3.0), "loss": 5, "logged_loss": 4})
    frame = imported(tmp_path).frame
    assert frame.select("loss", "logged_loss", "logged_logged_loss").row(0) == (3.0, 4, 5)


def test_tokens_are_not_derived_from_log_calls(tmp_path: Path) -> None:
    history(tmp_path, "a", {"_step": 6, "train/global_step": 40, "x": 3.6})
    columns = {"params": "=1e7", "batch_tokens": "=65536", "loss": "x"}
    with pytest.raises(InputError, match=r"'_step' of W&B counts calls of log.*; map step=train/global_step"):
        imported(tmp_path, columns)
    runs = imported(tmp_path, {**columns, "step": "train/global_step"})
    assert runs.frame["tokens"].to_list() == [40 * 65536]
    assert imported(tmp_path, {**columns, "tokens": "=5e8"}).frame["tokens"].to_list() == [5e8]


def test_two_runs_under_one_name_are_refused(tmp_path: Path) -> None:
    for run, loss in (("a", 3.0), ("b", 2.0)):
        history(tmp_path, run, point(10, loss, name="small"))
    with pytest.raises(RunTableError, match=r"'name' is read as run and is 'small' for 2 runs \(run a, b\)"):
        imported(tmp_path, {**PLAIN, "run": "name"})
    with pytest.raises(RunTableError, match="for 2 runs"):
        imported(tmp_path, {**PLAIN, "run": "=x"})
    assert imported(tmp_path, {**PLAIN, "run": "name"}, where={"run": "b"}).frame["loss"].to_list() == [2.0]


def test_a_run_without_its_metric_is_named(tmp_path: Path) -> None:
    history(tmp_path, "a", point(10, 3.0))
    history(tmp_path, "b", point(10, **{"eval/los": 3.0}), point(20, **{"eval/los": 3.0}))
    runs = imported(tmp_path)
    assert note(runs, "no_evaluation") == (1, "runs without an evaluation: b")
    assert runs.report.rows_in == 3 == runs.num_rows + runs.report.num_left_out


def test_only_what_has_seen_no_token_is_untrained(tmp_path: Path) -> None:
    history(tmp_path, "a", {"_step": 0, "x": 4.0, "c": 6e16}, {"_step": 10, "x": 3.0, "c": 12e16})
    columns = {"params": "=1e7", "loss": "x"}
    flops = imported(tmp_path, {**columns, "flops": "c"}, steps="all")
    assert flops.frame["tokens"].to_list() == [1e9, 2e9]
    runs = imported(tmp_path, {**columns, "batch_tokens": "=100"}, steps="all")
    assert runs.frame["tokens"].to_list() == [1000] and note(runs, "untrained")[0] == 1
    based = {**columns, "batch_tokens": "=100", "init_tokens": "=1e9"}
    continued = imported(tmp_path, based, steps="all")
    assert continued.frame["tokens"].to_list() == [1e9, 1e9 + 1000]


def test_filling_does_not_carry_the_start_of_a_count(tmp_path: Path) -> None:
    history(tmp_path, "a", {"_step": 0, "tokens": 0}, {"_step": 250, "eval/loss": 3.0})
    with pytest.raises(RunTableError, match="_step 250, column 'tokens': empty"):
        imported(tmp_path, fill=["tokens"])


def test_filling_says_how_far(tmp_path: Path) -> None:
    steps = (point(100), {"_step": 150, "eval/loss": 3.5}, {"_step": 900, "eval/loss": 3.0})
    history(tmp_path, "a", *steps)
    said = note(imported(tmp_path, fill=["tokens"]), "fill")[1]
    assert said.endswith("over 800 steps at most (run 'a', from 100 to 900)")


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_an_abandoned_branch_is_left_out(kind: str, tmp_path: Path) -> None:
    steps = (500, 3.9), (1500, 3.3), (700, 3.7), (1400, 3.4)
    if kind == "jsonl":
        history(tmp_path, "a", *(point(step, loss) for step, loss in steps))
    else:
        lines = [f"{step},{step}e6,{loss}\n" for step, loss in steps]
        (tmp_path / "a.csv").write_text("_step,tokens,eval/loss\n" + "".join(lines))
    runs = imported(tmp_path)
    assert runs.frame.select("step", "loss").rows() == [(1400, 3.4)]
    count, message = note(runs, "abandoned")
    assert count == 2 and message.endswith("did those steps again: a")


def own_rows(run: str, bad: float | None) -> list[dict[str, object]]:
    return [
        {"run": run, "language": language, "params": 1e7, "tokens": 1e8 * step, "step": step}
        | {"loss": bad if run == "b" and language == "fra" and step > 1 else 4.0 - step / 10}
        for step in (1, 2, 3)
        for language in ("fra", "deu")
    ]


@pytest.mark.parametrize("kind", ["runs", "sweep"])
def test_divergence_in_a_long_table(kind: str, tmp_path: Path) -> None:
    for run in ("a", "b"):
        if kind == "sweep":
            body = {"format": 1, "run": run, "rows": own_rows(run, None)}
            (tmp_path / "records").mkdir(exist_ok=True)
            (tmp_path / "records" / f"{run}.json").write_bytes(encode_record(body))
        else:
            (tmp_path / run).mkdir()
            pl.DataFrame(own_rows(run, float("nan"))).write_parquet(tmp_path / run / "runs.parquet")
    last = import_runs(tmp_path, steps="last")
    assert last.frame.select("run", "language", "step").rows() == [
        ("a", "fra", 3),
        ("a", "deu", 3),
        ("b", "deu", 3),
    ]
    count, message = note(last, "diverged")
    assert count == 1 and message.endswith("no 'loss' is read: b (fra)")
    every = import_runs(tmp_path)
    assert every.num_rows == 10
    assert note(every, "not_finite") == (2, "values of 'loss' that are not finite are not read, of b (fra)")
    if kind == "runs":
        assert read_runs(tmp_path).frame.equals(every.frame)


def test_all_diverged_says_so(tmp_path: Path) -> None:
    history(tmp_path, "a", point(10, "NaN"))
    (problem,) = checked(tmp_path).problems
    assert "no row with a loss that can be read: " in problem.message
    assert (
        "1 runs whose last 'eval/loss' is not finite, of which no 'eval/loss' is read: a" in problem.message
    )


def test_all_untrained_says_so(tmp_path: Path) -> None:
    history(tmp_path, "a", point(0, 3.0))
    (problem,) = checked(tmp_path).problems
    assert "1 rows before any training" in problem.message


def test_a_missing_value_is_said_once_for_all_languages(tmp_path: Path) -> None:
    history(tmp_path, "a", {"_step": 3, "fr": {"x": 3.0}, "de": {"x": 3.1}}, {"_step": 1, "tokens": 1e9})
    history(tmp_path, "a", {"_step": 1, "tokens": 1e9}, {"_step": 3, "fr": {"x": 3.0}, "de": {"x": 3.1}})
    (problem,) = checked(tmp_path, {"params": "=1e7", "tokens": "tokens", "loss.*": "*.x"}).problems
    assert "run 'a', _step 3, column 'tokens': empty" in problem.message


def test_a_misspelt_metric_is_said_to_be_missing(tmp_path: Path) -> None:
    path = history(tmp_path, "a", point(10, 3.0))
    report = check_import(path, columns={**PLAIN, "loss": "eval/los"})
    assert "has no column 'eval/los' (did you mean eval/loss?)" in report.problems[0].message


@pytest.mark.parametrize("seeds", [(1700000000123456788, 1700000000123456789), (2**64, 2**64 + 1)])
def test_long_whole_numbers_are_kept(seeds: tuple[int, int], tmp_path: Path) -> None:
    for run, seed in zip("ab", seeds, strict=True):
        history(tmp_path, run, point(10, 3.0, seed=seed))
    runs = imported(tmp_path)
    assert [int(seed) for seed in runs.frame["seed"]] == list(seeds)
    again = read_runs(runs.write(tmp_path / "t.csv"))
    assert [int(seed) for seed in again.frame["seed"]] == list(seeds)


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"_step": 1, "tokens": 1e9, "eval/loss": 3.0, "n\\ud800": "\\udc00"}\n'
    )
    assert "n\\ud800" in imported(tmp_path).frame.columns


def test_reserved_names(tmp_path: Path) -> None:
    history(tmp_path, "a", point(1, 3.0, __row__=5))
    with pytest.raises(RunTableError, match="has a column '__row__', a reserved name"):
        imported(tmp_path)


def test_columns_of_a_run_cost_its_evaluations_only(tmp_path: Path) -> None:
    history(tmp_path, "a", *(point(step) for step in range(1, 100)), point(100, 3.0))
    (tmp_path / "a.config.json").write_text(json.dumps({f"p{number}": number for number in range(50)}))
    runs = imported(tmp_path, max_cells=1000)
    assert runs.num_rows == 1 and runs.frame["config.p49"].to_list() == [49]
    assert runs.report.rows_in == 100 == runs.num_rows + runs.report.num_left_out


def test_a_logged_column_beside_a_configured_one(tmp_path: Path) -> None:
    history(tmp_path, "a", point(1, 3.0, **{"config.lr": 1}))
    (tmp_path / "a.config.json").write_text('{"lr": 2}')
    with pytest.raises(RunTableError, match=r"'config\.lr' in a run's configuration and among its logged"):
        imported(tmp_path)
