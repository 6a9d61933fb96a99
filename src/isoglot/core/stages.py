"""Where the stages of a run end."""

from __future__ import annotations

import math

from isoglot.core.errors import InputError
from isoglot.core.recipe import Stage

# A fraction such as 0.29 of 100 steps is 28.999...96 in binary: the user means 29.
_ROUNDING = 1e-9


def stage_ends(stages: tuple[Stage, ...], steps: int) -> tuple[int, ...]:
    """Return the step at which each stage ends: floor(steps * fraction) steps each, the last takes the remainder.

    This is the schedule of cloned-language runs (arXiv 2404.07982, released code), for unequal stages too.
    Raises InputError for a stage without a step.

    >>> stage_ends((Stage((("eng", 1.0),), 0.5), Stage((("fra", 1.0),), 0.5)), steps=7)
    (3, 7)
    """
    ends: list[int] = []
    for number, stage in enumerate(stages, 1):
        start = ends[-1] if ends else 0
        last = number == len(stages)
        end = steps if last else start + math.floor(steps * stage.fraction + _ROUNDING)
        if not start < end <= steps:
            raise InputError(
                f"stage {number} of {len(stages)} has fraction={stage.fraction:g} of {steps} steps, "
                "which is less than one step: give more steps or fewer stages"
            )
        ends.append(end)
    return tuple(ends)
