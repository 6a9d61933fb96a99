"""Mixtures over the simplex: random ones, and a regular grid."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from scipy.special import gammaincinv

from isoglot.core.errors import InputError
from isoglot.core.mixture import shares_for
from isoglot.core.recipe import Recipe
from isoglot.core.splitmix import seed_from, uniforms
from isoglot.core.wish import Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import languages_of, only, run_of, written

# Shares are multiples of this: finer than any run can tell apart, and the same on every machine.
UNIT = 10_000
MOST = 10_000


def simplex(
    text: Text,
    wish: Wish,
    *,
    runs: Annotated[int, Says("random mixtures")] = 0,
    levels: Annotated[int, Says("the regular grid of shares in steps of 1 / levels")] = 0,
    centre: Annotated[str, Says("mean of the random mixtures: a scheme or shares")] = "uniform",
    concentration: Annotated[
        float, Says("how near the random mixtures are to it; 1 is even on the simplex")
    ] = 1.0,
    floor: Annotated[float, Says("least share of every language")] = 0.0,
    draw: Annotated[int, Says("seed of the random mixtures")] = 0,
) -> list[Recipe]:
    """How does the mixture change every language's loss?

    Random mixtures p are Dirichlet(K x concentration x centre), K languages; the regular grid holds all multiples of
    1 / levels that sum to 1, corners included, choose(levels + K - 1, K - 1) of them. Both are squeezed above `floor`:
    floor + (1 - K floor) p. The first runs of a larger `runs` are those of a smaller one. Every run is scored on all
    languages, those without a share included, unless `score` says otherwise.

    Raises InputError unless runs or levels are given, and for more than 10,000 mixtures.

    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 500_000)))
    >>> [dict(run.data.stages[0].shares).get("fra") for run in simplex(text, Wish(batch=16), levels=2, runs=2)]
    [1.0, 0.5, None, 0.9021, 0.8955]
    """
    languages = languages_of(wish, text)
    if runs < 0 or levels < 0 or not runs + levels:
        raise InputError(f"simplex has runs={runs} and levels={levels}: give one of them above 0")
    if not 0 <= floor * len(languages) < 1 or not concentration > 0:
        raise InputError(
            f"simplex has floor={floor:g} and concentration={concentration:g}: give a floor from 0 to below "
            f"1/{len(languages)}, and a concentration above 0"
        )
    count = runs + (math.comb(levels + len(languages) - 1, len(languages) - 1) if levels else 0)
    if count > MOST:
        raise InputError(f"simplex has {count:,} mixtures: give fewer levels or runs, at most {MOST:,}")
    found = [*_grid(len(languages), levels), *_random(text, wish, runs, centre, concentration, draw)]
    return [run_of(_with(wish, languages, shares, floor), text) for shares in found]


def _with(wish: Wish, languages: tuple[str, ...], shares: np.ndarray, floor: float) -> Wish:
    squeezed = rounded(floor + (1 - floor * len(languages)) * shares).tolist()
    # A language without a share is left out, so that a corner trains as the monolingual run of other designs.
    parts = {name: share for name, share in zip(languages, squeezed, strict=True) if share > 0}
    return replace(only(wish, parts), mixture=written(parts), score=wish.score or languages)


def _grid(languages: int, levels: int) -> list[np.ndarray]:
    """All compositions of `levels` into as many parts as there are languages, as shares."""
    if not levels:
        return []
    bars = itertools.combinations(range(levels + languages - 1), languages - 1)
    ends = ([-1, *at, levels + languages - 1] for at in bars)
    return [(np.diff(np.array(end)) - 1) / levels for end in ends]


def _random(
    text: Text, wish: Wish, runs: int, centre: str, concentration: float, draw: int
) -> list[np.ndarray]:
    """Dirichlet draws: gamma variates, by the inverse of their distribution at uniform numbers, over their sum."""
    if not runs:
        return []
    languages = languages_of(wish, text)
    sizes = {name: float(size) for name, size in text.unique if name in languages}
    middle = dict(shares_for(centre, sizes, wish.tokens))
    weights = np.array([middle.get(name, 0.0) for name in languages])
    if not (weights > 0).all():
        raise InputError(f"knob centre is {centre!r}, which gives a language share 0: give each some share")
    numbers = uniforms(seed_from(f"simplex {draw}"), runs * len(languages)).reshape(runs, -1)
    gamma = gammaincinv(len(languages) * concentration * weights, numbers)
    total = gamma.sum(axis=1, keepdims=True)
    # A gamma variate of shape a is about u^(1/a) for small a, which is 0 in floating point long before a is.
    if not ((total > 0) & (total < math.inf)).all():
        other = "larger" if (total == 0).any() else "smaller"
        raise InputError(
            f"knob concentration is {concentration:g}, at which random mixtures cannot be drawn: give a {other} one"
        )
    return list(gamma / total)


def rounded(shares: np.ndarray) -> np.ndarray:
    """Shares as multiples of 1/10,000 that still sum to 1: the largest remainders are rounded up.

    >>> rounded(np.array([1, 1, 1]) / 3).tolist()
    [0.3334, 0.3333, 0.3333]
    """
    units = np.floor(shares * UNIT + 1e-6)
    missing = round(UNIT - units.sum())
    units[np.argsort(-(shares * UNIT - units), kind="stable")[:missing]] += 1
    return np.asarray(units / UNIT)
