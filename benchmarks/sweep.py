"""What a sweep costs beside its runs: 10,000 runs that do nothing, on one worker a processor and on a single one.

    python -m benchmarks.sweep           # writes sweep.json and SWEEP.md
    python -m benchmarks.sweep --quick   # 200 runs, prints, writes nothing

A run's cost is the time of the whole sweep, from planned to done, over its runs; starting the workers is part of it.
The yardstick, in the same rounds, is the least that such a record can cost: a file written, flushed, renamed, and its
folder flushed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.report import table
from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.sweep.driver import run_sweep
from isoglot.sweep.folder import Conditions, SweepFolder, add_design
from isoglot.sweep.local import LocalWorkers
from isoglot.sweep.status import status_of
from isoglot.sweep.units import Unit
from isoglot.sweep.work import Outcome, Worker

HERE = Path(__file__).resolve().parent
RUNS, ROUNDS = 10_000, 5
PROCESSORS = os.cpu_count() or 1
WORK = "work"
LANGUAGES = ("eng", "fra", "deu", "hin")
# Milliseconds a run; seconds to read all records; seconds of a status.
BARS = {"run": 1.5, "read": 2.0, "status": 1.0}


# A row of a real run, and what a run of four languages has beside it.
ROW: dict[str, Any] = {
    "batch_tokens": 256, "bits_per_unit": 353.3112172321446, "bits_per_unit_se": 4.711871937411213,
    "bytes_per_token": 0.9994047619047619, "cluster": "db44e229eee16c55", "data_seed": 0, "decay_tokens": 3840.0,
    "eval_documents": 17, "eval_set": "c88974b319f8ae50:17", "eval_tokens": 1680, "eval_units": 20,
    "flops": 3226337280.0, "loss": 4.2153628482768815, "loss_se": 0.03181173591723117, "loss_unit": "bits_per_byte",
    "lr_min": 0.0, "lr_peak": 0.003, "lr_phase": "decayed", "lr_schedule": "wsd", "nats_per_token": 2.9201276668480465,
    "nats_per_token_se": 0.02911734318719273, "num_languages": 4, "pair_key": None, "params": 35008,
    "params_convention": "total", "params_embedding": 8224, "params_non_embedding": 26784, "precision": "float32",
    "schedule": None, "seed": 3, "split": "held_out", "step": 60, "tokens": 15360,
    "unigram_normalised": 0.023654155401397394, "unigram_normalised_se": 0.0023117354618711, "vocab_size": 257,
    "vocabulary": "1b5ec18e75637aa7", "warmup_tokens": 512.0,
}  # fmt: skip
SHARES = {
    f"{kind}.{language}": value
    for kind, value in (("share", 0.25), ("realised_share", 0.2503255208333333), ("unique", 99072.0))
    for language in LANGUAGES
}


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
    return {
        **ROW,
        **SHARES,
        "run": recipe.name,
        "language": language,
        "loss": ROW["loss"] + recipe.seed / 7e4,
    }


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
    command = (sys.executable, "-m", "benchmarks.sweep", WORK)
    timed("sweep", lambda: run_sweep(sweep, LocalWorkers(sweep.home, "d", command=command), PROCESSORS))
    fresh = SweepFolder(sweep.home)
    records = timed("read", fresh.records)
    assert len(records.bodies) == len(runs) and not records.problems
    status = timed("status", lambda: status_of(SweepFolder(sweep.home)))
    assert status.done == len(runs)
    content = (sweep.home / "records" / f"{runs[0].name}.json").read_bytes()
    found["bytes"] = len(content)
    shutil.rmtree(sweep.home)
    again = add_design(sweep.home, runs, Conditions())
    timed("single", lambda: Worker(again, Nothing()).walk())
    timed("yardstick", lambda: _bare(folder / "bare", content, len(runs)))
    return found


def _work(home: str, *options: str) -> None:
    """What a worker's process does."""
    given = dict(zip(options[::2], options[1::2], strict=True))
    Worker(SweepFolder(Path(home)), Nothing(), given["--driver"], int(given["--slot"])).walk()


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
    if sys.argv[1:2] == [WORK]:
        return _work(*sys.argv[2:])
    parser = argparse.ArgumentParser(prog="benchmarks.sweep")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    runs, described = recipes(200 if quick else RUNS), machine.described()
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
            json.dumps({"machine": described, "rounds": rounds}, indent=1) + "\n"
        )
        (HERE / "SWEEP.md").write_text(page, encoding="utf-8")


def _page(middle: dict[str, float], count: int) -> str:
    each, single = (1e3 * middle[name] / count for name in ("sweep", "single"))
    bare = 1e3 * middle["yardstick"] / count
    rows = [
        [
            f"a run beside its work, flushed to the disk, {PROCESSORS} workers (ms, of {count:,})",
            BARS["run"],
            each,
        ],
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
        "Generated by `python -m benchmarks.sweep`; do not edit. Medians of the rounds in `sweep.json`.",
        "",
        table(["what", "bar", "this run", "verdict"], cells),
        "",
        f"The yardstick, a bare file of the same {middle['bytes']:,.0f} bytes written, flushed and renamed with its folder",
        f"flushed, takes {bare:.2f} ms by a single process. A run costs {each / bare:.2f} times that with one worker a processor",
        f"(as a sweep is run by default), and {single / bare:.2f} times that ({single:.2f} ms) on a single worker. Planning all",
        f"{count:,} runs takes {middle['plan']:.1f} s, once.",
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
