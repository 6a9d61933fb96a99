"""Findings about rows that a law cannot see."""

from __future__ import annotations

import polars as pl

import isoglot as ig


def table() -> pl.DataFrame:
    truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    runs = ig.simulate("chinchilla", truth, ig.grid([1e8, 1e9, 1e10], [2e9, 2e10, 2e11]), noise=0.003)
    continued = pl.when(pl.int_range(pl.len()) < 2).then(1e9).otherwise(0.0)
    return runs.frame.select("run", "params", "tokens", "loss").with_columns(init_tokens=continued)


def test_continued_rows_are_a_finding() -> None:
    fitted = ig.fit(ig.read_runs(table()), "chinchilla", bootstrap=0)
    [found] = [finding for finding in fitted.diagnostics if finding.code == "continued_runs"]
    assert found.message.startswith("2 rows continue a base")


def test_fresh_rows_are_none() -> None:
    fresh = table().with_columns(init_tokens=0.0)
    fitted = ig.fit(ig.read_runs(fresh), "chinchilla", bootstrap=0)
    assert not [finding for finding in fitted.diagnostics if finding.code == "continued_runs"]


def codes(frame: pl.DataFrame, law: str = "chinchilla") -> set[str]:
    return {finding.code for finding in ig.fit(ig.read_runs(frame), law, bootstrap=0).diagnostics}


def test_losses_before_and_after_the_cool_down_are_a_finding() -> None:
    first = pl.int_range(pl.len()) < 2
    phases = table().with_columns(
        init_tokens=0.0, lr_phase=pl.when(first).then(pl.lit("stable")).otherwise(pl.lit("decayed"))
    )
    assert "mixed_phases" in codes(phases)
    for alone in ("stable", "decayed"):
        assert "mixed_phases" not in codes(phases.with_columns(lr_phase=pl.lit(alone)))


def test_losses_of_several_sets_of_text_are_a_finding_in_one_language() -> None:
    sets = pl.when(pl.int_range(pl.len()) < 2).then(pl.lit("a")).otherwise(pl.lit("b"))
    mixed = table().with_columns(init_tokens=0.0, eval_set=sets)
    assert "mixed_eval_sets" in codes(mixed)
    assert "mixed_eval_sets" not in codes(
        mixed.with_columns(language=pl.col("eval_set").replace({"a": "fra", "b": "deu"}))
    )
