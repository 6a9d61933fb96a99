"""Chinchilla: floor + size term + data term (Hoffmann et al. 2022, arXiv 2203.15556, Sec. 3.3)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import combine, own, power

EXPONENT_SEED = (0.08, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0)
EXPONENT_PRIOR = (0.35, 0.4)


def floor() -> Parameter:
    """E, the irreducible loss."""
    return Parameter("E", "irreducible loss", "loss", 0.0, jnp.inf, "identity", linear=True)


def size_scale(exponent: str = "alpha") -> Parameter:
    """A, the coefficient of the size term; carries N**alpha."""
    meaning = "coefficient of the size term"
    return Parameter(
        "A", meaning, "loss N^alpha", 0.0, jnp.inf, "log", linear=True, scaling=(("N", exponent),)
    )


def data_scale(exponent: str = "beta") -> Parameter:
    """B, the coefficient of the data term; carries D**exponent."""
    meaning = "coefficient of the data term"
    power = f"({exponent})" if "/" in exponent else exponent
    return Parameter(
        "B", meaning, f"loss D^{power}", 0.0, jnp.inf, "log", linear=True, scaling=(("D", exponent),)
    )


def exponent(name: str, meaning: str) -> Parameter:
    """A decay exponent; positive, shared across languages under pool='shared'."""
    return Parameter(
        name, meaning, "1", 1e-3, 5.0, "log", seed=EXPONENT_SEED, shared=True, prior=EXPONENT_PRIOR
    )


def surface(tied: bool = False) -> tuple[Parameter, ...]:
    """The five (tied: four) parameters of E + A / N^alpha + B / D^beta."""
    data_exponent = "alpha" if tied else "beta"
    exponents = [exponent("alpha", "exponent of N" + (" and of D" if tied else ""))]
    if not tied:
        exponents.append(exponent("beta", "exponent of D"))
    return (floor(), size_scale(), data_scale(data_exponent), *exponents)


def data_exponent(params: Params) -> Array:
    """The exponent of D: beta, or alpha where the two are tied."""
    return params["beta"] if "beta" in params else params["alpha"]


class Chinchilla(AbstractLaw):
    """L = E + A / N^alpha + B / D^beta.

    A floor, a term for finite size and a term for finite data, independent of each other. N in
    parameters (Hoffmann: total, with embeddings), D in tokens, L in the unit of the runs.

    `tokens` chooses D: `total` counts the tokens of all languages, `target` only those of the evaluated
    language (share times D), the two baselines of a multilingual comparison. `tied=True` sets
    beta = alpha.

    Source: Hoffmann et al. 2022 (2203.15556) Sec. 3.3; refit by Besiroglu et al. 2024 (2404.10102).

    >>> from isoglot.laws import evaluate, published_params, query
    >>> float(evaluate(Chinchilla(), published_params("hoffmann_tex"), query(1e9, 2e10))[0].round(6))
    2.530668
    """

    tokens: Literal["total", "target"] = "total"
    tied: bool = False

    @property
    def name(self) -> str:
        """Registry name."""
        return "chinchilla"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha and, unless tied, beta."""
        return surface(self.tied)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, D^-beta."""
        tokens = jnp.asarray(query.D)
        if self.tokens == "target":
            tokens = tokens * own(query.shares, query)
        size = power(jnp.asarray(query.N), params["alpha"])
        return jnp.stack([jnp.ones_like(size), size, power(tokens, data_exponent(params))], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return combine(params, self.basis(params, query))

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """With target tokens, a point whose own share is zero has no data term."""
        if self.tokens == "total":
            return np.zeros(query.num_points, bool), ""
        return np.asarray(query.shares)[np.arange(query.num_points), query.target] <= 0, "own share is zero"
