"""The model and its losses against independent computations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.shapes import Shape, atlas_scale, count_parameters
from isoglot.train import cross_entropy
from isoglot.train.attention import attention
from isoglot.train.linear import linear
from isoglot.train.model import hidden, hidden_by_layer, initial, logits, rms_norm

SHAPE = Shape(layers=3, width=12, ffn=20, heads=3, head_width=6, vocabulary=40)
TOKENS = np.random.default_rng(0).integers(0, 40, (2, 70)).astype(np.int32)
ONE_NORM = replace(SHAPE, norms_per_layer=1, final_norm=False, tied=False)


def reference(model: Any, tokens: np.ndarray) -> np.ndarray:
    """Logits of one sequence in plain NumPy and float64, position by position."""
    shape, blocks = model.shape, jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), model.blocks)
    length, half = len(tokens), shape.head_width // 2
    angle = np.arange(length)[:, None] * 10_000.0 ** (-np.arange(half) / half)

    def norm(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * gain

    def turn(x: np.ndarray) -> np.ndarray:
        a, b = x[..., :half], x[..., half:]
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    x = np.asarray(model.embedding, np.float64)[tokens]
    for at in range(shape.layers):
        normed = norm(x, blocks.attention_norm[at])
        q, k, v = (
            (normed @ w[at]).reshape(length, shape.heads, shape.head_width)
            for w in (blocks.query, blocks.key, blocks.value)
        )
        q, k = turn(q), turn(k)
        out = np.zeros_like(v)
        for t in range(length):
            score = np.einsum("hk,shk->hs", q[t], k[: t + 1]) / np.sqrt(shape.head_width)
            weight = np.exp(score - score.max(-1, keepdims=True))
            out[t] = np.einsum("hs,shk->hk", weight / weight.sum(-1, keepdims=True), v[: t + 1])
        attended = out.reshape(length, -1) @ blocks.output[at]
        if blocks.ffn_norm is not None:
            x, attended = x + attended, 0.0
            normed = norm(x, blocks.ffn_norm[at])
        gate = normed @ blocks.gate[at]
        x = x + attended + (gate / (1 + np.exp(-gate)) * (normed @ blocks.up[at])) @ blocks.down[at]
    if model.final_norm is not None:
        x = norm(x, np.asarray(model.final_norm))
    return x @ np.asarray(model.output_table(), np.float64)


@pytest.mark.parametrize("shape", [SHAPE, ONE_NORM], ids=["two norms, tied", "one norm, untied"])
def test_logits_equal_a_plain_computation(shape: Shape) -> None:
    model = initial(shape, 1)
    found = np.asarray(logits(model, TOKENS))
    for row in range(2):
        np.testing.assert_allclose(found[row], reference(model, TOKENS[row]), atol=2e-5)


def test_a_later_token_changes_nothing_before_it() -> None:
    model = initial(SHAPE, 0)
    changed = TOKENS.copy()
    changed[:, 50:] = (changed[:, 50:] + 1) % 40
    before, after = np.asarray(logits(model, TOKENS)), np.asarray(logits(model, changed))
    np.testing.assert_array_equal(before[:, :50], after[:, :50])
    assert np.abs(before[:, 50:] - after[:, 50:]).max() > 1e-3


@pytest.mark.parametrize("shape", [SHAPE, ONE_NORM])
def test_parameters_are_those_of_the_shape(shape: Shape) -> None:
    found = jax.eval_shape(lambda: initial(shape, 0))
    assert sum(leaf.size for leaf in jax.tree.leaves(found)) == count_parameters(shape, "total")


def test_a_published_shape_has_its_published_count() -> None:
    found = jax.eval_shape(lambda: initial(atlas_scale(34).shape, 0))
    assert sum(leaf.size for leaf in jax.tree.leaves(found)) == 2_034_422_912


def test_the_last_layer_is_the_hidden_state() -> None:
    model = initial(SHAPE, 0)
    layers = hidden_by_layer(model, TOKENS)
    assert layers.shape == (3, 2, 70, 12)
    assert model.final_norm is not None
    np.testing.assert_allclose(rms_norm(layers[-1], model.final_norm), hidden(model, TOKENS), atol=1e-6)


@pytest.mark.parametrize("room", [2**23, 40 * 2 * 30])
def test_loss_and_gradient_equal_autodiff_of_the_plain_loss(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cross_entropy.GROUP_LOGITS, "cpu", room)
    x = jax.random.normal(jax.random.key(0), (2, 60, 12))
    table = jax.random.normal(jax.random.key(1), (12, 40))
    targets = jnp.asarray(TOKENS[:, :60])

    def plain(x: jax.Array, table: jax.Array) -> jax.Array:
        return -jnp.take_along_axis(jax.nn.log_softmax(x @ table), targets[..., None], -1).mean()

    wanted = jax.value_and_grad(plain, (0, 1))(x, table)
    found = jax.value_and_grad(lambda x, table: cross_entropy.mean_loss(x, table, targets), (0, 1))(x, table)
    for mine, right in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine, right, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(cross_entropy.token_losses(x, table, targets).mean(), wanted[0], rtol=1e-6)


def test_linear_has_the_gradients_of_a_product() -> None:
    x, w = jax.random.normal(jax.random.key(0), (2, 3, 4)), jax.random.normal(jax.random.key(1), (4, 5))
    found = jax.grad(lambda x, w: jnp.sin(linear(x, w)).sum(), (0, 1))(x, w)
    wanted = jax.grad(lambda x, w: jnp.sin(x @ w).sum(), (0, 1))(x, w)
    for mine, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [70])
def test_attention_has_the_gradient_of_plain_attention(length: int) -> None:
    q, k, v, g = jax.random.normal(jax.random.key(0), (4, 2, length, 2, 6))

    def plain(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        scores = jnp.einsum("bthk,bshk->bhts", q, k) / jnp.sqrt(6.0)
        weights = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -jnp.inf))
        return (jnp.einsum("bhts,bshk->bthk", weights, v) * g).sum()

    wanted = jax.value_and_grad(plain, (0, 1, 2))(q, k, v)
    found = jax.value_and_grad(lambda *parts: (attention(*parts) * g).sum(), (0, 1, 2))(q, k, v)
    for mine, right in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=2e-5)


def test_half_precision_stays_near_full_and_keeps_its_weights() -> None:
    model = initial(SHAPE, 0)
    half = logits(model, TOKENS, jnp.bfloat16)
    assert half.dtype == jnp.float32
    assert np.abs(half - logits(model, TOKENS)).mean() < 0.02
    slope = jax.grad(
        lambda m: cross_entropy.mean_loss(hidden(m, TOKENS, jnp.bfloat16), m.output_table(), TOKENS)
    )(model)
    assert {leaf.dtype for leaf in jax.tree.leaves(slope)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    "change", [{"gated": False}, {"biases": True}, {"positions": 8}, {"norms_per_layer": 4}]
)
def test_a_shape_that_the_model_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="shape has"):
        initial(replace(SHAPE, **change), 0)


def test_initial_weights_have_the_scales_that_are_named() -> None:
    shape = replace(SHAPE, layers=3, width=64, ffn=96, heads=4, head_width=12, vocabulary=700, tied=False)
    fan_in, gpt2 = initial(shape, 3), initial(shape, 3, "gpt2")
    down = np.sqrt(2 * 3)
    for weights, inputs, branches in (
        ("embedding", 64, 1), ("head", 64, 1), ("query", 64, 1), ("output", 48, down), ("up", 64, 1), ("down", 96, down)
    ):  # fmt: skip
        one, other = (
            getattr(model, weights, getattr(model.blocks, weights, None)) for model in (fan_in, gpt2)
        )
        assert np.std(one) == pytest.approx(1 / np.sqrt(inputs) / branches, rel=0.03), weights
        assert np.std(other) == pytest.approx(0.02 / branches, rel=0.03), weights
