"""What a sweep costs beside its runs: 10,000 runs that do nothing, on one worker.

    python -m benchmarks.sweep           # writes sweep.json and SWEEP.md
    python -m benchmarks.sweep --quick   # 200 runs, prints, writes nothing

The yardstick, in the same rounds, is the least that such a record can cost: a file written, flushed, renamed, and its
folder flushed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import environment
from benchmarks.report import table
from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.sweep.folder import Conditions, SweepFolder, add_design
from isoglot.sweep.status import status_of
from isoglot.sweep.units import Unit
from isoglot.sweep.work import Outcome, Worker

HERE = Path(__file__).resolve().parent
RUNS, ROUNDS = 10_000, 3
LANGUAGES = ("eng", "fra", "deu", "hin")
# Milliseconds a run; seconds to read all records; seconds of a status.
BARS = {"run": 1.5, "read": 2.0, "status": 1.0}


class Nothing:
    """A runner whose runs are done at once; rows are as many and as wide as those of a real run of four languages."""

    def __call__(
        self, sweep: SweepFolder, unit: Unit, recipes: Sequence[Recipe], stop: Callable[[], bool]
    ) -> list[Outcome]:
        return [Outcome(one.name, [_row(one, language) for language in LANGUAGES]) for one in recipes]

    def step(self, sweep: SweepFolder, unit: Unit) -> int:
        return 0

    def environment(self) -> dict[str, Any]:
        return {"threads": 1}


def _row(recipe: Recipe, language: str) -> dict[str, Any]:
    row: dict[str, Any] = {"run": recipe.name, "language": language, "loss": 1.0 + recipe.seed / 7}
    return row | {f"column_{at}": at / 3 for at in range(40)}


def recipes(count: int) -> list[Recipe]:
    """Runs that differ by seed."""
    shape = Shape(layers=1, width=8, ffn=16, heads=1, head_width=8, vocabulary=64)
    stages = (Stage(tuple((name, 0.25) for name in LANGUAGES)),)
    data = Data("0" * 64, stages, sequence=8, batch=2)
    optimiser = Optimiser(1e-3, schedule="constant")
    return [Recipe(shape, data, optimiser, steps=4, seed=seed) for seed in range(count)]


def one_round(runs: Sequence[Recipe], folder: Path) -> dict[str, float]:
    """Seconds of each part."""
    found: dict[str, float] = {}

    def timed(name: str, what: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = what()
        found[name] = time.perf_counter() - began
        return result

    sweep = timed("plan", lambda: add_design(folder / "sweep", runs, Conditions()))
    timed("walk", lambda: Worker(sweep, Nothing()).walk())
    fresh = SweepFolder(sweep.home)
    records = timed("read", fresh.records)
    assert len(records.bodies) == len(runs) and not records.problems
    status = timed("status", lambda: status_of(SweepFolder(sweep.home)))
    assert status.done == len(runs)
    content = (sweep.home / "records" / f"{runs[0].name}.json").read_bytes()
    found["bytes"] = len(content)
    timed("yardstick", lambda: _bare(folder / "bare", content, len(runs)))
    return found


def _bare(folder: Path, content: bytes, count: int) -> None:
    folder.mkdir()
    for at in range(count):
        partial = folder / f".{at}"
        handle = os.open(partial, os.O_CREAT | os.O_WRONLY)
        os.write(handle, content)
        os.fsync(handle)
        os.close(handle)
        partial.rename(folder / str(at))
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.sweep")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    runs = recipes(200 if quick else RUNS)
    rounds = []
    for _ in range(1 if quick else ROUNDS):
        folder = Path(tempfile.mkdtemp(dir=HERE))
        try:
            rounds.append(one_round(runs, folder))
        finally:
            shutil.rmtree(folder)
    middle = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    page = _page(middle, len(runs))
    print(page)
    if not quick:
        (HERE / "sweep.json").write_text(
            json.dumps({"environment": environment(), "rounds": rounds}, indent=1) + "\n"
        )
        (HERE / "SWEEP.md").write_text(page, encoding="utf-8")


def _page(middle: dict[str, float], count: int) -> str:
    each = 1e3 * middle["walk"] / count
    bare = 1e3 * middle["yardstick"] / count
    rows = [
        [f"a run beside its work, flushed to the disk (ms, of {count:,})", BARS["run"], each],
        [f"reading {count:,} records (s)", BARS["read"], middle["read"]],
        [f"a status of {count:,} runs (s)", BARS["status"], middle["status"]],
    ]
    cells = [
        [name, f"<= {bar:g}", f"{value:.2f}", "**met**" if value <= bar else "**missed**"]
        for name, bar, value in rows
    ]
    return "\n".join([
        "# What a sweep costs beside its runs",
        "",
        "Generated by `python -m benchmarks.sweep`; do not edit. One worker; medians of the rounds in `sweep.json`.",
        "",
        table(["what", "bar", "this run", "verdict"], cells),
        "",
        f"The yardstick, a bare file of the same {middle['bytes']:,.0f} bytes written, flushed and renamed with its folder",
        f"flushed, takes {bare:.2f} ms: a run costs {each / bare:.2f} times that. Planning all {count:,} runs takes",
        f"{middle['plan']:.1f} s, once.",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
