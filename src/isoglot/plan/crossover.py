"""Where the loss of a run from scratch falls below that of a continued run: two fitted curves, one crossing.

Tokens count from the start of either run. If the base's compute is charged, the run from scratch has the extra
tokens that it buys: L_scratch(N, D + extra) is compared with L_continued(N, D).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from isoglot.core.errors import InputError
from isoglot.fit.result import Fit
from isoglot.plan.base import read_shares
from isoglot.plan.brief import Brief
from isoglot.plan.number import is_amount, is_number
from isoglot.plan.surface import Surface

GRID = 241
CROSSOVER_DRAWS = 300
# How far beyond the runs of the two fits a crossing is looked for, and the most tokens that are tried after that.
BEYOND = 10.0
FARTHEST = 1e20
Better = Literal["scratch", "continued"]


@dataclass(frozen=True)
class Crossover:
    """From how many tokens on training from scratch is better than continuing, at one size.

    `tokens` is the last crossing after which scratch stays better in the range searched; None if it is not
    in the range. `interval` comes from paired draws (None without): its low end is None if scratch may be better
    everywhere, its high end None if it is not reached in the range. `crossings` lists every crossing of the point
    estimate with the run that is better after it. `beyond` is where the fitted curves would cross past the range,
    None if never. `extra_tokens` is what the base's compute buys the run from scratch.
    """

    params: float
    tokens: float | None
    interval: tuple[float | None, float | None] | None
    crossings: tuple[tuple[float, Better], ...]
    better_at_start: Better
    better_at_end: Better
    searched: tuple[float, float]
    beyond: float | None
    extra_tokens: float
    level: float
    extrapolated: bool

    @property
    def sentence(self) -> str:
        """The answer in words."""
        low, high = self.searched
        if self.tokens is not None:
            return f"from {self.tokens:.3g} tokens on, scratch is better"
        if self.better_at_end == "continued":
            later = (
                "the curves never cross"
                if self.beyond is None
                else f"the curves would cross at {self.beyond:.3g}"
            )
            between = " at the end of the range, after crossings" if self.crossings else ""
            return f"continuing is better{between} up to at least {high:.3g} tokens; {later} beyond it"
        return f"scratch is better from {low:.3g} tokens or fewer"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.__dict__, "sentence": self.sentence}


@dataclass(frozen=True)
class Curves:
    """Weighted loss of a run from scratch and of a continued run over a brief's languages at one N and mixture."""

    scratch: Fit
    continued: Fit
    brief: Brief
    params: float
    shares: np.ndarray
    extra_tokens: float = 0.0

    def losses(self, tokens: np.ndarray, drawn: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Losses (R, T) of scratch and of continued at T token counts: R = 1, or one row a pair of draws."""
        found = []
        vectors = self._draws() if drawn else (self.scratch.vectors[None], self.continued.vectors[None])
        for fitted, rows, more in zip(
            (self.scratch, self.continued), vectors, (self.extra_tokens, 0.0), strict=True
        ):
            count, points = len(rows), len(tokens)
            surface = Surface(fitted, self.brief)
            shares = np.broadcast_to(self.shares, (count * points, len(self.shares)))
            by_language = surface.losses(
                np.repeat(rows, points, axis=0),
                np.full(count * points, self.params),
                np.tile(tokens + more, count),
                shares,
            )
            found.append((by_language @ np.array(self.brief.weights)).reshape(count, points))
        return found[0], found[1]

    @property
    def has_draws(self) -> bool:
        """Whether both fits carry draws."""
        return self.scratch.draws is not None and self.continued.draws is not None

    def _draws(self) -> tuple[np.ndarray, np.ndarray]:
        level = self.brief.level
        first, second = (fitted.draw_vectors("bootstrap", level) for fitted in (self.scratch, self.continued))
        count = min(len(first), len(second), CROSSOVER_DRAWS)
        return first[:count], second[:count]

    @property
    def measured(self) -> tuple[float, float] | None:
        """Tokens that the runs of both fits cover; None if neither knows its range."""
        ranges = [
            fitted.ranges.values["D"]
            for fitted in (self.scratch, self.continued)
            if "D" in fitted.ranges.values
        ]
        if not ranges:
            return None
        return max(low for low, _ in ranges), min(high for _, high in ranges)


def crossover(
    scratch: Fit,
    continued: Fit,
    params: float,
    *,
    languages: Mapping[str, Any] | None = None,
    shares: Mapping[str, float] | None = None,
    tokens: tuple[float, float] | None = None,
    extra_tokens: float = 0.0,
    level: float = 0.9,
) -> Crossover:
    """Tokens from which training from scratch beats continuing at N, from a fit of each kind of run.

    `languages` as in a `Brief` (unique text, weight), needed for fits by language or with a mixture; `shares` of the
    runs (uniform unless given); `tokens` the range searched (from the runs' own range, widened tenfold, unless
    given); `extra_tokens` what the base's compute buys the run from scratch (`Base.counted_tokens`).

    Raises InputError for a size, range or share that is not allowed, or languages that the fits do not know.
    Source: the question of Longpre et al. 2025 (2510.22037), Sec. 6, with an interval and censoring.

    >>> import isoglot as ig
    >>> fitted = ig.published("hoffmann_tex")
    >>> crossover(fitted, fitted, 1e9, extra_tokens=1e9).sentence
    'scratch is better from 1e+08 tokens or fewer'
    """
    if not is_amount(params):
        raise InputError(f"crossover: params={params!r} is not allowed; give a positive number")
    if not (is_number(extra_tokens) and np.isfinite(extra_tokens) and extra_tokens >= 0):
        raise InputError(
            f"crossover: extra_tokens={extra_tokens!r} is not allowed; give zero or a positive number"
        )
    brief = Brief(params=params, tokens=1.0, languages=languages or {"und": {}}, level=level)
    curves = Curves(scratch, continued, brief, params, _mixture(brief, shares), extra_tokens)
    return find_crossover(curves, tokens)


def find_crossover(
    curves: Curves, tokens: tuple[float, float] | None = None, also: float | None = None
) -> Crossover:
    """The crossing of two curves in a range of tokens; `also` is a token count that the range must hold."""
    low, high = _range(curves, tokens, also)
    grid = np.geomspace(low, high, GRID)
    gap = _gap(curves, grid)[0]
    crossings = _crossings(grid, gap)
    interval: tuple[float | None, float | None] | None = None
    if curves.has_draws:
        ends = np.array([_last(grid, row) for row in _gap(curves, grid, drawn=True)])
        interval = _interval(ends, curves.brief.level, (low, high))
    last = _last(grid, gap)
    found = last if 0 < last < np.inf else None
    measured = curves.measured
    return Crossover(
        params=curves.params,
        tokens=found,
        interval=interval,
        crossings=tuple(crossings),
        better_at_start=_better(gap[0]),
        better_at_end=_better(gap[-1]),
        searched=(low, high),
        beyond=_beyond(curves, high) if gap[-1] > 0 else None,
        extra_tokens=curves.extra_tokens,
        level=curves.brief.level,
        extrapolated=bool(found and measured and not measured[0] <= found <= measured[1]),
    )


def _gap(curves: Curves, grid: np.ndarray, drawn: bool = False) -> np.ndarray:
    """ln(L_scratch / L_continued), (R, T): positive where continuing is better."""
    scratch, continued = curves.losses(grid, drawn)
    return np.asarray(np.log(scratch / continued))


def _better(gap: float) -> Better:
    return "continued" if gap > 0 else "scratch"


def _crossings(grid: np.ndarray, gap: np.ndarray) -> list[tuple[float, Better]]:
    """Every change of sign, by a line in ln D between neighbours, with the run that is better after it."""
    sign = gap > 0
    found: list[tuple[float, Better]] = []
    for at in np.flatnonzero(sign[1:] != sign[:-1]):
        part = gap[at] / (gap[at] - gap[at + 1])
        found.append((float(grid[at] * (grid[at + 1] / grid[at]) ** part), _better(gap[at + 1])))
    return found


def _last(grid: np.ndarray, gap: np.ndarray) -> float:
    """The last crossing after which scratch is better; 0 if it always is, infinite if it is not at the end."""
    if gap[-1] > 0:
        return np.inf
    crossings = _crossings(grid, gap)
    return crossings[-1][0] if crossings else 0.0


def _interval(
    ends: np.ndarray, level: float, searched: tuple[float, float]
) -> tuple[float | None, float | None]:
    """Quantiles of crossings that may be censored on either side (0 or infinite)."""
    least = float(np.quantile(ends, (1 - level) / 2, method="lower"))
    most = float(np.quantile(ends, (1 + level) / 2, method="higher"))
    low = None if least == 0 else min(least, searched[1])
    high = None if most == np.inf else max(most, searched[0])
    return low, high


def _beyond(curves: Curves, high: float) -> float | None:
    """Where the point estimate crosses past the range, None if it never does."""
    grid = np.geomspace(high, max(FARTHEST, high * BEYOND), GRID)
    later = [at for at, better in _crossings(grid, _gap(curves, grid)[0]) if better == "scratch"]
    return later[0] if later else None


def _range(curves: Curves, tokens: tuple[float, float] | None, also: float | None) -> tuple[float, float]:
    if tokens is not None:
        good = len(tokens) == 2 and all(map(is_amount, tokens)) and tokens[0] < tokens[1]
        if not good:
            raise InputError(
                f"crossover: tokens={tokens!r} is no range; give the least and the most tokens, such as (1e9, 1e12)"
            )
        return float(tokens[0]), float(tokens[1])
    ranges = [
        fitted.ranges.values["D"]
        for fitted in (curves.scratch, curves.continued)
        if "D" in fitted.ranges.values
    ]
    low = min((low for low, _ in ranges), default=1e9) / BEYOND
    high = max((high for _, high in ranges), default=1e12) * BEYOND
    return (low, high) if also is None else (min(low, also / BEYOND), max(high, also * BEYOND))


def _mixture(brief: Brief, shares: Mapping[str, float] | None) -> np.ndarray:
    if shares is None:
        return np.full(len(brief.labels), 1 / len(brief.labels))
    given = read_shares(shares, "crossover")
    for label in given:
        if label not in brief.labels:
            raise InputError(f"crossover: shares name {label}, which is not in languages; name it there too")
    found = np.array([given.get(label, 0.0) for label in brief.labels])
    if abs(found.sum() - 1) > 1e-6:
        raise InputError(f"crossover: shares sum to {found.sum():.4g}; they must sum to 1")
    return found
