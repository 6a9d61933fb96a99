"""Documents that hold parts of each other, and the groups that they form.

A document is the set S of its 8-grams of words, or its 16-grams of characters in scripts without spaces; case and
punctuation do not count. Two documents are joined where |S1 ∩ S2| / min(|S1|, |S2|) reaches a threshold: a short
document that stands in a long one is joined to it, whatever their Jaccard index. Groups are the connected components.
Grams of one set of documents are counted as one column with a weight, so that a formula in many documents costs one
product of sparse matrices; of texts above 30 million grams a fixed part is counted, by hash, alike in all documents.

Source: Broder, "On the resemblance and containment of documents" (1997), section 1, for containment.
"""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from isoglot.corpora.near_duplicates import Words, mix
from isoglot.corpora.scripts import has_spaces

WORDS, CHARACTERS = 8, 16
MOST_GRAMS = 30_000_000
ROWS = 1024


@cache
def _without_punctuation() -> dict[int, str]:
    """Every punctuation mark to a space."""
    return {point: " " for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point))[0] == "P"}


@cache
def _number(word: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def units_of(text: str, language: str) -> list[str]:
    """What a gram is made of: words, or characters in scripts without spaces; case and punctuation removed.

    >>> units_of("In the beginning, GOD", "eng")
    ['in', 'the', 'beginning', 'god']
    """
    words = text.casefold().translate(_without_punctuation()).split()
    return words if has_spaces(language) else list("".join(words))


def grams(units: Sequence[str], length: int) -> Words:
    """The hash of every gram, in order; a text shorter than one is one gram.

    >>> grams("a b c a b c".split(), 3).size, len(set(grams("a b c a b c".split(), 3).tolist()))
    (4, 3)
    """
    numbers = np.array([_number(unit) for unit in units], dtype=np.uint64)
    windows = max(1, numbers.size - length + 1)
    found = np.zeros(windows, dtype=np.uint64)
    for at in range(min(length, numbers.size)):
        with np.errstate(over="ignore"):
            found = mix(found + numbers[at : at + windows] + np.uint64(0x9E3779B97F4A7C15))
    return found


def gram_length(language: str) -> int:
    """Units of a gram in a language."""
    return WORDS if has_spaces(language) else CHARACTERS


def joined_pairs(texts: Iterable[str], language: str, threshold: float) -> NDArray[np.int64]:
    """Pairs of positions (n, 2) of the texts of which one holds `threshold` of the other's grams or more.

    >>> long = " ".join(f"word{i}" for i in range(40))
    >>> joined_pairs([long, long[:90], "another text of nine words that stands quite alone"], "eng", 0.1).tolist()
    [[0, 1]]
    """
    sets = [np.unique(grams(units_of(text, language), gram_length(language))) for text in texts]
    total = sum(found.size for found in sets)
    if total > MOST_GRAMS:
        limit = np.uint64(int(2**64 * (MOST_GRAMS / total)) - 1)
        # A document of few grams keeps its least, so that it can still be joined.
        sets = [found[: max(1, int(np.searchsorted(found, limit)))] for found in sets]
    sizes = np.array([found.size for found in sets], dtype=np.float64)
    matrix, weights = _incidence(sets)
    weighted = matrix.multiply(weights).tocsr()
    pairs = [
        block
        for start in range(0, len(sets), ROWS)
        if len(block := _block(weighted, matrix, sizes, start, threshold))
    ]
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)


def _incidence(sets: Sequence[Words]) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """Documents by sets of documents that share grams (only those of two or more), and the grams of each set."""
    documents = np.repeat(np.arange(len(sets)), [found.size for found in sets])
    values, inverse, counts = np.unique(
        np.concatenate([*sets, np.zeros(0, np.uint64)]), return_inverse=True, return_counts=True
    )
    shared = counts[inverse] > 1
    documents, inverse = documents[shared], inverse[shared]
    # The sum of its documents' hashes names the set that a gram stands in.
    marks = mix(np.arange(1, len(sets) + 1, dtype=np.uint64))
    names = np.zeros(values.size, np.uint64)
    with np.errstate(over="ignore"):
        np.add.at(names, inverse, marks[documents])
    wanted = np.flatnonzero(counts > 1)
    _, first, weights = np.unique(names[wanted], return_index=True, return_counts=True)
    column = np.full(values.size, -1)
    column[wanted[first]] = np.arange(first.size)
    kept = column[inverse] >= 0
    entries = (np.ones(int(kept.sum())), (documents[kept], column[inverse[kept]]))
    return sparse.csr_matrix(entries, shape=(len(sets), first.size)), weights.astype(np.float64)


def _block(
    weighted: sparse.csr_matrix,
    matrix: sparse.csr_matrix,
    sizes: NDArray[np.float64],
    start: int,
    threshold: float,
) -> NDArray[np.int64]:
    common = (weighted[start : start + ROWS] @ matrix.T).tocoo()
    first, second = common.row + start, common.col
    enough = (first < second) & (common.data >= threshold * np.minimum(sizes[first], sizes[second]))
    return np.stack([first[enough], second[enough]], axis=1).astype(np.int64)


def components(languages: Iterable[tuple[str, Mapping[str, str]]], threshold: float) -> dict[str, str]:
    """The group of each document that is joined to others: its key to the least key of the group.

    `languages` are labels with the text of each document by key. Documents are joined that are joined in any language:
    translations differ in how literally they repeat, and what is held out is held out in all (docs/corpora.md).

    >>> text = " ".join(f"word{i}" for i in range(40))
    >>> components([("eng", {"a": text, "b": text[:90], "c": "alone"}), ("fra", {"a": "un", "c": "deux"})], 0.1)
    {'a': 'a', 'b': 'a'}
    """
    numbers: dict[str, int] = {}
    edges: set[tuple[int, int]] = set()
    for language, texts in languages:
        at = [numbers.setdefault(key, len(numbers)) for key in texts]
        pairs = joined_pairs(texts.values(), language, threshold)
        edges.update((at[one], at[other]) for one, other in pairs.tolist())
    return _groups(list(numbers), sorted(edges))


def _groups(keys: list[str], edges: list[tuple[int, int]]) -> dict[str, str]:
    if not edges:
        return {}
    first, second = np.array(edges).T
    graph = sparse.coo_matrix((np.ones(len(edges)), (first, second)), shape=(len(keys), len(keys)))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, list[str]] = {}
    for key, label in zip(keys, labels.tolist(), strict=True):
        members.setdefault(label, []).append(key)
    return {key: min(group) for group in members.values() if len(group) > 1 for key in sorted(group)}
