"""Replicates: the runs of a design with several seeds, those of one seed paired."""

from __future__ import annotations

from dataclasses import replace

from isoglot.core.errors import InputError
from isoglot.core.wish import Wish


def replicates(wish: Wish, seeds: int) -> list[Wish]:
    """The wish with each of some seeds; runs of one seed share a pair key, and so the order of their text.

    Differences between runs of one seed are then differences of what is studied, and their spread over seeds is its
    standard error. Seeds count from the wish's own. The key is `seed-0`, or the wish's own key with the number, so runs
    that two designs have in common are one run. Runs of one trunk are one cluster in a fit, and seeds
    add clusters. Raises InputError for no seeds.

    >>> [(one.seed, one.pair_key) for one in replicates(Wish(batch=16), 2)]
    [(0, 'seed-0'), (1, 'seed-1')]
    """
    if seeds < 1:
        raise InputError(f"knob seeds is {seeds}: give 1 or more")
    numbers = range(wish.seed, wish.seed + seeds)
    return [replace(wish, seed=at, pair_key=f"{wish.pair_key or 'seed'}-{at}") for at in numbers]
