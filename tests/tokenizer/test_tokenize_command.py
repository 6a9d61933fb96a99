"""`isoglot tokenize` on a prepared corpus, as a user runs it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tokenizer.foreign_tokenizers import unigram
from typer.testing import CliRunner

from isoglot.cli import app
from isoglot.core.errors import InputError
from isoglot.corpora.corpus import Corpus
from isoglot.corpora.passage import Passage
from isoglot.corpora.prepare import prepare
from isoglot.tokenizer import open_shards


class Verses:
    """A tiny parallel source: 30 documents of four aligned passages in two languages."""

    def languages(self) -> tuple[str, ...]:
        return ("eng", "fra")

    def passages(self, language: str) -> Iterator[Passage]:
        draw = random.Random(language)
        words = ["".join(draw.choices("aeiourstlnm", k=draw.randint(2, 7))) for _ in range(200)]
        for document in range(30):
            for verse in range(4):
                text = " ".join(draw.choices(words, k=12)).capitalize() + "."
                yield Passage(language, f"d{document}", f"d{document}.{verse}", text)

    def provenance(self) -> dict[str, object]:
        return {"name": "verses", "version": "1", "licence": "CC0-1.0", "revision": "1"}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return prepare(Verses(), tmp_path_factory.mktemp("corpus") / "c", rules="none")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["tokenize", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_tokenize_prints_what_each_language_costs(text: Corpus, tmp_path: Path) -> None:
    output = run(text.folder, "--to", tmp_path / "s", "--vocabulary", "bpe", "--size", 400, "--clone", "eng=2",
                 "--anchors", "0.05")  # fmt: skip
    shards = open_shards(tmp_path / "s")
    shards.verify()
    assert shards.languages == ("eng", "fra", "eng#2")
    tokens = shards.counts("eng")["train"]["tokens"] + shards.counts("eng")["held_out"]["tokens"]
    assert f"{tokens:,}" in output and shards.fingerprint in output
    assert "eng, eng#2, 20 ids shared; 800 ids in all" in output


def test_json_agrees_with_the_folder(text: Corpus, tmp_path: Path) -> None:
    found = json.loads(run(text.folder, "--to", tmp_path / "s", "--kind", "merged", "--size", 300, "--json"))
    shards = open_shards(tmp_path / "s")
    assert found["fingerprint"] == shards.fingerprint and found["vocabulary"]["kind"] == "merged"
    assert [entry["language"] for entry in found["languages"]] == ["eng", "fra"]
    rows = text.table("eng")
    # Four passages a document are joined by three newlines.
    size = sum(len(line.encode()) for line in rows["text"]) + 3 * rows["document"].n_unique()
    assert found["languages"][0]["bytes"] == size
    assert found["languages"][0]["tokens_per_unit"] > 1 and found["clones"] is None


def test_a_vocabulary_is_used_again(text: Corpus, tmp_path: Path) -> None:
    run(text.folder, "--to", tmp_path / "a", "--languages", "eng", "--size", 350)
    run(text.folder, "--to", tmp_path / "b", "--languages", "fra", "--from", tmp_path / "a")
    first, second = open_shards(tmp_path / "a"), open_shards(tmp_path / "b")
    assert first.vocabulary == second.vocabulary and second.languages == ("fra",)


def test_a_tokenizer_of_another_project_says_what_it_does_not_give_back(text: Corpus, tmp_path: Path) -> None:
    lines = [line for name in ("eng", "fra") for line in text.table(name)["text"].to_list()]
    unigram(lines, 300).save(str(tmp_path / "tokenizer.json"))
    output = run(text.folder, "--to", tmp_path / "s", "--vocabulary", f"hf:{tmp_path}", "--end", "<s>")
    # Its normaliser turns the newlines between passages into spaces.
    assert "eng: of 30 documents 0 come back as they were, 30 normalised, and 0 lose text" in output
    made = open_shards(tmp_path / "s")
    assert made.vocabulary.kind == "hf" and made.end_of("eng") == 1
    found = json.loads(run(text.folder, "--to", tmp_path / "t", "--from", tmp_path / "s", "--json"))
    assert found["languages"][0]["kept"]["normalised"] == 30 and found["source"] is None


def test_a_taken_folder_is_refused_before_any_work(text: Corpus, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        run("no corpus is here", "--to", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clone", "eng"], "write eng=2"),
        (["--anchors", "0.1"], "give --clone as well"),
        (["--from", "x", "--size", "300"], "--size 300 makes a new vocabulary"),
        (["--vocabulary", "hf:absent"], r"no such file; give a Hugging Face tokenizer\.json"),
        (["--vocabulary", "words"], "vocabulary kind 'words' is unknown"),
        (["--languages", "eng,deu"], "language deu is not in the corpus"),
        (["--vocabulary", "bytes", "--clone", "fra=2", "--languages", "eng"], "fra is to be cloned"),
    ],
)
def test_mistakes_are_one_sentence(text: Corpus, tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(text.folder, "--to", tmp_path / "s", *arguments)
    assert not list(tmp_path.iterdir())
