"""The demonstration sweep: twelve small runs on real text in four languages, trained in a few minutes.

Three sizes, two lengths and two mixtures. The two lengths of a size and mixture cool down from one trunk. Nothing
here is a result: the runs are far too small for laws of language, and the demo says what they do identify.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.corpora.corpus import Corpus
    from isoglot.fit.result import Fit
    from isoglot.plan.brief import Brief
    from isoglot.runs import Runs
    from isoglot.tokenizer.shards import Shards
    from isoglot.train.loop import Trained

LANGUAGES = {"bible": ("eng", "fra", "deu", "hin"), "synthetic-grammar": ("synA", "synB", "synC", "synD")}
SHAPES = ("2x32", "2x64", "2x96")
TOKENS = (1.5e5, 4.5e5)
VOCABULARY = {"bible": 1024, "synthetic-grammar": 512}
# Shares of the four languages: even, and with one language that has most.
MIXTURES = ((0.25, 0.25, 0.25, 0.25), (0.55, 0.15, 0.15, 0.15))
SEQUENCE, BATCH = 128, 8
EVALUATIONS = 4
DOCUMENTS = 12
LAW = "msl"


@dataclass(frozen=True)
class Baseline:
    """What a language's held-out text costs without a network, in bits per byte."""

    language: str
    unigram: float
    compressor: float


def prepare_text(source: str, home: Path, say: Callable[[str], None]) -> tuple[Corpus, Shards]:
    """The text of the sweep, fetched (or generated), cleaned, split and tokenised; kept for the next time.

    Raises InputError if it cannot be fetched.
    """
    from isoglot.corpora.catalogue import SOURCES
    from isoglot.corpora.corpus import open_corpus
    from isoglot.corpora.prepare import prepare
    from isoglot.tokenizer.kinds import train_vocabulary
    from isoglot.tokenizer.shards import open_shards, write_shards

    corpus_folder, shards_folder = home / f"{source}-corpus", home / f"{source}-shards"
    if (corpus_folder / "manifest.json").is_file():
        corpus = open_corpus(corpus_folder)
    else:
        say("fetching text" if source == "bible" else "generating text")
        options = {} if source == "bible" else {"documents": "400", "overlap": "0.3"}
        corpus = prepare(SOURCES[source].make(LANGUAGES[source], False, options), corpus_folder)
    if (shards_folder / "manifest.json").is_file():
        return corpus, open_shards(shards_folder)
    say("tokenising")
    vocabulary = train_vocabulary("bpe", corpus, VOCABULARY[source], None, None, 4_000_000)
    return corpus, write_shards(corpus, vocabulary, shards_folder)


def recipes(shards: Shards) -> list[list[Recipe]]:
    """The recipes of the sweep: a trunk each, with its runs from short to long."""
    from isoglot.core.wish import Wish, shorter
    from isoglot.train.build import build_recipe

    found = []
    for shape in SHAPES:
        for mixture in MIXTURES:
            shares = ",".join(
                f"{name}={share}" for name, share in zip(shards.languages, mixture, strict=True)
            )
            wish = Wish(
                shape, TOKENS[-1], shares, sequence=SEQUENCE, batch=BATCH, evaluations=EVALUATIONS,
                pair_key="demo",
            )  # fmt: skip
            longest = build_recipe(wish, shards)
            found.append([*(replace(shorter(longest, count), evaluate=()) for count in TOKENS[:-1]), longest])
    return found


def train_sweep(shards: Shards, home: Path, say: Callable[[str], None]) -> list[Trained]:
    """Train every run, or read what an earlier demonstration trained."""
    from isoglot.train.evaluate import Evaluation
    from isoglot.train.loop import Settings, train_branches

    trunks = recipes(shards)
    total = sum(len(trunk) for trunk in trunks)
    done: list[Trained] = []
    for trunk in trunks:
        at = f"runs {len(done) + 1} to {len(done) + len(trunk)} of {total}"

        def tell(step: int, steps: int, losses: Any, at: str = at) -> None:
            say(f"{at}: step {step} of {steps}, loss {float(losses):.3f}")

        settings = Settings(Evaluation(documents=DOCUMENTS), tell=tell)
        done += train_branches(trunk, shards, home / "runs", settings)
    return done


def baselines(corpus: Corpus, shards: Shards, model: Any) -> list[Baseline]:
    """Unigram and compressor on the documents that the sweep is scored on."""
    from isoglot.train.baselines import compressor_bits_per_byte, unigram_bits_per_byte
    from isoglot.train.evaluate import Evaluation, Evaluator

    evaluator = Evaluator(shards, shards.languages, SEQUENCE, Evaluation(documents=DOCUMENTS))
    found = []
    for score in evaluator.scores(model):
        held = corpus.table(score.language, "held_out")
        scored = held.filter(held["document"].is_in(evaluator.documents(score.language)))
        found.append(
            Baseline(
                score.language,
                unigram_bits_per_byte(score),
                compressor_bits_per_byte(_joined(corpus.table(score.language, "train")), _joined(scored)),
            )
        )
    return found


def _joined(table: Any) -> str:
    return "\n".join(table["text"].to_list())


def table_of(done: Sequence[Trained]) -> Runs:
    """The run table of the finished, cooled-down points."""
    import polars as pl

    from isoglot.runs import read_runs

    rows = [row for run in done for row in run.rows if row["step"] == run.recipe.steps]
    return read_runs(pl.DataFrame(rows, infer_schema_length=None))


def fit_sweep(runs: Runs, say: Callable[[str], None]) -> Fit:
    """The own-share law, its exponents shared by the languages: twelve runs identify no more than that, if so much."""
    from isoglot.fit import fit

    return fit(runs, LAW, by="language", pool="shared", bootstrap=200, progress=say)


def write_table(done: Sequence[Trained], path: Path) -> None:
    """Write every row of the sweep's runs, evaluations on the way included."""
    import polars as pl

    rows = [row for run in done for row in run.rows]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)


def brief_for(runs: Runs, size: float | None = None) -> Brief:
    """Ten times the largest run on the same languages and text, at a given size if there is one."""
    from isoglot.plan.brief import Brief

    text = {name: {"unique": largest(runs, f"unique.{name}")} for name in runs.languages}
    return Brief(budget=10 * largest(runs, "flops"), languages=text, params=size)


def largest(runs: Runs, column: str) -> float:
    """The largest value of a number column."""
    return max(float(value) for value in runs.frame[column].to_list())
