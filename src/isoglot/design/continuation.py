"""Continuation: from checkpoints and from scratch, with and without the base's languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Start, Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import lengths, only, positive, run_of, written


def continuation(
    text: Text,
    wish: Wish,
    starts: Sequence[Start],
    *,
    tokens: Annotated[tuple[float, ...], Says("further tokens")],
    replay: Annotated[tuple[float, ...], Says("shares given to the base's own mixture")] = (0.0,),
    scratch: Annotated[bool, Says("also train each mixture from scratch, in the base's shape")] = True,
) -> list[Recipe]:
    """Is it better to continue a checkpoint or to start from scratch?

    `languages` and `mixture` say what is trained on; a replay r reads r of the base's own mixture beside it. Runs from
    a start and from scratch have the same further tokens: where scratch catches up is the crossover. What a base has
    cost stands in every row, so it can be counted or not. Lengths share a trunk, and all runs have one
    warm-up. A base keeps its weights, so seeds change the order of the text alone.

    Raises InputError without a start, for a replay outside 0 to 1, or of languages that the text does not hold.

    Source: ATLAS (2510.22037), section 6.

    >>> from isoglot.core.ladder import rung
    >>> from isoglot.core.recipe import Base
    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 500_000)))
    >>> start = Start(rung(2, 32, 512), Base("w", 10**6, 1e12, (("eng", 1.0),)), "runs/base")
    >>> runs = continuation(text, Wish(languages=("fra",), batch=16), [start], tokens=(1e5,), replay=(0.2,))
    >>> [(run.base is None, run.data.stages[0].shares) for run in runs]
    [(False, (('eng', 0.2), ('fra', 0.8))), (True, (('eng', 0.2), ('fra', 0.8)))]
    """
    if not starts:
        raise InputError("design continuation continues runs, but none is given: give at least one")
    counts = positive("tokens", tokens)
    fresh: list[Recipe] = []
    found: list[Recipe] = []
    for start in starts:
        arm = replace(wish, seed=0)
        # A mixture by scheme is that of the longest run, whatever is replayed.
        target = dict(run_of(replace(arm, tokens=max(counts)), text, start).data.stages[0].shares)
        for share in replay:
            shares = _mixed(target, start, share, text)
            mixed = replace(only(arm, shares), mixture=written(shares))
            runs = lengths(mixed, text, counts, start)
            found += runs
            if scratch:
                fresh += [replace(run, base=None, seed=wish.seed) for run in runs]
    return [*found, *fresh]


def _mixed(target: dict[str, float], start: Start, share: float, text: Text) -> dict[str, float]:
    """The target mixture with a share of the base's own."""
    if not 0 <= share < 1:
        raise InputError(f"knob replay has {share:g}: give numbers from 0 to below 1")
    if not share:
        return target
    base = {name: part for name, part in start.base.shares if part > 0}
    missing = [name for name in base if name not in text.languages]
    if missing or not base:
        raise InputError(
            f"{start.name}: was trained on {', '.join(missing) or 'no known mixture'}, which the text does not hold: "
            "give text with its languages, or replay=0"
        )
    total, names = sum(base.values()), {**target, **base}
    return {
        name: round((1 - share) * target.get(name, 0.0) + share * base.get(name, 0.0) / total, 12)
        for name in names
    }
