"""Is an exported checkpoint the same model to Hugging Face's transformers? Logits, token ids, names, tied and untied.

Question (written before the run): do logits differ by more than 1e-4 anywhere, at a standard deviation of the logits
near 1 or above, or does any text get other ids? Either would be a defect of the export.

Small models are trained for 150 steps on this repository's own documentation (real text) and a synthetic language, with
every kind of vocabulary, exported, and read in an environment that holds transformers and PyTorch and none of ours. The
script makes that environment from `llama_parity_requirements.txt` unless `--python` names one that is ready.

    python -m experiments.llama_parity    # writes llama_parity.json and llama_parity.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.corpora.joined import JoinedSource
from isoglot.corpora.local import TextSource
from isoglot.corpora.prepare import prepare
from isoglot.corpora.synthetic import make
from isoglot.tokenizer import Clones, Shards, train_vocabulary, write_shards
from isoglot.train.checkpoint import open_checkpoint
from isoglot.train.evaluate import Evaluation
from isoglot.train.export import export_llama
from isoglot.train.loop import Settings, train
from isoglot.train.model import logits

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".llama_parity"
REQUIREMENTS = HERE / "llama_parity_requirements.txt"
BAR = 1e-4
SEQUENCE, BATCH, STEPS = 128, 8, 150
SHAPE = Shape(layers=3, width=64, ffn=160, heads=3, head_width=16, vocabulary=257)
ODD_TEXTS = (
    "",
    " ",
    "\n\n  two lines\t\r\n",
    "An <|end|> that is text.",
    "Ça coûte 1 234,50 € — naïve café",
    "हिन्दी में न्याय और कार्य",
    "می‌خواهم بنویسم",
    "我们在学习语言模型。",
    "한국어와 日本語とไทย",
    "👩‍👩‍👧 flags 🇫🇷 and e\u0301",
    "\u0000\ufffd\u2028 control",
    "def f(x):\n    return x**2  # code",
)


@dataclass(frozen=True)
class Case:
    """A vocabulary, whether the tables are tied, and the language whose tokenizer is exported."""

    name: str
    vocabulary: str
    tied: bool
    language: str | None = None
    clones: bool = False


CASES = (
    Case("bytes, tied", "bytes", True),
    Case("BPE, tied", "bpe", True),
    Case("BPE, untied", "bpe", False),
    Case("disjoint pair, second language", "disjoint", True, "synA"),
    Case("merged pair, second language, untied", "merged", False, "synA"),
    Case("clones with anchors, second clone", "bpe", True, "eng#2", clones=True),
)


def build(case: Case, corpus: Any, folder: Path) -> None:
    """Train, export, and write what the reference compares with."""
    languages = ("eng",) if case.clones else ("eng", "synA")
    vocabulary = train_vocabulary(
        case.vocabulary, corpus, None if case.vocabulary == "bytes" else 600, languages
    )
    clones = Clones("eng", 2, anchor_fraction=0.1) if case.clones else None
    shards = write_shards(corpus, vocabulary, folder / "shards", clones, languages)
    first, second = shards.languages[:2]
    recipe = Recipe(
        replace(SHAPE, vocabulary=shards.vocabulary_size, tied=case.tied),
        Data(shards.fingerprint, (Stage(((first, 0.7), (second, 0.3))),), SEQUENCE, BATCH),
        Optimiser(peak=1e-2, warmup=10, decay=30),
        STEPS,
    )
    done = train(recipe, shards, folder / "runs", Settings(evaluation=Evaluation(documents=1)))
    target = folder / "cases" / case.name
    target.mkdir(parents=True)
    export_llama(open_checkpoint(done.folder), target / "export", None, case.language, shards)
    model = jax.tree.map(jnp.asarray, done.model)
    language = case.language or first
    held = shards.held_out(language).tokens
    tokens = {
        "random": np.random.default_rng(0).integers(0, shards.vocabulary_size, (8, SEQUENCE), dtype=np.int32),
        "text": held[: len(held) // SEQUENCE * SEQUENCE][: 16 * SEQUENCE].reshape(-1, SEQUENCE),
    }
    kept = {f"{kind}_tokens": ids for kind, ids in tokens.items()}
    kept |= {f"{kind}_logits": np.asarray(logits(model, ids)) for kind, ids in tokens.items()}
    np.savez(target / "logits.npz", **kept)
    (target / "texts.json").write_text(json.dumps(texts(corpus, shards, language)))


def documentation(folder: Path) -> Path:
    """This repository's pages as plain text, a file each."""
    place = folder / "text"
    place.mkdir()
    for page in sorted((HERE.parent / "docs").glob("*.md")):
        (place / f"{page.stem}.txt").write_bytes(page.read_bytes())
    return place


def texts(corpus: Any, shards: Shards, language: str) -> list[dict[str, Any]]:
    """Held-out passages and odd texts with the ids that a model of ours is given."""
    base = shards.stream(language)
    found = [*ODD_TEXTS, *corpus.table(base, "held_out")["text"].to_list()[:200]]
    mapping, end = shards.mapping(language), shards.end_of(language)
    encoded = shards.vocabulary.encode(base, found)
    return [
        {"text": text, "ids": (ids if mapping is None else mapping[ids]).tolist(), "end": end}
        for text, ids in zip(found, encoded, strict=True)
    ]


def reference_python() -> Path:
    """The interpreter of an environment with transformers, made if it is not there."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
        (ENVIRONMENT / ".ready").touch()
    return python


def markdown(found: dict[str, Any]) -> str:
    """The report."""
    rows = [
        f"| {name} | {case['parameters']:,} | {case['random']['largest_difference']:.1e} | "
        f"{case['text']['largest_difference']:.1e} | {case['text']['logit_sd']:.2f} | "
        f"{case['texts_with_other_ids']} of {case['texts']} | {case['texts_not_given_back']} | {case['keys_amiss']} |"
        for name, case in found["cases"].items()
    ]
    worst = max(
        case[kind]["largest_difference"] for case in found["cases"].values() for kind in ("random", "text")
    )
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    lines = [
        "# Exported checkpoints in transformers",
        "",
        "Generated by `python -m experiments.llama_parity`; do not edit.",
        "",
        f"Largest difference of a logit over all cases: **{worst:.1e}** (bar {BAR:g}); float32, {versions}.",
        f"{STEPS} steps on the documentation of this repository and a synthetic language; {SEQUENCE} positions, random "
        "ids and held-out text. Texts: held-out passages and twelve odd ones (scripts, joiners, controls, `<|end|>`).",
        "",
        "| case | parameters | logits, random ids | logits, text | sd of logits | texts with other ids | not given back | "
        "keys amiss |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Build the cases, compare them elsewhere, write the report; exit 1 if the bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.llama_parity", description="Compare exports."
    )
    parser.add_argument("--python", help="interpreter of a ready environment with transformers and torch")
    python = parser.parse_args().python or reference_python()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [
            TextSource({"eng": documentation(folder)}),
            make("grammar", ("synA",), {"documents": "60"}),
        ]
        corpus = prepare(JoinedSource(sources), folder / "corpus")
        for number, case in enumerate(CASES):
            print(case.name, flush=True)
            build(case, corpus, folder / str(number))
        gathered = folder / "cases"
        gathered.mkdir()
        for number, case in enumerate(CASES):
            (folder / str(number) / "cases" / case.name).rename(gathered / case.name)
        script = HERE / "llama_parity_reference.py"
        done = subprocess.run(
            [str(python), str(script), str(gathered)], check=True, stdout=subprocess.PIPE, text=True
        )
    found = json.loads(done.stdout.splitlines()[-1])
    (HERE / "llama_parity.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "llama_parity.md").write_text(markdown(found))
    print(markdown(found))
    cases = found["cases"].values()
    wrong = any(
        case["texts_with_other_ids"] or case["keys_amiss"] or not case["end_ids_agree"] for case in cases
    )
    worst = max(case[kind]["largest_difference"] for case in cases for kind in ("random", "text"))
    sys.exit(1 if wrong or worst > BAR else 0)


if __name__ == "__main__":
    main()
