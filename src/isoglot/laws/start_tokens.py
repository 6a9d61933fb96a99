"""Continued training: which of a run's tokens belong to the base it started from."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.law import Column, with_columns
from isoglot.laws.query import Query

# The run table counts tokens since initialisation, so a continued run's own tokens are what is left.
INIT_TOKENS = Column("init_tokens", "tokens of the base that a run starts from", "tokens", "D", 0.0)
NO_NEW_TOKENS = "init_tokens is not below tokens, so nothing was trained after the base"


def column_of(query: Query, column: Column) -> Array:
    """A law's own column (n,), with its default where the query has none; InputError without a default."""
    return jnp.asarray(with_columns(query, (column,)).extra[column.name])


def new_tokens(query: Query) -> Array:
    """Tokens trained after the base, (n,): D minus `init_tokens`."""
    return jnp.asarray(query.D) - column_of(query, INIT_TOKENS)


def without_new_tokens(query: Query) -> np.ndarray:
    """Mask (n,) of points whose base has seen all of their tokens."""
    return np.asarray(query.D) <= np.asarray(query.extra.get(INIT_TOKENS.name, 0.0))
