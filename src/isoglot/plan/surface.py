"""The loss surface of a plan: weighted loss over the brief's languages as a function of N, D and shares.

One fit gives the losses of all languages, from its group of each language, or from its only group. The
surface is evaluated for all draws at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.layout import Layout
from isoglot.fit.result import Fit
from isoglot.laws.query import Query
from isoglot.plan.brief import Brief

LOSS_CHUNK = 2048
SLOPE_CHUNK = 256


@eqx.filter_jit
def _losses(layout: Layout, vectors: Array, query: Query) -> Array:
    """Losses (R, L) of languages with coordinates (R, L, slots); query fields (R, L, ...)."""

    def one(vector: Array, at: Query) -> Array:
        points = jax.tree.map(lambda field: field[None], at)
        return layout.law.predict(layout.to_params(vector), points)[0]

    return jax.vmap(jax.vmap(one))(vectors, query)


@eqx.filter_jit
def _slopes(
    layout: Layout, vectors: Array, query: Query, weight: Array, shares: Array
) -> tuple[Array, Array]:
    """Weighted loss (R,) and its gradient (R, K) in the shares (R, K); `weight` (R, L)."""

    def total(p: Array, row: Array, at: Query, w: Array) -> Array:
        mixed = eqx.tree_at(lambda q: q.shares, at, jnp.broadcast_to(p, at.shares.shape))

        def one(vector: Array, point: Query) -> Array:
            points = jax.tree.map(lambda field: field[None], point)
            return layout.law.predict(layout.to_params(vector), points)[0]

        return jax.vmap(one)(row, mixed) @ w

    return jax.vmap(jax.value_and_grad(total))(shares, vectors, query, weight)


def _in_chunks(function: Callable[..., Any], size: int, *arrays: Any) -> Any:
    """Call a compiled function on pieces of one length, so that it is compiled once for any number of rows."""
    count = len(arrays[0])
    outputs = []
    with jax.enable_x64(True):
        for at in range(0, count, size):
            index = np.minimum(np.arange(at, at + size), count - 1)
            outputs.append(function(*jax.tree.map(lambda field, i=index: np.asarray(field)[i], arrays)))
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(part) for part in parts])[:count], *outputs)


@dataclass(frozen=True)
class Surface:
    """A fit seen through a brief. `vectors` methods take coordinates (R, G, slots), as `Fit.draws`."""

    fitted: Fit
    brief: Brief

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The brief's languages."""
        return self.brief.labels

    @cached_property
    def axis(self) -> tuple[str, ...]:
        """Languages along the share axis of the law: the fit's own, or the brief's for a law without any."""
        fitted = self.fitted
        if fitted.languages in (("own",), ()):
            return self.labels
        for label in self.labels:
            if label not in fitted.languages:
                raise InputError(
                    f"plan: language {label} was not in the runs{nearest(label, fitted.languages)}; the fit knows "
                    f"{', '.join(fitted.languages)}"
                )
        return fitted.languages

    @cached_property
    def columns(self) -> np.ndarray:
        """Column of each of the brief's languages on the share axis."""
        return np.array([self.axis.index(label) for label in self.labels])

    @cached_property
    def groups(self) -> np.ndarray:
        """Group of the fit that predicts each of the brief's languages."""
        fitted = self.fitted
        if not fitted.by:
            return np.zeros(len(self.labels), int)
        for label in self.labels:
            if label not in fitted.groups:
                raise InputError(
                    f"plan: no group of the fit is named {label}{nearest(label, fitted.groups)}; its groups are "
                    f"{', '.join(fitted.groups)} (fit with by='language')"
                )
        return np.array([fitted.groups.index(label) for label in self.labels])

    @cached_property
    def unique(self) -> np.ndarray:
        """Unique tokens of the brief's languages."""
        return np.array([entry.unique for entry in self.brief.languages.values()], float)

    @cached_property
    def settings(self) -> dict[str, float]:
        """The law's further columns at their defaults, in the fit's units; a brief has no values for them.

        Raises InputError for a law with a column that has no default.
        """
        unit = {"1": 1.0, "N": self.fitted.centre.params, "D": self.fitted.centre.tokens}
        found = {}
        for column in self.fitted.law.columns:
            if column.default is None:
                raise InputError(
                    f"plan: {self.fitted.spec.text} needs {column.name} ({column.meaning}), which a brief does not give; "
                    "use a law of size, data and mixture"
                )
            found[column.name] = column.default / unit[column.dimension]
        return found

    def losses(
        self, vectors: np.ndarray, size: np.ndarray, tokens: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Loss of each language, (R, L), at N (R,), D (R,) and shares of the brief's languages (R, L)."""
        layout = self.fitted.layout
        rows = np.broadcast_to(vectors[:, self.groups], (len(size), len(self.labels), vectors.shape[-1]))
        query = self._query(size, tokens, self._spread(shares))
        out = _in_chunks(lambda r, q: _losses(layout, r, q), LOSS_CHUNK, rows, query)
        if not np.isfinite(out).all():
            raise NoAnswerError(
                "plan: the law has no finite loss at this mixture; give every language a positive floor"
            )
        return out

    def slopes(
        self, vectors: np.ndarray, size: float, tokens: float, shares: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weighted loss (R,) and gradient (R, L) in the shares of the brief's languages."""
        count = len(shares)
        spread = self._spread(shares)
        rows = np.broadcast_to(vectors[:, self.groups], (count, len(self.labels), vectors.shape[-1]))
        query = self._query(np.full(count, size), np.full(count, tokens), spread)
        weights = np.broadcast_to(weight, (count, len(self.labels)))
        layout = self.fitted.layout
        value, slope = _in_chunks(
            lambda *parts: _slopes(layout, *parts), SLOPE_CHUNK, rows, query, weights, spread
        )
        return value, slope[:, self.columns]

    def _spread(self, shares: np.ndarray) -> np.ndarray:
        """Shares on the law's axis, zero for languages outside the brief."""
        out = np.zeros((len(shares), len(self.axis)))
        out[:, self.columns] = shares
        return out

    def _query(self, size: np.ndarray, tokens: np.ndarray, shares: np.ndarray) -> Query:
        """Query fields (R, L, ...) in the fit's centred units."""
        unit = self.fitted.centre
        count, languages, axis = len(size), len(self.labels), len(self.axis)
        unique = np.full(axis, np.inf)
        unique[self.columns] = self.unique
        sets = [self.fitted.transfer.get(label, ()) for label in self.labels]
        helpers = np.array([[self.axis.index(name) for name in members] for members in sets], int)
        helpers = helpers.reshape(languages, -1)

        def wide(values: np.ndarray, *shape: int) -> np.ndarray:
            return np.broadcast_to(values, (count, languages, *shape))

        return Query(
            N=wide(size[:, None] / unit.params),
            D=wide(tokens[:, None] / unit.tokens),
            shares=wide(shares[:, None, :], axis),
            unique=wide(unique / unit.tokens, axis),
            target=wide(self.columns),
            num_languages=wide((shares > 0).sum(axis=1).astype(float)[:, None]),
            transfer=wide(helpers, helpers.shape[1]),
            extra={name: wide(np.asarray(value)) for name, value in self.settings.items()},
        )
