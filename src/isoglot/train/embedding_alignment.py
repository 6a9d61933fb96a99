"""Embedding alignment: cosine of the embeddings of one piece under two ids, by its frequency.

Two clones have two ids for every piece but anchors; languages of a disjoint vocabulary have two for every piece that
both spell. Languages that share an id share its embedding: there is nothing to compare, and nothing is reported.

    embedding_cosine              mean over pieces of cos(E[id in A], E[id in B])
    embedding_cosine.decile_k     the same over a tenth of the pieces; decile 10 is the most frequent
    output_embedding_cosine...    of the output table, where the model has one of its own

A piece counts if both languages' training text has it; its frequency is the smaller of the two counts. The null is
the mean over all pairs of different pieces of the same group (permuted ids, all permutations at once). The standard
error is over pieces.

Source: Schafer et al. (2404.07982), figures 11 to 13.
"""

from __future__ import annotations

import numpy as np

from isoglot.tokenizer.pairs import PairVocabulary
from isoglot.tokenizer.shards import Shards
from isoglot.train.measures import Measure, mean_and_se
from isoglot.train.model import Transformer

DECILES = 10
# A mean over pieces, and a null over pairs of them, needs more than one.
FEWEST = 2


def embedding_alignment(
    model: Transformer, shards: Shards, pair: tuple[str, str]
) -> tuple[list[Measure], dict[str, int]]:
    """Rows of the module's metrics, and counts of the pieces compared and left out by reason."""
    first, second = _pieces(shards, pair)
    seen = np.minimum(_counts(shards, pair[0])[first], _counts(shards, pair[1])[second])
    ids = tuple(_as_seen(shards, name, base) for name, base in zip(pair, (first, second), strict=True))
    apart = ids[0] != ids[1]
    kept = np.flatnonzero(apart & (seen > 0))
    account = {
        "pieces compared": len(kept),
        "pieces under one id": int((~apart).sum()),
        "pieces not in both training texts": int((apart & (seen == 0)).sum()),
    }
    order = kept[np.argsort(seen[kept], kind="stable")]
    tables = {"embedding_cosine": np.asarray(model.embedding, np.float64)}
    if model.head is not None:
        tables["output_embedding_cosine"] = np.asarray(model.head, np.float64).T
    found = []
    for metric, weights in tables.items():
        vectors = tuple(weights[side[order]] for side in ids)
        found += _rows(metric, vectors[0], vectors[1], pair)
    return found, account


def paired_cosines(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float]:
    """Cosines (n,) of paired rows (n, d), and the mean cosine of all n (n - 1) pairs of different rows.

    >>> values, null = paired_cosines(np.eye(3), np.eye(3))
    >>> values.tolist(), null
    ([1.0, 1.0, 1.0], 0.0)
    """
    first, second = (
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30) for rows in (first, second)
    )
    values = np.sum(first * second, axis=1)
    count = len(values)
    everything = float(first.sum(axis=0) @ second.sum(axis=0))
    return values, (everything - float(values.sum())) / (count * (count - 1))


def _rows(metric: str, first: np.ndarray, second: np.ndarray, pair: tuple[str, str]) -> list[Measure]:
    """Rows of a table from vectors (n, d) in the order of frequency."""
    groups = {metric: np.arange(len(first))}
    for at, part in enumerate(np.array_split(groups[metric], DECILES)):
        groups[f"{metric}.decile_{at + 1}"] = part
    found = []
    for name, members in groups.items():
        if len(members) >= FEWEST:
            values, null = paired_cosines(first[members], second[members])
            value, se = mean_and_se(values)
            found.append(Measure(name, value, null, se, *pair))
    return found


def _pieces(shards: Shards, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Base ids in each language of the pieces that both have."""
    streams = [shards.stream(name) for name in pair]
    vocabulary = shards.vocabulary
    if not isinstance(vocabulary, PairVocabulary):
        every = np.arange(shards.base_size)
        return every, every
    members = dict(vocabulary.members)
    place = {piece: at for at, piece in enumerate(members[streams[1]].pieces)}
    common = [(at, place[piece]) for at, piece in enumerate(members[streams[0]].pieces) if piece in place]
    mine, other = np.array(common, np.int64).reshape(-1, 2).T
    return vocabulary.maps[streams[0]][mine], vocabulary.maps[streams[1]][other]


def _as_seen(shards: Shards, language: str, base: np.ndarray) -> np.ndarray:
    mapping = shards.mapping(language)
    return base if mapping is None else mapping[base]


def _counts(shards: Shards, language: str) -> np.ndarray:
    """Occurrences of each base id in the training text, read in parts."""
    text, part = shards.train(language), 1 << 24
    counts = np.zeros(shards.base_size, np.int64)
    for start in range(0, len(text), part):
        counts += np.bincount(text[start : start + part], minlength=shards.base_size)
    return counts
