"""Next-token losses from the last hidden states, without keeping the logits of a whole batch.

    loss = -log softmax(x w)[target]        x (B, T, d), w (d, V), target (B, T)

Positions go in groups whose logits fit a cache (on an accelerator, its memory). The mean loss computes its gradient
in the forward pass, group by group, so each logit is made once and read while it is near: with a vocabulary of
thousands the logits outweigh all other activations.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

# Logits of one group: 8 MB in float32 on a CPU; accelerators have room for more and want larger products.
GROUP_LOGITS = {"cpu": 2**21}
GROUP_LOGITS_ELSEWHERE = 2**29


def token_losses(x: jax.Array, table: jax.Array, targets: jax.Array) -> jax.Array:
    """Negative log-likelihood (B, T) of each target in nats, in float32; see the module."""

    def losses(group: tuple[jax.Array, jax.Array]) -> jax.Array:
        return _losses(_scores(group[0], table), group[1])

    return _joined(jax.lax.map(losses, _groups(x, targets, table.shape[1])))


@jax.custom_vjp
def mean_loss(x: jax.Array, table: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean negative log-likelihood over all positions, in nats; see the module."""
    return jnp.mean(token_losses(x, table, targets))


def _forward(
    x: jax.Array, table: jax.Array, targets: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    scale = 1.0 / targets.size

    def group(
        to_table: jax.Array, part: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        states, aims = part
        scores = jax.lax.optimization_barrier(_scores(states, table))
        losses = _losses(scores, aims)
        chance = jnp.exp(scores - _log_norm(scores)[..., None])
        hit = jnp.arange(table.shape[1]) == aims[..., None]
        slope = jax.lax.optimization_barrier(((chance - hit) * scale).astype(states.dtype))
        rows = slope.reshape(-1, table.shape[1])
        to_states = (rows @ table.astype(states.dtype).T).reshape(states.shape)
        flat = states.reshape(-1, states.shape[-1])
        return to_table + jnp.matmul(flat.T, rows, preferred_element_type=jnp.float32), (losses, to_states)

    start = jnp.zeros(table.shape, jnp.float32)
    to_table, (losses, to_states) = jax.lax.scan(group, start, _groups(x, targets, table.shape[1]))
    return jnp.mean(losses), (_joined(to_states), to_table)


def _backward(kept: tuple[jax.Array, jax.Array], slope: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    to_states, to_table = kept
    return (slope * to_states).astype(to_states.dtype), slope * to_table, None


mean_loss.defvjp(_forward, _backward)


def _scores(x: jax.Array, table: jax.Array) -> jax.Array:
    """Logits in float32, as one product over flat rows."""
    flat = jnp.matmul(x.reshape(-1, x.shape[-1]), table.astype(x.dtype), preferred_element_type=jnp.float32)
    return flat.reshape(*x.shape[:-1], table.shape[1])


def _log_norm(scores: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(scores, axis=-1)


def _losses(scores: jax.Array, targets: jax.Array) -> jax.Array:
    return _log_norm(scores) - jnp.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]


def _groups(x: jax.Array, targets: jax.Array, vocabulary: int) -> tuple[jax.Array, jax.Array]:
    """Split along positions, so that the batch axis can stay spread over devices."""
    batch, length = targets.shape
    room = GROUP_LOGITS.get(jax.default_backend(), GROUP_LOGITS_ELSEWHERE)
    wanted = math.ceil(batch * length * vocabulary / room)
    count = next(n for n in range(max(1, min(wanted, length)), length + 1) if length % n == 0)

    def split(part: jax.Array) -> jax.Array:
        return jnp.moveaxis(part.reshape(batch, count, length // count, *part.shape[2:]), 1, 0)

    return split(x), split(targets)


def _joined(parts: jax.Array) -> jax.Array:
    """Undo the split: (groups, B, T / groups, ...) to (B, T, ...)."""
    whole = jnp.moveaxis(parts, 0, 1)
    return whole.reshape(whole.shape[0], -1, *whole.shape[3:])
