"""Does the mixture hold at another scale? The optimum p* and what the planned mixture gives away, over N and D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoglot.fit.result import Fit
from isoglot.laws.msl import MSL
from isoglot.plan.brief import Brief
from isoglot.plan.mixture import Judge, best_shares, limits
from isoglot.plan.surface import Surface

# Compute of the ladder relative to the plan's; N and D move alike, by the square root.
LADDER = (1e-4, 1e-2, 1.0, 1e2)
SCALE_FREE = (
    "under the normalised objective of the own-share law, N and D cancel, so the optimum is the same at every scale; "
    "that follows from the form of the law and is no evidence for it"
)


@dataclass(frozen=True)
class DriftRow:
    """One scale: the optimal shares there, and the loss that the planned mixture gives away (relative)."""

    params: float
    tokens: float
    shares: dict[str, float]
    regret: float


@dataclass(frozen=True)
class Drift:
    """The optimum over a ladder of scales under the brief's objective, with a note on the normalised one.

    Floors, caps and text stay at the limits of the planned tokens, so only the losses move. No rows where the
    optimum cannot drift.
    """

    objective: str
    rows: tuple[DriftRow, ...]
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.__dict__, "rows": [row.__dict__ for row in self.rows]}


def mixture_drift(
    fitted: Fit,
    brief: Brief,
    shares: dict[str, float],
    tokens: float,
    scales: Sequence[tuple[float, float]],
) -> Drift:
    """Optima and regret of the planned shares at each (N, D) of `scales`; `tokens` are the planned D.

    A raw sum of losses weighs languages by their loss level, which moves with N and D, so p* drifts.
    Source: He et al. (2410.12883), Sec. 4, on raw and normalised objectives.
    """
    own_share = isinstance(fitted.law, MSL) and fitted.law.head == "msl"
    note = SCALE_FREE if own_share else ""
    if len(brief.labels) == 1 or (own_share and brief.objective == "normalised"):
        return Drift(brief.objective, (), note)
    surface, vectors = Surface(fitted, brief), fitted.vectors[None]
    lo, hi = limits(brief, tokens)
    planned = np.array([shares[label] for label in brief.labels])
    rows = []
    for size, seen in scales:
        judge = Judge(surface, vectors, size, seen)
        best = best_shares(surface, vectors, judge.weight, size, seen, lo, hi, start=planned)[0][0]
        regret = float(judge.values(planned)[0] / judge.values(best)[0] - 1)
        rows.append(
            DriftRow(size, seen, dict(zip(brief.labels, map(float, best), strict=True)), max(regret, 0.0))
        )
    return Drift(brief.objective, tuple(rows), note)


def ladder(params: float, tokens: float) -> list[tuple[float, float]]:
    """(N, D) from a ten-thousandth to a hundred times the plan's compute, at its D / N.

    >>> [(f"{n:g}", f"{d:g}") for n, d in ladder(1e9, 2e10)]
    [('1e+07', '2e+08'), ('1e+08', '2e+09'), ('1e+09', '2e+10'), ('1e+10', '2e+11')]
    """
    return [(params * factor**0.5, tokens * factor**0.5) for factor in LADDER]
