"""Quality against quantity: the utility of a data tier halves with its passes (Goyal et al. 2024, 2404.07177)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import floor
from isoglot.laws.law import AbstractLaw, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import own

# The unit of samples in the authors' code.
SAMPLES = 1e5
TOO_MANY_PASSES = "more than {0} passes over the data, the last that the law counts"


class Quality(AbstractLaw):
    """L = E + (a n_0 / 1e5)^b_0 prod_k (n_k / n_(k-1))^b_k, with utilities b_k that halve over the passes.

    n counts the samples seen at the end of pass k (the tokens of the run table, in whatever unit they are). Tiers of
    quality are the languages of the shares: tier j has utility b_j < 0 and loses half of it every c_j
    passes over it. One pass is u = sum_j h_j U_j long; after k of them tier j has been passed k u h_j / U_j
    times, so b_k = sum_j h_j b_j 0.5^(k u h_j / (U_j c_j)). For m equal tiers that is the paper's rule: mean b, c
    times m. Tiers of unlimited size never repeat and do not set the length of a pass.

    `form=effective_data` is the alternative in the same code for the evaluated tier alone: its samples count
    0.5^(k / c) in pass k, L = E + (sum_k (n_k - n_(k-1)) 0.5^(k / c) a / 1e5)^b. The paper calls E d and gives it
    (0.1); its code for the utility form adds d before the product, so that d is multiplied too: here, as in the
    formula, it stays outside. Points with more than `max_passes` passes are unsupported. No constants published.

    Source: Goyal et al. 2024 (2404.07177) and the authors' code.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 0.1, "a": 0.02, "b": [-0.15], "c": [3.0]}
    >>> float(evaluate(Quality(), p, query(1e8, 6.4e7, unique=[1.28e7]))[0].round(6))
    0.843269
    """

    form: Literal["utility", "effective_data"] = "utility"
    num_sources: int = 1
    max_passes: int = 128

    @property
    def name(self) -> str:
        """Registry name."""
        return "quality"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, a, b and c."""
        pooled = self.form == "utility"
        tiers = self.num_sources if pooled else 1
        axis: Literal["", "source"] = "source" if pooled else ""
        worth = Parameter(
            "a", "worth of a sample", "1e5 / D", 0.0, jnp.inf, "log", (1e4, 1e5, 1e6), scaling=(("D", "-1"),)
        )
        return (
            floor(),
            worth,
            _of_tier("b", "utility: exponent of a tier's samples", "1", (-5.0, -1e-4), (-0.05, -0.15, -0.4), tiers, axis),
            _of_tier("c", "passes that halve a tier's utility", "passes", (1e-2, 1e4), (1.0, 3.0, 10.0), tiers, axis),
        )  # fmt: skip

    def basis(self, params: Params, query: Query) -> Array:
        """The column 1; a start leaves everything else to the floor."""
        return jnp.ones((*jnp.shape(query.D), 1))

    def predict(self, params: Params, query: Query) -> Array:
        """Loss (or error) at each point."""
        if self.form == "effective_data":
            return params["E"] + self._effective(params, query)
        return params["E"] + self._utility(params, query)

    def _utility(self, params: Params, query: Query) -> Array:
        """(a n_0 / Z)^b_0 prod_k (n_k / n_(k-1))^b_k, (n,)."""
        shares, unique = jnp.asarray(query.shares), jnp.asarray(query.unique)
        length = pass_length(shares, unique)
        seen = self._seen(jnp.asarray(query.D), length)
        first = jnp.log(params["a"] * seen[:, :1] / SAMPLES)
        steps = jnp.concatenate([first, jnp.diff(jnp.log(seen), axis=1)], axis=1)
        limited = jnp.isfinite(unique) & jnp.isfinite(length)[:, None]
        passed = jnp.where(limited, shares * _finite(length)[:, None] / _finite(unique), 0.0)
        lost = jnp.arange(self.max_passes)[:, None] * (passed / jnp.asarray(params["c"]))[:, None, :]
        by_tier = jnp.einsum("nk,nkj->nj", steps, jnp.exp2(-lost))
        return jnp.exp(jnp.sum(by_tier * shares * jnp.asarray(params["b"]), axis=1))

    def _effective(self, params: Params, query: Query) -> Array:
        """(sum_k (n_k - n_(k-1)) 0.5^(k / c) a / Z)^b of the evaluated tier alone, (n,)."""
        tokens = jnp.asarray(query.D) * own(query.shares, query)
        seen = self._seen(tokens, own(query.unique, query))
        new = jnp.concatenate([seen[:, :1], jnp.diff(seen, axis=1)], axis=1)
        effective = new @ jnp.exp2(-jnp.arange(self.max_passes) / params["c"])
        return jnp.exp(params["b"] * jnp.log(params["a"] * effective / SAMPLES))

    def _seen(self, tokens: Array, length: Array) -> Array:
        """Samples seen at the end of each pass, (n, passes); all of them in the first where none repeats."""
        limit = jnp.where(jnp.isfinite(length), length, tokens)
        passes = jnp.arange(1, self.max_passes + 1)
        return jnp.minimum(tokens[:, None], passes * limit[:, None])

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """More passes than are counted, or a tier without samples in the form for one tier."""
        many = TOO_MANY_PASSES.format(self.max_passes)
        tokens, shares, unique = (np.asarray(values) for values in (query.D, query.shares, query.unique))
        if self.form == "utility":
            return tokens > self.max_passes * np.asarray(pass_length(shares, unique)), many
        place = np.arange(query.num_points), query.target
        absent = shares[place] <= 0
        repeated = tokens * shares[place] > self.max_passes * unique[place]
        reasons = [(absent, "own share is zero"), (repeated, many)]
        return absent | repeated, "; ".join(text for mask, text in reasons if mask.any())


def pass_length(shares: Array | np.ndarray, unique: Array | np.ndarray) -> Array:
    """Samples of one pass, the mean size of the limited tiers by share, (n,); infinite where none is limited.

    >>> pass_length(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[2.0, 4.0], [2.0, np.inf]])).tolist()
    [3.0, 2.0]
    """
    shares, unique = jnp.asarray(shares), jnp.asarray(unique)
    held = jnp.where(jnp.isfinite(unique), shares, 0.0)
    total = held.sum(axis=1)
    some = total > 0
    return jnp.where(some, (held * _finite(unique)).sum(axis=1) / jnp.where(some, total, 1.0), jnp.inf)


def _finite(values: Array) -> Array:
    return jnp.where(jnp.isfinite(values), values, 1.0)


def _of_tier(
    name: str,
    meaning: str,
    unit: str,
    ends: tuple[float, float],
    seed: tuple[float, ...],
    size: int,
    axis: Literal["", "source"],
) -> Parameter:
    transform: Literal["log", "identity"] = "log" if ends[0] > 0 else "identity"
    return Parameter(name, meaning, unit, *ends, transform, seed, size=size, axis=axis)
