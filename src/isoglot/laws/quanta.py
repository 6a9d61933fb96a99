"""Quanta: Chinchilla with the exponents tied by the quantisation model (Michaud et al. 2023, 2303.13506)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from isoglot.laws.chinchilla import data_scale, exponent, floor, size_scale
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import combine, power


class Quanta(AbstractLaw):
    """L = E + A / N^alpha + B / D^(alpha / (1 + alpha)).

    Skills come in quanta that are needed with frequency k^-(alpha + 1). A model holds as many as it has room for, n ~ N;
    data teach those seen often enough, n ~ D^(1 / (1 + alpha)); the loss of the rest falls as n^-alpha. So the
    exponent of D follows from that of N, one parameter less than Chinchilla. Units as there; the paper gives
    alpha = 0.083 for Pythia and no A, B, E: fit only. `quanta_theory` has the sums behind the form.

    Source: Michaud et al. 2023 (2303.13506), Sec. 2.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.7, "A": 400.0, "B": 150.0, "alpha": 0.4}
    >>> float(evaluate(Quanta(), p, query(1e9, 2e10))[0].round(6))
    1.971453
    """

    @property
    def name(self) -> str:
        """Registry name."""
        return "quanta"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B and alpha."""
        return (
            floor(),
            size_scale(),
            data_scale("alpha/(1+alpha)"),
            exponent("alpha", "exponent of N; that of D is alpha / (1 + alpha)"),
        )

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, D^-(alpha / (1 + alpha))."""
        alpha = params["alpha"]
        size = power(jnp.asarray(query.N), alpha)
        return jnp.stack(
            [jnp.ones_like(size), size, power(jnp.asarray(query.D), alpha / (1 + alpha))], axis=-1
        )

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return combine(params, self.basis(params, query))
