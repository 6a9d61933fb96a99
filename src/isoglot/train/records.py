"""Rows of the run table from a run: one row a step of evaluation and language.

The column names are those of the run table (docs/run-table.md). `loss` is in bits per byte; the other units of the
evaluation stand beside it under names of their own, with their standard errors.
"""

from __future__ import annotations

from typing import Any

from isoglot.core.canonical import short
from isoglot.core.flops import EXACT, six_nd, training_flops
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters, parameter_groups
from isoglot.core.stages import stage_ends
from isoglot.train.evaluate import Score
from isoglot.train.loader import Loader
from isoglot.train.optimiser import phase

OTHER_UNITS = ("nats_per_token", "bits_per_unit", "unigram_normalised")


def rows(
    recipe: Recipe, loader: Loader, step: int, scores: list[Score], vocabulary: str
) -> list[dict[str, Any]]:
    """Rows of the run table for one evaluation of a run, a language each."""
    run = {**_model(recipe), **_data(recipe, loader, step), **_optimiser(recipe, step), **_start(recipe)}
    run |= _compute(recipe, step)
    fixed = {"vocabulary": short(vocabulary), "split": "held_out"}
    return [{**run, **fixed, **_losses(score)} for score in scores]


def cluster_of(recipe: Recipe) -> str:
    """What the rows of a run hang together by: the base that it continues, else its trunk."""
    return recipe.base.cluster if recipe.base and recipe.base.cluster else short(recipe.trunk_fingerprint)


def _compute(recipe: Recipe, step: int) -> dict[str, Any]:
    """Compute since initialisation, the base's included: as 6 N D, and by the exact count where the base's is known."""
    base, tokens = recipe.base, _own_tokens(recipe, step)
    product = six_nd(count_parameters(recipe.shape, "total"), tokens) if tokens else 0.0
    own = training_flops(recipe.shape, tokens, EXACT, recipe.data.sequence) if tokens else 0.0
    return {
        "flops": product + (base.flops if base else 0.0),
        "flops_convention": "6nd",
        "flops_exact": own if base is None else own + base.exact if base.exact else None,
    }


def _own_tokens(recipe: Recipe, step: int) -> int:
    return step * recipe.data.batch * recipe.data.sequence


def _model(recipe: Recipe) -> dict[str, Any]:
    groups = parameter_groups(recipe.shape)
    return {
        "run": recipe.name,
        "cluster": cluster_of(recipe),
        "seed": recipe.seed,
        "params": groups.total,
        "params_convention": "total",
        "params_non_embedding": count_parameters(recipe.shape, "non_embedding"),
        "params_embedding": groups.embedding_in + groups.head,
        "vocab_size": recipe.shape.vocabulary,
        "precision": recipe.precision,
    }


def _parts_so_far(recipe: Recipe, step: int) -> list[float]:
    """Part of each stage in the steps before `step`: shares of a row are those of its tokens, not of later ones."""
    stages = recipe.data.stages
    if step in (0, recipe.steps):
        return [stage.fraction for stage in stages]
    ends = [min(step, end) for end in stage_ends(stages, recipe.steps)]
    return [(end - start) / step for start, end in zip([0, *ends], ends, strict=False)]


def _data(recipe: Recipe, loader: Loader, step: int) -> dict[str, Any]:
    data = recipe.data
    parts = _parts_so_far(recipe, step)
    nominal = {
        name: sum(
            part * dict(stage.shares).get(name, 0.0) for part, stage in zip(parts, data.stages, strict=True)
        )
        for name in data.languages
    }
    found: dict[str, Any] = {
        "step": step,
        "tokens": _own_tokens(recipe, step) + (recipe.base.tokens if recipe.base else 0),
        "data_seed": data.seed,
        "pair_key": data.pair_key or None,
        "num_languages": sum(share > 0 for share in nominal.values()),
        "batch_tokens": data.batch * data.sequence,
        "schedule": " ".join(
            "+".join(f"{name}={share:g}" for name, share in stage.shares) + f"@{stage.fraction:g}"
            for stage in data.stages
        )
        if len(data.stages) > 1
        else None,
    }
    found |= {f"share.{name}": share for name, share in nominal.items()}
    found |= {f"realised_share.{name}": share for name, share in loader.realised(step).items()}
    return found | {f"unique.{name}": float(size) for name, size in loader.unique_tokens.items()}


def _optimiser(recipe: Recipe, step: int) -> dict[str, Any]:
    optimiser, each = recipe.optimiser, recipe.data.batch * recipe.data.sequence
    decaying = max(0, step - recipe.stable_steps) if optimiser.schedule == "wsd" else 0
    return {
        "lr_peak": optimiser.peak,
        "lr_min": optimiser.floor,
        "warmup_tokens": float(optimiser.warmup * each),
        "decay_tokens": float(decaying * each),
        "lr_phase": phase(recipe, step),
        "lr_schedule": optimiser.schedule,
    }


def _start(recipe: Recipe) -> dict[str, Any]:
    base = recipe.base
    if base is None:
        return {}
    found: dict[str, Any] = {
        "init_from": short(base.weights),
        "init_tokens": float(base.tokens),
        "init_flops": base.flops,
    }
    return found | {f"init_share.{name}": share for name, share in base.shares}


def _losses(score: Score) -> dict[str, Any]:
    found: dict[str, Any] = {
        "eval_set": score.eval_set,
        "language": score.language,
        "loss": score.bits_per_byte,
        "loss_unit": "bits_per_byte",
        "loss_se": score.bits_per_byte_se,
        "loss_sampling_se": score.sampling_se,
        "bytes_per_token": score.bytes_per_token,
    }
    for name in OTHER_UNITS:
        found[name], found[f"{name}_se"] = getattr(score, name), getattr(score, f"{name}_se")
    return found | {
        "eval_documents": score.documents,
        "held_out_documents": score.held_documents,
        "eval_tokens": score.tokens,
        "eval_units": score.units,
    }
