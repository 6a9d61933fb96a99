"""Additive mixing: the mixture shifts the floor, whatever N and D are (Shukor et al. 2025, 2507.09404)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import combine, own, power

NO_USEFUL_SHARE = "own share is zero and so is that of every transfer language"


def mixture_shares(query: Query) -> Array:
    """Shares (n, 1 + m) of the evaluated language and then of its transfer set."""
    shares = jnp.asarray(query.shares)
    helpers = jnp.take_along_axis(shares, jnp.asarray(query.transfer), axis=1)
    return jnp.concatenate([own(shares, query)[:, None], helpers], axis=1)


def mixture_term(query: Query, worth: Array, exponents: Array) -> Array:
    """1 / sum_i C_i h_i^gamma_i, (n,); a share of zero adds nothing."""
    shares = mixture_shares(query)
    present = shares > 0
    powers = jnp.where(present, jnp.exp(exponents * jnp.log(jnp.where(present, shares, 1.0))), 0.0)
    return 1.0 / (powers @ worth)


def mixture_parameters(size: int) -> tuple[Parameter, Parameter]:
    """C and gamma, one of each for the evaluated language and for every helper."""
    return (
        Parameter(
            "C",
            "worth of a language's share in the mixture term",
            "1/loss",
            1e-6,
            1e9,
            "log",
            (1.0, 5.0),
            size=size,
            axis="mixture",
        ),
        Parameter(
            "gamma",
            "exponent of a language's share in the mixture term",
            "1",
            1e-3,
            1e1,
            "log",
            (0.3, 1.0),
            size=size,
            axis="mixture",
        ),
    )


def without_useful_share(query: Query) -> tuple[np.ndarray, str]:
    """Mask (n,) of mixtures that hold neither the evaluated language nor any of its transfer set."""
    shares = np.asarray(query.shares)
    useful = shares[np.arange(query.num_points), query.target]
    useful = useful + np.take_along_axis(shares, np.asarray(query.transfer), axis=1).sum(axis=1)
    return useful <= 0, NO_USEFUL_SHARE


class MixingAdditive(AbstractLaw):
    """L = E + 1 / sum_i C_i h_i^gamma_i + A / N^alpha + B / D^beta, i the own language and its helpers.

    The mixture adds a term that neither size nor data removes, so the best mixture is the same at every scale.
    C and gamma list the evaluated language first, then its transfer set (all languages by default); languages
    outside it count nothing. 5 + 2 K parameters for K languages: about ten mixtures are enough for three or
    four languages. No published constants exist: fit only.

    Source: Shukor et al. 2025 (2507.09404), form at second hand.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.5, "A": 400.0, "B": 800.0, "alpha": 0.33, "beta": 0.35}
    >>> p |= {"C": [2.0, 1.0, 0.5], "gamma": [0.5, 0.3, 0.8]}
    >>> q = query(3e8, 1e10, shares=[0.5, 0.3, 0.2], transfer=[1, 2])
    >>> float(evaluate(MixingAdditive(num_transfer=2), p, q)[0].round(6))
    2.835309
    """

    default_transfer: ClassVar[int | str] = "all"

    num_transfer: int = 1

    @property
    def name(self) -> str:
        """Registry name."""
        return "mixing_additive"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Chinchilla's five, C and gamma."""
        return (*surface(), *mixture_parameters(self.num_transfer + 1))

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, D^-beta; a start leaves the mixture term to the floor."""
        size = power(jnp.asarray(query.N), params["alpha"])
        return jnp.stack([jnp.ones_like(size), size, power(jnp.asarray(query.D), params["beta"])], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        mixture = mixture_term(query, jnp.asarray(params["C"]), jnp.asarray(params["gamma"]))
        return combine(params, self.basis(params, query)) + mixture

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A mixture that holds neither the evaluated language nor any of its transfer set."""
        return without_useful_share(query)
