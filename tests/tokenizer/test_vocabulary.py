"""Every kind of vocabulary: lossless text, equal trainings, sizes, saving."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.core.errors import InputError, MissingExtraError, NoAnswerError
from isoglot.tokenizer import (
    BpeVocabulary,
    ByteVocabulary,
    PairVocabulary,
    load_vocabulary,
    train_bpe,
    train_vocabulary,
)
from isoglot.tokenizer.pairs import common_pieces
from isoglot.tokenizer.sample import Sample

KINDS = ("bytes", "bpe", "disjoint", "merged")


@pytest.fixture(scope="module")
def vocabularies(corpus):
    size = {"bytes": None}
    return {kind: train_vocabulary(kind, corpus, size.get(kind, 330), ["eng", "fra"]) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@given(
    text=st.text(max_size=60)
    | st.sampled_from(["<|end|>", "a <|end|> b\n", "हिन्दी क्षेत्र", "می‌خواهم", "  x  \n\n"])
)
def test_any_text_comes_back(vocabularies, kind, text):
    vocabulary = vocabularies[kind]
    for language in ("eng", "fra"):
        (ids,) = vocabulary.encode(language, [text])
        assert vocabulary.decode(language, ids) == text
        assert ids.dtype == np.int32
        # No text spells the end of a document.
        assert vocabulary.end_of(language) not in ids
        assert ids.size == 0 or (ids.min() >= 0 and ids.max() < vocabulary.size)


def test_the_end_is_one_id_in_each_kind(vocabularies):
    ends = {kind: [v.end_of("eng"), v.end_of("fra")] for kind, v in vocabularies.items()}
    assert ends == {"bytes": [256, 256], "bpe": [0, 0], "disjoint": [0, 330], "merged": [0, 0]}
    for vocabulary in vocabularies.values():
        assert vocabulary.decode("fra", np.array([vocabulary.end_of("fra")])) == "<|end|>"


def test_merges_are_learned_from_the_text(vocabularies, corpus):
    texts = corpus.table("eng", "train")["text"].to_list()
    in_bytes = sum(len(ids) for ids in ByteVocabulary().encode("eng", texts))
    in_pieces = sum(len(ids) for ids in vocabularies["bpe"].encode("eng", texts))
    assert in_pieces < 0.6 * in_bytes


@pytest.mark.parametrize(
    "words",
    [
        ["क्षेत्रों", " में", " है"],  # vowel signs and the virama are marks
        ["می\u200cخواهم"],  # a joiner inside a Persian word
        ["naïve", " cafe\u0301"],
        ["end", ".", " 2026", " (", "x", ")!", "\n"],
        ["a", "  ", " b", "\n\n"],
        ["<|", "end", "|>"],
    ],
)
def test_text_is_cut_into_words_alike_in_every_script(vocabularies, words):
    text = "".join(words)
    cuts = vocabularies["bpe"].tokenizer.pre_tokenizer.pre_tokenize_str(text)
    assert [text[start:stop] for _, (start, stop) in cuts] == words


def test_two_trainings_are_equal_and_a_different_one_is_not(corpus):
    first, again = (train_bpe(corpus, 400) for _ in range(2))
    assert first == again and first.record == again.record
    assert first.fingerprint == again.fingerprint
    others = [train_bpe(corpus, 399), train_bpe(corpus, 400, alpha=1.0), train_bpe(corpus, 400, ["eng"])]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_training_reads_no_held_out_text(make_corpus):
    train = ("a", None, "train", "abcabc abc " * 50)
    secret = ("b", None, "held_out", "xyzzy " * 500)
    with_secret, without = make_corpus({"eng": [train, secret]}), make_corpus({"eng": [train]})
    assert train_bpe(with_secret, 260) == train_bpe(without, 260)
    seen = make_corpus({"eng": [train, ("b", None, "train", "xyzzy " * 500)]})
    assert train_bpe(seen, 260) != train_bpe(without, 260)


@pytest.mark.parametrize(("alpha", "big_share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 0.9)])
def test_the_sample_is_balanced_by_bytes_to_the_alpha(make_corpus, alpha, big_share):
    # 9,000 bytes against 1,000: shares 1 : 1, 3 : 1, 9 : 1.
    big = [(f"d{at}", None, "train", "a" * 10) for at in range(900)]
    small = [(f"d{at}", None, "train", "b" * 10) for at in range(100)]
    sample = Sample(make_corpus({"eng": big, "fra": small}), ("eng", "fra"), alpha, 8000)
    text = "".join(sample)
    # Whole documents are taken, so a language may exceed its part by less than one document.
    assert 0 <= text.count("a") - 8000 * big_share < 10
    assert 0 <= text.count("b") - 8000 * (1 - big_share) < 10
    assert sample.taken == {"eng": text.count("a"), "fra": text.count("b")}
    assert sample.record()["languages"]["fra"]["passes"] == text.count("b") / 1000


def test_disjoint_ids_follow_one_another(vocabularies):
    disjoint = vocabularies["disjoint"]
    first, second = (member for _, member in disjoint.members)
    assert disjoint.size == first.size + second.size == 660
    text = "comer on"
    np.testing.assert_array_equal(disjoint.encode("eng", [text])[0], first.encode("eng", [text])[0])
    np.testing.assert_array_equal(disjoint.encode("fra", [text])[0], second.encode("fra", [text])[0] + 330)


def test_merged_ids_are_shared_exactly_where_pieces_are_spelt_alike(vocabularies):
    merged = vocabularies["merged"]
    first, second = (member for _, member in merged.members)
    common = common_pieces(first, second)
    assert 257 < common < 330
    assert merged.size == first.size + second.size - common
    for at, piece in enumerate(second.pieces):
        there = merged.maps["fra"][at]
        assert (first.pieces[there] == piece) if piece in first.pieces else there >= first.size
    # Own merges: the two languages cut one text differently though they share the ids of its letters.
    assert first.merges != second.merges


def test_three_languages_merge_too(corpus):
    three = PairVocabulary.of("merged", {name: train_bpe(corpus, 300, [name]) for name in corpus.languages})
    pieces = [set(member.pieces) for _, member in three.members]
    assert three.size == len(pieces[0] | pieces[1] | pieces[2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_vocabulary_is_the_same(vocabularies, kind, tmp_path):
    vocabulary = vocabularies[kind]
    vocabulary.save(tmp_path / "v")
    loaded = load_vocabulary(tmp_path / "v")
    assert loaded == vocabulary and loaded.fingerprint == vocabulary.fingerprint
    assert loaded.record == vocabulary.record
    text = ["ré the है", ""]
    for mine, theirs in zip(vocabulary.encode("fra", text), loaded.encode("fra", text), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_altered_vocabulary_is_refused(vocabularies, tmp_path):
    vocabularies["bpe"].save(tmp_path / "v")
    path = tmp_path / "v" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["model"]["merges"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="altered since it was written"):
        load_vocabulary(tmp_path / "v")
    path.write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        load_vocabulary(tmp_path / "v")
    path.write_text("{")
    with pytest.raises(InputError, match=r"tokenizer\.json: damaged"):
        load_vocabulary(tmp_path / "v")
    with pytest.raises(InputError, match="no such file"):
        load_vocabulary(tmp_path / "absent")


def test_a_vocabulary_smaller_than_asked_is_refused(make_corpus):
    little = make_corpus({"eng": [("a", None, "train", "aaaa aaaa")]})
    # One pair of letters repeats, then one pair of pairs, and the space before the word is seen once.
    with pytest.raises(InputError, match=r"size is 4096, but 9 bytes of text give 259 pieces"):
        train_bpe(little, 4096)
    assert train_bpe(little, 259).size == 259


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: train_bpe(c, 256), "give at least 257"),
        (lambda c: train_bpe(c, 300, ["deu"]), "language deu is not in the corpus"),
        (lambda c: train_bpe(c, 300, ["eng", "English"]), "named twice"),
        (lambda c: train_bpe(c, 300, []), "no language is named"),
        (lambda c: train_bpe(c, 300, alpha=-1.0), "alpha is -1"),
        (lambda c: train_bpe(c, 300, budget=0), "byte budget is 0"),
        (lambda c: train_vocabulary("bpee", c), "did you mean bpe"),
        (lambda c: train_vocabulary("bytes", c, 300), "has no use for it"),
        (lambda c: train_vocabulary("merged", c, 300, alpha=0.5), "alpha is 0.5"),
        (lambda c: train_vocabulary("merged", c, 300, ["eng"]), "two or more different languages"),
    ],
)
def test_bad_questions_are_refused_in_a_sentence(corpus, call, message):
    with pytest.raises(InputError, match=message) as caught:
        call(corpus)
    assert "\n" not in str(caught.value)


def test_a_language_without_train_text_cannot_train_a_vocabulary(make_corpus):
    with pytest.raises(NoAnswerError, match="fra has no train text"):
        train_bpe(
            make_corpus({"eng": [("a", None, "train", "x")], "fra": [("a", None, "held_out", "x")]}), 300
        )


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_is_no_unicode_is_named(vocabularies, kind):
    with pytest.raises(InputError, match="text 1 holds a lone surrogate at character 2"):
        vocabularies[kind].encode("eng", ["fine", "ab\ud800"])


def test_a_pair_knows_its_languages(vocabularies):
    disjoint = vocabularies["disjoint"]
    assert disjoint.languages == ("eng", "fra")
    with pytest.raises(InputError, match="deu has no vocabulary here"):
        disjoint.encode("deu", ["x"])
    with pytest.raises(InputError, match="id 400 is none of eng"):
        disjoint.decode("eng", np.array([5, 400]))


def test_missing_extra_is_named(corpus, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "tokenizers":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"isoglot\[train\]"):
        train_bpe(corpus, 300)
    with pytest.raises(MissingExtraError, match=r"isoglot\[train\]"):
        BpeVocabulary(("<|end|>", "a"), ()).encode("eng", ["a"])
