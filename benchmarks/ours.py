"""What is timed of isoglot, one task a worker process: `python -m benchmarks.ours TASK TABLE DRAWS REPEATS`.

A warm figure follows one untimed call of the same kind, so it holds no import and no compilation.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import isoglot as ig
from benchmarks.clock import timed

SYMBOLS = ("E", "A", "B", "alpha", "beta")


def described(fit: Any) -> dict[str, Any]:
    """Constants, status and search of a fit of one group, with percentile intervals where it has draws."""
    out: dict[str, Any] = {
        "constants": {symbol: fit.params[symbol] for symbol in SYMBOLS},
        "status": fit.status,
        "starts": dict(fit.starts),
    }
    if fit.draws is not None:
        ends = fit.intervals(0.9, "bootstrap")
        out["intervals"] = {symbol: list(ends[symbol]) for symbol in ("alpha", "beta")}
    return out


class Stages:
    """Seconds between the stages that a fit reports, and of what came before it."""

    def __init__(self, **before: float) -> None:
        """`before` holds seconds already spent."""
        self.seconds: dict[str, float] = dict(before)
        self.name, self.since = "", time.perf_counter()

    def __call__(self, stage: str) -> None:
        """A stage begins."""
        now = time.perf_counter()
        if self.name:
            self.seconds[self.name] = now - self.since
        self.name, self.since = stage.split(":")[0], now

    def ended(self) -> dict[str, float]:
        """All stages, the last one closed now."""
        self("")
        return self.seconds


def cold(table: str, draws: int, repeats: int) -> dict[str, Any]:
    """Read, fit with draws and checks, once; the whole process is timed from outside."""
    del repeats
    began = time.perf_counter()
    runs = ig.read_runs(table)
    read = time.perf_counter()
    fitter = ig.fit  # imports JAX
    stages = Stages(**{"read table": read - began, "import fit": time.perf_counter() - read})
    result = fitter(runs, "chinchilla", bootstrap=draws, progress=stages)
    return {**described(result), "stages_s": stages.ended()}


def plan(table: str, draws: int, repeats: int) -> dict[str, Any]:
    """A plan from published laws, once; the whole process is timed from outside."""
    del table, draws, repeats
    languages = {"eng": {}, "fra": {"unique": 3e11}, "hin": {"unique": 4e10}, "swh": {"unique": 2e9}}
    return {"text_lines": len(str(ig.plan(ig.Brief(budget=1e21, languages=languages))).splitlines())}


def _warm(objective: str, check: bool) -> Callable[[str, int, int], dict[str, Any]]:
    """A task: the same Chinchilla fit several times, after one that compiles."""

    def task(table: str, draws: int, repeats: int) -> dict[str, Any]:
        runs = ig.read_runs(table)

        def once() -> Any:
            return ig.fit(runs, "chinchilla", objective=objective, bootstrap=draws, check=check)

        once()
        figures, fit = timed(once, repeats)
        return {**figures, **described(fit)}

    return task


def mixture(table: str, draws: int, repeats: int) -> dict[str, Any]:
    """two_share for each evaluated language, with draws and checks, cold, and the time of each stage."""
    del repeats
    runs = ig.read_runs(table)
    fitter, stages = ig.fit, Stages()
    figures, fit = timed(lambda: fitter(runs, "two_share", by="language", bootstrap=draws, progress=stages))
    seconds = stages.ended()
    statuses = dict(zip(fit.groups, fit.statuses, strict=True))
    return {
        **figures,
        "rows": fit.num_rows,
        "stages_s": seconds,
        "statuses": statuses,
        "starts": dict(fit.starts),
    }


def pooled(table: str, draws: int, repeats: int) -> dict[str, Any]:
    """Partial pooling of every language by family, first use in its process."""
    del repeats
    runs = ig.read_runs(table, loss_unit="bits a half sentence")
    fitter = ig.fit
    options: dict[str, Any] = {"by": "language", "pool": "partial", "pool_by": "family", "bootstrap": draws}
    figures, fit = timed(lambda: fitter(runs, fixed={"A": 0.0, "alpha": 1.0}, **options))
    return {**figures, "languages": len(fit.groups), "status": fit.status}


def nuts(table: str, draws: int, repeats: int) -> dict[str, Any]:
    """NUTS on one set of points, or with a population where the table has languages, first use in its process."""
    del repeats
    runs = ig.read_runs(table)
    options: dict[str, Any] = {}
    if len(runs.languages) > 1:
        families = {name: f"f{int(name[1:]) // 5}" for name in runs.languages}
        options = {"by": "language", "pool": "partial", "pool_by": families}
    sampler = ig.fit_bayes
    figures, (fit, chains) = timed(lambda: sampler(runs, "chinchilla", draws=draws, **options))
    found = {"status": fit.status, "divergences": chains.divergences, "r_hat": chains.r_hat}
    return {**figures, **found, "effective_samples": chains.samples, "draws": chains.draws}


def million(table: str, draws: int, repeats: int) -> dict[str, Any]:
    """Import and validation of a large table."""
    del draws, repeats
    figures, runs = timed(lambda: ig.read_runs(table))
    return {**figures, "rows": runs.num_rows}


TASKS: dict[str, Callable[[str, int, int], dict[str, Any]]] = {
    "cold": cold,
    "plan": plan,
    "point": _warm("huber", False),
    "full": _warm("huber", True),
    "draws": _warm("huber", False),
    "least_squares": _warm("least_squares", False),
    "mixture": mixture,
    "nuts": nuts,
    "pooled": pooled,
    "million": million,
}


def main() -> None:
    """Run one task and print its figures."""
    name, table, draws, repeats = sys.argv[1:]
    print(json.dumps(TASKS[name](table, int(draws), int(repeats))))


if __name__ == "__main__":
    main()
