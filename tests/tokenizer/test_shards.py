"""Shards: what is written is what is read; bytes, units and clones are accounted for; damage is found."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from isoglot.core.errors import InputError
from isoglot.tokenizer import (
    ByteVocabulary,
    Clones,
    fertility,
    open_shards,
    train_bpe,
    train_vocabulary,
    write_shards,
)
from isoglot.tokenizer.documents import documents
from isoglot.tokenizer.store import whole_folder

ROWS = {
    "eng": [
        ("b", "b.1", "train", "one"),
        ("b", None, "train", "é"),
        ("a", "a.1", "held_out", "hé"),
        ("a", "a.1", "held_out", "x"),
        ("a", None, "held_out", "yy"),
        ("c", "c.1", "held_out", "z"),
        ("d", None, "train", ""),
    ],
}
E = 256  # the end of a document


@pytest.fixture(scope="module")
def vocabulary(corpus):
    return train_bpe(corpus, 350)


@pytest.fixture(scope="module")
def shards(corpus, vocabulary, tmp_path_factory):
    return write_shards(corpus, vocabulary, tmp_path_factory.mktemp("shards") / "s", Clones("eng", 3, 0.1))


def text_of(corpus, language, split):
    """The text by another way than the tokenizer's: passages of a document joined by newlines."""
    table = corpus.table(language, split)
    return table.group_by("document", maintain_order=True).agg(pl.col("text").str.join("\n"))


def test_bytes_of_a_known_corpus(make_corpus, tmp_path):
    found = write_shards(make_corpus(ROWS), ByteVocabulary(), tmp_path / "s")
    train = found.train("eng")
    assert train.tolist() == [*b"one\n", 0xC3, 0xA9, E, E] and train.dtype == np.uint16
    assert found.train_documents("eng").tolist() == [0, 7]
    assert found.train_bytes("eng") == 6
    held_out = found.held_out("eng")
    assert held_out.tokens.tolist() == [E, *"hé\nx\nyy".encode(), E, E, *b"z", E]
    # The end token before a document is context; the newline after a passage belongs to its unit.
    assert held_out.document.tolist() == [-1, *[0] * 9, -1, 1, 1]
    assert held_out.unit.tolist() == [-1, *[0] * 6, -1, -1, -1, -1, 1, -1]
    assert held_out.byte_counts.tolist() == [8, 1] and held_out.units.tolist() == [1, 1]
    assert held_out.document_keys == ["a", "c"] and held_out.unit_keys == ["a.1", "c.1"]
    for name, dtype in {
        "tokens": "int32",
        "document": "int32",
        "unit": "int32",
        "byte_counts": "int64",
    }.items():
        assert getattr(held_out, name).dtype == dtype


@pytest.mark.parametrize("kind", ["bytes", "bpe", "disjoint", "merged"])
def test_all_text_is_there_and_every_byte_is_counted(corpus, kind, tmp_path):
    vocabulary = train_vocabulary(kind, corpus, None if kind == "bytes" else 300)
    found = write_shards(corpus, vocabulary, tmp_path / "s")
    assert found.vocabulary_size == vocabulary.size
    for language in corpus.languages:
        train = text_of(corpus, language, "train")
        text = "".join(f"{document}<|end|>" for document in train["text"])
        assert vocabulary.decode(language, found.train(language)) == text
        assert found.train_bytes(language) == sum(len(document.encode()) for document in train["text"])
        ends = np.flatnonzero(found.train(language) == found.end_of(language))
        assert found.train_documents(language).tolist() == [0, *(ends[:-1] + 1).tolist()]

        held_out, texts = found.held_out(language), text_of(corpus, language, "held_out")
        assert held_out.document_keys == texts["document"].to_list()
        assert held_out.byte_counts.sum() == sum(len(document.encode()) for document in texts["text"])
        for at, document in enumerate(texts["text"]):
            ids = held_out.tokens[held_out.document == at]
            assert vocabulary.decode(language, ids) == f"{document}<|end|>"


def test_tokens_of_a_unit_spell_that_unit(corpus, shards, vocabulary):
    held_out = shards.held_out("hin")
    texts = {
        row["unit"]: row["text"]
        for row in corpus.table("hin", "held_out").iter_rows(named=True)
        if row["unit"]
    }
    assert set(held_out.unit_keys) == set(texts)
    for at, key in enumerate(held_out.unit_keys):
        spelt = vocabulary.decode("hin", held_out.tokens[held_out.unit == at])
        # The last passage of a document has no newline.
        assert spelt == texts[key] + ("" if key.endswith(".4") else "\n")
    assert held_out.units.tolist() == [4] * 6


def test_parallel_documents_stand_in_one_order(shards):
    assert shards.held_out("eng").document_keys == shards.held_out("hin").document_keys
    assert shards.held_out("eng").unit_keys == shards.held_out("hin").unit_keys


def test_clones_read_the_text_of_their_base_under_other_ids(shards):
    assert shards.languages == ("eng", "fra", "hin", "eng#2", "eng#3")
    assert (shards.base_size, shards.vocabulary_size) == (350, 1050)
    assert [shards.stream(name) for name in shards.languages] == ["eng", "fra", "hin", "eng", "eng"]
    assert shards.mapping("eng") is None and shards.mapping("hin") is None
    assert shards.train_bytes("eng#3") == shards.train_bytes("eng")
    np.testing.assert_array_equal(shards.train("eng#3"), shards.train("eng"))
    base, clone = shards.held_out("eng"), shards.held_out("eng#3")
    mapping = shards.mapping("eng#3")
    assert mapping is not None and mapping.shape == (350,) and mapping.dtype == np.int32
    np.testing.assert_array_equal(clone.tokens, mapping[base.tokens])
    np.testing.assert_array_equal(clone.document, base.document)
    shared = set(shards.clones.anchors(350).tolist())
    assert len(shared) == 35
    moved = clone.tokens - base.tokens
    assert set(moved.tolist()) == {0, 700}
    assert set(base.tokens[moved == 0].tolist()) <= shared
    assert shards.end_of("eng#3") == mapping[shards.end_of("eng")]


def test_reopened_shards_are_equal(corpus, shards, vocabulary, tmp_path):
    again = open_shards(shards.folder)
    assert again.manifest == shards.manifest and again.vocabulary == vocabulary
    again.verify()
    second = write_shards(corpus, vocabulary, tmp_path / "s", Clones("eng", 3, 0.1))
    assert second.fingerprint == shards.fingerprint
    np.testing.assert_array_equal(second.train("fra"), shards.train("fra"))


def test_the_fingerprint_changes_with_everything(corpus, make_corpus, vocabulary, tmp_path):
    rows = {
        "eng": [("a", None, "train", "one"), ("b", None, "held_out", "two")],
        "fra": [("a", None, "train", "un")],
    }
    train = {**rows, "eng": [("a", None, "train", "One"), rows["eng"][1]]}
    held_out = {**rows, "eng": [rows["eng"][0], ("b", None, "held_out", "Two")]}
    unit = {**rows, "eng": [rows["eng"][0], ("b", "b.1", "held_out", "two")]}
    byte = ByteVocabulary()
    variants = [
        (rows, byte, None, None),
        (train, byte, None, None),
        (held_out, byte, None, None),
        (unit, byte, None, None),
        (rows, vocabulary, None, None),
        (rows, byte, Clones("eng", 2), None),
        (rows, byte, Clones("fra", 2), None),
        (rows, byte, Clones("eng", 3), None),
        (rows, byte, Clones("eng", 2, 0.5), None),
        (rows, byte, Clones("eng", 2, 0.5, seed=1), None),
        (rows, byte, None, ["eng"]),
    ]
    found = [
        write_shards(make_corpus(text), words, tmp_path / str(at), clones, languages).fingerprint
        for at, (text, words, clones, languages) in enumerate(variants)
    ]
    assert len(set(found)) == len(variants)


def test_a_large_vocabulary_takes_four_bytes(make_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("isoglot.tokenizer.shards.NARROW", 256)
    found = write_shards(make_corpus(ROWS), ByteVocabulary(), tmp_path / "s")
    assert found.train("eng").dtype == np.uint32 and found.train("eng").tolist()[-1] == E
    assert found.held_out("eng").tokens[0] == E


def test_batches_do_not_change_the_ids(corpus, shards, vocabulary, tmp_path, monkeypatch):
    monkeypatch.setattr("isoglot.tokenizer.documents.batches.__defaults__", (100,))
    again = write_shards(corpus, vocabulary, tmp_path / "s", Clones("eng", 3, 0.1))
    assert again.fingerprint == shards.fingerprint


def _damage(folder, how):
    path = folder / "eng.train.ids"
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "manifest":
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["languages"]["eng"]["train"]["bytes"] += 1
        (folder / "manifest.json").write_text(json.dumps(manifest))
    elif how == "not json":
        (folder / "manifest.json").write_text("{")
    elif how == "no manifest":
        (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"eng\.train\.ids: missing"),
        ("truncated", r"eng\.train\.ids: 15 bytes where 16 were written"),
        ("manifest", r"manifest\.json: altered since it was written"),
        ("not json", r"manifest\.json: damaged, not JSON"),
        ("no manifest", r"manifest\.json: no such file"),
    ],
)
def test_damage_is_found_on_opening(make_corpus, tmp_path, how, message):
    write_shards(make_corpus(ROWS), ByteVocabulary(), tmp_path / "s")
    _damage(tmp_path / "s", how)
    with pytest.raises(InputError, match=message):
        open_shards(tmp_path / "s")


@pytest.mark.parametrize(
    "name", ["eng.train.ids", "eng.train.offsets", "eng.held_out.ids", "eng.held_out.json"]
)
def test_a_changed_byte_is_found_by_its_hash(make_corpus, tmp_path, name):
    write_shards(make_corpus(ROWS), ByteVocabulary(), tmp_path / "s")
    path = tmp_path / "s" / name
    content = bytearray(path.read_bytes())
    content[2] ^= 1
    path.write_bytes(content)
    found = open_shards(tmp_path / "s")
    with pytest.raises(InputError, match=rf"{name}: altered"):
        found.verify()
    if "held_out" in name:
        with pytest.raises(InputError, match=rf"{name}: altered"):
            found.held_out("eng")


def test_another_vocabulary_in_the_folder_is_found(make_corpus, vocabulary, tmp_path):
    found = write_shards(make_corpus(ROWS), ByteVocabulary(), tmp_path / "s")
    (tmp_path / "s" / "vocabulary").rename(tmp_path / "old")
    vocabulary.save(tmp_path / "s" / "vocabulary")
    with pytest.raises(InputError, match="not the vocabulary of these shards"):
        open_shards(found.folder).verify()


def test_an_error_leaves_nothing_behind(corpus, vocabulary, tmp_path):
    with pytest.raises(InputError, match="is to be cloned but is not tokenised"):
        write_shards(corpus, vocabulary, tmp_path / "s", Clones("eng", 2), ["fra"])
    with pytest.raises(RuntimeError, match="disk"), whole_folder(tmp_path / "s") as partial:
        (partial / "a").write_text("half")
        raise RuntimeError("disk")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_folder_is_refused(make_corpus, tmp_path):
    (tmp_path / "note").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_shards(make_corpus(ROWS), ByteVocabulary(), tmp_path)
    assert (tmp_path / "note").read_text() == "mine"


def test_a_language_may_have_one_split_but_not_none(make_corpus, tmp_path):
    rows = {"eng": [("a", None, "held_out", "x")], "fra": [("a", None, "train", "x")]}
    found = write_shards(make_corpus(rows), ByteVocabulary(), tmp_path / "s")
    assert found.train("eng").size == 0 and found.train_bytes("eng") == 0
    assert found.held_out("fra").tokens.size == 0
    with pytest.raises(InputError, match="eng has no text"):
        write_shards(make_corpus({"eng": []}), ByteVocabulary(), tmp_path / "t")


def test_languages_must_be_known(corpus, shards, tmp_path):
    pair = train_vocabulary("disjoint", corpus, 300, ["eng", "fra"])
    with pytest.raises(InputError, match="language hin has no vocabulary"):
        write_shards(corpus, pair, tmp_path / "s")
    with pytest.raises(InputError, match="eng#4 is not in the shards"):
        shards.train("eng#4")


def test_fertility_counts_what_a_hand_would(make_corpus, tmp_path):
    rows = {
        "eng": [
            ("a", "1", "held_out", "two words"),
            ("a", "2", "held_out", "xx"),
            ("b", None, "train", "one"),
        ],
        "jpn": [("a", "1", "held_out", "日本")],
    }
    eng, jpn = fertility(write_shards(make_corpus(rows), ByteVocabulary(), tmp_path / "s", Clones("eng", 2)))
    # "two words\nxx" + end, "one" + end: 12 + 3 bytes, 17 tokens, 4 words.
    assert (eng.bytes, eng.tokens, eng.documents) == (15, 17, 2)
    assert eng.bytes_per_token == 15 / 17 and eng.tokens_per_word == 15 / 4
    # Unit 1 alone is in both: "two words\n" against six bytes.
    assert (eng.tokens_per_unit, jpn.tokens_per_unit, jpn.common_units) == (10, 6, 1)
    assert jpn.tokens_per_word is None


def test_documents_of_many_rows_are_not_cut(make_corpus):
    rows = [("a", None, "train", str(at)) for at in range(9000)] + [("b", None, "train", "x")]
    found = list(documents(make_corpus({"eng": rows}).table("eng")))
    assert [len(document.texts) for document in found] == [9000, 1]
