"""A query: the points at which a law is asked for a loss, as arrays.

Every field has one entry per point (axis `n`); `K` is the number of languages with a share column and `m`
the size of the transfer set. A table without shares is the case K = 1 with share 1: each point is then a
model trained on its own language alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jax import Array

from isoglot.core.errors import InputError

Arraylike = Any


class Query(eqx.Module):
    """Points (N, D, mixture, unique tokens, evaluated language) at which a law predicts a loss.

    | field | shape | meaning, unit |
    |---|---|---|
    | `N` | n | parameters, in the convention of the fit |
    | `D` | n | training tokens of all languages |
    | `shares` | n, K | nominal share of each language, rows sum to 1 |
    | `unique` | n, K | unique tokens of each language, infinite where unlimited |
    | `target` | n | index of the evaluated language in the K axis |
    | `num_languages` | n | K of the mixture (languages with a positive share) |
    | `transfer` | n, m | indices of the languages in the transfer set of the evaluated language |
    | `extra` | n each | what else a law needs, by the name of its `Column` |
    """

    N: Array | np.ndarray
    D: Array | np.ndarray
    shares: Array | np.ndarray
    unique: Array | np.ndarray
    target: Array | np.ndarray
    num_languages: Array | np.ndarray
    transfer: Array | np.ndarray
    extra: dict[str, Any] = eqx.field(default_factory=dict)

    @property
    def num_points(self) -> int:
        """Number of points n."""
        return int(self.N.shape[-1])


def query(
    N: Arraylike,
    D: Arraylike,
    *,
    shares: Arraylike | None = None,
    unique: Arraylike | None = None,
    target: Arraylike = 0,
    num_languages: Arraylike | None = None,
    transfer: Sequence[int] | Arraylike | None = None,
    extra: Mapping[str, Arraylike] | None = None,
) -> Query:
    """Build a `Query` from scalars or arrays, broadcasting everything to one length.

    `N` in parameters, `D` in tokens of all languages; `shares` and `unique` are (K,) or (n, K); `extra` are the
    columns that a law asks for, scalars or (n,).

    Raises InputError when N or D is not positive, or shares are negative or do not sum to 1.

    >>> q = query(1e9, [1e10, 2e10], shares=[0.7, 0.3], target=1)
    >>> q.num_points, q.shares.shape, q.num_languages.tolist()
    (2, (2, 2), [2.0, 2.0])
    """
    mixtures = 1 if shares is None or np.ndim(shares) == 1 else len(shares)
    more = {name: np.atleast_1d(np.asarray(values, float)) for name, values in (extra or {}).items()}
    parameters, tokens, index, _, *columns = np.broadcast_arrays(
        np.atleast_1d(np.asarray(N, float)),
        np.atleast_1d(np.asarray(D, float)),
        np.atleast_1d(np.asarray(target, int)),
        np.zeros(mixtures),
        *more.values(),
    )
    n = parameters.shape[0]
    for name, values in (("N", parameters), ("D", tokens)):
        if not (np.isfinite(values).all() and (values > 0).all()):
            bad = values[~(np.isfinite(values) & (values > 0))][0]
            raise InputError(f"query: {name} must be positive and finite, but {bad} was given")
    mixture = (
        np.ones((n, 1)) if shares is None else np.broadcast_to(np.asarray(shares, float), (n, _last(shares)))
    )
    if not ((mixture >= 0).all() and (abs(mixture.sum(-1) - 1) <= 1e-6).all()):
        raise InputError(
            f"query: shares must be >= 0 and sum to 1, but a row sums to {mixture.sum(-1).max():.6g}"
        )
    k = mixture.shape[1]
    if index.min() < 0 or index.max() >= k:
        raise InputError(f"query: target {index.max()} is no index of the {k} languages in shares")
    limit = np.full((n, k), np.inf) if unique is None else np.broadcast_to(np.asarray(unique, float), (n, k))
    if not (limit > 0).all():
        raise InputError(
            "query: unique tokens must be positive; leave them out or give infinity where unlimited"
        )
    count = (mixture > 0).sum(-1) if num_languages is None else np.broadcast_to(num_languages, (n,))
    helpers = np.zeros((n, 0), int) if transfer is None else np.asarray(transfer, int)
    helpers = np.broadcast_to(helpers, (n, helpers.shape[-1]))
    return Query(
        N=parameters.copy(),
        D=tokens.copy(),
        shares=mixture.copy(),
        unique=limit.copy(),
        target=index.copy(),
        num_languages=np.asarray(count, float).copy(),
        transfer=helpers.copy(),
        extra={name: values.copy() for name, values in zip(more, columns, strict=True)},
    )


def _last(values: Arraylike) -> int:
    return int(np.asarray(values).shape[-1])
