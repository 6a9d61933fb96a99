"""Losses by language: units, what is scored, and standard errors over documents."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.scoring import Scoring
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.shards import Shards, write_shards
from isoglot.train.baselines import compressor_bits_per_byte, unigram_bits_per_byte
from isoglot.train.evaluate import Evaluation, Evaluator, ratio
from isoglot.train.model import Transformer, initial, logits


@pytest.fixture(scope="module")
def model(recipe: Recipe) -> Transformer:
    """Fresh weights of the small shape."""
    return initial(recipe.shape, 3)


def test_a_model_that_knows_nothing_costs_eight_bits_a_byte(shards: Shards, model: Transformer) -> None:
    """With all weights zero every id has chance 1 / 257, and a byte is a token."""
    flat = jax.tree.map(jnp.zeros_like, model)
    for score in Evaluator(shards, shards.languages, 32).scores(flat):
        assert score.nats_per_token == pytest.approx(math.log(257), rel=1e-6)
        # End tokens carry no bytes, so bits per byte lie a little above log2 257.
        assert score.bits_per_byte == pytest.approx(math.log2(257) * score.tokens / score.bytes, rel=1e-6)
        assert score.bits_per_byte_se is not None and score.bits_per_byte_se < 0.01


def test_every_held_out_token_is_scored_once_from_its_window(shards: Shards, model: Transformer) -> None:
    evaluator = Evaluator(shards, ["synA"], 32, Evaluation(rows=4))
    held = shards.held_out("synA")
    found = evaluator.losses(model, "synA")
    assert found.shape == (len(held.tokens) - 1,)
    for target in (1, 32, 33, len(held.tokens) - 1):
        start = (target - 1) // 32 * 32
        window = jnp.asarray(held.tokens[start:target])[None]
        chance = jax.nn.log_softmax(logits(model, window)[0, -1])
        assert found[target - 1] == pytest.approx(-float(chance[held.tokens[target]]), abs=2e-5)
    score = evaluator.scores(model)[0]
    scored = held.document[1:] >= 0
    assert score.tokens == scored.sum()
    assert score.nats_per_token == pytest.approx(found[scored].mean(), rel=1e-9)
    assert score.bytes == held.byte_counts.sum()


def test_units_are_those_of_the_same_content(shards: Shards, model: Transformer) -> None:
    first, second = Evaluator(shards, shards.languages, 32).scores(model)
    assert first.units == second.units > 0
    held = shards.held_out("synA")
    losses = Evaluator(shards, ["synA"], 32).losses(model, "synA")
    inside = (held.unit[1:] >= 0) & (held.document[1:] >= 0)
    assert first.bits_per_unit == pytest.approx(losses[inside].sum() / math.log(2) / first.units, rel=1e-9)


def test_a_sample_is_scored_as_if_it_were_the_text(shards: Shards, model: Transformer) -> None:
    """Documents of the sample stand in the text's order, each after its context token."""
    evaluator = Evaluator(shards, shards.languages, 32, Evaluation(documents=2))
    first, second = evaluator.scores(model)
    assert evaluator.documents("synA") == evaluator.documents("synB")
    held = shards.held_out("synA")
    at = [held.document_keys.index(key) for key in evaluator.documents("synA")]
    parts = [held.tokens[np.flatnonzero(held.document == one)[0] - 1 :] for one in at]
    tokens = np.concatenate(
        [part[: 1 + (held.document == one).sum()] for part, one in zip(parts, at, strict=True)]
    )
    assert first.bytes == held.byte_counts[at].sum()
    assert (first.documents, first.held_documents) == (2, len(held.document_keys))
    assert first.tokens == len(tokens) - 2
    window = jnp.asarray(tokens[:33])
    chance = jax.nn.log_softmax(logits(model, window[None, :-1])[0])
    wanted = -np.asarray(chance)[np.arange(32), tokens[1:33]]
    np.testing.assert_allclose(evaluator.losses(model, "synA")[:32], wanted, atol=2e-5)
    assert first.units == second.units > 0
    assert first.bits_per_byte_se is not None and first.sampling_se is not None
    assert first.sampling_se == pytest.approx(
        first.bits_per_byte_se * math.sqrt(1 - 2 / first.held_documents)
    )


def test_the_name_of_a_sample_tells_what_was_scored(shards: Shards, model: Transformer) -> None:
    whole = Evaluator(shards, ["synA"], 32)
    assert whole.names == {"synA": f"{shards.fingerprint[:16]}:all"}
    assert whole.scores(model)[0].sampling_se == 0.0
    size = int(shards.held_out("synA").byte_counts.sum())
    part = Evaluator(shards, ["synA"], 32, scoring=Scoring(sample=size // 3))
    count = len(part.documents("synA"))
    assert count < whole.scores(model)[0].documents
    assert part.names == {"synA": f"{shards.fingerprint[:16]}:{count}"}
    # Another spelling of the same documents has the same name.
    assert Evaluator(shards, ["synA"], 32, Evaluation(documents=count)).names == part.names


def test_units_do_not_depend_on_what_else_is_scored(shards: Shards, model: Transformer) -> None:
    both, alone = (Evaluator(shards, names, 32).scores(model)[0] for names in (shards.languages, ["synA"]))
    assert both == alone


def test_a_unit_that_one_language_lacks_counts_in_none(recipe: Recipe, tmp_path: Path) -> None:
    """A language that lacks long passages would look cheap against one that has them."""
    rows = [("d1", "1", "aaaa"), ("d1", "2", "c" * 40), ("d2", "3", "bbbb"), ("d2", None, "dd")]

    class Texts:
        languages = ("synA", "synB")
        fingerprint = "texts"

        def table(self, language: str, split: str | None = None) -> pl.DataFrame:
            kept = [row for row in rows if language == "synA" or row[1] != "2"]
            return pl.DataFrame(kept, schema=["document", "unit", "text"], orient="row")

    found = write_shards(Texts(), ByteVocabulary(), tmp_path / "shards")
    flat = jax.tree.map(jnp.zeros_like, initial(recipe.shape, 0))
    first, second = Evaluator(found, found.languages, 32).scores(flat)
    assert first.units == second.units == 2
    # Unit 1 has its newline in synA alone; unit 2 is left out of both.
    assert first.bits_per_unit == pytest.approx(math.log2(257) * 10 / 2, rel=1e-6)
    assert second.bits_per_unit == pytest.approx(math.log2(257) * 9 / 2, rel=1e-6)


def test_unigram_normalised_is_the_difference_to_the_unigram_model(
    shards: Shards, model: Transformer
) -> None:
    score = Evaluator(shards, ["synA"], 32).scores(model)[0]
    counts = np.bincount(shards.train("synA"), minlength=257) + 1.0
    held = shards.held_out("synA")
    tokens = held.tokens[held.document >= 0]
    unigram = -np.log(counts / counts.sum())[tokens].mean()
    assert score.nats_per_token - score.unigram_normalised == pytest.approx(unigram, rel=1e-9)
    assert unigram_bits_per_byte(score) == pytest.approx(
        unigram * score.tokens / score.bytes / math.log(2), rel=1e-9
    )


def test_a_clone_has_the_same_unigram_losses(cloned: Shards, cloned_recipe: Recipe) -> None:
    flat = jax.tree.map(jnp.zeros_like, initial(cloned_recipe.shape, 0))
    one, other = Evaluator(cloned, cloned.languages, 32).scores(flat)
    # One is added to every count of the doubled vocabulary in both, so the two agree exactly.
    assert one.unigram_normalised == pytest.approx(other.unigram_normalised, rel=1e-12)
    assert one.bytes == other.bytes


def test_the_standard_error_is_that_of_the_ratio_over_documents() -> None:
    """Against the spread of many draws of 40 documents of unequal length."""
    rng = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(2000):
        length = rng.integers(5, 50, 40).astype(float)
        total = length * (2 + 0.3 * rng.standard_normal(40)) + rng.standard_normal(40)
        value, error = ratio(total, length)
        assert error is not None
        values.append(value)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.06)
    assert ratio(np.array([3.0]), np.array([2.0])) == (1.5, None)


def test_no_documents_is_refused(shards: Shards) -> None:
    with pytest.raises(InputError, match="documents=0: give a positive integer or none"):
        Evaluator(shards, ["synA"], 32, Evaluation(documents=0))


def test_the_compressor_gains_from_training_text() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(200)]
    held, train = (" ".join(rng.choice(words, size)) for size in (800, 8000))
    with_train, without = compressor_bits_per_byte(train, held), compressor_bits_per_byte("", held)
    assert 0.8 < with_train < without - 0.3
    with pytest.raises(InputError, match="held-out text is empty"):
        compressor_bits_per_byte("text", "")
