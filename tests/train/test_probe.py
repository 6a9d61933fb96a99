"""Probes on models whose weights are set by hand, where every value is known, and on models that learned nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.core.shapes import Shape
from isoglot.corpora.passage import Passage
from isoglot.corpora.prepare import prepare
from isoglot.corpora.split import HoldOut
from isoglot.tokenizer.bpe import train_bpe
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.pairs import PairVocabulary, common_pieces
from isoglot.tokenizer.shards import Shards, write_shards
from isoglot.train.aligned_text import aligned_text, partners
from isoglot.train.alignment import hidden_alignment, untrained_alignment
from isoglot.train.cross_entropy import mean_loss
from isoglot.train.embedding_alignment import embedding_alignment
from isoglot.train.gradient_alignment import gradient_alignment
from isoglot.train.linear_head import fit_head
from isoglot.train.matching import matched_means
from isoglot.train.measures import Measure
from isoglot.train.model import Transformer, hidden, initial
from isoglot.train.probe import ProbeSettings, probe_model

CLONES = ("synA", "synA#2")
PAIR = ("synA", "synB")
SEQUENCE, PAIRS = 32, 8
SHAPE = Shape(layers=2, width=16, ffn=32, heads=2, head_width=8, vocabulary=257)


def shape_for(shards: Shards) -> Shape:
    return replace(SHAPE, vocabulary=shards.vocabulary_size)


def by_key(found: list[Measure]) -> dict[tuple[str, int | None], Measure]:
    return {(one.metric, one.layer): one for one in found}


def with_embedding(model: Transformer, embedding: jax.Array) -> Transformer:
    changed: Transformer = eqx.tree_at(lambda m: m.embedding, model, embedding)
    return changed


def copied(shards: Shards) -> Transformer:
    """A model to which both clones are one language: each id has the embedding of its base."""
    model, size = initial(shape_for(shards), 3), shards.base_size
    return with_embedding(model, jnp.concatenate([model.embedding[:size]] * 2))


def letters(place: Path) -> Path:
    """A labelled task that any states tell apart: which part of the alphabet has more letters in the text."""
    draw = np.random.default_rng(1)
    rows = []
    for at in range(240):
        part, rest = ("abcdefgh", "rstuvwxy")[:: 1 - 2 * (at % 2)]
        rows.append({"text": "".join([*draw.choice([*part], 16), *draw.choice([*rest], 4)]), "label": at % 2})
    place.write_text("\n".join(json.dumps(row) for row in rows))
    return place


def test_matching_recovers_a_permutation_and_unrelated_directions_score_zero() -> None:
    order = np.array([3, 1, 4, 0, 2])
    basis = np.eye(6)[:5]
    same = np.stack([basis @ basis[order].T] * 3)
    assert matched_means(same).tolist() == [1.0, 1.0, 1.0]
    # One matching serves all layers: the second layer is read where the sum of both matches.
    mixed = np.stack([basis @ basis[order].T, 0.5 * basis @ basis[order[::-1]].T])
    agree = float(np.mean(order == order[::-1]))
    assert matched_means(mixed).round(12).tolist() == [1.0, 0.5 * agree]
    assert matched_means(np.zeros((2, 3, 4))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("count", [2, 3, 17, 64])
def test_no_pair_is_mismatched_with_itself(count: int) -> None:
    found = partners(count, 5)
    assert sorted(found) == list(range(count)) and (found != np.arange(count)).all()


def test_copied_clones_are_one_language_and_mismatched_text_is_not(cloned: Shards, tmp_path: Path) -> None:
    settings = ProbeSettings(PAIRS, task=letters(tmp_path / "task.jsonl"))
    measures, account = probe_model(copied(cloned), cloned, CLONES, SEQUENCE, settings)
    found = by_key(measures)
    for layer in (1, 2):
        for metric in ("hidden_cosine", "hidden_cosine_centred", "pooled_cosine", "gradient_cosine"):
            one = found[metric, layer]
            assert one.value == pytest.approx(1, abs=1e-4)
            assert one.null_value is not None and one.null_value < 0.9
        for control in ("hidden_cosine_shuffled", "hidden_cosine_untrained", "gradient_cosine_permuted"):
            assert found[control, layer].value < 0.6
    for metric in ("gradient_cosine", "gradient_cosine_concatenated", "embedding_cosine"):
        assert found[metric, None].value == pytest.approx(1, abs=1e-4)
        assert (found[metric, None].null_value or 0) < 0.9
    tensors = [one for one in measures if one.metric.startswith("gradient_cosine.") and one.layer]
    assert len(tensors) == 2 * 9 and min(one.value for one in tensors) > 1 - 1e-3
    # The head learned on one clone reads the other as well as it reads its own.
    own, other = found["task_accuracy", None], found["zero_shot_accuracy", None]
    assert other.value == own.value > 0.9
    assert (own.language, own.other_language, other.other_language) == ("synA", None, "synA#2")
    untrained = found["zero_shot_accuracy_untrained", None]
    assert untrained.value < 0.8 and untrained.value < own.value - 2 * (untrained.se or 1)
    assert account["text"] == {"pairs": PAIRS} and account["task"]["texts tested"] == 120


def test_orthogonal_clones_have_cosine_zero_in_every_layer(cloned: Shards) -> None:
    model, size = initial(shape_for(cloned), 3), cloned.base_size
    half = SHAPE.width // 2
    split = model.embedding.at[:size, half:].set(0).at[size:, :half].set(0)
    silent = eqx.tree_at(
        lambda m: (m.blocks.output, m.blocks.down),
        with_embedding(model, split),
        (jnp.zeros_like(model.blocks.output), jnp.zeros_like(model.blocks.down)),
    )
    found = hidden_alignment(silent, aligned_text(cloned, CLONES, SEQUENCE, PAIRS), CLONES)
    assert {one.metric for one in found} == {
        "hidden_cosine", "hidden_cosine_centred", "hidden_cosine_shuffled", "pooled_cosine", "pooled_cosine_centred"
    }  # fmt: skip
    assert max(abs(one.value) for one in found) < 1e-6


def test_untrained_clones_are_as_alike_as_mismatched_text(cloned: Shards) -> None:
    text = aligned_text(cloned, CLONES, SEQUENCE, PAIRS)
    found = by_key(untrained_alignment(shape_for(cloned), text, CLONES))
    for layer in (1, 2):
        one = found["hidden_cosine_untrained", layer]
        assert one.se is not None and one.null_value is not None and one.se < 0.03
        assert abs(one.value - one.null_value) < 3 * one.se


def test_gradient_cosines_equal_those_of_plain_gradients(cloned: Shards) -> None:
    model, text = initial(shape_for(cloned), 4), aligned_text(cloned, CLONES, SEQUENCE, 2)

    @jax.jit
    def slope(tokens: jax.Array) -> Transformer:
        def loss(weights: Transformer) -> jax.Array:
            return mean_loss(hidden(weights, tokens[None, :-1]), weights.output_table(), tokens[None, 1:])

        found: Transformer = jax.grad(loss)(model)
        return found

    def cosine(first: Any, second: Any) -> float:
        a, b = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    mine = [slope(row) for row in text.first.tokens]
    other = [slope(row) for row in text.second.tokens]
    found = by_key(gradient_alignment(model, text, CLONES))
    key, embedding = found["gradient_cosine.key", 2], found["gradient_cosine.embedding", None]
    values = [cosine(a.blocks.key[1], b.blocks.key[1]) for a, b in zip(mine, other, strict=True)]
    assert key.value == pytest.approx(np.mean(values), abs=1e-4)
    # With two pairs each is mismatched with the other.
    crossed = [cosine(mine[0].blocks.key[1], other[1].blocks.key[1])]
    crossed.append(cosine(mine[1].blocks.key[1], other[0].blocks.key[1]))
    assert key.null_value == pytest.approx(np.mean(crossed), abs=1e-4)
    values = [cosine(a.embedding, b.embedding) for a, b in zip(mine, other, strict=True)]
    assert embedding.value == pytest.approx(np.mean(values), abs=1e-4)
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(one.blocks)]) for one in mine + other]
    whole = np.mean([cosine(flat[0], flat[2]), cosine(flat[1], flat[3])])
    assert found["gradient_cosine_concatenated", None].value == pytest.approx(whole, abs=1e-4)


def test_a_gradient_that_vanishes_is_no_answer(cloned: Shards) -> None:
    model = initial(shape_for(cloned), 4)
    silent = eqx.tree_at(lambda m: m.blocks.output, model, jnp.zeros_like(model.blocks.output))
    with pytest.raises(NoAnswerError, match=r"gradient of blocks\.attention_norm is zero"):
        gradient_alignment(silent, aligned_text(cloned, CLONES, SEQUENCE, 2), CLONES)


def test_parallel_units_are_packed_alike_on_both_sides(shards: Shards) -> None:
    sequence = 100
    packed = aligned_text(shards, PAIR, sequence, PAIRS)
    assert packed.pairs >= 2 and not packed.one_by_one
    held = [shards.held_out(name) for name in PAIR]
    number = 0
    for row in range(packed.pairs):
        assert packed.first.unit[row].max() == packed.second.unit[row].max() >= 0
        for unit in range(packed.first.unit[row].max() + 1):
            for side, there in ((packed.first, held[0]), (packed.second, held[1])):
                key = there.unit_keys.index(held[0].unit_keys[number])
                tokens = side.tokens[row, :-1][side.unit[row] == unit]
                assert tokens.tolist() == there.tokens[there.unit == key].tolist()
            number += 1
    # Only what lies within the packed text is scored, and each sequence begins with the end of a document.
    assert (packed.first.tokens[:, 0] == shards.end_of("synA")).all()
    used = (packed.first.unit >= 0).sum(axis=1)
    assert (packed.first.scored.sum(axis=1) == used).all()
    assert packed.left_out["units cut to a sequence"] == 0


class Pages:
    """Documents in two languages without parallel units: two words a page in synA, five in synB, one page longer."""

    def languages(self) -> tuple[str, ...]:
        return PAIR

    def passages(self, language: str) -> Iterator[Passage]:
        for page in range(8):
            words = {"synA": 2, "synB": 5}[language] * (9 if page == 3 else 1)
            yield Passage(language, f"page{page}", None, " ".join([f"{language}{page}"] * words))
        if language == "synB":
            yield Passage(language, "page8", None, "only here")

    def provenance(self) -> dict[str, object]:
        return {"name": "pages", "version": "1", "licence": "CC0-1.0", "revision": "1"}


def test_documents_are_aligned_where_no_units_are_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    corpus = prepare(Pages(), tmp_path / "c", rules="none", hold_out=HoldOut(documents=7))
    pages = write_shards(corpus, ByteVocabulary(), tmp_path / "s")
    held = pages.held_out("synA")
    theirs = pages.held_out("synB").document_keys
    shared = [key for key in held.document_keys if key in theirs]
    assert "page8" in theirs and "page3" in shared
    packed = aligned_text(pages, PAIR, 40, PAIRS)
    # Pages are 11 and 29 bytes long; the long one is cut to 39, so that each has a sequence of its own.
    lengths = [int((side.unit >= 0).sum(axis=1).max()) for side in (packed.first, packed.second)]
    assert packed.pairs == len(shared) and lengths == [39, 39]
    assert packed.left_out == {
        "units cut to a sequence": 1,
        "units that only one language has": len(set(theirs) ^ set(held.document_keys)),
        "short sequences": 0,
    }
    # Four pages fill 130 tokens in synB; the two that remain are less than a quarter of it in synA.
    packed = aligned_text(pages, PAIR, 130, PAIRS)
    assert (packed.pairs, packed.left_out["short sequences"]) == (2, 1)
    with pytest.raises(InputError, match=r"makes 1 sequences of 50 tokens: two are needed"):
        aligned_text(pages, PAIR, 50, PAIRS)


def test_matched_and_pooled_cosines_find_a_language_in_itself(shards: Shards) -> None:
    whole = aligned_text(shards, PAIR, SEQUENCE, PAIRS)
    same = replace(whole, second=whole.first)
    found = by_key(hidden_alignment(initial(shape_for(shards), 2), same, PAIR))
    for metric in ("matched_cosine", "matched_cosine_centred", "pooled_cosine", "pooled_cosine_centred"):
        for layer in (1, 2):
            one = found[metric, layer]
            assert one.value == pytest.approx(1, abs=1e-5) and (one.null_value or 0) < 0.95
    assert ("hidden_cosine", 1) not in found


def test_embeddings_of_common_pieces_are_compared_in_disjoint_and_not_in_merged_vocabularies(
    text: Any, tmp_path: Path
) -> None:
    members = {name: train_bpe(text, 280, [name]) for name in PAIR}
    disjoint = write_shards(text, PairVocabulary.of("disjoint", members), tmp_path / "disjoint")
    vocabulary = disjoint.vocabulary
    assert isinstance(vocabulary, PairVocabulary)
    model = initial(replace(shape_for(disjoint), tied=False), 1)
    pieces = [members[name].pieces for name in PAIR]
    table = np.array(model.embedding)
    for piece in set(pieces[0]) & set(pieces[1]):
        first, second = (vocabulary.maps[name][members[name].pieces.index(piece)] for name in PAIR)
        table[second] = table[first]
    rows, account = embedding_alignment(with_embedding(model, jnp.asarray(table)), disjoint, PAIR)
    found = by_key(rows)
    assert found["embedding_cosine", None].value == pytest.approx(1)
    assert abs(found["output_embedding_cosine", None].value) < 0.3
    common = common_pieces(members["synA"], members["synB"])
    assert account["pieces compared"] + account["pieces not in both training texts"] == common
    merged = write_shards(text, PairVocabulary.of("merged", members), tmp_path / "merged")
    rows, account = embedding_alignment(initial(shape_for(merged), 1), merged, PAIR)
    assert rows == [] and account["pieces under one id"] == common


def test_deciles_go_by_the_frequency_of_a_piece(cloned: Shards) -> None:
    counts = np.bincount(cloned.train("synA"), minlength=cloned.base_size)
    ranked = np.argsort(counts, kind="stable")[-int((counts > 0).sum()) :]
    model, size = initial(shape_for(cloned), 3), cloned.base_size
    # Only the commoner half of the pieces has one embedding in both clones.
    common = ranked[len(ranked) // 2 :]
    aligned = with_embedding(model, model.embedding.at[common + size].set(model.embedding[common]))
    found = by_key(embedding_alignment(aligned, cloned, CLONES)[0])
    assert all(found[f"embedding_cosine.decile_{at}", None].value > 0.999 for at in range(7, 11))
    assert all(abs(found[f"embedding_cosine.decile_{at}", None].value) < 0.8 for at in range(1, 5))


def test_the_head_finds_the_minimum_and_splits_what_can_be_split() -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(90) % 3
    centres = np.array([[2.0, 0, 0, 5], [0, 2, 0, 5], [0, 0, 2, 5]])
    features = centres[labels] + 0.1 * draw.normal(size=(90, 4)) * np.array([1, 1, 1, 0])
    head = fit_head(features, labels, 3)
    assert head.accuracy(features, labels) == 1.0
    scores = (features - head.centre) / head.scale @ head.weights + head.bias
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    slope = ((features - head.centre) / head.scale).T @ (chance - np.eye(3)[labels]) / 90
    assert np.abs(slope + 1e-2 * head.weights).max() < 1e-5
    # The feature that never changed has no say, wherever it goes in another language.
    assert head.accuracy(features + np.array([0, 0, 0, 100.0]), labels) == 1.0


def test_text_that_is_not_aligned_is_refused(shards: Shards, cloned: Shards) -> None:
    with pytest.raises(InputError, match="give 2 or more"):
        aligned_text(shards, PAIR, SEQUENCE, 1)
    with pytest.raises(InputError, match=r"two sequences of 4000 need 8001"):
        aligned_text(cloned, CLONES, 4000, PAIRS)
    with pytest.raises(InputError, match="language synC is not in the shards"):
        aligned_text(shards, ("synA", "synC"), SEQUENCE, PAIRS)
