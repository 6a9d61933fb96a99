"""Scores of a run, or of each run of a pack, on the languages that its recipe asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax

from isoglot.core.errors import NoAnswerError
from isoglot.core.recipe import Recipe
from isoglot.train.evaluate import Evaluation, Evaluator
from isoglot.train.program import DTYPES, Program
from isoglot.train.records import rows


def evaluator(recipes: Sequence[Recipe], shards: Any, how: Evaluation) -> Evaluator:
    """What scores every run of a program, each on its languages."""
    recipe, there = recipes[0], tuple(shards.languages)
    wanted = {name for member in recipes for name in member.scored(there)}
    return Evaluator(
        shards,
        [name for name in there if name in wanted],
        recipe.data.sequence,
        how,
        DTYPES[recipe.precision],
        recipe.scoring,
        recipe.data.borders,
    )


def unscored(
    run: Program, scorer: Evaluator, step: int, shards: Any, found: list[dict[str, Any]]
) -> list[tuple[str, ...]]:
    """Languages of each run that no row has for a step, on the text that is scored now."""
    known = {(row["run"], row["step"], row["language"], row["eval_set"]) for row in found}
    names = scorer.names
    return [
        tuple(
            label
            for label in recipe.scored(tuple(shards.languages))
            if (recipe.name, step, label, names[label]) not in known
        )
        for recipe in run.recipes
    ]


def evaluate(
    run: Program, scorer: Evaluator, models: Any, step: int, shards: Any, wanted: list[tuple[str, ...]]
) -> list[dict[str, Any]]:
    """Rows of the run table for the `wanted` languages of each run; NoAnswerError for a loss that is no number."""
    vocabulary = shards.vocabulary.fingerprint
    found = []
    for at, (recipe, loader) in enumerate(zip(run.recipes, run.loaders, strict=True)):
        model = jax.tree.map(lambda leaf, at=at: leaf[at], models) if run.packed else models
        scores = scorer.scores(model, wanted[at])
        for score in scores:
            if not math.isfinite(score.nats_per_token):
                raise NoAnswerError(
                    f"loss of {score.language} is not a number at step {step}: lower the learning rate or warm up longer"
                )
        found += rows(recipe, loader, step, scores, vocabulary)
    return found
