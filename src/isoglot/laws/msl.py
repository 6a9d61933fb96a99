"""MSL: the family law in which only a language's own share matters (He et al. 2024, arXiv 2410.12883)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import combine, own, power

Head = Literal["msl", "own", "reducible", "nested", "transfer"]


class MSL(AbstractLaw):
    """L = (E + A / N^alpha + B / D^beta) p^-gamma, p the own share, D the tokens of all languages.

    The independence hypothesis: the rest of the mixture does not matter. The bracket is the loss at p = 1.
    Because p^-gamma multiplies the floor too, the law interpolates in p and must not be used for data-rich
    limits at a small share. N is non-embedding in the paper. No published constants exist: fit only.

    `head` chooses how the share enters; the rivals of `msl` tell what its gamma stands for:

    | head | L | gamma measured between p and 1 |
    |---|---|---|
    | `msl` | (E + A/N^alpha + B/D^beta) p^-gamma | constant |
    | `own` | E + A/N^alpha + B/(p D)^beta, own tokens alone | rises as p falls, falls as D grows |
    | `reducible` | E + (A/N^alpha + B/D^beta) p^-gamma | falls with N and D; the floor is reached |
    | `nested` | (E + A/N^alpha + B/(p D)^beta) p^-gamma | contains `own` (gamma 0); not `msl` |
    | `transfer` | E + A/N^alpha + B/(D (p + tau (1 - p)))^beta | falls at small p |

    Raises nothing; points with share 0 are unsupported (p^-gamma is not defined there), except under
    `transfer`, where the other languages are worth tau > 0 own tokens a token.

    Source: He et al. 2024 (2410.12883), Sec. 3, form at second hand; the other heads are the project's.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.8, "A": 400.0, "B": 1500.0, "alpha": 0.34, "beta": 0.30, "gamma": 0.10}
    >>> q = query(85e6, 5e9, shares=[0.2, 0.8])
    >>> float(evaluate(MSL(), p, q)[0].round(8)), float(evaluate(MSL(head="reducible"), p, q)[0].round(8))
    (5.22964058, 4.91532648)
    """

    head: Head = "msl"

    @property
    def name(self) -> str:
        """Registry name."""
        return "msl"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Chinchilla's five and gamma; tau in its place under `transfer`, neither under `own`."""
        if self.head == "own":
            return surface()
        if self.head == "transfer":
            meaning = "worth of a token of any other language in own tokens"
            worth = Parameter("tau", meaning, "1", 0.0, 1e2, "identity", (0.02, 0.1, 0.5), prior=(0.3, 1.0))
            return (*surface(), worth)
        share = Parameter(
            "gamma", "exponent of the own share", "1", -0.5, 2.0, "identity", seed=(0.02, 0.1, 0.25)
        )
        return (*surface(), share)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N^-alpha, D^-beta, with the share where the head puts it."""
        share, tokens = own(query.shares, query), jnp.asarray(query.D)
        if self.head in ("own", "nested"):
            tokens = tokens * share
        elif self.head == "transfer":
            tokens = tokens * (share + params["tau"] * (1.0 - share))
        size, data = power(jnp.asarray(query.N), params["alpha"]), power(tokens, params["beta"])
        if self.head in ("own", "transfer"):
            return jnp.stack([jnp.ones_like(size), size, data], axis=-1)
        factor = power(share, params["gamma"])
        floor = jnp.ones_like(size) if self.head == "reducible" else factor
        return jnp.stack([floor, size * factor, data * factor], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return combine(params, self.basis(params, query))

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """Share 0 of the evaluated language, where the head needs it."""
        if self.head == "transfer":
            return np.zeros(query.num_points, bool), ""
        mask = np.asarray(query.shares)[np.arange(query.num_points), query.target] <= 0
        return mask, "own share is zero, where the law has no finite loss"
