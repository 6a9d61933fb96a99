"""The N x D grid: every size at every number of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from isoglot.core.recipe import Recipe
from isoglot.core.wish import Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import lengths, named, positive


def grid(
    text: Text,
    wish: Wish,
    *,
    shapes: Annotated[tuple[str, ...], Says("sizes, as 2x64,3x96")],
    tokens: Annotated[tuple[float, ...], Says("tokens of each size's runs")],
) -> list[Recipe]:
    """How does loss depend on size and tokens?

    The runs of a size share one WSD trunk, so that D costs little more than its largest value: with four lengths in
    steps of 2 and a cool-down of 20 %, a size costs 1.18 times its longest run.

    All runs have one warm-up: 5 % of the longest, at most 10 % of the shortest.

    Raises InputError for lengths that cool down within the warm-up, and a shortest one of fewer than 10 steps.

    >>> text = Text("abc", 512, (("eng", 500_000),))
    >>> [(run.shape.width, run.steps) for run in grid(text, Wish(batch=16), shapes=("2x32", "2x64"), tokens=(1e5, 4e5))]
    [(32, 25), (32, 98), (64, 25), (64, 98)]
    """
    counts = positive("tokens", tokens)
    return [
        run for name in named("shapes", shapes) for run in lengths(replace(wish, shape=name), text, counts)
    ]
