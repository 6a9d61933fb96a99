"""Gradient alignment: do the same content in two languages, or two clones, pull the weights the same way?

    g_A = gradient of the mean loss on a text in A,    g_B on its version in B,    float32
    gradient_cosine.<tensor>       cos(g_A, g_B) of one weight tensor of one layer, flattened
    gradient_cosine                their unweighted mean: over a layer's tensors, and (no layer) over all layers
    gradient_cosine_concatenated   cosine of the gradients of all blocks as one vector

Values are means over pairs of texts; the null is the same for mismatched pairs. Embeddings, head and final norm have
rows of their own and stand outside both summaries, as in the source. Means over tensors let a small gain count like
a matrix, which is why the concatenated cosine stands beside them. The source averages in the bias of the keys, whose
true gradient is zero, so that its cosine is rounding noise; this model has no biases. `..._permuted`, for clones, is a
control: B reads its text through a permutation of its ids, so that structure stays and the correspondence is lost.

Source: Schafer et al. (2404.07982), Table 4 and its code, compare_representations.py.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.errors import NoAnswerError
from isoglot.core.splitmix import permutation, seed_from
from isoglot.train.aligned_text import AlignedText, partners
from isoglot.train.checkpoint import named
from isoglot.train.cross_entropy import token_losses
from isoglot.train.measures import Measure, over_pairs
from isoglot.train.model import Transformer, hidden

BLOCKS = "blocks."
# Versions of a text: in A, in B, of another text in B, in B through permuted ids.
RIGHT, WRONG, PERMUTED = 0, 1, 2


def gradient_alignment(
    model: Transformer, text: AlignedText, pair: tuple[str, str], seed: int = 0
) -> list[Measure]:
    """Rows of the module's metrics.

    Raises NoAnswerError if a gradient vanishes, as the queries' does in sequences of one token.
    """
    partner = partners(text.pairs, seed)
    first, second = text.first, text.second
    swapped = permuted_ids(second.tokens, seed) if text.one_by_one else None
    found: list[dict[str, np.ndarray]] = []
    for row in range(text.pairs):
        tokens = [first.tokens[row], second.tokens[row], second.tokens[partner[row]]]
        scored = [first.scored[row], second.scored[row], second.scored[partner[row]]]
        if swapped is not None:
            tokens.append(swapped[row])
            scored.append(second.scored[row])
        found.append(_row_cosines(model, np.stack(tokens), np.stack(scored), pair))
    values = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return _measures(values, pair, swapped is not None)


def permuted_ids(tokens: np.ndarray, seed: int) -> np.ndarray:
    """Tokens with the ids that occur in them exchanged by a seeded permutation.

    >>> permuted_ids(np.array([[5, 7, 5, 9]]), 1).tolist()
    [[7, 5, 7, 9]]
    """
    ids, place = np.unique(tokens, return_inverse=True)
    order = permutation(seed_from(f"permuted ids {seed}"), len(ids))
    return np.asarray(ids[order][place].reshape(tokens.shape), tokens.dtype)


def _row_cosines(
    model: Transformer, tokens: np.ndarray, scored: np.ndarray, pair: tuple[str, str]
) -> dict[str, np.ndarray]:
    """Tensor -> cosines of version 0 with each other version: (k, L) in blocks, (k,) elsewhere."""
    # Some accelerators would round the products of float32 to fewer bits.
    with jax.default_matmul_precision("float32"):
        dots, squares = (named(part) for part in _products(model, tokens, scored))
    found = {}
    for name, square in squares.items():
        if not (square > 0).all():
            raise NoAnswerError(
                f"gradient of {name} is zero or no number on a text of {' and '.join(pair)}: probe a model with longer "
                "sequences, or whose loss is a number"
            )
        found[name] = dots[name][1:] / np.sqrt(square[1:] * square[:1])
    inside = [name for name in squares if name.startswith(BLOCKS)]
    dot, square = (sum(part[name].sum(axis=1) for name in inside) for part in (dots, squares))
    found["concatenated"] = dot[1:] / np.sqrt(square[1:] * square[:1])
    return {name: np.clip(value, -1.0, 1.0).astype(np.float64) for name, value in found.items()}


@jax.jit
def _products(model: Transformer, tokens: jax.Array, scored: jax.Array) -> tuple[Transformer, Transformer]:
    """Products of each version's gradient (k, T + 1 tokens) with that of version 0, and with itself, by tensor."""

    def gradient(version: tuple[jax.Array, jax.Array]) -> Transformer:
        found: Transformer = jax.grad(_loss)(model, *version)
        return found

    slopes = jax.lax.map(gradient, (tokens, scored))

    def product(name: str, slope: jax.Array, with_first: bool) -> jax.Array:
        other = slope[:1] if with_first else slope
        return jnp.sum(slope * other, axis=tuple(range(2 if name.startswith(BLOCKS) else 1, slope.ndim)))

    flat, shape = jax.tree_util.tree_flatten_with_path(slopes)
    names = ["blocks." if "blocks" in jax.tree_util.keystr(path) else "" for path, _ in flat]
    dots, squares = (
        jax.tree_util.tree_unflatten(
            shape, [product(name, leaf, one) for name, (_, leaf) in zip(names, flat, strict=True)]
        )
        for one in (True, False)
    )
    return dots, squares


def _loss(model: Transformer, tokens: jax.Array, scored: jax.Array) -> jax.Array:
    """Mean loss in nats of the scored predictions of one text."""
    losses = token_losses(hidden(model, tokens[None, :-1]), model.output_table(), tokens[None, 1:])
    return jnp.sum(losses[0] * scored) / jnp.sum(scored)


def _measures(values: dict[str, np.ndarray], pair: tuple[str, str], permuted: bool) -> list[Measure]:
    """Rows from cosines (P, k, L) or (P, k) of each tensor."""
    inside = {name.removeprefix(BLOCKS): value for name, value in values.items() if name.startswith(BLOCKS)}
    by_layer = np.mean(list(inside.values()), axis=0)
    whole = {"gradient_cosine": by_layer.mean(axis=2), "gradient_cosine_concatenated": values["concatenated"]}
    found = []
    for suffix, version in (("", RIGHT), *((("_permuted", PERMUTED),) if permuted else ())):
        for name, value in whole.items():
            found.append(over_pairs(name + suffix, value[:, version], value[:, WRONG], pair))
        found += _layers("gradient_cosine" + suffix, by_layer, version, pair)
    for name, value in inside.items():
        found += _layers(f"gradient_cosine.{name}", value, RIGHT, pair)
    for name, value in values.items():
        if not name.startswith(BLOCKS) and name != "concatenated":
            found.append(over_pairs(f"gradient_cosine.{name}", value[:, RIGHT], value[:, WRONG], pair))
    return found


def _layers(metric: str, value: np.ndarray, version: int, pair: tuple[str, str]) -> list[Measure]:
    return [
        over_pairs(metric, value[:, version, at], value[:, WRONG, at], pair, at + 1)
        for at in range(value.shape[2])
    ]
