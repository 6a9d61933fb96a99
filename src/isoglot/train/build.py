"""A recipe from what a person says: text, shape, tokens, mixture.

Defaults are plain and named here; the recipe that comes out is a literal with every number written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from isoglot.core.errors import InputError
from isoglot.core.flops import six_nd
from isoglot.core.ladder import shape_named
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Base, Data, Optimiser, Recipe, ScheduleKind, Stage
from isoglot.core.shapes import Shape, count_parameters
from isoglot.train.checkpoint import Checkpoint
from isoglot.train.loader import TokenSource
from isoglot.train.mixture import shares_for, stages_for
from isoglot.train.records import cluster_of
from isoglot.train.slots import stage_ends

# Vocabularies are padded to this, so that the largest product has a round size.
VOCABULARY_MULTIPLE = 64
# Peak learning rate x width, near the best of a grid at four widths (experiments/learning_rate.md). It is a starting
# point for small models, not a law: tune it where a run is dear.
PEAK_TIMES_WIDTH = 0.16
SHAPE = "4x128"
# Parts of a run that warm up and cool down.
WARMUP, DECAY = 0.05, 0.2


@dataclass(frozen=True)
class Wish:
    """What a person asks for; whatever is None gets its default.

    `mixture` is a scheme or shares (see `isoglot.train.mixture.shares_for`), `stages` a schedule instead; `languages`
    are those trained on (default all of the shards). `tokens` is rounded up to whole steps.
    """

    shape: str | None = None
    tokens: float = 1e6
    mixture: str = "uniform"
    stages: str | None = None
    languages: tuple[str, ...] = ()
    unique: Mapping[str, float] = field(default_factory=dict)
    sequence: int = 256
    batch: int = 16
    peak: float | None = None
    schedule: ScheduleKind = "wsd"
    warmup: int | None = None
    decay: int | None = None
    tied: bool = True
    seed: int = 0
    data_seed: int = 0
    pair_key: str = ""
    precision: str = "float32"
    evaluations: int = 0


def build_recipe(wish: Wish, shards: TokenSource, base: Checkpoint | None = None) -> Recipe:
    """The recipe of a wish on some shards, continuing a checkpoint if one is given.

    Raises InputError for what cannot be: unknown languages, a base of another shape or vocabulary size.
    """
    each = wish.batch * wish.sequence
    if not wish.tokens > 0 or each < 1:
        raise InputError(f"run has tokens={wish.tokens:g}: give a positive number")
    if wish.pair_key and wish.data_seed:
        raise InputError(
            f"run has data seed {wish.data_seed} and pair key {wish.pair_key!r}, which replaces it: give one of them"
        )
    if base is not None and wish.seed:
        raise InputError(
            f"run continues {base.folder}, so seed={wish.seed} draws no weights: vary the data seed, or the base"
        )
    if wish.stages and wish.mixture != "uniform":
        raise InputError(
            f"run has mixture {wish.mixture!r} and stages {wish.stages!r}, which say the mixture: give one of them"
        )
    if wish.evaluations < 0:
        raise InputError(f"run has evaluations={wish.evaluations}: give 0 or more")
    steps = max(1, -int(-wish.tokens // each))
    languages = _languages(wish, shards)
    sizes = {name: _size(shards, name, wish) for name in languages}
    stages = (
        stages_for(wish.stages, languages)
        if wish.stages
        else (Stage(shares_for(wish.mixture, sizes, steps * each)),)
    )
    shape = _shape(wish, shards, base)
    data = Data(
        shards=shards.fingerprint,
        stages=stages,
        sequence=wish.sequence,
        batch=wish.batch,
        unique=tuple((parse_label(name), int(cap)) for name, cap in wish.unique.items()),
        seed=wish.data_seed,
        pair_key=wish.pair_key,
    )
    warmup = round(steps * WARMUP) if wish.warmup is None else wish.warmup
    decay = round(steps * DECAY) if wish.decay is None else wish.decay
    peak = PEAK_TIMES_WIDTH / shape.width if wish.peak is None else wish.peak
    optimiser = Optimiser(peak, wish.schedule, warmup, decay if wish.schedule == "wsd" else 0)
    return Recipe(
        shape=shape,
        data=data,
        optimiser=optimiser,
        steps=steps,
        seed=wish.seed,
        precision=wish.precision,  # type: ignore[arg-type]
        base=None if base is None else base_of(base),
        evaluate=tuple(
            sorted(
                {max(1, round(steps * at / (wish.evaluations + 1))) for at in range(1, wish.evaluations + 1)}
            )
        ),
    )


def base_of(checkpoint: Checkpoint) -> Base:
    """What a recipe says of the checkpoint that it continues, its own base's cost included.

    Raises InputError for a pack, whose weights are those of several runs.
    """
    if len(checkpoint.recipes) != 1:
        raise InputError(f"{checkpoint.folder}: holds a pack of runs; continue a run trained alone")
    recipe = checkpoint.recipes[0]
    own = checkpoint.step * recipe.data.batch * recipe.data.sequence
    spent = six_nd(count_parameters(recipe.shape, "total"), own) if own else 0.0
    before = recipe.base
    shares = _mean_shares(recipe, own)
    return Base(
        weights=checkpoint.weights_fingerprint,
        tokens=own + (before.tokens if before else 0),
        flops=spent + (before.flops if before else 0.0),
        shares=shares,
        cluster=cluster_of(recipe),
    )


def _mean_shares(recipe: Recipe, own: int) -> tuple[tuple[str, float], ...]:
    """Shares over all tokens that the weights have seen, the base's included."""
    found: dict[str, float] = {}
    each, start = recipe.data.batch * recipe.data.sequence, 0
    parts: list[tuple[float, Any]] = []
    # A base that is no finished run has seen its first stages alone.
    for stage, end in zip(recipe.data.stages, stage_ends(recipe.data.stages, recipe.steps), strict=True):
        parts.append((float(max(0, min(own // each, end) - start) * each), stage.shares))
        start = end
    if recipe.base is not None:
        parts.append((recipe.base.tokens, recipe.base.shares))
    total = sum(weight for weight, _ in parts) or 1.0
    for weight, shares in parts:
        for name, share in shares:
            found[name] = found.get(name, 0.0) + share * weight / total
    return tuple(sorted((name, round(share, 12)) for name, share in found.items()))


def _languages(wish: Wish, shards: TokenSource) -> tuple[str, ...]:
    if not wish.languages:
        if "=" in wish.mixture and not wish.stages:
            return tuple(parse_label(piece.partition("=")[0].strip()) for piece in wish.mixture.split(","))
        return tuple(shards.languages)
    return tuple(parse_label(name) for name in wish.languages)


def _size(shards: TokenSource, name: str, wish: Wish) -> float:
    """Unique tokens of a language under its cap; what is not there is refused by the loader's own sentence."""
    if name not in shards.languages:
        raise InputError(f"language {name} is not in the shards: they hold {', '.join(shards.languages)}")
    caps = {parse_label(key): cap for key, cap in wish.unique.items()}
    return float(min(len(shards.train(name)), caps.get(name, float("inf"))))


def _shape(wish: Wish, shards: TokenSource, base: Checkpoint | None) -> Shape:
    if base is not None:
        shape = base.recipes[0].shape
        if shards.vocabulary_size > shape.vocabulary:
            raise InputError(
                f"{base.folder}: has {shape.vocabulary} embeddings, the shards {shards.vocabulary_size} token ids; "
                "tokenise the new text with the base's own vocabulary (isoglot tokenize --from)"
            )
        if wish.shape and shape_named(wish.shape, shape.vocabulary, shape.tied) != shape:
            raise InputError(
                f"{base.folder}: has shape {shape.layers}x{shape.width}, which a continued run keeps: leave out "
                f"shape {wish.shape!r}"
            )
        if shape.tied and not wish.tied:
            raise InputError(
                f"{base.folder}: has tied tables, which a continued run keeps: leave out --untied"
            )
        return shape
    padded = -(-shards.vocabulary_size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
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
