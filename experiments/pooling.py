"""Does partial pooling predict languages better than none, and than shared exponents? Simulated hierarchies and real runs.

Question (written before the run): over languages with few runs each, which pooling has the smallest error (a) at a
larger scale of the same languages and (b) for a language left out altogether, and do its 90 % intervals cover?

Simulated worlds: 20 languages in 4 families, an L of five runs or a grid of nine each; the exponents of languages
differ by 0 %, 5 %, 15 % or 30 % (half of the variance between families), coefficients by 25 %. Far: 5 times the largest
size, 16 times the most tokens. A left-out language is predicted without pooling by one law fitted to all others, with
shared exponents by those exponents and the geometric mean of the others' coefficients, with partial pooling by
`Fit.with_language`.

Real runs: 135 languages of the Goldfish models on parallel text (size fixed out, as it changes with the data), the
largest model of each language held out, or each language in turn.

    python -m experiments.pooling           # runs or resumes; writes pooling.jsonl
    python -m experiments.pooling --table   # writes pooling.md from the records
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isoglot as ig
from experiments.zoo import DATA, parallel_text
from isoglot.fit.new_language import leave_language_out

HERE = Path(__file__).parent
RECORDS = HERE / "pooling.jsonl"
SEEDS = 6
SPREADS = (0.0, 0.05, 0.15, 0.3)
DESIGNS = ("L of 5", "grid of 9")
NAMES = {f"l{at}": f"f{at % 4}" for at in range(20)}
POOLS = ("none", "shared", "partial", "partial by family")


def world(seed: int, spread: float, design: str) -> tuple[ig.Runs, ig.Runs]:
    """Training runs and noise-free losses far beyond them."""
    rng = np.random.default_rng([seed, 17])
    middle = {f"f{at}": rng.normal(0, 1, 5) for at in range(4)}
    truth = {}
    for name, family in NAMES.items():
        z = np.sqrt(0.5) * (middle[family] + rng.normal(0, 1, 5))
        alpha, beta = 0.34 * np.exp(spread * z[3]), 0.36 * np.exp(spread * z[4])
        # Coefficients are set at the centre of the runs, so that exponents differ without the losses exploding.
        truth[name] = {
            "E": 1.6 * np.exp(0.15 * z[0]),
            "A": 0.36 * np.exp(0.25 * z[1]) * 6e8**alpha,
            "B": 0.45 * np.exp(0.25 * z[2]) * 1e10**beta,
            "alpha": alpha,
            "beta": beta,
        }
    mixtures = [{name: 1.0} for name in truth]
    own = pl.any_horizontal([(pl.col(f"share.{n}") > 0) & (pl.col("language") == n) for n in truth])
    near = ig.grid(N=[1e8, 6e8, 3e9], D=[2e9, 1e10, 6e10], mixtures=mixtures).filter(own)
    if design == "L of 5":
        near = near.filter((pl.col("params") == 1e8) | (pl.col("tokens") == 2e9))
    far = ig.grid(N=[1.5e10], D=[1e12], mixtures=mixtures).filter(own)
    return (
        ig.simulate("chinchilla", truth, near, noise=0.004, seed=seed),
        ig.simulate("chinchilla", truth, far, noise=0.0, seed=0),
    )


def fit(runs: ig.Runs, pool: str, families: Any, fixed: dict[str, float] | None = None) -> ig.Fit:
    """One pooled fit with draws."""
    partial = pool.startswith("partial")
    return ig.fit(
        runs,
        by="language",
        pool="partial" if partial else pool,
        pool_by=families if pool == "partial by family" else None,
        bootstrap=300,
        fixed=fixed,
        check=False,
    )


def errors(fitted: ig.Fit, test: ig.Runs, kind: str) -> dict[str, float]:
    """Mean relative error, bias and coverage of 90 % intervals (of rows that have one)."""
    found = fitted.predict(test, 0.9, kind=kind)
    loss, observed = found["loss"].to_numpy(), test.frame["loss"].to_numpy()
    low, high = found["low"].to_numpy(), found["high"].to_numpy()
    known = np.isfinite(low)
    inside = ((low <= observed) & (observed <= high))[known]
    return {
        "mre": float(np.abs(loss / observed - 1).mean()),
        "bias": float((loss / observed - 1).mean()),
        "coverage": float(inside.mean()) if known.any() else float("nan"),
        "without interval": int((~known).sum()),
    }


def left_out(runs: ig.Runs, pool: str, families: Any, fixed: dict[str, float] | None, every: int) -> dict:
    """Error for languages left out in turn (every n-th of them for the refitted poolings)."""
    if pool.startswith("partial"):
        frame = leave_language_out(fit(runs, pool, families, fixed))
        return {
            "mre": float(frame["mre"].mean()),
            "bias": float(frame["bias"].mean()),
            "coverage": float(np.average(frame["coverage"], weights=frame["rows"])),
        }
    scores = []
    for label in runs.languages[::every]:
        train = runs.filter(pl.col("language") != label, "left out")
        test = runs.filter(pl.col("language") == label, "fitted")
        scores.append(_predict_unseen(train, test, pool, fixed))
    return {
        "mre": float(np.mean([abs_ for abs_, _ in scores])),
        "bias": float(np.mean([b for _, b in scores])),
    }


def _predict_unseen(
    train: ig.Runs, test: ig.Runs, pool: str, fixed: dict[str, float] | None
) -> tuple[float, float]:
    observed = test.frame["loss"].to_numpy()
    size, tokens = test.frame["params"].to_numpy(), test.frame["tokens"].to_numpy()
    if pool == "none":
        p = ig.fit(train, bootstrap=0, check=False, fixed=fixed).params
    else:
        rows = ig.fit(train, by="language", pool="shared", bootstrap=0, check=False, fixed=fixed).params
        p = {key: float(np.median([row[key] for row in rows.values()])) for key in ("alpha", "beta")}
        # Coefficients have units of N^alpha: with shared exponents their medians belong together.
        p |= {key: float(np.median([row[key] for row in rows.values()])) for key in ("E", "A", "B")}
    loss = p["E"] + p["A"] * size ** -p["alpha"] + p["B"] * tokens ** -p["beta"]
    return float(np.abs(loss / observed - 1).mean()), float((loss / observed - 1).mean())


def cells() -> list[tuple[str, str, str, int]]:
    """(case, task, pool, seed)."""
    real = [("goldfish_flores", task, pool, 0) for pool in POOLS for task in ("largest model", "left out")]
    simulated = [
        (f"{design}, exponents {spread:.0%}", task, pool, seed)
        for seed in range(SEEDS)
        for design in DESIGNS
        for spread in SPREADS
        for task in ("far", "left out")
        for pool in POOLS
    ]
    return real + simulated


def run(case: str, task: str, pool: str, seed: int, data: Path) -> dict[str, Any]:
    """One cell."""
    if case == "goldfish_flores":
        runs, fixed = parallel_text(data), {"A": 0.0, "alpha": 1.0}
        if task == "left out":
            return left_out(runs, pool, "family", fixed, 5)
        most = pl.col("tokens") == pl.col("tokens").max().over("language")
        several = pl.len().over("language") >= 3
        train = runs.filter(~(most & several), "the largest model of a language")
        test = runs.filter(most & several, "fitted")
        return errors(fit(train, pool, "family", fixed), test, "run")
    design, _, spread = case.partition(", exponents ")
    train, test = world(seed, float(spread.rstrip("%")) / 100, design)
    if task == "left out":
        return left_out(train, pool, NAMES, None, 4)
    return errors(fit(train, pool, NAMES), test, "mean")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    if arguments.table:
        from experiments.pooling_table import write

        write(RECORDS, HERE / "pooling.md")
        return
    records = [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []
    done = {(row["case"], row["task"], row["pool"], row["seed"]) for row in records}
    for case, task, pool, seed in cells():
        if (case, task, pool, seed) in done:
            continue
        started = time.perf_counter()
        row = {
            "case": case,
            "task": task,
            "pool": pool,
            "seed": seed,
            **run(case, task, pool, seed, arguments.data),
        }
        row["seconds"] = round(time.perf_counter() - started, 2)
        with RECORDS.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(row, flush=True)


if __name__ == "__main__":
    main()
