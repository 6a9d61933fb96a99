"""How long a list of recipes will take here, from a short measured calibration, and how much disk it will fill.

    unit    = updates (steps of a trunk once) + evaluations x scored tokens + reading of text, each run
    worker  = start of its process + loading of each program
    sweep   = units / workers, at least the longest unit, + a worker's own
              + compilation, once, of the programs that were not timed (those that were are kept since)

What a program takes is measured by `isoglot.sweep.calibrate`. Checkpoints, records and the command's own start do not
count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.sweep.calibrate import Program, Speed, program_of, speeds, start_seconds
from isoglot.sweep.units import plan_units

if TYPE_CHECKING:
    from isoglot.tokenizer.shards import Shards
    from isoglot.train.evaluate import Evaluation

# Weights and AdamW's two moments, in float32.
BYTES_A_PARAMETER = 12
# A training loss in the last checkpoint, and with its step and rate in the table of losses.
BYTES_A_STEP = 24
# Rows, recipe and record of a run, beside its copy of the vocabulary.
BYTES_A_RUN = 100_000


@dataclass(frozen=True)
class Estimate:
    """Hours of one worker, wall-clock hours of several, and bytes on disk once all runs are done.

    Hours are None where nothing was timed. `wall_hours` supposes that workers do not slow each other, and that no unit
    (a trunk with its runs) is divided: at least the longest unit. `parts` are the seconds of one worker: updates,
    evaluation, text, start, compiling; evaluation and text are absent where the text was not given.
    """

    workers: int
    hours: float | None
    wall_hours: float | None
    disk_bytes: int
    speeds: tuple[Speed, ...]
    parts: Mapping[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """Each part's share of the hours."""
        total = sum(self.parts.values())
        return {name: part / total for name, part in self.parts.items()}

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain values."""
        return {
            "workers": self.workers,
            "hours": self.hours,
            "wall_hours": self.wall_hours,
            "seconds": dict(self.parts),
            "disk_bytes": self.disk_bytes,
            "programs": [speed.to_dict() for speed in self.speeds],
        }


@dataclass(frozen=True)
class ScoredText:
    """The text that runs are scored on, by fingerprint, and how."""

    texts: Mapping[str, Shards]
    how: Evaluation

    def seconds(self, recipe: Recipe, speed: Speed) -> float:
        """Seconds of a run's evaluations: those that it asks for, and that of its last step."""
        count = len({*recipe.evaluate, recipe.steps})
        return count * self._opened(recipe)[0] * speed.scoring

    def reading(self, recipe: Recipe) -> float:
        """Seconds that a run of this text needs to open it, measured once here."""
        return self._opened(recipe)[1]

    def _opened(self, recipe: Recipe) -> tuple[int, float]:
        """Tokens of one evaluation, and the seconds of opening; equal for runs of one text that are scored alike."""
        text = self.texts[recipe.data.shards]
        languages = recipe.scored(tuple(text.languages))
        key = (recipe.data.shards, languages, recipe.scoring, recipe.data.sequence, recipe.data.borders)
        if key not in self._known:
            from isoglot.train.loader import Loader
            from isoglot.train.run_scores import evaluator

            began = time.perf_counter()
            Loader(recipe, text)
            tokens = evaluator([recipe], text, self.how).tokens()
            self._known[key] = (tokens, time.perf_counter() - began)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[object, ...], tuple[int, float]]:
        return {}


def estimate(
    recipes: Sequence[Recipe],
    workers: int = 1,
    calibrate: bool = True,
    vocabulary_bytes: int = 0,
    say: Callable[[str], None] | None = None,
    scoring: ScoredText | None = None,
) -> Estimate:
    """Time and disk of a list of recipes on this machine; see the module for what counts.

    Steps that runs share are counted once. `vocabulary_bytes` is what a run's copy of its vocabulary takes; without
    `scoring` evaluation and the reading of text do not count. Raises InputError for no workers.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}: give at least 1")
    disk = disk_bytes(recipes, vocabulary_bytes)
    if not calibrate:
        return Estimate(workers, None, None, disk, (), {})
    found = speeds(sorted({program_of(recipe) for recipe in recipes}, key=lambda one: one.flops), say)
    by_program = {speed.program: speed for speed in found}
    units = _units(recipes)
    updates = [_update_seconds(members, by_program) for members in units]
    scored, read = _text_seconds(units, by_program, scoring)
    seconds = [sum(parts) for parts in zip(updates, scored, read, strict=True)]
    own = {
        "start": start_seconds() + sum(speed.loading for speed in found),
        "compiling": sum(max(0.0, speed.compiling - speed.loading) for speed in found if not speed.measured),
    }
    wall = max(sum(seconds) / workers, max(seconds)) + sum(own.values())
    text = {} if scoring is None else {"evaluation": sum(scored), "text": sum(read)}
    parts = {"updates": sum(updates), **text, **own}
    return Estimate(workers, sum(parts.values()) / 3600, wall / 3600, disk, found, parts)


def disk_bytes(recipes: Sequence[Recipe], vocabulary_bytes: int = 0) -> int:
    """Bytes that finished runs keep: the last checkpoint of each (weights and two moments, float32), and records.

    While a trunk's runs are in work its checkpoints at their branches stay too, 12 bytes a parameter each.

    >>> disk_bytes([])
    0
    """
    return sum(
        BYTES_A_PARAMETER * count_parameters(recipe.shape, "total")
        + BYTES_A_STEP * recipe.steps
        + BYTES_A_RUN
        + vocabulary_bytes
        for recipe in recipes
    )


def _units(recipes: Sequence[Recipe]) -> list[list[Recipe]]:
    by_name = {recipe.name: recipe for recipe in recipes}
    return [[by_name[name] for name in unit.members] for unit in plan_units(list(by_name.values()))]


def _update_seconds(members: Sequence[Recipe], speeds: Mapping[Program, Speed]) -> float:
    """Seconds of the updates of runs that are trained together, the steps of their trunk once."""
    longest = max(members, key=lambda recipe: recipe.stable_steps)
    steps = longest.steps + sum(one.steps - one.stable_steps for one in members if one is not longest)
    return steps * speeds[program_of(longest)].update


def _text_seconds(
    units: Sequence[Sequence[Recipe]], speeds: Mapping[Program, Speed], scoring: ScoredText | None
) -> tuple[list[float], list[float]]:
    """Seconds of each unit's evaluations, and of its reading of text."""
    if scoring is None:
        return [0.0] * len(units), [0.0] * len(units)
    firsts = {recipe.data.shards: recipe for members in units for recipe in members}
    opening = {text: scoring.reading(recipe) for text, recipe in firsts.items()}
    scored = [sum(scoring.seconds(one, speeds[program_of(one)]) for one in members) for members in units]
    return scored, [sum(opening[one.data.shards] for one in members) for members in units]
