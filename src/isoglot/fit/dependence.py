"""What the predictions of a law depend on: tried out at the rows of a fit, so that no law is listed by name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np

from isoglot.fit.layout import Layout
from isoglot.fit.predict import MIN_PAD, losses
from isoglot.fit.table import rescale
from isoglot.laws.query import Query

if TYPE_CHECKING:
    from isoglot.fit.result import Fit

# How far a quantity is moved, and the relative change of a loss below which it did not notice.
FACTOR = 0.8
UNMOVED = 1e-10


@dataclasses.dataclass(frozen=True)
class Dependence:
    """Whether losses change with N, with D, and with the own share p of the mixture.

    `own_tokens_alone`: p acts only through p D, so that token counts at one share tell as much as shares do.
    """

    params: bool
    tokens: bool
    share: bool
    own_tokens_alone: bool


def dependence(layout: Layout, vectors: np.ndarray, query: Query) -> Dependence:
    """Move N, D and the own share of rows, one at a time, and see whether a loss moves.

    `vectors` (R, slots) are the coordinates to try; `query` is in their units. A few rows are enough. The other
    shares grow in proportion as the own one falls; where there are none, all grow alike.

    >>> from isoglot.laws import LAWS, query
    >>> layout = Layout(LAWS["kaplan"](form="d"))
    >>> dependence(layout, generic(layout)[None], query([1.0, 2.0], 1.0))
    Dependence(params=False, tokens=True, share=False, own_tokens_alone=False)
    """
    some = np.unique(np.linspace(0, query.num_points - 1, MIN_PAD).astype(int))
    rows = jax.tree.map(lambda field: np.asarray(field)[some], query)
    before = losses(layout, vectors, rows)

    def moves(**fields: np.ndarray) -> bool:
        after = losses(layout, vectors, dataclasses.replace(rows, **fields))
        return not bool(np.isclose(before, after, rtol=UNMOVED, atol=0.0, equal_nan=True).all())

    mixture = _with_less_of_its_own(rows)
    share = moves(shares=mixture)
    return Dependence(
        params=moves(N=np.asarray(rows.N) * FACTOR),
        tokens=moves(D=np.asarray(rows.D) * FACTOR),
        share=share,
        own_tokens_alone=share and not moves(shares=mixture, D=np.asarray(rows.D) / FACTOR),
    )


def dependence_of(fitted: Fit, group: int) -> Dependence:
    """Dependence over a group's rows, at the estimate or at generic values: an estimate of zero hides a term."""
    assert fitted.table is not None
    rows = np.flatnonzero(fitted.table.group == group)
    mine = jax.tree.map(lambda field: np.asarray(field)[rows], fitted.table.query)
    vectors = np.stack([fitted.vectors[group], generic(fitted.layout)])
    return dependence(fitted.layout, vectors, rescale(mine, fitted.centre, fitted.law.columns))


def generic(layout: Layout) -> np.ndarray:
    """Coordinates (slots,) at which no term is off and no two languages are alike: start values, or 1, apart."""
    values = {
        p.name: (p.seed[-1] if p.seed else 1.0) * (1 + 0.1 * np.arange(p.size)) for p in layout.law.parameters
    }
    return layout.to_vector(values)


def _with_less_of_its_own(query: Query) -> np.ndarray:
    """Shares (n, K) after the own share is multiplied by `FACTOR`."""
    shares = np.asarray(query.shares, float)
    at = np.arange(len(shares)), np.asarray(query.target)
    own = shares[at]
    others = shares.copy()
    others[at] = 0.0
    alone = (others.sum(axis=1) == 0) & (shares.shape[1] > 1)
    others[alone] = 1.0
    others[at] = 0.0
    total = others.sum(axis=1)
    freed = (1 - FACTOR) * own / np.where(total > 0, total, 1.0)
    out = np.where(alone[:, None], 0.0, others) + others * freed[:, None]
    out[at] = FACTOR * own
    return np.asarray(out)
