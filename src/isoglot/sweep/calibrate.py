"""How fast this machine trains and scores each program of a list of recipes, from a short measurement.

A few compiled updates, and a few evaluations of made-up text, of each distinct program (shape, batch, sequence,
precision) are timed, with the threads of this process, which should be those of a worker (NPROC, set before anything
numerical is imported). Of many programs those spread over the sizes are timed, and the others take the FLOP/s between
their neighbours.
"""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoglot.core.flops import flops_per_token
from isoglot.core.ladder import name_of
from isoglot.core.recipe import Optimiser, Recipe
from isoglot.core.shapes import Shape
from isoglot.tokenizer.held_out import HeldOut

# Programs that are timed, seconds of updates and of evaluations for each (compilation comes on top), and the most of
# either.
PROGRAMS, SECONDS, UPDATES = 6, 2.0, 200
# Windows at a time that an evaluation of made-up text scores.
BATCHES = 2
# What a worker imports, and the device that it opens, before it looks for work.
START = "import jax, isoglot.sweep.training, isoglot.sweep.work; jax.local_devices()"


@dataclass(frozen=True)
class Program:
    """What decides the time of an update."""

    shape: Shape
    batch: int
    sequence: int
    precision: str

    @property
    def tokens(self) -> int:
        """Tokens of an update."""
        return self.batch * self.sequence

    @property
    def flops(self) -> float:
        """FLOPs of an update: 6 N + 6 s a L a token, N with the head and without the input table."""
        return float(self.tokens * flops_per_token(self.shape, "with_attention", self.sequence))


@dataclass(frozen=True)
class Speed:
    """Seconds that a program takes here; `measured` is False where neighbours tell.

    update     one update
    scoring    one token of an evaluation
    compiling  its first start, by a worker that finds it nowhere
    loading    each later start, by a worker that finds it kept (`isoglot.sweep.compiled`); as `compiling` where
               nothing is kept
    """

    program: Program
    update: float
    scoring: float
    compiling: float
    loading: float
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
            "seconds_a_scored_token": self.scoring,
            "compiling_seconds": self.compiling,
            "loading_seconds": self.loading,
            "measured": self.measured,
        }


def program_of(recipe: Recipe) -> Program:
    """The program of a recipe."""
    return Program(recipe.shape, recipe.data.batch, recipe.data.sequence, recipe.precision)


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


@functools.cache
def start_seconds() -> float:
    """Seconds from the start of a worker's process until it looks for work, measured once."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", START], check=True, capture_output=True)
    return time.perf_counter() - began


def _between(program: Program, known: Sequence[Speed]) -> Speed:
    """The speed of a program that was not timed, between its neighbours over log FLOPs.

    Interpolated are FLOP/s, the time of a scored token over that of a trained one, compilation and loading.
    """
    axis = [math.log(speed.program.flops) for speed in known]

    def interpolated(value: Callable[[Speed], float]) -> float:
        return float(np.interp(math.log(program.flops), axis, [value(speed) for speed in known]))

    update = program.flops / interpolated(lambda speed: speed.program.flops / speed.update)
    ratio = interpolated(lambda speed: speed.scoring * speed.program.tokens / speed.update)
    compiling, loading = (
        interpolated(lambda speed: speed.compiling),
        interpolated(lambda speed: speed.loading),
    )
    return Speed(program, update, ratio * update / program.tokens, compiling, loading, measured=False)


@functools.cache
def _measured(program: Program) -> Speed:
    """Time what training runs, on made-up tokens: first as it comes, then with nothing in memory, then again."""
    import jax

    trial = _Trial(program)
    began = time.perf_counter()
    trial.start()
    first = time.perf_counter() - began
    jax.clear_caches()
    began = time.perf_counter()
    trial.start()
    second = time.perf_counter() - began
    update, evaluation = _mean(trial.update), _mean(trial.evaluate)
    once = update + evaluation
    scoring = evaluation / trial.tokens
    return Speed(program, update, scoring, max(0.0, first - once), max(0.0, second - once), measured=True)


def _mean(work: Callable[[], None]) -> float:
    """Mean seconds of a call: not the least, since a sweep meets the machine as it is, other work included."""
    times: list[float] = []
    while sum(times) < SECONDS and len(times) < UPDATES:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return sum(times) / len(times)


class _Trial:
    """A run of a program on made-up tokens, with a made-up language to score."""

    def __init__(self, program: Program) -> None:
        from isoglot.train.evaluate import Evaluation, Evaluator
        from isoglot.train.program import DTYPES

        self.program, draw = program, np.random.default_rng(0)
        vocabulary = program.shape.vocabulary
        rows = draw.integers(0, vocabulary, (program.batch, program.sequence), np.int32)
        self._batch = rows, np.roll(rows, -1, axis=-1)
        how = Evaluation()
        self.tokens = BATCHES * how.rows * program.sequence
        text = MadeUp(draw.integers(0, vocabulary, self.tokens + 1, np.int32), vocabulary)
        self._evaluator = Evaluator(text, text.languages, program.sequence, how, DTYPES[program.precision])

    def start(self) -> None:
        """Weights, an update and an evaluation, as the first of a run in its process."""
        import jax

        from isoglot.train.model import initial
        from isoglot.train.optimiser import adamw
        from isoglot.train.parallel import Placement
        from isoglot.train.program import State, compiled_step

        constants = Optimiser(peak=1.0, schedule="constant")
        self._step = compiled_step(constants, self.program.precision, False, False)
        place = Placement((jax.local_devices()[0],))
        model = initial(self.program.shape, 0)
        self._state: Any = place.put_state(State(model, adamw(constants).init(model)))
        self._tokens = [place.put_batch(part) for part in self._batch]
        self.update()
        self.evaluate()

    def update(self) -> None:
        """One update, waited for."""
        import jax

        self._state, loss = self._step(self._state, *self._tokens, np.float32(1e-3))
        jax.block_until_ready((self._state, loss))

    def evaluate(self) -> None:
        """One evaluation."""
        import jax

        self._evaluator.scores(jax.tree.map(np.asarray, self._state.model))


@dataclass(frozen=True)
class MadeUp:
    """What an evaluator reads of shards, for one made-up language of one document."""

    ids: np.ndarray
    vocabulary_size: int
    languages: tuple[str, ...] = ("made",)

    def held_out(self, language: str) -> HeldOut:
        """The tokens, the first of which is context."""
        del language
        document = np.zeros(len(self.ids), np.int32)
        document[0] = -1
        one = np.array([len(self.ids)], np.int64)
        unit = np.full(len(self.ids), -1, np.int32)
        return HeldOut(self.ids, document, unit, one, one * 0, ["made"], [])

    def train(self, language: str) -> np.ndarray:
        """The same tokens."""
        del language
        return self.ids

    def mapping(self, language: str) -> None:
        """Ids are the language's own."""
        del language

    def stream(self, language: str) -> str:
        """A language reads its own text."""
        return language

    @property
    def fingerprint(self) -> str:
        """None that text of a corpus has."""
        return "made up"
