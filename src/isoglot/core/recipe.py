"""A recipe: the literal that a training run is.

Everything that decides the numbers of a run stands here, and nothing that does not: where text lies on disk, how
many processors work and how often checkpoints are kept belong to the environment. Two runs are the same run if
and only if their recipes have one fingerprint.

Stages give the language mixture over the course of a run. A run that cools down from a shared trunk is a whole
recipe of its own, with its own `steps`; its `trunk` is what it shares with the others (see `trunk_fingerprint`).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from isoglot.core.canonical import fingerprint, short
from isoglot.core.errors import InputError, nearest
from isoglot.core.scoring import Scoring
from isoglot.core.shapes import Shape

ScheduleKind = Literal["wsd", "cosine", "constant"]
Borders = Literal["open", "masked"]
Precision = Literal["float32", "bfloat16"]
InitialWeights = Literal["fan_in", "gpt2"]
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Stage:
    """Language shares that hold for a part of a run.

    `shares` are (language, share) pairs that sum to 1, kept in the order of their names so that one mixture has one
    spelling; `fraction` is the stage's part of the run's steps. A language may have share 0, which says that it
    belongs to the run but is not sampled.
    """

    shares: tuple[tuple[str, float], ...]
    fraction: float = 1.0

    def __post_init__(self) -> None:
        # 1 and 1.0 are one share, and must be one fingerprint.
        object.__setattr__(self, "shares", tuple(sorted((name, float(share)) for name, share in self.shares)))
        object.__setattr__(self, "fraction", float(self.fraction))
        names = [name for name, _ in self.shares]
        if not names or len(set(names)) != len(names):
            raise InputError(
                f"stage names the languages {', '.join(names) or 'none'}: name each language once"
            )
        for name, share in self.shares:
            if not 0 <= share <= 1:
                raise InputError(f"share of {name} is {share:g}: give a number from 0 to 1")
        if abs(sum(share for _, share in self.shares) - 1) > _ROUNDING:
            raise InputError(f"shares sum to {sum(s for _, s in self.shares):.6g}: they must sum to 1")
        if not 0 < self.fraction <= 1:
            raise InputError(f"stage has fraction={self.fraction:g}: give a number above 0, at most 1")


@dataclass(frozen=True)
class Data:
    """What a run reads: tokenised text, its mixture over time, unique-token caps, the shape of a batch.

    `shards` is the fingerprint of the tokenised corpus. `batch` counts sequences of `sequence` predicted tokens.
    `unique` caps a language's text, in tokens; it is read again from its start once the cap is used up. `seed`
    fixes the order of the text and the draw of languages: runs with one `pair_key` share both (it replaces the
    seed), so that they differ by what is studied alone. `borders` of documents inside a sequence are `open` to
    attention, or `masked`: a token sees its own document alone.
    """

    shards: str
    stages: tuple[Stage, ...]
    sequence: int
    batch: int
    unique: tuple[tuple[str, int], ...] = ()
    seed: int = 0
    pair_key: str = ""
    borders: Borders = "open"

    def __post_init__(self) -> None:
        object.__setattr__(self, "unique", tuple(sorted(self.unique)))
        if self.pair_key:
            # The key replaces the seed: runs that differ by it alone are one run, with one fingerprint.
            object.__setattr__(self, "seed", 0)
        for name in ("sequence", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"data has {name}={getattr(self, name)}: give a positive integer")
        if self.borders not in get_args(Borders):
            raise InputError(f"borders {self.borders!r} are unknown: use open or masked")
        if not self.stages:
            raise InputError("data has no stages: give at least one stage with shares")
        if abs(sum(stage.fraction for stage in self.stages) - 1) > _ROUNDING:
            raise InputError(
                f"stage fractions sum to {sum(stage.fraction for stage in self.stages):.6g}: they must sum to 1"
            )
        for name, cap in self.unique:
            if name not in self.languages:
                raise InputError(
                    f"unique text is capped for {name}, which no stage names{nearest(name, self.languages)}"
                )
            if cap < self.sequence:
                raise InputError(
                    f"unique text of {name} is capped at {cap} tokens: one sequence has {self.sequence}"
                )

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of any stage, in the order of first mention."""
        return tuple(dict.fromkeys(name for stage in self.stages for name, _ in stage.shares))


@dataclass(frozen=True)
class Optimiser:
    """AdamW with a learning-rate schedule over steps.

    `wsd` warms up, stays at `peak`, and falls linearly to `floor` over the last `decay` steps; `cosine` falls from
    the end of the warm-up to the last step; `constant` stays. `weight_decay` acts on matrices, not on gains.
    """

    peak: float
    schedule: ScheduleKind = "wsd"
    warmup: int = 0
    decay: int = 0
    floor: float = 0.0
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    clip: float = 1.0

    def __post_init__(self) -> None:
        for member in dataclasses.fields(self):
            if isinstance(member.default, float) or member.name == "peak":
                object.__setattr__(self, member.name, float(getattr(self, member.name)))
        if self.schedule not in get_args(ScheduleKind):
            raise InputError(f"schedule {self.schedule!r} is unknown: use wsd, cosine or constant")
        if not self.peak > 0 or not 0 <= self.floor <= self.peak:
            raise InputError(
                f"learning rate has peak {self.peak:g} and floor {self.floor:g}: give 0 <= floor <= peak, peak above 0"
            )
        if self.warmup < 0 or self.decay < 0:
            raise InputError(
                f"warmup={self.warmup} and decay={self.decay} steps: give zero or positive integers"
            )
        for name in ("weight_decay", "clip"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(
                    f"optimiser has {name}={getattr(self, name):g}: give zero or a positive number"
                )
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"optimiser has {name}={getattr(self, name):g}: give a number from 0 to below 1"
                )


@dataclass(frozen=True)
class Base:
    """The checkpoint that a run continues: its weights' fingerprint, and what they have cost.

    `tokens` and `flops` (6 N D) were spent before, `exact` by the exact count (0: not known); `shares` are the mixture
    they were spent on. `cluster` is what the base's own rows are grouped by: runs that continue one base are no
    independent evidence. The learning-rate schedule starts again, and the optimiser starts empty.
    """

    weights: str
    tokens: int
    flops: float
    shares: tuple[tuple[str, float], ...] = ()
    cluster: str = ""
    exact: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", tuple(sorted((name, float(share)) for name, share in self.shares)))
        for name in ("flops", "exact"):
            object.__setattr__(self, name, float(getattr(self, name)))


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run: model, data, optimiser, steps, seed and start.

    `seed` draws the initial weights, at the scales that `initial` names (see `isoglot.train.model.initial`); a base
    has its own, and both are then the defaults. `precision` is that of activations and matrix products; weights and
    optimiser state stay in float32. `evaluate` lists further steps at which the run is scored, beside the last;
    `scoring` says on what.

    Raises InputError for numbers that describe no run.

    >>> tiny = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=256)
    >>> data = Data(shards="abc", stages=(Stage((("eng", 1.0),)),), sequence=16, batch=2)
    >>> Recipe(shape=tiny, data=data, optimiser=Optimiser(peak=1e-3), steps=10).tokens
    320
    """

    shape: Shape
    data: Data
    optimiser: Optimiser
    steps: int
    seed: int = 0
    initial: InitialWeights = "fan_in"
    precision: Precision = "float32"
    base: Base | None = None
    evaluate: tuple[int, ...] = field(default=())
    scoring: Scoring = field(default_factory=Scoring)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluate", tuple(sorted(set(self.evaluate))))
        if self.base is not None:
            object.__setattr__(self, "seed", 0)
            object.__setattr__(self, "initial", "fan_in")
        if self.initial not in get_args(InitialWeights):
            raise InputError(f"initial weights {self.initial!r} are unknown: use fan_in or gpt2")
        scoring = self.scoring.spelt(self.data.languages, fresh=self.base is None)
        object.__setattr__(self, "scoring", scoring)
        if self.steps < 1:
            raise InputError(f"recipe has steps={self.steps}: give a positive integer")
        if self.precision not in get_args(Precision):
            raise InputError(f"precision {self.precision!r} is unknown: use float32 or bfloat16")
        spent = self.optimiser.warmup + (self.optimiser.decay if self.optimiser.schedule == "wsd" else 0)
        if spent > self.steps:
            raise InputError(
                f"warm-up and decay take {spent} steps of {self.steps}: make them shorter than the run"
            )
        first = 1 if self.base is None else 0
        for step in self.evaluate:
            if not first <= step <= self.steps:
                raise InputError(
                    f"evaluation at step {step} is outside the run: give steps from {first} to {self.steps}"
                )
        if self.shape.head_width % 2:
            raise InputError(f"head_width is {self.shape.head_width}: rotary positions need an even number")

    @property
    def tokens(self) -> int:
        """Tokens that the run itself predicts: steps x batch x sequence."""
        return self.steps * self.data.batch * self.data.sequence

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe's canonical JSON: the identity of the run."""
        return fingerprint(self)

    @property
    def name(self) -> str:
        """The short fingerprint, for folders and for the column `run`."""
        return short(self.fingerprint)

    def scored(self, there: tuple[str, ...]) -> tuple[str, ...]:
        """The languages of a text that evaluations score, in the text's order (see `isoglot.core.scoring`).

        Raises InputError for a language that the text does not hold.
        """
        base = () if self.base is None else tuple(name for name, share in self.base.shares if share > 0)
        return self.scoring.chosen((*self.data.languages, *(name for name in base if name in there)), there)

    @property
    def stable_steps(self) -> int:
        """Steps before the cool-down of a WSD run; for other schedules 0, since no step is shared."""
        return self.steps - self.optimiser.decay if self.optimiser.schedule == "wsd" else 0

    @cached_property
    def trunk_fingerprint(self) -> str:
        """Fingerprint of what WSD runs of different lengths share before they cool down.

        Only a constant mixture makes a trunk: stages are parts of a run's own length. A run that shares nothing has
        its own fingerprint, but for when and on what it is scored, which changes nothing that is trained.
        """
        unscored = dataclasses.replace(self, evaluate=(), scoring=Scoring())
        if not self.stable_steps or len(self.data.stages) > 1:
            return fingerprint(unscored)
        optimiser = dataclasses.replace(self.optimiser, decay=0, floor=0.0)
        return fingerprint(dataclasses.replace(unscored, steps=max(1, optimiser.warmup), optimiser=optimiser))
