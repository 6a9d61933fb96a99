"""How long a list of recipes will take here, from a short measured calibration, and how much disk it will fill.

A few compiled updates of each distinct program (shape, batch, sequence, precision) are timed on made-up tokens, with the
threads of this process, which should be those of a worker (NPROC, set before anything numerical is imported). Where
a design has more programs than are timed, those spread over the sizes are, and the others take the FLOP/s between
their neighbours. Compiling counts once a program and worker; evaluation, reading text and writing checkpoints do not
count, so short runs that are scored often take longer than this says.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.flops import flops_per_token
from isoglot.core.ladder import name_of
from isoglot.core.recipe import Optimiser, Recipe
from isoglot.core.shapes import Shape, count_parameters
from isoglot.sweep.units import plan_units

# Programs that are timed, seconds of updates for each (compilation comes on top), and the most updates.
PROGRAMS, SECONDS, UPDATES = 6, 2.0, 200
# Weights and AdamW's two moments, in float32.
BYTES_A_PARAMETER = 12
# A training loss in the last checkpoint, and with its step and rate in the table of losses.
BYTES_A_STEP = 24
# Rows, recipe and record of a run, beside its copy of the vocabulary.
BYTES_A_RUN = 100_000


@dataclass(frozen=True)
class Program:
    """What decides the time of an update."""

    shape: Shape
    batch: int
    sequence: int
    precision: str

    @property
    def flops(self) -> float:
        """FLOPs of an update: 6 N + 6 s a L a token, N with the head and without the input table."""
        each = flops_per_token(self.shape, "with_attention", self.sequence)
        return float(self.batch * self.sequence * each)


@dataclass(frozen=True)
class Speed:
    """Seconds of a program's update and of its compilation; `measured` is False where neighbours tell."""

    program: Program
    update: float
    compiling: float
    measured: bool

    def to_dict(self) -> dict[str, Any]:
        """The speed as plain values."""
        return {
            "shape": name_of(self.program.shape),
            "batch": self.program.batch,
            "sequence": self.program.sequence,
            "precision": self.program.precision,
            "seconds_an_update": self.update,
            "flops_a_second": self.program.flops / self.update,
            "compiling_seconds": self.compiling,
            "measured": self.measured,
        }


@dataclass(frozen=True)
class Estimate:
    """Hours of one worker, wall-clock hours of several, and bytes on disk once all runs are done.

    Hours are None where nothing was timed. `wall_hours` supposes that workers do not slow each other, and that no unit
    (a trunk with its runs) is divided: at least the longest unit. Evaluation is not included.
    """

    workers: int
    hours: float | None
    wall_hours: float | None
    disk_bytes: int
    speeds: tuple[Speed, ...]

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain values."""
        return {
            "workers": self.workers,
            "hours": self.hours,
            "wall_hours": self.wall_hours,
            "evaluation": "not included",
            "disk_bytes": self.disk_bytes,
            "programs": [speed.to_dict() for speed in self.speeds],
        }


def estimate(
    recipes: Sequence[Recipe],
    workers: int = 1,
    calibrate: bool = True,
    vocabulary_bytes: int = 0,
    say: Callable[[str], None] | None = None,
) -> Estimate:
    """Time and disk of a list of recipes on this machine; see the module for what is timed.

    Steps that runs share are counted once. `vocabulary_bytes` is what a run's copy of its vocabulary takes.
    Raises InputError for no workers.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}: give at least 1")
    disk = disk_bytes(recipes, vocabulary_bytes)
    if not calibrate:
        return Estimate(workers, None, None, disk, ())
    found = speeds(sorted({program_of(recipe) for recipe in recipes}, key=lambda one: one.flops), say)
    by_program = {speed.program: speed for speed in found}
    seconds = [_unit_seconds(members, by_program) for members in _units(recipes)]
    compiling = sum(speed.compiling for speed in found)
    wall = max(sum(seconds) / workers, max(seconds)) + compiling
    return Estimate(workers, (sum(seconds) + compiling) / 3600, wall / 3600, disk, found)


def program_of(recipe: Recipe) -> Program:
    """The program of a recipe."""
    return Program(recipe.shape, recipe.data.batch, recipe.data.sequence, recipe.precision)


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


def speeds(programs: Sequence[Program], say: Callable[[str], None] | None = None) -> tuple[Speed, ...]:
    """The speed of every program, in order of their FLOPs: at most six are timed, those spread evenly."""
    at = {round(place) for place in np.linspace(0, len(programs) - 1, min(PROGRAMS, len(programs)))}
    timed: dict[int, Speed] = {}
    for place in sorted(at):
        if say:
            say(f"timing program {len(timed) + 1} of {len(at)}")
        timed[place] = _measured(programs[place])
    known = list(timed.values())
    return tuple(timed.get(place) or _between(program, known) for place, program in enumerate(programs))


def _between(program: Program, known: Sequence[Speed]) -> Speed:
    """The speed of a program that was not timed: FLOP/s and compilation between its neighbours, over log FLOPs."""
    axis = [math.log(speed.program.flops) for speed in known]
    rates = [speed.program.flops / speed.update for speed in known]
    rate = float(np.interp(math.log(program.flops), axis, rates))
    compiling = float(np.interp(math.log(program.flops), axis, [speed.compiling for speed in known]))
    return Speed(program, program.flops / rate, compiling, measured=False)


def _measured(program: Program) -> Speed:
    """Time the update that training runs, on made-up tokens; its first call compiles."""
    import jax
    import jax.numpy as jnp

    from isoglot.train.model import initial
    from isoglot.train.optimiser import adamw
    from isoglot.train.program import State, compiled_step

    constants = Optimiser(peak=1.0, schedule="constant")
    began = time.perf_counter()
    model = initial(program.shape, 0)
    state: Any = State(model, adamw(constants).init(model))
    step = compiled_step(constants, program.precision, False, False)
    size = (program.batch, program.sequence)
    tokens = np.random.default_rng(0).integers(0, program.shape.vocabulary, size, np.int32)
    batch = jnp.asarray(tokens), jnp.asarray(np.roll(tokens, -1, axis=-1))
    rate = np.float32(1e-3)
    state, loss = step(state, *batch, rate)
    jax.block_until_ready((state, loss))
    compiling = time.perf_counter() - began
    times: list[float] = []
    while sum(times) < SECONDS and len(times) < UPDATES:
        began = time.perf_counter()
        state, loss = step(state, *batch, rate)
        jax.block_until_ready((state, loss))
        times.append(time.perf_counter() - began)
    # The mean, not the least: a sweep meets the machine as it is, other work included.
    update = sum(times) / len(times)
    return Speed(program, update, max(0.0, compiling - update), measured=True)


def _units(recipes: Sequence[Recipe]) -> list[list[Recipe]]:
    by_name = {recipe.name: recipe for recipe in recipes}
    return [[by_name[name] for name in unit.members] for unit in plan_units(list(by_name.values()))]


def _unit_seconds(members: Sequence[Recipe], speeds: dict[Program, Speed]) -> float:
    """Seconds of runs that are trained together, the steps of their trunk once."""
    longest = max(members, key=lambda recipe: recipe.stable_steps)
    steps = longest.steps + sum(one.steps - one.stable_steps for one in members if one is not longest)
    return steps * speeds[program_of(longest)].update
