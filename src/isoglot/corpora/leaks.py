"""What of the held-out text stands in training text: whole passages, and grams of documents with the bytes they cover."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from isoglot.corpora.containment import gram_length, grams, units_of
from isoglot.corpora.near_duplicates import Words
from isoglot.corpora.split import HELD_OUT, TRAIN

WORST = 3


def leaks(table: pl.DataFrame, language: str) -> dict[str, Any]:
    """Held-out text that stands in training text, of one language.

    `documents`, `passages` and `bytes` count passages that stand there word for word, and the documents with any.
    `grams` is the share of all held-out grams (8 words, or 16 characters in scripts without spaces) that training text
    holds, `gram_bytes` the share of held-out bytes that they cover, spaces not counted; `worst` names the documents with
    the largest share of grams.

    >>> rows = {"document": ["a", "b"], "split": ["train", "held_out"], "text": ["same", "same"]}
    >>> leaks(pl.DataFrame(rows), "eng")
    {'documents': 1, 'passages': 1, 'bytes': 4, 'grams': 1.0, 'gram_bytes': 1.0, 'worst': {'b': 1.0}}
    """
    train = table.filter(pl.col("split") == TRAIN).select("text").unique()
    shared = table.filter(pl.col("split") == HELD_OUT).join(train, on="text", how="semi")
    return {
        "documents": shared["document"].n_unique(),
        "passages": shared.height,
        "bytes": int(shared["text"].str.len_bytes().sum()),
        **_gram_leaks(table, language),
    }


def _gram_leaks(table: pl.DataFrame, language: str) -> dict[str, Any]:
    length = gram_length(language)
    held = {key: units_of(text, language) for key, text in _documents(table, HELD_OUT)}
    by_document = {key: grams(units, length) for key, units in held.items()}
    known = _in_training(np.unique(np.concatenate([*by_document.values()])), table, language, length)
    total = found = covered = size = 0
    shares = {}
    for key, hashes in by_document.items():
        hit = np.isin(hashes, known)
        total, found = total + hit.size, found + int(hit.sum())
        shares[key] = float(hit.mean())
        widths = np.array([len(unit.encode("utf-8", "surrogatepass")) for unit in held[key]])
        size, covered = (
            size + int(widths.sum()),
            covered + int(widths[_covered(hit, widths.size, length)].sum()),
        )
    worst = sorted((key for key in shares if shares[key] > 0), key=lambda key: (-shares[key], key))[:WORST]
    return {
        "grams": found / total,
        "gram_bytes": covered / size if size else 0.0,
        "worst": {key: round(shares[key], 4) for key in worst},
    }


def _in_training(wanted: Words, table: pl.DataFrame, language: str, length: int) -> Words:
    """Those of the grams that a training document holds; training text is read a document at a time."""
    seen = np.zeros(wanted.size, dtype=bool)
    for _, text in _documents(table, TRAIN):
        mine = grams(units_of(text, language), length)
        at = np.minimum(np.searchsorted(wanted, mine), wanted.size - 1)
        seen[at[wanted[at] == mine]] = True
    return wanted[seen]


def _covered(hit: np.ndarray, units: int, length: int) -> np.ndarray:
    """Units that stand in any gram that was hit."""
    change = np.zeros(units + length + 1, np.int64)
    starts = np.flatnonzero(hit)
    np.add.at(change, starts, 1)
    np.add.at(change, starts + length, -1)
    return np.cumsum(change)[:units] > 0


def _documents(table: pl.DataFrame, split: str) -> Iterator[tuple[str, str]]:
    """Key and text of the documents of a side, passages joined by newlines."""
    joined = (
        table.filter(pl.col("split") == split)
        .group_by("document", maintain_order=True)
        .agg(pl.col("text").str.join("\n"))
    )
    yield from joined.iter_rows()
