"""Losses of a model by language on held-out text, with standard errors over documents.

Every held-out token but the first of the stream is predicted once, from the tokens of its window before it. Four
units are reported, since none serves all comparisons:

    nats_per_token       sum of losses / tokens: comparable under one vocabulary and text alone
    bits_per_byte        sum / (ln 2 x UTF-8 bytes): comparable across vocabularies, for one text
    bits_per_unit        sum over aligned passages / (ln 2 x passages): comparable across languages (same content:
                         the passages that all languages with such passages share)
    unigram_normalised   nats a token minus those of a unigram model of the language's own training text

A standard error is that of a ratio of sums over documents, the unit of the held-out split: passages of a document
hang together. It speaks of the choice of documents alone, not of seeds. None where there is one document.
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
from isoglot.train.cross_entropy import token_losses
from isoglot.train.model import Transformer, hidden

LN2 = math.log(2.0)
# Tokens of training text that a unigram model is counted on: more changes nothing that matters.
UNIGRAM_TOKENS = 1 << 24


@dataclass(frozen=True)
class Evaluation:
    """What is scored and how: the first `documents` held-out documents (None: all), windows of `rows` at a time.

    Documents come in one order for all languages, so languages that hold the same documents are scored on the same.
    """

    documents: int | None = None
    rows: int = 16


@dataclass(frozen=True)
class Score:
    """Losses of one language; each with its standard error over documents."""

    language: str
    tokens: int
    bytes: int
    documents: int
    units: int
    nats_per_token: float
    nats_per_token_se: float | None
    bits_per_byte: float
    bits_per_byte_se: float | None
    bits_per_unit: float | None
    bits_per_unit_se: float | None
    unigram_normalised: float
    unigram_normalised_se: float | None

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes of the scored text over its tokens."""
        return self.bytes / self.tokens


def eval_set(shards: Any, how: Evaluation) -> str:
    """Name of what is scored: rows of different names are not comparable."""
    return f"{shards.fingerprint[:16]}:{'all' if how.documents is None else how.documents}"


class Evaluator:
    """Scores models of one shape on the held-out text of some languages."""

    def __init__(
        self,
        shards: Any,
        languages: Sequence[str],
        sequence: int,
        how: Evaluation | None = None,
        dtype: Any = jnp.float32,
    ) -> None:
        self.how = how or Evaluation()
        if self.how.documents is not None and self.how.documents < 1:
            raise InputError(
                f"evaluation has documents={self.how.documents}: give a positive integer or none"
            )
        self.sequence, self.dtype = sequence, dtype
        self._texts = {name: _Text(shards, name, self.how.documents) for name in languages}
        aligned = [found for found in (text.unit_keys for text in self._texts.values()) if found]
        common = set.intersection(*aligned) if aligned else set()
        for text in self._texts.values():
            text.align(common)

    def scores(self, model: Transformer) -> list[Score]:
        """Score every language."""
        model = jax.device_put(model)
        return [self._score(name, text, model) for name, text in self._texts.items()]

    def losses(self, model: Transformer, language: str) -> np.ndarray:
        """Loss in nats of every held-out token but the first, float64 (T - 1,), context tokens included."""
        text, size, rows = self._texts[language], self.sequence, self.how.rows
        count = math.ceil((len(text.tokens) - 1) / size)
        count += -count % rows
        padded = np.zeros(count * size + 1, np.int32)
        padded[: len(text.tokens)] = text.tokens
        inputs, targets = padded[:-1].reshape(-1, size), padded[1:].reshape(-1, size)
        found = [
            np.asarray(_window_losses(model, inputs[at : at + rows], targets[at : at + rows], self.dtype))
            for at in range(0, count, rows)
        ]
        return np.concatenate(found).ravel()[: len(text.tokens) - 1].astype(np.float64)

    def _score(self, name: str, text: _Text, model: Transformer) -> Score:
        losses = self.losses(model, name)[text.scored]
        aligned = text.aligned
        by_document = text.sums(losses)
        tokens = text.sums(np.ones(len(losses)))
        over_unigram = text.sums(losses - text.unigram)
        per_token, per_token_se = ratio(by_document, tokens)
        per_byte, per_byte_se = ratio(by_document / LN2, text.byte_counts)
        over, over_se = ratio(over_unigram, tokens)
        per_unit: float | None = None
        per_unit_se: float | None = None
        if text.units.sum():
            per_unit, per_unit_se = ratio(text.sums(losses * aligned) / LN2, text.units)
        return Score(
            name,
            len(losses),
            int(text.byte_counts.sum()),
            len(text.byte_counts),
            int(text.units.sum()),
            per_token,
            per_token_se,
            per_byte,
            per_byte_se,
            per_unit,
            per_unit_se,
            over,
            over_se,
        )


@functools.partial(jax.jit, static_argnames="dtype")
def _window_losses(model: Transformer, inputs: jax.Array, targets: jax.Array, dtype: Any) -> jax.Array:
    return token_losses(hidden(model, inputs, dtype), model.output_table(), targets)


class _Text:
    """The held-out text of a language as the evaluator needs it."""

    def __init__(self, shards: Any, language: str, documents: int | None) -> None:
        held = shards.held_out(language)
        kept = len(held.byte_counts) if documents is None else min(documents, len(held.byte_counts))
        # A document's context token stands before it, so the cut is where the first document left out begins.
        later = np.flatnonzero(held.document >= kept)
        end = int(later[0]) - 1 if len(later) else len(held.document)
        self.tokens = np.ascontiguousarray(held.tokens[:end])
        if len(self.tokens) < 2:
            raise InputError(
                f"held-out text of {language} is empty: prepare the corpus with more held-out documents"
            )
        self.scored = held.document[1:end] >= 0
        self.document = held.document[1:end][self.scored]
        self._unit, self._keys = held.unit[1:end][self.scored], held.unit_keys
        self.byte_counts = held.byte_counts[:kept].astype(np.float64)
        self.unigram = _unigram_losses(shards, language, self.tokens[1:][self.scored])

    @property
    def unit_keys(self) -> set[str]:
        """Keys of the parallel units that are scored."""
        return {self._keys[at] for at in np.unique(self._unit[self._unit >= 0])}

    def align(self, common: set[str]) -> None:
        """Count as parallel units those of `common` alone: tokens of them, and different ones by document."""
        # The last place is that of tokens outside any unit, whose index is -1.
        wanted = np.array([*(key in common for key in self._keys), False])
        self.aligned = wanted[self._unit]
        pairs = np.unique(np.stack([self.document, self._unit])[:, self.aligned], axis=1)
        self.units = np.bincount(pairs[0], minlength=len(self.byte_counts)).astype(np.float64)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum by document."""
        return np.bincount(self.document, weights=values, minlength=len(self.byte_counts))


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
