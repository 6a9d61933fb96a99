"""Vocabularies of other projects: their own ids, text that comes back or is counted, no special token from text."""

from __future__ import annotations

import json
import shutil
from unicodedata import normalize

import numpy as np
import pytest
from tests.tokenizer.foreign_tokenizers import KINDS, SCRIPTS, TEXTS, byte_level, unigram
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from isoglot.core.errors import InputError
from isoglot.tokenizer import Clones, fertility, load_vocabulary, open_shards, read_tokenizer, write_shards
from isoglot.tokenizer.hugging_face import tokenizer_files
from isoglot.train.export import _end

ENDS = {"byte-level BPE": "<|endoftext|>", "BPE with byte fallback": "</s>", "Unigram": "</s>"}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The folder of each kind's tokenizer.json."""
    folder = tmp_path_factory.mktemp("foreign")
    found = {}
    for kind, make in KINDS.items():
        found[kind] = folder / kind
        found[kind].mkdir()
        make().save(str(found[kind] / "tokenizer.json"))
    return found


@pytest.fixture(scope="module")
def corpus_of_scripts(make_corpus):
    """Two documents a language: the second has two passages, a unit each."""
    return make_corpus(
        {
            name: [
                ("a", None, "held_out", f"{first} {second}"),
                ("b", "b.0", "train", first),
                ("b", "b.1", "train", second),
            ]
            for name, (first, second) in SCRIPTS.items()
        }
    )


@pytest.fixture(scope="module")
def shards(places, corpus_of_scripts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return {
        kind: write_shards(corpus_of_scripts, read_tokenizer(place), folder / kind)
        for kind, place in places.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_the_tokenizers_own_for_whole_documents(kind, places, shards):
    own = Tokenizer.from_file(str(places[kind] / "tokenizer.json"))
    end = own.token_to_id(ENDS[kind])
    for language, (first, second) in SCRIPTS.items():
        expected = own.encode(f"{first}\n{second}", add_special_tokens=False).ids
        assert shards[kind].train(language).tolist() == [*expected, end]
        held_out = shards[kind].held_out(language).tokens.tolist()
        expected = own.encode(f"{first} {second}", add_special_tokens=False).ids
        assert held_out == [end, *expected, end]


@pytest.mark.parametrize("kind", KINDS)
def test_text_comes_back_in_ten_scripts_and_bytes_are_those_of_the_text(kind, shards):
    made = shards[kind]
    for cost in fertility(made):
        first, second = SCRIPTS[cost.language]
        decoded = made.vocabulary.decode(cost.language, made.train(cost.language))
        # The Unigram's normaliser is NFKC, and turns the newline between passages into a space.
        texts = [f"{first}\n{second}", f"{first} {second}"]
        given = [normalize("NFKC", text.replace("\n", " ")) for text in texts] if kind == "Unigram" else texts
        assert decoded == f"{given[0]}<|end|>"
        exact = sum(back == text for back, text in zip(given, texts, strict=True))
        nothing = {"lost": 0, "unknown": 0, "lost_bytes": 0}
        assert made.counts(cost.language)["kept"] == {"exact": exact, "normalised": 2 - exact, **nothing}
        num_bytes = 2 * len(f"{first} {second}".encode())
        tokens = len(made.train(cost.language)) + len(made.held_out(cost.language).tokens) - 1
        assert cost.bytes == num_bytes and cost.bytes_per_token == num_bytes / tokens


@pytest.mark.parametrize("kind", KINDS)
def test_passages_share_out_the_ids_of_their_document(kind, places, make_corpus, tmp_path):
    first, second = SCRIPTS["hin"]
    rows = [("a", "a.0", "held_out", first), ("a", "a.1", "held_out", second), ("b", None, "train", "x")]
    made = write_shards(make_corpus({"hin": rows}), read_tokenizer(places[kind]), tmp_path / "s")
    held_out = made.held_out("hin")
    decode = made.vocabulary.decode
    spelt = [decode("hin", held_out.tokens[held_out.unit == at]) for at in range(2)]
    assert spelt[0].strip() == first and spelt[1].strip() == second


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_spells_a_special_token(kind, places):
    vocabulary = read_tokenizer(places[kind])
    text = f"a {ENDS[kind]} b <s> <unk>"
    tokenizer = KINDS[kind]([*TEXTS, text])
    vocabulary = type(vocabulary)(tokenizer.to_str(), ENDS[kind])
    (ids,) = vocabulary.encode("eng", [text])
    assert not vocabulary.special & set(ids.tolist())
    assert vocabulary.decode("eng", ids) == text
    # And the library itself, asked plainly, does read the end out of it: the test has something to fail by.
    assert vocabulary.end in tokenizer.encode(text, add_special_tokens=False).ids


def test_templates_padding_and_truncation_change_no_id_and_no_fingerprint(places, tmp_path):
    plain = read_tokenizer(places["Unigram"])
    tokenizer = Tokenizer.from_str(plain.text)
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    other = read_tokenizer(tmp_path / "tokenizer.json")
    text = "The river is high this week."
    assert other.encode("eng", [text])[0].tolist() == plain.encode("eng", [text])[0].tolist()
    assert len(plain.encode("eng", [text])[0]) > 4 and other.fingerprint == plain.fingerprint
    assert read_tokenizer(places["Unigram"], "<s>").fingerprint != plain.fingerprint


def test_what_a_tokenizer_does_not_know_is_counted_to_the_byte(make_corpus, tmp_path):
    latin = unigram(TEXTS[:2] * 3, 60)
    latin.save(str(tmp_path / "tokenizer.json"))
    vocabulary = read_tokenizer(tmp_path)
    rows = [("a", None, "train", "The river นี้ is high"), ("b", None, "held_out", "The river is")]
    corpus = make_corpus({"tha": rows})
    with pytest.raises(
        InputError, match=r"language tha: the tokenizer loses 23\.08% of the bytes \(1 unknown"
    ):
        write_shards(corpus, vocabulary, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    kept = write_shards(corpus, vocabulary, tmp_path / "s", lost=0.3).counts("tha")["kept"]
    assert kept == {"exact": 1, "normalised": 0, "lost": 1, "unknown": 1, "lost_bytes": 9}


def test_text_that_no_token_stands_for_is_lost_too(make_corpus, tmp_path):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        TEXTS[:2], trainers.BpeTrainer(special_tokens=["</s>"], show_progress=False, vocab_size=60)
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    corpus = make_corpus({"eng": [("a", None, "train", "The  river"), ("b", None, "held_out", "high is")]})
    made = write_shards(corpus, read_tokenizer(tmp_path), tmp_path / "s", lost=0.2)
    # Both spaces lie under no token, and only one comes back.
    kept = made.counts("eng")["kept"]
    assert (kept["exact"], kept["lost"], kept["lost_bytes"]) == (1, 1, 2)


def test_shards_keep_the_tokenizer_and_find_it_altered(shards, places, tmp_path):
    made = shards["BPE with byte fallback"]
    assert made.vocabulary.text == (places["BPE with byte fallback"] / "tokenizer.json").read_text()
    assert made.vocabulary.record == {"name": "BPE with byte fallback", "model": "BPE", "end": "</s>"}
    folder = shutil.copytree(made.folder, tmp_path / "s")
    assert load_vocabulary(folder).fingerprint == made.vocabulary.fingerprint
    file = folder / "vocabulary" / "tokenizer.json"
    file.write_text(file.read_text().replace('"fuse_unk": true', '"fuse_unk": false'))
    with pytest.raises(InputError, match="altered since it was written"):
        open_shards(folder).verify()


def test_a_vocabulary_of_another_project_can_be_cloned(places, corpus_of_scripts, tmp_path):
    vocabulary = read_tokenizer(places["byte-level BPE"])
    made = write_shards(corpus_of_scripts, vocabulary, tmp_path / "s", Clones("eng", 2), ["eng"])
    assert made.vocabulary_size == 2 * vocabulary.size
    assert made.end_of("eng#2") == vocabulary.end + vocabulary.size


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_writes_the_tokenizer_without_its_template(kind, places):
    vocabulary = read_tokenizer(places[kind])
    files = tokenizer_files(vocabulary, None, 32)
    again = Tokenizer.from_str(json.dumps(files["tokenizer.json"]))
    text = "The river नदी"
    assert again.encode(text).ids == vocabulary.encode("eng", [text])[0].tolist()
    assert files["tokenizer_config.json"]["eos_token"] == ENDS[kind]
    assert _end(vocabulary, None, files) == vocabulary.end == again.token_to_id(ENDS[kind])
    with pytest.raises(InputError, match="export without a tokenizer"):
        tokenizer_files(vocabulary, None, 32, np.arange(vocabulary.size))


@pytest.mark.parametrize(
    ("files", "named", "end"),
    [
        ({}, None, "</s>"),
        ({}, "<s>", "<s>"),
        ({"tokenizer_config.json": {"eos_token": "<s>"}}, None, "<s>"),
        ({"tokenizer_config.json": {"eos_token": {"content": "<s>", "lstrip": False}}}, None, "<s>"),
        ({"tokenizer_config.json": {"eos_token": None}, "special_tokens_map.json": {"eos_token": "<s>"}}, None, "<s>"),
        ({"tokenizer_config.json": {"eos_token": "<s>"}}, "</s>", "</s>"),
    ],
)  # fmt: skip
def test_the_end_is_told_or_named(places, tmp_path, files, named, end):
    shutil.copy(places["Unigram"] / "tokenizer.json", tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert read_tokenizer(f"hf:{tmp_path}", named).ending == end


def test_mistakes_are_one_sentence(places, tmp_path):
    with pytest.raises(InputError, match="has no piece '<eot>', which was named as the end"):
        read_tokenizer(places["Unigram"], "<eot>")
    with pytest.raises(InputError, match=r"no such file; give a Hugging Face tokenizer\.json"):
        read_tokenizer(tmp_path)
    file = tmp_path / "tokenizer.json"
    whole = (places["Unigram"] / "tokenizer.json").read_text()
    file.write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="no tokenizer of Hugging Face can be read from it"):
        read_tokenizer(tmp_path)
    file.write_text(whole)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eot>"}))
    with pytest.raises(InputError, match=r"which is the eos_token of tokenizer_config\.json"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    byte_level().save(str(file))
    file.write_text(file.read_text().replace("<|endoftext|>", "<stop>"))
    with pytest.raises(InputError, match="name it with --end, of <stop>"):
        read_tokenizer(tmp_path)
    Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")).save(str(file))
    with pytest.raises(InputError, match="its model is WordPiece, which loses text"):
        read_tokenizer(tmp_path)


def test_older_files_leave_out_what_is_the_default(places, tmp_path, corpus_of_scripts):
    tree = json.loads((places["byte-level BPE"] / "tokenizer.json").read_text())
    whole = read_tokenizer(places["byte-level BPE"], "<|endoftext|>")
    del tree["model"]["type"]
    tree["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree))
    older = read_tokenizer(tmp_path, "<|endoftext|>")
    assert older.record["model"] == "BPE" and older.unknown is None
    assert older.encode("eng", ["The river"])[0].tolist() == whole.encode("eng", ["The river"])[0].tolist()
