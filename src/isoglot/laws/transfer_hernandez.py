"""Transfer from a base model as extra data of the target (Hernandez et al. 2021, arXiv 2102.01293)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.start_tokens import (
    INIT_TOKENS,
    NO_NEW_TOKENS,
    column_of,
    new_tokens,
    without_new_tokens,
)
from isoglot.laws.terms import combine, power

# Examples only, at second hand and for English text and code: D_F in characters, N without embeddings.
SECONDARY_EXAMPLES: Mapping[str, Mapping[str, float]] = {
    "text to Python": {"k": 1.9e4, "a": 0.18, "b": 0.38},
    "half text, half other code to Python": {"k": 2.1e5, "a": 0.096, "b": 0.38},
}


def transferred_data(size: Any, tokens: Any, k: Any, a: Any, b: Any) -> Array:
    """D_T = k D_F^a N^b, the target data that the base is worth, in the unit of `tokens` that k was fitted in.

    `size` is N and `tokens` the fine-tuning data D_F, scalars or arrays of one shape; D_F > 0. The paper calls
    a and b alpha and beta, and holds them valid up to a tenth of the data that saturates the model.

    Source: Hernandez et al. 2021 (2102.01293), at second hand.

    >>> import jax
    >>> with jax.enable_x64(True):
    ...     float(transferred_data(1e8, 1e6, **SECONDARY_EXAMPLES["text to Python"]).round(-3))
    250469000.0
    """
    logs = a * jnp.log(jnp.asarray(tokens, float)) + b * jnp.log(jnp.asarray(size, float))
    return k * jnp.exp(logs)


def data_multiplier(size: Any, tokens: Any, k: Any, a: Any, b: Any) -> Array:
    """(D_F + D_T) / D_F: by how much the base multiplies the fine-tuning data; arguments as `transferred_data`.

    >>> import jax
    >>> with jax.enable_x64(True):
    ...     float(data_multiplier(1e8, 1e6, **SECONDARY_EXAMPLES["text to Python"]).round(3))
    251.469
    """
    return 1.0 + transferred_data(size, tokens, k, a, b) / jnp.asarray(tokens, float)


class TransferHernandez(AbstractLaw):
    """L = E + A / N^alpha + B / (D_F + D_T)^beta, D_T = k D_F^a N^b for runs that start from a base.

    A base is worth D_T tokens of the target; a run from scratch (`init_tokens` 0) has D_T = 0, so runs of both
    kinds share one surface. D_F = tokens - init_tokens. The paper calls a and b alpha and beta: smaller a means
    closer distributions. Holds while D_F is at most about a tenth of the data that saturates the model;
    small models with much data may end worse than from scratch, which the form cannot say. The published
    constants are known at second hand only: `SECONDARY_EXAMPLES`, never a default.

    Source: Hernandez et al. 2021 (2102.01293), on the surface of 2203.15556.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37, "k": 1.9e4, "a": 0.18, "b": 0.38}
    >>> fine_tuned = query(1e8, 1.01e10, extra={"init_tokens": 1e10})
    >>> float(evaluate(TransferHernandez(), p, fine_tuned)[0].round(6))
    3.544803
    """

    @property
    def name(self) -> str:
        """Registry name."""
        return "transfer_hernandez"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Chinchilla's five, k, a and b."""
        unit = (("D", "1"), ("D", "-a"), ("N", "-b"))
        return (
            *surface(),
            Parameter("k", "scale of the transferred data", "D^(1-a) N^-b", 0.0, jnp.inf, "log", (0.3, 3.0), scaling=unit),
            Parameter("a", "exponent of the fine-tuning data in the transferred data", "1", -0.5, 1.5, "identity", (0.2,)),
            Parameter("b", "exponent of the size in the transferred data", "1", -0.5, 3.0, "identity", (0.4,)),
        )  # fmt: skip

    @property
    def columns(self) -> tuple[Column, ...]:
        """Tokens of the base, zero for runs from scratch."""
        return (INIT_TOKENS,)

    def effective_data(self, params: Params, query: Query) -> Array:
        """D_E = D_F + D_T of each point, (n,)."""
        tokens = new_tokens(query)
        started = column_of(query, INIT_TOKENS) > 0
        worth = transferred_data(query.N, tokens, params["k"], params["a"], params["b"])
        return tokens + jnp.where(started, worth, 0.0)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, D_E^-beta."""
        size = power(jnp.asarray(query.N), params["alpha"])
        data = power(self.effective_data(params, query), params["beta"])
        return jnp.stack([jnp.ones_like(size), size, data], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return combine(params, self.basis(params, query))

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A run without tokens after its base."""
        return without_new_tokens(query), NO_NEW_TOKENS
