"""ATLAS: effective data from target, transfer and other languages, with repetition (arXiv 2510.22037)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import EFFECTIVE_FLOOR, combine, own, positive, power, saturate

ROLES = ("target", "transfer", "other")


class Atlas(AbstractLaw):
    """L = E + A / N^alpha + B / D_eff^beta, D_eff = S(D_t) + sum_i tau_i S(D_i) + tau_other S(D_other).

    S(D; U) is `saturate`: one epoch counts in full, further ones decay with lambda. tau is the worth of an
    effective token of another language in tokens of the evaluated one; it lies above -1 (the domain of the
    bilingual transfer score map tau = BTS / (2 - BTS)). D_eff is kept positive by `positive`: below 0.1 % of
    all saturated tokens a smooth continuation takes over, and a fit reports where it binds.

    | option | values |
    |---|---|
    | `transfer` | size m of the transfer set (`num_transfer`); 0 leaves the term out |
    | `other` | `none`; `language`: saturate each remaining language, then sum; `pooled`: saturate the sum |
    | `repetition` | `shared`: one lambda; `role`: one each for target, transfer, other |
    | | `language`, `group`: one for each source language or group, through `repetition_index` |

    N with embeddings, D in tokens. Source: Longpre et al. 2025 (2510.22037) Eqs. 1-3; the fitted lambda and
    tau are not published.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 0.67, "A": 482.991956, "B": 3827.625821, "alpha": 0.41, "beta": 0.41, "lambda": [0.5],
    ...      "tau": [0.3], "tau_other": -0.05}
    >>> q = query(2.034e9, 100e9, shares=[0.2, 0.3, 0.5], unique=[7.9e9, 100e9, 1000e9], transfer=[1])
    >>> float(evaluate(Atlas(num_transfer=1, other="language"), p, q)[0].round(9))
    0.960357265
    """

    num_transfer: int = 0
    other: Literal["none", "language", "pooled"] = "none"
    repetition: Literal["shared", "role", "group", "language"] = "shared"
    repetition_index: tuple[int, ...] = ()
    repetition_labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Registry name."""
        return "atlas"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Chinchilla's five, lambda, and the tau of the variant."""
        decays = {"shared": 1, "role": 3}.get(self.repetition) or max(self.repetition_index) + 1
        meaning = "decay of the worth of repeated tokens per epoch (1 / R_D*)"
        axis: Literal["", "repetition"] = "" if self.repetition == "shared" else "repetition"
        seeds = (0.07, 0.35)
        found = [
            Parameter("lambda", meaning, "1/epoch", 1e-6, 1e2, "log", seeds, decays, axis, prior=(0.34, 1.0))
        ]
        if self.num_transfer:
            meaning = "worth of an effective token of a transfer language"
            found.append(
                Parameter(
                    "tau",
                    meaning,
                    "1",
                    -1.0,
                    5.0,
                    "identity",
                    (0.05,),
                    self.num_transfer,
                    "transfer",
                    prior=(0.0, 0.3),
                )
            )
        if self.other != "none":
            meaning = "worth of an effective token of the remaining languages"
            found.append(
                Parameter("tau_other", meaning, "1", -1.0, 5.0, "identity", (0.02,), prior=(0.0, 0.3))
            )
        return (*surface(), *found)

    def effective_data(self, params: Params, query: Query) -> tuple[Array, Array]:
        """D_eff before the floor, and the floor's reference (all saturated tokens), both (n,)."""
        shares, unique = jnp.asarray(query.shares), jnp.asarray(query.unique)
        tokens = shares * jnp.asarray(query.D)[:, None]
        languages = jnp.arange(shares.shape[1])
        is_target = languages == jnp.asarray(query.target)[:, None]
        matches = jnp.asarray(query.transfer)[:, :, None] == languages
        is_transfer = matches.any(axis=1) & ~is_target
        decays = jnp.atleast_1d(jnp.asarray(params["lambda"]))
        decay, pooled_decay = self._decay(decays, is_target, is_transfer), decays[-1]
        saturated = saturate(tokens, unique, decay)
        effective = own(saturated, query)
        total = saturated.sum(axis=1)
        if self.num_transfer:
            partners = jnp.take_along_axis(saturated, jnp.asarray(query.transfer), axis=1)
            effective = effective + partners @ jnp.atleast_1d(jnp.asarray(params["tau"]))
        if self.other != "none":
            rest = ~is_target & ~is_transfer if self.num_transfer else ~is_target
            remaining = jnp.where(rest, saturated, 0.0).sum(axis=1)
            if self.other == "pooled":
                pooled_unique = jnp.where(rest & (tokens > 0), unique, 0.0).sum(axis=1)
                remaining = saturate(jnp.where(rest, tokens, 0.0).sum(axis=1), pooled_unique, pooled_decay)
            effective = effective + params["tau_other"] * remaining
        return effective, total

    def _decay(self, values: Array, is_target: Array, is_transfer: Array) -> Array:
        """Lambda for each (point, language), shape (n, K)."""
        if self.repetition == "shared":
            return jnp.broadcast_to(values[0], is_target.shape)
        if self.repetition == "role":
            return jnp.where(is_target, values[0], jnp.where(is_transfer, values[1], values[2]))
        return jnp.broadcast_to(values[np.asarray(self.repetition_index)], is_target.shape)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, D_eff^-beta."""
        effective, total = self.effective_data(params, query)
        size = power(jnp.asarray(query.N), params["alpha"])
        data = power(positive(effective, total), params["beta"])
        return jnp.stack([jnp.ones_like(size), size, data], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return combine(params, self.basis(params, query))

    def floor_binds(self, params: Params, query: Query) -> Array:
        """Mask (n,) of points where the positivity floor replaces D_eff."""
        effective, total = self.effective_data(params, query)
        return effective < EFFECTIVE_FLOOR * total

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """Without a term for other languages, a point whose own share is zero has no data term."""
        if self.other != "none":
            return np.zeros(query.num_points, bool), ""
        return np.asarray(query.shares)[np.arange(query.num_points), query.target] <= 0, "own share is zero"
