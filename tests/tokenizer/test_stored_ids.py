"""Ids that other projects wrote, read from files of their own writers (see written/README.md), and damaged ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from isoglot.cli import app
from isoglot.core.errors import InputError
from isoglot.corpora.split import HoldOut
from isoglot.tokenizer import ByteVocabulary, open_shards, read_tokenizer, shards_of_ids, train_vocabulary
from isoglot.tokenizer.megatron_file import HEADER, MAGIC
from isoglot.tokenizer.stored import inferred_dtype
from isoglot.tokenizer.token_file import token_files

WRITTEN = Path(__file__).parent / "written"
FILES = [
    ("megatron", "megatron.idx", "uint16", 0),
    ("megatron", "megatron.bin", "uint16", 0),
    ("megatron", "megatron32", "int32", 8),
    ("megatron", "datatrove_megatron", "uint16", 0),
    ("nanotron", "nanotron", "uint16", 0),
    ("nanotron", "wide/tokens.ds", "uint32", 0),
    ("olmo", "olmo.npy", "uint32", 0),
    ("npy", "header.npy", "uint16", 0),
    ("raw", "megatron.bin", "uint16", 0),
]
BARE = {"olmo": "uint32", "raw": "uint16"}
ONE = HoldOut(documents=1)


@pytest.fixture(scope="module")
def vocabulary():
    return read_tokenizer(WRITTEN)


@pytest.fixture(scope="module")
def written():
    return json.loads((WRITTEN / "documents.json").read_text())


def documents_of(shards, language):
    """Ids of every document, train ones first, each with its end taken off."""
    cut = np.split(shards.train(language), shards.train_documents(language)[1:])
    held_out = shards.held_out(language)
    cut += [held_out.tokens[held_out.document == at] for at in range(len(held_out.byte_counts))]
    assert all(ids[-1] == shards.end_of(language) for ids in cut)
    return [ids[:-1].tolist() for ids in cut]


@pytest.mark.parametrize(("form", "place", "dtype", "without_end"), FILES)
def test_files_of_real_writers_are_read_to_the_same_ids(
    form, place, dtype, without_end, vocabulary, written, tmp_path
):
    made = shards_of_ids(
        {"eng": WRITTEN / place},
        form,
        vocabulary,
        tmp_path / "s",
        BARE.get(form),
        HoldOut(documents=2),
    )
    assert sorted(documents_of(made, "eng")) == sorted(written["ids"])
    counts, (facts,) = made.counts("eng"), made.manifest["source"]["languages"]["eng"]
    assert counts["train"]["documents"] == 6 and counts["held_out"]["documents"] == 2
    assert counts["train"]["bytes"] + counts["held_out"]["bytes"] == sum(
        len(text.encode()) for text in written["texts"]
    )
    assert facts["dtype"] == dtype and facts["documents"] == 8 and facts["without_end"] == without_end
    assert facts["empty"] == facts["special_left_out"] == facts["special_inside"] == facts["unknown"] == 0
    assert counts["kept"]["exact"] == 8


def test_what_is_held_out_is_by_document_and_never_shared_between_languages(vocabulary, tmp_path):
    made = shards_of_ids({name: WRITTEN / "olmo.npy" for name in ("eng", "fra")}, "olmo", vocabulary,
                         tmp_path / "s", "uint32")  # fmt: skip
    keys = [set(made.held_out(name).document_keys) for name in ("eng", "fra")]
    assert all(keys) and not keys[0] & keys[1]
    assert keys[0] < {f"eng/olmo.npy/{number}" for number in range(8)}


def test_specials_at_edges_empty_documents_and_packing_are_told_apart(vocabulary, written, tmp_path):
    first, second, third = written["ids"][:3]
    # <s> is 1, the end 0. The last document has no end; two ends in a row hold nothing between them.
    ids = [1, *first, 0, 0, *second, 1, *second, 0, 1, 1, 0, *third]
    np.array(ids, "<u2").tofile(tmp_path / "a.bin")
    made = shards_of_ids({"eng": tmp_path}, "raw", vocabulary, tmp_path / "s", "uint16")
    assert sorted(documents_of(made, "eng")) == sorted([first, [*second, 1, *second], third])
    (facts,) = made.manifest["source"]["languages"]["eng"]
    assert {name: facts[name] for name in ("documents", "empty", "without_end")} == {
        "documents": 3,
        "empty": 2,
        "without_end": 1,
    }
    assert facts["special_left_out"] == 3 and facts["special_inside"] == 1
    total = made.counts("eng")["train"]["bytes"] + made.counts("eng")["held_out"]["bytes"]
    assert total == sum(len(written["texts"][at].encode()) for at in (0, 1, 1, 2))


def test_unknown_tokens_are_counted_and_refused(tmp_path):
    from tests.tokenizer.foreign_tokenizers import TEXTS, unigram

    unigram().save(str(tmp_path / "tokenizer.json"))
    vocabulary = read_tokenizer(tmp_path)
    texts = vocabulary.encode("eng", TEXTS[:2])
    np.concatenate([texts[0], [2], texts[1][:5], [0], texts[1][5:], [2]]).astype("<u2").tofile(
        tmp_path / "a.bin"
    )
    with pytest.raises(InputError, match=r"language eng: 1 of .* tokens are unknown ones"):
        shards_of_ids({"eng": tmp_path}, "raw", vocabulary, tmp_path / "s", "uint16")
    made = shards_of_ids({"eng": tmp_path}, "raw", vocabulary, tmp_path / "s", "uint16", ONE, lost=0.1)
    assert made.counts("eng")["kept"] == {
        "exact": 1, "normalised": 0, "lost": 1, "unknown": 1, "lost_bytes": 0,
    }  # fmt: skip


def test_our_own_vocabularies_read_ids_too(tmp_path):
    text = b"ab\xc3\xa9"
    np.array([*text, 256, *b"cd", 256], "<u2").tofile(tmp_path / "a.bin")
    made = shards_of_ids({"eng": tmp_path}, "raw", ByteVocabulary(), tmp_path / "s", "uint16", ONE)
    assert made.counts("eng")["train"]["bytes"] + made.counts("eng")["held_out"]["bytes"] == 6
    assert "kept" not in made.counts("eng")


def test_the_width_follows_only_where_one_can_be(tmp_path):
    narrow, wide = tmp_path / "narrow.npy", tmp_path / "wide.npy"
    np.array([7, 0, 0, 9], "<u2").tofile(narrow)
    np.array([7, 8, 0, 9], "<u4").tofile(wide)
    # 0 and 9 read as one id of four bytes are 589,824, which no vocabulary of 300 has.
    assert inferred_dtype(narrow, 300) == np.dtype("<u2")
    with pytest.raises(InputError, match="say which with --dtype uint16 or --dtype uint32"):
        inferred_dtype(wide, 300)
    assert inferred_dtype(wide, 70_000) == np.dtype("<u4")


def copied(tmp_path, *names):
    for name in names:
        (tmp_path / name).write_bytes((WRITTEN / name).read_bytes())
    return tmp_path


def cut(path, num_bytes):
    path.write_bytes(path.read_bytes()[:-num_bytes])


def test_damaged_megatron_files_are_one_sentence(tmp_path):
    index, ids = (
        copied(tmp_path, "megatron.idx", "megatron.bin") / name for name in ("megatron.idx", "megatron.bin")
    )
    whole = index.read_bytes()

    def refused(content, match):
        index.write_bytes(content)
        with pytest.raises(InputError, match=match):
            token_files(tmp_path, "megatron", None, 320)

    header = HEADER.unpack_from(whole)
    refused(whole[:-8], r"megatron\.idx: 194 bytes where 8 sequences and 9 bounds of documents take 202")
    refused(whole[:20], "is no index of Megatron-LM")
    refused(HEADER.pack(MAGIC, 2, *header[2:]) + whole[HEADER.size :], "is an index of version 2")
    refused(HEADER.pack(MAGIC, 1, 7, *header[3:]) + whole[HEADER.size :], r"has dtype code 7 \(float32\)")
    refused(whole[:-8] + struct.pack("<q", 7), "do not run from sequence 0 to 8")
    refused(
        whole[: HEADER.size] + struct.pack("<i", 1) + whole[HEADER.size + 4 :], "do not follow one another"
    )
    index.write_bytes(whole)
    cut(ids, 2)
    refused(whole, r"megatron\.bin: holds 221 ids where megatron\.idx tells of 222")
    cut(ids, 1)
    refused(whole, "no whole number of uint16 ids")
    ids.unlink()
    refused(whole, r"megatron\.bin: no such file")


def test_damaged_nanotron_files_are_one_sentence(tmp_path):
    names = [f"tokens.ds{end}" for end in ("", ".index", ".metadata")]
    for name in names:
        (tmp_path / name).write_bytes((WRITTEN / "wide" / name).read_bytes())
    file, index, metadata = (tmp_path / name for name in names)
    assert token_files(file, "nanotron", None, 320)[0].ids.dtype == np.uint32
    metadata.unlink()
    # The index tells how many ids there are, and so their width.
    assert token_files(tmp_path, "nanotron", None, 320)[0].ids.dtype == np.uint32
    cut(file, 4)
    with pytest.raises(InputError, match="884 bytes are neither two nor four for each of the 222 ids"):
        token_files(tmp_path, "nanotron", None, 320)
    metadata.write_text("gpt2|4\n222\n222 T")
    with pytest.raises(InputError, match=r"holds 221 uint32 ids where tokens\.ds\.metadata tells of 222"):
        token_files(tmp_path, "nanotron", None, 320)
    metadata.write_text("gpt2|3\n222\n222 T")
    with pytest.raises(InputError, match="damaged, its first two lines"):
        token_files(tmp_path, "nanotron", None, 320)
    metadata.write_text("gpt2\n221\n221 T")
    with pytest.raises(InputError, match=r"tokens\.ds\.index tells of 222"):
        token_files(tmp_path, "nanotron", None, 320)
    index.write_bytes(np.array([5, 3, 221], "<u8").tobytes())
    with pytest.raises(InputError, match="its documents do not follow one another"):
        token_files(tmp_path, "nanotron", None, 320)


def test_damaged_numpy_files_are_one_sentence(tmp_path):
    place = copied(tmp_path, "header.npy", "olmo.npy")
    with pytest.raises(InputError, match="give --format npy"):
        token_files(place / "header.npy", "olmo", None, 320)
    with pytest.raises(InputError, match="give --format olmo"):
        token_files(place / "olmo.npy", "npy", None, 320)
    with pytest.raises(InputError, match="holds uint16 ids by its own account, not uint32"):
        token_files(place / "header.npy", "npy", "uint32", 320)
    cut(place / "header.npy", 3)
    with pytest.raises(InputError, match="numpy cannot read it"):
        token_files(place / "header.npy", "npy", None, 320)
    np.save(place / "header.npy", np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"holds float64 of shape \(2, 3\)"):
        token_files(place / "header.npy", "npy", None, 320)


def test_an_id_that_the_vocabulary_lacks_is_named_with_its_place(tmp_path):
    np.array([1, 2, 320, 3], "<u2").tofile(tmp_path / "a.bin")
    with pytest.raises(InputError, match=r"a\.bin: id 320 at position 2 is not in the vocabulary of 320 ids"):
        token_files(tmp_path, "raw", "uint16", 320)
    np.array([1, -2], "<i4").tofile(tmp_path / "a.bin")
    with pytest.raises(InputError, match="id -2 at position 1"):
        token_files(tmp_path, "raw", "int32", 320)


def test_other_mistakes(vocabulary, corpus, tmp_path):
    with pytest.raises(InputError, match=r"format 'megatorn' is unknown \(did you mean megatron"):
        token_files(WRITTEN, "megatorn", None, 320)
    with pytest.raises(InputError, match=r"holds no \.ds file of the format nanotron"):
        token_files(tmp_path, "nanotron", None, 320)
    with pytest.raises(InputError, match="dtype 'float16' holds no ids"):
        token_files(WRITTEN / "olmo.npy", "olmo", "float16", 320)
    pair = train_vocabulary("disjoint", corpus, 300, ["eng", "fra"])
    with pytest.raises(InputError, match="languages of a disjoint vocabulary have ids of their own"):
        shards_of_ids({"eng": WRITTEN / "olmo.npy"}, "olmo", pair, tmp_path / "s", "uint32")
    assert not (tmp_path / "s").exists()


def run(*arguments):
    result = CliRunner().invoke(app, ["tokenize", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_makes_shards_of_ids(tmp_path):
    output = run("--ids", f"eng={WRITTEN}/nanotron", "--ids", f"fra={WRITTEN}/wide", "--format", "nanotron",
                 "--vocabulary", f"hf:{WRITTEN}", "--held-out-documents", 2, "--to", tmp_path / "s")  # fmt: skip
    made = open_shards(tmp_path / "s")
    made.verify()
    assert made.languages == ("eng", "fra") and made.vocabulary.kind == "hf"
    assert made.counts("fra")["held_out"]["documents"] == 2
    assert "eng: 00000_unshuffled.ds, 222 uint16 ids, 8 documents (0 without an end" in output
    again = json.loads(run("--ids", f"eng={WRITTEN}/olmo.npy", "--format", "olmo", "--dtype", "uint32", "--json",
                           "--from", tmp_path / "s", "--to", tmp_path / "t"))  # fmt: skip
    assert again["source"]["languages"]["eng"][0]["dtype"] == "uint32"
    assert again["languages"][0]["bytes_per_token"] == 368 / 222


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to tokenise"),
        (["--format", "raw"], "nothing to tokenise"),
        (["corpus", "--dtype", "uint16"], "--dtype uint16 is for ids on disk"),
        (["corpus", "--held-out", "0.1"], "--held-out 0.1 is for ids on disk"),
        (["corpus", "--ids", "eng=x", "--format", "raw"], "give one of them"),
        (["--ids", "eng=x", "--format", "raw", "--languages", "eng"], "--languages eng is for a corpus"),
        (["--ids", "eng=x"], "give --format megatron"),
        (["--ids", "eng", "--format", "raw", "--vocabulary", f"hf:{WRITTEN}"], "write eng=FILE"),
        (
            ["--ids", "eng=x", "--ids", "eng=y", "--format", "raw", "--vocabulary", f"hf:{WRITTEN}"],
            "eng twice",
        ),
        (["--ids", "eng=x", "--format", "raw"], "need the vocabulary that they were made with"),
        (
            ["--ids", "eng=x", "--format", "raw", "--vocabulary", f"hf:{WRITTEN}", "--size", "9"],
            "--size 9 is for a",
        ),
        (
            ["--ids", "eng=x", "--format", "raw", "--vocabulary", "bytes", "--end", "x"],
            "--end x is for --voc",
        ),
        (
            ["--ids", "eng=x", "--format", "raw", "--from", "y", "--end", "x"],
            "--end x makes a new vocabulary",
        ),
    ],
)
def test_mistakes_of_the_command_are_one_sentence(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        run("--to", tmp_path / "s", *arguments)
