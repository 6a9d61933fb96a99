"""The README of an exported model: what it is, what it read, what it is not."""

from __future__ import annotations

from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.train.checkpoint import Checkpoint
from isoglot.train.slots import Slots


def model_card(checkpoint: Checkpoint, recipe: Recipe, vocabulary: str, tokenizer: str) -> str:
    """Markdown that states tokens, languages and mixture; `vocabulary` and `tokenizer` are sentences on these."""
    shape = recipe.shape
    total, body = (f"{count_parameters(shape, kind):,}" for kind in ("total", "non_embedding"))
    done = f"{checkpoint.step:,} of {recipe.steps:,} steps"
    lines = [
        "---",
        "library_name: transformers",
        "tags: [isoglot, research]",
        "---",
        "",
        f"# Run {recipe.name}",
        "",
        "**A research artefact.** It was trained to measure a scaling law. It has had no tuning, no filtering for harm "
        "and no evaluation for any use; do not put it before users.",
        "",
        f"A decoder-only transformer in the Llama layout with {total} parameters ({body} without embeddings): "
        f"{shape.layers} layers, width {shape.width}, feed-forward {shape.ffn}, {shape.heads} heads of "
        f"{shape.head_width}, {shape.vocabulary:,} ids, {'tied' if shape.tied else 'separate'} tables. Weights are "
        f"float32; training computed in {recipe.precision}.",
        "",
        f"{vocabulary} {tokenizer}",
        "",
        f"It was trained on documents that follow an end token, in windows of {recipe.data.sequence} tokens: begin a "
        "text with the end token, and do not expect sense from longer contexts.",
        "",
        "## What it read",
        "",
        f"{checkpoint.tokens:,} tokens of the run ({done}) in batches of {recipe.data.batch} sequences.",
        *_base(recipe),
        "",
        *_languages(checkpoint.step, recipe),
        "",
        *_stages(recipe),
        "",
        "The texts' own licences bind what may be done with the weights; the corpus manifest of the run names them.",
        "",
        "## Where it comes from",
        "",
        f"- recipe `{recipe.fingerprint}`, seed {recipe.seed}",
        f"- weights `{checkpoint.weights_fingerprint}` at step {checkpoint.step}",
        f"- tokenised text `{recipe.data.shards}`",
        f"- vocabulary `{checkpoint.vocabulary}`",
        "",
        "`isoglot.json` holds the whole recipe.",
    ]
    return "\n".join(lines) + "\n"


def _base(recipe: Recipe) -> list[str]:
    if recipe.base is None:
        return []
    shares = ", ".join(f"{name} {share:g}" for name, share in recipe.base.shares) or "not recorded"
    return [
        "",
        f"It continues weights `{recipe.base.weights}`, which had read {recipe.base.tokens:,} tokens (shares: {shares}).",
    ]


def _languages(step: int, recipe: Recipe) -> list[str]:
    counts = Slots(recipe).counts(step).tolist()
    all_read = max(1, sum(counts))
    rows = [
        f"| {name} | {count * recipe.data.sequence:,} | {count / all_read:.4f} |"
        for name, count in zip(recipe.data.languages, counts, strict=True)
    ]
    return ["| language | tokens | share |", "|---|---|---|", *rows]


def _stages(recipe: Recipe) -> list[str]:
    return [
        f"Stage {number}, {stage.fraction:g} of the run: "
        + ", ".join(f"{name} {share:g}" for name, share in stage.shares)
        + "."
        for number, stage in enumerate(recipe.data.stages, 1)
    ]
