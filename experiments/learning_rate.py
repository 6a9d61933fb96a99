"""Which peak learning rate small models want, by width: the evidence behind the default of `isoglot train`.

Hypothesis, from a coarse look at three widths: the best peak falls as one over the width.
Text: four Bible translations (eng, fra, deu, hin), byte-level BPE of 1,024 ids; 250,000 tokens, batch 8 x 128, WSD.

    python -m experiments.learning_rate           # the runs not yet in learning_rate.jsonl
    python -m experiments.learning_rate --table   # learning_rate.md from them
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
LINES, TABLE = HERE / "learning_rate.jsonl", HERE / "learning_rate.md"
SHAPES = ("2x32", "2x64", "2x96", "4x128")
PEAKS = (7e-4, 1e-3, 1.4e-3, 2e-3, 2.8e-3, 4e-3, 5.6e-3, 8e-3, 1.1e-2, 1.6e-2)
LANGUAGES = ("eng", "fra", "deu", "hin")


def main() -> None:
    """Run what is missing, or write the table."""
    if "--table" in sys.argv:
        TABLE.write_text(table(records()), encoding="utf-8")
        return
    from isoglot.core.wish import Wish
    from isoglot.corpora.request import default_folder
    from isoglot.demo_sweep import prepare_text
    from isoglot.train.build import build_recipe
    from isoglot.train.evaluate import Evaluation
    from isoglot.train.loop import Settings, train

    home = default_folder("learning-rate-study")
    _, shards = prepare_text("bible", home, lambda _: None)
    done = {(record["shape"], record["peak"]) for record in records()}
    for shape in SHAPES:
        width = int(shape.partition("x")[2])
        for peak in PEAKS:
            if (shape, peak) in done or not 0.05 <= peak * width <= 0.7:
                continue
            recipe = build_recipe(Wish(shape, 2.5e5, sequence=128, batch=8, peak=peak), shards)
            run = train(recipe, shards, home / "runs", Settings(Evaluation(documents=12)))
            losses = {row["language"]: round(row["loss"], 4) for row in run.rows}
            with LINES.open("a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"shape": shape, "peak": peak, "loss": losses, "run": recipe.name}) + "\n"
                )


def records() -> list[dict]:
    """What has been measured."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def table(found: list[dict]) -> str:
    """Mean loss by shape and peak, the best of each shape marked."""
    lines = [
        "# Peak learning rate by width",
        "",
        (__doc__ or "").partition("\n\n")[2].partition("\n\n")[0].replace("\n", " ").strip(),
        "",
        "Mean loss of four languages in bits per byte; one seed. The best of each shape is bold.",
        "",
        "| peak | " + " | ".join(SHAPES) + " |",
        "|---|" + "---|" * len(SHAPES),
    ]
    means = {(r["shape"], r["peak"]): sum(r["loss"].values()) / len(r["loss"]) for r in found}
    best = {
        shape: min((loss, peak) for (one, peak), loss in means.items() if one == shape)[1]
        for shape in SHAPES
        if any(one == shape for one, _ in means)
    }
    for peak in PEAKS:
        cells = []
        for shape in SHAPES:
            loss = means.get((shape, peak))
            text = "" if loss is None else f"{loss:.3f}"
            cells.append(f"**{text}**" if best.get(shape) == peak else text)
        lines.append(f"| {peak:g} | " + " | ".join(cells) + " |")
    products = ", ".join(f"{shape}: {best[shape] * int(shape.partition('x')[2]):.2f}" for shape in best)
    lines += ["", f"Best peak x width: {products}. The default of `isoglot train` is 0.16 / width.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
