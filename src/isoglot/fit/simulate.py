"""Simulation: a run table from a law with known truth and a noise model, to test designs and fitters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import polars as pl

from isoglot.core.errors import InputError
from isoglot.fit.table import bind_law, make_table
from isoglot.fit.transfer_sets import TransferOption, transfer_sets
from isoglot.laws.law import evaluate
from isoglot.laws.registry import LawSpec, parse_law
from isoglot.runs import Runs, read_runs


@dataclass(frozen=True)
class Noise:
    """Noise on the log loss of a run.

    `sd` is the standard deviation of independent noise of a row, `cluster_sd` that of noise shared by the
    rows of a cluster. `growth` g makes both grow with the loss as (loss / median loss)^g. A fraction
    `outliers` of the clusters is shifted up by `outlier_sd` standard deviations, as a diverged or undertrained
    run would be.
    """

    sd: float = 0.003
    cluster_sd: float = 0.0
    growth: float = 0.0
    outliers: float = 0.0
    outlier_sd: float = 10.0

    def draw(self, loss: np.ndarray, cluster: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noise on the log loss of each row."""
        size = (loss / np.median(loss)) ** self.growth
        clusters = int(cluster.max()) + 1
        common = self.cluster_sd * rng.standard_normal(clusters)
        total = np.hypot(self.sd, self.cluster_sd)
        shift = np.where(rng.random(clusters) < self.outliers, self.outlier_sd * total, 0.0)
        return np.asarray(
            size * (self.sd * rng.standard_normal(len(loss)) + common[cluster]) + shift[cluster]
        )


def grid(
    N: Sequence[float],
    D: Sequence[float],
    *,
    mixtures: Sequence[Mapping[str, float]] = (),
    unique: Mapping[str, float] | None = None,
    evaluate_on: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Every combination of sizes, token counts and mixtures, one row for each evaluated language.

    >>> grid(N=[1e8, 1e9], D=[1e10], mixtures=[{"eng": 0.7, "fra": 0.3}]).shape
    (4, 7)
    """
    languages = list(dict.fromkeys(label for mixture in mixtures for label in mixture)) or ["und"]
    rows: list[dict[str, Any]] = []
    for number, (size, tokens, mixture) in enumerate(itertools.product(N, D, mixtures or ({},))):
        base: dict[str, Any] = {"run": f"r{number:05d}", "params": float(size), "tokens": float(tokens)}
        if mixtures:
            base |= {f"share.{label}": float(mixture.get(label, 0.0)) for label in languages}
        base |= {f"unique.{label}": float(value) for label, value in (unique or {}).items()}
        rows += [{**base, "language": label, "loss": 1.0} for label in (evaluate_on or languages)]
    return pl.DataFrame(rows)


def simulate(
    law: str | LawSpec,
    params: Mapping[str, Any],
    points: pl.DataFrame | Runs,
    *,
    noise: float | Noise = 0.003,
    seed: int = 0,
    transfer: TransferOption | None = None,
) -> Runs:
    """Losses of a law at the points of a table, with noise; everything but the loss is kept.

    `params` maps the law's symbols to values, or each evaluated language to such a mapping.

    Raises InputError when a language has no parameters or the law is undefined at a point.

    >>> points = grid(N=[1e8, 1e9], D=[1e9, 1e10])
    >>> truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    >>> simulate("chinchilla", truth, points, noise=0.0).frame["loss"].round(4).to_list()[:2]
    [3.3977, 2.8612]
    """
    spec = parse_law(law) if isinstance(law, str) else law
    runs = (
        points if isinstance(points, Runs) else read_runs(points, name="simulated points", duplicates="keep")
    )
    sets = transfer_sets(spec, runs, transfer).sets
    bound = bind_law(spec, runs, sets, None)
    nested = all(isinstance(value, Mapping) for value in params.values())
    table = make_table(runs, by="language", transfer=sets, columns=bound.columns)
    undefined, reason = bound.unsupported(table.query)
    if undefined.any():
        row = int(np.flatnonzero(undefined)[0])
        raise InputError(
            f"simulate: law {spec.name} is undefined at point {row + 1}: {reason}; drop such points"
        )
    loss = np.empty(table.num_rows)
    for g, language in enumerate(table.groups):
        if nested and language not in params:
            raise InputError(f"simulate: no parameters for language {language!r}; give one mapping for each")
        mine = table.group == g
        values = params[language] if nested else params
        missing = [parameter.name for parameter in bound.parameters if parameter.name not in values]
        if missing:
            raise InputError(
                f"simulate: params lack {', '.join(missing)} of law {spec.name}; give a value for each"
            )
        loss[mine] = evaluate(bound, values, jax.tree.map(lambda field, at=mine: field[at], table.query))
    model = noise if isinstance(noise, Noise) else Noise(noise)
    if not all(
        np.isfinite(size) and size >= 0
        for size in (model.sd, model.cluster_sd, model.outliers, model.outlier_sd)
    ):
        raise InputError(
            f"simulate: noise {noise!r} is not allowed; give standard deviations that are zero or positive"
        )
    observed = loss * np.exp(model.draw(loss, table.cluster, np.random.default_rng(seed)))
    frame = runs.frame.with_columns(pl.Series("loss", observed))
    return Runs(
        frame=frame,
        loss_unit=runs.loss_unit,
        params_convention=runs.params_convention,
        source=f"simulated from {spec.text}",
        report=runs.report,
    )
