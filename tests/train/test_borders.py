"""Masked borders: a document in a row with others is read as if it stood alone, in training and in evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import Shape
from isoglot.tokenizer.shards import Shards
from isoglot.train.attention import attention
from isoglot.train.cross_entropy import token_losses
from isoglot.train.evaluate import Evaluation, Evaluator
from isoglot.train.loader import Loader, segments_of
from isoglot.train.loop import Settings, train, train_pack
from isoglot.train.model import Transformer, hidden, initial, logits

SHAPE = Shape(layers=2, width=12, ffn=20, heads=3, head_width=6, vocabulary=40)
FEW = Settings(evaluation=Evaluation(documents=2))
END = 0
# The second document reaches over the border of two blocks of queries.
LENGTHS = (30, 70, 1)


def masked(recipe: Recipe) -> Recipe:
    """The run with masked borders."""
    return replace(recipe, data=replace(recipe.data, borders="masked"))


@pytest.fixture(scope="module")
def model() -> Transformer:
    """Fresh weights, large enough that attention looks at something."""
    return jax.tree.map(lambda leaf: 5.0 * leaf, initial(SHAPE, 1, "gpt2"))


@pytest.fixture(scope="module")
def documents() -> list[np.ndarray]:
    """Documents that each begin with the end of the one before."""
    rng = np.random.default_rng(0)
    return [np.array([END, *rng.integers(1, 40, length - 1)], np.int32) for length in LENGTHS]


def test_a_document_in_a_row_has_the_logits_that_it_has_alone(
    model: Transformer, documents: list[np.ndarray]
) -> None:
    row = np.concatenate(documents)[None]
    found = logits(model, row, segments=segments_of(row, END))
    alone = np.concatenate([np.asarray(logits(model, one[None])[0]) for one in documents])
    np.testing.assert_allclose(found[0], alone, atol=2e-5)
    difference = np.abs(np.asarray(logits(model, row))[0] - alone).max(axis=-1)
    assert difference[:30].max() < 2e-5 and difference[31:99].min() > 1e-3


def test_gradients_are_those_of_the_documents_alone(model: Transformer, documents: list[np.ndarray]) -> None:
    row = np.concatenate(documents)[None]
    targets = np.roll(row, -1)

    def loss(
        model: Transformer, tokens: np.ndarray, wanted: np.ndarray, remat: bool, mask: bool
    ) -> jax.Array:
        inside = segments_of(tokens, END) if mask else None
        states = hidden(model, tokens, remat=remat, segments=inside)
        return token_losses(states, model.output_table(), wanted).sum()

    def alone(model: Transformer) -> jax.Array:
        ends = np.cumsum(LENGTHS)[:-1]
        parts = zip(np.split(row, ends, axis=1), np.split(targets, ends, axis=1), strict=True)
        return jnp.sum(jnp.stack([loss(model, part, wanted, False, False) for part, wanted in parts]))

    wanted = jax.jit(jax.value_and_grad(alone))(model)
    found = jax.jit(jax.value_and_grad(lambda one: loss(one, row, targets, True, True)))(model)
    for mine, right in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        scale = float(np.abs(right).max())
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-5 * scale)


def test_masked_attention_has_the_gradient_of_plain_attention() -> None:
    """Against autodiff of a full square of scores, with segments that come in any pattern."""
    q, k, v, g = jax.random.normal(jax.random.key(0), (4, 2, 150, 2, 6))
    segments = jnp.cumsum(jax.random.bernoulli(jax.random.key(1), 0.1, (2, 150)), axis=1)
    seen = jnp.tril(jnp.ones((150, 150), bool)) & (segments[:, None, :, None] == segments[:, None, None, :])

    def plain(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        scores = jnp.einsum("bthk,bshk->bhts", q, k) / jnp.sqrt(6.0)
        weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
        return (jnp.einsum("bhts,bshk->bthk", weights, v) * g).sum()

    wanted = jax.value_and_grad(plain, (0, 1, 2))(q, k, v)
    found = jax.jit(jax.value_and_grad(lambda *parts: (attention(*parts, segments) * g).sum(), (0, 1, 2)))(
        q, k, v
    )
    for mine, right in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=2e-5)


def test_the_loader_tells_documents_apart(cloned: Shards, cloned_recipe: Recipe) -> None:
    """Against where documents start in the train text, in a language and in its clone with ids of its own."""
    loader = Loader(masked(cloned_recipe), cloned)
    plain = Loader(cloned_recipe, cloned)
    text = np.asarray(cloned.train("synA"))
    starts = np.zeros(len(text), np.int32)
    starts[cloned.train_documents("synA")[1:] - 1] = 1
    places = {text[at : at + 33].tobytes(): at for at in range(0, len(text) - 32, 32)}
    base = np.arange(cloned.vocabulary_size, dtype=text.dtype)
    mapping = cloned.mapping("synA#2")
    assert mapping is not None
    borders = 0
    for step in range(6):
        batch, other = loader.batch(step), plain.batch(step)
        np.testing.assert_array_equal(batch.inputs, other.inputs)
        assert batch.segments is not None and other.segments is None
        for row in range(4):
            ids = np.append(batch.inputs[row], batch.targets[row, -1])
            if loader.languages[batch.language[row]] == "synA#2":
                ids = np.array([np.flatnonzero(mapping == one)[0] for one in ids])
            at = places[base[ids].tobytes()]
            wanted = np.cumsum(starts[at : at + 32])
            # The last document of the text ends where no other starts.
            assert np.array_equal(batch.segments[row], wanted) or at + 33 >= len(text)
            borders += int(wanted[-1])
    assert borders > 0


def test_evaluation_scores_a_document_as_if_it_were_alone(shards: Shards, recipe: Recipe) -> None:
    """In one window that holds the whole text, and in windows that cut documents."""
    model: Transformer = jax.tree.map(lambda leaf: 3.0 * leaf, initial(recipe.shape, 3, "gpt2"))
    held = shards.held_out("synA")
    for size in (len(held.tokens) - 1, 48):
        found = Evaluator(shards, ["synA"], size, Evaluation(rows=2), borders="masked").losses(model, "synA")
        for at in np.unique(held.document[held.document >= 0]).tolist():
            places = np.flatnonzero(held.document == at)
            # A document is read from its context token, or from where its window begins.
            target = int(places[min(len(places) - 1, 60)])
            start = max(int(places[0]) - 1, (target - 1) // size * size)
            chance = jax.nn.log_softmax(logits(model, held.tokens[start:target][None])[0, -1])
            assert found[target - 1] == pytest.approx(-float(chance[held.tokens[target]]), abs=5e-5)


def test_masked_runs_train_resume_and_pack(shards: Shards, recipe: Recipe, folder: Path) -> None:
    closed = masked(recipe)
    done, again = train(closed, shards, folder, replace(FEW, every=6)), train(recipe, shards, folder, FEW)
    assert done.losses[-1] < done.losses[0] - 0.3
    assert done.recipe.trunk_fingerprint != again.recipe.trunk_fingerprint
    assert np.abs(done.losses - again.losses).max() > 1e-6
    assert done.rows[0]["loss"] != again.rows[0]["loss"]
    pair = [closed, replace(closed, seed=1)]
    packed: list[Any] = train_pack(pair, shards, folder / "pack", FEW)
    np.testing.assert_allclose(packed[0].losses, done.losses, atol=1e-4)
    with pytest.raises(InputError, match="borders='open', the first of its pack 'masked'"):
        train_pack([closed, recipe], shards, folder / "mixed", FEW)


def test_unknown_borders_are_refused(recipe: Recipe) -> None:
    with pytest.raises(InputError, match="borders 'closed' are unknown: use open or masked"):
        replace(recipe.data, borders="closed")  # type: ignore[arg-type]
