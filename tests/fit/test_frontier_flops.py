"""How compute is counted decides a frontier: it is named, chosen, and never mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app
from isoglot.core.errors import InputError
from isoglot.core.flops import EXACT, flops_per_token
from isoglot.core.ladder import LADDER, rung
from isoglot.core.shapes import count_parameters
from isoglot.runs import Runs

SURFACE = {"E": 1.69, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.34}
BUDGETS = (3e11, 1e12, 3e12, 1e13)
SHAPES = [rung(*size, 1024) for size in LADDER[:11]]
SIZES = np.array([count_parameters(shape, "total") for shape in SHAPES], float)
COSTS = np.array([flops_per_token(shape, EXACT, 256) for shape in SHAPES], float)


def profiles(exact: bool) -> Runs:
    """Sizes of the ladder that spend each budget by one of the two counts, with both counts on every row."""
    rows = [
        {
            "run": f"{size:.0f} at {budget:g}",
            "params": size,
            "tokens": (tokens := budget / (cost if exact else 6 * size)),
            "flops": 6 * size * tokens,
            "flops_convention": "6nd",
            "flops_exact": cost * tokens,
            "loss": 1.0,
        }
        for budget in BUDGETS
        for size, cost in zip(SIZES, COSTS, strict=True)
    ]
    return ig.simulate("chinchilla", SURFACE, pl.DataFrame(rows), noise=0.0)


def best(budget: float, cost: Any) -> float:
    """N of the lowest loss at a budget on a fine grid, where a token of size N costs cost(N)."""
    size = np.geomspace(SIZES[0], SIZES[-1], 200_001)
    tokens = budget / cost(size)
    loss = SURFACE["A"] * size ** -SURFACE["alpha"] + SURFACE["B"] * tokens ** -SURFACE["beta"]
    return float(size[loss.argmin()])


def test_the_exact_count_gives_the_optimum_of_the_exact_count() -> None:
    """N D at equal C is not one number then: it is read off at the size, which moves D by up to 5 % here."""
    runs = profiles(exact=True)
    found = ig.frontier(runs, 2, curve="akima", flops="exact", bootstrap=0)
    assert (found.flops_convention, found.flops_source) == ("exact", "column flops_exact")

    def cost(size: np.ndarray) -> np.ndarray:
        return np.exp(np.interp(np.log(size), np.log(SIZES), np.log(COSTS)))

    for point in found.points.to_dicts():
        size = best(point["flops"], cost)
        # Eleven uneven rungs place a minimum to within some per cent.
        assert point["params"] == pytest.approx(size, rel=0.1)
        assert point["tokens"] == pytest.approx(point["flops"] / cost(point["params"]), rel=1e-6)
        # The product N D of a budget taken as one number, which it is in 6 N D alone, would be off by this much.
        mean = np.exp(np.log(SIZES / COSTS).mean()) * point["flops"] / point["params"]
        assert abs(mean / point["tokens"] - 1) > 0.005


def test_six_nd_is_the_count_of_a_table_that_says_so() -> None:
    runs = profiles(exact=False)
    by_table, by_name = (
        ig.frontier(runs, 2, curve="akima", flops=flops, bootstrap=0) for flops in ("table", "6nd")
    )
    assert by_table.line == by_name.line
    assert (by_table.flops_convention, by_name.flops_convention) == ("6nd", "6nd")
    assert (by_table.flops_source, by_name.flops_source) == ("column flops", "6 * params * tokens")
    for point in by_table.points.to_dicts():
        assert point["params"] == pytest.approx(best(point["flops"], lambda size: 6 * size), rel=0.1)
        assert 6 * point["params"] * point["tokens"] == pytest.approx(point["flops"], rel=1e-9)


@pytest.mark.parametrize("approach", [1, 2, 3])
def test_a_frontier_says_that_its_compute_was_derived(approach: int) -> None:
    sizes = np.geomspace(1e6, 1e8, 9)
    rows = [
        {"run": f"{size:g}", "params": size, "tokens": tokens, "loss": 1.0}
        for size in sizes
        for tokens in np.geomspace(1e7, 1e11, 40)
    ]
    if approach == 2:
        rows = [
            {"params": size, "tokens": c / 6 / size, "loss": 1.0}
            for c in (1e16, 1e17, 1e18)
            for size in sizes
        ]
    runs = ig.simulate("chinchilla", SURFACE, pl.DataFrame(rows), noise=0.0)
    found = ig.frontier(runs, approach, bootstrap=0).to_dict()  # type: ignore[arg-type]
    assert found["flops_convention"] == "6nd"
    derived = "6 * params * tokens, " + (
        "which approach 3 takes" if approach == 3 else "since the table has no flops"
    )
    assert found["flops_source"] == derived


def test_a_count_that_nothing_names_is_unknown() -> None:
    runs = profiles(exact=True)
    named = ig.read_runs(
        runs.frame.drop("flops", "flops_convention", "row").rename({"flops_exact": "flops"}), name="t"
    )
    assert ig.frontier(named, 2, bootstrap=0).flops_convention == "unknown"
    stated = ig.read_runs(named.frame.drop("row"), columns={"flops_convention": "=matrix_products"}, name="t")
    assert ig.frontier(stated, 2, bootstrap=0).flops_convention == "matrix_products"


@pytest.mark.parametrize("other", ["with_attention", None])
def test_conventions_are_not_mixed(other: str | None) -> None:
    runs = profiles(exact=False)
    mixed = pl.when(pl.col("params") > 1e6).then(pl.lit(other)).otherwise("flops_convention")
    table = ig.read_runs(runs.frame.drop("row").with_columns(flops_convention=mixed), name="two.csv")
    sentence = (
        "frontier: two.csv counts flops in 2 conventions, as 6nd in run 59552 at 3e+11 (row 1) and 23 more, as "
        f"{other or 'none that is named'} in run 1829600 at 3e+11 (row 7) and 19 more; keep the rows of one (where "
        "flops_convention=NAME), or count all alike with flops=6nd or flops=exact"
    )
    for approach in (1, 2, 3):
        with pytest.raises(InputError) as caught:
            ig.frontier(table, approach, bootstrap=0)  # type: ignore[arg-type]
        assert str(caught.value) == sentence
    assert ig.frontier(table, 2, flops="6nd", bootstrap=0).flops_convention == "6nd"
    assert ig.frontier(table, 2, flops="exact", bootstrap=0).flops_convention == "exact"
    kept = table.filter({"flops_convention": "6nd"}, "one count")
    assert ig.frontier(kept, 2, bootstrap=0).flops_convention == "6nd"


def test_compute_that_is_given_and_derived_is_mixed() -> None:
    frame = profiles(exact=True).frame.drop("row", "flops_convention")
    flops = pl.when(pl.col("params") < 1e6).then("flops_exact")
    table = ig.read_runs(frame.with_columns(flops=flops).drop("flops_exact"), name="some.csv")
    with pytest.raises(InputError, match=r"in 2 conventions, as none that is named in run .*, as 6nd in run"):
        ig.frontier(table, 2, bootstrap=0)


def test_what_has_no_exact_count_is_named() -> None:
    runs = profiles(exact=True)
    absent = ig.read_runs(runs.frame.drop("row", "flops_exact"), name="t.csv")
    with pytest.raises(InputError, match=r"t\.csv has no column flops_exact; use flops=6nd, or map one"):
        ig.frontier(absent, 2, flops="exact", bootstrap=0)
    some = runs.frame.with_columns(pl.when(pl.col("params") > 1e6).then("flops_exact").alias("flops_exact"))
    table = ig.read_runs(some.drop("row"), name="t.csv")
    with pytest.raises(InputError) as caught:
        ig.frontier(table, 2, flops="exact", bootstrap=0)
    assert str(caught.value) == (
        "frontier: t.csv has no flops_exact in 24 of 44 rows, those of 24 runs from run 59552 at 3e+11 (row 1) and 23 "
        "more on; leave them out, or use flops=6nd"
    )


def test_options_that_do_not_go_together_are_refused() -> None:
    runs = profiles(exact=True)
    with pytest.raises(InputError, match="approach 3 is the closed form for C = 6 N D; use flops=6nd"):
        ig.frontier(runs, 3, flops="exact", bootstrap=0)
    with pytest.raises(
        InputError, match=r"flops='exat' is unknown \(did you mean exact\?\); use table, 6nd or exact"
    ):
        ig.frontier(runs, 2, flops="exat", bootstrap=0)  # type: ignore[arg-type]


def test_the_command_says_how_compute_is_counted(tmp_path: Path) -> None:
    path = profiles(exact=True).write(tmp_path / "runs.csv")
    arguments = ["frontier", str(path), "--approach", "2", "--bootstrap", "0", "--flops", "exact"]
    text = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    assert "C exact (column flops_exact)" in " ".join(text.split())
    data = json.loads(CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False).output)
    assert (data["flops_convention"], data["flops_source"]) == ("exact", "column flops_exact")
