"""Are an ensemble's intervals calibrated when the truth is none of its members? Simulated worlds, far beyond their runs.

Question (written before the run): how often does the 90 % interval of an ensemble of three laws hold the noise-free
loss at 10 and 100 times the largest compute, and the compute-optimal size at 10 times, when the true form is not in the
ensemble? Beside it: each single law, and the single law with the best hold-out score.

Worlds: 5 sizes x 5 token counts, noise of 0.2 % on the loss, laws chinchilla, tied chinchilla and skaling. Truths:
`break` (the data exponent falls smoothly beyond 3e10 tokens), `coupled` (the data exponent grows with the size, as
reported for Farseer), `kaplan` (their joint form), `ratio` (a penalty for lopsided D / N), and `inside` (chinchilla
itself, for comparison).

    python -m experiments.ensembles           # runs or resumes; writes ensembles.jsonl
    python -m experiments.ensembles --table   # writes ensembles.md from the records
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import isoglot as ig
from isoglot.fit.ensemble import combine
from isoglot.laws import query
from isoglot.plan.brief import Brief
from isoglot.plan.size import plan_size

HERE = Path(__file__).parent
RECORDS = HERE / "ensembles.jsonl"
LAWS = ("chinchilla", "chinchilla:tied=true", "skaling")
SEEDS = 20
DRAWS = 300
NOISE = 0.002
LARGEST = 6 * 3e9 * 6e10
Form = Callable[[np.ndarray, np.ndarray], np.ndarray]


def forms(rng: np.random.Generator) -> dict[str, Form]:
    """The truths, with constants jittered by the seed."""
    e, a, b = 1.7 * rng.uniform(0.9, 1.1), 400 * rng.uniform(0.8, 1.2), 2000 * rng.uniform(0.8, 1.2)
    x, y = rng.uniform(0.32, 0.37), rng.uniform(0.34, 0.4)
    return {
        "inside": lambda n, d: e + a * n**-x + b * d**-y,
        "break": lambda n, d: e + a * n**-x + b * d**-y * (1 + (d / 3e10) ** 2) ** 0.05,
        "coupled": lambda n, d: e + a * n**-x + 0.25 * (d / 1e10) ** -(y + 0.03 * np.log(n / 3e8)),
        "kaplan": lambda n, d: ((6.4e13 / n) ** (0.076 / 0.103) + 1.8e13 / d) ** 0.103,
        "ratio": lambda n, d: e + (a * n**-x + b * d**-y) * (1 + 0.01 * np.log(d / n / 20) ** 2),
    }


def world(name: str, seed: int) -> tuple[ig.Runs, Form]:
    """Noisy runs of a truth, and the truth."""
    rng = np.random.default_rng([seed, 23])
    truth = forms(rng)[name]
    points = ig.grid(N=np.geomspace(3e7, 3e9, 5), D=np.geomspace(1e9, 6e10, 5))
    loss = truth(points["params"].to_numpy(), points["tokens"].to_numpy())
    noisy = loss * np.exp(NOISE * rng.standard_normal(len(loss)))
    return ig.read_runs(points.with_columns(loss=pl.Series(noisy)), name=f"{name} {seed}"), truth


def best_size(truth: Form, compute: float) -> float:
    sizes = np.geomspace(1e7, 1e13, 60_001)
    return float(sizes[np.argmin(truth(sizes, compute / 6 / sizes))])


def targets(truth: Form) -> dict[str, float]:
    """Losses at 20 tokens per parameter, 10 and 100 times beyond, and the best size 10 times beyond."""
    found = {}
    for factor in (10, 100):
        size = np.sqrt(factor * LARGEST / 6 / 20)
        found[f"loss at {factor}x"] = float(truth(np.array(size), np.array(20 * size)))
    found["N* at 10x"] = best_size(truth, 10 * LARGEST)
    return found


def answers(fitted: ig.Fit) -> dict[str, tuple[float, float, float]]:
    """Value and 90 % interval of every target."""
    found = {}
    for factor in (10, 100):
        size = np.sqrt(factor * LARGEST / 6 / 20)
        row = fitted.predict(query(size, 20 * size), kind="mean").row(0, named=True)
        found[f"loss at {factor}x"] = (row["loss"], row["low"], row["high"])
    size = plan_size(fitted, Brief(budget=10 * LARGEST, force=True), np.ones(1))
    assert size.params_interval is not None
    found["N* at 10x"] = (size.params, *size.params_interval)
    return found


def run(name: str, seed: int) -> dict[str, Any]:
    """One world: the ensemble with and without its discrepancy, the single laws, the best by hold-out."""
    runs, truth = world(name, seed)
    mixed = ig.ensemble(runs, LAWS, bootstrap=DRAWS)
    weights = [value for key, value in mixed.params.items() if key.startswith("weight")]
    members = [ig.fit(runs, law, bootstrap=DRAWS, check=False) for law in LAWS]
    fits = {"ensemble": mixed, "ensemble without discrepancy": combine(members, np.array(weights))}
    fits |= dict(zip(LAWS, members, strict=True))
    fits["best by hold-out"] = members[int(np.argmax(weights))]
    return {
        "truth": targets(truth),
        "weights": dict(zip(LAWS, weights, strict=True)),
        "answers": {method: answers(fitted) for method, fitted in fits.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        write()
        return
    records = [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []
    done = {(row["form"], row["seed"]) for row in records}
    for seed in range(SEEDS):
        for name in forms(np.random.default_rng(0)):
            if (name, seed) in done:
                continue
            started = time.perf_counter()
            row = {"form": name, "seed": seed, **run(name, seed)}
            row["seconds"] = round(time.perf_counter() - started, 1)
            with RECORDS.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            print(name, seed, row["weights"], row["seconds"], flush=True)


def write() -> None:
    """The table: coverage with its standard error, median relative width, median error, by truth and method."""
    records = [json.loads(line) for line in RECORDS.read_text().splitlines()]
    methods = list(records[0]["answers"])
    lines = [
        "# Ensembles where the truth is no member",
        "",
        f"Generated by `python -m experiments.ensembles --table` from {len(records)} worlds. Cell: coverage of 90 % intervals "
        "(median width relative to the truth; median absolute error). Question, worlds and laws are in `ensembles.py`.",
    ]
    names = list(dict.fromkeys(row["form"] for row in records))
    for title, chosen in [
        ("All truths that are no member", [n for n in names if n != "inside"]),
        *((n, [n]) for n in names),
    ]:
        mine = [row for row in records if row["form"] in chosen]
        lines += [
            "",
            f"## {title} ({len(mine)} worlds)",
            "",
            "| method | " + " | ".join(mine[0]["truth"]) + " |",
        ]
        lines.append("|---|" + "---|" * len(mine[0]["truth"]))
        for method in methods:
            cells = []
            for target in mine[0]["truth"]:
                value, low, high = np.array([row["answers"][method][target] for row in mine]).T
                truth = np.array([row["truth"][target] for row in mine])
                inside = ((low <= truth) & (truth <= high)).mean()
                error = np.sqrt(max(inside * (1 - inside), 0.25 / len(mine)) / len(mine))
                width, off = np.median((high - low) / truth), np.median(np.abs(value / truth - 1))
                cells.append(f"{inside:.2f} ± {error:.2f} ({width:.3f}; {off:.3f})")
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    (HERE / "ensembles.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
