"""Causal softmax attention, with its gradient written out.

    weights = softmax(q k^T / sqrt(k), over the keys up to the query),    out = weights v

With segments a key is seen only from its own segment: the weights of all others are 0.

Queries go in blocks that see only the keys up to their own end: less arithmetic than the full square, and on a CPU
independent products that run at the same time. The backward pass keeps the weights and uses

    d scores = weights (d out v^T - rowsum(d out out))

Barriers keep the compiler from fusing element-wise work into the products (see `isoglot.train.linear`).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

SMALLEST_QUERY_BLOCK = 64
MOST_QUERY_BLOCKS = 8


def attention(
    query: jax.Array, key: jax.Array, value: jax.Array, segments: jax.Array | None = None
) -> jax.Array:
    """Causal softmax attention, (B, T, h, k) each, with scores in float32; see the module.

    `segments`, (B, T) integers, keep attention inside runs of equal ones (None: everything before is seen). In bfloat16
    on a GPU the fused kernel of cuDNN does it.
    """
    if query.dtype == jnp.bfloat16 and jax.default_backend() == "gpu":
        mask = None if segments is None else (segments[:, None, :, None] == segments[:, None, None, :])
        return jax.nn.dot_product_attention(
            query, key, value, mask=mask, is_causal=True, implementation="cudnn"
        )
    scaled = query / math.sqrt(query.shape[-1])
    query, key, value = (
        jax.lax.optimization_barrier(jnp.swapaxes(part, 1, 2)) for part in (scaled, key, value)
    )
    length = query.shape[2]
    block = max(SMALLEST_QUERY_BLOCK, math.ceil(length / MOST_QUERY_BLOCKS))
    parts = []
    for start in range(0, length, block):
        end = min(start + block, length)
        inside = None if segments is None else (segments[:, start:end], segments[:, :end])
        parts.append(_attend(query[:, :, start:end], key[:, :, :end], value[:, :, :end], inside))
    return jnp.swapaxes(jnp.concatenate(parts, axis=2), 1, 2)


# Segments of queries (B, t) and of keys (B, s).
_Inside = tuple[jax.Array, jax.Array] | None


@jax.custom_vjp
def _attend(query: jax.Array, key: jax.Array, value: jax.Array, inside: _Inside) -> jax.Array:
    """Attention of the last t positions, (B, h, t, k), to all s up to them, (B, h, s, k)."""
    return jnp.einsum("bhts,bhsk->bhtk", _weights(query, key, inside), value)


def _weights(query: jax.Array, key: jax.Array, inside: _Inside) -> jax.Array:
    count, end = query.shape[2], key.shape[2]
    seen = jnp.arange(end) <= jnp.arange(end - count, end)[:, None]
    if inside is not None:
        seen = seen & (inside[0][:, None, :, None] == inside[1][:, None, None, :])
    scores = jax.lax.optimization_barrier(jnp.einsum("bhtk,bhsk->bhts", query, key))
    weights = jax.nn.softmax(jnp.where(seen, scores.astype(jnp.float32), -jnp.inf), axis=-1)
    return jax.lax.optimization_barrier(weights.astype(query.dtype))


_Kept = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]


def _forward(query: jax.Array, key: jax.Array, value: jax.Array, inside: _Inside) -> tuple[jax.Array, _Kept]:
    weights = _weights(query, key, inside)
    out = jnp.einsum("bhts,bhsk->bhtk", weights, value)
    return out, (query, key, value, weights, out)


def _backward(kept: _Kept, slope: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    query, key, value, weights, out = kept
    slope = jax.lax.optimization_barrier(slope)
    to_weights = jax.lax.optimization_barrier(jnp.einsum("bhtk,bhsk->bhts", slope, value))
    shared = jnp.sum((slope * out).astype(jnp.float32), axis=-1, keepdims=True)
    to_scores = jax.lax.optimization_barrier((weights * (to_weights - shared)).astype(query.dtype))
    return (
        jnp.einsum("bhts,bhsk->bhtk", to_scores, key),
        jnp.einsum("bhts,bhtk->bhsk", to_scores, query),
        jnp.einsum("bhts,bhtk->bhsk", weights, slope),
        None,
    )


_attend.defvjp(_forward, _backward)
