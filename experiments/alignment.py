"""Clones, a real pair and a continued base, each trained and probed by the command line.

Hypotheses, written before the runs (signs of arXiv 2404.07982, sections 4 and 5, at a far smaller scale):

1. clones: gradients of the two agree more when one dominates (90/10) than when both are even;
2. input embeddings of clone pairs agree more when one dominates;
3. a raw hidden-state cosine says little: mismatched texts have nearly the same, so the null is shown beside it;
4. a real pair with a merged vocabulary shares some structure above its nulls;
5. a multilingual base continued on one language beats a fresh run of the same further tokens on that language.

    python -m experiments.alignment           # what is missing (text is fetched; about ten minutes on two cores)
    python -m experiments.alignment --table   # alignment.md from alignment.jsonl
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LINES, TABLE = HERE / "alignment.jsonl", HERE / "alignment.md"
SHAPE = ["--shape", "2x96", "--sequence", "128", "--batch", "8", "--documents", "20"]
# name -> source, options of tokenize, pair
TEXTS: dict[str, tuple[str, list[str], str]] = {
    "clones": ("bible", ["--languages", "eng", "--clone", "eng=2", "--size", "1024"], "eng,eng#2"),
    "synthetic": (
        "synthetic-grammar",
        ["--languages", "synA", "--clone", "synA=2", "--size", "512"],
        "synA,synA#2",
    ),
    "pair": ("bible", ["--languages", "eng,fra", "--vocabulary", "merged", "--size", "1024"], "eng,fra"),
    "four": ("bible", ["--size", "1024"], ""),
}
# name -> text, options of train, name of the run that it continues
RUNS: dict[str, tuple[str, list[str], str]] = {
    "clones 50/50": ("clones", ["--mixture", "eng=0.5,eng#2=0.5", "--tokens", "1.5e6"], ""),
    "clones 90/10": ("clones", ["--mixture", "eng=0.9,eng#2=0.1", "--tokens", "1.5e6"], ""),
    "synthetic clones 50/50": ("synthetic", ["--mixture", "synA=0.5,synA#2=0.5", "--tokens", "1e6"], ""),
    "synthetic clones 90/10": ("synthetic", ["--mixture", "synA=0.9,synA#2=0.1", "--tokens", "1e6"], ""),
    "English and French 50/50": ("pair", ["--mixture", "eng=0.5,fra=0.5", "--tokens", "1.5e6"], ""),
    "UniMax base": ("four", ["--mixture", "unimax:4", "--tokens", "1e6"], ""),
    "base continued on Hindi": ("four", ["--mixture", "hin=1", "--tokens", "4e5"], "UniMax base"),
    "Hindi from scratch": ("four", ["--mixture", "hin=1", "--tokens", "4e5"], ""),
}


def isoglot(*arguments: str) -> str:
    """Run a command as a user would, and return what it printed."""
    code = "from isoglot.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> None:
    """Run what is missing, or write the table."""
    if "--table" in sys.argv:
        TABLE.write_text(table(records()), encoding="utf-8")
        return
    from isoglot.corpora.request import default_folder

    home = default_folder("alignment-study")
    sources = {
        "bible": ["--languages", "eng,fra,deu,hin"],
        "synthetic-grammar": ["--option", "documents=400"],
    }
    for source, options in sources.items():
        if not (home / source).exists():
            isoglot("corpus", "fetch", source, *options, "--to", str(home / source))
    for name, (source, options, _) in TEXTS.items():
        if not (home / f"{name}-shards").exists():
            isoglot("tokenize", str(home / source), "--to", str(home / f"{name}-shards"), *options)
    done = {record["name"]: record for record in records()}
    for name in RUNS:
        if name not in done:
            done[name] = one(name, home, done)
            with LINES.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[name]) + "\n")


def one(name: str, home: Path, done: dict[str, Any]) -> dict[str, Any]:
    """Train and probe one run."""
    text, options, base = RUNS[name]
    source, _, pair = TEXTS[text]
    shards = str(home / f"{text}-shards")
    shape = SHAPE
    if base:
        shape = [*SHAPE[2:], "--continue", str(home / "runs" / done[base]["run"])]
    command = ["train", "--shards", shards, "--to", str(home / "runs"), *shape, *options]
    rows = json.loads(isoglot(*command, "--json"))
    kept = [
        {key: row[key] for key in ("language", "loss", "loss_se", "tokens", "params", "bits_per_unit")}
        for row in rows
    ]
    record = {"name": name, "command": " ".join(["isoglot", *options]), "run": rows[0]["run"], "scores": kept}
    if pair:
        task = ["--corpus", str(home / source)] if source.startswith("synthetic") else []
        probe = [
            "probe",
            str(home / "runs" / rows[0]["run"]),
            "--shards",
            shards,
            "--pair",
            pair,
            *task,
            "--json",
        ]
        record["measures"] = json.loads(isoglot(*probe))
    return record


def records() -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def table(found: list[dict[str, Any]]) -> str:
    """Losses, then the measures of each run beside their nulls."""
    doc = (__doc__ or "").partition("    python -m")[0].strip()
    lines = [
        "# Alignment of clones and of a real pair, and a continued base",
        "",
        doc,
        "",
        "One seed each.",
        "",
    ]
    lines += [
        "## Losses on held-out text",
        "",
        "| run | parameters | language | bits per byte | s.e. |",
        "|---|---|---|---|---|",
    ]
    for record in found:
        for score in record["scores"]:
            lines.append(
                f"| {record['name']} | {score['params']:,} | {score['language']} | {score['loss']:.3f} | "
                f"{score['loss_se']:.3f} |"
            )
    lines += ["", "## What became of the hypotheses", "", *verdicts(found)]
    for record in found:
        if "measures" in record:
            head = ["| metric | layer | value | null | s.e. |", "|---|---|---|---|---|"]
            lines += [
                "",
                f"## {record['name']}",
                "",
                "Tensors and deciles are in `alignment.jsonl`.",
                "",
                *head,
            ]
            rows = record["measures"][0]["rows"]
            lines += [_row(measure) for measure in rows if "." not in measure["metric"]]
    return "\n".join([*lines, ""])


def verdicts(found: list[dict[str, Any]]) -> list[str]:
    """Each hypothesis beside the figures that speak of it."""

    def above(name: str, metric: str) -> tuple[float, float]:
        record = next(record for record in found if record["name"] == name)
        rows = [row for row in record["measures"][0]["rows"] if row["metric"] == metric]
        last = [row for row in rows if row["layer"] is None] or rows[-1:]
        return last[0]["value"] - last[0]["null_value"], last[0]["se"]

    def loss(name: str, language: str) -> float:
        record = next(record for record in found if record["name"] == name)
        return float(next(score["loss"] for score in record["scores"] if score["language"] == language))

    lines = []
    for number, metric in ((1, "gradient_cosine"), (2, "embedding_cosine")):
        for kind in ("clones", "synthetic clones"):
            (even, even_se), (one, one_se) = above(f"{kind} 50/50", metric), above(f"{kind} 90/10", metric)
            gap, error = one - even, (even_se**2 + one_se**2) ** 0.5
            held = "held" if gap > 2 * error else "did not hold" if gap < -2 * error else "undecided"
            lines.append(
                f"{number}. {kind}: {metric} above its null {even:.3f} (s.e. {even_se:.3f}) at 50/50, {one:.3f} "
                f"(s.e. {one_se:.3f}) at 90/10: {held}."
            )
    for name, metric in (("clones 50/50", "hidden_cosine"), ("clones 90/10", "hidden_cosine")):
        gap, error = above(name, metric)
        lines.append(f"3. {name}: {metric} of the last layer is {gap:+.3f} (s.e. {error:.3f}) from its null.")
    gap, error = above("English and French 50/50", "pooled_cosine")
    gradient, gradient_se = above("English and French 50/50", "gradient_cosine")
    lines.append(
        f"4. English and French: pooled_cosine of the last layer {gap:+.3f} (s.e. {error:.3f}) and gradient_cosine "
        f"{gradient:+.3f} (s.e. {gradient_se:.3f}) from their nulls."
    )
    base, fresh = loss("base continued on Hindi", "hin"), loss("Hindi from scratch", "hin")
    lines.append(
        f"5. Hindi after 400,000 further tokens: {base:.3f} bits per byte continued, {fresh:.3f} from scratch; the base's "
        f"own million tokens are not counted: {'held' if base < fresh else 'did not hold'}."
    )
    return lines


def _row(measure: dict[str, Any]) -> str:
    def cell(value: Any) -> str:
        return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)

    names = ("layer", "value", "null_value", "se")
    return f"| {measure['metric']} | " + " | ".join(cell(measure[name]) for name in names) + " |"


if __name__ == "__main__":
    main()
