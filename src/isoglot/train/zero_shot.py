"""Zero-shot transfer of a labelled task: a linear head learned on one language's states, tested in another.

    task_accuracy        learned and tested in A, on different texts
    zero_shot_accuracy   learned in A, tested in B, whose labels the head never saw

Features are the last hidden states of a text, after the final norm, averaged over its tokens. The model itself is
not fine-tuned: what is measured is what its states share already. The null is the accuracy of naming the commonest
label of the tested texts; the standard error is binomial, over texts. `..._untrained` is the mean over five models
of the same shape that have learned nothing, with its standard error over them: the direction in which one such model
carries a class over to B is an accident of its draw, the same for all texts, so one alone can be far from chance.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.tokenizer.shards import Shards
from isoglot.train.alignment import UNTRAINED_MODELS, batches
from isoglot.train.labelled_text import Labelled, TransferTask
from isoglot.train.linear_head import fit_head
from isoglot.train.measures import Measure, mean_and_se
from isoglot.train.model import Transformer, hidden, initial

# Lengths of text are rounded up to this, so that few programs are compiled.
LENGTHS = 32


def zero_shot(
    model: Transformer,
    shards: Shards,
    pair: tuple[str, str],
    task: TransferTask,
    sequence: int,
    seed: int = 0,
) -> tuple[list[Measure], dict[str, int]]:
    """Rows of the module's metrics, and counts of texts used, cut to a sequence, and left out by reason."""
    texts = [(pair[0], task.learn), (pair[0], task.test), (pair[1], task.other)]
    ids = [_ids(shards, language, part.texts, sequence) for language, part in texts]
    nulls = [_commonest(part) for _, part in texts[1:]]
    trained = _accuracies(model, ids, task)
    draws = [_accuracies(initial(model.shape, seed + draw), ids, task) for draw in range(UNTRAINED_MODELS)]
    found = []
    for at, (metric, other) in enumerate((("task_accuracy", None), ("zero_shot_accuracy", pair[1]))):
        value, count = trained[at], len(texts[at + 1][1].texts)
        se = math.sqrt(value * (1 - value) / count)
        found.append(Measure(metric, value, nulls[at], se, pair[0], other))
        mean, spread = mean_and_se(np.array([draw[at] for draw in draws]))
        found.append(Measure(f"{metric}_untrained", mean, nulls[at], spread, pair[0], other))
    account = {
        "texts learned from": len(task.learn.texts),
        "texts tested": len(task.test.texts),
        "texts tested in the other language": len(task.other.texts),
        "texts cut to a sequence": sum(cut for _, _, cut in ids),
        **task.left_out,
    }
    return found, account


def _accuracies(
    model: Transformer, ids: list[tuple[np.ndarray, np.ndarray, int]], task: TransferTask
) -> tuple[float, float]:
    learn, test, other = (_features(model, tokens, counted) for tokens, counted, _ in ids)
    head = fit_head(learn, task.learn.labels, task.classes)
    return head.accuracy(test, task.test.labels), head.accuracy(other, task.other.labels)


def _commonest(part: Labelled) -> float:
    return float(np.bincount(part.labels).max() / len(part.labels))


def _ids(
    shards: Shards, language: str, texts: list[str], sequence: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Ids (n, T) of texts behind the end token, which tokens are text (n, T), and how many texts were cut."""
    encoded = shards.vocabulary.encode(shards.stream(language), texts)
    mapping, end, room = shards.mapping(language), shards.end_of(language), sequence - 1
    longest = min(room, max(len(found) for found in encoded))
    tokens = np.full((len(texts), min(sequence, -(-(longest + 1) // LENGTHS) * LENGTHS)), end, np.int32)
    counted = np.zeros(tokens.shape, np.bool_)
    for row, found in enumerate(encoded):
        kept = found[:room]
        tokens[row, 1 : len(kept) + 1] = kept if mapping is None else mapping[kept]
        counted[row, 1 : len(kept) + 1] = True
    return tokens, counted, sum(len(found) > room for found in encoded)


def _features(model: Transformer, tokens: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean last hidden state of each text, (n, d) float64."""
    found = [
        np.asarray(_mean_states(model, tokens[rows], counted[rows]), np.float64)[:kept]
        for rows, kept in batches(*tokens.shape)
    ]
    return np.concatenate(found)


@jax.jit
def _mean_states(model: Transformer, tokens: jax.Array, counted: jax.Array) -> jax.Array:
    weights = counted / jnp.sum(counted, axis=1, keepdims=True)
    return jnp.einsum("btd,bt->bd", hidden(model, tokens), weights)
