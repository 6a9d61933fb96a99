"""Which language every sequence of a run holds: a pure function of the seed and the sequence's global number.

Sequence i = step * batch + row draws u_i = frac(shift + i * phi), and takes the language whose part of [0, 1) holds
u_i: parts as long as the stage's shares, in alphabetical order of the languages. Multiples of the golden ratio phi
fill the line evenly, so the realised shares follow the nominal ones in every stretch of a run. The draw is made of
64-bit integers, so it is the same on every machine, and no worker has a draw of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from isoglot.core.recipe import Data, Recipe, Stage
from isoglot.core.splitmix import GOLDEN, WORD, seed_from
from isoglot.core.stages import stage_ends


def seed_of(data: Data) -> int:
    """Return the 64-bit number that fixes the draw of languages and the order of the text.

    Runs with one `pair_key` share it, whatever their `seed`.
    """
    return seed_from(f"pair_key {data.pair_key}" if data.pair_key else f"seed {data.seed}")


def count_below(limit: int, shift: int, slots: int) -> int:
    """Return how many of the first `slots` draws are below `limit`, exactly and without drawing them.

    A draw x mod WORD is below the limit where floor(x / WORD) - floor((x - limit) / WORD) is 1; both terms are sums
    of floors of a line, which Euclid's algorithm adds up in about log2(WORD) divisions.

    >>> count_below(WORD // 4, shift=0, slots=60_000_000)
    15000002
    """
    if limit <= 0:
        return 0
    if limit >= WORD:
        return slots
    # The second line is raised by one WORD to keep it above 0, which adds `slots`.
    return _floor_sum(slots, shift) - _floor_sum(slots, shift - limit + WORD) + slots


def _floor_sum(count: int, start: int) -> int:
    """Sum of floor((start + i * GOLDEN) / WORD) over 0 <= i < count."""
    total, rise, run = 0, GOLDEN, WORD
    while count > 0:
        total += (count - 1) * count // 2 * (rise // run) + count * (start // run)
        rise, start = rise % run, start % run
        # Count the lattice points under the line by columns of the other axis.
        top = rise * count + start
        count, start = top // run, top % run
        rise, run = run, rise
    return total


@dataclass(frozen=True)
class _Parts:
    """The parts of [0, WORD) that the languages of a stage hold: `languages[k]` ends at `ends[k]`."""

    languages: np.ndarray
    ends: tuple[int, ...]
    inner: np.ndarray

    def counts(self, shift: int, slots: int, size: int) -> np.ndarray:
        """Sequences of each of `size` languages among the first `slots`, were this stage the whole run."""
        below = [0, *(count_below(end, shift, slots) for end in self.ends)]
        found = np.zeros(size, np.int64)
        found[self.languages] = np.diff(below)
        return found


def _parts(stage: Stage, languages: tuple[str, ...]) -> _Parts:
    """Cut [0, WORD) by the shares as exact fractions; alphabetical, so that the order of mention does not matter."""
    shares = sorted((name, Fraction(share)) for name, share in stage.shares if share > 0)
    total = sum(share for _, share in shares)
    ends, level = [], Fraction(0)
    for _, share in shares:
        level += share
        ends.append(math.floor(level * WORD / total))
    places = np.array([languages.index(name) for name, _ in shares], np.int64)
    return _Parts(places, tuple(ends), np.array(ends[:-1], np.uint64))


class Slots:
    """The language of every sequence of a recipe, and how many each language has had.

    Over any stretch of a stage the count of a language differs from share x sequences by at most twice the number
    of Fibonacci numbers that add up to the stretch: 2 after 1, 2, 3, 5, ... sequences, at most 36 among 60 million
    (Denjoy and Koksma: Kuipers and Niederreiter, Uniform Distribution of Sequences, 1974, chapter 2). With two
    languages, changing a share by d changes the language of a fraction d of the sequences, which is the least.

    >>> from isoglot.core.recipe import Optimiser
    >>> from isoglot.core.shapes import Shape
    >>> data = Data("abc", (Stage((("eng", 0.9), ("fra", 0.1))),), sequence=16, batch=50)
    >>> tiny = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=256)
    >>> slots = Slots(Recipe(tiny, data, Optimiser(1e-3), steps=100))
    >>> slots.counts(100).tolist()
    [4501, 499]
    """

    def __init__(self, recipe: Recipe) -> None:
        data = recipe.data
        self.languages = data.languages
        self.batch = data.batch
        self.steps = recipe.steps
        self._shift = seed_of(data)
        self._ends = stage_ends(data.stages, recipe.steps)
        self._parts = tuple(_parts(stage, self.languages) for stage in data.stages)
        self._before = self._counts_at_starts()

    def stage(self, step: int) -> int:
        """Number of the stage that a step belongs to, from 0; the end of the run belongs to the last."""
        return int(np.searchsorted(self._ends[:-1], step, side="right"))

    def languages_of(self, step: int) -> np.ndarray:
        """Languages of a step's sequences: (batch,) indices into `languages`."""
        first = (self._shift + step * self.batch * GOLDEN) % WORD
        draws = np.uint64(first) + np.arange(self.batch, dtype=np.uint64) * np.uint64(GOLDEN)
        parts = self._parts[self.stage(step)]
        return np.asarray(parts.languages[np.searchsorted(parts.inner, draws, side="right")])

    def counts(self, step: int) -> np.ndarray:
        """Sequences of each language in all steps before `step`: (languages,) int64, in the order of `languages`."""
        at = self.stage(step)
        parts, start = self._parts[at], self._ends[at - 1] if at else 0
        stretch = self._stretch(parts, start, step)
        return np.asarray(self._before[at] + stretch)

    def _stretch(self, parts: _Parts, start: int, end: int) -> np.ndarray:
        size = len(self.languages)
        late = parts.counts(self._shift, end * self.batch, size)
        return late - parts.counts(self._shift, start * self.batch, size) if start else late

    def _counts_at_starts(self) -> list[np.ndarray]:
        """Sequences of each language before each stage begins."""
        found, start = [np.zeros(len(self.languages), np.int64)], 0
        for parts, end in zip(self._parts[:-1], self._ends[:-1], strict=True):
            found.append(found[-1] + self._stretch(parts, start, end))
            start = end
        return found
