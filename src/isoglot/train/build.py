"""A recipe from a wish, tokenised text on disk and a checkpoint: what `isoglot.core.wish` asks is read here."""

from __future__ import annotations

from typing import Any

from isoglot.core.errors import InputError
from isoglot.core.flops import EXACT, flops_per_token, six_nd
from isoglot.core.recipe import Base, Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.stages import stage_ends
from isoglot.core.wish import Start, Text, Wish, recipe_of
from isoglot.train.checkpoint import Checkpoint
from isoglot.train.loader import TokenSource
from isoglot.train.records import cluster_of


def build_recipe(wish: Wish, shards: TokenSource, base: Checkpoint | None = None) -> Recipe:
    """The recipe of a wish on some shards, continuing a checkpoint if one is given; errors as `recipe_of`."""
    return recipe_of(wish, text_of(shards), None if base is None else start_of(base))


def text_of(shards: TokenSource) -> Text:
    """What a recipe needs to know of shards."""
    sizes = tuple((name, len(shards.train(name))) for name in shards.languages)
    corpus = getattr(shards, "manifest", {}).get("corpus", "")  # not all sources know theirs
    return Text(shards.fingerprint, shards.vocabulary_size, sizes, corpus)


def start_of(checkpoint: Checkpoint) -> Start:
    """What a recipe needs to know of the checkpoint that it continues; InputError for a pack."""
    base = base_of(checkpoint)
    return Start(checkpoint.recipes[0].shape, base, str(checkpoint.folder))


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
        exact=_exact(recipe, own),
    )


def _exact(recipe: Recipe, own: int) -> float:
    """What the weights have cost by the exact count; 0, not known, where that of the base is not."""
    before = recipe.base.exact if recipe.base else 0.0
    if recipe.base is not None and not before:
        return 0.0
    return before + flops_per_token(recipe.shape, EXACT, recipe.data.sequence) * own


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
