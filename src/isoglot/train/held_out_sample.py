"""Which held-out documents are scored: the first of one order, the same for every run and language of the text.

The order is that of a hash of the documents' keys, so a smaller sample is a part of a larger one, and says nothing of
the documents' place in the corpus. Languages that share at least half of their documents, each way, are parallel: they
are scored on the same documents, so many that a language has `sample` bytes on average over them. A clone has those of
the language whose text it reads. At least two documents a language are scored where there are two, since the spread
between documents is what a standard error is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isoglot.core.splitmix import seed_from

SEED = 0
# Two documents at least, so that a spread between documents can be seen.
LEAST = 2


@dataclass(frozen=True)
class Documents:
    """Held-out documents of a language: keys, and UTF-8 bytes of each."""

    keys: Sequence[str]
    sizes: np.ndarray


def sampled(
    text: Mapping[str, Documents], sample: int = 0, documents: int | None = None, seed: int = SEED
) -> dict[str, np.ndarray]:
    """Places of the documents that are scored, ascending, by language: `sample` bytes of them (0: all), or a number.

    >>> text = {"eng": Documents(["a", "b", "c", "d"], np.array([10, 10, 10, 10]))}
    >>> sampled(text, sample=25)["eng"].tolist(), sampled(text)["eng"].tolist()
    ([0, 1, 3], [0, 1, 2, 3])
    """
    found: dict[str, np.ndarray] = {}
    for group in _groups(text):
        sizes: dict[str, int] = {}
        for name in group:
            for key, size in zip(text[name].keys, text[name].sizes.tolist(), strict=True):
                sizes[key] = sizes.get(key, 0) + size
        # A hash that two keys share leaves them in the order of the keys themselves.
        order = sorted(sizes, key=lambda key: (seed_from(f"held-out {seed} {key}"), key))
        kept = documents or _enough([sizes[key] for key in order], sample * len(group))
        rank = {key: at for at, key in enumerate(order)}
        for name in group:
            ranks = np.array([rank[key] for key in text[name].keys], np.int64)
            least = np.sort(ranks)[: documents or LEAST]
            found[name] = np.flatnonzero((ranks < kept) | np.isin(ranks, least))
    return {name: found[name] for name in text}


def _enough(sizes: Sequence[int], target: int) -> int:
    """How many of the first documents have a number of bytes together; 0 asks for all."""
    if not target:
        return len(sizes)
    return int(np.searchsorted(np.cumsum(sizes), target)) + 1


def _groups(text: Mapping[str, Documents]) -> list[list[str]]:
    """Languages by whether they hold the same documents as the first of their group."""
    groups: list[list[str]] = []
    keys = {name: set(held.keys) for name, held in text.items()}
    for name in text:
        for group in groups:
            first = keys[group[0]]
            if 2 * len(first & keys[name]) >= max(len(first), len(keys[name])):
                group.append(name)
                break
        else:
            groups.append([name])
    return groups
