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
import sys
from collections.abc import Iterator
from pathlib import Path

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


if __name__ == "__main__":
    main()
