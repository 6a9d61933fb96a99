"""Vocabulary: separate terms for embedding and other parameters (Tao et al. 2024, arXiv 2407.13623)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import data_scale, exponent, size_scale
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import power


class Vocabulary(AbstractLaw):
    """L = E + A / N_nv^alpha + A_V / N_v^alpha_V + B / D^alpha, N_v = V d the embedding's parameters.

    Size is split: N_nv without the vocabulary (column `params_non_embedding`) and N_v (column `params_embedding`).
    The exponents of N_nv and D are tied, as published. The paper's loss is normalised by a unigram model so that
    vocabularies compare; it is negative, and so is E. Such runs need a `loss_unit` of their own and
    the objective `least_squares`. In the paper's terms E is -E, A is A1, A_V is A2, alpha is alpha1 = beta and
    alpha_V is alpha2.

    Source: Tao et al. 2024 (2407.13623), approach 3, and the authors' code.

    >>> from isoglot.laws import evaluate, published_params, query
    >>> from isoglot.laws.vocabulary_size import tokens_per_character
    >>> sizes = {"params_non_embedding": 302e6, "params_embedding": 32e3 * 1024}
    >>> tokens = 1e10 * tokens_per_character(32e3 / 1000)
    >>> q = query(sum(sizes.values()), tokens, extra=sizes)
    >>> float(evaluate(Vocabulary(), published_params("vocabulary_english"), q)[0].round(6))
    -4.49864
    """

    positive: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Registry name."""
        return "vocabulary"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, A_V, B, alpha and alpha_V."""
        meaning = "coefficient of the vocabulary term"
        scaling = (("N", "alpha_V"),)
        return (
            Parameter(
                "E", "loss without limits; may be negative", "loss", -1e3, 1e3, "identity", linear=True
            ),
            size_scale(),
            Parameter("A_V", meaning, "loss N^alpha_V", 0.0, jnp.inf, "log", linear=True, scaling=scaling),
            data_scale("alpha"),
            exponent("alpha", "exponent of N_nv and of D"),
            exponent("alpha_V", "exponent of N_v"),
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The two parts of the size."""
        return (
            Column("params_non_embedding", "parameters outside the vocabulary", "parameters", "N"),
            Column("params_embedding", "vocabulary times width", "parameters", "N"),
        )

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N_nv^-alpha, N_v^-alpha_V, D^-alpha."""
        size = power(jnp.asarray(query.extra["params_non_embedding"]), params["alpha"])
        words = power(jnp.asarray(query.extra["params_embedding"]), params["alpha_V"])
        data = power(jnp.asarray(query.D), params["alpha"])
        return jnp.stack([jnp.ones_like(size), size, words, data], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        names = ("E", "A", "A_V", "B")
        return self.basis(params, query) @ jnp.stack([jnp.asarray(params[name]) for name in names])

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A model without embedding or without other parameters."""
        parts = [np.asarray(query.extra[column.name]) for column in self.columns]
        return (parts[0] <= 0) | (parts[1] <= 0), "params_non_embedding or params_embedding is zero"
