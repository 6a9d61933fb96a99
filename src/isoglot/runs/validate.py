"""Checks between columns: statements of one row, or of one run, that cannot both be true."""

from __future__ import annotations

import polars as pl

from isoglot.runs.columns import ColumnPlan
from isoglot.runs.ledger import Ledger
from isoglot.runs.schema import ROW

# Counting conventions (embeddings, attention) move C by tens of per cent; a factor of 2 is another quantity.
DOUBTFUL, CONTRADICTORY = 1.2, 2.0
# Attention may cost a small model many times 6 N D, and embeddings may be most of N: what these conventions count can
# be refused on one side alone.
_NOT_BELOW = ("with_attention", "chinchilla", "matrix_products")
_NOT_ABOVE = ("6nd_non_embedding",)


def check_columns(frame: pl.DataFrame, plan: ColumnPlan, unit: str, ledger: Ledger) -> None:
    """Check sizes, compute, perplexity, languages and clusters against one another."""
    _check_sizes(frame, plan, ledger)
    _check_flops(frame, plan, ledger)
    _check_exact(frame, plan, ledger)
    if {"perplexity", "loss"} <= set(plan.origins) and unit == "nats_per_token":
        _check_perplexity(frame, plan, ledger)
    _check_num_languages(frame, plan, ledger)
    _check_clusters(frame, plan, ledger)


def _check_sizes(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> None:
    for part in ("params_non_embedding", "params_embedding"):
        if part in plan.origins and "params" in plan.origins:
            bad = frame.filter(pl.col("params") < pl.col(part) * (1 - 1e-9))
            ledger.rows(
                bad,
                "size",
                lambda r, part=part: (  # type: ignore[misc]
                    f"column '{plan.origin('params')}' gives {r['params']:.10g} parameters, fewer than the "
                    f"{r[part]:.10g} of column '{plan.origin(part)}'"
                ),
            )


def _check_flops(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> None:
    if not {"flops", "params", "tokens"} <= set(plan.origins):
        return
    ratios = [pl.col("flops") / (6 * pl.col(size) * pl.col("tokens")) for size in _sizes(frame)]
    above, below = pl.lit(True), pl.lit(True)
    if "flops_convention" in frame.columns:
        named = pl.col("flops_convention").fill_null("")
        above, below = ~named.is_in(_NOT_BELOW), ~named.is_in(_NOT_ABOVE)
    # The nearest convention counts: a row contradicts itself only when no size explains its compute.
    factor = pl.min_horizontal(
        pl.max_horizontal(pl.when(above).then(ratio), pl.when(below).then(1 / ratio)) for ratio in ratios
    )
    both = frame.with_columns(factor.alias("factor"))
    bad = both.filter(pl.col("factor") > CONTRADICTORY)
    ledger.rows(
        bad,
        "flops",
        lambda r: (
            f"column '{plan.origin('flops')}' gives {r['flops']:.4g} FLOPs, but 6 * params * tokens is "
            f"{6 * float(str(r['params'])) * float(str(r['tokens'])):.4g}, a factor of {r['factor']:.3g} "
            f"away; correct one of them, or keep the column under another name"
        ),
    )
    doubtful = both.filter((pl.col("factor") > DOUBTFUL) & (pl.col("factor") <= CONTRADICTORY))
    message = f"flops differ from 6 * params * tokens by a factor between {DOUBTFUL:g} and {CONTRADICTORY:g}"
    ledger.note("warnings", "flops", message, doubtful.height)


def _check_exact(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> None:
    """An exact count holds the products of 6 N D but those of an input table, at most half of N."""
    if not {"flops_exact", "params", "tokens"} <= set(plan.origins):
        return
    least = pl.min_horizontal(6 * pl.col(size) * pl.col("tokens") for size in _sizes(frame)) / CONTRADICTORY
    ledger.rows(
        frame.with_columns(least.alias("least")).filter(pl.col("flops_exact") < pl.col("least")),
        "flops_exact",
        lambda r: (
            f"column '{plan.origin('flops_exact')}' gives {r['flops_exact']:.4g} FLOPs, fewer than half of "
            f"6 * params * tokens, {2 * float(str(r['least'])):.4g}; correct one of them, or keep the column under "
            "another name"
        ),
    )


def _sizes(frame: pl.DataFrame) -> list[str]:
    return [name for name in ("params", "params_non_embedding") if name in frame.columns]


def _check_perplexity(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> None:
    bad = frame.filter((pl.col("perplexity").log() - pl.col("loss")).abs() > 0.01 * pl.col("loss"))
    ledger.rows(
        bad,
        "perplexity",
        lambda r: (
            f"column '{plan.origin('loss')}' gives {r['loss']:g}, but the logarithm of column "
            f"'{plan.origin('perplexity')}' ({r['perplexity']:g}) differs by more than 1 %"
        ),
    )


def _check_num_languages(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> None:
    shares = [name for name in frame.columns if name.startswith("share.")]
    if "num_languages" not in plan.origins or not shares:
        return
    counted = frame.with_columns(pl.sum_horizontal([pl.col(name) > 0 for name in shares]).alias("positive"))
    ledger.rows(
        counted.filter(pl.col("num_languages") < pl.col("positive")),
        "num_languages",
        lambda r: (
            f"column '{plan.origin('num_languages')}' gives {r['num_languages']} languages, but "
            f"{r['positive']} shares are above 0"
        ),
    )


def _check_clusters(frame: pl.DataFrame, plan: ColumnPlan, ledger: Ledger) -> None:
    if not {"run", "cluster"} <= set(plan.origins):
        return
    first = pl.col("cluster").first().over("run").alias("first")
    bad = frame.with_columns(first).filter(pl.col("cluster") != pl.col("first"))
    ledger.rows(
        bad.select(ROW, "run", "cluster", "first"),
        "cluster",
        lambda r: (
            f"column '{plan.origin('cluster')}' puts run '{r['run']}' in cluster '{r['cluster']}', but an "
            f"earlier row in '{r['first']}'; a run belongs to one cluster"
        ),
    )
