"""Chinchilla's approach 1: the lower envelope of learning curves, and power laws along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.frontier_line import Frontier, lines
from isoglot.fit.resample import cluster_counts
from isoglot.runs import Runs

GRID = 1500  # Hoffmann et al. 2022, Sec. 3.1
CELLS = 4_000_000
NO_CURVE = "run with one point, which is no learning curve"
UNBRACKETED = "grid point: the best run is the smallest or the largest that reaches it"
UNREACHED = "grid point: no run reaches it"


@dataclass(frozen=True)
class _Curves:
    """Learning curves on a grid of ln C, runs ascending in size.

    `loss` (runs, grid) is infinite where a run does not reach, `tokens` is ln D, `order` ranks runs by loss.
    """

    grid: np.ndarray
    size: np.ndarray
    loss: np.ndarray
    tokens: np.ndarray
    order: np.ndarray
    cluster: np.ndarray

    def winners(self, present: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Best run at every grid point for masks of runs (R, runs); whether any reaches; whether bracketed."""
        place = np.arange(len(self.grid))
        reach = np.isfinite(self.loss)[None] & present[:, :, None]
        rank = present[:, self.order].argmax(axis=1)
        best = self.order[rank, place]
        reached = reach.any(axis=1)
        smallest = self.size[reach.argmax(axis=1)]
        largest = self.size[len(self.size) - 1 - reach[:, ::-1].argmax(axis=1)]
        inside = (self.size[best] > smallest + 1e-9) & (self.size[best] < largest - 1e-9)
        return best, reached, reached & inside


def envelope(runs: Runs, bootstrap: int, seed: int, last: float) -> Frontier:
    """Which size is best at every C, from learning curves, and power laws through the answers; see `frontier`."""
    if not 0 < last <= 1:
        raise InputError(
            f"frontier: last={last} is not allowed; give the fraction of each run to use, in (0, 1]"
        )
    left_out: dict[str, int] = {}
    curves = _curves(runs, last, left_out)
    everyone = np.ones((1, len(curves.size)), bool)
    best, reached, kept = (found[0] for found in curves.winners(everyone))
    for reason, count in ((UNREACHED, (~reached).sum()), (UNBRACKETED, (reached & ~kept).sum())):
        if count:
            left_out[reason] = int(count)
    if len(np.unique(curves.size[best[kept]])) < 2:
        raise NoAnswerError(
            f"frontier: on the lower envelope of {runs.source} fewer than two sizes are best between a smaller and a larger "
            "one; approach 1 needs more sizes or longer runs"
        )
    line = lines(curves.grid, curves.size[best], curves.tokens[best, np.arange(GRID)], kept.astype(float))
    points = pl.DataFrame(
        {
            "flops": np.exp(curves.grid[kept]),
            "params": np.exp(curves.size[best[kept]]),
            "tokens": np.exp(curves.tokens[best, np.arange(GRID)][kept]),
            "loss": curves.loss[best, np.arange(GRID)][kept],
        }
    )
    return Frontier(
        approach=1,
        line=tuple(map(float, line)),
        points=points,
        flops_range=(float(np.exp(curves.grid[kept].min())), float(np.exp(curves.grid[kept].max()))),
        draws=_draws(curves, bootstrap, seed) if bootstrap else None,
        left_out=left_out,
        warnings=_warnings(curves, best[kept]),
        options={"last": last, "grid": GRID},
        source=runs.source,
        params_convention=runs.params_convention,
    )


def _curves(runs: Runs, last: float, left_out: dict[str, int]) -> _Curves:
    """Interpolate the loss of every run in ln C on one grid."""
    frame = runs.frame.sort("params", "run", "flops").unique(
        ["run", "flops"], keep="last", maintain_order=True
    )
    parts = frame.partition_by("run", maintain_order=True)
    single = sum(part.height < 2 for part in parts)
    if single:
        left_out[NO_CURVE] = single
    parts = [part for part in parts if part.height > 1]
    if len(parts) < 3:
        raise NoAnswerError(
            f"frontier: {runs.source} has {len(parts)} runs with a learning curve; approach 1 needs three or more, with "
            "a run column that joins the checkpoints of a run"
        )
    curves = [
        tuple(np.asarray(part[name].to_numpy(), float) for name in ("flops", "loss", "tokens"))
        for part in parts
    ]
    ends = np.log([(max(flops[0], (1 - last) * flops[-1]), flops[-1]) for flops, _, _ in curves])
    grid = np.linspace(ends[:, 0].min(), ends[:, 1].max(), GRID)
    reach = (grid >= ends[:, :1] - 1e-12) & (grid <= ends[:, 1:] + 1e-12)
    loss = np.stack([np.interp(grid, np.log(flops), values) for flops, values, _ in curves])
    tokens = np.stack([np.interp(grid, np.log(flops), np.log(seen)) for flops, _, seen in curves])
    loss = np.where(reach, loss, np.inf)
    _, cluster = np.unique([str(part["cluster"][0]) for part in parts], return_inverse=True)
    size = np.log([float(part["params"][0]) for part in parts])
    return _Curves(grid, size, loss, tokens, np.argsort(loss, axis=0, kind="stable"), cluster)


def _draws(curves: _Curves, bootstrap: int, seed: int) -> np.ndarray:
    """Frontiers of the runs that a cluster bootstrap draws, (R, 4)."""
    clusters = int(curves.cluster.max()) + 1
    counts = cluster_counts(curves.cluster, np.zeros(len(curves.cluster), int), clusters, bootstrap, seed)
    present = counts[:, curves.cluster] > 0
    chunk = max(1, CELLS // curves.loss.size)
    found = []
    for start in range(0, bootstrap, chunk):
        best, _, kept = curves.winners(present[start : start + chunk])
        tokens = curves.tokens[best, np.arange(GRID)]
        found.append(lines(curves.grid, curves.size[best], tokens, kept.astype(float)))
    return np.concatenate(found)


def _warnings(curves: _Curves, best: np.ndarray) -> tuple[str, ...]:
    """Few sizes make steps instead of a line."""
    sizes = len(np.unique(curves.size[best]))
    if sizes < 4:
        return (f"only {sizes} sizes lie on the envelope: N(C) is a staircase of {sizes} steps; add sizes",)
    return ()
