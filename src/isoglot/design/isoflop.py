"""isoFLOP profiles: at each compute budget, runs of several sizes that spend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from isoglot.core.errors import InputError
from isoglot.core.flops import EXACT, flops_per_token
from isoglot.core.ladder import LADDER
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Text, Wish, settled, shape_of, step_tokens
from isoglot.design.knobs import Says
from isoglot.design.run import lengths, positive

# Three sizes are the fewest that show a minimum.
FEWEST = 3
# The most that a run may be off its budget. Near its minimum loss is about flat in size, so that runs a few percent off
# in compute would decide where the minimum lies.
OFF = 0.05


def isoflop(
    text: Text,
    wish: Wish,
    *,
    budgets: Annotated[tuple[float, ...], Says("compute of each profile, in FLOPs")],
    shapes: Annotated[tuple[str, ...], Says("sizes; else the rungs of the ladder within `ratios`")] = (),
    ratios: Annotated[tuple[float, ...], Says("least and most tokens a parameter of a rung")] = (5.0, 80.0),
    flops: Annotated[
        Literal["6nd", "exact"],
        Says("what budgets count: 6 N D, or every matrix product, attention and head included"),
    ] = "6nd",
) -> list[Recipe]:
    """Which size is best at each compute budget?

    At a budget C a size with N parameters (embeddings included) trains on D = C / (6 N) tokens, rounded to the
    nearest whole step; with `flops=exact` on D = C / c, c the FLOPs a token by `matrix_products` (isoglot.core.flops),
    which 6 N is short of by more the smaller a model is. A frontier is then drawn against the same count.

    Without `shapes`, a budget gets the rungs with `ratios[0] <= D / N <= ratios[1]`: the default spans a factor of 16
    around the usual optimum of 20. Runs of one size at several budgets share a trunk, and with it a warm-up; sizes have
    their own, since they differ in steps.

    Raises InputError for a budget that buys less than a step of a size, that whole steps of a size miss by more than
    5 %, or that has fewer than three rungs.

    Source: Hoffmann et al. (2203.15556), section 3.2.

    >>> text = Text("abc", 512, (("eng", 500_000),))
    >>> [(run.shape.width, run.tokens) for run in isoflop(text, Wish(batch=16), budgets=(1e12,), shapes=("2x32", "2x64"))]
    [(32, 3862528), (64, 1196032)]
    >>> [run.tokens for run in isoflop(text, Wish(batch=16), budgets=(1e12,), shapes=("2x32", "2x64"), flops="exact")]
    [2801664, 966656]
    """
    profiles = [
        (budget, name, cost)
        for budget in positive("budgets", budgets)
        for name, cost in _profile(text, wish, budget, shapes, ratios, flops)
    ]
    # One batch for all sizes and budgets: that of the run with the fewest tokens.
    wish = settled(wish, min(budget / cost for budget, _, cost in profiles))
    each = step_tokens(wish)
    cells = [(name, _steps(budget, float(cost * each), name) * each) for budget, name, cost in profiles]
    found: dict[str, Iterator[Recipe]] = {
        name: iter(
            lengths(replace(wish, shape=name), text, [count for other, count in cells if other == name])
        )
        for name in dict.fromkeys(name for name, _ in cells)
    }
    return [next(found[name]) for name, _ in cells]


def _profile(
    text: Text, wish: Wish, budget: float, shapes: tuple[str, ...], ratios: tuple[float, ...], flops: str
) -> list[tuple[str, int]]:
    """Sizes of one budget with their FLOPs a token."""
    sizes = [(name, *_size(text, wish, name, flops)) for name in shapes or _rungs()]
    if not shapes:
        low, high = _range(ratios)
        sizes = [
            (name, params, cost) for name, params, cost in sizes if low <= budget / cost / params <= high
        ]
        if len(sizes) < FEWEST:
            raise InputError(
                f"budget {budget:g} has {len(sizes)} rungs with {low:g} to {high:g} tokens a parameter: "
                "give shapes, wider ratios or another budget"
            )
    return [(name, cost) for name, _, cost in sizes]


def _steps(budget: float, flops: float, name: str) -> int:
    """The steps of a size, of `flops` each, that come nearest to a budget."""
    steps = round(budget / flops)
    if not steps:
        raise InputError(
            f"budget {budget:g} buys less than one step of {name} ({flops:.3g} FLOPs): "
            "leave the size out, or give a larger budget"
        )
    off = steps * flops / budget - 1
    if abs(off) > OFF:
        raise InputError(
            f"budget {budget:g} is missed by {off:+.0%} with {steps} steps of {name}, the nearest number: give a smaller "
            "batch or sequence, leave the size out, or give a larger budget"
        )
    return steps


def _rungs() -> tuple[str, ...]:
    return tuple(f"{layers}x{width}" for layers, width in LADDER)


def _size(text: Text, wish: Wish, name: str, flops: str) -> tuple[int, int]:
    """Parameters of a size, and its FLOPs a token."""
    shape = shape_of(replace(wish, shape=name), text)
    cost = flops_per_token(shape, EXACT if flops == "exact" else "6nd", wish.sequence)
    return count_parameters(shape, "total"), cost


def _range(ratios: tuple[float, ...]) -> tuple[float, float]:
    if len(ratios) != 2 or not 0 < ratios[0] < ratios[1]:
        shown = ",".join(f"{ratio:g}" for ratio in ratios)
        raise InputError(f"knob ratios is {shown!r}: give two numbers above 0, the smaller first")
    return ratios[0], ratios[1]
