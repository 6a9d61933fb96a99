"""The compute-optimal frontier as a result: N(C) and D(C) as power laws, with draws and an account."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from isoglot.core.errors import InputError


@dataclass(frozen=True)
class Allocation:
    """N and D at a budget, with intervals (None without draws) and the range of budgets that it leaves."""

    flops: float
    params: float
    tokens: float
    params_interval: tuple[float, float] | None
    tokens_interval: tuple[float, float] | None
    outside: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Frontier:
    """Compute-optimal N = k_N C^a and D = k_D C^b, estimated from runs.

    C in FLOPs by `flops_convention` (`unknown` where the table does not say), taken from `flops_source`; N in
    parameters, D in tokens. `line` is ln k_N, a, ln k_D, b, and `draws` (R, 4) the same for every bootstrap draw, NaN
    where no frontier was left. `points` are the optima that the power laws were drawn through (none for approach 3).
    `left_out` counts rows, runs, budgets and grid points with the reason, `warnings` say why the answer may be biased.
    """

    approach: int
    line: tuple[float, ...]
    points: pl.DataFrame
    flops_range: tuple[float, float]
    draws: np.ndarray | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    params_convention: str = "unknown"
    flops_convention: str = "unknown"
    flops_source: str = ""

    @property
    def a(self) -> float:
        """Exponent of N(C)."""
        return self.line[1]

    @property
    def b(self) -> float:
        """Exponent of D(C)."""
        return self.line[3]

    @property
    def params_coefficient(self) -> float:
        """k_N, in parameters FLOPs^-a."""
        return math.exp(self.line[0])

    @property
    def tokens_coefficient(self) -> float:
        """k_D, in tokens FLOPs^-b."""
        return math.exp(self.line[2])

    @property
    def draws_lost(self) -> int:
        """Draws in which no frontier was left."""
        return 0 if self.draws is None else int(np.isnan(self.draws).any(axis=1).sum())

    def intervals(self, level: float = 0.9) -> dict[str, tuple[float, float] | None]:
        """Percentile interval of a, b and the two coefficients; None without draws."""
        values = None if self.draws is None else self.draws * 1.0
        if values is not None:
            values[:, [0, 2]] = np.exp(values[:, [0, 2]])
        names = ("params_coefficient", "a", "tokens_coefficient", "b")
        found = {
            name: _ends(None if values is None else values[:, at], level) for at, name in enumerate(names)
        }
        return {name: found[name] for name in ("a", "b", "params_coefficient", "tokens_coefficient")}

    def at(self, flops: float, level: float = 0.9) -> Allocation:
        """N and D at a budget of FLOPs.

        Raises InputError unless the budget is a positive finite number.
        """
        if not (math.isfinite(flops) and flops > 0):
            raise InputError(f"frontier: budget {flops} is not allowed; give a positive number of FLOPs")
        ln, low, high = math.log(flops), *self.flops_range
        drawn = None if self.draws is None else self.draws[:, [0, 2]] + self.draws[:, [1, 3]] * ln
        inside = low * (1 - 1e-9) <= flops <= high * (1 + 1e-9)
        return Allocation(
            flops=flops,
            params=math.exp(self.line[0] + self.a * ln),
            tokens=math.exp(self.line[2] + self.b * ln),
            params_interval=_ends(None if drawn is None else np.exp(drawn[:, 0]), level),
            tokens_interval=_ends(None if drawn is None else np.exp(drawn[:, 1]), level),
            outside="" if inside else f"C {flops:.3g} outside {low:.3g}..{high:.3g}",
        )

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Plain data: exponents, coefficients, intervals, points and account."""
        return {
            "approach": self.approach,
            "a": self.a,
            "b": self.b,
            "params_coefficient": self.params_coefficient,
            "tokens_coefficient": self.tokens_coefficient,
            "level": level,
            "intervals": self.intervals(level),
            "flops_range": list(self.flops_range),
            "points": [
                {
                    key: None if isinstance(value, float) and not math.isfinite(value) else value
                    for key, value in row.items()
                }
                for row in self.points.to_dicts()
            ],
            "draws": 0 if self.draws is None else len(self.draws),
            "draws_lost": self.draws_lost,
            "left_out": dict(self.left_out),
            "warnings": list(self.warnings),
            "options": dict(self.options),
            "source": self.source,
            "params_convention": self.params_convention,
            "flops_convention": self.flops_convention,
            "flops_source": self.flops_source,
        }


def _ends(values: np.ndarray | None, level: float) -> tuple[float, float] | None:
    """Percentile interval over the draws that have a frontier; None where fewer than half do."""
    if not 0 < level < 1:
        raise InputError(f"frontier: level {level} is not allowed; give a number between 0 and 1")
    if values is None:
        return None
    known = values[np.isfinite(values)]
    if 2 * len(known) < len(values) or len(known) < 2:
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def power_law(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope of weighted straight lines, (...,) from x, y, weight (..., n).

    Points of weight zero may hold NaN. NaN where fewer than two different x have weight.

    >>> x = np.array([1.0, 2.0, 3.0])
    >>> [round(float(v), 6) for v in power_law(x, 2 + 0.5 * x, np.ones(3))]
    [2.0, 0.5]
    """
    x, y, weight = np.broadcast_arrays(x, y, weight)
    x, y = np.where(weight > 0, x, 0.0), np.where(weight > 0, y, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = weight.sum(axis=-1, keepdims=True)
        middle = (weight * x).sum(axis=-1, keepdims=True) / total
        level = (weight * y).sum(axis=-1, keepdims=True) / total
        spread = (weight * (x - middle) ** 2).sum(axis=-1)
        known = spread > 1e-12 * total[..., 0]
        slope = np.where(known, (weight * (x - middle) * (y - level)).sum(axis=-1) / spread, np.nan)
    return level[..., 0] - slope * middle[..., 0], slope


def lines(x: np.ndarray, params: np.ndarray, tokens: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """ln k_N, a, ln k_D, b from ln C, ln N, ln D and weights (..., n), shape (..., 4)."""
    return np.stack([*power_law(x, params, weight), *power_law(x, tokens, weight)], axis=-1)
