"""The census of a corpus: what each language holds, how repetitive it is, and what a vocabulary makes of it.

Bytes are those of the documents' text, passages joined by newlines. With a vocabulary every document ends with one
end token, as in the tokenised shards, so that the figures here are those of training.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.corpora.corpus import Corpus
from isoglot.corpora.scripts import has_spaces
from isoglot.corpora.split import TRAIN

BATCH = 8192


class Encoder(Protocol):
    """What the census needs of a vocabulary (`isoglot.tokenizer.vocabulary.Vocabulary` has it)."""

    def encode(self, language: str, texts: list[str]) -> list[Any]:
        """Return the token ids of each text, as integer arrays."""
        ...


@dataclass(frozen=True)
class TokenCensus:
    """What a vocabulary makes of a language.

    `unique_tokens` U are the tokens of the training text, end tokens included; `tokens` those of all text.
    `vocabulary_used` counts the distinct ids that occur. `bytes_per_token` counts end tokens, `tokens_per_word`
    (fertility) does not, and is None where the script puts no space between words. `tokens_per_reference` is the
    number of tokens over that of the reference language for the same `reference_units` parallel units: 1 for the
    reference itself, None where the two share no unit (Petrov et al. 2305.15425, section 3).
    """

    tokens: int
    unique_tokens: int
    vocabulary_used: int
    bytes_per_token: float
    tokens_per_word: float | None
    tokens_per_reference: float | None
    reference_units: int


@dataclass(frozen=True)
class LanguageCensus:
    """What a corpus holds of one language; sizes are of train and held-out text together unless they say otherwise.

    `train_share` is the training part of the bytes. `parallel_units` counts the unit keys that at least one other
    language has too, `common_units` those that all languages have. `compression` is bytes over bytes after zlib at
    level 6: the higher, the more repetitive.
    """

    language: str
    documents: int
    train_documents: int
    held_out_documents: int
    passages: int
    bytes: int
    train_bytes: int
    held_out_bytes: int
    train_share: float
    characters: int
    parallel_units: int
    common_units: int
    compression: float
    vocabulary: TokenCensus | None = None


def census(
    corpus: Corpus, vocabulary: Encoder | None = None, reference: str | None = None
) -> tuple[LanguageCensus, ...]:
    """Count every language of a corpus, and its tokens where a vocabulary is given.

    `reference` is the language that tokens of parallel units are compared with: `eng` where the corpus has it, else
    its first language. Raises InputError for a reference that the corpus has not, and for damaged files.
    """
    if reference is None:
        reference = "eng" if "eng" in corpus.languages else corpus.languages[0]
    if reference not in corpus.languages:
        raise InputError(
            f"reference {reference!r} is no language of the corpus{nearest(reference, corpus.languages)}: use one of "
            f"{', '.join(corpus.languages)}"
        )
    units = {language: set(corpus.table(language)["unit"].drop_nulls()) for language in corpus.languages}
    having = Counter(key for keys in units.values() for key in keys)
    unit_tokens: dict[str, int] | None = None
    counted = {}
    # The reference comes first, so that one language's tokens are held at a time beside it.
    for language in sorted(corpus.languages, key=lambda one: one != reference):
        table = corpus.table(language)
        tokens = None
        if vocabulary is not None:
            tokens, own_units = _tokens(table, language, vocabulary, unit_tokens)
            unit_tokens = own_units if unit_tokens is None else unit_tokens
        shared = sum(having[key] > 1 for key in units[language])
        common = sum(having[key] == len(units) for key in units[language]) if len(units) > 1 else 0
        counted[language] = _count(table, language, shared, common, tokens)
    return tuple(counted[language] for language in corpus.languages)


def _documents(table: pl.DataFrame) -> pl.DataFrame:
    """One row a document: its split and joined text."""
    return table.group_by("document", maintain_order=True).agg(
        pl.col("split").first(), pl.col("text").str.join("\n")
    )


def _count(
    table: pl.DataFrame, language: str, shared: int, common: int, tokens: TokenCensus | None
) -> LanguageCensus:
    documents = _documents(table)
    train = documents.filter(pl.col("split") == TRAIN)
    total, trained = _num_bytes(documents), _num_bytes(train)
    return LanguageCensus(
        language=language,
        documents=documents.height,
        train_documents=train.height,
        held_out_documents=documents.height - train.height,
        passages=table.height,
        bytes=total,
        train_bytes=trained,
        held_out_bytes=total - trained,
        train_share=trained / total,
        characters=int(documents["text"].str.len_chars().sum()),
        parallel_units=shared,
        common_units=common,
        compression=total / _zlib_bytes(documents["text"]),
        vocabulary=tokens,
    )


def _num_bytes(documents: pl.DataFrame) -> int:
    return int(documents["text"].str.len_bytes().sum())


def _zlib_bytes(texts: pl.Series) -> int:
    packer = zlib.compressobj(6)
    size = sum(len(packer.compress(text.encode("utf-8"))) for text in texts)
    return size + len(packer.flush())


def _tokens(
    table: pl.DataFrame, language: str, vocabulary: Encoder, reference: dict[str, int] | None
) -> tuple[TokenCensus, dict[str, int]]:
    """Count tokens of a language; also returns its tokens by unit, to compare others with; None compares it with itself."""
    lengths, used = _encode(table, language, vocabulary)
    documents = _documents(table)
    ends = documents.height
    tokens = int(lengths.sum()) + ends
    train = table["split"].to_numpy() == TRAIN
    words = int(table["text"].str.split(" ").list.len().sum()) if has_spaces(language) else 0
    by_unit: dict[str, int] = {}
    for unit, length in zip(table["unit"], lengths.tolist(), strict=True):
        if unit is not None:
            by_unit[unit] = by_unit.get(unit, 0) + length
    against = by_unit if reference is None else reference
    common = by_unit.keys() & against.keys()
    base = sum(against[key] for key in common)
    found = TokenCensus(
        tokens=tokens,
        unique_tokens=int(lengths[train].sum()) + int((documents["split"] == TRAIN).sum()),
        # The end token occurs in every document and in no text.
        vocabulary_used=len(used) + 1,
        bytes_per_token=_num_bytes(documents) / tokens,
        tokens_per_word=(tokens - ends) / words if words else None,
        tokens_per_reference=sum(by_unit[key] for key in common) / base if base else None,
        reference_units=len(common),
    )
    return found, by_unit


def _encode(table: pl.DataFrame, language: str, vocabulary: Encoder) -> tuple[np.ndarray, set[int]]:
    """Return the number of tokens of each passage, its newline included, and the ids used."""
    lengths: list[int] = []
    used: set[int] = set()
    for texts in _batches(table):
        encoded = vocabulary.encode(language, texts)
        lengths.extend(len(ids) for ids in encoded)
        used.update(np.unique(np.concatenate(encoded)).tolist())
    return np.array(lengths, dtype=np.int64), used


def _batches(table: pl.DataFrame) -> Iterator[list[str]]:
    """Yield passages as the tokenizer reads them: each with its newline, the last of a document without one."""
    last = table["document"] != table["document"].shift(-1)
    texts = table.select(
        pl.when(last.fill_null(True)).then(pl.col("text")).otherwise(pl.col("text") + "\n").alias("text")
    )["text"]
    for start in range(0, len(texts), BATCH):
        yield texts[start : start + BATCH].to_list()
