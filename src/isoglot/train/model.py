"""The model: a decoder-only transformer with RMSNorm, rotary positions and a gated feed-forward.

    x = embedding[tokens]
    for each block:   x += attention(norm(x)),  x += down(silu(gate(norm(x))) * up(norm(x)))
    logits = norm(x) @ head

Blocks are stacked: each weight has a leading axis of layers. A shape with one norm a layer (ATLAS's count) reads
both branches from it: x += attention(norm(x)) + ffn(norm(x)). Weights are float32; `dtype` is that of activations
and matrix products. Norms, softmax and loss are always computed in float32.
"""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from isoglot.core.errors import InputError
from isoglot.core.recipe import InitialWeights
from isoglot.core.shapes import Shape
from isoglot.train.attention import attention
from isoglot.train.linear import linear

ROTARY_BASE = 10_000.0
NORM_EPSILON = 1e-5
GPT2_SD = 0.02
# A CPU runs unrolled layers nearly twice as fast; deep models compile too slowly that way.
UNROLLED_LAYERS = 16


class Blocks(eqx.Module):
    """Weights of all blocks, stacked by layer: L layers, width d, heads x head width a, feed-forward f."""

    attention_norm: jax.Array  # (L, d)
    query: jax.Array  # (L, d, a)
    key: jax.Array  # (L, d, a)
    value: jax.Array  # (L, d, a)
    output: jax.Array  # (L, a, d)
    ffn_norm: jax.Array | None  # (L, d)
    gate: jax.Array  # (L, d, f)
    up: jax.Array  # (L, d, f)
    down: jax.Array  # (L, f, d)


class Transformer(eqx.Module):
    """A decoder-only transformer; see the module. `head` is None where it is the input table."""

    embedding: jax.Array  # (V, d)
    blocks: Blocks
    final_norm: jax.Array | None  # (d,)
    head: jax.Array | None  # (d, V)
    shape: Shape = eqx.field(static=True)

    def output_table(self) -> jax.Array:
        """The matrix (d, V) from the last hidden state to logits."""
        return self.embedding.T if self.head is None else self.head


def check_shape(shape: Shape) -> None:
    """Raise InputError for a shape that this model cannot be."""
    for wrong, name, right in (
        (not shape.gated, "gated=False", "gated feed-forwards"),
        (shape.biases, "biases=True", "no biases"),
        (shape.positions > 0, f"positions={shape.positions}", "rotary positions, which have no table"),
        (
            shape.norms_per_layer not in (1, 2),
            f"norms_per_layer={shape.norms_per_layer}",
            "one or two norms a layer",
        ),
    ):
        if wrong:
            raise InputError(f"shape has {name}: the model has {right}")


def initial(shape: Shape, seed: int, scales: InitialWeights = "fan_in") -> Transformer:
    """Fresh weights, normal with mean 0 and a standard deviation by matrix; norms have gain 1.

    With L layers and width d:

        fan_in   1 / sqrt(inputs of the matrix); 1 / sqrt(d) for the input table and the head
        gpt2     0.02 for all (Radford et al. 2019)

    The two matrices that write to the residual stream are divided by sqrt(2 L) in both, so that the stream does not
    grow with depth. Why fan_in is the default: experiments/regime.md.

    >>> tiny = Shape(layers=2, width=8, ffn=16, heads=2, head_width=4, vocabulary=100)
    >>> sum(leaf.size for leaf in jax.tree.leaves(initial(tiny, 0)))
    2120
    """
    check_shape(shape)
    layers, width, inner = shape.layers, shape.width, shape.attention_width
    keys = iter(jax.random.split(jax.random.key(seed), 9))

    def normal(*size: int, inputs: int, branches: int = 1) -> jax.Array:
        sd = (GPT2_SD if scales == "gpt2" else 1 / math.sqrt(inputs)) / math.sqrt(branches)
        return sd * jax.random.normal(next(keys), size, jnp.float32)

    return Transformer(
        embedding=normal(shape.vocabulary, width, inputs=width),
        blocks=Blocks(
            attention_norm=jnp.ones((layers, width)),
            query=normal(layers, width, inner, inputs=width),
            key=normal(layers, width, inner, inputs=width),
            value=normal(layers, width, inner, inputs=width),
            output=normal(layers, inner, width, inputs=inner, branches=2 * layers),
            ffn_norm=jnp.ones((layers, width)) if shape.norms_per_layer == 2 else None,
            gate=normal(layers, width, shape.ffn, inputs=width),
            up=normal(layers, width, shape.ffn, inputs=width),
            down=normal(layers, shape.ffn, width, inputs=shape.ffn, branches=2 * layers),
        ),
        final_norm=jnp.ones(width) if shape.final_norm else None,
        head=None if shape.tied else normal(width, shape.vocabulary, inputs=width),
        shape=shape,
    )


def rms_norm(x: jax.Array, gain: jax.Array) -> jax.Array:
    """x / sqrt(mean(x^2) + 1e-5) * gain over the last axis, computed in float32, in the type of x."""
    wide = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + NORM_EPSILON)
    return (wide * scale * gain).astype(x.dtype)


def rotary_tables(length: int, head_width: int) -> tuple[jax.Array, jax.Array]:
    """Cosines and sines (T, k/2) of the angles t / base^(2 i / k)."""
    rates = ROTARY_BASE ** (-jnp.arange(0, head_width, 2, dtype=jnp.float32) / head_width)
    angles = jnp.arange(length, dtype=jnp.float32)[:, None] * rates
    return jnp.cos(angles), jnp.sin(angles)


def rotate(x: jax.Array, cos: jax.Array, sin: jax.Array) -> jax.Array:
    """Rotate the two halves of each head, (B, T, h, k), by its position's angles."""
    first, second = jnp.split(x, 2, axis=-1)
    cos, sin = cos[:, None].astype(x.dtype), sin[:, None].astype(x.dtype)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def apply_block(
    x: jax.Array,
    block: Blocks,
    shape: Shape,
    rotary: tuple[jax.Array, jax.Array],
    segments: jax.Array | None = None,
) -> jax.Array:
    """One block on (B, T, d); `block` holds one layer's weights, `segments` (B, T) bound attention."""
    batch, length, _ = x.shape
    dtype = x.dtype

    def heads(name: str) -> jax.Array:
        return linear(normed, getattr(block, name)).reshape(batch, length, shape.heads, shape.head_width)

    normed = rms_norm(x, block.attention_norm)
    mixed = attention(
        rotate(heads("query"), *rotary), rotate(heads("key"), *rotary), heads("value"), segments
    )
    branch = linear(mixed.reshape(batch, length, -1), block.output)
    if block.ffn_norm is not None:
        x = x + branch
        branch = jnp.zeros((), dtype)
        normed = rms_norm(x, block.ffn_norm)
    hidden = jax.nn.silu(linear(normed, block.gate)) * linear(normed, block.up)
    return x + branch + linear(hidden, block.down)


def hidden(
    model: Transformer,
    tokens: jax.Array,
    dtype: Any = jnp.float32,
    remat: bool = False,
    segments: jax.Array | None = None,
) -> jax.Array:
    """Last hidden states (B, T, d) of tokens (B, T), after the final norm.

    `remat` recomputes each block in the backward pass, for models whose activations do not fit. `segments`, integers
    (B, T), keep attention inside runs of equal ones.
    """
    x, _ = _through(model, tokens, dtype, remat, segments, keep=False)
    return x if model.final_norm is None else rms_norm(x, model.final_norm)


def hidden_by_layer(model: Transformer, tokens: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """Output (L, B, T, d) of every block, before the final norm."""
    _, layers = _through(model, tokens, dtype, remat=False, segments=None, keep=True)
    return layers


def _through(
    model: Transformer,
    tokens: jax.Array,
    dtype: Any,
    remat: bool,
    segments: jax.Array | None,
    keep: bool,
) -> tuple[jax.Array, Any]:
    rotary = rotary_tables(tokens.shape[1], model.shape.head_width)

    def body(x: jax.Array, block: Blocks) -> tuple[jax.Array, jax.Array | None]:
        x = apply_block(x, block, model.shape, rotary, segments)
        return x, x if keep else None

    layers = model.shape.layers
    unroll = layers if layers <= UNROLLED_LAYERS else 1
    x = model.embedding[tokens].astype(dtype)
    return jax.lax.scan(jax.checkpoint(body) if remat else body, x, model.blocks, unroll=unroll)


def logits(
    model: Transformer, tokens: jax.Array, dtype: Any = jnp.float32, segments: jax.Array | None = None
) -> jax.Array:
    """Next-token logits (B, T, V) in float32; `segments` as in `hidden`."""
    return linear(hidden(model, tokens, dtype, segments=segments), model.output_table()).astype(jnp.float32)
