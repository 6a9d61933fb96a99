"""The demonstration sweep: small runs on real text in four languages, trained in a few minutes.

Two sizes, two mixtures and four lengths: 16 end points that cool down from four trunks. The shortest runs of even
shares are there under two more seeds, so that what size, tokens and share are worth can be held against chance.
Nothing here is a result: the runs are far too small for laws of language, and the demo says what they do identify.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.core.errors import NoAnswerError

if TYPE_CHECKING:
    from isoglot.core.recipe import Recipe
    from isoglot.core.wish import Text
    from isoglot.corpora.corpus import Corpus
    from isoglot.fit.result import Fit
    from isoglot.plan.brief import Brief
    from isoglot.runs import Runs
    from isoglot.sweep.status import Status
    from isoglot.tokenizer.shards import Shards
    from isoglot.train.loop import Trained

LANGUAGES = {"bible": ("eng", "fra", "deu", "hin"), "synthetic-grammar": ("synA", "synB", "synC", "synD")}
SHAPES = ("2x32", "2x64")
TOKENS = (2e5, 4e5, 8e5, 1.6e6)
SEEDS = 3
VOCABULARY = {"bible": 1024, "synthetic-grammar": 512}
# Shares of the four languages: even, and with one language that has most.
MIXTURES = ((0.25, 0.25, 0.25, 0.25), (0.55, 0.15, 0.15, 0.15))
SEQUENCE = 128
EVALUATIONS = 4
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


def recipes(text: Text) -> list[Recipe]:
    """The recipes of the sweep: of every size and mixture from short to long, then the shortest under other seeds."""
    from isoglot.core.wish import Wish
    from isoglot.design.run import lengths, written
    from isoglot.design.seeds import replicates

    found, again = [], []
    for shape in SHAPES:
        for mixture in MIXTURES:
            shares = written(dict(zip(text.languages, mixture, strict=True)))
            wish = Wish(shape, mixture=shares, sequence=SEQUENCE, evaluations=EVALUATIONS)
            first, *others = replicates(wish, SEEDS if mixture == MIXTURES[0] else 1)
            runs = lengths(first, text, TOKENS)
            # The longest run of a trunk is scored on the way; the others begin where their trunk is scored already.
            found += [replace(run, evaluate=()) for run in runs[:-1]] + runs[-1:]
            again += [replace(lengths(one, text, TOKENS)[0], evaluate=()) for one in others]
    return [*found, *again]


def train_sweep(shards: Shards, home: Path, say: Callable[[str], None]) -> list[Trained]:
    """Train every run, one worker a processor, or read what an earlier demonstration trained; in the order of `recipes`."""
    import os
    import uuid

    from isoglot.sweep.driver import run_sweep
    from isoglot.sweep.folder import Conditions, add_design, add_places
    from isoglot.sweep.local import LocalWorkers
    from isoglot.train.build import text_of
    from isoglot.train.loop import train

    wanted = recipes(text_of(shards))
    sweep = add_design(home, wanted, Conditions())
    add_places(home, {shards.fingerprint: shards.folder}, {})

    def tell(status: Status) -> None:
        latest = ", ".join(f"{one.loss:.2f}" for one in status.units if one.state == "running" and one.loss)
        say(f"{status.done} of {status.runs} runs" + (f"; training loss {latest}" if latest else ""))

    status = run_sweep(sweep, LocalWorkers(home, uuid.uuid4().hex[:8]), os.cpu_count() or 1, tell)
    if status.done < status.runs:
        raise NoAnswerError(
            f"{home}: {status.runs - status.done} runs failed: see isoglot sweep status {home}"
        )
    # With all steps done, the training loop reads a run from its folder and trains nothing.
    places = {name: sweep.run_folder(unit) for unit in sweep.units for name in unit.members}
    return [train(recipe, shards, places[recipe.name]) for recipe in wanted]


@dataclass(frozen=True)
class Effect:
    """What a change is worth in bits per byte, beside the standard deviation of the same loss over seeds."""

    change: str
    gain: float
    seed_sd: float


def effects(done: Sequence[Trained]) -> list[Effect]:
    """What more parameters, more tokens and a larger share are worth.

    N and D: the mean loss of all languages, from the smallest to the largest, averaged over everything else. Share: the
    loss of the language that the second mixture favours. The deviation is that of the shortest runs of even shares,
    pooled over the sizes.
    """
    even, favoured = MIXTURES
    chosen = max((share, name) for run in done for name, share in run.recipe.data.stages[0].shares)[1]
    first = [run for run in done if run.recipe.seed == done[0].recipe.seed]
    steps = sorted({run.recipe.steps for run in first})

    def loss(one: str | None, **wanted: Any) -> float:
        """Mean last loss of the runs that are wanted, of one language or all."""
        found = [
            row["loss"]
            for run in first
            for row in run.rows
            if row["step"] == run.recipe.steps
            and all(_facts(run)[name] == value for name, value in wanted.items())
            if one in (None, row["language"])
        ]
        return sum(found) / len(found)

    def of(shape: str) -> int:
        return int(shape.partition("x")[2])

    name = dict(zip(MIXTURES, ("even", "favoured"), strict=True))
    return [
        Effect(
            f"N: {SHAPES[0]} to {SHAPES[-1]}",
            loss(None, width=of(SHAPES[0])) - loss(None, width=of(SHAPES[-1])),
            _seed_sd(done, None),
        ),
        Effect(
            f"D: {TOKENS[0]:.2g} to {TOKENS[-1]:.2g} tokens",
            loss(None, steps=steps[0]) - loss(None, steps=steps[-1]),
            _seed_sd(done, None),
        ),
        Effect(
            f"share of {chosen}: {even[0]:.0%} to {max(favoured):.0%}",
            loss(chosen, mixture=name[even]) - loss(chosen, mixture=name[favoured]),
            _seed_sd(done, chosen),
        ),
    ]


def _facts(run: Trained) -> dict[str, Any]:
    shares = [share for _, share in run.recipe.data.stages[0].shares]
    mixture = "even" if max(shares) - min(shares) < 1e-9 else "favoured"
    return {"width": run.recipe.shape.width, "steps": run.recipe.steps, "mixture": mixture}


def _seed_sd(done: Sequence[Trained], language: str | None) -> float:
    """Standard deviation over seeds of the shortest runs of even shares, pooled over the sizes."""
    shortest = min(run.recipe.steps for run in done)
    squares, free = 0.0, 0
    for width in {run.recipe.shape.width for run in done}:
        losses = [
            [
                row["loss"]
                for row in run.rows
                if row["step"] == shortest and language in (None, row["language"])
            ]
            for run in done
            if _facts(run) == {"width": width, "steps": shortest, "mixture": "even"}
        ]
        means = [sum(one) / len(one) for one in losses]
        centre = sum(means) / len(means)
        squares, free = squares + sum((mean - centre) ** 2 for mean in means), free + len(means) - 1
    return math.sqrt(squares / free)


def baselines(corpus: Corpus, shards: Shards, model: Any) -> list[Baseline]:
    """Unigram and compressor on the documents that the sweep is scored on."""
    from isoglot.train.baselines import compressor_bits_per_byte, unigram_bits_per_byte
    from isoglot.train.evaluate import Evaluator

    evaluator = Evaluator(shards, shards.languages, SEQUENCE)
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
    """The own-share law, its exponents shared by the languages: so few runs identify no more than that, if so much."""
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
