"""Exponential mixing: the exponent of the mixture term is linear in the shares (Ye et al. 2024, 2403.16952)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import floor, surface
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import own, power

OUTSIDE = "a language outside the transfer set has a share; use transfer=all"
# Shares that sum to 1 within this have nothing outside (the tolerance of a query).
SHARE_TOLERANCE = 1e-6


def identified(k: float, t: Sequence[float], target: int = 0) -> tuple[float, np.ndarray]:
    """The paper's (k, t) in the form that data can identify: k exp(t_own), and t_j - t_own of every other.

    Shares sum to 1, so k exp(sum_j t_j h_j) = k exp(t_own) exp(sum_{j != own} (t_j - t_own) h_j): adding a
    constant to every t and dividing k by its exponential changes nothing. `t` (K,), `target` the own place.

    >>> k, t = identified(0.8, [-1.2, 0.3, 0.1])
    >>> round(k, 6), t.round(6).tolist()
    (0.240955, [1.5, 1.3])
    """
    values = np.asarray(t, float)
    return float(k * np.exp(values[target])), np.delete(values, target) - values[target]


def published_form(
    k: float, t: Sequence[float], own_t: float = 0.0, target: int = 0
) -> tuple[float, np.ndarray]:
    """The paper's (k, t) from this law's: the inverse of `identified` for a chosen t of the own language.

    >>> k, t = published_form(0.24095537, [1.5, 1.3], own_t=-1.2)
    >>> round(k, 6), t.round(6).tolist()
    (0.8, [-1.2, 0.3, 0.1])
    """
    others = np.asarray(t, float) + own_t
    return float(k * np.exp(-own_t)), np.insert(others, target, own_t)


class MixingExp(AbstractLaw):
    """L = E + k exp(sum_j t_j h_j) + A / N^alpha + B / D^beta, h the shares of the other languages.

    The paper sums over all languages and calls the floor c; because shares sum to 1 only differences of its t are
    identified, so here k is the mixture term when the own language is alone and t_j the change of the
    exponent when all of the own share goes to language j. `identified` and `published_form` convert. The law needs every
    language that has a share: the transfer set is all of them by default, and points where a language outside
    a smaller set has a share are unsupported (their prediction is NaN). `surface=false` leaves out the
    terms of N and D, as in the paper, which fits one size and one length at a time.

    Source: Ye et al. 2024 (2403.16952), Sec. 3, form M4; the terms of N and D are the project's addition.

    >>> from isoglot.laws import evaluate, query
    >>> k, t = identified(0.8, [-1.2, 0.3, 0.1])
    >>> q = query(1e9, 1e10, shares=[0.5, 0.3, 0.2], transfer=[1, 2])
    >>> float(evaluate(MixingExp(surface=False, num_transfer=2), {"E": 2.0, "k": k, "t": t}, q)[0].round(6))
    2.490101
    """

    default_transfer: ClassVar[int | str] = "all"

    surface: bool = True
    num_transfer: int = 1

    @property
    def name(self) -> str:
        """Registry name."""
        return "mixing_exp"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, k, (A, B, alpha, beta) and t."""
        meaning = "mixture term when the own language is alone"
        scale = Parameter("k", meaning, "loss", 0.0, jnp.inf, "log", linear=True)
        meaning = "change of the exponent when all of the own share goes to a language"
        moved = Parameter(
            "t",
            meaning,
            "1",
            -1e2,
            1e2,
            "identity",
            (0.3, 1.0, 3.0),
            size=self.num_transfer,
            axis="transfer",
            prior=(1.0, 2.0),
        )
        if not self.surface:
            return (floor(), scale, moved)
        first, *rest = surface()
        return (first, scale, *rest, moved)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, exp(t.h) and, with the surface, N^-alpha, D^-beta."""
        shares = jnp.asarray(query.shares)
        others = jnp.take_along_axis(shares, jnp.asarray(query.transfer), axis=1)
        mixture = jnp.exp(others @ jnp.asarray(params["t"]))
        outside = 1.0 - own(shares, query) - others.sum(axis=1) > SHARE_TOLERANCE
        columns = [jnp.ones_like(mixture), jnp.where(outside, jnp.nan, mixture)]
        if self.surface:
            columns.append(power(jnp.asarray(query.N), params["alpha"]))
            columns.append(power(jnp.asarray(query.D), params["beta"]))
        return jnp.stack(columns, axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        names = ("E", "k", "A", "B") if self.surface else ("E", "k")
        return self.basis(params, query) @ jnp.stack([jnp.asarray(params[name], float) for name in names])

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A share of a language that is neither the own one nor in its transfer set."""
        shares = np.asarray(query.shares)
        held = shares[np.arange(query.num_points), query.target]
        held = held + np.take_along_axis(shares, np.asarray(query.transfer), axis=1).sum(axis=1)
        return 1.0 - held > SHARE_TOLERANCE, OUTSIDE
