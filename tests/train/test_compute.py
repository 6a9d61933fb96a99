"""What a run is said to cost is what its program multiplies."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import jaxprs_in_params

from isoglot.core.flops import EXACT, flops_per_token
from isoglot.core.ladder import rung
from isoglot.core.shapes import Shape
from isoglot.train.cross_entropy import mean_loss
from isoglot.train.model import Transformer, hidden, initial, logits

BATCH, SEQUENCE = 2, 48  # one block of queries: the program computes the whole square of scores


def masked(shape: Shape) -> int:
    """Forward FLOPs a token of scores and mix with the keys that a token does not see, (s - 1) / 2 in the mean."""
    return 2 * (SEQUENCE - 1) * shape.attention_width * shape.layers


def products(jaxpr: Any, times: int = 1) -> int:
    """FLOPs of every matrix product of a program: 2 for each term of each sum."""
    found = 0
    for one in jaxpr.eqns:
        if one.primitive.name == "dot_general":
            summed, _ = one.params["dimension_numbers"]
            left = one.invars[0].aval.shape
            found += (
                times * 2 * math.prod(one.outvars[0].aval.shape) * math.prod(left[at] for at in summed[0])
            )
        inner = times * one.params["length"] if one.primitive.name == "scan" else times
        found += sum(products(part, inner) for part in jaxprs_in_params(one.params))
    return found


@pytest.mark.parametrize("tied", [True, False])
def test_exact_flops_are_the_products_of_an_update(tied: bool) -> None:
    shape = rung(2, 64, 320, tied)

    def loss(model: Transformer, tokens: jax.Array) -> jax.Array:
        return mean_loss(hidden(model, tokens[:, :-1]), model.output_table(), tokens[:, 1:])

    tokens = jnp.zeros((BATCH, SEQUENCE + 1), jnp.int32)
    program = jax.make_jaxpr(jax.value_and_grad(loss))(initial(shape, 0), tokens)
    stated = flops_per_token(shape, EXACT, SEQUENCE) + 3 * masked(shape)
    assert products(program.jaxpr) == BATCH * SEQUENCE * stated


def test_exact_flops_are_those_that_the_compiler_counts() -> None:
    """XLA also counts norms, softmax and activations, a few per cent in a model of this width."""
    shape = rung(2, 128, 512)
    tokens = jnp.zeros((BATCH, SEQUENCE), jnp.int32)
    forward = jax.jit(logits).lower(initial(shape, 0), tokens).compile().cost_analysis()["flops"]
    stated = BATCH * SEQUENCE * (flops_per_token(shape, EXACT, SEQUENCE) // 3 + masked(shape))
    assert 1 < forward / stated < 1.05
