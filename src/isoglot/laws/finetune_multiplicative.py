"""Fine-tuning as a product of powers of one factor and the fine-tuning data (Zhang et al. 2024, 2402.17193)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import exponent, floor
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.start_tokens import (
    INIT_TOKENS,
    NO_NEW_TOKENS,
    column_of,
    new_tokens,
    without_new_tokens,
)
from isoglot.laws.terms import power

TUNED = Column("tuned_params", "parameters that fine-tuning changes", "parameters", "N")
BASE = Column(INIT_TOKENS.name, INIT_TOKENS.meaning, "tokens", "D")


class FinetuneMultiplicative(AbstractLaw):
    """L = E + A X^-alpha D_f^-beta, X the model size, the pretraining tokens or the tuned parameters.

    One factor X is varied while the others stand still: `factor=size` takes X = N, `factor=pretraining` the
    tokens of the base (`init_tokens`), `factor=method` the parameters of a parameter-efficient method (column
    `tuned_params`). D_f = tokens - init_tokens. A factor and data multiply, so more of one makes the other worth
    less; E belongs to the task and may be shared by its fits. No published constants exist: fit only.

    Source: Zhang et al. 2024 (2402.17193), Eq. 1.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 0.5, "A": 30.0, "alpha": 0.1, "beta": 0.05}
    >>> float(evaluate(FinetuneMultiplicative(), p, query(1e9, 1e6))[0].round(6))
    2.392872
    """

    factor: Literal["size", "pretraining", "method"] = "size"

    @property
    def name(self) -> str:
        """Registry name."""
        return "finetune_multiplicative"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A and the two exponents."""
        quantity = "D" if self.factor == "pretraining" else "N"
        scale = Parameter(
            "A",
            "coefficient of the product",
            f"loss {quantity}^alpha D^beta",
            0.0,
            jnp.inf,
            "log",
            linear=True,
            scaling=((quantity, "alpha"), ("D", "beta")),
        )
        return (
            floor(),
            scale,
            exponent("alpha", "exponent of the factor"),
            exponent("beta", "exponent of the fine-tuning data"),
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """Tokens of the base, and the tuned parameters where they are the factor."""
        if self.factor == "pretraining":
            return (BASE,)
        return (INIT_TOKENS, TUNED) if self.factor == "method" else (INIT_TOKENS,)

    def _factor(self, query: Query) -> Array:
        if self.factor == "size":
            return jnp.asarray(query.N)
        return column_of(query, BASE if self.factor == "pretraining" else TUNED)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, X^-alpha D_f^-beta."""
        product = power(self._factor(query), params["alpha"]) * power(new_tokens(query), params["beta"])
        return jnp.stack([jnp.ones_like(product), product], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        basis = self.basis(params, query)
        return params["E"] * basis[..., 0] + params["A"] * basis[..., 1]

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A run without tokens after its base, or whose factor is zero."""
        late = without_new_tokens(query)
        what = BASE.name if self.factor == "pretraining" else TUNED.name
        zero = np.asarray(self._factor(query)) <= 0
        reasons = [(late, NO_NEW_TOKENS), (zero, f"{what} is zero, so the factor has no value")]
        return late | zero, "; ".join(text for mask, text in reasons if mask.any())
