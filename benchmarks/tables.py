"""The tables that are timed, written as CSV by a worker process: `python -m benchmarks.tables FOLDER ROWS`.

Two tables are real where the validation data lies beside the repository (`ISOGLOT_DATA`, or `../shared/data`)
and simulated in the same shape elsewhere; the answer says which. They are not part of this project.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl

import isoglot as ig

OUTLIERS = 5  # the highest losses, left out as in Besiroglu et al. 2024
DOMAINS = ("arxiv", "book", "c4", "github", "commoncrawl", "stackexchange", "wikipedia")
RUNS = {1.22e8: 60, 3.1e8: 60, 6.8e8: 40}  # mixtures at each size
CHECKPOINTS = 11
TRUTH = {"E": 1.8172, "A": 477.83, "B": 2143.4, "alpha": 0.34731, "beta": 0.36717}


def data_folder() -> Path:
    """Where the validation tables may lie."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("ISOGLOT_DATA", default))


def points(target: Path) -> str:
    """240 points of one language: the reconstruction of Hoffmann et al. 2022, or a simulation of it."""
    source = data_folder() / "chinchilla_epoch.csv"
    if source.exists():
        frame = pl.read_csv(source).with_row_index("order").sort("loss", descending=True)[OUTLIERS:]
        frame = frame.sort("order").select(pl.col("params_total").alias("params"), "tokens", "loss")
        note = f"{len(frame)} points of Hoffmann et al. 2022 as reconstructed by Besiroglu et al. 2024"
    else:
        rng = np.random.default_rng(0)
        size = np.exp(rng.uniform(np.log(5.7e7), np.log(1.6e10), 240))
        compute = np.exp(rng.uniform(np.log(6e18), np.log(3e21), 240))
        empty = pl.DataFrame({"params": size, "tokens": compute / (6 * size), "loss": np.ones(240)})
        frame = ig.simulate("chinchilla", TRUTH, empty, noise=0.004).frame.select("params", "tokens", "loss")
        note = "240 SIMULATED points (the real ones were not found): compare no constant with a published one"
    frame.write_csv(target)
    return note


def mixtures(target: Path) -> str:
    """Seven domains, 160 runs, about eleven checkpoints each."""
    source = data_folder() / "dmsl_slimpajama.csv"
    if source.exists():
        shares = [pl.col(f"weight_{name}").alias(f"share.{name}") for name in DOMAINS]
        losses = [pl.col(f"loss_{name}").alias(f"loss.{name}") for name in DOMAINS]
        frame = pl.read_csv(source).select(
            pl.col("run_id").alias("run"), "params", "tokens", *shares, *losses
        )
        note = f"{len(frame)} checkpoints of 160 runs of Shukor et al. 2025, seven domains"
        frame.write_csv(target)
        return note
    frame = ig.simulate("two_share", _mixture_truth(), _mixture_points(), noise=0.004).frame
    keep = ["run", "params", "tokens", "language", "loss", *(f"share.{name}" for name in DOMAINS)]
    frame.select(keep).write_csv(target)
    count = len(frame) // len(DOMAINS)
    return f"{count} SIMULATED checkpoints of 160 runs, seven domains (the real ones were not found)"


def _mixture_truth() -> dict[str, dict[str, object]]:
    rng = np.random.default_rng(2)
    others = len(DOMAINS) - 1
    return {
        name: {
            **TRUTH,
            "v": rng.uniform(0.1, 0.6, others).tolist(),
            "t": rng.uniform(0.0, 0.3, others).tolist(),
        }
        for name in DOMAINS
    }


def _mixture_points() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    rows = []
    for size, count in RUNS.items():
        for at in range(count):
            share = 0.02 + 0.86 * rng.dirichlet(np.full(len(DOMAINS), 0.5))
            base = {"run": f"{size:.0f}-{at}", "params": size, "loss": 1.0}
            base |= {f"share.{name}": value for name, value in zip(DOMAINS, share / share.sum(), strict=True)}
            for step in range(1, CHECKPOINTS + 1):
                rows += [{**base, "tokens": step * 1.9e9, "language": name} for name in DOMAINS]
    # 12 of the 1,760 checkpoints are missing in the real table.
    return pl.DataFrame(rows[: -12 * len(DOMAINS)])


def million(target: Path, rows: int) -> str:
    """Rows of many runs: four languages, four checkpoints each, four share columns."""
    rng = np.random.default_rng(3)
    languages = np.array(["eng", "fra", "hin", "swa"])
    count = rows // 16
    share = rng.dirichlet(np.ones(4), count)
    run, step, language = (part.ravel() for part in np.indices((count, 4, 4)))
    size = np.exp(rng.uniform(np.log(1e7), np.log(1e10), count))[run]
    tokens = (np.exp(rng.uniform(np.log(1e9), np.log(1e11), count))[run] * (step + 1)).round()
    loss = 1.8 + 478 * size**-0.35 + 2143 * tokens**-0.37 + rng.normal(0, 0.01, len(run))
    frame = pl.DataFrame({"run": run, "params": size, "tokens": tokens, "loss": loss})
    named = pl.Series("language", languages[language])
    shares = [pl.Series(f"share.{name}", share[run, at]) for at, name in enumerate(languages)]
    frame.with_columns(pl.format("r{}", "run").alias("run"), named, *shares).write_csv(target)
    return f"{len(frame):,} simulated rows, {target.stat().st_size / 1e6:.0f} MB of CSV"


def languages(target: Path) -> str:
    """Many languages with two to four models each, on parallel text."""
    source = data_folder() / "goldfish_flores.csv"
    if source.exists():
        frame = pl.read_csv(source).filter(pl.col("same_language"))
        frame = frame.select(
            pl.col("run_id").alias("run"),
            pl.col("flores_lang").alias("language"),
            pl.col("params_total").alias("params"),
            "tokens",
            pl.col("flores_nll_bits").alias("loss"),
        )
        note = f"{len(frame)} models of {frame['language'].n_unique()} languages of Chang et al. 2024"
    else:
        rng = np.random.default_rng(1)
        language, level = (part.ravel() for part in np.indices((135, 3)))
        tokens = np.array([1e7, 3e7, 3e8])[level]
        loss = np.exp(4.2 + 0.4 * rng.normal(size=135))[language] + 3e3 * tokens**-0.23
        names = [f"x{at:03d}" for at in language]
        frame = pl.DataFrame({"language": names, "params": 1.2e8, "tokens": tokens, "loss": loss})
        note = f"{len(frame)} SIMULATED models of 135 languages"
    frame.write_csv(target)
    return note


def hierarchy(target: Path) -> str:
    """Twenty languages in four families, nine runs each, every language with a law of its own."""
    rng = np.random.default_rng(2)
    rows = []
    for at in range(20):
        if at % 5 == 0:
            family = 0.5 * rng.normal(size=5)
        z = family + 0.5 * rng.normal(size=5)
        alpha, beta = 0.34 * np.exp(0.15 * z[3]), 0.36 * np.exp(0.15 * z[4])
        for size in (1e8, 6e8, 3e9):
            for tokens in (2e9, 1e10, 6e10):
                size_term = 0.36 * np.exp(0.25 * z[1]) * (size / 6e8) ** -alpha
                loss = (
                    1.6 * np.exp(0.15 * z[0])
                    + size_term
                    + 0.45 * np.exp(0.25 * z[2]) * (tokens / 1e10) ** -beta
                )
                row = {"language": f"x{at:02d}", "params": size, "tokens": tokens}
                rows.append(row | {"loss": loss * np.exp(0.004 * rng.normal())})
    pl.DataFrame(rows).write_csv(target)
    return f"{len(rows)} simulated runs of 20 languages in 4 families"


def main() -> None:
    """Write the tables and print what they are."""
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    notes = {
        "points": points(folder / "points.csv"),
        "mixtures": mixtures(folder / "mixtures.csv"),
        "languages": languages(folder / "languages.csv"),
        "hierarchy": hierarchy(folder / "hierarchy.csv"),
        "million": million(folder / "million.csv", rows),
    }
    print(json.dumps(notes))


if __name__ == "__main__":
    main()
