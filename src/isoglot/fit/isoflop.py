"""Chinchilla's approach 2: the minimum of each isoFLOP curve, and power laws through the minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.budgets import find_budgets
from isoglot.fit.frontier_line import Frontier, lines
from isoglot.fit.resample import cluster_counts
from isoglot.runs import Runs

Curve = Literal["parabola", "akima"]
CURVES: tuple[Curve, ...] = ("parabola", "akima")
# Least standard deviation of a minimum, in steps of the grid of ln N: Porian et al. 2024 (2406.19146).
NOISE_FLOOR = 0.33
# Own thresholds of the warnings: beyond them the bias on Chinchilla's surface exceeds 1 % in D or 0.002 in a.
WIDE = np.log(4.0)
OFF_CENTRE = 0.5
DRIFT = np.log(1.5)
DENSE = 513
# Sizes nearer than this in ln N are one node of an Akima curve, whose slopes explode between close nodes.
NODE = 0.1
NO_BUDGET = "run in no budget of four sizes"
UNUSED = "checkpoint before the end of its run"
EDGE = "minimum at the edge of the tested sizes"
EDGE_DRAWS = "minimum at the edge in most draws"


@dataclass(frozen=True)
class _Budget:
    """Runs of one budget: ln N, loss, mean ln C, ln (N D) at that C, and their rows among the runs."""

    size: np.ndarray
    loss: np.ndarray
    flops: float
    product: np.ndarray
    rows: np.ndarray

    @property
    def step(self) -> float:
        """Median distance between neighbouring sizes."""
        return float(np.median(np.diff(np.unique(np.round(self.size, 6)))))

    def tokens(self, size: np.ndarray) -> np.ndarray:
        """ln D of sizes ln N at the budget.

        C is not 6 N D in every convention: attention is more of a small model. So N D is read off at the size itself.
        """
        sizes, place = np.unique(np.round(self.size, 6), return_inverse=True)
        product = np.bincount(place, self.product) / np.bincount(place)
        return np.asarray(np.interp(size, sizes, product)) - size

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest ln N."""
        return float(self.size.min()), float(self.size.max())


def isoflop(runs: Runs, bootstrap: int, seed: int, curve: Curve, tolerance: float) -> Frontier:
    """Minima of loss against ln N at equal compute, and weighted power laws through them; see `frontier`."""
    if curve not in CURVES:
        raise InputError(
            f"frontier: curve={curve!r} is unknown{nearest(curve, CURVES)}; use parabola or akima"
        )
    if not 0 < tolerance < 1:
        raise InputError(f"frontier: tolerance {tolerance} is not allowed; give a number between 0 and 1")
    frame = runs.frame.sort("tokens").unique("run", keep="last", maintain_order=True)
    left_out = {UNUSED: runs.num_rows - len(frame)} if len(frame) < runs.num_rows else {}
    size, tokens, flops, loss = (
        frame[name].to_numpy().astype(float) for name in ("params", "tokens", "flops", "loss")
    )
    number = find_budgets(np.log(flops), np.log(size), tolerance)
    if (number < 0).any():
        left_out[NO_BUDGET] = int((number < 0).sum())
    budgets = [
        _Budget(
            np.log(size[m]),
            loss[m],
            float(np.log(flops[m]).mean()),
            np.log(size[m] * tokens[m] / flops[m]) + np.log(flops[m]).mean(),
            m,
        )
        for m in (np.flatnonzero(number == at) for at in range(number.max() + 1))
    ]
    if len(budgets) < 2:
        raise NoAnswerError(
            f"frontier: {runs.source} has {len(budgets)} budgets of four sizes within a factor {np.exp(tolerance):.3g} "
            "in C; approach 2 needs two, so widen tolerance or use approach 3"
        )
    weights = _weights(frame, number, bootstrap, seed)
    find = _parabola if curve == "parabola" else _akima
    noise = _noise(frame, budgets) if curve == "akima" else None
    found = [find(budget, weights[:, budget.rows], noise, seed) for budget in budgets]
    return _through(runs, budgets, [f[0] for f in found], [f[1] for f in found], left_out, curve, tolerance)


def _weights(frame: pl.DataFrame, number: np.ndarray, bootstrap: int, seed: int) -> np.ndarray:
    """Weights (1 + draws, rows): all ones, then how often the cluster of a row was drawn."""
    _, cluster = np.unique(frame["cluster"].to_numpy().astype(str), return_inverse=True)
    counts = np.ones((1 + bootstrap, len(frame)))
    used = number >= 0
    if bootstrap:
        drawn = cluster_counts(cluster[used], number[used], int(cluster.max()) + 1, bootstrap, seed)
        counts[1:] = drawn[:, cluster]
    return counts


def _parabola(
    budget: _Budget, weight: np.ndarray, noise: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """ln N and loss at the vertex for every row of weights; NaN where it is no minimum inside the sizes."""
    middle, unit = budget.size.mean(), max(float(budget.size.std()), 1e-9)
    x = (budget.size - middle) / unit
    powers = np.stack([x**k for k in range(5)])
    moments = weight @ powers.T
    matrix = np.stack([moments[:, k : k + 3] for k in range(3)], axis=1)
    target = weight @ (powers[:3] * budget.loss).T
    present = weight > 0
    _, sizes = np.unique(np.round(budget.size, 6), return_inverse=True)
    different = np.stack([present[:, sizes == s].any(axis=1) for s in range(sizes.max() + 1)]).sum(axis=0)
    matrix[different < 3] = np.eye(3)
    level, slope, bend = np.moveaxis(np.linalg.solve(matrix, target[..., None])[..., 0], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = -slope / (2 * bend)
        low = np.where(present, x, np.inf).min(axis=1)
        high = np.where(present, x, -np.inf).max(axis=1)
        good = (different >= 3) & (bend > 0) & (vertex > low) & (vertex < high)
        minimum = level - slope**2 / (4 * bend)
    return np.where(good, middle + unit * vertex, np.nan), np.where(good, minimum, np.nan)


def _akima(
    budget: _Budget, weight: np.ndarray, noise: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """ln N and loss at the minimum of an Akima curve of ln loss, for the runs and for noisy copies of them."""
    from scipy.interpolate import Akima1DInterpolator

    assert noise is not None
    rng = np.random.default_rng([seed, 5, round(1000 * budget.flops)])
    shift = rng.standard_normal(weight.shape) * noise[budget.rows]
    shift[0] = 0.0
    order = np.argsort(budget.size)
    at = np.empty(len(order), int)
    at[order] = np.cumsum(np.diff(budget.size[order], prepend=budget.size.min()) > NODE)
    mean = (at == np.arange(at.max() + 1)[:, None]) / np.bincount(at)[:, None]
    nodes = mean @ budget.size
    if len(nodes) < 3:
        return np.full(len(weight), np.nan), np.full(len(weight), np.nan)
    grid = np.linspace(nodes[0], nodes[-1], DENSE)
    values = np.asarray(Akima1DInterpolator(nodes, mean @ (np.log(budget.loss) + shift).T)(grid)).T
    best = values.argmin(axis=1)
    inside = (best > 0) & (best < DENSE - 1)
    inner = np.clip(best, 1, DENSE - 2)
    draws = np.arange(len(values))
    left, middle, right = (values[draws, inner + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(bend > 0, (left - right) / (2 * bend), 0.0)
    minimum = grid[inner] + offset * (grid[1] - grid[0])
    return np.where(inside, minimum, np.nan), np.where(inside, np.exp(middle), np.nan)


def _noise(frame: pl.DataFrame, budgets: list[_Budget]) -> np.ndarray:
    """Standard deviation of ln loss of every run: its loss_se, else the spread around the parabolas.

    The spread holds the misfit of a parabola as well, so it errs to the large side.
    """
    if "loss_se" in frame.columns and frame["loss_se"].null_count() == 0:
        return (frame["loss_se"] / frame["loss"]).to_numpy().astype(float)
    square, freedom = 0.0, 0
    for budget in budgets:
        x = budget.size - budget.size.mean()
        residual = np.log(budget.loss) - np.polyval(np.polyfit(x, np.log(budget.loss), 2), x)
        square, freedom = square + float((residual**2).sum()), freedom + len(x) - 3
    return np.full(len(frame), np.sqrt(square / freedom))


def _through(
    runs: Runs,
    budgets: list[_Budget],
    minima: list[np.ndarray],
    losses: list[np.ndarray],
    left_out: dict[str, int],
    curve: Curve,
    tolerance: float,
) -> Frontier:
    """Power laws through the minima of the budgets that have one."""
    size = np.stack(minima, axis=1)
    edge = np.isnan(size)
    reasons = [
        EDGE if e else EDGE_DRAWS if often else "" for e, often in zip(edge[0], _often(edge), strict=True)
    ]
    for reason in filter(None, reasons):
        left_out[f"budget: {reason}"] = left_out.get(f"budget: {reason}", 0) + 1
    kept = np.array([not reason for reason in reasons])
    if kept.sum() < 2:
        raise NoAnswerError(
            f"frontier: only {int(kept.sum())} of {len(budgets)} budgets of {runs.source} have their minimum inside the tested "
            "sizes; approach 2 needs two, so add smaller or larger models or use approach 3"
        )
    x = np.array([budget.flops for budget in budgets])
    tokens = np.stack([budget.tokens(each) for budget, each in zip(budgets, size.T, strict=True)], axis=1)
    weight = np.ones(len(budgets))
    if len(size) > 1:
        floor = np.array([NOISE_FLOOR * budget.step for budget in budgets])
        spread = np.array([np.nanvar(d[1:]) if (~np.isnan(d[1:])).sum() > 1 else np.inf for d in size.T])
        weight = 1 / np.maximum(spread, floor**2)
    found = lines(x, size, tokens, np.where(edge, 0.0, kept * weight))
    points = pl.DataFrame(
        {
            "flops": np.exp(x),
            "params": np.exp(size[0]),
            "tokens": np.exp(tokens[0]),
            "loss": [loss[0] for loss in losses],
            "runs": [len(budget.size) for budget in budgets],
            "kept": kept,
            "reason": reasons,
        }
    )
    return Frontier(
        approach=2,
        line=tuple(map(float, found[0])),
        points=points,
        flops_range=(float(np.exp(x[kept].min())), float(np.exp(x[kept].max()))),
        draws=found[1:] if len(found) > 1 else None,
        left_out=left_out,
        warnings=_warnings([b for b, k in zip(budgets, kept, strict=True) if k], size[0, kept], curve),
        options={"curve": curve, "tolerance": tolerance},
        source=runs.source,
        params_convention=runs.params_convention,
    )


def _often(edge: np.ndarray) -> np.ndarray:
    """Budgets whose minimum lies at the edge in more than half of the draws."""
    return edge[1:].mean(axis=0) > 0.5 if len(edge) > 1 else np.zeros(edge.shape[1], bool)


def _warnings(budgets: list[_Budget], minima: np.ndarray, curve: Curve) -> tuple[str, ...]:
    """What makes approach 2 biased here: wide grids under a parabola, grids off the optimum, drifting grids."""
    half = np.array([(b.ends[1] - b.ends[0]) / 2 for b in budgets])
    offset = np.array([(b.ends[1] + b.ends[0]) / 2 for b in budgets]) - minima
    found = []
    if curve == "parabola" and np.median(half) > WIDE + 1e-6:
        found.append(
            f"sizes span +-{np.exp(np.median(half)):.2g}x: a parabola over so wide a grid misplaces N and D unless "
            "alpha = beta; use approach 3 or curve akima"
        )
    if np.median(np.abs(offset) / half) > OFF_CENTRE:
        found.append(
            "grids lie off the optimum: most minima are nearer to an edge than to the centre; recentre them"
        )
    if len(budgets) > 2:
        x = np.array([b.flops for b in budgets])
        drift = float(np.polyfit(x, offset, 1)[0] * (x.max() - x.min()))
        if abs(drift) > DRIFT:
            found.append(
                f"the centre of the grid drifts by a factor {np.exp(drift):.2g} against the minima over the budgets, which "
                "biases the exponents; use approach 3"
            )
    return tuple(found)
