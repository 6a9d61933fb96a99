"""Size against tokens against batch against initial weights: the evidence behind the defaults of small runs.

Question: which batch, initial weights and peak learning rate let small runs show what more parameters and more tokens
are worth? Written before the runs:

1. Initial weights by fan-in become the default if their mean loss over all cells (three shapes, two batches) is lower
   than that of a standard deviation of 0.02 by more than two standard errors of the paired difference over seeds.
2. The default batch is the largest whose loss is within one standard deviation of a seed of the best batch, at both
   lengths and all shapes: larger batches are easier on accelerators, so among equals the largest is taken.
3. The peak rule 0.16 / width stays unless another multiple is better by more than the standard deviation of a seed at
   two of three shapes.

Text: four Bible translations (eng, fra, deu, hin) in equal shares, byte-level BPE of 1,024 ids, sequences of 128, WSD;
mean loss of the four languages in bits per byte on 12 held-out documents of each.

    python -m experiments.regime SHARDS   # the runs not yet in regime.jsonl, in the order of the questions
    python -m experiments.regime --table  # regime.md from them
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
LINES, TABLE = HERE / "regime.jsonl", HERE / "regime.md"
SHAPES = ("2x32", "2x64", "3x96")
SHORT, LONG = 4.5e5, 1.8e6
SEQUENCE, DOCUMENTS = 128, 12
SEEDS = (0, 1, 2)
STANDARD = 0.16


def cells() -> Iterator[dict]:
    """Every run of the study as its settings; `batch` is in tokens, `peak` is peak x width."""
    for seed, initial, batch, shape in itertools.product(SEEDS, ("gpt2", "fan_in"), (256, 1024), SHAPES):
        yield dict(shape=shape, tokens=SHORT, batch=batch, initial=initial, peak=STANDARD, seed=seed)
    for seed, batch, shape in itertools.product(SEEDS, (512, 4096), SHAPES):
        yield dict(shape=shape, tokens=SHORT, batch=batch, initial="fan_in", peak=STANDARD, seed=seed)
    for batch, shape in itertools.product((512, 1024, 2048), SHAPES):
        yield dict(shape=shape, tokens=LONG, batch=batch, initial="fan_in", peak=STANDARD, seed=0)
    for seed, peak, batch, shape in itertools.product((0, 1), (0.08, 0.32), (256, 1024), SHAPES):
        yield dict(shape=shape, tokens=SHORT, batch=batch, initial="fan_in", peak=peak, seed=seed)
    # Added after 0.32 came out better than 0.16 at 450,000 tokens: does it stay so for longer runs, and above it?
    for batch, shape in itertools.product((512, 1024), SHAPES):
        yield dict(shape=shape, tokens=LONG, batch=batch, initial="fan_in", peak=0.32, seed=0)
    for batch, shape in itertools.product((256, 1024), SHAPES):
        yield dict(shape=shape, tokens=SHORT, batch=batch, initial="fan_in", peak=0.64, seed=0)


def key(record: dict) -> tuple:
    """What makes two records one run."""
    return tuple(record[name] for name in ("shape", "tokens", "batch", "initial", "peak", "seed"))


def main() -> None:
    """Run what is missing, or write the table."""
    if "--table" in sys.argv:
        TABLE.write_text(table(records()), encoding="utf-8")
        return
    import tempfile

    from isoglot.tokenizer.shards import open_shards

    shards = open_shards(Path(sys.argv[1]))
    done = {key(record) for record in records()}
    for cell in cells():
        if key(cell) in done:
            continue
        with tempfile.TemporaryDirectory() as home:
            loss, curve = _train(cell, shards, Path(home))
        with LINES.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**cell, "loss": loss, "curve": curve}) + "\n")


def _train(cell: dict, shards: object, home: Path) -> tuple[dict, list]:
    """Losses by language at the end, and sixteen means of the training loss on the way, in nats a token."""
    import numpy as np

    from isoglot.core.wish import Wish
    from isoglot.train.build import build_recipe
    from isoglot.train.evaluate import Evaluation
    from isoglot.train.loop import Settings, train

    width = int(cell["shape"].partition("x")[2])
    wish = Wish(
        cell["shape"], cell["tokens"], sequence=SEQUENCE, batch=cell["batch"] // SEQUENCE,
        peak=cell["peak"] / width, seed=cell["seed"], pair_key=f"seed-{cell['seed']}", initial=cell["initial"],
    )  # fmt: skip
    run = train(build_recipe(wish, shards), shards, home, Settings(Evaluation(documents=DOCUMENTS)))
    curve = [round(float(part.mean()), 3) for part in np.array_split(run.losses, 16)]
    return {row["language"]: round(row["loss"], 4) for row in run.rows}, curve


def records() -> list[dict]:
    """What has been measured."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def table(found: list[dict]) -> str:
    """The page: each question's table with seeds, and its answer by the rule that was written before."""
    means = {key(record): mean(record["loss"].values()) for record in found}

    def losses(**wanted: object) -> list[float]:
        """Losses over seeds of one cell, in the order of seeds."""
        names = ("shape", "tokens", "batch", "initial", "peak")
        return [
            loss
            for cell, loss in sorted(means.items(), key=str)
            if cell[:5] == tuple(wanted[n] for n in names)
        ]

    lines = [
        "# The training regime of small runs",
        "",
        *(__doc__ or "").partition("\n\n")[2].rstrip().splitlines(),
        "",
    ]
    lines += [*_initial(losses), *_batch(losses), *_peak(losses), *_curves(found)]
    return "\n".join(lines) + "\n"


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    return f"{mean(values):.3f}" + (f" ({stdev(values):.3f})" if len(values) > 1 else "")


def _initial(losses: Callable[..., list[float]]) -> list[str]:
    lines = ["## Initial weights (450,000 tokens; mean over seeds, standard deviation in brackets)", ""]
    lines += ["| tokens a step | shape | sd 0.02 | fan-in | fan-in minus sd 0.02 |", "|---|---|---|---|---|"]
    gains: list[list[float]] = []
    for batch, shape in itertools.product((256, 1024), SHAPES):
        settings = dict(shape=shape, tokens=SHORT, batch=batch, peak=STANDARD)
        old, new = losses(initial="gpt2", **settings), losses(initial="fan_in", **settings)
        differences = [b - a for a, b in zip(old, new, strict=False)]
        gains.append(differences)
        lines.append(f"| {batch:,} | {shape} | {_cell(old)} | {_cell(new)} | {_cell(differences)} |")
    by_seed = [mean(one) for one in zip(*gains, strict=False)]
    if len(by_seed) > 1:
        error = stdev(by_seed) / len(by_seed) ** 0.5
        verdict = "fan-in is the default" if mean(by_seed) < -2 * error else "sd 0.02 stays"
        lines += [
            "",
            f"Over all cells {mean(by_seed):+.4f}, standard error over {len(by_seed)} seeds {error:.4f}: {verdict}.",
            "",
        ]
    return lines


def _batch(losses: Callable[..., list[float]]) -> list[str]:
    lines = ["## Batch (fan-in, 0.16 / width)", ""]
    lines += [
        "| tokens | tokens a step | steps | " + " | ".join(SHAPES) + " | gain from 2x32 to 3x96 |",
        "|---|---|---|" + "---|" * 4,
    ]
    for tokens, batches in ((SHORT, (256, 512, 1024, 4096)), (LONG, (512, 1024, 2048))):
        for batch in batches:
            cells = [
                losses(shape=s, tokens=tokens, batch=batch, initial="fan_in", peak=STANDARD) for s in SHAPES
            ]
            gain = f"{mean(cells[0]) - mean(cells[-1]):.3f}" if all(cells) else ""
            row = " | ".join(_cell(values) for values in cells)
            lines.append(f"| {tokens:,.0f} | {batch:,} | {math.ceil(tokens / batch):,} | {row} | {gain} |")
    return [*lines, ""]


PEAK_CELLS = [
    *((SHORT, batch, peak) for batch in (256, 1024) for peak in (0.08, STANDARD, 0.32, 0.64)),
    *((LONG, batch, peak) for batch in (512, 1024) for peak in (STANDARD, 0.32)),
]


def _peak(losses: Callable[..., list[float]]) -> list[str]:
    lines = ["## Peak learning rate x width (fan-in, up to two seeds)", ""]
    lines += [
        "| tokens | tokens a step | peak x width | " + " | ".join(SHAPES) + " |",
        "|---|---|---|" + "---|" * 3,
    ]
    for tokens, batch, peak in PEAK_CELLS:
        cells = [losses(shape=s, tokens=tokens, batch=batch, initial="fan_in", peak=peak)[:2] for s in SHAPES]
        if any(cells):
            lines.append(f"| {tokens:,.0f} | {batch:,} | {peak:g} | " + " | ".join(map(_cell, cells)) + " |")
    return [*lines, "", *PEAK_VERDICT, ""]


PEAK_VERDICT = """\
By the rule above 0.32 would take the place of 0.16: at 450,000 tokens it is better at every shape and batch. Runs of 1.8 million
tokens, added for that reason, say on what it depends: 0.32 is better at 1,758 steps and worse at 3,516, so the best peak falls as
steps grow in number. Runs of one trunk share batch and peak, and the longest of them has many times the steps of the shortest, so
the default keeps 0.16; for a single run at the default batch `peak=0.32/width` gains 0.01 to 0.03 bits per byte.""".splitlines()


def _curves(found: list[dict]) -> list[str]:
    """Training loss of one seed on the way, in nats a token: where the plateau ends decides short runs."""
    lines = [
        "## Curves (seed 0, fan-in, 0.16 / width, 450,000 tokens): training loss in nats a token, by sixteenths of the run",
        "",
    ]
    lines += ["| tokens a step | shape | loss |", "|---|---|---|"]
    for record in found:
        if key(record)[1] == SHORT and key(record)[3:] == ("fan_in", STANDARD, 0):
            curve = " ".join(f"{value:.2f}" for value in record["curve"])
            lines.append(f"| {record['batch']:,} | {record['shape']} | {curve} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
