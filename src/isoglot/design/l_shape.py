"""The L-shape: tokens at the smallest size, sizes at the fewest tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Text, Wish, shape_of
from isoglot.design.knobs import Says
from isoglot.design.run import lengths, named, positive, run_of


def l_shape(
    text: Text,
    wish: Wish,
    *,
    shapes: Annotated[tuple[str, ...], Says("sizes, as 2x64,3x96")],
    tokens: Annotated[tuple[float, ...], Says("tokens; all but the fewest at the smallest size alone")],
) -> list[Recipe]:
    """How does loss depend on size and tokens, for a fraction of a grid's compute?

    The smallest size is trained on every number of tokens, and every size on the fewest, as a grid trains them. With
    sizes and tokens in steps of about 2 that is a third of a grid's FLOPs for 3 x 3, a sixth for 4 x 4 and a twelfth for
    5 x 5, shared trunks counted once. It says little about how size and tokens interact, so hold some runs inside the
    grid against the fit.

    Raises InputError as `grid`.

    >>> text = Text("abc", 512, (("eng", 500_000),))
    >>> runs = l_shape(text, Wish(batch=16), shapes=("2x64", "2x32"), tokens=(4e5, 1e5))
    >>> [(run.shape.width, run.steps) for run in runs]
    [(32, 25), (32, 98), (64, 25)]
    """
    counts = sorted(positive("tokens", tokens))
    smallest, *others = sorted(named("shapes", shapes), key=lambda name: _params(text, wish, name))
    found = lengths(replace(wish, shape=smallest), text, counts)
    return [*found, *(_shortest(replace(wish, shape=name), text, counts) for name in others)]


def _shortest(wish: Wish, text: Text, counts: list[float]) -> Recipe:
    """The shortest run as a grid has it, but scored as a run of its own, since no longer one scores its trunk."""
    alone = run_of(replace(wish, tokens=counts[0]), text)
    return replace(lengths(wish, text, counts)[0], evaluate=alone.evaluate)


def _params(text: Text, wish: Wish, shape: str) -> int:
    return count_parameters(shape_of(replace(wish, shape=shape), text), "total")
