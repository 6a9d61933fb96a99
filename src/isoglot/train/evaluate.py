"""Losses of a model by language on held-out text, with standard errors over documents.

Every held-out token but the first of the stream is predicted once, from the tokens of its window before it (see
`isoglot.train.windows`). Four units are reported, since none serves all comparisons:

    nats_per_token       sum of losses / tokens: comparable under one vocabulary and text alone
    bits_per_byte        sum / (ln 2 x UTF-8 bytes): comparable across vocabularies, for one text
    bits_per_unit        sum over aligned passages / (ln 2 x passages): comparable across languages (same content:
                         the passages that all languages with such passages share)
    unigram_normalised   nats a token minus those of a unigram model of the language's own training text

A standard error is that of a ratio of sums over documents, the unit of the held-out split: passages of a document
hang together. It speaks of the choice of documents alone, not of seeds. None where there is one document.

Where n of the N held-out documents are scored (see `isoglot.train.held_out_sample`), the standard error s is still that
of the language's text at large, from which all N are drawn. The part of it that scoring all N would take away, and the
part that would stay, are

    sampling  s sqrt(1 - n / N)        text  s sqrt(n / N)

Runs that are scored on one sample share both, so a difference between runs has less of either.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.recipe import Borders
from isoglot.core.scoring import Scoring
from isoglot.train.cross_entropy import token_losses
from isoglot.train.held_out_sample import Documents, sampled
from isoglot.train.loader import segments_of
from isoglot.train.model import Transformer, hidden
from isoglot.train.windows import Windows

LN2 = math.log(2.0)
# Tokens of training text that a unigram model is counted on: more changes nothing that matters.
UNIGRAM_TOKENS = 1 << 24


@dataclass(frozen=True)
class Evaluation:
    """What the environment says of scoring: windows of `rows` at a time, and another sample than the recipe's.

    `documents` scores the first so many documents a language in the order of samples (None: as the recipe says).
    """

    documents: int | None = None
    rows: int = 16


@dataclass(frozen=True)
class Score:
    """Losses of one language, each with its standard error over documents; `sampling_se` is a part of that of bits a byte.

    `eval_set` names what was scored, `documents` of `held_documents`: losses of different names are not comparable.
    """

    language: str
    eval_set: str
    tokens: int
    bytes: int
    documents: int
    held_documents: int
    units: int
    nats_per_token: float
    nats_per_token_se: float | None
    bits_per_byte: float
    bits_per_byte_se: float | None
    bits_per_unit: float | None
    bits_per_unit_se: float | None
    unigram_normalised: float
    unigram_normalised_se: float | None
    sampling_se: float | None

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes of the scored text over its tokens."""
        return self.bytes / self.tokens


class Evaluator:
    """Scores models of one shape on the held-out text of some languages; `names` are the eval sets by language."""

    def __init__(
        self,
        shards: Any,
        languages: Sequence[str],
        sequence: int,
        how: Evaluation | None = None,
        dtype: Any = jnp.float32,
        scoring: Scoring | None = None,
        borders: Borders = "open",
    ) -> None:
        self.how, scoring = how or Evaluation(), scoring or Scoring()
        if self.how.documents is not None and self.how.documents < 1:
            raise InputError(
                f"evaluation has documents={self.how.documents}: give a positive integer or none"
            )
        self.sequence, self.dtype, self.window = sequence, dtype, scoring.window
        streams = {name: _Held(shards, name) for name in map(shards.stream, shards.languages)}
        sample = sampled(
            {name: held.documents for name, held in streams.items()}, scoring.sample, self.how.documents
        )
        # Those of all languages, so that a unit's text does not depend on what else a run is scored on.
        aligned = [found for name, held in streams.items() if (found := held.units_of(sample[name]))]
        common = set.intersection(*aligned) if aligned else set()
        self._texts = {name: _Text(shards, name, sample[shards.stream(name)], common) for name in languages}
        self._ends = {name: shards.end_of(name) for name in languages} if borders == "masked" else {}
        self.names = {name: _eval_set(shards, text, scoring) for name, text in self._texts.items()}

    def scores(self, model: Transformer, languages: Sequence[str] | None = None) -> list[Score]:
        """Score some languages (None: every one)."""
        model = jax.device_put(model)
        chosen = self._texts if languages is None else languages
        return [self._score(name, self._texts[name], model) for name in chosen]

    def documents(self, language: str) -> list[str]:
        """Keys of the documents that are scored, in the order of the text."""
        return self._texts[language].keys

    def losses(self, model: Transformer, language: str) -> np.ndarray:
        """Loss in nats of every held-out token but the first, float64 (T - 1,), context tokens included."""
        tokens, rows = self._texts[language].tokens, self.how.rows
        windows = Windows(len(tokens), self.sequence, self.window)
        read = [tokens[:-1], tokens[1:]]
        if language in self._ends:
            read.append(segments_of(tokens[:-1], self._ends[language]))
        parts = [_whole(windows.of(part), rows) for part in read]
        found = [
            np.asarray(_window_losses(model, self.dtype, *(part[at : at + rows] for part in parts)))
            for at in range(0, len(parts[0]), rows)
        ]
        return windows.kept(np.concatenate(found)[: windows.count]).astype(np.float64)

    def tokens(self) -> int:
        """Tokens that scoring every language computes, windows filled up to `rows` at a time."""
        windows = [Windows(len(text.tokens), self.sequence, self.window) for text in self._texts.values()]
        return sum(-(-one.count // self.how.rows) for one in windows) * self.how.rows * self.sequence

    def _score(self, name: str, text: _Text, model: Transformer) -> Score:
        losses = self.losses(model, name)[text.scored]
        aligned = text.aligned
        by_document = text.sums(losses)
        tokens = text.sums(np.ones(len(losses)))
        over_unigram = text.sums(losses - text.unigram)
        per_token, per_token_se = ratio(by_document, tokens)
        per_byte, per_byte_se = ratio(by_document / LN2, text.byte_counts)
        over, over_se = ratio(over_unigram, tokens)
        left = 1 - len(tokens) / text.held_documents
        per_unit: float | None = None
        per_unit_se: float | None = None
        if text.units.sum():
            per_unit, per_unit_se = ratio(text.sums(losses * aligned) / LN2, text.units)
        return Score(
            name,
            self.names[name],
            len(losses),
            int(text.byte_counts.sum()),
            len(text.byte_counts),
            text.held_documents,
            int(text.units.sum()),
            per_token,
            per_token_se,
            per_byte,
            per_byte_se,
            per_unit,
            per_unit_se,
            over,
            over_se,
            0.0 if not left else None if per_byte_se is None else per_byte_se * math.sqrt(left),
        )


def _whole(windows: np.ndarray, rows: int) -> np.ndarray:
    """Windows filled up with zeros to a multiple of rows, so that one program scores all."""
    return np.pad(windows, ((0, -len(windows) % rows), (0, 0)))


@functools.partial(jax.jit, static_argnames="dtype")
def _window_losses(
    model: Transformer, dtype: Any, inputs: jax.Array, targets: jax.Array, segments: jax.Array | None = None
) -> jax.Array:
    return token_losses(hidden(model, inputs, dtype, segments=segments), model.output_table(), targets)


class _Held:
    """What the choice of documents needs to know of a language's held-out text."""

    def __init__(self, shards: Any, language: str) -> None:
        held = shards.held_out(language)
        self.documents = Documents(held.document_keys, held.byte_counts)
        self._pairs = np.unique(np.stack([held.document, held.unit])[:, held.unit >= 0], axis=1)
        self._keys = held.unit_keys

    def units_of(self, documents: np.ndarray) -> set[str]:
        """Keys of the parallel units in some documents."""
        return {self._keys[at] for at in np.unique(self._pairs[1][np.isin(self._pairs[0], documents)])}


class _Text:
    """The held-out text of a language as the evaluator needs it: some documents, and the parallel units of `common`."""

    def __init__(self, shards: Any, language: str, documents: np.ndarray, common: set[str]) -> None:
        held = shards.held_out(language)
        self.held_documents = len(held.byte_counts)
        if not len(documents):
            raise InputError(
                f"held-out text of {language} is empty: prepare the corpus with more held-out documents"
            )
        # A document's context token stands before it, and is kept with it.
        owner = np.where(held.document >= 0, held.document, np.roll(held.document, -1))
        kept = np.isin(owner, documents)
        self.tokens = np.ascontiguousarray(held.tokens[kept])
        self.scored = held.document[kept][1:] >= 0
        self.document = np.searchsorted(documents, held.document[kept][1:][self.scored])
        self.keys = [held.document_keys[at] for at in documents]
        self.byte_counts = held.byte_counts[documents].astype(np.float64)
        self.unigram = _unigram_losses(shards, language, self.tokens[1:][self.scored])
        # The last place is that of tokens outside any unit, whose index is -1.
        wanted, unit = np.array([*(key in common for key in held.unit_keys), False]), held.unit[kept][1:]
        self.aligned = wanted[unit][self.scored]
        pairs = np.unique(np.stack([self.document, unit[self.scored]])[:, self.aligned], axis=1)
        self.units = np.bincount(pairs[0], minlength=len(documents)).astype(np.float64)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum by document."""
        return np.bincount(self.document, weights=values, minlength=len(self.byte_counts))


def _eval_set(shards: Any, text: _Text, scoring: Scoring) -> str:
    """Name of what is scored of a language: samples are the first of one order, so their size names them."""
    size = len(text.byte_counts)
    windows = "" if scoring.window == "cut" else f":{scoring.window}"
    return f"{shards.fingerprint[:16]}:{'all' if size == text.held_documents else size}{windows}"


def ratio(top: np.ndarray, bottom: np.ndarray) -> tuple[float, float | None]:
    """A ratio of sums over clusters, and its linearised standard error (None for one cluster).

    r = sum a / sum b,  se = sqrt(n / (n - 1) sum (a - r b)^2) / sum b.

    >>> ratio(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
    (2.0, 0.0)
    """
    total, count = bottom.sum(), len(bottom)
    value = float(top.sum() / total)
    if count < 2:
        return value, None
    spread = float(((top - value * bottom) ** 2).sum())
    return value, math.sqrt(count / (count - 1) * spread) / float(total)


def _unigram_losses(shards: Any, language: str, tokens: np.ndarray) -> np.ndarray:
    """Nats a token under the unigram model of the training text, one added to every count."""
    text = np.asarray(shards.train(language)[:UNIGRAM_TOKENS])
    mapping = shards.mapping(language)
    counts = np.bincount(text, minlength=shards.vocabulary_size)
    if mapping is not None:
        mapped = np.zeros(shards.vocabulary_size)
        mapped[mapping] = counts[: len(mapping)]
        counts = mapped

    chance = (counts + 1.0) / (counts.sum() + len(counts))
    return -np.log(chance[tokens])
