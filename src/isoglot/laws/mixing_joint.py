"""Joint mixing: the mixture moves the coefficients of the size and the data term (Shukor et al. 2025)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import exponent, floor
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.mixing_additive import (
    mixture_parameters,
    mixture_shares,
    mixture_term,
    without_useful_share,
)
from isoglot.laws.query import Query
from isoglot.laws.terms import power


class MixingJoint(AbstractLaw):
    """L = E + 1 / sum_i C_i h_i^gamma_i + (sum_i CA_i h_i)^gA / N^alpha + (sum_i CB_i h_i)^gB / D^beta.

    The additive law whose A and B depend on the mixture, so that the best mixture moves with N and D. Vectors list
    the evaluated language first, then its transfer set (all languages by default). CA carries
    N^(alpha/gA), CB carries D^(beta/gB). 5 + 4 K parameters for K languages: it needs many mixtures at several
    sizes. No published constants exist: fit only.

    Source: Shukor et al. 2025 (2507.09404); the form of A and B is a reading that its parameter count supports.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.5, "alpha": 0.33, "beta": 0.35, "C": [2.0, 1.0, 0.5], "gamma": [0.5, 0.3, 0.8]}
    >>> p |= {"CA": [1500.0, 2000.0, 1000.0], "gA": 0.8, "CB": [2000.0, 1000.0, 3000.0], "gB": 0.9}
    >>> q = query(3e8, 1e10, shares=[0.5, 0.3, 0.2], transfer=[1, 2])
    >>> float(evaluate(MixingJoint(num_transfer=2), p, q)[0].round(6))
    2.795656
    """

    default_transfer: ClassVar[int | str] = "all"

    num_transfer: int = 1

    @property
    def name(self) -> str:
        """Registry name."""
        return "mixing_joint"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, alpha, beta, C, gamma, and CA, gA, CB, gB."""
        size = self.num_transfer + 1
        scales = [
            Parameter(
                name,
                f"worth of a language's share in the coefficient of {quantity}",
                f"loss^(1/{power_name}) {quantity}^({own_exponent}/{power_name})",
                0.0,
                jnp.inf,
                "log",
                (0.3,),
                size=size,
                axis="mixture",
                scaling=((quantity, f"{own_exponent}/{power_name}"),),
            )
            for name, quantity, own_exponent, power_name in (
                ("CA", "N", "alpha", "gA"),
                ("CB", "D", "beta", "gB"),
            )
        ]
        powers = [
            Parameter(name, f"exponent of the mixture in the coefficient of {quantity}", "1", 1e-2, 1e1, "log", (1.0,))
            for name, quantity in (("gA", "N"), ("gB", "D"))
        ]  # fmt: skip
        first = (floor(), exponent("alpha", "exponent of N"), exponent("beta", "exponent of D"))
        return (*first, *mixture_parameters(size), scales[0], powers[0], scales[1], powers[1])

    def coefficients(self, params: Params, query: Query) -> tuple[Array, Array]:
        """A and B of each mixture, both (n,)."""
        shares = mixture_shares(query)
        return (
            power(shares @ jnp.asarray(params["CA"]), -params["gA"]),
            power(shares @ jnp.asarray(params["CB"]), -params["gB"]),
        )

    def basis(self, params: Params, query: Query) -> Array:
        """The column 1; a start leaves everything else to the floor."""
        return jnp.ones((*jnp.shape(query.N), 1))

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        mixture = mixture_term(query, jnp.asarray(params["C"]), jnp.asarray(params["gamma"]))
        size_scale, data_scale = self.coefficients(params, query)
        size = size_scale * power(jnp.asarray(query.N), params["alpha"])
        data = data_scale * power(jnp.asarray(query.D), params["beta"])
        return params["E"] + mixture + size + data

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A mixture that holds neither the evaluated language nor any of its transfer set."""
        return without_useful_share(query)
