"""Documents as ids, whoever encoded them: passages of ids, their units, the bytes that they spell, and what was lost.

A vocabulary of our own encodes each passage on its own and loses nothing. One of another project encodes the whole
document, as its own trainer would, and its ids are then given to passages by where each ends: an id that spans a
newline and the word after it belongs to the word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from isoglot.core.errors import InputError
from isoglot.tokenizer.documents import Document, batches, documents
from isoglot.tokenizer.foreign import ForeignVocabulary
from isoglot.tokenizer.vocabulary import Vocabulary

if TYPE_CHECKING:
    import polars as pl

MOST_LOST = 0.001
"""Fraction of a language's bytes that may be lost unless a caller allows more."""


@dataclass(frozen=True)
class Kept:
    """What a vocabulary of another project gives back of a text, in documents, tokens and bytes.

    `exact` documents come back as they were. `normalised` ones come back in the form that the tokenizer's own
    normaliser gives them (a space before the first word aside). `lost` ones do not: `unknown` tokens stand for text,
    and `lost_bytes` are the UTF-8 bytes of these documents that unknown tokens, or none at all, stand for.

    Of ids that were stored (`shards_of_ids`) the text itself is not there: documents are `exact` that hold no unknown
    token and spell whole characters, `lost` that do not, and no lost bytes can be counted.
    """

    exact: int = 0
    normalised: int = 0
    lost: int = 0
    unknown: int = 0
    lost_bytes: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(
            *(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True))
        )


@dataclass(frozen=True)
class EncodedDocument:
    """One document as ids, without its end: an array of ids and a unit (or None) for each passage.

    `kept` is None where nothing can be lost.
    """

    key: str
    units: tuple[str | None, ...]
    passages: list[np.ndarray]
    num_bytes: int
    num_words: int
    kept: Kept | None = None


def encode_documents(table: pl.DataFrame, vocabulary: Vocabulary, language: str) -> Iterator[EncodedDocument]:
    """Encode the documents of a table, in its order, in batches of a few megabytes."""
    for batch in batches(documents(table)):
        if isinstance(vocabulary, ForeignVocabulary):
            yield from _whole(batch, vocabulary)
        else:
            encoded = iter(vocabulary.encode(language, [text for found in batch for text in found.texts]))
            for found in batch:
                yield _encoded(found, [next(encoded) for _ in found.texts])


def _encoded(found: Document, passages: list[np.ndarray], kept: Kept | None = None) -> EncodedDocument:
    return EncodedDocument(found.key, found.units, passages, found.num_bytes, found.num_words, kept)


def _whole(batch: list[Document], vocabulary: ForeignVocabulary) -> Iterator[EncodedDocument]:
    texts = ["".join(found.texts) for found in batch]
    encoded = vocabulary.encode_with_places(texts)
    spelt = vocabulary.decode_many([ids for ids, _ in encoded])
    for found, text, (ids, places), back in zip(batch, texts, encoded, spelt, strict=True):
        stops = np.cumsum([len(passage) for passage in found.texts])
        # An id may spell nothing of the text: it stands where it begins.
        last = np.maximum.accumulate(np.maximum(places[:, 1] - 1, places[:, 0]))
        owner = np.searchsorted(stops[:-1], last, side="right")
        passages = np.split(ids, np.searchsorted(owner, np.arange(1, len(found.texts))))
        yield _encoded(found, passages, _kept(vocabulary, text, ids, places, back))


def _kept(vocabulary: ForeignVocabulary, text: str, ids: np.ndarray, places: np.ndarray, back: str) -> Kept:
    unknown = np.zeros(len(ids), np.bool_) if vocabulary.unknown is None else ids == vocabulary.unknown
    if back == text:
        return Kept(exact=1)
    if not unknown.any() and back.removeprefix(" ") == vocabulary.normalised(text).removeprefix(" "):
        return Kept(normalised=1)
    spelt = np.zeros(len(text) + 1, np.int64)
    np.add.at(spelt, places[~unknown, 0], 1)
    np.add.at(spelt, places[~unknown, 1], -1)
    missing = np.flatnonzero(np.cumsum(spelt)[:-1] == 0)
    lost = sum(len(text[at].encode("utf-8")) for at in missing.tolist())
    return Kept(lost=1, unknown=int(unknown.sum()), lost_bytes=lost)


def check_kept(language: str, kept: Kept, num_bytes: int, most: float) -> None:
    """Raise InputError if more than a fraction `most` of the bytes was lost."""
    if num_bytes and kept.lost_bytes > most * num_bytes:
        raise InputError(
            f"language {language}: the tokenizer loses {kept.lost_bytes / num_bytes:.2%} of the bytes ({kept.unknown:,} "
            f"unknown tokens, {kept.lost:,} documents), and at most {most:.2%} may be lost: give a tokenizer that "
            "knows its script, leave the language out, or raise --lost"
        )
