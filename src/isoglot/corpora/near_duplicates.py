"""Near-duplicate documents: MinHash with locality-sensitive hashing, then the exact Jaccard similarity.

A document is the set S of its character 5-grams. The least value of a random hash over S agrees for two documents
with probability J = |S1 ∩ S2| / |S1 ∪ S2|, so M = 126 such hashes make a signature that estimates J. Signatures are
cut into 21 bands of 6: two documents share a band with probability 1 - (1 - J^6)^21, which is 0.998 at J = 0.8 and
0.015 at J = 0.3. Documents that share a band, and whose signatures do not rule it out, are compared exactly, so a
document is never removed below the threshold. Time and memory are linear in the text while bands rarely collide.

Source: Broder, "On the resemblance and containment of documents" (1997), sections 2 and 4; banding as in Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoglot.core.errors import InputError

LENGTH = 5
BANDS, ROWS = 21, 6
THRESHOLD = 0.8
# Four standard errors of an estimate of 0.8 from 126 hashes: what lies lower needs no exact comparison.
SLACK = 4 * (0.8 * 0.2 / (BANDS * ROWS)) ** 0.5
BLOCK = 4096

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class NearDuplicate:
    """A document to remove, the earlier one that it repeats (both by position), and their similarity."""

    document: int
    earlier: int
    jaccard: float


def mix(values: Words) -> Words:
    """Return the splitmix64 finaliser of 64-bit words: equal inputs give equal outputs, near ones far apart.

    >>> int(mix(np.array([1], dtype=np.uint64))[0])
    6238072747940578789
    """
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shingles(text: str, length: int = LENGTH) -> Words:
    """Return the set of a text's character n-grams as sorted 64-bit hashes; a shorter text is one n-gram.

    >>> shingles("abcabcabc").size, shingles("abc").size
    (3, 1)
    """
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    windows = max(1, points.size - length + 1)
    hashes = np.zeros(windows, dtype=np.uint64)
    for place in range(min(length, points.size)):
        with np.errstate(over="ignore"):
            hashes = mix(hashes + points[place : place + windows] + np.uint64(0x9E3779B97F4A7C15))
    return np.unique(hashes)


def jaccard(one: Words, other: Words) -> float:
    """Return |A ∩ B| / |A ∪ B| of two sets of shingles.

    >>> jaccard(shingles("abcdef"), shingles("abcdefg"))
    0.6666666666666666
    """
    common = np.intersect1d(one, other, assume_unique=True).size
    return float(common / (one.size + other.size - common))


def signature(words: Words, seed: int = 0) -> Words:
    """Return the MinHash signature of a set of shingles, 126 words.

    >>> signature(shingles("a short text")).shape
    (126,)
    """
    numbers = np.arange(1, 2 * BANDS * ROWS + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        keys = mix(numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed))
        factors, shifts = keys[: BANDS * ROWS] | np.uint64(1), keys[BANDS * ROWS :]
        least = np.full(BANDS * ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
        for start in range(0, words.size, BLOCK):
            block = words[start : start + BLOCK]
            # Shingles are mixed already, so a multiplication by an odd factor permutes them well enough.
            hashes = factors[:, None] * block[None, :] + shifts[:, None]
            np.minimum(least, hashes.min(axis=1), out=least)
    return least


def near_duplicates(
    texts: Sequence[str], threshold: float = THRESHOLD, seed: int = 0
) -> tuple[NearDuplicate, ...]:
    """Return the documents whose Jaccard similarity with an earlier kept document reaches the threshold.

    Deterministic: the same texts and seed give the same answer on every machine. Raises InputError for a threshold
    under 0.7, where the bands would miss pairs, or above 1.

    >>> near_duplicates(["the quick brown fox jumps", "a different line of text", "the quick brown fox jumps."])
    (NearDuplicate(document=2, earlier=0, jaccard=0.9545454545454546),)
    """
    if not 0.7 <= threshold <= 1:
        raise InputError(
            f"near-duplicate threshold is {threshold:g}: give a Jaccard similarity from 0.7 to 1"
        )
    bands: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    kept: dict[int, Words] = {}
    found = []
    for at, text in enumerate(texts):
        words = shingles(text)
        marks = signature(words, seed)
        keys = [(band, marks[band * ROWS : (band + 1) * ROWS].tobytes()) for band in range(BANDS)]
        candidates = sorted({earlier for key in keys for earlier in bands.get(key, ())})
        likely = (i for i in candidates if float(np.mean(marks == kept[i])) >= threshold - SLACK)
        match = _first_match(words, likely, texts, threshold)
        if match is not None:
            found.append(NearDuplicate(at, *match))
            continue
        kept[at] = marks
        for key in keys:
            bands[key].append(at)
    return tuple(found)


def _first_match(
    words: Words, candidates: Iterable[int], texts: Sequence[str], threshold: float
) -> tuple[int, float] | None:
    """The first candidate at or above the threshold, with its exact similarity.

    Its shingles are made again from its text: keeping all of them would take eight times the text.
    """
    for earlier in candidates:
        exact = jaccard(words, shingles(texts[earlier]))
        if exact >= threshold:
            return earlier, exact
    return None
