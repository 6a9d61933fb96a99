"""Rows of continued runs are told where the law cannot tell a base's tokens from later ones."""

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
