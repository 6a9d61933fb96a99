"""A recipe from what a person says: text, shape, tokens, mixture.

Defaults are plain and named here; the recipe that comes out is a literal with every number written down. Text and
the checkpoint that a run continues are described by what a recipe needs to know of them, so nothing is read from
disk: `isoglot.train.build` makes a `Text` of shards and a `Start` of a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from isoglot.core.batch import default_batch
from isoglot.core.errors import InputError
from isoglot.core.ladder import shape_named
from isoglot.core.languages import parse_label
from isoglot.core.mixture import shares_for, stages_for
from isoglot.core.recipe import Base, Borders, Data, InitialWeights, Optimiser, Recipe, ScheduleKind, Stage
from isoglot.core.recipe_tree import MOST
from isoglot.core.scoring import ALL, OWN, SAMPLE, Scoring, WindowKind
from isoglot.core.shapes import Shape

# Vocabularies are padded to this, so that the largest product has a round size.
VOCABULARY_MULTIPLE = 64
# Peak learning rate x width, near the best of a grid at four widths (experiments/learning_rate.md) and at two batches
# (experiments/regime.md). It is a starting point for small models, not a law: tune it where a run is dear.
PEAK = "0.16/width"
SHAPE = "4x128"
# Parts of a run that warm up and cool down.
WARMUP, DECAY = 0.05, 0.2


@dataclass(frozen=True)
class Wish:
    """What a person asks for; whatever is None gets its default.

    `mixture` is a scheme or shares (see `isoglot.core.mixture.shares_for`), `stages` a schedule instead; `languages`
    are those trained on (default all of the text). `tokens` is rounded up to whole steps. `batch` counts sequences, and
    follows the tokens where it is None (`isoglot.core.batch`). `peak` is a number, or a rule such as `0.16/width`.
    `score`, `sample` and `window` are the fields of `isoglot.core.scoring.Scoring`.
    """

    shape: str | None = None
    tokens: float = 1e6
    mixture: str = "uniform"
    stages: str | None = None
    languages: tuple[str, ...] = ()
    unique: Mapping[str, float] = field(default_factory=dict)
    sequence: int = 256
    batch: int | None = None
    peak: str | float | None = None
    schedule: ScheduleKind = "wsd"
    warmup: int | None = None
    decay: int | None = None
    weight_decay: float = Optimiser.weight_decay
    beta1: float = Optimiser.beta1
    beta2: float = Optimiser.beta2
    clip: float = Optimiser.clip
    tied: bool = True
    seed: int = 0
    initial: InitialWeights = "fan_in"
    data_seed: int = 0
    pair_key: str = ""
    precision: str = "float32"
    evaluations: int = 0
    score: tuple[str, ...] = ()
    sample: float = SAMPLE
    window: WindowKind = "cut"
    borders: Borders = "open"


@dataclass(frozen=True)
class Text:
    """Tokenised text as a recipe sees it: its fingerprint, number of token ids, and train tokens by language.

    `unique` keeps the order of the shards, clones included; a clone `eng#2` has the tokens of `eng`, whose text it
    reads. `corpus` is the fingerprint of the text before it was tokenised, empty where it is not known.
    """

    shards: str
    vocabulary_size: int
    unique: tuple[tuple[str, int], ...]
    corpus: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """Labels of the languages, clones included."""
        return tuple(name for name, _ in self.unique)


@dataclass(frozen=True)
class Start:
    """A checkpoint to continue: the shape that a run keeps, what the weights have cost, and a name for messages."""

    shape: Shape
    base: Base
    name: str


def recipe_of(wish: Wish, text: Text, start: Start | None = None) -> Recipe:
    """The recipe of a wish on some text, continuing a checkpoint if one is given.

    Raises InputError for what cannot be: unknown languages, numbers that are none or too large, a start of another
    shape or vocabulary size.

    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 20_000)))
    >>> recipe = recipe_of(Wish("2x64", 1e5, "proportional"), text)
    >>> recipe.steps, recipe.shape.vocabulary, round(dict(recipe.data.stages[0].shares)["fra"], 3)
    (391, 512, 0.038)
    """
    _check(wish, start)
    wish = settled(wish)
    each, steps = step_tokens(wish), steps_of(wish)
    languages = _languages(wish, text)
    sizes = {name: _size(text, name, wish) for name in languages}
    stages = (
        stages_for(wish.stages, languages)
        if wish.stages
        else (Stage(shares_for(wish.mixture, sizes, steps * each)),)
    )
    shape = shape_of(wish, text, start)
    data = Data(
        shards=text.shards,
        stages=stages,
        sequence=wish.sequence,
        batch=settled_batch(wish),
        unique=tuple((parse_label(name), int(cap)) for name, cap in wish.unique.items()),
        seed=wish.data_seed,
        pair_key=wish.pair_key,
        borders=wish.borders,
    )
    recipe = Recipe(
        shape=shape,
        data=data,
        optimiser=_optimiser(wish, shape, steps),
        steps=steps,
        seed=wish.seed,
        initial=wish.initial,
        precision=wish.precision,  # type: ignore[arg-type]
        base=None if start is None else start.base,
        evaluate=_evaluations(wish.evaluations, steps),
        scoring=_scoring(wish),
    )
    recipe.scored(text.languages)
    return recipe


def settled(wish: Wish, tokens: float | None = None) -> Wish:
    """The wish with its batch as a number: its own, or the default for some tokens (its own).

    Runs that are compared or share a trunk have one batch: settle their wish with the fewest tokens among them, so that
    the shortest has steps enough. Raises InputError where a sequence, a batch or tokens are none.

    >>> settled(Wish(tokens=1e6, sequence=128)).batch, settled(Wish(tokens=1e6, sequence=128), 5e5).batch
    (4, 2)
    """
    if wish.batch is not None:
        return wish
    count = wish.tokens if tokens is None else tokens
    _positive_tokens(count)
    _positive_size("sequence", wish.sequence)
    return replace(wish, batch=default_batch(count, wish.sequence))


def step_tokens(wish: Wish) -> int:
    """Tokens of a step; InputError where a sequence or a batch is none, or 2^63 or more."""
    batch = settled_batch(wish)
    _positive_size("sequence", wish.sequence)
    _positive_size("batch", batch)
    return batch * wish.sequence


def settled_batch(wish: Wish) -> int:
    """Sequences of a step: the wish's own, or the default for its tokens."""
    batch = settled(wish).batch
    assert batch is not None
    return batch


def _positive_size(name: str, value: int) -> None:
    _below_most(name, value)
    if value < 1:
        raise InputError(f"run has {name}={value}: give a positive whole number")


def _positive_tokens(tokens: float) -> None:
    if not 0 < tokens < math.inf:
        raise InputError(f"run has tokens={tokens:g}: give a positive number")
    _below_most("tokens", tokens)


def steps_of(wish: Wish) -> int:
    """Whole steps of a wish, rounded up; InputError as `step_tokens`, and for tokens likewise.

    >>> steps_of(Wish(tokens=1e5, batch=16))
    25
    """
    _positive_tokens(wish.tokens)
    return max(1, -int(-wish.tokens // step_tokens(wish)))


def _below_most(name: str, value: float) -> None:
    """Refuse numbers that a written recipe could not be read back with."""
    if abs(value) >= MOST:
        raise InputError(f"run has {name} of 2^63 or more: give a smaller number")


def _check(wish: Wish, start: Start | None) -> None:
    """Refuse wishes that contradict themselves."""
    for name in ("seed", "data_seed"):
        _below_most(name, getattr(wish, name))
    capped = [parse_label(name) for name in wish.unique]
    for name in capped:
        if capped.count(name) > 1:
            raise InputError(f"unique text of {name} is capped twice: give one cap")
    if wish.pair_key and wish.data_seed:
        raise InputError(
            f"run has data seed {wish.data_seed} and pair key {wish.pair_key!r}, which replaces it: give one of them"
        )
    if start is not None and wish.seed:
        raise InputError(
            f"run continues {start.name}, so seed={wish.seed} draws no weights: vary the data seed, or the base"
        )
    if wish.stages and wish.mixture != "uniform":
        raise InputError(
            f"run has mixture {wish.mixture!r} and stages {wish.stages!r}, which say the mixture: give one of them"
        )
    if wish.evaluations < 0:
        raise InputError(f"run has evaluations={wish.evaluations}: give 0 or more")


def _optimiser(wish: Wish, shape: Shape, steps: int) -> Optimiser:
    warmup = round(steps * WARMUP) if wish.warmup is None else wish.warmup
    decay = round(steps * DECAY) if wish.decay is None else wish.decay
    return Optimiser(
        peak_of(PEAK if wish.peak is None else wish.peak, shape.width),
        wish.schedule,
        warmup,
        decay if wish.schedule == "wsd" else 0,
        weight_decay=wish.weight_decay,
        beta1=wish.beta1,
        beta2=wish.beta2,
        clip=wish.clip,
    )


def peak_of(peak: str | float, width: int) -> float:
    """A peak learning rate, given as a number or as a rule over the width; InputError for what is neither.

    >>> peak_of("0.16/width", 32), peak_of("4e-3", 32)
    (0.005, 0.004)
    """
    number, slash, rest = str(peak).partition("/")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (slash and rest.strip() != "width"):
        raise InputError(f"peak learning rate is {peak!r}: give a number as 4e-3, or a rule as 0.16/width")
    return value / width if slash else value


def _evaluations(count: int, steps: int) -> tuple[int, ...]:
    """Steps of evaluation before the last, evenly spread."""
    return tuple(sorted({max(1, round(steps * at / (count + 1))) for at in range(1, count + 1)}))


def _scoring(wish: Wish) -> Scoring:
    if not (wish.sample == 0 or 1 <= wish.sample < MOST):
        raise InputError(f"run has sample={wish.sample:g}: give bytes a language, or 0 for all text")
    names = tuple(name if name in (ALL, OWN) else parse_label(name) for name in wish.score)
    return Scoring(names, int(wish.sample), wish.window)


def _languages(wish: Wish, text: Text) -> tuple[str, ...]:
    if not wish.languages:
        if "=" in wish.mixture and not wish.stages:
            return tuple(parse_label(piece.partition("=")[0].strip()) for piece in wish.mixture.split(","))
        return text.languages
    found = tuple(parse_label(name) for name in wish.languages)
    for name in found:
        if found.count(name) > 1:
            raise InputError(f"language {name} is named twice: name each language once")
    return found


def _size(text: Text, name: str, wish: Wish) -> float:
    """Unique tokens of a language under its cap; what is not there is refused by the loader's own sentence."""
    sizes = dict(text.unique)
    if name not in sizes:
        raise InputError(f"language {name} is not in the shards: they hold {', '.join(text.languages)}")
    caps = {parse_label(key): cap for key, cap in wish.unique.items()}
    return float(min(sizes[name], caps.get(name, float("inf"))))


def shape_of(wish: Wish, text: Text, start: Start | None = None) -> Shape:
    """The shape of a wish: the start's, or the named one with the vocabulary padded; InputError as `recipe_of`."""
    if start is not None:
        shape = start.shape
        if text.vocabulary_size > shape.vocabulary:
            raise InputError(
                f"{start.name}: has {shape.vocabulary} embeddings, the shards {text.vocabulary_size} token ids; "
                "tokenise the new text with the base's own vocabulary (isoglot tokenize --from)"
            )
        if wish.shape and shape_named(wish.shape, shape.vocabulary, shape.tied) != shape:
            raise InputError(
                f"{start.name}: has shape {shape.layers}x{shape.width}, which a continued run keeps: leave out "
                f"shape {wish.shape!r}"
            )
        if shape.tied and not wish.tied:
            raise InputError(
                f"{start.name}: has tied tables, which a continued run keeps: leave out --untied"
            )
        return shape
    padded = -(-text.vocabulary_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
    return shape_named(wish.shape or SHAPE, padded, wish.tied)


def shorter(recipe: Recipe, tokens: float) -> Recipe:
    """A shorter run of the same WSD trunk, its cool-down in the same proportion; InputError if it cannot be.

    >>> from isoglot.core.shapes import Shape
    >>> tiny = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=256)
    >>> data = Data(shards="abc", stages=(Stage((("eng", 1.0),)),), sequence=16, batch=2)
    >>> whole = Recipe(shape=tiny, data=data, optimiser=Optimiser(peak=1e-3, decay=20), steps=100)
    >>> half = shorter(whole, 1600)
    >>> half.steps, half.optimiser.decay, half.trunk_fingerprint == whole.trunk_fingerprint
    (50, 10, True)
    """
    steps = -int(-tokens // (recipe.data.batch * recipe.data.sequence))
    if recipe.optimiser.schedule != "wsd" or len(recipe.data.stages) > 1:
        raise InputError("cool-downs need a WSD schedule and one mixture: other runs share no trunk")
    if not 0 < steps < recipe.steps:
        raise InputError(
            f"cool-down at {tokens:g} tokens is no shorter run: give fewer than {recipe.tokens:,}"
        )
    whole = recipe.optimiser.decay
    decay = max(1, round(steps * whole / recipe.steps)) if whole else 0
    if steps - decay < recipe.optimiser.warmup:
        raise InputError(
            f"cool-down at {tokens:g} tokens begins in the {recipe.optimiser.warmup} steps of the trunk's warm-up: "
            "give more tokens, or warm up for fewer steps"
        )
    # What the trunk is scored at before the two part is the trunk's.
    evaluate = tuple(step for step in recipe.evaluate if steps - decay < step <= steps)
    optimiser = replace(recipe.optimiser, decay=decay)
    return replace(recipe, steps=steps, optimiser=optimiser, evaluate=evaluate)
