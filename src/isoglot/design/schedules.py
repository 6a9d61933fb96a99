"""Schedules: when each language is read, and how the learning rate falls."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import run_of, written


def schedules(
    text: Text,
    wish: Wish,
    *,
    stages: Annotated[
        tuple[str, ...],
        Says("mixture schedules divided by |, as 0.1_0.9|0.9_0.1; else `mixture` throughout", "|"),
    ] = (),
    rates: Annotated[tuple[str, ...], Says("learning-rate schedules: wsd, cosine, constant")] = ("wsd",),
    control: Annotated[bool, Says("also each schedule's mean mixture, constant")] = True,
) -> list[Recipe]:
    """Does it matter when each language is read, and how the learning rate falls?

    Every mixture schedule is trained under every learning-rate schedule. Its control reads the same tokens of each
    language (to within a step, since stages end at whole steps) evenly over the run; schedules of one mean share their
    control.

    Raises InputError for a schedule that cannot be read or has a stage of less than a step.

    Source: Schafer et al. (2404.07982), section 6.

    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 500_000)))
    >>> [[dict(stage.shares)["fra"] for stage in run.data.stages] for run in schedules(text, Wish(batch=16), stages=("0.1_0.9",))]
    [[0.5], [0.1, 0.9]]
    """
    if not rates:
        raise InputError("knob rates is '': give wsd, cosine or constant")
    found = []
    for rate in rates:
        arm = replace(wish, schedule=rate)  # type: ignore[arg-type]
        for item in stages or (None,):
            run = run_of(replace(arm, stages=item), text)
            if control and item is not None:
                found.append(_control(run, arm, text))
            found.append(run)
    return found


def _control(run: Recipe, wish: Wish, text: Text) -> Recipe:
    """The run with the mean shares of its stages throughout."""
    shares = dict.fromkeys(run.data.languages, 0.0)
    for stage in run.data.stages:
        for name, share in stage.shares:
            shares[name] += share * stage.fraction
    mean = {name: round(share, 12) for name, share in shares.items()}
    return run_of(replace(wish, languages=run.data.languages, mixture=written(mean), stages=None), text)
