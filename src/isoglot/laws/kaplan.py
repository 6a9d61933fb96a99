"""Kaplan: power laws without a floor in size, data or steps (Kaplan et al. 2020, arXiv 2001.08361)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array

from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query

_EXPONENTS = {"N": "model size", "D": "data", "S": "steps"}
_SCALES = {
    "N": ("parameters at which the size term is 1", "parameters", (("N", "1"),), (1e3, 1e6)),
    "D": ("tokens at which the data term is 1", "tokens", (("D", "1"),), (1e2, 1e4)),
    # Steps are no quantity of the centred units, so the seeds are steps themselves.
    "S": ("steps at which the step term is 1", "steps", (), (1e2, 1e4)),
}
_AXES = {"nd": "ND", "n": "N", "d": "D", "ns": "NS"}


def _scale(axis: str) -> Parameter:
    meaning, unit, scaling, seed = _SCALES[axis]
    return Parameter(f"{axis}_c", meaning, unit, 0.0, jnp.inf, "log", seed, scaling=scaling)


def _exponent(axis: str) -> Parameter:
    seed = (0.3, 0.8) if axis == "S" else (0.06, 0.1, 0.2)
    meaning = f"exponent of {_EXPONENTS[axis]}"
    return Parameter(f"alpha_{axis}", meaning, "1", 1e-3, 5.0, "log", seed, shared=True)


class Kaplan(AbstractLaw):
    """L = [ (N_c / N)^(alpha_N / alpha_D) + D_c / D ]^alpha_D, or one of its limits; no floor.

    `form` chooses the law: `nd` as above; `n` (N_c / N)^alpha_N, endless data; `d` (D_c / D)^alpha_D, a large
    model stopped early; `ns` (N_c / N)^alpha_N + (S_c / S_min)^alpha_S, where the column `steps` holds S_min, the
    steps at a batch far above the critical one (`kaplan_frontier.min_steps` converts). N without embeddings, D in
    tokens, L in nats per token in the paper. The constants of the four forms differ, so each has its own preset.
    A law without a floor must not be extrapolated: it promises zero loss.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 1.1, 1.2, 1.5, 1.6, Tables 2, 3 and 5.

    >>> from isoglot.laws import evaluate, published_params, query
    >>> float(evaluate(Kaplan(), published_params("kaplan_nd"), query(1e9, 2e10))[0].round(6))
    2.373882
    """

    form: Literal["nd", "n", "d", "ns"] = "nd"

    @property
    def name(self) -> str:
        """Registry name."""
        return "kaplan"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """A scale and an exponent for each quantity of the form."""
        axes = _AXES[self.form]
        return (*(_scale(axis) for axis in axes), *(_exponent(axis) for axis in axes))

    @property
    def columns(self) -> tuple[Column, ...]:
        """S_min for the form in steps."""
        if self.form != "ns":
            return ()
        return (Column("steps", "optimiser steps at a batch far above the critical one, S_min", "steps"),)

    def basis(self, params: Params, query: Query) -> Array:
        """No columns: the loss is linear in none of the parameters."""
        return jnp.zeros((query.num_points, 0))

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        if self.form == "d":
            return jnp.exp(self._log_term(params, "D", jnp.asarray(query.D)))
        size = self._log_term(params, "N", jnp.asarray(query.N))
        if self.form == "n":
            return jnp.exp(size)
        if self.form == "ns":
            return jnp.exp(size) + jnp.exp(self._log_term(params, "S", jnp.asarray(query.extra["steps"])))
        data = self._log_term(params, "D", jnp.asarray(query.D))
        return jnp.exp(params["alpha_D"] * jnp.logaddexp(size / params["alpha_D"], data / params["alpha_D"]))

    def _log_term(self, params: Params, axis: str, amount: Array) -> Array:
        return params[f"alpha_{axis}"] * (jnp.log(params[f"{axis}_c"]) - jnp.log(amount))
