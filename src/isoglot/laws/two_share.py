"""Two-share: shares act as effective parameters and as effective data (2302.09650 and ATLAS as limits)."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import combine, power, share_matrix


class TwoShare(AbstractLaw):
    """L = E + A / (N sum_j v_j h_j)^alpha + B / (D sum_j t_j h_j)^beta, with v = t = 1 for the own language.

    The mixture h decides both which part of the model and which part of the data serve the evaluated
    language. v and t are positive weights of the other languages (the transfer set, all of them by default).
    t = 0 off the diagonal and v = 1 is own effective data; v = 1 alone is ATLAS without repetition; t own
    alone is the effective-parameter law of Fernandes et al. 2023. 5 + 2 m parameters; fit only.

    Source: the project's form; its limits are in Fernandes et al. 2023 (2302.09650) and Longpre et al. 2025 (2510.22037).

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.5, "A": 400.0, "B": 800.0, "alpha": 0.33, "beta": 0.35, "v": [0.6, 0.3], "t": [0.4, 0.1]}
    >>> q = query(3e8, 1e10, shares=[0.5, 0.3, 0.2], transfer=[1, 2])
    >>> float(evaluate(TwoShare(num_transfer=2), p, q)[0].round(6))
    2.500061
    """

    default_transfer: ClassVar[int | str] = "all"

    num_transfer: int = 1

    @property
    def name(self) -> str:
        """Registry name."""
        return "two_share"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Chinchilla's five, v and t."""
        weights = [
            Parameter(
                name,
                meaning,
                "1",
                0.0,
                1e2,
                "identity",
                (0.3,),
                size=self.num_transfer,
                axis="transfer",
                prior=(0.3, 1.0),
            )
            for name, meaning in (
                ("v", "worth of a language's share of the model for the evaluated one"),
                ("t", "worth of a token of a language in tokens of the evaluated one"),
            )
        ]
        return (*surface(), *weights)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, (N v.h)^-alpha, (D t.h)^-beta."""
        capacity = share_matrix(query, jnp.asarray(params["v"]))
        data = share_matrix(query, jnp.asarray(params["t"]))
        size = power(jnp.asarray(query.N) * capacity, params["alpha"])
        return jnp.stack(
            [jnp.ones_like(size), size, power(jnp.asarray(query.D) * data, params["beta"])], axis=-1
        )

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """A mixture that holds neither the evaluated language nor any of its transfer set."""
        shares = np.asarray(query.shares)
        useful = shares[np.arange(query.num_points), query.target]
        useful = useful + np.take_along_axis(shares, np.asarray(query.transfer), axis=1).sum(axis=1)
        return useful <= 0, "own share is zero and so is that of every transfer language"

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return combine(params, self.basis(params, query))
