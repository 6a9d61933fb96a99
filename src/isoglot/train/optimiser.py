"""AdamW, and the learning rate of every step.

Rates are computed on the host and enter the compiled step as numbers, so runs of different schedules share one
program. Weight decay acts on matrices and not on the gains of norms.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import optax

from isoglot.core.recipe import Optimiser, Recipe


def learning_rate(optimiser: Optimiser, steps: int, step: int) -> float:
    """Learning rate of update number `step`, counted from 0, of a run of `steps`.

    Warm-up reaches the peak at its last update; the WSD decay and the cosine reach the floor at the last update.
    Source of WSD: 2404.06395, Sec. 4; its decay is linear here.

    >>> wsd = Optimiser(peak=1.0, warmup=2, decay=4)
    >>> [learning_rate(wsd, 10, step) for step in (0, 1, 5, 6, 9)]
    [0.5, 1.0, 1.0, 0.75, 0.0]
    """
    done = step + 1
    if done <= optimiser.warmup:
        return optimiser.peak * done / optimiser.warmup
    span = optimiser.peak - optimiser.floor
    if optimiser.schedule == "cosine":
        part = (done - optimiser.warmup) / max(1, steps - optimiser.warmup)
        return optimiser.floor + span * 0.5 * (1.0 + math.cos(math.pi * part))
    falling = done - (steps - optimiser.decay)
    if optimiser.schedule == "wsd" and falling > 0:
        return optimiser.peak - span * falling / optimiser.decay
    return optimiser.peak


def phase(recipe: Recipe, step: int) -> str | None:
    """Phase of the learning rate after `step` updates: warmup, stable, decayed; None on the way down."""
    optimiser = recipe.optimiser
    if step < optimiser.warmup:
        return "warmup"
    if optimiser.schedule == "cosine":
        return "decayed" if step == recipe.steps else None
    if optimiser.schedule == "wsd" and optimiser.decay:
        if step == recipe.steps:
            return "decayed"
        return "stable" if step <= recipe.stable_steps else None
    return "stable"


def adamw(optimiser: Optimiser) -> optax.GradientTransformation:
    """AdamW without its learning rate: subtract rate x update. Norms above `clip` are scaled down (0: never)."""
    parts = [optax.clip_by_global_norm(optimiser.clip)] if optimiser.clip else []
    parts += [
        optax.scale_by_adam(optimiser.beta1, optimiser.beta2, optimiser.epsilon),
        optax.add_decayed_weights(optimiser.weight_decay, mask=_matrices),
    ]
    return optax.chain(*parts)


def _matrices(tree: Any) -> Any:
    """True for weights that are no gain of a norm."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: not getattr(path[-1], "name", "").endswith("norm"), tree
    )
