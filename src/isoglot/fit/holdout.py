"""Hold-outs: which runs a comparison fits and which it predicts. Clusters are never torn apart at random.

| name | held out |
|---|---|
| `compute` | rolling origin: fit the lower 50, 65, 80 % of compute, predict everything above |
| `N` | the largest size |
| `D` | the top 20 % of token counts |
| `mixture` | every third distinct mixture |
| `language` | each evaluated language in turn, predicted by one set of parameters for all |
| `random` | a fifth of the clusters |
| `R2` | ATLAS's five splits (2510.22037, App. B.3): a random 20 % of the points |
| `R2(D)` | the top 20 % of D |
| `R2(N)` | the sizes 660M and 8B where present, else an interior size and the largest |
| `R2(C)` | the top 20 % of C (their fraction is not published) |
| `R2(M)` | all mixtures of three or more languages |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.runs import Runs

NAMES = ("compute", "N", "D", "mixture", "language", "random", "R2", "R2(D)", "R2(N)", "R2(C)", "R2(M)")
ORIGINS = (0.5, 0.65, 0.8)
ATLAS_HELD_SIZES = (661_807_872, 8_452_190_208)


@dataclass(frozen=True)
class Fold:
    """One split: the mask of rows to predict; all others are fitted."""

    name: str
    held: np.ndarray


def check_holdout(name: str) -> None:
    """Raise InputError for a hold-out that does not exist."""
    if name not in NAMES:
        raise InputError(
            f"compare: hold-out {name!r} is unknown{nearest(name, NAMES)}; choose from {', '.join(NAMES)}"
        )


def folds(runs: Runs, name: str, seed: int = 0) -> list[Fold]:
    """The folds of a hold-out; empty where the table cannot support it (one size, one mixture, ...)."""
    check_holdout(name)
    frame = runs.frame
    size, tokens = frame["params"].to_numpy(), frame["tokens"].to_numpy()
    cluster = frame["cluster"].to_numpy().astype(str)
    if name == "compute":
        compute = 6 * size * tokens
        return _keep([Fold(f"compute above {q:.0%}", compute > np.quantile(compute, q)) for q in ORIGINS])
    if name == "N":
        return _keep([Fold(name, size >= size.max() * (1 - 1e-9))])
    if name in ("D", "R2(D)"):
        return _keep([Fold(name, _top(tokens))])
    if name == "R2(C)":
        return _keep([Fold(name, _top(size * tokens))])
    if name == "R2(N)":
        return _keep([Fold(name, _atlas_sizes(size))])
    if name == "R2":
        return _keep([Fold(name, np.random.default_rng(seed).random(len(size)) < 0.2)])
    if name == "R2(M)":
        return _keep([Fold(name, frame["num_languages"].to_numpy() >= 3)])
    if name == "random":
        return _keep([Fold(name, _random_clusters(cluster, seed))])
    if name == "mixture":
        return _keep([Fold(name, _mixtures(runs))])
    language = frame["language"].to_numpy().astype(str)
    return _keep([Fold(f"language {label}", language == label) for label in runs.languages])


def remaining(
    families: str | Mapping[str, str] | None, runs: Runs, train: Runs, by: str | Sequence[str] | None
) -> str | Mapping[str, str] | None:
    """A `pool_by` mapping without the groups that lie wholly in the held-out part; misspelt names stay, and are refused."""
    if not isinstance(families, Mapping) or by is None:
        return families
    gone = group_labels(runs, by) - group_labels(train, by)
    return {name: family for name, family in families.items() if name not in gone}


def group_labels(runs: Runs, by: str | Sequence[str]) -> set[str]:
    """Labels of the groups of a run table."""
    columns = [pl.col(name).cast(pl.String) for name in ([by] if isinstance(by, str) else by)]
    return set(runs.frame.select(pl.concat_str(columns, separator=" / ")).to_series().to_list())


def _keep(found: list[Fold]) -> list[Fold]:
    """Folds that leave something to fit and something to predict."""
    return [fold for fold in found if fold.held.any() and not fold.held.all()]


def _top(values: np.ndarray) -> np.ndarray:
    """The top 20 %, or the top level where levels are few."""
    held = values > np.quantile(values, 0.8)
    return np.asarray(held if held.any() else values >= values.max())


def _atlas_sizes(size: np.ndarray) -> np.ndarray:
    held = np.zeros(len(size), bool)
    for wanted in ATLAS_HELD_SIZES:
        held |= np.abs(size / wanted - 1) < 0.01
    if held.any():
        return held
    levels = np.unique(np.round(np.log(size), 2))
    chosen = {levels[-1], levels[len(levels) // 2]} if len(levels) > 3 else {levels[-1]}
    return np.isin(np.round(np.log(size), 2), list(chosen))


def _random_clusters(cluster: np.ndarray, seed: int) -> np.ndarray:
    names = np.unique(cluster)
    chosen = np.random.default_rng(seed).permutation(names)[: max(1, len(names) // 5)]
    return np.isin(cluster, chosen)


def _mixtures(runs: Runs) -> np.ndarray:
    """Every third distinct mixture, in order of appearance."""
    if not runs.share_languages:
        return np.zeros(len(runs.frame), bool)
    shares = runs.frame.select([f"share.{label}" for label in runs.share_languages]).to_numpy().round(6)
    _, first, place = np.unique(shares, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[np.asarray(place).ravel()] % 3 == 2)
