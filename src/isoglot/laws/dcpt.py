"""D-CPT: continued pretraining on a domain share r of the mixture (Que et al. 2024, arXiv 2406.01375)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.start_tokens import INIT_TOKENS, NO_NEW_TOKENS, new_tokens, without_new_tokens
from isoglot.laws.terms import own, power


class Dcpt(AbstractLaw):
    """L = E + A / N^alpha + B r^eta / D^beta + C / (r + epsilon)^gamma, r the own share.

    The last term is what a small share of the language costs however long the training, so the law's floor is
    E + C / (r + epsilon)^gamma. D counts the tokens of the continued part: total tokens minus `init_tokens`.
    One fit of the loss of each language; for the general corpus r is that corpus's own share. N in parameters,
    r in 0..1 (zero is defined: eta > 0). No published constants exist: fit only.

    Source: Que et al. 2024 (2406.01375), form at second hand.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.5, "A": 400.0, "B": 800.0, "C": 0.05, "alpha": 0.33, "beta": 0.35}
    >>> p |= {"eta": 0.2, "gamma": 0.4, "epsilon": 0.01}
    >>> float(evaluate(Dcpt(), p, query(3e8, 1e10, shares=[0.3, 0.7]))[0].round(6))
    2.416413
    """

    @property
    def name(self) -> str:
        """Registry name."""
        return "dcpt"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Chinchilla's five, C, eta, gamma and epsilon."""
        floor, size, data, alpha, beta = surface()
        share = Parameter("C", "coefficient of the share term", "loss", 0.0, jnp.inf, "log", linear=True)
        return (
            floor,
            size,
            data,
            share,
            alpha,
            beta,
            Parameter("eta", "exponent of the share in the data term", "1", 1e-3, 5.0, "log", (0.2,)),
            Parameter("gamma", "exponent of the share term", "1", 1e-3, 5.0, "log", (0.3, 1.0)),
            Parameter(
                "epsilon", "share added so that the term is finite at 0", "1", 1e-6, 1.0, "log", (0.01, 0.1)
            ),
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """Tokens of the base, zero for runs from scratch."""
        return (INIT_TOKENS,)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, r^eta D^-beta, (r + epsilon)^-gamma."""
        share = own(query.shares, query)
        present = share > 0
        weight = jnp.where(present, jnp.exp(params["eta"] * jnp.log(jnp.where(present, share, 1.0))), 0.0)
        size = power(jnp.asarray(query.N), params["alpha"])
        data = weight * power(new_tokens(query), params["beta"])
        return jnp.stack(
            [jnp.ones_like(size), size, data, power(share + params["epsilon"], params["gamma"])], axis=-1
        )

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        amounts = jnp.stack([jnp.asarray(params[name], float) for name in ("E", "A", "B", "C")])
        return self.basis(params, query) @ amounts

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A run without tokens after its base."""
        return without_new_tokens(query), NO_NEW_TOKENS
