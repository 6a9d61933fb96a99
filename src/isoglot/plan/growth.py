"""The plan's answer to "what do more languages cost?": K -> K' at the loss of the plan's own run."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from isoglot.core.errors import InputError, nearest
from isoglot.fit.layout import natural
from isoglot.fit.result import Fit
from isoglot.laws.capacity import Capacity
from isoglot.laws.published import CAPACITY_SOURCE
from isoglot.plan.brief import Brief
from isoglot.plan.growth_range import check_count
from isoglot.plan.languages import (
    IsoLoss,
    Multipliers,
    assumed_range,
    closed_multipliers,
    implied_exponents,
    iso_loss,
    optimal_size_share,
    published_multipliers,
)
from isoglot.plan.size import SizePlan

GROWTH_DRAWS = 300
# Sizes at which the iso-loss curve is listed, as multiples of the baseline's N.
LADDER = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
NAMES = tuple(entry.name for entry in fields(Multipliers))


@dataclass(frozen=True)
class LanguagesPlan:
    """What `to_count` languages need to reach the loss that the plan reaches with `from_count`.

    `times` are the factors with the least compute, `separately` those that restore each error term by itself;
    `intervals` come from draws and are empty without; `assumed` is a sensitivity to assumed steps of phi and psi,
    given only for the published exponents, and no confidence interval. `frontier` lists other mixtures of size and
    data with the same loss. `fixed_params_cost` is the extra compute (relative to the least) of keeping N;
    None if no data makes up for it. `same_compute_loss` is the growth of the reducible loss at the same N and D.
    """

    from_count: int
    to_count: int
    params: float
    tokens: float
    tokens_per_language: float
    flops: float
    times: Multipliers
    intervals: dict[str, tuple[float, float]]
    assumed: dict[str, tuple[float, float]]
    separately: Multipliers | None
    frontier: tuple[Multipliers, ...]
    least_params: float
    least_tokens: float
    size_share: float
    exponents: dict[str, float]
    fixed_params_cost: float | None
    fixed_params_interval: tuple[float, float] | None
    same_compute_loss: float
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.__dict__,
            "times": vars(self.times),
            "separately": None if self.separately is None else vars(self.separately),
            "frontier": [vars(point) for point in self.frontier],
        }


def plan_languages(fitted: Fit | None, brief: Brief, size: SizePlan) -> LanguagesPlan:
    """What the brief's `grow_to` languages cost, from a fitted capacity law or the published exponents.

    Raises NoAnswerError beyond the languages of the runs (50 in the published ones) unless the brief forces it.
    """
    assert brief.grow_to is not None
    check_count(brief.grow_to, fitted, brief.force)
    return _published(brief, size) if fitted is None else _fitted(fitted, brief, size)


def _published(brief: Brief, size: SizePlan) -> LanguagesPlan:
    assert brief.grow_to is not None
    ratio = brief.grow_to / len(brief.labels)
    exponents = implied_exponents()
    share = optimal_size_share(exponents)
    times = published_multipliers(ratio)
    return _answer(
        brief,
        size,
        times,
        iso_loss(ratio, exponents, share),
        intervals={},
        assumed=assumed_range(ratio),
        separately=times,
        size_share=share,
        exponents=exponents,
        source=f"published exponents: {CAPACITY_SOURCE}",
    )


def _fitted(fitted: Fit, brief: Brief, size: SizePlan) -> LanguagesPlan:
    assert brief.grow_to is not None
    ratio = brief.grow_to / len(brief.labels)
    point, share = curves(fitted, fitted.vectors[None], brief, size, ratio)
    best, own = point.optimum()
    times = Multipliers(float(best[0]), float(ratio * own[0]), float(own[0]), float(ratio * best[0] * own[0]))
    intervals: dict[str, tuple[float, float]] = {}
    if fitted.draws is not None:
        drawn, _ = curves(
            fitted, fitted.draw_vectors("bootstrap", brief.level)[:GROWTH_DRAWS], brief, size, ratio
        )
        params, own = drawn.optimum()
        columns = {"params": params, "tokens": ratio * own, "tokens_per_language": own}
        columns["flops"] = ratio * params * own
        with np.errstate(invalid="ignore"):
            columns["fixed_params_cost"] = drawn.flops(1.0) / columns["flops"] - 1
        intervals = {name: _ends(values, brief.level) for name, values in columns.items()}
    rows = _rows(fitted, brief)
    exponents = {name: float(_values(fitted, fitted.vectors[None], name)[0, rows].mean()) for name in FORM}
    return _answer(
        brief,
        size,
        times,
        point,
        intervals=intervals,
        assumed={},
        separately=closed_multipliers(exponents, ratio) if len(rows) == 1 else None,
        size_share=float(share[0]),
        exponents=exponents,
        source=f"{fitted.spec.text} fitted to {fitted.source or 'runs'}",
    )


FORM = ("alpha", "beta", "phi", "psi")


def curves(
    fitted: Fit, vectors: np.ndarray, brief: Brief, size: SizePlan, ratio: float
) -> tuple[IsoLoss, np.ndarray]:
    """The iso-loss curve of each draw from the plan's N and D, and w_N there, (R,).

    Each error term is weighed by its actual part of the weighted reducible loss, so that the baseline need not
    be compute-optimal.
    """
    rows = _rows(fitted, brief)
    value = {name: _values(fitted, vectors, name)[:, rows] for name in (*FORM, "A", "B")}
    weights = np.array(
        [1.0] if not fitted.by else [brief.languages[fitted.groups[row]].weight for row in rows], float
    )
    count = len(brief.labels)
    own = size.tokens / count
    terms = value["A"] * count ** value["phi"] * size.params ** -value["alpha"] * weights
    data = value["B"] * count ** value["psi"] * own ** -value["beta"] * weights
    total = (terms + data).sum(axis=1, keepdims=True)
    curve = IsoLoss(
        ratio,
        ratio ** value["phi"] * terms / total,
        ratio ** value["psi"] * data / total,
        value["alpha"],
        value["beta"],
    )
    return curve, np.asarray((terms / total).sum(axis=1))


def _rows(fitted: Fit, brief: Brief) -> np.ndarray:
    """Groups of the fit that speak for the brief: its languages with a positive weight, or the only group."""
    if not isinstance(fitted.law, Capacity):
        raise InputError(
            f"languages: the fit is of {fitted.spec.text}, which does not know the number of languages; give a fit of capacity"
        )
    if not fitted.by:
        return np.array([0])
    wanted = [label for label in brief.labels if brief.languages[label].weight > 0]
    found = [fitted.groups.index(label) for label in wanted if label in fitted.groups]
    if not found:
        raise InputError(
            f"languages: no language of the brief was fitted{nearest(wanted[0], fitted.groups)}; the fit knows "
            f"{', '.join(fitted.groups)}"
        )
    return np.array(found)


def _values(fitted: Fit, vectors: np.ndarray, name: str) -> np.ndarray:
    """Natural values (R, G) of a parameter in the units of N and D."""
    shifted = fitted.centre.shift(fitted.layout, vectors, +1)
    return np.asarray(natural(fitted.layout, shifted)[..., fitted.layout.keys.index(name)])


def _answer(
    brief: Brief,
    size: SizePlan,
    times: Multipliers,
    curve: IsoLoss,
    *,
    intervals: dict[str, tuple[float, float]],
    assumed: dict[str, tuple[float, float]],
    separately: Multipliers | None,
    size_share: float,
    exponents: dict[str, float],
    source: str,
) -> LanguagesPlan:
    assert brief.grow_to is not None
    fixed = float(curve.flops(1.0)[0])
    tokens = size.tokens * times.tokens
    best, own = curve.optimum()
    least = float((curve.ratio * best * own)[0])
    return LanguagesPlan(
        from_count=len(brief.labels),
        to_count=brief.grow_to,
        params=size.params * times.params,
        tokens=tokens,
        tokens_per_language=tokens / brief.grow_to,
        flops=6 * size.params * size.tokens * times.flops,
        times=times,
        intervals={name: ends for name, ends in intervals.items() if name in NAMES},
        assumed=assumed,
        separately=separately,
        frontier=frontier(curve),
        least_params=float(curve.least_params[0]),
        least_tokens=float(curve.ratio * curve.least_own_tokens[0]),
        size_share=size_share,
        exponents=exponents,
        fixed_params_cost=fixed / least - 1 if np.isfinite(fixed) else None,
        fixed_params_interval=intervals.get("fixed_params_cost"),
        same_compute_loss=float((curve.size + curve.data * curve.ratio**curve.beta).sum()),
        source=source,
    )


def frontier(curve: IsoLoss) -> tuple[Multipliers, ...]:
    """Feasible points of the iso-loss curve at the listed sizes, from its first row."""
    points = []
    for params in LADDER:
        own = float(curve.own_tokens(params)[0])
        if np.isfinite(own):
            points.append(Multipliers(params, curve.ratio * own, own, curve.ratio * params * own))
    return tuple(points)


def _ends(values: np.ndarray, level: float) -> tuple[float, float]:
    """Quantiles of values that may be infinite."""
    low = np.quantile(values, (1 - level) / 2, method="lower")
    high = np.quantile(values, (1 + level) / 2, method="higher")
    return float(low), float(high)
