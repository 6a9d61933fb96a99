"""All probes of a checkpoint for a pair of languages, as rows of the measures table and an account of what was used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Recipe
from isoglot.corpora.synthetic import Synthetic
from isoglot.tokenizer.shards import Shards
from isoglot.train.aligned_text import aligned_text
from isoglot.train.alignment import hidden_alignment, untrained_alignment
from isoglot.train.checkpoint import load_models, open_checkpoint, require_ids
from isoglot.train.embedding_alignment import embedding_alignment
from isoglot.train.gradient_alignment import gradient_alignment
from isoglot.train.labelled_text import TransferTask, task_from_file, topic_transfer
from isoglot.train.measures import Measure, table
from isoglot.train.model import Transformer
from isoglot.train.zero_shot import zero_shot

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ProbeSettings:
    """What is probed: `pairs` of texts, the seed of mismatches and controls, and a labelled task, if any.

    `task` is a file of labelled texts or the synthetic source of the corpus; `texts` are the sentences to learn from,
    and as many to test on, of a synthetic one.
    """

    pairs: int = 64
    seed: int = 0
    task: Path | Synthetic | None = None
    texts: int = 1000


@dataclass(frozen=True)
class Probed:
    """Findings of one run at one point for one pair; `account` counts what was compared, cut and left out."""

    run: str
    point: int | None
    pair: tuple[str, str]
    measures: list[Measure]
    account: dict[str, dict[str, int]]
    notes: list[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the measures table."""
        return table(self.run, self.point, self.measures)


def parse_pair(text: str, shards: Shards) -> tuple[str, str]:
    """The labels in `A,B`; InputError unless they are two different languages of the shards."""
    names = [parse_label(part.strip()) for part in text.split(",") if part.strip()]
    if len(names) != 2 or names[0] == names[1]:
        raise InputError(f"pair {text!r} does not name two different languages: write eng,fra or eng,eng#2")
    for name in names:
        shards.stream(name)
    return names[0], names[1]


def probe_model(
    model: Transformer,
    shards: Shards,
    pair: tuple[str, str],
    sequence: int,
    settings: ProbeSettings | None = None,
    tell: Tell = lambda _: None,
) -> tuple[list[Measure], dict[str, dict[str, int]]]:
    """All measures of a model for a pair, and counts of what each part used, by reason.

    Raises InputError for text that is not aligned, NoAnswerError for a gradient that vanishes.
    """
    how = settings or ProbeSettings()
    text = aligned_text(shards, pair, sequence, how.pairs)
    tell("hidden states")
    found = hidden_alignment(model, text, pair, how.seed)
    found += untrained_alignment(model.shape, text, pair, how.seed)
    tell("gradients")
    found += gradient_alignment(model, text, pair, how.seed)
    tell("embeddings")
    rows, pieces = embedding_alignment(model, shards, pair)
    account = {"text": {"pairs": text.pairs, **text.left_out}, "embeddings": pieces}
    found += rows
    if how.task is not None:
        tell("the labelled task")
        rows, account["task"] = zero_shot(model, shards, pair, _task(shards, pair, how), sequence, how.seed)
        found += rows
    return found, account


def probe_checkpoint(
    folder: str | Path,
    shards: Shards,
    pairs: Sequence[tuple[str, str]],
    settings: ProbeSettings | None = None,
    tell: Tell = lambda _: None,
) -> list[Probed]:
    """Probe a checkpoint, or the last of a run (each run of a pack), for some pairs.

    Raises InputError for a checkpoint of another vocabulary or other clones than the shards', and as `probe_model`.
    """
    checkpoint = open_checkpoint(folder)
    require_ids(checkpoint, shards)
    models = [jax.tree.map(jnp.asarray, model) for model in load_models(checkpoint)]
    found = []
    for recipe, model in zip(checkpoint.recipes, models, strict=True):
        point = checkpoint.step * recipe.data.batch * recipe.data.sequence + (
            recipe.base.tokens if recipe.base else 0
        )
        for pair in pairs:
            tell(f"{recipe.name}, {' and '.join(pair)}")
            measures, account = probe_model(model, shards, pair, recipe.data.sequence, settings, tell)
            notes = _notes(recipe, shards, pair, account)
            found.append(Probed(recipe.name, point or None, pair, measures, account, notes))
    return found


def _task(shards: Shards, pair: tuple[str, str], how: ProbeSettings) -> TransferTask:
    streams = (shards.stream(pair[0]), shards.stream(pair[1]))
    if isinstance(how.task, Synthetic):
        return topic_transfer(how.task, streams, how.texts, how.seed)
    assert how.task is not None
    return task_from_file(how.task, streams, how.seed)


def _notes(
    recipe: Recipe, shards: Shards, pair: tuple[str, str], account: dict[str, dict[str, int]]
) -> list[str]:
    """What a reader of the rows should know about this pair."""
    notes = []
    trained = {name for stage in recipe.data.stages for name, share in stage.shares if share > 0}
    unseen = [name for name in pair if name not in trained]
    if unseen:
        notes.append(f"the run was not trained on {' and '.join(unseen)}")
    if recipe.data.shards != shards.fingerprint:
        notes.append("the run was trained on other shards with this vocabulary and these clones")
    if account["embeddings"]["pieces compared"] == 0:
        notes.append("every piece has one id in both languages, so there are no embeddings to compare")
    return notes
