"""Hidden-state alignment: how alike the outputs of each block are for the same content in two languages.

    hidden_cosine    clones: mean over tokens t of cos(h_A[t], h_B[t]), token by token
    matched_cosine   other languages: the same over a maximum-weight matching of tokens, one for all layers
    pooled_cosine    mean over units of cos(mean state in A, mean state in B): cheap, for any pair

Every value is a mean over pairs of texts, by layer, before the final norm. Its null is the same procedure on
mismatched pairs (text i in A, text j in B): a raw cosine says little, since states share a common direction and a
signal of position. Three controls have rows of their own, each with its mismatched null:

    ..._centred      after subtracting each layer's mean state of each language, over all texts
    ..._shuffled     clones: B reads the tokens of its text in another order
    ..._untrained    mean over five models of the same shape that have learned nothing

Source: Schafer et al. (2404.07982), Table 2, figures 6 and 7; it has no mismatched pairs. Values by matching are not
comparable with values token by token: a maximum is taken in the one, positions are equal in the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.shapes import Shape
from isoglot.train.aligned_text import AlignedText, Side, partners, shuffled
from isoglot.train.matching import matched_means
from isoglot.train.measures import Measure, over_pairs
from isoglot.train.model import Transformer, hidden_by_layer, initial

# Tokens whose states of all layers are held at a time.
TOKENS_AT_ONCE = 8192
SMALLEST = 1e-30
UNTRAINED_MODELS = 5


def hidden_alignment(
    model: Transformer, text: AlignedText, pair: tuple[str, str], seed: int = 0
) -> list[Measure]:
    """Rows of the module's metrics by layer, without those of untrained models."""
    centres = (_centre(model, text.first), _centre(model, text.second))
    return _measures(_by_pair(model, text, seed, centres), pair)


def untrained_alignment(
    shape: Shape, text: AlignedText, pair: tuple[str, str], seed: int = 0
) -> list[Measure]:
    """The rows `..._untrained`: means over models drawn from successive seeds, with standard errors over them.

    Which tokens a single draw happens to make alike is the same in all texts, so texts alone would tell too small
    an error.
    """
    drawn = [_by_pair(initial(shape, seed + draw), text, seed) for draw in range(UNTRAINED_MODELS)]
    means = {
        f"{metric}_untrained": np.stack([one[metric].mean(axis=2) for one in drawn], axis=2)
        for metric in drawn[0]
    }
    return _measures(means, pair)


def _by_pair(
    model: Transformer,
    text: AlignedText,
    seed: int,
    centres: tuple[jax.Array, jax.Array] | None = None,
) -> dict[str, np.ndarray]:
    """Metric -> (2, L, P), of pairs and mismatched pairs; with `centres` the controls of a trained model too."""
    partner = partners(text.pairs, seed)
    first, second, one_by_one = text.first, text.second, text.one_by_one
    other_order = shuffled(second, seed) if one_by_one and centres is not None else None
    parts: dict[str, list[np.ndarray]] = {}
    for rows, kept in batches(text.pairs, first.unit.shape[1]):
        mine, units = _states(model, first.tokens[rows, :-1]), first.unit[rows]
        right, right_units = _states(model, second.tokens[rows, :-1]), second.unit[rows]
        at = partner[rows]
        wrong, wrong_units = _states(model, second.tokens[at, :-1]), second.unit[at]
        null = _compare(mine, units, wrong, wrong_units, one_by_one)
        cases = {"": (_compare(mine, units, right, right_units, one_by_one), null)}
        if other_order is not None:
            mixed = np.asarray(_by_token(mine, _states(model, other_order[rows, :-1])), np.float64)
            cases["_shuffled"] = ({"hidden_cosine": mixed}, null)
        if centres is not None:
            less = mine - centres[0]
            cases["_centred"] = (
                _compare(less, units, right - centres[1], right_units, one_by_one),
                _compare(less, units, wrong - centres[1], wrong_units, one_by_one),
            )
        for suffix, (values, nulls) in cases.items():
            for metric in values:
                both = np.stack([values[metric], nulls[metric]])[:, :, :kept]
                parts.setdefault(metric + suffix, []).append(both)
    return {metric: np.concatenate(pieces, axis=2) for metric, pieces in parts.items()}


def batches(count: int, sequence: int) -> Iterator[tuple[np.ndarray, int]]:
    """Rows to read together, always equally many (one compiled program), and how many of them are new."""
    size = min(count, max(1, TOKENS_AT_ONCE // sequence))
    for start in range(0, count, size):
        yield np.arange(start, start + size) % count, min(size, count - start)


def cosines(first: jax.Array, second: jax.Array) -> jax.Array:
    """Cosine over the last axis.

    >>> cosines(jnp.array([[1.0, 0.0], [2.0, 2.0]]), jnp.array([[0.0, 3.0], [1.0, 1.0]])).round(3).tolist()
    [0.0, 1.0]
    """
    norms = jnp.linalg.norm(first, axis=-1) * jnp.linalg.norm(second, axis=-1)
    return jnp.sum(first * second, axis=-1) / jnp.maximum(norms, SMALLEST)


@jax.jit
def _states(model: Transformer, tokens: jax.Array) -> jax.Array:
    """Outputs (L, B, T, d) of all blocks, float32."""
    return hidden_by_layer(model, tokens)


def _centre(model: Transformer, side: Side) -> jax.Array:
    """Mean state of a language by layer, (L, 1, 1, d), over all compared tokens."""
    total: jax.Array | float = 0.0
    count = 0
    for rows, kept in batches(len(side.tokens), side.unit.shape[1]):
        compared = side.unit[rows] >= 0
        compared[kept:] = False
        total = total + jnp.einsum("lbtd,bt->ld", _states(model, side.tokens[rows, :-1]), compared)
        count += int(compared.sum())
    return (jnp.asarray(total) / count)[:, None, None]


def _compare(
    first: jax.Array, units: np.ndarray, second: jax.Array, other: np.ndarray, one_by_one: bool
) -> dict[str, np.ndarray]:
    """Metric -> (L, B) of states (L, B, T, d) and their units (B, T)."""
    pooled = _pooled(first, units, second, other)
    if one_by_one:
        return {"hidden_cosine": np.asarray(_by_token(first, second), np.float64), "pooled_cosine": pooled}
    matched = np.stack([_matched(first, units, second, other, row) for row in range(len(units))], axis=1)
    return {"matched_cosine": matched, "pooled_cosine": pooled}


@jax.jit
def _by_token(first: jax.Array, second: jax.Array) -> jax.Array:
    return jnp.mean(cosines(first, second), axis=-1)


def _matched(
    first: jax.Array, units: np.ndarray, second: jax.Array, other: np.ndarray, row: int
) -> np.ndarray:
    similarity = np.asarray(_similarity(first[:, row], second[:, row]))
    return matched_means(similarity[:, units[row] >= 0][:, :, other[row] >= 0])


@jax.jit
def _similarity(first: jax.Array, second: jax.Array) -> jax.Array:
    """Cosines (L, T, T) of all pairs of tokens of one text each."""
    first, second = (
        part / jnp.maximum(jnp.linalg.norm(part, axis=-1, keepdims=True), SMALLEST)
        for part in (first, second)
    )
    return jnp.einsum("ltd,lsd->lts", first, second)


def _pooled(first: jax.Array, units: np.ndarray, second: jax.Array, other: np.ndarray) -> np.ndarray:
    """Mean over the units of a text of the cosine of their mean states, (L, B).

    Mismatched texts may have fewer units in B, whose units are then read again from the first.
    """
    mine, theirs = _unit_means(first, units), _unit_means(second, other)
    counts, theirs_have = units.max(axis=1) + 1, other.max(axis=1) + 1
    number = np.arange(mine.shape[2])
    with_which = theirs[:, np.arange(len(units))[:, None], number % theirs_have[:, None]]
    alike = np.asarray(cosines(mine, with_which), np.float64) * (number < counts[:, None])
    return np.asarray(alike.sum(axis=2) / counts)


def _unit_means(states: jax.Array, units: np.ndarray) -> jax.Array:
    """Mean state of each unit, (L, B, U, d); zero where a text has fewer units."""
    belongs = units[:, None, :] == np.arange(units.max() + 1)[:, None]
    weights = belongs / np.maximum(belongs.sum(axis=-1, keepdims=True), 1)
    return jnp.einsum("but,lbtd->lbud", weights.astype(np.float32), states)


def _measures(found: dict[str, np.ndarray], pair: tuple[str, str]) -> list[Measure]:
    """Rows from (2, L, n), values and nulls of n pairs (or models) by layer."""
    return [
        over_pairs(metric, values[layer], nulls[layer], pair, layer + 1)
        for metric, (values, nulls) in found.items()
        for layer in range(len(values))
    ]
