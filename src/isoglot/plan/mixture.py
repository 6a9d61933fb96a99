"""The language mixture at a given size: optimum, intervals, limits that bind, regret of the simple schemes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.core.errors import NoAnswerError
from isoglot.core.schemes import all_schemes
from isoglot.fit.result import Fit
from isoglot.plan.brief import Brief
from isoglot.plan.own_share import has_closed_form, has_optimum, own_share_terms
from isoglot.plan.simplex import check_limits, minimise, own_share_optimum
from isoglot.plan.surface import Surface

if TYPE_CHECKING:
    from isoglot.plan.drift import Drift

# Draws used for intervals of shares; each is one optimisation.
SHARE_DRAWS = 200
# A language without floor keeps this share in a numerical search, where some laws are not defined at zero.
LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class Regret:
    """A simple mixture: its shares, how much loss it gives away (relative), and whether it breaks a limit."""

    shares: dict[str, float]
    relative: float
    interval: tuple[float, float] | None
    over_limit: tuple[str, ...]


@dataclass(frozen=True)
class MixturePlan:
    """Shares with intervals, the passes over each text, limits that bind, and regrets.

    `method` says how the optimum was found; `own_regret` is the interval of what the recommended mixture
    itself gives away against each draw's own optimum; `drift` how the optimum moves with scale.
    """

    shares: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    epochs: dict[str, float]
    binding: dict[str, str]
    marginal_value: dict[str, float]
    regrets: dict[str, Regret]
    own_regret: tuple[float, float] | None
    method: str
    optima: int
    draws_without_optimum: int
    objective: str
    drift: Drift | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.__dict__,
            "regrets": {name: regret.__dict__ for name, regret in self.regrets.items()},
            "drift": None if self.drift is None else self.drift.to_dict(),
        }


def limits(brief: Brief, tokens: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limits of the shares when D tokens are trained: floors, caps, and text times epochs."""
    floor = np.array([entry.floor for entry in brief.languages.values()])
    cap = np.array(
        [
            min(entry.cap, brief.epochs(label) * entry.unique / tokens)
            for label, entry in brief.languages.items()
        ]
    )
    for k, (label, entry) in enumerate(brief.languages.items()):
        if floor[k] > cap[k] * (1 + 1e-9):
            needed = floor[k] * tokens / entry.unique
            raise NoAnswerError(
                f"mixture: the floor {floor[k]:.4g} of {label} needs {needed:.3g} epochs of its text at {tokens:.3g} tokens, "
                f"but {brief.epochs(label):.3g} are allowed; lower the floor, allow more epochs, or find more text"
            )
    return floor, np.maximum(cap, floor)


def plan_mixture(fitted: Fit, brief: Brief, size: float, tokens: float) -> MixturePlan:
    """The mixture that minimises the weighted loss at N and D, with intervals and regrets."""
    surface = Surface(fitted, brief)
    best, method, optima = point_shares(fitted, brief, size, tokens)
    lo, hi = limits(brief, tokens)
    here = Judge(surface, fitted.vectors[None], size, tokens)
    value, slope = here.value_and_slope(best)
    drawn, judge, lost, own = None, None, 0, None
    intervals: dict[str, tuple[float, float]] = {}
    if fitted.draws is not None:
        draws = fitted.draw_vectors("bootstrap", brief.level)[:SHARE_DRAWS]
        usable = has_optimum(surface, draws)
        lost, draws = int((~usable).sum()), draws[usable]
    if fitted.draws is not None and len(draws):
        judge = Judge(surface, draws, size, tokens)
        drawn = best_shares(surface, draws, judge.weight, size, tokens, lo, hi, start=best)[0]
        low, high = np.quantile(drawn, _tails(brief), axis=0)
        intervals = {label: (float(low[k]), float(high[k])) for k, label in enumerate(brief.labels)}
        least, most = np.quantile(judge.values(best) / judge.values(drawn) - 1, _tails(brief))
        own = (float(max(least, 0.0)), float(most))
    allowed = np.array([brief.epochs(label) for label in brief.labels])
    schemes = all_schemes(surface.unique, tokens, allowed)
    return MixturePlan(
        shares=dict(zip(brief.labels, map(float, best), strict=True)),
        intervals=intervals,
        epochs={label: float(best[k] * tokens / surface.unique[k]) for k, label in enumerate(brief.labels)},
        binding=_binding(brief, best, lo, hi, tokens),
        marginal_value={label: float(-slope[k]) for k, label in enumerate(brief.labels)},
        regrets={name: _regret(shares, best, value, here, judge, lo, hi) for name, shares in schemes.items()},
        own_regret=own,
        method=method,
        optima=optima,
        draws_without_optimum=lost,
        objective=brief.objective,
    )


@dataclass(frozen=True)
class Judge:
    """The weighted loss of mixtures at N and D, for each of some coordinates (R, G, slots)."""

    surface: Surface
    vectors: np.ndarray
    size: float
    tokens: float

    @cached_property
    def weight(self) -> np.ndarray:
        """Weight of each language's loss, (R, L)."""
        return _weights(self.surface, self.vectors, self.surface.brief, self.size, self.tokens)

    def values(self, shares: np.ndarray) -> np.ndarray:
        """Loss (R,) of one mixture (L,) or of one mixture a draw (R, L)."""
        rows = np.broadcast_to(shares, (len(self.vectors), shares.shape[-1]))
        return self.surface.slopes(self.vectors, self.size, self.tokens, rows, self.weight)[0]

    def value_and_slope(self, shares: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient (L,) of one mixture at the first coordinates."""
        value, slope = self.surface.slopes(
            self.vectors[:1], self.size, self.tokens, shares[None], self.weight[:1]
        )
        return float(value[0]), slope[0]


def _tails(brief: Brief) -> list[float]:
    return [(1 - brief.level) / 2, (1 + brief.level) / 2]


def _regret(
    shares: np.ndarray,
    best: np.ndarray,
    value: float,
    here: Judge,
    judge: Judge | None,
    lo: np.ndarray,
    hi: np.ndarray,
) -> Regret:
    """What a simple mixture gives away against the recommended one, with its interval over draws."""
    labels, brief = here.surface.labels, here.surface.brief
    shares = np.maximum(shares, LEAST_SHARE) / np.maximum(shares, LEAST_SHARE).sum()
    interval = None
    if judge is not None:
        low, high = np.quantile(judge.values(shares) / judge.values(best) - 1, _tails(brief))
        interval = (float(low), float(high))
    over = [
        label for k, label in enumerate(labels) if shares[k] > hi[k] * (1 + 1e-6) or shares[k] < lo[k] - 1e-9
    ]
    named = dict(zip(labels, map(float, shares), strict=True))
    return Regret(named, float(here.values(shares)[0] / value - 1), interval, tuple(over))


def point_shares(fitted: Fit, brief: Brief, size: float, tokens: float) -> tuple[np.ndarray, str, int]:
    """The optimal shares (L,) of the point estimate, the method, and the number of distinct optima."""
    surface = Surface(fitted, brief)
    lo, hi = limits(brief, tokens)
    check_limits(lo, hi)
    weight = _weights(surface, fitted.vectors[None], brief, size, tokens)
    best, method, optima = best_shares(surface, fitted.vectors[None], weight, size, tokens, lo, hi)
    return best[0], method, optima


def _weights(surface: Surface, vectors: np.ndarray, brief: Brief, size: float, tokens: float) -> np.ndarray:
    """Weight of each language's loss, (R, L); normalised losses are divided by their value at uniform shares."""
    weight = np.broadcast_to(np.array(brief.weights), (len(vectors), len(brief.labels)))
    if brief.objective == "raw":
        return weight
    uniform = np.full((len(vectors), len(brief.labels)), 1 / len(brief.labels))
    at = np.full(len(vectors), size)
    return np.asarray(weight / surface.losses(vectors, at, np.full(len(vectors), tokens), uniform))


def best_shares(
    surface: Surface,
    vectors: np.ndarray,
    weight: np.ndarray,
    size: float,
    tokens: float,
    lo: np.ndarray,
    hi: np.ndarray,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, str, int]:
    """Optimal shares (R, L) for coordinates (R, G, slots), the method, and the number of distinct optima met.

    The own-share law has a closed form under most heads; every other law is minimised numerically: from `start` for each
    draw, or a single estimate (R = 1) from several starts.
    """
    if has_closed_form(surface.fitted.law):
        gamma, scale = own_share_terms(surface, vectors, size, tokens)
        if start is None and (gamma <= 0).any():
            label = surface.labels[int(np.argmin(gamma[0]))]
            raise NoAnswerError(
                f"mixture: gamma of {label} is {gamma[0].min():.3g}, so the law says more of its text does not help; "
                "check its runs, or leave the language out"
            )
        return own_share_optimum(weight, scale, gamma, lo, hi), "closed form of the own-share law", 1
    low = np.maximum(lo, np.minimum(LEAST_SHARE, hi))

    def objective(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return surface.slopes(vectors, size, tokens, shares, weight)

    count = len(vectors)
    if start is not None:
        return minimise(objective, np.broadcast_to(start, (count, len(lo))), low, hi)[0], "numerical", 1
    rng = np.random.default_rng(0)
    starts = [
        np.full(len(lo), 1 / len(lo)),
        np.minimum(hi, 1.0) / np.minimum(hi, 1.0).sum(),
        *rng.dirichlet(np.ones(len(lo)), 4),
    ]
    found, values = minimise(objective, np.array(starts), low, hi)
    same = values <= values.min() * (1 + 1e-7)
    near = found[same]
    optima = 1 + int(np.abs(near - near[0]).max() > 0.02)
    best = found[int(np.argmin(values))][None]
    return best, f"numerical, {int(same.sum())} of {len(starts)} starts agree", optima


def _binding(brief: Brief, best: np.ndarray, lo: np.ndarray, hi: np.ndarray, tokens: float) -> dict[str, str]:
    """Which limit holds each share, in words; languages at no limit are absent."""
    found = {}
    for k, (label, entry) in enumerate(brief.languages.items()):
        if best[k] >= hi[k] * (1 - 1e-6) and hi[k] < 1:
            by_text = brief.epochs(label) * entry.unique / tokens <= entry.cap
            found[label] = (
                f"text: {brief.epochs(label):g} epochs of {entry.unique:.3g} tokens"
                if by_text
                else f"cap {entry.cap:g}"
            )
        elif lo[k] > 0 and best[k] <= lo[k] * (1 + 1e-6):
            found[label] = f"floor {entry.floor:g}"
    return found
