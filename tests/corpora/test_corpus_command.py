"""`isoglot corpus`: what a person reads, what a program reads, and one sentence for a mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isoglot.cli.corpus import app
from isoglot.core.errors import InputError
from isoglot.corpora.catalogue import SOURCES
from isoglot.corpora.corpus import open_corpus
from isoglot.corpora.request import default_folder, option_pairs, requested

RUN = CliRunner()


def run(*words: object) -> str:
    done = RUN.invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Two languages of 12 documents in files, with one line that is no text."""
    for language, words in (
        ("en", "The small river runs under an old bridge"),
        ("fr", "La petite rivière passe"),
    ):
        blocks = [f"{words}, {n} and {n * 7}.\n{words} again, {n}.\n***" for n in range(12)]
        (tmp_path / f"{language}.txt").write_text("\n\n".join(blocks), encoding="utf-8")
    return tmp_path


def test_list_shows_every_source_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = run("list")
    listed = {entry["name"]: entry for entry in json.loads(run("list", "--json"))}
    assert list(listed) == list(SOURCES)
    for name, entry in listed.items():
        assert name in printed and entry["languages"] and entry["licence"] and entry["size"]
    assert "isoglot[hf]" in printed and "; gated" in printed and "address unverified" in printed
    one = run("list", "bible")
    assert "eng fra" in one and "--option translation=..." in one
    with pytest.raises(InputError, match=r"source 'bibel' is unknown \(did you mean bible"):
        run("list", "bibel")


def test_list_fits_a_narrow_terminal_and_breaks_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    printed = re.sub("\x1b.*?m", "", run("list"))
    for name in SOURCES:
        assert name in printed
    assert max(len(line) for line in printed.splitlines()[:-1]) <= 80
    assert "apt-get" not in printed


def test_prepare_prints_what_is_in_the_corpus_and_what_is_not(texts: Path) -> None:
    made = texts / "made"
    words = (
        "--text",
        f"en={texts / 'en.txt'}",
        "--text",
        f"fr={texts / 'fr.txt'}",
        "--held-out-documents",
        2,
    )
    printed = run("prepare", *words, "--to", made, "--parallel", "--clean", "verses")
    corpus = open_corpus(made)
    assert corpus.fingerprint in printed and "left out of eng (36 passages read): 12 stub" in printed
    assert "near-duplicate documents (Jaccard 0.8 or more) were kept: the text is parallel" in printed
    found = json.loads(run("census", made, "--json"))
    assert [(one["language"], one["documents"], one["held_out_documents"]) for one in found["languages"]] == [
        ("eng", 12, 2),
        ("fra", 12, 2),
    ]
    assert found["languages"][0]["parallel_units"] == 24
    assert found["languages"][0]["manifest"]["left_out"]["stub"]["passages"] == 12
    assert str(texts) not in (made / "manifest.json").read_text()
    with pytest.raises(InputError, match="exists already"):
        run("prepare", *words, "--to", made)
    assert "removed within each language: as asked" in run(
        "prepare", *words, "--to", made, "--overwrite", "--drop-near-duplicates", "--limit", "1kB"
    )


def test_census_with_a_vocabulary(texts: Path) -> None:
    from isoglot.tokenizer.byte_vocabulary import ByteVocabulary

    run("prepare", "--text", f"en={texts / 'en.txt'}", "--keep-near-duplicates", "--to", texts / "made")
    ByteVocabulary().save(texts / "bytes")
    printed = run("census", texts / "made", "--tokenizer", texts / "bytes", "--reference", "English")
    found = json.loads(run("census", texts / "made", "--tokenizer", texts / "bytes", "--json"))
    tokens = found["languages"][0]["vocabulary"]
    assert tokens["tokens"] == found["languages"][0]["bytes"] + found["languages"][0]["documents"]
    assert f"{tokens['unique_tokens']:,}" in printed and "tokens/word" in printed


def test_fetch_makes_a_corpus_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = ("--option", "documents=20", "--option", "types=100")
    run("fetch", "synthetic-zipf", "--languages", "synA,synC", *options, "--disjoint")
    corpus = open_corpus(default_folder("synthetic-zipf"))
    assert corpus.folder == tmp_path / "isoglot" / "corpora" / "synthetic-zipf"
    assert corpus.languages == ("synA", "synC")
    train = [set(corpus.table(name, "train")["document"]) for name in corpus.languages]
    assert train[0] and train[1] and not train[0] & train[1]
    assert corpus.manifest["options"]["cleaning"]["minimum"] == 0
    assert corpus.manifest["source"]["options"]["documents"] == 20


def test_hub_corpora_take_the_same_way(tmp_path: Path) -> None:
    rows = "".join(
        json.dumps({"text": f"Une phrase sur le sujet {n}.\nEncore une phrase, {n * n}.", "id": str(n)})
        + "\n"
        for n in range(30)
    )
    (tmp_path / "fra.jsonl").write_text(rows)
    files = f"files={tmp_path}/{{language}}.jsonl"
    run("fetch", "fineweb-2", "--languages", "fr", "--option", files, "--to", tmp_path / "made")
    corpus = open_corpus(tmp_path / "made")
    assert corpus.table("fra").height == 60 - _repeated(corpus.manifest)
    assert corpus.manifest["source"]["licence"] == SOURCES["fineweb-2"].licence


def _repeated(manifest: dict) -> int:
    return manifest["languages"]["fra"]["near_duplicates"]["passages"]


def test_requests_join_sources_and_name_mistakes(texts: Path) -> None:
    path = str(texts / "en.txt")
    source = requested(["synthetic-zipf"], [f"en={path}"], languages=["synA", "en"])
    assert source.languages() == ("synA", "eng")
    for words, options in (
        (r"source synthetic-zipf has none of eng: leave the source out", {"languages": ["en"]}),
        (r"has no option 'documnets' \(did you mean documents", {"options": {"documnets": "3"}}),
    ):
        with pytest.raises(InputError, match=words):
            requested(["synthetic-zipf"], [f"en={path}"], **options)
    with pytest.raises(InputError, match="option 'bytes' belongs to a named source, and none is given"):
        requested(texts=[f"en={path}"], options={"bytes": "1MB"})
    with pytest.raises(InputError, match="text 'en' is not NAME=VALUE: write --text eng=PATH"):
        requested(texts=["en"])
    with pytest.raises(InputError, match="name one language twice"):
        requested(texts=[f"en={path}", f"English={path}"])
    with pytest.raises(InputError, match="gives en a second time: give each name once"):
        requested(texts=[f"en={path}", f"en={texts / 'fr.txt'}"])
    with pytest.raises(InputError, match="table '=x' is not LANGUAGE=PATH"):
        requested(tables=["=x"])
    with pytest.raises(InputError, match="no text is given"):
        requested()
    with pytest.raises(InputError, match="option 'bytes' is not NAME=VALUE"):
        option_pairs(["bytes"])


def test_an_error_leaves_the_process_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    from isoglot.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["isoglot", "corpus", "census", str(tmp_path / "nowhere")])
        with pytest.raises(SystemExit) as left:
            main()
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("isoglot: corpus ") and error.count("\n") == 1 and "does not exist" in error
